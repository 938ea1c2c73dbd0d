"""`python -m tests.fuzz.coverage [--seconds N] [TARGET …]` fuzzes what takes bytes, led by what the compiled code has run.

This needs a build with AddressSanitizer and counters of coverage, and atheris, which is libFuzzer for Python: `make fuzz-coverage`
provides both. Inputs that got further than others are kept in `build/corpus`, and are where the next run goes on.
"""

from __future__ import annotations

import argparse
import importlib
import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "component"))

#: What the sanitizer must leave alone: signals are how the engine traps, and Python's arenas are no leaks.
SANITIZER = "detect_leaks=0:handle_segv=0:handle_sigill=0:handle_sigfpe=0:allocator_may_return_null=1:detect_stack_use_after_return=0"

#: The targets, and what to start from and to call with bytes.
Guided = tuple[Iterable[bytes], Callable[[bytes], None]]


def _modules() -> Guided:
    from tests.fuzz.targets import Modules

    target = Modules()
    return target.binaries, target.check


def _components() -> Guided:
    from tests.fuzz.targets import Components

    target = Components()
    for seed in range(30):
        target(random.Random(seed))
    return target.binaries, target.check


def _text() -> Guided:
    from tests.fuzz.targets import Text

    target = Text()
    return target.texts, target.check


def _outlines() -> Guided:
    from tests.fuzz.targets import Outlines

    target = Outlines()
    return target.binaries, target.check


def _serialized_bytes() -> Guided:
    from tests.fuzz.targets import SerializedBytes

    target = SerializedBytes()
    codes = [*target.modules, *target.components]

    def check(data: bytes) -> None:
        if data not in codes:
            target.check(data)

    return codes, check


GUIDED: dict[str, Callable[[], Guided]] = {
    "modules": _modules,
    "components": _components,
    "text": _text,
    "outlines": _outlines,
    "serialized-bytes": _serialized_bytes,
}


def _atheris() -> Any:
    # Only where it is installed, and without types.
    return importlib.import_module("atheris")


def _fuzz(name: str, corpus: Path, options: list[str]) -> None:
    """Runs in a child process, which the fuzzer ends."""
    atheris = _atheris()
    seeds, check = GUIDED[name]()
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    atheris.Setup([name, str(corpus), *options], check, enable_python_coverage=False)
    atheris.Fuzz()


def run(name: str, seconds: int, runtime: Path) -> bool:
    """Fuzzes one target; whether nothing was found."""
    corpus, findings = ROOT / "build" / "corpus" / name, ROOT / "build" / "findings"
    findings.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.coverage", "--child", str(corpus), name, "--"]
    # The engine reserves address space without end: only what is resident counts.
    command += [f"-max_total_time={seconds}", "-print_final_stats=1", "-max_len=20000", "-timeout=120", "-rss_limit_mb=6000"]
    command += [f"-artifact_prefix={findings}/{name}-"]
    environment = {**os.environ, "LD_PRELOAD": str(runtime), "ASAN_OPTIONS": SANITIZER}
    child = subprocess.run(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, errors="replace", check=False)
    executions = re.search(r"stat::number_of_executed_units:\s*(\d+)", child.stderr)
    covered = re.findall(r"cov: (\d+)", child.stderr)
    number = int(executions[1]) if executions else 0
    ended_well = child.returncode == 0 and number > 0
    outcome = "nothing found" if ended_well else f"exit code {child.returncode}; see {findings}\n{child.stderr[-6000:]}"
    first, last = (covered[0], covered[-1]) if covered else ("?", "?")
    print(f"{name:18} {number:>10,} executions, coverage {first} -> {last}  {outcome}", flush=True)
    return ended_well


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.coverage", description="Fuzzes with feedback from coverage.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(GUIDED)}; all by default")
    parser.add_argument("--seconds", type=int, default=60, help="for each target; 60 by default")
    parser.add_argument("--runtime", type=Path, help="the library of the sanitizer that has the fuzzer, too")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    words = sys.argv[1:]
    end = words.index("--") if "--" in words else len(words)
    arguments = parser.parse_args(words[:end])
    if arguments.child is not None:
        _fuzz(arguments.targets[0], arguments.child, words[end + 1 :])
        return 0
    if arguments.runtime is None:
        arguments.runtime = Path(_atheris().path(), "asan_with_fuzzer.so")
    results = [run(name, arguments.seconds, arguments.runtime) for name in arguments.targets or GUIDED]
    return int(not all(results))


if __name__ == "__main__":
    sys.exit(main())
