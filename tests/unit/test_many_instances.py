"""Very many stores and instances, one after the other: nothing of them stays."""

from __future__ import annotations

import gc
import resource
from pathlib import Path
from typing import Any

import pytest
from support import engine_with, func_type

from ferrowasm import Func, Instance, Linker, Module, Store, WasmtimeError

MODULE = """(module (import "host" "f" (func (result i32))) (memory (export "m") 1) (table 10 funcref) (data (i32.const 0) "data")
  (func (export "g") (result i32) (call 0)))"""
COUNT = 100_000
#: What the allocators of Python and of the system may hold back, in bytes.
SLACK = 4 << 20


def resident() -> int:
    """The memory that this process uses, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


@pytest.mark.parametrize("settings", [{}, {"allocation_strategy": "pooling", "pooling_total_memories": 10}], ids=["on demand", "pooling"])
def test_memory_stays_flat_over_a_hundred_thousand_instances(settings: dict[str, Any]) -> None:
    engine = engine_with(**settings)
    linker = Linker(engine)
    linker.define_func("host", "f", func_type("", "i"), lambda: 7)
    prepared = linker.instantiate_pre(Module(engine, MODULE))

    def make(count: int) -> None:
        for _ in range(count):
            prepared.instantiate(Store(engine))

    make(COUNT // 20)
    gc.collect()
    before = resident()
    make(COUNT)
    assert resident() - before < SLACK


def test_memory_stays_flat_when_instances_are_used() -> None:
    engine = engine_with()
    linker = Linker(engine)
    linker.define_func("host", "f", func_type("", "i"), lambda: 7)
    module = Module(engine, MODULE)

    def make(count: int) -> None:
        for _ in range(count):
            store = Store(engine)
            exports = linker.instantiate(store, module).exports(store)
            assert exports.func("g")(store) == 7
            exports.memory("m").write(store, b"x" * 100)

    make(1000)
    gc.collect()
    before = resident()
    make(10_000)
    gc.collect()
    assert resident() - before < SLACK


def test_a_pool_gives_its_places_back_at_once() -> None:
    engine = engine_with(allocation_strategy="pooling", pooling_total_core_instances=2, pooling_total_memories=2)
    module = Module(engine, '(module (memory (export "m") 1))')
    for _ in range(100):
        with Store(engine) as store:
            memory = Instance(store, module, []).exports(store).memory("m")
            # What an earlier instance wrote is gone.
            assert memory.read(store, 0, 8) == bytes(8)
            memory.write(store, b"leftover")
    stores = [Store(engine) for _ in range(3)]
    for store in stores[:2]:
        Instance(store, module, [])
    with pytest.raises(WasmtimeError, match="maximum concurrent limit of 2 for core instances reached"):
        Instance(stores[2], module, [])
    stores[0].close()
    Instance(stores[2], module, [])


def test_host_functions_of_many_stores_go_with_them() -> None:
    engine = engine_with()

    def make(count: int) -> None:
        for _ in range(count):
            store = Store(engine)
            function = Func(store, func_type("", "i"), lambda: 1)
            assert function(store) == 1

    make(1000)
    gc.collect()
    before = resident()
    make(20_000)
    gc.collect()
    assert resident() - before < SLACK
