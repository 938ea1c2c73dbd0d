"""Runs all cases once on each package."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .harness import Outcome
from .run import outcome_from_fields

ROOT = Path(__file__).parents[2]


def outcomes_of(package: str) -> dict[str, Outcome]:
    """The outcome of every case on the package, by the name of the case."""
    process = subprocess.run(
        [sys.executable, "-m", "tests.compat.run", package], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if process.returncode != 0:
        pytest.fail(f"the cases could not be run on {package}:\n{process.stderr}", pytrace=False)
    lines = [json.loads(line) for line in process.stdout.splitlines()]
    return {line["case"]: outcome_from_fields(line["outcome"]) for line in lines}


@pytest.fixture(scope="session")
def theirs() -> dict[str, Outcome]:
    """What the PyPI package `wasmtime` does."""
    return outcomes_of("wasmtime")


@pytest.fixture(scope="session")
def ours() -> dict[str, Outcome]:
    """What `ferrowasm` does."""
    return outcomes_of("ferrowasm")
