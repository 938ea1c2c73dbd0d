"""The work that the compiler optimises the library for: `make profile` runs it with a library that counts.

What programs do much of: every row of the table for a while, modules and components compiled in each way, and the mixed work of the soak test,
which traps, raises, awaits and collects.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from ferrowasm import Config, Engine, Module, component

from .table import rows
from .table.large import yosys

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ROOT / "tests/packages/data"
#: How long each row is measured, in seconds.
ROW = 1.0
#: How long the mixed work takes, in seconds.
MIXED = 20.0


def every_row() -> None:
    """The rows that do not take minutes, each as often as a second holds: so calls count as much as compiling does."""
    for row in rows():
        if row.rounds is None:
            end = time.monotonic() + ROW
            while time.monotonic() < end:
                row.ours()


def compiling() -> None:
    """An interpreter of JavaScript, a component and, once, Yosys: from bytes to code and back."""
    modules = sorted(PACKAGES.glob("*/*.wasm"))
    assert modules, PACKAGES
    for config in (Config(), Config(interruptible=False), Config(cranelift_opt_level="none")):
        engine = Engine(config)
        for path in modules:
            kind = component.Component if path.name.endswith(".component.wasm") else Module
            compiled = kind(engine, path.read_bytes())
            kind.deserialize(engine, compiled.serialize())
    large = yosys()
    assert large is not None, "requirements-bench.txt has it"
    Module(Engine(), large.read_bytes())


def mixed_work() -> None:
    from tests.soak.run import soak

    result = soak(MIXED, threads=2)
    assert not result.failures, result.failures


def main() -> int:
    every_row()
    compiling()
    mixed_work()
    return 0


if __name__ == "__main__":
    sys.exit(main())
