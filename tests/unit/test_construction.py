"""What every class that lives on the native side has in common: making, subclassing, copying, closing."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from support import engine_with, func_type, host, raises

import ferrowasm
from ferrowasm import (
    ClosedError,
    Engine,
    Func,
    Global,
    GlobalType,
    Instance,
    Limits,
    Linker,
    Memory,
    MemoryType,
    Module,
    SharedMemory,
    Store,
    Table,
    TableType,
    Tag,
    TagType,
    ValType,
    WasmtimeError,
)

ENGINE = engine_with(shared_memory=True)
MODULE = Module(ENGINE, '(module (memory (export "m") 1))')


def arguments(cls: type, store: Store) -> tuple[Any, ...]:
    """What `cls` is made from in `store`."""
    return {
        Engine: (),
        Store: (ENGINE,),
        Module: (ENGINE, "(module)"),
        Linker: (ENGINE,),
        Instance: (store, MODULE, []),
        Func: (store, func_type("", "i"), lambda: 5),
        Memory: (store, MemoryType(Limits(1, None))),
        SharedMemory: (ENGINE, MemoryType(Limits(1, 2), shared=True)),
        Global: (store, GlobalType(ValType.i32(), True), 1),
        Table: (store, TableType(ValType.funcref(), Limits(1, None)), None),
        Tag: (store, TagType(func_type("i"))),
    }[cls]


#: For each class a use of its objects.
USES: dict[type, Callable[[Any, Store], Any]] = {
    Engine: lambda item, store: item.increment_epoch(),
    Store: lambda item, store: item.gc(),
    Module: lambda item, store: item.imports,
    Linker: lambda item, store: item.allow_shadowing,
    Instance: lambda item, store: item.exports(store),
    Func: lambda item, store: item(store),
    Memory: lambda item, store: item.size(store),
    SharedMemory: lambda item, store: item.size(),
    Global: lambda item, store: item.value(store),
    Table: lambda item, store: item.size(store),
    Tag: lambda item, store: item.type(store),
}
CLASSES = list(USES)
by_name = pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)


@by_name
def test_an_object_is_made_and_used(cls: Any) -> None:
    store = Store(ENGINE)
    item = cls(*arguments(cls, store))
    assert type(item) is cls
    USES[cls](item, store)


@by_name
def test_an_object_whose_init_never_ran_says_so(cls: Any) -> None:
    store = Store(ENGINE)
    item: Any = cls.__new__(cls)
    with raises(ClosedError, f"this {cls.__name__} was never initialised: its __init__ has not run"):
        USES[cls](item, store)
    assert cls.__name__ in repr(item)
    if hasattr(item, "close"):
        item.close()


@by_name
def test_nothing_takes_an_object_whose_init_never_ran(cls: Any) -> None:
    store = Store(ENGINE)
    item: Any = cls.__new__(cls)
    takers: dict[type, Callable[[], Any]] = {
        Engine: lambda: Store(item),
        Store: lambda: Memory(item, MemoryType(Limits(1, None))),
        Module: lambda: Instance(store, item, []),
        Linker: lambda: item.instantiate(store, MODULE),
        Instance: lambda: Linker(ENGINE).define_instance(store, "", item),
    }
    taker = takers.get(cls, lambda: Linker(ENGINE).define(store, "", "x", item))
    with raises(ClosedError, f"this {cls.__name__} was never initialised: its __init__ has not run"):
        taker()


@by_name
def test_initialising_twice_is_refused_and_changes_nothing(cls: Any) -> None:
    store = Store(ENGINE)
    item: Any = cls(*arguments(cls, store))
    before = repr(USES[cls](item, store))
    with raises(RuntimeError, f"this {cls.__name__} is initialised already"):
        item.__init__(*arguments(cls, store))
    assert repr(USES[cls](item, store)) == before


@by_name
def test_an_init_that_fails_leaves_an_object_that_can_still_be_initialised(cls: Any) -> None:
    store = Store(ENGINE)
    item: Any = cls.__new__(cls)
    with pytest.raises(TypeError):
        item.__init__(1, 2, 3, 4, 5, 6)
    item.__init__(*arguments(cls, store))
    USES[cls](item, store)


@by_name
def test_a_subclass_may_have_an_init_of_its_own(cls: Any) -> None:
    class Sub(cls):  # type: ignore[misc]
        def __init__(self, name: str, *, store: Store) -> None:
            super().__init__(*arguments(cls, store))
            self.label = name

    store = Store(ENGINE)
    item = Sub("x", store=store)
    assert isinstance(item, cls)
    assert item.label == "x"
    USES[cls](item, store)


@by_name
def test_objects_take_attributes_and_weak_references_and_are_collected(cls: Any) -> None:
    store = Store(ENGINE)
    item: Any = cls(*arguments(cls, store))
    item.mine = item
    reference = weakref.ref(item)
    assert reference() is item
    del item
    gc.collect()
    assert reference() is None


@by_name
@pytest.mark.parametrize("how", [copy.copy, copy.deepcopy, pickle.dumps], ids=["copy", "deepcopy", "pickle"])
def test_objects_with_state_on_the_native_side_are_not_copied(cls: Any, how: Callable[[Any], Any]) -> None:
    store = Store(ENGINE)
    item = cls(*arguments(cls, store))
    with pytest.raises(TypeError):
        how(item)
    USES[cls](item, store)


@pytest.mark.parametrize("cls", [Engine, Store, Module, Linker, SharedMemory], ids=lambda cls: cls.__name__)
def test_what_is_managed_closes_once_and_for_all(cls: Any) -> None:
    store = Store(ENGINE)
    with cls(*arguments(cls, store)) as item:
        USES[cls](item, store)
    for _ in range(2):
        with raises(ClosedError, f"this {cls.__name__} is already closed"):
            USES[cls](item, store)
        item.close()
    assert "closed" in repr(item)


@pytest.mark.parametrize("name", ["Caller", "StoreContext", "InstancePre", "InstanceExports", "StructRef", "ArrayRef", "ExnRef", "AnyRef"])
def test_what_only_the_engine_makes_cannot_be_made_by_hand(name: str) -> None:
    cls: Any = getattr(ferrowasm, name)
    with raises(TypeError, f"cannot create 'ferrowasm.{name}' instances"):
        cls()


def test_a_subclass_of_an_engine_works_wherever_an_engine_does() -> None:
    class Mine(Engine):
        pass

    engine = Mine()
    store = Store(engine)
    assert store.engine is engine
    assert Linker(engine).engine is engine
    assert host(store, lambda: 1, "", "i")(store) == 1


def test_a_class_method_of_a_subclass_makes_the_subclass() -> None:
    class Mine(Module):
        pass

    module = Mine.deserialize(ENGINE, MODULE.serialize())
    assert type(module) is Mine
    assert len(module.exports) == 1


def test_errors_while_making_are_what_they_are() -> None:
    with pytest.raises(WasmtimeError):
        Module(ENGINE, "(module")
    with pytest.raises(TypeError):
        Memory(Store(ENGINE), Limits(1, None))  # type: ignore[arg-type]
