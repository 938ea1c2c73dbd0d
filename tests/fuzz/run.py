"""`python -m tests.fuzz.run [--seconds N] [--executions N] [--seed N] [TARGET …]` runs targets for that long each.

Each runs in a process of its own, which writes down how far it has come: one that dies is reported with the command
that does the same again.
"""

from __future__ import annotations

import argparse
import faulthandler
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What the tests of components share.
sys.path.insert(0, str(ROOT / "tests" / "component"))


@dataclass(frozen=True)
class Report:
    """How the run of one target ended."""

    target: str
    executions: int
    #: What was found, with the seed that repeats it; empty if nothing was.
    finding: str


def run(target: str, *, seconds: float, executions: int | None, seed: int) -> Report:
    """Runs a target in a child process."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        progress = Path(folder, "progress")
        command = [sys.executable, "-m", "tests.fuzz.run", "--child", str(progress), target]
        command += ["--seconds", str(seconds), "--seed", str(seed)]
        command += [] if executions is None else ["--executions", str(executions)]
        try:
            child = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds + 300, check=False)
            ending, words = child.returncode, child.stderr[-4000:]
        except subprocess.TimeoutExpired:
            ending, words = -1, "it hangs"
        last = int(progress.read_text() or seed) if progress.exists() else seed
    repeat = f"python -m tests.fuzz.run {target} --seed {seed} --executions {last - seed + 1}"
    finding = "" if ending == 0 else f"exit code {ending}; `{repeat}` repeats it\n{words}"
    return Report(target, last - seed + (ending == 0), finding)


def _run_in_child(target: str, progress: Path, seconds: float, executions: int | None, seed: int) -> None:
    from tests.fuzz.targets import TARGETS

    # A thread that prints all stacks when an execution hangs.
    faulthandler.dump_traceback_later(seconds + 240, exit=True)
    execute = TARGETS[target]()
    deadline = time.monotonic() + seconds
    number = seed
    with progress.open("w") as file:
        while True:
            file.seek(0)
            file.write(str(number))
            file.flush()
            execute(random.Random(number))
            if time.monotonic() >= deadline or executions is not None and number - seed + 1 >= executions:
                return
            number += 1


def main() -> int:
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.run", description="Runs fuzz targets.")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60.0, help="for each target; 60 by default")
    parser.add_argument("--executions", type=int, help="stop after so many")
    parser.add_argument("--seed", type=int, help="of the first execution; the time by default")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seed = arguments.seed if arguments.seed is not None else int(time.time())
    if arguments.child is not None:
        _run_in_child(arguments.targets[0], arguments.child, arguments.seconds, arguments.executions, seed)
        return 0
    reports = []
    for target in arguments.targets or TARGETS:
        report = run(target, seconds=arguments.seconds, executions=arguments.executions, seed=seed)
        print(f"{report.target:18} {report.executions:>10,} executions  {report.finding or 'nothing found'}", flush=True)
        reports.append(report)
    return int(any(report.finding for report in reports))


if __name__ == "__main__":
    sys.exit(main())
