"""What a store may consume: limiters written in Python, what was used, and which limit was hit."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
from support import engine_with, instantiate, raises

from ferrowasm import (
    Instance,
    Limits,
    Memory,
    MemoryType,
    Module,
    ResourceLimiter,
    ResourceLimitError,
    Store,
    StoreBusyError,
    Table,
    TableType,
    Trap,
    TrapCode,
    ValType,
)

PAGE = 65536
GROW = """(module (memory (export "m") 1 10) (table (export "t") 2 20 funcref)
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "grow_table") (param i32) (result i32) (table.grow (ref.null func) (local.get 0))))"""


class Recorder:
    """Allows what `answer` says, and remembers what it was asked."""

    def __init__(self, answer: Any = True) -> None:
        self.answer = answer
        self.asked: list[tuple[Any, ...]] = []

    def _decide(self, *question: Any) -> Any:
        self.asked.append(question)
        if isinstance(self.answer, BaseException):
            raise self.answer
        return self.answer() if callable(self.answer) else self.answer

    def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        return self._decide("memory", current, desired, maximum)  # type: ignore[no-any-return]

    def table_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        return self._decide("table", current, desired, maximum)  # type: ignore[no-any-return]


def make(limiter: Any = None) -> tuple[Store, Any]:
    store = Store()
    store.set_limiter(limiter)
    return instantiate(GROW, (), store)


def test_a_limiter_is_asked_about_every_memory_and_table() -> None:
    limiter = Recorder()
    assert isinstance(limiter, ResourceLimiter)
    store, exports = make(limiter)
    assert exports.func("grow")(store, 2) == 1
    assert exports.func("grow_table")(store, 3) == 2
    exports.memory("m").grow(store, 1)
    assert limiter.asked == [
        ("memory", 0, PAGE, 10 * PAGE),
        ("table", 0, 2, 20),
        ("memory", PAGE, 3 * PAGE, 10 * PAGE),
        ("table", 2, 5, 20),
        ("memory", 3 * PAGE, 4 * PAGE, 10 * PAGE),
    ]


def test_what_a_limiter_refuses_does_not_grow() -> None:
    limiter = Recorder()
    store, exports = make(limiter)
    limiter.answer = False
    assert store.limit_hit is None
    assert exports.func("grow")(store, 1) == -1
    assert store.limit_hit == "limiter"
    assert exports.func("grow_table")(store, 1) == -1
    with pytest.raises(ResourceLimitError, match="memory minimum size of 1 pages exceeds memory limits"):
        Memory(store, MemoryType(Limits(1, None)))
    with pytest.raises(ResourceLimitError, match="table minimum size of 2 elements exceeds table limits"):
        Table(store, TableType(ValType.funcref(), Limits(2, None)), None)
    assert exports.memory("m").size(store) == 1


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_the_exception_of_a_limiter_comes_out_of_the_call(error: BaseException) -> None:
    limiter = Recorder()
    store, exports = make(limiter)
    limiter.answer = error
    for grow in (lambda: exports.func("grow")(store, 1), lambda: exports.memory("m").grow(store, 1), lambda: instantiate(GROW, (), store)):
        with pytest.raises(type(error)) as caught:
            grow()
        assert caught.value is error
    limiter.answer = True
    assert exports.func("grow")(store, 1) == 1


def test_an_answer_that_is_no_bool_is_a_type_error() -> None:
    limiter = Recorder()
    store, exports = make(limiter)
    limiter.answer = None
    with raises(TypeError, "expected a bool from memory_growing, got NoneType"):
        exports.func("grow")(store, 1)


def test_a_limiter_cannot_use_its_store_meanwhile() -> None:
    limiter = Recorder()
    store, exports = make(limiter)
    limiter.answer = store.gc
    with pytest.raises(StoreBusyError):
        exports.func("grow")(store, 1)


def test_a_limiter_is_told_of_growth_that_failed() -> None:
    class Told(Recorder):
        def memory_grow_failed(self, error: str) -> None:
            self.asked.append(("failed", error))

    limiter = Told()
    store = Store()
    store.set_limiter(limiter)
    # More than any address space has.
    store, exports = instantiate('(module (memory i64 1) (func (export "f") (result i64) (memory.grow (i64.const 0x100000000))))', (), store)
    limiter.asked.clear()
    assert exports.func("f")(store) == -1
    assert [question[0] for question in limiter.asked] == ["memory", "failed"]
    assert store.peak_memory == PAGE


def test_a_limiter_can_be_taken_away_and_is_freed_with_its_store() -> None:
    limiter = Recorder(answer=True)
    store, exports = make(limiter)
    limiter.answer = False
    store.set_limiter(None)
    assert exports.func("grow")(store, 1) == 1
    store.set_limiter(limiter)
    limiter.answer = store
    gone = weakref.ref(limiter)
    del store, exports, limiter
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize("limiter", [object(), 1, lambda: True])
def test_an_object_without_the_methods_is_refused(limiter: Any) -> None:
    message = f"expected a limiter with the methods memory_growing and table_growing, got {type(limiter).__name__}"
    with raises(TypeError, message):
        Store().set_limiter(limiter)


def test_a_limit_that_refused_growth_is_told() -> None:
    store, exports = make()
    store.set_limits(memory_size=2 * PAGE, table_elements=3)
    assert exports.func("grow")(store, 1) == 1
    assert store.limit_hit is None
    assert exports.func("grow")(store, 1) == -1
    assert store.limit_hit == "memory_size"
    assert exports.func("grow_table")(store, 2) == -1
    assert store.limit_hit == "table_elements"
    store.set_limits()
    assert store.limit_hit is None
    # The memory's own maximum is no limit of the store.
    assert exports.func("grow")(store, 100) == -1
    assert store.limit_hit is None


def test_the_peaks_are_what_all_memories_and_tables_had() -> None:
    store, exports = make()
    assert (store.peak_memory, store.peak_table_elements) == (PAGE, 2)
    exports.func("grow")(store, 3)
    Memory(store, MemoryType(Limits(2, None)))
    Table(store, TableType(ValType.funcref(), Limits(5, None)), None)
    assert (store.peak_memory, store.peak_table_elements) == (6 * PAGE, 7)
    assert exports.func("grow")(store, 100) == -1
    assert store.peak_memory == 6 * PAGE


def test_growth_that_no_type_allows_does_not_lower_the_peaks() -> None:
    wat = """(module (memory 1 (pagesize 1)) (table i64 1 funcref)
      (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
      (func (export "grow_table") (param i64) (result i64) (table.grow (ref.null func) (local.get 0))))"""
    store = Store(engine_with(wasm_custom_page_sizes=True, wasm_memory64=True))
    store, exports = instantiate(wat, (), store)
    assert exports.func("grow")(store, 9) == 1
    assert exports.func("grow_table")(store, 4) == 1
    assert exports.func("grow")(store, -1) == -1
    assert exports.func("grow_table")(store, -1) == -1
    assert (store.peak_memory, store.peak_table_elements) == (10, 5)


def test_memories_and_tables_of_the_host_are_counted() -> None:
    store = Store()
    store.set_limits(memories=2, tables=1)
    memory_type, table_type = MemoryType(Limits(1, None)), TableType(ValType.funcref(), Limits(1, None))
    Memory(store, memory_type)
    Memory(store, memory_type)
    with raises(ResourceLimitError, "resource limit exceeded: memory count too high at 3"):
        Memory(store, memory_type)
    Table(store, table_type, None)
    with raises(ResourceLimitError, "resource limit exceeded: table count too high at 2"):
        Table(store, table_type, None)
    with pytest.raises(ResourceLimitError, match="resource limit exceeded: memory count too high at 1"):
        Instance(store, Module(store.engine, "(module (memory 1))"), [])


def test_fuel_tells_what_was_consumed_over_all() -> None:
    engine = engine_with(consume_fuel=True)
    store, exports = instantiate('(module (func (export "f") (loop $l (br $l))) (func (export "g") nop))', (), Store(engine))
    assert store.fuel_consumed == 0
    store.set_fuel(1000)
    exports.func("g")(store)
    consumed = store.fuel_consumed
    assert consumed == 1000 - store.get_fuel() > 0
    store.set_fuel(500)
    assert store.fuel_consumed == consumed
    with pytest.raises(Trap) as caught:
        exports.func("f")(store)
    assert caught.value.trap_code is TrapCode.OUT_OF_FUEL
    assert store.fuel_consumed == consumed + 500 - store.get_fuel()
