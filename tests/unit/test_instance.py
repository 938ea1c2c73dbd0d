"""`Instance` and the mapping of its exports."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy
import pytest
from support import engine_with, func_type, host, instantiate, raises

from ferrowasm import (
    Engine,
    Func,
    Global,
    GlobalType,
    Instance,
    InstanceExports,
    InstancePre,
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
    Trap,
    TrapCode,
    ValType,
    WasmtimeError,
    WrongEngineError,
    WrongStoreError,
)

WAT = """(module (func (export "f")) (memory (export "m") 1) (table (export "t") 1 funcref)
  (global (export "g") i32 (i32.const 1)) (tag (export "e") (param i32)))"""
KINDS = {"f": Func, "m": Memory, "t": Table, "g": Global, "e": Tag}
LOOK_UPS = {"f": "func", "m": "memory", "t": "table", "g": "global_", "e": "tag"}


# --- exports ----------------------------------------------------------------------------------------------------------------


def test_exports_are_found_by_name_and_by_index() -> None:
    _, exports = instantiate(WAT)
    for index, (name, kind) in enumerate(KINDS.items()):
        assert type(exports[name]) is kind
        assert exports[index] is exports[name]
        assert exports.by_index[index] is exports[name]


def test_exports_are_a_mapping_in_the_order_of_the_module() -> None:
    _, exports = instantiate(WAT)
    assert isinstance(exports, Mapping)
    assert len(exports) == 5
    assert list(exports) == list(exports.keys()) == list(KINDS)
    assert [type(item) for item in exports.values()] == list(KINDS.values())
    assert [(name, type(item)) for name, item in exports.items()] == list(KINDS.items())
    assert dict(exports)["m"] is exports["m"]
    assert dict(**exports)["m"] is exports["m"]


def test_in_takes_names_and_indices() -> None:
    _, exports = instantiate(WAT)
    keys: list[Any] = ["f", 0, 4, "zz", 5, -1, None]
    assert [key in exports for key in keys] == [True, True, True, False, False, False, False]


@pytest.mark.parametrize("key", ["zz", "", 5, -1, 2**70, None, 1.5])
def test_an_unknown_name_or_index_is_a_key_error(key: Any) -> None:
    _, exports = instantiate(WAT)
    with pytest.raises(KeyError) as caught:
        exports[key]
    assert caught.value.args == (key,)
    assert exports.get(key) is None
    assert exports.get(key, 7) == 7


def test_an_unhashable_key_is_a_type_error() -> None:
    _, exports = instantiate(WAT)
    with pytest.raises(TypeError, match="unhashable"):
        exports[[]]  # type: ignore[index]


def test_numpy_integers_serve_as_indices() -> None:
    _, exports = instantiate(WAT)
    assert exports[numpy.int64(1)] is exports["m"]
    assert numpy.uint8(1) in exports
    assert exports.memory(numpy.int32(1)) is exports["m"]


def test_typed_look_ups_give_what_their_name_says() -> None:
    _, exports = instantiate(WAT)
    for index, (name, method) in enumerate(LOOK_UPS.items()):
        assert getattr(exports, method)(name) is exports[name]
        assert getattr(exports, method)(index) is exports[name]


@pytest.mark.parametrize("name", LOOK_UPS)
@pytest.mark.parametrize("method", [*LOOK_UPS.values(), "shared_memory"])
def test_a_typed_look_up_of_something_else_is_a_type_error_that_names_it(name: str, method: str) -> None:
    if LOOK_UPS[name] == method:
        return
    _, exports = instantiate(WAT)
    wanted = {"func": "Func", "memory": "Memory", "table": "Table", "global_": "Global", "tag": "Tag", "shared_memory": "SharedMemory"}
    with raises(TypeError, f"the export '{name}' is a {KINDS[name].__name__}, not a {wanted[method]}"):
        getattr(exports, method)(name)


def test_a_typed_look_up_of_nothing_is_a_key_error() -> None:
    _, exports = instantiate(WAT)
    with pytest.raises(KeyError, match="^'zz'$"):
        exports.func("zz")


def test_the_exports_object_is_made_once() -> None:
    store = Store()
    instance = Instance(store, Module(store.engine, WAT), [])
    assert instance.exports(store) is instance.exports(store)
    assert type(instance.exports(store)) is InstanceExports
    assert repr(instance) == "<Instance>"


def test_the_repr_of_exports_shows_them() -> None:
    _, exports = instantiate('(module (memory (export "m") 1))')
    assert repr(exports) == "<InstanceExports {'m': <Memory>}>"


def test_an_empty_module_has_empty_exports() -> None:
    _, exports = instantiate("(module)")
    assert len(exports) == 0
    assert list(exports) == []
    assert not exports


def test_names_of_exports_are_any_unicode() -> None:
    _, exports = instantiate('(module (func (export "") (result i32) (i32.const 1)) (func (export "naïve\\u{1F980}\\00") (result i32) (i32.const 2)))')
    assert list(exports) == ["", "naïve🦀\0"]


def test_exports_of_another_store_are_a_wrong_store_error() -> None:
    store = Store()
    instance = Instance(store, Module(store.engine, WAT), [])
    with raises(WrongStoreError, "this Instance belongs to another store; pass the store that it was made in"):
        instance.exports(Store(store.engine))


# --- imports ----------------------------------------------------------------------------------------------------------------


def test_every_kind_of_import_is_taken_in_order() -> None:
    store = Store()
    imports = [
        host(store, lambda: 8, "", "i"),
        Memory(store, MemoryType(Limits(1, None))),
        Table(store, TableType(ValType.funcref(), Limits(1, None)), None),
        Global(store, GlobalType(ValType.i32(), False), 3),
        Tag(store, TagType(func_type("i"))),
    ]
    _, exports = instantiate(
        """(module (import "" "f" (func $f (result i32))) (import "" "m" (memory 1)) (import "" "t" (table 1 funcref))
             (import "" "g" (global $g i32)) (import "" "e" (tag (param i32)))
             (func (export "sum") (result i32) (i32.add (call $f) (global.get $g))))""",
        imports,
        store,
    )
    assert exports.func("sum")(store) == 11


@pytest.mark.parametrize("sequence", [list, tuple, iter], ids=["list", "tuple", "iterator"])
def test_imports_are_any_iterable(sequence: Any) -> None:
    store = Store()
    module = Module(store.engine, '(module (import "" "f" (func)))')
    assert Instance(store, module, sequence([host(store, lambda: None)])).exports(store) is not None


@pytest.mark.parametrize("count", [0, 2])
def test_the_wrong_number_of_imports_is_a_wasmtime_error(count: int) -> None:
    store = Store()
    module = Module(store.engine, '(module (import "" "f" (func)))')
    with raises(WasmtimeError, f"expected 1 imports, found {count}"):
        Instance(store, module, [host(store, lambda: None)] * count)


@pytest.mark.parametrize("value", [None, 1, "f", len], ids=lambda value: type(value).__name__)
def test_what_cannot_be_imported_is_a_type_error(value: Any) -> None:
    store = Store()
    module = Module(store.engine, '(module (import "" "f" (func)))')
    with raises(TypeError, f"expected a Func, Table, Memory, SharedMemory, Global or Tag, got {type(value).__name__}"):
        Instance(store, module, [value])


def test_an_import_of_another_kind_or_type_is_a_wasmtime_error() -> None:
    store = Store()
    module = Module(store.engine, '(module (import "env" "f" (func (param i32))))')
    with pytest.raises(WasmtimeError, match="incompatible import type for `env::f`|types incompatible"):
        Instance(store, module, [host(store, lambda: None)])
    with pytest.raises(WasmtimeError, match="expected func, found memory|types incompatible|incompatible import type"):
        Instance(store, module, [Memory(store, MemoryType(Limits(1, None)))])


def test_an_import_of_another_store_is_a_wrong_store_error() -> None:
    store, other = Store(), Store()
    foreign: dict[str, tuple[Any, str]] = {
        "Func": (host(other, lambda: None), "(func)"),
        "Memory": (Memory(other, MemoryType(Limits(1, None))), "(memory 1)"),
        "Table": (Table(other, TableType(ValType.funcref(), Limits(1, None)), None), "(table 1 funcref)"),
        "Global": (Global(other, GlobalType(ValType.i32(), False), 1), "(global i32)"),
        "Tag": (Tag(other, TagType(func_type())), "(tag)"),
    }
    for kind, (item, ty) in foreign.items():
        with raises(WrongStoreError, f"this {kind} belongs to another store; pass the store that it was made in"):
            Instance(store, Module(store.engine, f'(module (import "" "x" {ty}))'), [item])


def test_a_shared_memory_of_another_engine_is_a_wrong_engine_error() -> None:
    memory = SharedMemory(engine_with(shared_memory=True), MemoryType(Limits(1, 2), shared=True))
    store = Store(engine_with(shared_memory=True))
    with raises(WrongEngineError, "this SharedMemory belongs to another engine; make both with the same Engine"):
        Instance(store, Module(store.engine, '(module (import "" "m" (memory 1 2 shared)))'), [memory])


# --- starting ---------------------------------------------------------------------------------------------------------------


def test_the_start_function_runs_once_at_instantiation() -> None:
    store = Store()
    calls: list[int] = []
    instantiate('(module (import "" "h" (func $h)) (start $h))', [host(store, lambda: calls.append(1))], store)
    assert calls == [1]


def test_a_trap_in_the_start_function_comes_out_of_the_instance() -> None:
    with pytest.raises(Trap) as caught:
        instantiate("(module (func $start unreachable) (start $start))")
    assert caught.value.trap_code is TrapCode.UNREACHABLE
    assert caught.value.frames[0].func_name == "start"


def test_data_that_does_not_fit_its_memory_is_a_trap() -> None:
    with pytest.raises(Trap) as caught:
        instantiate('(module (memory 1) (data (i32.const 65536) "x"))')
    assert caught.value.trap_code is TrapCode.MEMORY_OUT_OF_BOUNDS


def test_a_start_function_may_use_the_store_and_make_instances_in_it() -> None:
    store = Store()
    made: list[int] = []

    def start() -> None:
        exports = instantiate('(module (func (export "f") (result i32) (i32.const 4)))', (), store)[1]
        made.append(exports.func("f")(store))

    instantiate('(module (import "" "h" (func $h)) (start $h))', [host(store, start)], store)
    assert made == [4]


# --- InstancePre ------------------------------------------------------------------------------------------------------------


def test_an_instance_pre_makes_independent_instances_in_any_store_of_its_engine() -> None:
    engine = Engine()
    module = Module(
        engine,
        """(module (import "" "n" (func $n (result i32))) (global $g (mut i32) (i32.const 0))
             (func (export "f") (result i32) (global.set $g (i32.add (global.get $g) (call $n))) (global.get $g)))""",
    )
    linker = Linker(engine)
    linker.define_func("", "n", func_type("", "i"), lambda: 5)
    pre = linker.instantiate_pre(module)
    assert type(pre) is InstancePre
    assert pre.module is module
    assert repr(pre) == "<InstancePre>"
    for _ in range(2):
        store = Store(engine)
        for _ in range(2):
            func = pre.instantiate(store).exports(store).func("f")
            assert [func(store), func(store)] == [5, 10]


def test_an_instance_pre_refuses_a_store_of_another_engine() -> None:
    engine = Engine()
    pre = Linker(engine).instantiate_pre(Module(engine, "(module)"))
    with raises(WrongEngineError, "this InstancePre belongs to another engine; make both with the same Engine"):
        pre.instantiate(Store())


def test_an_instance_pre_with_objects_of_a_store_refuses_other_stores() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define(store, "", "g", Global(store, GlobalType(ValType.i32(), False), 1))
    pre = linker.instantiate_pre(Module(store.engine, '(module (import "" "g" (global i32)))'))
    pre.instantiate(store)
    with raises(WrongStoreError, "this Global belongs to another store; pass the store that it was made in"):
        pre.instantiate(Store(store.engine))


def test_a_closed_instance_pre_raises() -> None:
    engine = Engine()
    with Linker(engine).instantiate_pre(Module(engine, "(module)")) as pre:
        pre.instantiate(Store(engine))
    for use in (lambda: pre.module, lambda: pre.instantiate(Store(engine))):
        with pytest.raises(ValueError, match="^this InstancePre is already closed$"):
            use()
