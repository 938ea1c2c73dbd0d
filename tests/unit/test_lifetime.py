"""What a store owns is freed with it, and cycles through it are garbage like any other."""

from __future__ import annotations

import ctypes
import gc
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from support import func_type, host, instantiate

from ferrowasm import (
    Caller,
    Engine,
    ExternRef,
    Func,
    Global,
    GlobalType,
    Instance,
    InstancePre,
    Limits,
    Linker,
    Memory,
    MemoryType,
    Module,
    Store,
    Table,
    TableType,
    Val,
    ValType,
    component,
)

RELAY = '(module (import "" "h" (func $h)) (func (export "f") (call $h)))'
GC_WAT = """(module (type $s (struct (field i32)))
  (func (export "new") (result (ref $s)) (struct.new $s (i32.const 1))))"""


class Witness:
    """Something that can be watched going."""


def gone(make: Callable[[], Any]) -> bool:
    """Whether the object that `make` returns a weak reference to is collected, with one collection."""
    gc.collect()
    gc.disable()
    try:
        reference = make()
        gc.collect()
        return reference() is None
    finally:
        gc.enable()


def cycle_callback_refers_to_store() -> Any:
    store, witness = Store(), Witness()
    host(store, lambda: (store, witness))
    return weakref.ref(witness)


def cycle_callback_refers_to_its_function() -> Any:
    store, witness = Store(), Witness()
    box: list[Any] = [store, witness]
    box.append(host(store, lambda: box))
    return weakref.ref(witness)


def cycle_callback_refers_to_exports() -> Any:
    store, witness = Store(), Witness()
    box: list[Any] = [store, witness]
    box.append(instantiate(RELAY, [host(store, lambda: box and None)], store)[1])
    box[-1].func("f")(store)
    return weakref.ref(witness)


def cycle_through_store_data() -> Any:
    witness = Witness()
    witness.store = Store(data=witness)  # type: ignore[attr-defined]
    return weakref.ref(witness)


def cycle_through_an_externref_in_a_global() -> Any:
    store, witness = Store(), Witness()
    witness.store = store  # type: ignore[attr-defined]
    witness.variable = Global(store, GlobalType(ValType.externref(), True), witness)  # type: ignore[attr-defined]
    return weakref.ref(witness)


def cycle_through_an_externref_in_a_table() -> Any:
    store, witness = Store(), Witness()
    witness.store = store  # type: ignore[attr-defined]
    Table(store, TableType(ValType.externref(), Limits(3, None)), witness)
    return weakref.ref(witness)


def cycle_through_a_linker_in_its_own_function() -> Any:
    linker, witness = Linker(Engine()), Witness()
    linker.define_func("", "h", func_type(), lambda: (linker, witness))
    return weakref.ref(witness)


def cycle_through_a_linker_and_a_store() -> Any:
    store, witness = Store(), Witness()
    linker = Linker(store.engine)
    linker.define_func("", "h", func_type(), lambda: (linker, store, witness) and None)
    linker.instantiate(store, Module(store.engine, RELAY)).exports(store).func("f")(store)
    return weakref.ref(witness)


def cycle_through_an_instance_pre() -> Any:
    store, witness = Store(), Witness()
    linker = Linker(store.engine)
    box: list[Any] = [store, witness]
    linker.define_func("", "h", func_type(), lambda: box and None)
    box.append(linker.instantiate_pre(Module(store.engine, RELAY)))
    box[-1].instantiate(store).exports(store).func("f")(store)
    return weakref.ref(witness)


def cycle_through_a_gc_reference() -> Any:
    witness = Witness()
    store, exports = instantiate(GC_WAT, (), Store(data=witness))
    witness.reference = exports.func("new")(store)  # type: ignore[attr-defined]
    return weakref.ref(witness)


def cycle_through_a_memory_view() -> Any:
    witness = Witness()
    store = Store(data=witness)
    witness.view = Memory(store, MemoryType(Limits(1, None))).get_buffer_ptr(store)  # type: ignore[attr-defined]
    return weakref.ref(witness)


def cycle_through_a_kept_caller() -> Any:
    store, witness = Store(), Witness()
    box: list[Any] = [store, witness]
    host(store, box.append, access_caller=True)(store)
    assert type(box[-1]) is Caller
    host(store, lambda: box)
    return weakref.ref(witness)


def cycle_through_an_exception() -> Any:
    store, witness = Store(), Witness()
    box: list[Any] = [store, witness]

    def callback() -> None:
        raise LookupError(box)

    try:
        host(store, callback)(store)
    except LookupError as error:
        box.append(error)
    return weakref.ref(witness)


def cycle_through_a_subclass_of_store() -> Any:
    class Rich(Store):
        pass

    store, witness = Rich(), Witness()
    store.witness = witness  # type: ignore[attr-defined]
    host(store, lambda: store)
    return weakref.ref(witness)


def cycle_through_externref_and_val() -> Any:
    witness = Witness()
    witness.reference = ExternRef(witness)  # type: ignore[attr-defined]
    witness.val = Val.externref(witness)  # type: ignore[attr-defined]
    return weakref.ref(witness)


def cycle_through_an_attribute_of_an_export() -> Any:
    store, witness = Store(), Witness()
    instance = Instance(store, Module(store.engine, '(module (func (export "f")))'), [])
    func = instance.exports(store).func("f")
    func.box = [instance, witness]  # type: ignore[attr-defined]
    return weakref.ref(witness)


def cycle_through_attributes_and_a_callback() -> Any:
    store, witness = Store(), Witness()
    box: list[Any] = []
    instance = Instance(store, Module(store.engine, RELAY), [host(store, lambda: box)])
    box.append(instance)
    instance.box = [store, witness, instance.exports(store)]  # type: ignore[attr-defined]
    return weakref.ref(witness)


def cycle_through_exports_of_a_component() -> Any:
    store, witness = Store(), Witness()
    wat = '(component (core module $m) (export "m" (core module $m)))'
    instance = component.Linker(store.engine).instantiate(store, component.Component(store.engine, wat))
    module = instance.exports(store)["m"]
    assert isinstance(module, Module)
    module.box = [instance, witness]  # type: ignore[attr-defined]
    return weakref.ref(witness)


CYCLES = {name.removeprefix("cycle_"): make for name, make in list(globals().items()) if name.startswith("cycle_")}


def test_enough_kinds_of_cycles_are_listed() -> None:
    assert len(CYCLES) >= 18


@pytest.mark.parametrize("kind", CYCLES)
def test_a_cycle_is_collected(kind: str) -> None:
    assert gone(CYCLES[kind])


def test_without_a_cycle_everything_goes_with_the_last_reference() -> None:
    gc.disable()
    try:
        store, witness = Store(), Witness()
        reference, data = weakref.ref(witness), Witness()
        host(store, lambda witness=witness: None)
        other = Store(data=data)
        data_reference = weakref.ref(data)
        del store, witness, other, data
        assert reference() is None
        assert data_reference() is None
    finally:
        gc.enable()


def test_two_hundred_stores_with_self_referring_callbacks_leave_nothing_behind() -> None:
    references = [cycle_callback_refers_to_exports() for _ in range(200)]
    gc.collect()
    assert [reference() for reference in references] == [None] * 200


# --- closing ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def no_collector() -> Any:
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_closing_a_store_frees_callbacks_data_and_externrefs_at_once() -> None:
    witnesses = [Witness() for _ in range(4)]
    references = [weakref.ref(witness) for witness in witnesses]
    store = Store(data=witnesses[0])
    func = host(store, lambda witness=witnesses[1]: store)
    variable = Global(store, GlobalType(ValType.externref(), True), witnesses[2])
    table = Table(store, TableType(ValType.externref(), Limits(1, None)), witnesses[3])
    witnesses.clear()
    gc.collect()
    assert all(reference() is not None for reference in references)
    store.close()
    assert [reference() for reference in references] == [None] * 4
    assert (type(func), type(variable), type(table)) == (Func, Global, Table)


@pytest.mark.usefixtures("no_collector")
def test_closing_a_store_frees_functions_of_a_linker_that_is_gone() -> None:
    store, witness = Store(), Witness()
    linker = Linker(store.engine)
    linker.define_func("", "h", func_type(), lambda witness=witness: None)
    reference = weakref.ref(witness)
    linker.instantiate(store, Module(store.engine, RELAY))
    del linker, witness
    assert reference() is not None
    store.close()
    assert reference() is None


@pytest.mark.usefixtures("no_collector")
def test_closing_a_linker_frees_its_functions_at_once() -> None:
    linker, witness = Linker(Engine()), Witness()
    reference = weakref.ref(witness)
    linker.define_func("", "h", func_type(), lambda witness=witness: linker)
    del witness
    linker.close()
    assert reference() is None


@pytest.mark.usefixtures("no_collector")
def test_shadowing_a_function_of_a_linker_frees_the_old_one() -> None:
    linker, witness = Linker(Engine()), Witness()
    reference = weakref.ref(witness)
    linker.allow_shadowing = True
    linker.define_func("", "h", func_type(), lambda witness=witness: None)
    del witness
    linker.define_func("", "h", func_type(), lambda: None)
    assert reference() is None


@pytest.mark.usefixtures("no_collector")
def test_a_callback_keeps_working_when_its_linker_is_gone() -> None:
    store = Store()
    seen: list[int] = []
    linker = Linker(store.engine)
    linker.define_func("", "h", func_type(), lambda: seen.append(1))
    module = Module(store.engine, RELAY)
    exports = linker.instantiate(store, module).exports(store)
    from_pre = linker.instantiate_pre(module).instantiate(store).exports(store)
    linker.close()
    del linker
    gc.collect()
    exports.func("f")(store)
    from_pre.func("f")(store)
    assert seen == [1, 1]


@pytest.mark.usefixtures("no_collector")
def test_closing_a_store_with_a_live_view_frees_it_with_the_last_view() -> None:
    witness = Witness()
    reference = weakref.ref(witness)
    store = Store()
    memory = Memory(store, MemoryType(Limits(1, None)))
    Global(store, GlobalType(ValType.externref(), False), witness)
    view = memory.get_buffer_ptr(store)
    del witness
    store.close()
    assert reference() is None
    view[0] = 9
    assert view[0] == 9
    del view


def test_a_finaliser_that_uses_the_store_while_it_closes_gets_an_error() -> None:
    store = Store()
    outcomes: list[Any] = []

    class Last:
        def __del__(self) -> None:
            try:
                store.gc()
                outcomes.append("used")
            except Exception as error:  # noqa: BLE001
                outcomes.append(type(error).__name__)

    Global(store, GlobalType(ValType.externref(), False), Last())
    store.close()
    assert outcomes == ["ClosedError"]


# --- externrefs -------------------------------------------------------------------------------------------------------------


def test_an_externref_that_webassembly_drops_is_freed_by_a_collection_of_the_store() -> None:
    store, witness = Store(), Witness()
    reference = weakref.ref(witness)
    variable = Global(store, GlobalType(ValType.externref(), True), witness)
    del witness
    store.gc()
    assert reference() is not None
    variable.set_value(store, None)
    store.gc()
    assert reference() is None


def test_a_finaliser_may_use_the_store_that_drops_its_object() -> None:
    store = Store()
    outcomes: list[int] = []
    number = Global(store, GlobalType(ValType.i32(), True), 41)

    class Last:
        def __del__(self) -> None:
            number.set_value(store, number.value(store) + 1)
            outcomes.append(number.value(store))

    variable = Global(store, GlobalType(ValType.externref(), True), Last())
    variable.set_value(store, None)
    store.gc()
    assert outcomes == [42]


def test_passing_many_objects_through_a_store_does_not_keep_them() -> None:
    store, exports = instantiate('(module (func (export "id") (param externref) (result externref) (local.get 0)))')
    identity = exports.func("id")
    alive = weakref.WeakSet[Witness]()

    def pass_one() -> bool:
        witness = Witness()
        alive.add(witness)
        return identity(store, witness) is witness

    assert all(pass_one() for _ in range(20_000))
    assert len(alive) < 10_000
    store.gc()
    assert len(alive) == 0


# --- who keeps whom ---------------------------------------------------------------------------------------------------------


def test_a_gc_reference_and_a_view_keep_their_store_alive() -> None:
    store, exports = instantiate(GC_WAT)
    reference = weakref.ref(store)
    point = exports.func("new")(store)
    del store, exports
    gc.collect()
    assert reference() is not None
    assert point[0] == 1
    del point
    gc.collect()
    assert reference() is None

    store = Store()
    reference = weakref.ref(store)
    view = Memory(store, MemoryType(Limits(1, None))).get_buffer_ptr(store, 4)
    del store
    gc.collect()
    assert reference() is not None
    ctypes.memset(view, 7, 4)
    assert bytes(view) == b"\x07" * 4
    del view
    gc.collect()
    assert reference() is None


def test_objects_of_a_store_do_not_keep_it_alive() -> None:
    store, exports = instantiate('(module (func (export "f")) (memory (export "m") 1))')
    reference = weakref.ref(store)
    func, memory = exports.func("f"), exports.memory("m")
    del store
    gc.collect()
    assert reference() is None
    assert (type(func), type(memory)) == (Func, Memory)


def test_modules_outlive_their_engine_object_and_stores_theirs() -> None:
    engine = Engine()
    module, store = Module(engine, '(module (func (export "f") (result i32) (i32.const 3)))'), Store(engine)
    engine.close()
    del engine
    gc.collect()
    assert Instance(store, module, []).exports(store).func("f")(store) == 3


def test_an_instance_outlives_its_module_object() -> None:
    store = Store()
    module = Module(store.engine, '(module (func (export "f") (result i32) (i32.const 3)))')
    instance = Instance(store, module, [])
    module.close()
    del module
    gc.collect()
    assert instance.exports(store).func("f")(store) == 3


def test_an_instance_pre_keeps_its_module() -> None:
    engine = Engine()
    module = Module(engine, "(module $named)")
    pre = Linker(engine).instantiate_pre(module)
    assert isinstance(pre, InstancePre)
    assert pre.module is module
    del module
    gc.collect()
    assert pre.module.name == "named"


@pytest.mark.parametrize("kind", ["Engine", "Module", "Store", "Linker", "Instance", "InstancePre"])
def test_long_lived_objects_can_be_referred_to_weakly(kind: str) -> None:
    engine = Engine()
    store, module, linker = Store(engine), Module(engine, "(module)"), Linker(engine)
    objects: dict[str, Any] = {
        "Engine": engine,
        "Module": module,
        "Store": store,
        "Linker": linker,
        "Instance": Instance(store, module, []),
        "InstancePre": linker.instantiate_pre(module),
    }
    assert weakref.ref(objects[kind])() is objects[kind]


def test_an_exception_of_a_callback_is_freed_with_its_last_reference() -> None:
    store = Store()

    class Custom(Exception):
        pass

    def callback() -> None:
        raise Custom

    func = host(store, callback)
    gc.collect()
    gc.disable()
    try:
        references: list[weakref.ref[Custom]] = []
        try:
            func(store)
        except Custom as error:
            references.append(weakref.ref(error))
        assert [reference() for reference in references] == [None]
    finally:
        gc.enable()


def most_alive(make: Callable[[], Store], count: int) -> int:
    """How many of the stores that are made, and let go, one after the other are alive at the same time at most."""
    alive: set[weakref.ref[Store]] = set()
    most = 0
    for _ in range(count):
        store = make()
        alive.add(weakref.ref(store, alive.discard))
        # Not before the reference is in the set, which asks for its hash.
        del store
        most = max(most, len(alive))
    return most


def circular_store(engine: Engine) -> Store:
    store = Store(engine)
    Func(store, func_type("", ""), lambda: store.gc())
    return store


@pytest.fixture
def others() -> int:
    """How many stores there are already, which a program keeps."""
    gc.collect()
    return sum(isinstance(thing, Store) for thing in gc.get_objects())


def test_few_stores_in_circles_pile_up_before_they_are_collected(others: int) -> None:
    engine = Engine()
    # Python's own rule would let more than a hundred pile up, of 8 KiB each and their memories.
    assert 2 <= most_alive(lambda: circular_store(engine), 2000) <= 40 + 3 * others


@pytest.mark.parametrize("rule", ["disabled", "seldom"])
def test_stores_ask_for_no_collection_that_the_program_does_not_want(rule: str) -> None:
    engine = Engine()
    before = gc.get_threshold()
    if rule == "disabled":
        gc.disable()
    else:
        gc.set_threshold(1_000_000)
    try:
        assert most_alive(lambda: circular_store(engine), 300) == 300
    finally:
        gc.set_threshold(*before)
        gc.enable()
        gc.collect()


def test_stores_that_are_kept_ask_for_a_collection_whenever_their_number_has_doubled() -> None:
    engine = Engine()
    begun: list[int] = []

    def count(phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            begun.append(info["generation"])

    def keep() -> int:
        begun.clear()
        kept = [Store(engine) for _ in range(256)]
        assert len(kept) == 256
        return len(begun)

    gc.collect()
    gc.callbacks.append(count)
    try:
        assert keep() <= 8
    finally:
        gc.callbacks.remove(count)
