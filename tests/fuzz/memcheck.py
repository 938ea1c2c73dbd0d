"""`make memcheck` runs this with allocators that check: every room with `unsafe`, with memories small enough for any tool.

Memory is checked while values cross in both directions, buffers are viewed, references are kept, modules are loaded and
components are called, and also while all of that goes wrong. The reference of the canonical ABI tells right from wrong.
"""

from __future__ import annotations

import gc
import itertools
import random
import sys
import threading
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "tests" / "component"))

from canonical_abi import ENCODINGS  # noqa: E402
from reference_support import Comparison  # noqa: E402

from ferrowasm import Config, Engine, Func, FuncType, Instance, Linker, Module, Store, Trap, ValType, WasiConfig  # noqa: E402

I32, I64, F64, EXTERN = ValType.i32(), ValType.i64(), ValType.f64(), ValType.externref()


def engine() -> Engine:
    """An engine that reserves no address space and needs no signals, which tools that watch memory may not follow."""
    config = Config()
    config.memory_reservation = 0
    config.memory_reservation_for_growth = 0
    config.memory_guard_size = 0
    config.signals_based_traps = False
    config.memory_init_cow = False
    config.parallel_compilation = False
    config.wasm_component_model_map = True
    config.wasm_component_model_fixed_length_lists = True
    return Engine(config)


def calls(engine: Engine) -> None:
    """`raw.rs`, `vectorcall.rs`, `host/`, `store/`: calls and callbacks of all kinds of values, and failures of both."""
    store = Store(engine)
    module = Module(
        engine,
        """(module (import "" "h" (func $h (param i32 i64 f64 externref) (result i32 i64 f64 externref)))
          (memory (export "m") 1 3)
          (func (export "f") (param i32 i64 f64 externref) (result i32 i64 f64 externref)
            (call $h (local.get 0) (local.get 1) (local.get 2) (local.get 3)))
          (func (export "trap") (param i32) (result i32) unreachable))""",
    )
    types = [I32, I64, F64, EXTERN]
    answers: list[Any] = [None]
    host = Func(store, FuncType(types, types), lambda *values: answers[0] or values)
    exports: Any = Instance(store, module, [host]).exports(store)
    for index in range(20):
        value = object()
        assert exports["f"](store, index, 2**40, 0.5, value)[3] is value
        for wrong in ((1, 2, 3), ("x", 1, 1.0, None), (2**40, 1, 1.0, None)):
            try:
                exports["f"](store, *wrong)
            except (TypeError, OverflowError):
                pass
        answers[0] = (1, "2", 3.0, None)
        try:
            exports["f"](store, 1, 2, 3.0, None)
        except TypeError:
            pass
        answers[0] = None
        try:
            exports["trap"](store, 1)
        except Trap as trap:
            repr(trap.frames)
        store.gc()


def buffers(engine: Engine) -> None:
    """`buffer.rs`, `memory.rs`, `linear_memory.rs`, `store/views.rs`: views that outlive what they show."""
    store = Store(engine)
    memory: Any = Instance(store, Module(engine, '(module (memory (export "m") 1 4))'), []).exports(store)["m"]
    memory.write(store, b"hello", 100)
    view = memoryview(memory.get_buffer_ptr(store, 1000, 0))
    try:
        memory.grow(store, 1)
    except BufferError:
        pass
    assert bytes(view[100:105]) == b"hello"
    view.release()
    memory.grow(store, 2)
    kept = memoryview(memory.get_buffer_ptr(store))
    store.close()
    del store, memory
    gc.collect()
    assert bytes(kept[100:105]) == b"hello"
    kept.release()


def artifacts(engine: Engine) -> None:
    """`artifact.rs`: code that was changed is refused, code that was not is loaded."""
    code = Module(engine, '(module (func (export "f")))').serialize()
    Module.deserialize(engine, code)
    for at in range(0, len(code), 997):
        changed = bytearray(code)
        changed[at] ^= 1
        try:
            Module.deserialize(engine, changed)
        except Exception:
            continue
        raise AssertionError("changed code was loaded")


def wasi(engine: Engine) -> None:
    """WASI output through Python."""
    linker = Linker(engine)
    linker.define_wasi()
    module = Module(
        engine,
        """(module (import "wasi_snapshot_preview1" "fd_write" (func $w (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 1) (data (i32.const 0) "\\10\\00\\00\\00\\02\\00\\00\\00") (data (i32.const 16) "ok")
          (func (export "_start") (drop (call $w (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))))""",
    )
    config = WasiConfig()
    output = config.capture_stdout()
    store = Store(engine)
    store.set_wasi(config)
    start: Any = linker.instantiate(store, module).exports(store)["_start"]
    start(store)
    assert output.getvalue() == b"ok"


def components(engine: Engine) -> None:
    """`component/abi/`: values of random types, right and wrong ones."""
    for seed, encoding in itertools.product(range(12), ENCODINGS):
        comparison = Comparison(engine, random.Random(seed), encoding, depth=2)
        for _ in range(3):
            comparison.check()


def threads(engine: Engine) -> None:
    """Stores that are used and freed on other threads than those that made them."""
    stores = [Store(engine) for _ in range(4)]
    workers = [threading.Thread(target=store.close) for store in stores]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()


def main() -> None:
    made = engine()
    for work in (calls, buffers, artifacts, wasi, components, threads):
        work(made)
        gc.collect()
        print(work.__name__, "done", flush=True)


if __name__ == "__main__":
    main()
