"""The figures of the engine itself, from `crates/engine-bench`."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PROGRAM = ROOT / "target/release/engine-bench"


def figures() -> dict[str, float]:
    """Runs the program, which `make bench` has built, and returns the seconds of each operation by name."""
    finished = subprocess.run([PROGRAM], stdout=subprocess.PIPE, check=True)
    return {name: nanoseconds * 1e-9 for name, nanoseconds in json.loads(finished.stdout).items()}
