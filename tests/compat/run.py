"""`python -m tests.compat.run PACKAGE [CASE…]` runs the cases on one package and prints a JSON line for each.

Every case runs in a forked child of its own: what one leaves behind cannot reach another, and a process that dies or
never returns is an outcome like any other.
"""

from __future__ import annotations

import dataclasses
import faulthandler
import importlib
import json
import os
import resource
import select
import signal
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NoReturn

from .harness import Case, Outcome, Package, all_cases, run_case
from .trace import Tracer

#: Seconds after which a case counts as hanging. The slowest takes well under one; the margin is for a busy machine.
TIME_LIMIT = 60.0


def run_isolated(case: Case, package: Package, traced: bool, time_limit: float = TIME_LIMIT) -> Outcome:
    """Runs a case in a forked child and returns its outcome, also if the child dies."""
    with tempfile.TemporaryDirectory(prefix="compat-") as directory:
        stderr = Path(directory, "stderr")
        tmp = Path(directory, "case")
        tmp.mkdir()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reader)
            _run_in_child(case, package, traced, tmp, stderr, writer)
        os.close(writer)
        try:
            answer = _read_until(reader, time.monotonic() + time_limit)
        finally:
            os.close(reader)
        if answer is None:
            os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(pid, 0)
        last_words = stderr.read_text(errors="replace")[-2000:] if stderr.exists() else ""
    if answer is None:
        return Outcome(f"does not return within {time_limit:g} seconds", stderr=last_words)
    if os.WIFSIGNALED(status):
        return Outcome(f"kills the process ({signal.Signals(os.WTERMSIG(status)).name})", stderr=last_words)
    if not answer:
        return Outcome(f"ends the process with exit code {os.waitstatus_to_exitcode(status)}", stderr=last_words)
    return dataclasses.replace(outcome_from_fields(json.loads(answer)), stderr=last_words)


def _run_in_child(case: Case, package: Package, traced: bool, tmp: Path, stderr: Path, writer: int) -> NoReturn:
    # Neither core files nor tracebacks on the terminal of whoever runs the tests: a death is an outcome.
    faulthandler.disable()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.dup2(os.open(stderr, os.O_WRONLY | os.O_CREAT), 2)
    # Whether errors carry native backtraces is the subject of one case, and must not depend on who runs the others.
    os.environ.pop("RUST_BACKTRACE", None)
    # The default configuration of the compilation cache lives under the home directory.
    os.environ.update(HOME=str(tmp), XDG_CACHE_HOME=str(tmp), XDG_CONFIG_HOME=str(tmp))
    tracer = Tracer(package) if traced else None
    if tracer is None:
        outcome = run_case(case, package, tmp)
    else:
        with tracer:
            outcome = run_case(case, package, tmp)
        outcome = dataclasses.replace(outcome, touched=tuple(sorted(tracer.touched)))
    os.write(writer, json.dumps(dataclasses.asdict(outcome)).encode())
    os._exit(0)


def _read_until(reader: int, deadline: float) -> bytes | None:
    """Everything up to the end of the pipe, or `None` if the deadline comes first."""
    chunks: list[bytes] = []
    while True:
        ready, _, _ = select.select([reader], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return None
        chunk = os.read(reader, 1 << 16)
        if not chunk:
            return b"".join(chunks)
        chunks.append(chunk)


def outcome_from_fields(fields: dict[str, Any]) -> Outcome:
    """The outcome that `dataclasses.asdict` and JSON made these fields of."""
    tuples = {name: tuple(fields[name]) for name in ("catchable_as", "touched")}
    return Outcome(**{**fields, **tuples})


def main(arguments: list[str]) -> int:
    if not arguments:
        print(__doc__, file=sys.stderr)
        return 2
    package_name, *patterns = arguments
    package = importlib.import_module(package_name)
    importlib.import_module(f"{package_name}.component")
    for name, case in all_cases().items():
        if patterns and not any(pattern in name for pattern in patterns):
            continue
        # Only wasmtime-py can be traced: it is written in Python.
        outcome = run_isolated(case, package, traced=package_name == "wasmtime")
        print(json.dumps({"case": name, "outcome": dataclasses.asdict(outcome)}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
