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
    "09_wasi": 90,
}


@pytest.mark.timeout(400)
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
    bad = ["  ".join(words[1:]) for words in verdicts if words[2] != "ok"]
    assert run.returncode == 0, run.stderr
    assert not bad, "\n".join(bad)
    assert len(verdicts) >= TOPICS[topic]
