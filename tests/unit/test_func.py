"""`Func`: calling, signatures, types."""

from __future__ import annotations

from typing import Any

import pytest
from support import engine_with, func_type, host, instantiate, raises

from ferrowasm import (
    Engine,
    Func,
    FuncType,
    Instance,
    Module,
    SignatureError,
    Store,
    Trap,
    TrapCode,
    ValType,
    WrongEngineError,
    WrongStoreError,
)

ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'


def test_a_function_is_called_with_the_store_and_its_arguments() -> None:
    store, exports = instantiate(ADD)
    assert exports.func("add")(store, 1, 2) == 3


@pytest.mark.parametrize(("args", "which"), [((), "few"), ((1,), "few"), ((1, 2, 3), "many")])
def test_the_wrong_number_of_arguments_is_a_signature_error(args: tuple[int, ...], which: str) -> None:
    store, exports = instantiate(ADD)
    with raises(SignatureError, f"too {which} parameters provided: given {len(args)}, expected 2"):
        exports.func("add")(store, *args)


def test_a_signature_error_is_a_type_error_too() -> None:
    store, exports = instantiate(ADD)
    with pytest.raises(TypeError):
        exports.func("add")(store)


def test_arguments_by_name_are_refused() -> None:
    store, exports = instantiate(ADD)
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        exports.func("add")(store, a=1, b=2)  # type: ignore[call-arg]


def test_a_conversion_error_notes_which_argument_it_was() -> None:
    store, exports = instantiate(ADD)
    with raises(TypeError, "expected an int for i32, got str") as caught:
        exports.func("add")(store, 1, "2")
    assert caught.value.__notes__ == ["in argument 2 of the WebAssembly function"]


def test_nothing_runs_when_an_argument_does_not_fit() -> None:
    store = Store()
    calls: list[Any] = []
    func = host(store, lambda *args: calls.append(args), "ii")
    with pytest.raises(OverflowError):
        func(store, 1, 2**32)
    assert calls == []


@pytest.mark.parametrize("value", [None, 1, "store", object()], ids=lambda value: type(value).__name__)
def test_what_is_no_store_is_a_type_error(value: Any) -> None:
    _, exports = instantiate(ADD)
    with raises(TypeError, f"expected a Store, Caller or StoreContext, got {type(value).__name__}"):
        exports.func("add")(value, 1, 2)


def test_the_type_tells_parameters_and_results() -> None:
    store, exports = instantiate(ADD)
    ty = exports.func("add").type(store)
    assert ty == FuncType([ValType.i32(), ValType.i32()], [ValType.i32()])
    assert repr(exports.func("add")) == "<Func (func (param i32 i32) (result i32))>"


def test_a_function_of_another_store_is_a_wrong_store_error() -> None:
    _, exports = instantiate(ADD)
    message = "this Func belongs to another store; pass the store that it was made in"
    for other in (Store(), Store(Engine())):
        with raises(WrongStoreError, message):
            exports.func("add")(other, 1, 2)
        with raises(WrongStoreError, message):
            exports.func("add").type(other)


def test_a_host_function_is_called_directly_and_from_webassembly() -> None:
    store = Store()
    double = host(store, lambda number: number * 2, "i", "i")
    assert double(store, 4) == 8
    _, exports = instantiate(
        '(module (import "" "f" (func $f (param i32) (result i32))) (func (export "g") (result i32) (call $f (i32.const 5))))',
        [double],
        store,
    )
    assert exports.func("g")(store) == 10


@pytest.mark.parametrize("value", [None, 1, "f"], ids=lambda value: type(value).__name__)
def test_what_is_not_callable_is_a_type_error(value: Any) -> None:
    with raises(TypeError, f"expected a callable, got {type(value).__name__}"):
        Func(Store(), func_type(), value)


def test_a_host_function_needs_a_func_type() -> None:
    with pytest.raises(TypeError):
        Func(Store(), "i", lambda: None)  # type: ignore[arg-type]


def test_parameters_have_the_names_of_wasmtime_py() -> None:
    store = Store()
    func = Func(store=store, ty=func_type("", "i"), func=lambda caller: 3, access_caller=True)
    assert func(store) == 3


def test_any_callable_serves_as_a_host_function() -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 0

        def __call__(self) -> int:
            self.count += 1
            return self.count

        def method(self) -> int:
            return -self.count

    store = Store()
    counter = Counter()
    assert [host(store, counter, "", "i")(store) for _ in range(2)] == [1, 2]
    assert host(store, counter.method, "", "i")(store) == -2
    assert host(store, max, "ii", "i")(store, 3, 8) == 8


def test_a_func_type_of_another_engine_is_rebuilt_unless_it_mentions_types_of_a_module() -> None:
    one, other = Engine(), Engine()
    plain = Module(one, '(module (func (export "f") (param i32)))').exports[0].type
    assert isinstance(plain, FuncType)
    store = Store(other)
    assert Func(store, plain, lambda value: None)(store, 1) is None
    defined = Module(one, '(module (type $s (struct)) (func (export "f") (param (ref null $s))))').exports[0].type
    assert isinstance(defined, FuncType)
    with raises(WrongEngineError, "this FuncType belongs to another engine; make both with the same Engine"):
        Func(Store(other), defined, lambda value: None)


def test_functions_call_each_other_across_instances_of_one_store() -> None:
    store, exports = instantiate(ADD)
    _, second = instantiate(
        """(module (import "" "add" (func $add (param i32 i32) (result i32)))
             (func (export "triple") (param i32) (result i32)
               (call $add (local.get 0) (call $add (local.get 0) (local.get 0)))))""",
        [exports["add"]],
        store,
    )
    assert second.func("triple")(store, 7) == 21


def test_unbounded_recursion_is_a_stack_overflow_trap() -> None:
    store, exports = instantiate('(module (func $f (export "f") (call $f)))')
    for _ in range(3):
        with pytest.raises(Trap) as caught:
            exports.func("f")(store)
        assert caught.value.trap_code is TrapCode.STACK_OVERFLOW


def test_unbounded_recursion_through_python_ends_in_an_exception() -> None:
    store = Store()
    box: list[Func] = []
    _, exports = instantiate(
        '(module (import "" "h" (func $h)) (func (export "f") (call $h)))', [host(store, lambda: box[0](store))], store
    )
    box.append(exports.func("f"))
    for _ in range(3):
        with pytest.raises((RecursionError, Trap)):
            exports.func("f")(store)
    assert host(store, lambda: 1, "", "i")(store) == 1


def test_a_store_works_after_a_trap() -> None:
    store, exports = instantiate('(module (func (export "trap") unreachable) (func (export "one") (result i32) (i32.const 1)))')
    with pytest.raises(Trap):
        exports.func("trap")(store)
    assert exports.func("one")(store) == 1


def test_functions_are_found_by_reference_in_a_table() -> None:
    store, exports = instantiate('(module (table (export "t") funcref (elem $f)) (func $f (result i32) (i32.const 6)))')
    func = exports.table("t").get(store, 0)
    assert func(store) == 6


def test_a_subclass_of_func_is_a_func() -> None:
    class Named(Func):
        def describe(self) -> str:
            return "named"

    store = Store()
    func = Named(store, func_type("", "i"), lambda: 2)
    assert func.describe() == "named"
    module = Module(store.engine, '(module (import "" "f" (func $f (result i32))) (export "g" (func $f)))')
    assert Instance(store, module, [func]).exports(store).func("g")(store) == 2


def test_tail_calls_and_multi_value_blocks_run() -> None:
    store, exports = instantiate(
        """(module (func $count (export "count") (param i32) (result i32)
             (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 99))
               (else (return_call $count (i32.sub (local.get 0) (i32.const 1)))))))"""
    )
    assert exports.func("count")(store, 1_000_000) == 99


def test_calls_work_without_signal_handlers() -> None:
    store, exports = instantiate(ADD, (), Store(engine_with(signals_based_traps=False)))
    assert exports.func("add")(store, 20, 22) == 42
