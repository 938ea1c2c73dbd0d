"""What is measured: subjects, each of which gives the seconds of one operation whenever it is asked."""

from __future__ import annotations

import subprocess
import sys
import timeit
from collections.abc import Callable

#: Measures once, and returns the seconds that one operation took.
Subject = Callable[[], float]

#: How long one sample runs, at least, in seconds: short, so that the scheduler leaves some of them alone.
SAMPLE = 0.002
#: A subject gives the best of so many samples.
SAMPLES = 10


def statement(code: str, operations: int = 1, **names: object) -> Subject:
    """The time of a Python statement, in which `names` are variables and which does the operation `operations` times."""
    timer = timeit.Timer(code, globals=dict(names))
    repeats = 0

    def sample() -> float:
        nonlocal repeats
        if not repeats:
            repeats = repeats_for(timer)
        return min(timer.repeat(SAMPLES, repeats)) / repeats / operations

    return sample


def repeats_for(timer: timeit.Timer) -> int:
    """How often the statement has to run to fill a sample."""
    repeats = 1
    while timer.timeit(repeats) < SAMPLE:
        repeats *= 2
    return repeats


def process(code: str, *arguments: str) -> Subject:
    """The seconds that a Python program, run in a process of its own, prints."""

    def sample() -> float:
        finished = subprocess.run([sys.executable, "-c", code, *arguments], stdout=subprocess.PIPE, text=True, check=True)
        return float(finished.stdout)

    return sample
