"""`Linker`: definitions by name, and what satisfies imports with them."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support import engine_with, func_type, host, raises

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
    Trap,
    ValType,
    WasmtimeError,
    WrongEngineError,
    WrongStoreError,
)

WANTS_F = '(module (import "env" "f" (func $f (result i32))) (func (export "g") (result i32) (call $f)))'
I32 = ValType.i32()


def linker_with(store: Store, **functions: Any) -> Linker:
    linker = Linker(store.engine)
    for name, function in functions.items():
        linker.define_func("env", name, func_type("", "i"), function)
    return linker


# --- define_func ------------------------------------------------------------------------------------------------------------


def test_a_defined_function_satisfies_an_import() -> None:
    store = Store()
    linker = linker_with(store, f=lambda: 5)
    assert linker.instantiate(store, Module(store.engine, WANTS_F)).exports(store).func("g")(store) == 5


def test_one_linker_serves_many_stores_of_its_engine() -> None:
    engine = Engine()
    linker = linker_with(Store(engine), f=lambda: 5)
    module = Module(engine, WANTS_F)
    for _ in range(3):
        store = Store(engine)
        assert linker.instantiate(store, module).exports(store).func("g")(store) == 5


def test_one_linker_serves_stores_on_many_threads() -> None:
    engine = Engine()
    linker = linker_with(Store(engine), f=threading.get_ident)
    linker.allow_shadowing = True
    linker.define_func("env", "f", func_type("", "I"), threading.get_ident)
    module = Module(engine, WANTS_F.replace("i32", "i64"))
    results: list[bool] = []

    def work() -> None:
        for _ in range(50):
            store = Store(engine)
            results.append(linker.instantiate(store, module).exports(store).func("g")(store) == threading.get_ident())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 200


def test_a_function_is_checked_when_it_is_defined() -> None:
    linker = Linker(Engine())
    with raises(TypeError, "expected a callable, got int"):
        linker.define_func("", "f", func_type(), 1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        linker.define_func("", "f", "type", print)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        linker.define_func(1, "f", func_type(), print)  # type: ignore[arg-type]


def test_a_function_type_of_a_module_of_another_engine_is_a_wrong_engine_error() -> None:
    ty = Module(Engine(), '(module (type $s (struct)) (func (export "f") (param (ref null $s))))').exports[0].type
    with raises(WrongEngineError, "this FuncType belongs to another engine; make both with the same Engine"):
        Linker(Engine()).define_func("", "f", ty, print)  # type: ignore[arg-type]


# --- define -----------------------------------------------------------------------------------------------------------------


def test_every_kind_of_object_can_be_defined_and_got() -> None:
    engine = engine_with(shared_memory=True)
    store = Store(engine)
    items: dict[str, Any] = {
        "func": host(store, lambda: 1, "", "i"),
        "memory": Memory(store, MemoryType(Limits(1, None))),
        "shared": SharedMemory(engine, MemoryType(Limits(1, 2), shared=True)),
        "table": Table(store, TableType(ValType.funcref(), Limits(1, None)), None),
        "global": Global(store, GlobalType(I32, True), 7),
        "tag": Tag(store, TagType(func_type("i"))),
    }
    linker = Linker(engine)
    for name, item in items.items():
        linker.define(store, "env", name, item)
    for name, item in items.items():
        assert type(linker.get(store, "env", name)) is type(item)
    variable = linker.get(store, "env", "global")
    assert isinstance(variable, Global)
    variable.set_value(store, 8)
    assert items["global"].value(store) == 8


def test_defining_a_name_twice_is_refused_unless_shadowing_is_allowed() -> None:
    store = Store()
    linker = linker_with(store, f=lambda: 1)
    module = Module(store.engine, WANTS_F)
    assert linker.allow_shadowing is False
    with raises(WasmtimeError, "import of `env::f` defined twice"):
        linker.define_func("env", "f", func_type("", "i"), lambda: 2)
    with raises(WasmtimeError, "import of `env::f` defined twice"):
        linker.define(store, "env", "f", host(store, lambda: 2, "", "i"))
    assert linker.instantiate(store, module).exports(store).func("g")(store) == 1
    linker.allow_shadowing = True
    assert linker.allow_shadowing is True
    linker.define_func("env", "f", func_type("", "i"), lambda: 3)
    assert linker.instantiate(store, module).exports(store).func("g")(store) == 3


@pytest.mark.parametrize("value", [1, None, "yes"])
def test_shadowing_is_a_bool(value: Any) -> None:
    with raises(TypeError, "expected a bool"):
        Linker(Engine()).allow_shadowing = value


def test_an_object_of_another_store_is_a_wrong_store_error() -> None:
    store = Store()
    foreign = host(Store(store.engine), lambda: None)
    with raises(WrongStoreError, "this Func belongs to another store; pass the store that it was made in"):
        Linker(store.engine).define(store, "", "f", foreign)


@pytest.mark.parametrize("value", [None, 1, print], ids=lambda value: type(value).__name__)
def test_what_cannot_be_imported_is_a_type_error(value: Any) -> None:
    store = Store()
    with raises(TypeError, f"expected a Func, Table, Memory, SharedMemory, Global or Tag, got {type(value).__name__}"):
        Linker(store.engine).define(store, "", "f", value)


def test_a_definition_of_one_store_cannot_be_used_in_another() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define(store, "env", "f", host(store, lambda: 1, "", "i"))
    other = Store(store.engine)
    message = "this Func belongs to another store; pass the store that it was made in"
    module = Module(store.engine, WANTS_F)
    for use in (
        lambda: linker.instantiate(other, module),
        lambda: linker.get(other, "env", "f"),
        lambda: linker.define_module(other, "m", module),
    ):
        with raises(WrongStoreError, message):
            use()
    assert linker.instantiate(other, Module(store.engine, "(module)")) is not None


def test_a_store_of_another_engine_is_a_wrong_engine_error() -> None:
    linker = Linker(Engine())
    store = Store()
    module = Module(store.engine, "(module)")
    instance = Instance(store, module, [])
    func = host(store, lambda: None)
    for use in (
        lambda: linker.define(store, "", "f", func),
        lambda: linker.define_instance(store, "", instance),
        lambda: linker.get(store, "", "f"),
        lambda: linker.get_default(store, ""),
    ):
        with raises(WrongEngineError, "this Store belongs to another engine; make both with the same Engine"):
            use()


def test_a_module_of_another_engine_is_a_wrong_engine_error() -> None:
    engine = Engine()
    linker, store, module = Linker(engine), Store(engine), Module(Engine(), "(module)")
    for use in (
        lambda: linker.instantiate(store, module),
        lambda: linker.instantiate_pre(module),
        lambda: linker.define_module(store, "", module),
        lambda: linker.define_unknown_imports_as_traps(module),
        lambda: linker.define_unknown_imports_as_default_values(store, module),
    ):
        with raises(WrongEngineError, "this Module belongs to another engine; make both with the same Engine"):
            use()


# --- instantiating ----------------------------------------------------------------------------------------------------------


def test_an_unknown_import_is_a_wasmtime_error_that_names_it() -> None:
    store = Store()
    with raises(WasmtimeError, "unknown import: `env::f` has not been defined"):
        Linker(store.engine).instantiate(store, Module(store.engine, WANTS_F))
    with raises(WasmtimeError, "unknown import: `env::f` has not been defined"):
        Linker(store.engine).instantiate_pre(Module(store.engine, WANTS_F))


def test_an_import_of_another_type_is_a_wasmtime_error_that_names_it() -> None:
    store = Store()
    linker = linker_with(store, f=lambda: 1)
    module = Module(store.engine, '(module (import "env" "f" (func (param i64))))')
    with pytest.raises(WasmtimeError, match="^incompatible import type for `env::f`"):
        linker.instantiate(store, module)


def test_a_module_without_imports_needs_no_definitions() -> None:
    store = Store()
    instance = Linker(store.engine).instantiate(store, Module(store.engine, '(module (func (export "f") (result i32) (i32.const 2)))'))
    assert type(instance) is Instance
    assert instance.exports(store).func("f")(store) == 2


def test_a_start_function_may_define_more_in_the_linker_that_instantiates() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define_func("", "start", func_type(), lambda: linker.define_func("env", "f", func_type("", "i"), lambda: 6))
    linker.instantiate(store, Module(store.engine, '(module (import "" "start" (func $s)) (start $s))'))
    assert linker.instantiate(store, Module(store.engine, WANTS_F)).exports(store).func("g")(store) == 6


# --- instances and modules --------------------------------------------------------------------------------------------------


def test_the_exports_of_an_instance_are_defined_under_its_name() -> None:
    store = Store()
    linker = Linker(store.engine)
    instance = Instance(store, Module(store.engine, '(module (func (export "f") (result i32) (i32.const 9)) (memory (export "m") 1))'), [])
    linker.define_instance(store, "env", instance)
    assert linker.instantiate(store, Module(store.engine, WANTS_F)).exports(store).func("g")(store) == 9
    assert type(linker.get(store, "env", "m")) is Memory
    with raises(WrongStoreError, "this Instance belongs to another store; pass the store that it was made in"):
        linker.get(Store(store.engine), "env", "f")
    with raises(WrongStoreError, "this Instance belongs to another store; pass the store that it was made in"):
        linker.define_instance(Store(store.engine), "other", instance)


def test_an_instance_with_a_taken_name_defines_nothing_new_over_it() -> None:
    store = Store()
    linker = linker_with(store, f=lambda: 1)
    instance = Instance(store, Module(store.engine, '(module (func (export "f") (result i32) (i32.const 9)))'), [])
    with raises(WasmtimeError, "import of `env::f` defined twice"):
        linker.define_instance(store, "env", instance)
    assert linker.instantiate(store, Module(store.engine, WANTS_F)).exports(store).func("g")(store) == 1


REACTOR = """(module (global $n (mut i32) (i32.const 0))
  (func (export "_initialize") (global.set $n (i32.const 10)))
  (func (export "f") (result i32) (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"""
COMMAND = """(module (import "host" "log" (func $log (param i32))) (global $n (mut i32) (i32.const 0))
  (func (export "_start") (global.set $n (i32.add (global.get $n) (i32.const 1))) (call $log (global.get $n))))"""


def test_a_reactor_is_initialised_once_and_keeps_its_state() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define_module(store, "env", Module(store.engine, REACTOR))
    func = linker.instantiate(store, Module(store.engine, WANTS_F)).exports(store).func("g")
    assert [func(store), func(store)] == [11, 12]


def test_a_command_is_instantiated_anew_for_each_call() -> None:
    store = Store()
    linker = Linker(store.engine)
    logged: list[int] = []
    linker.define_func("host", "log", func_type("i"), logged.append)
    linker.define_module(store, "command", Module(store.engine, COMMAND))
    start = linker.get_default(store, "command")
    assert type(start) is Func
    start(store)
    start(store)
    assert logged == [1, 1]


def test_a_linker_is_busy_while_it_defines_a_module_whose_code_runs() -> None:
    store = Store()
    linker = Linker(store.engine)
    messages: list[str] = []

    def callback() -> None:
        with pytest.raises(WasmtimeError) as caught:
            linker.define_func("x", "y", func_type(), print)
        messages.append(str(caught.value))

    linker.define_func("", "h", func_type(), callback)
    linker.define_module(store, "m", Module(store.engine, '(module (import "" "h" (func $h)) (func (export "_initialize") (call $h)))'))
    assert messages == ["the linker is busy: it cannot be used by code that runs while it defines something"]
    linker.define_func("x", "y", func_type(), print)


def test_a_module_whose_initialisation_fails_leaves_the_linker_usable() -> None:
    store = Store()
    linker = Linker(store.engine)
    with pytest.raises(Trap):
        linker.define_module(store, "env", Module(store.engine, '(module (func (export "_initialize") unreachable))'))
    linker.define_module(store, "env", Module(store.engine, REACTOR))
    assert type(linker.get(store, "env", "f")) is Func


def test_a_linker_closed_while_it_defines_a_module_stays_closed() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define_func("", "h", func_type(), lambda: linker.close())
    linker.define_module(store, "m", Module(store.engine, '(module (import "" "h" (func $h)) (func (export "_initialize") (call $h)))'))
    with raises(ClosedError, "this Linker is already closed"):
        linker.get(store, "m", "_initialize")


# --- get --------------------------------------------------------------------------------------------------------------------


def test_getting_what_is_not_defined_is_a_wasmtime_error() -> None:
    store = Store()
    with pytest.raises(WasmtimeError, match="^missing definition for `env::f`$"):
        Linker(store.engine).get(store, "env", "f")


def test_a_function_that_was_got_can_be_called_and_outlives_its_linker() -> None:
    store = Store()
    linker = linker_with(store, f=lambda: 5)
    func = linker.get(store, "env", "f")
    linker.close()
    del linker
    assert isinstance(func, Func)
    assert func(store) == 5


def test_the_default_of_a_name_without_definitions_does_nothing() -> None:
    store = Store()
    assert Linker(store.engine).get_default(store, "nothing")(store) is None


def test_the_default_is_the_export_without_a_name() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define_func("m", "", func_type("", "i"), lambda: 4)
    assert linker.get_default(store, "m")(store) == 4


# --- unknown imports --------------------------------------------------------------------------------------------------------

UNKNOWN = """(module (import "a" "f" (func $f (result i32 i64 f32 f64 externref))) (import "a" "g" (global $g i32))
  (import "a" "m" (memory 2)) (import "a" "t" (table 3 funcref))
  (func (export "f") (result i32 i64 f32 f64 externref) (call $f)) (func (export "g") (result i32) (global.get $g)))"""


def test_unknown_functions_become_functions_that_trap_and_name_themselves() -> None:
    store = Store()
    linker = Linker(store.engine)
    module = Module(store.engine, WANTS_F)
    linker.define_unknown_imports_as_traps(module)
    func = linker.instantiate(store, module).exports(store).func("g")
    with pytest.raises(WasmtimeError, match="unknown import: `env::f` has not been defined"):
        func(store)


def test_known_functions_stay_when_unknown_ones_become_traps() -> None:
    store = Store()
    linker = linker_with(store, f=lambda: 5)
    module = Module(store.engine, WANTS_F)
    linker.define_unknown_imports_as_traps(module)
    assert linker.instantiate(store, module).exports(store).func("g")(store) == 5


def test_unknown_imports_become_default_values() -> None:
    store = Store()
    linker = Linker(store.engine)
    module = Module(store.engine, UNKNOWN)
    linker.define_unknown_imports_as_default_values(store, module)
    exports = linker.instantiate(store, module).exports(store)
    assert exports.func("f")(store) == [0, 0, 0.0, 0.0, None]
    assert exports.func("g")(store) == 0
    memory, table = linker.get(store, "a", "m"), linker.get(store, "a", "t")
    assert isinstance(memory, Memory) and memory.size(store) == 2
    assert isinstance(table, Table) and table.size(store) == 3


def test_default_values_belong_to_their_store() -> None:
    store = Store()
    linker = Linker(store.engine)
    module = Module(store.engine, UNKNOWN)
    linker.define_unknown_imports_as_default_values(store, module)
    with pytest.raises(WrongStoreError, match="belongs to another store"):
        linker.instantiate(Store(store.engine), module)


# --- WASI, closing ----------------------------------------------------------------------------------------------------------


def test_wasi_can_be_defined_once() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define_wasi()
    assert type(linker.get(store, "wasi_snapshot_preview1", "fd_write")) is Func
    with pytest.raises(WasmtimeError, match="defined twice"):
        linker.define_wasi()


def test_a_linker_has_its_engine() -> None:
    engine = Engine()
    assert Linker(engine).engine is engine
    with pytest.raises(TypeError):
        Linker(Store())  # type: ignore[arg-type]


def test_a_closed_linker_refuses_every_use_and_instances_stay() -> None:
    store = Store()
    module = Module(store.engine, WANTS_F)
    linker = linker_with(store, f=lambda: 5)
    exports, pre = linker.instantiate(store, module).exports(store), linker.instantiate_pre(module)
    assert repr(linker) == "<Linker>"
    with linker:
        pass
    linker.close()
    for use in (
        lambda: linker.allow_shadowing,
        lambda: linker.define_func("", "", func_type(), print),
        lambda: linker.define_wasi(),
        lambda: linker.instantiate(store, module),
        lambda: linker.instantiate_pre(module),
        lambda: linker.get(store, "env", "f"),
        lambda: linker.get_default(store, "env"),
        lambda: linker.define_module(store, "", module),
        lambda: linker.define_unknown_imports_as_traps(module),
    ):
        with raises(ClosedError, "this Linker is already closed"):
            use()
    assert repr(linker) == "<Linker (closed)>"
    assert exports.func("g")(store) == 5
    assert pre.instantiate(store).exports(store).func("g")(store) == 5


def test_functions_of_a_linker_see_the_store_that_calls_them() -> None:
    engine = Engine()
    linker = Linker(engine)
    seen: list[bytes] = []

    def callback(caller: Any) -> None:
        seen.append(bytes(caller["m"].read(caller, 0, 1)))

    linker.define_func("", "h", func_type(), callback, True)
    for letter in "ab":
        store = Store(engine)
        module = Module(
            engine, f'(module (import "" "h" (func $h)) (memory (export "m") 1) (data (i32.const 0) "{letter}") (func (export "f") (call $h)))'
        )
        linker.instantiate(store, module).exports(store).func("f")(store)
    assert seen == [b"a", b"b"]
