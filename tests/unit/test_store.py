"""`Store`: who may use it when, and its limits, fuel and epochs."""

from __future__ import annotations

import copy
import gc
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support import engine_with, host, instantiate, raises

from ferrowasm import (
    ClosedError,
    Config,
    Engine,
    Func,
    FuncType,
    Global,
    GlobalType,
    Instance,
    Limits,
    Linker,
    Memory,
    MemoryType,
    Module,
    Store,
    StoreBusyError,
    StoreContext,
    Table,
    TableType,
    Tag,
    TagType,
    Trap,
    TrapCode,
    ValType,
    WasmtimeError,
    WrongEngineError,
)

BUSY = "the store is busy: code that runs while arguments are converted or the engine is in the middle of an operation cannot use the same store"
OTHER_THREAD = "the store is running on another thread; a store runs one call at a time, so use one store for each thread"
CLOSE_INSIDE = "the store cannot be closed from within one of its own calls; close it after the call returned"
CLOSED = "this Store is already closed"
UNINITIALISED = "this Store was never initialised: its __init__ has not run"
LOOP = "(module (func (export \"f\") (loop $again (br $again))))"

ENGINE = engine_with(consume_fuel=True)
MODULE = Module(ENGINE, "(module)")
LINKER = Linker(ENGINE)
GLOBAL = Global(Store(ENGINE), GlobalType(ValType.i32(), True), 1)

#: Every way to use a store as such.
USES: dict[str, Callable[[Store], Any]] = {
    "gc": lambda store: store.gc(),
    "get_fuel": lambda store: store.get_fuel(),
    "set_fuel": lambda store: store.set_fuel(1),
    "set_limits": lambda store: store.set_limits(1 << 20),
    "set_epoch_deadline": lambda store: store.set_epoch_deadline(1),
    "Func": lambda store: Func(store, FuncType([], []), print),
    "Memory": lambda store: Memory(store, MemoryType(Limits(1, None))),
    "Global": lambda store: Global(store, GlobalType(ValType.i32(), True), 1),
    "Table": lambda store: Table(store, TableType(ValType.funcref(), Limits(1, None)), None),
    "Tag": lambda store: Tag(store, TagType(FuncType([], []))),
    "Instance": lambda store: Instance(store, MODULE, []),
    "Linker.instantiate": lambda store: LINKER.instantiate(store, MODULE),
    "Linker.define": lambda store: Linker(ENGINE).define(store, "", "g", GLOBAL),
    "InstancePre.instantiate": lambda store: LINKER.instantiate_pre(MODULE).instantiate(store),
}


# --- making and closing -----------------------------------------------------------------------------------------------------


def test_a_store_makes_its_own_engine_when_none_is_given() -> None:
    store = Store()
    assert type(store.engine) is Engine
    assert store.engine is store.engine


def test_a_store_keeps_the_engine_that_it_is_given() -> None:
    engine = Engine()
    assert Store(engine).engine is engine


@pytest.mark.parametrize("data", [None, 0, "", [], object()], ids=repr)
def test_data_gives_back_the_same_object(data: object) -> None:
    assert Store(Engine(), data).data() is data
    assert Store(data=data).data() is data


def test_an_engine_of_another_class_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        Store(Config())  # type: ignore[arg-type]


@pytest.mark.parametrize("use", USES)
def test_a_closed_store_refuses_every_use(use: str) -> None:
    store = Store(ENGINE)
    store.close()
    with raises(ClosedError, CLOSED):
        USES[use](store)


@pytest.mark.parametrize("use", USES)
def test_a_store_whose_init_never_ran_refuses_every_use(use: str) -> None:
    with raises(ClosedError, UNINITIALISED):
        USES[use](Store.__new__(Store))


def test_a_closed_error_is_a_value_error_as_in_wasmtime_py() -> None:
    store = Store()
    store.close()
    with pytest.raises(ValueError, match="^this Store is already closed$"):
        store.gc()


def test_data_of_a_closed_store_is_a_closed_error() -> None:
    store = Store(data=1)
    store.close()
    with raises(ClosedError, CLOSED):
        store.data()
    with raises(ClosedError, UNINITIALISED):
        Store.__new__(Store).data()
    with raises(ClosedError, UNINITIALISED):
        _ = Store.__new__(Store).engine


def test_closing_twice_and_closing_what_was_never_initialised_does_nothing() -> None:
    store = Store()
    store.close()
    store.close()
    never = Store.__new__(Store)
    never.close()
    with pytest.raises(ClosedError):
        never.gc()


def test_a_with_block_closes_the_store_also_when_it_raises() -> None:
    with Store() as store:
        store.gc()
    with raises(ClosedError, CLOSED):
        store.gc()
    with pytest.raises(LookupError), Store() as store:
        raise LookupError
    assert repr(store) == "<Store (closed)>"


def test_initialising_twice_is_refused_and_harmless() -> None:
    store, exports = instantiate('(module (func (export "f") (result i32) (i32.const 1)))')
    with raises(RuntimeError, "this Store is initialised already"):
        store.__init__()  # type: ignore[misc]
    assert exports.func("f")(store) == 1
    closed = Store()
    closed.close()
    with raises(RuntimeError, "this Store is initialised already"):
        closed.__init__()  # type: ignore[misc]


def test_a_subclass_that_forgets_super_init_gets_a_clear_error() -> None:
    class Forgetful(Store):
        def __init__(self) -> None:
            pass

    with raises(ClosedError, UNINITIALISED):
        Forgetful().gc()


def test_the_repr_tells_the_state() -> None:
    store = Store()
    seen: list[str] = []
    assert repr(store) == "<Store>"
    host(store, lambda: seen.append(repr(store)))(store)
    assert seen == ["<Store>"]
    assert repr(Store.__new__(Store)) == "<Store (not initialised)>"
    store.close()
    assert repr(store) == "<Store (closed)>"


@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy])
def test_copying_a_store_raises(how: Callable[[Any], Any]) -> None:
    with pytest.raises(TypeError, match="cannot pickle 'ferrowasm.Store' object|cannot pickle"):
        how(Store())


def test_objects_of_a_closed_store_refuse_to_be_used() -> None:
    store, exports = instantiate(
        """(module (func (export "f")) (memory (export "m") 1) (global (export "g") (mut i32) (i32.const 0))
             (table (export "t") 1 funcref))"""
    )
    store.close()
    for use in (
        lambda: exports.func("f")(store),
        lambda: exports.func("f").type(store),
        lambda: exports.memory("m").read(store),
        lambda: exports.memory("m").grow(store, 1),
        lambda: exports.global_("g").value(store),
        lambda: exports.table("t").get(store, 0),
    ):
        with raises(ClosedError, CLOSED):
            use()


def test_a_module_of_another_engine_is_a_wrong_engine_error() -> None:
    store = Store()
    module = Module(Engine(), "(module)")
    with raises(WrongEngineError, "this Module belongs to another engine; make both with the same Engine"):
        Instance(store, module, [])


def test_a_store_context_cannot_be_made_by_hand() -> None:
    with raises(TypeError, "cannot create 'ferrowasm.StoreContext' instances"):
        StoreContext()


# --- entering ---------------------------------------------------------------------------------------------------------------


# `Linker.define` here is given an object of another store.
@pytest.mark.parametrize("use", sorted(set(USES) - {"Linker.define"}))
def test_a_store_can_be_used_inside_its_own_callbacks(use: str) -> None:
    store = Store(ENGINE)
    store.set_fuel(100_000)
    calls: list[Any] = []
    host(store, lambda: calls.append(USES[use](store)))(store)
    assert len(calls) == 1


def test_a_store_can_be_used_inside_nested_callbacks_and_after_them() -> None:
    store = Store()
    depth = [0]
    _, exports = instantiate(
        '(module (import "" "h" (func $h)) (global (export "g") (mut i32) (i32.const 0)) (func (export "f") (call $h)))',
        [host(store, lambda: descend())],
        store,
    )

    def descend() -> None:
        depth[0] += 1
        value = exports.global_("g")
        before = value.value(store)
        value.set_value(store, before + 1)
        if depth[0] < 20:
            exports.func("f")(store)
        value.set_value(store, value.value(store) + 1)

    exports.func("f")(store)
    assert exports.global_("g").value(store) == 40


def test_a_store_is_busy_while_arguments_are_converted() -> None:
    store = Store()
    errors: list[str] = []

    class Nosy:
        def __index__(self) -> int:
            with pytest.raises(StoreBusyError) as caught:
                store.gc()
            errors.append(str(caught.value))
            return 4

    assert host(store, lambda number: number, "i", "i")(store, Nosy()) == 4
    assert errors == [BUSY]
    store.gc()


def test_another_store_can_be_used_while_arguments_are_converted() -> None:
    store, other = Store(), Store()

    class Nosy:
        def __index__(self) -> int:
            return int(host(other, lambda: 6, "", "i")(other))

    assert host(store, lambda number: number, "i", "i")(store, Nosy()) == 6


@pytest.mark.parametrize("use", [*USES, "close", "call"])
def test_a_store_that_runs_on_another_thread_refuses_every_use(use: str) -> None:
    store = Store(ENGINE)
    store.set_fuel(100_000)
    inside, done = threading.Event(), threading.Event()

    def callback() -> None:
        inside.set()
        assert done.wait(30)

    func = host(store, callback)
    other = host(store, lambda: None)
    thread = threading.Thread(target=func, args=(store,))
    thread.start()
    try:
        assert inside.wait(30)
        actions: dict[str, Callable[[Store], Any]] = {**USES, "close": Store.close, "call": other}
        with raises(StoreBusyError, OTHER_THREAD):
            actions[use](store)
        assert repr(store) == "<Store (running)>"
    finally:
        done.set()
        thread.join()
    store.set_fuel(1_000)
    store.gc()


def test_data_can_be_read_while_another_thread_runs_the_store() -> None:
    marker = object()
    store = Store(data=marker)
    inside, done = threading.Event(), threading.Event()

    def callback() -> None:
        inside.set()
        assert done.wait(30)

    func = host(store, callback)
    thread = threading.Thread(target=func, args=(store,))
    thread.start()
    assert inside.wait(30)
    assert store.data() is marker
    done.set()
    thread.join()


def test_a_store_moves_between_threads_when_it_is_idle() -> None:
    store, exports = instantiate('(module (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))')
    results: list[int] = []
    value = 0
    for _ in range(5):
        thread = threading.Thread(target=lambda value=value: results.append(exports.func("f")(store, value)))
        thread.start()
        thread.join()
        value = results[-1]
    assert results == [1, 2, 3, 4, 5]


def test_two_threads_that_fight_for_a_store_never_corrupt_it() -> None:
    store, exports = instantiate(
        """(module (global $g (export "g") (mut i64) (i64.const 0))
             (func (export "f") (global.set $g (i64.add (global.get $g) (i64.const 1)))))"""
    )
    func, counts, refusals = exports.func("f"), [0, 0], [0, 0]

    def work(worker: int) -> None:
        while counts[worker] < 3000:
            try:
                func(store)
                counts[worker] += 1
            except StoreBusyError:
                refusals[worker] += 1

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert exports.global_("g").value(store) == 6000


def test_closing_a_store_inside_its_callback_is_refused() -> None:
    store = Store()
    func = host(store, lambda: store.close())
    with raises(StoreBusyError, CLOSE_INSIDE):
        func(store)
    store.gc()
    store.close()
    assert repr(store) == "<Store (closed)>"


def test_other_python_threads_run_while_webassembly_computes() -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate(LOOP, (), Store(engine))
    store.set_epoch_deadline(1)
    ticks = [0]
    stop = threading.Event()

    def tick() -> None:
        while not stop.is_set() and ticks[0] < 50:
            ticks[0] += 1
            time.sleep(0.001)
        engine.increment_epoch()

    thread = threading.Thread(target=tick)
    thread.start()
    with pytest.raises(Trap):
        exports.func("f")(store)
    stop.set()
    thread.join()
    assert ticks[0] == 50


def test_the_last_reference_to_a_store_may_go_inside_its_callback() -> None:
    box: dict[str, Any] = {}

    def callback() -> None:
        box.clear()
        gc.collect()

    store = Store()
    func = instantiate(
        '(module (import "" "h" (func $h)) (memory 1) (func (export "f") (result i32) (call $h) (i32.load (i32.const 0))))',
        [host(store, callback)],
        store,
    )[1].func("f")
    box["store"] = store
    del store
    assert func(box["store"]) == 0


# --- limits -----------------------------------------------------------------------------------------------------------------


def test_a_memory_limit_holds_for_growth_and_creation() -> None:
    store, exports = instantiate(
        '(module (memory (export "m") 1) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))'
    )
    store.set_limits(memory_size=3 * 65536)
    assert exports.func("grow")(store, 2) == 1
    assert exports.func("grow")(store, 1) == -1
    with pytest.raises(WasmtimeError, match="failed to grow memory by `1`"):
        exports.memory("m").grow(store, 1)
    with pytest.raises(WasmtimeError, match="memory minimum size of 4 pages exceeds memory limits"):
        Memory(store, MemoryType(Limits(4, None)))
    with pytest.raises(WasmtimeError, match="memory minimum size of 4 pages exceeds memory limits"):
        instantiate("(module (memory 4))", (), store)


def test_a_table_limit_holds_for_growth_and_creation() -> None:
    store, exports = instantiate(
        '(module (table $t (export "t") 1 funcref) (func (export "grow") (param i32) (result i32) (table.grow $t (ref.null func) (local.get 0))))'
    )
    store.set_limits(table_elements=5)
    assert exports.func("grow")(store, 4) == 1
    assert exports.func("grow")(store, 1) == -1
    with pytest.raises(WasmtimeError, match="failed to grow table by `1`"):
        exports.table("t").grow(store, 1, None)
    with pytest.raises(WasmtimeError):
        Table(store, TableType(ValType.funcref(), Limits(6, None)), None)


@pytest.mark.parametrize(
    ("limit", "wat"),
    [("instances", "(module)"), ("memories", "(module (memory 1))"), ("tables", "(module (table 1 funcref))")],
)
def test_counts_of_instances_memories_and_tables_are_limited(limit: str, wat: str) -> None:
    store = Store()
    store.set_limits(**{limit: 2})
    instantiate(wat, (), store)
    instantiate(wat, (), store)
    with pytest.raises(WasmtimeError, match=f"resource limit exceeded: {limit.removesuffix('ies').removesuffix('s')[:6]}"):
        instantiate(wat, (), store)


@pytest.mark.parametrize("limits", [(), (-1, -1, -1, -1, -1), (-(2**80),)])
def test_setting_limits_anew_lifts_those_that_are_not_given(limits: tuple[int, ...]) -> None:
    store, exports = instantiate('(module (memory (export "m") 1))')
    store.set_limits(memory_size=65536, instances=1)
    with pytest.raises(WasmtimeError):
        exports.memory("m").grow(store, 1)
    with pytest.raises(WasmtimeError, match="resource limit exceeded: instance count too high at 2"):
        instantiate("(module)", (), store)
    store.set_limits(*limits)
    assert exports.memory("m").grow(store, 1) == 1
    instantiate("(module)", (), store)


@pytest.mark.parametrize("name", ["memory_size", "table_elements", "instances", "tables", "memories"])
def test_a_limit_beyond_64_bits_or_of_another_type_is_refused(name: str) -> None:
    store = Store()
    with raises(OverflowError, f"{name} is out of range: expected an int from 0 to {2**64 - 1}"):
        store.set_limits(**{name: 2**64})
    with raises(TypeError, f"expected an int for {name}, got float"):
        store.set_limits(**{name: 1.0})  # type: ignore[arg-type]


def test_limits_are_set_by_position_in_the_order_of_wasmtime_py() -> None:
    store = Store()
    store.set_limits(65536, 7, 9, 0, 1)
    with pytest.raises(WasmtimeError, match="resource limit exceeded: table count too high at 1"):
        instantiate("(module (table 1 funcref))", (), store)
    instantiate("(module (memory 1))", (), store)
    with pytest.raises(WasmtimeError, match="resource limit exceeded: memory count too high at 2"):
        instantiate("(module (memory 1))", (), store)


def test_sizes_can_be_limited_inside_a_callback_and_counts_cannot() -> None:
    store = Store()
    memory = Memory(store, MemoryType(Limits(1, None)))
    message = (
        "the numbers of instances, tables and memories cannot be limited anew from within a call of the store; do it after the call returned"
    )

    def callback() -> None:
        store.set_limits(memory_size=65536)
        with raises(StoreBusyError, message):
            store.set_limits(memory_size=2 * 65536, instances=3)
        store.set_limits(memory_size=65536, instances=10_000)

    host(store, callback)(store)
    with pytest.raises(WasmtimeError, match="failed to grow memory by `1`"):
        memory.grow(store, 1)


# --- fuel -------------------------------------------------------------------------------------------------------------------


def test_fuel_runs_out_with_a_trap_and_can_be_refilled() -> None:
    store = Store(ENGINE)
    assert store.get_fuel() == 0
    store.set_fuel(10_000)
    exports = instantiate(LOOP.replace("(loop", '(nop) (loop'), (), store)[1]
    with pytest.raises(Trap) as caught:
        exports.func("f")(store)
    assert caught.value.trap_code is TrapCode.OUT_OF_FUEL
    assert store.get_fuel() == 0
    store.set_fuel(2**64 - 1)
    assert store.get_fuel() == 2**64 - 1


def test_fuel_is_consumed_by_calls() -> None:
    store = Store(ENGINE)
    store.set_fuel(1000)
    exports = instantiate('(module (func (export "f") nop nop nop))', (), store)[1]
    before = store.get_fuel()
    exports.func("f")(store)
    assert 0 < before - store.get_fuel() < 20


def test_fuel_can_be_read_and_set_inside_a_callback() -> None:
    store = Store(ENGINE)
    store.set_fuel(1000)
    seen: list[int] = []

    def callback() -> None:
        seen.append(store.get_fuel())
        store.set_fuel(77_000)

    func = host(store, callback)
    exports = instantiate('(module (import "" "h" (func $h)) (func (export "f") (call $h)))', [func], store)[1]
    exports.func("f")(store)
    assert 900 < seen[0] < 1000
    assert 76_900 < store.get_fuel() <= 77_000


def test_fuel_without_its_switch_is_a_wasmtime_error() -> None:
    store = Store()
    with raises(WasmtimeError, "fuel is not configured in this store"):
        store.set_fuel(1)
    with raises(WasmtimeError, "fuel is not configured in this store"):
        store.get_fuel()


@pytest.mark.parametrize("fuel", [-1, 2**64, 10**30])
def test_fuel_that_no_64_bits_hold_is_an_overflow_error(fuel: int) -> None:
    with raises(OverflowError, f"fuel is out of range: expected an int from 0 to {2**64 - 1}"):
        Store(ENGINE).set_fuel(fuel)


@pytest.mark.parametrize("fuel", [1.0, "1", None])
def test_fuel_of_another_type_is_a_type_error(fuel: Any) -> None:
    with raises(TypeError, f"expected an int for fuel, got {type(fuel).__name__}"):
        Store(ENGINE).set_fuel(fuel)


# --- epochs -----------------------------------------------------------------------------------------------------------------


def test_a_passed_deadline_interrupts_a_loop() -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate(LOOP, (), Store(engine))
    store.set_epoch_deadline(2)

    def advance(times: int) -> None:
        for _ in range(times):
            engine.increment_epoch()

    timer = threading.Timer(0.05, advance, [2])
    timer.start()
    with pytest.raises(Trap) as caught:
        exports.func("f")(store)
    timer.join()
    assert caught.value.trap_code is TrapCode.INTERRUPT


def test_a_deadline_of_no_ticks_interrupts_at_once_and_can_be_moved() -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate('(module (func (export "f") (result i32) (i32.const 1)))', (), Store(engine))
    store.set_epoch_deadline(0)
    with pytest.raises(Trap) as caught:
        exports.func("f")(store)
    assert caught.value.trap_code is TrapCode.INTERRUPT
    store.set_epoch_deadline(1)
    assert exports.func("f")(store) == 1
    engine.increment_epoch()
    with pytest.raises(Trap):
        exports.func("f")(store)


def test_epochs_interrupt_only_the_stores_whose_deadline_passed() -> None:
    engine = engine_with(epoch_interruption=True)
    wat = '(module (func (export "f") (result i32) (i32.const 1)))'
    near, near_exports = instantiate(wat, (), Store(engine))
    far, far_exports = instantiate(wat, (), Store(engine))
    near.set_epoch_deadline(1)
    far.set_epoch_deadline(10)
    engine.increment_epoch()
    with pytest.raises(Trap):
        near_exports.func("f")(near)
    assert far_exports.func("f")(far) == 1


def test_an_interrupted_store_keeps_working() -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate(LOOP[:-1] + ' (func (export "one") (result i32) (i32.const 1)))', (), Store(engine))
    for _ in range(3):
        store.set_epoch_deadline(1)
        engine.increment_epoch()
        with pytest.raises(Trap):
            exports.func("f")(store)
    store.set_epoch_deadline(1)
    assert exports.func("one")(store) == 1


@pytest.mark.parametrize("ticks", [-1, 2**64])
def test_a_deadline_that_no_64_bits_hold_is_an_overflow_error(ticks: int) -> None:
    with raises(OverflowError, f"ticks_after_current is out of range: expected an int from 0 to {2**64 - 1}"):
        Store().set_epoch_deadline(ticks)


def test_a_deadline_whose_sum_with_the_epoch_overflows_is_an_overflow_error() -> None:
    engine = engine_with(epoch_interruption=True)
    store = Store(engine)
    store.set_epoch_deadline(2**64 - 1)
    engine.increment_epoch()
    with raises(OverflowError, f"ticks_after_current is out of range: expected an int from 0 to {2**64 - 2}"):
        store.set_epoch_deadline(2**64 - 1)


def test_epochs_advance_from_any_thread() -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate(LOOP, (), Store(engine))
    store.set_epoch_deadline(20)

    def advance() -> None:
        for _ in range(10):
            engine.increment_epoch()

    threads = [threading.Thread(target=advance) for _ in range(2)]
    for thread in threads:
        thread.start()
    with pytest.raises(Trap):
        exports.func("f")(store)
    for thread in threads:
        thread.join()
