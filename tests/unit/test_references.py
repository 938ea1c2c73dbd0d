"""References keep their meaning on every way in and out: parameters, results, host functions, globals, tables."""

from __future__ import annotations

from typing import Any

import pytest
from support import host, instantiate, raises
from value_support import Route, Thing

from ferrowasm import (
    AnyRef,
    ArrayRef,
    EqRef,
    ExternRef,
    Func,
    I31Ref,
    Limits,
    Store,
    StructRef,
    Table,
    TableType,
    Val,
    ValType,
    WrongStoreError,
)

# --- external references ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [0, "", b"", [], {}, False, 0.0, (), set(), 1, "text", Thing(), Thing, len, Ellipsis, NotImplemented],
    ids=lambda value: repr(value)[:20],
)
def test_externrefs_give_back_the_same_object_falsy_ones_too(value: Any, way: str) -> None:
    assert Route("e", way)(value) is value


def test_none_is_the_null_externref(way: str) -> None:
    assert Route("e", way)(None) is None
    store, exports = instantiate('(module (func (export "null") (param externref) (result i32) (ref.is_null (local.get 0))))')
    is_null = exports.func("null")
    assert is_null(store, None) == 1
    assert is_null(store, Val.ref_null(ValType.externref())) == 1
    objects: list[Any] = [0, "", False, [], ExternRef(None)]
    assert [is_null(store, value) for value in objects] == [0, 0, 0, 0, 0]


def test_a_reference_to_none_is_told_apart_from_null(way: str) -> None:
    result = Route("e", way)(ExternRef(None))
    assert type(result) is ExternRef
    assert result.value is None
    assert result == ExternRef(None)


def test_an_explicit_externref_to_an_object_gives_the_object(way: str) -> None:
    thing = Thing()
    assert Route("e", way)(ExternRef(thing)) is thing


def test_externrefs_are_equal_when_they_refer_to_the_same_object() -> None:
    one, other = [1], [1]
    assert ExternRef(one) == ExternRef(one)
    assert hash(ExternRef(one)) == hash(ExternRef(one))
    assert ExternRef(one) != ExternRef(other)
    assert ExternRef(one) != one
    assert repr(ExternRef(one)) == "ExternRef([1])"


def test_a_non_nullable_externref_refuses_none() -> None:
    store, exports = instantiate('(module (func (export "f") (param (ref extern))))')
    assert exports.func("f")(store, 1) is None
    with raises(TypeError, "expected a value for (ref extern), which cannot be null, got None"):
        exports.func("f")(store, None)


def test_externrefs_survive_in_globals_and_tables_while_garbage_is_collected() -> None:
    store, exports = instantiate('(module (table (export "t") 10 externref) (global (export "g") (mut externref) (ref.null extern)))')
    things = [Thing() for _ in range(10)]
    table = exports.table("t")
    for index, thing in enumerate(things):
        table.set(store, index, thing)
    exports.global_("g").set_value(store, things[0])
    store.gc()
    assert all(table.get(store, index) is thing for index, thing in enumerate(things))
    assert exports.global_("g").value(store) is things[0]


# --- function references ----------------------------------------------------------------------------------------------------


def test_funcrefs_come_back_as_functions_that_can_be_called(way: str) -> None:
    store = Store()
    route = Route("r", way, store)
    result = route(host(store, lambda number: number * 2, "i", "i"))
    assert type(result) is Func
    assert result(store, 21) == 42


def test_none_is_the_null_funcref(way: str) -> None:
    assert Route("r", way)(None) is None


@pytest.mark.parametrize("value", [0, len, "f", object()], ids=lambda value: type(value).__name__)
def test_what_is_no_func_is_a_type_error_for_funcrefs(value: Any, way: str) -> None:
    with raises(TypeError, f"expected a Func or None for funcref, got {type(value).__name__}"):
        Route("r", way)(value)


def test_a_func_of_another_store_is_a_wrong_store_error(way: str) -> None:
    foreign = host(Store(), lambda: None)
    message = "this Func belongs to another store; pass the store that it was made in"
    with raises(WrongStoreError, message):
        Route("r", way)(foreign)


def test_a_func_of_another_type_is_a_type_error_for_a_typed_reference() -> None:
    store, exports = instantiate('(module (type $t (func (result i32))) (func (export "f") (param (ref null $t))))')
    assert exports.func("f")(store, host(store, lambda: 1, "", "i")) is None
    with raises(TypeError, "expected a reference of type (ref null $func), got (ref $func)"):
        exports.func("f")(store, host(store, lambda: None))


# --- tables -----------------------------------------------------------------------------------------------------------------


def test_tables_take_and_give_the_same_values_as_calls() -> None:
    store = Store()
    thing = Thing()
    externs = Table(store, TableType(ValType.externref(), Limits(2, None)), thing)
    assert externs.get(store, 0) is thing
    assert externs.get(store, 1) is thing
    externs.set(store, 1, None)
    assert externs.get(store, 1) is None
    assert externs.grow(store, 1, ExternRef(None)) == 2
    assert externs.get(store, 2) == ExternRef(None)
    funcs = Table(store, TableType(ValType.funcref(), Limits(1, None)), host(store, lambda: 5, "", "i"))
    assert funcs.get(store, 0)(store) == 5
    with raises(TypeError, "expected a Func or None for funcref, got int"):
        funcs.set(store, 0, 1)
    with pytest.raises(WrongStoreError, match="^this Func belongs to another store"):
        funcs.set(store, 0, host(Store(), lambda: None))


# --- references to the heap of WebAssembly ----------------------------------------------------------------------------------

GC_MODULE = """(module
  (type $point (struct (field $x (mut i32)) (field $y (mut f64)) (field $small (mut i8))))
  (type $numbers (array (mut i32)))
  (global (export "global") (mut anyref) (ref.null any))
  (table (export "table") 4 anyref)
  (func (export "i31") (param i32) (result (ref i31)) (ref.i31 (local.get 0)))
  (func (export "get_i31") (param i31ref) (result i32) (i31.get_s (local.get 0)))
  (func (export "point") (param i32 f64) (result (ref $point)) (struct.new $point (local.get 0) (local.get 1) (i32.const 7)))
  (func (export "x") (param (ref null $point)) (result i32) (struct.get $point $x (local.get 0)))
  (func (export "numbers") (param i32 i32) (result (ref $numbers)) (array.new $numbers (local.get 0) (local.get 1)))
  (func (export "second") (param (ref null $numbers)) (result i32) (array.get $numbers (local.get 0) (i32.const 1)))
  (func (export "same") (param eqref eqref) (result i32) (ref.eq (local.get 0) (local.get 1)))
  (func (export "any") (param anyref) (result anyref) (local.get 0))
  (func (export "wrap") (param anyref) (result externref) (extern.convert_any (local.get 0)))
  (func (export "unwrap") (param externref) (result anyref) (any.convert_extern (local.get 0))))"""


def test_a_struct_passes_through_and_keeps_its_identity() -> None:
    store, exports = instantiate(GC_MODULE)
    point = exports.func("point")(store, 3, 4.5)
    assert type(point) is StructRef
    assert isinstance(point, EqRef) and isinstance(point, AnyRef)
    assert exports.func("x")(store, point) == 3
    same = exports.func("any")(store, point)
    assert type(same) is StructRef
    assert same == point
    assert exports.func("same")(store, point, same) == 1
    other = exports.func("point")(store, 3, 4.5)
    assert other != point
    assert exports.func("same")(store, point, other) == 0


def test_fields_of_a_struct_are_read_and_set_by_index() -> None:
    store, exports = instantiate(GC_MODULE)
    point = exports.func("point")(store, 3, 4.5)
    assert len(point) == 3
    assert [point[0], point[1]] == [3, 4.5]
    point[0] = -1
    point[-1] = 255
    assert exports.func("x")(store, point) == -1
    with pytest.raises(IndexError):
        point[3]
    with pytest.raises(OverflowError, match=r"does not fit i8: expected an int from -2\*\*7 to 2\*\*8 - 1"):
        point[2] = 256
    with raises(TypeError, "expected an int for i32, got str"):
        point[0] = "1"


def test_an_array_passes_through_and_its_elements_are_read_and_set() -> None:
    store, exports = instantiate(GC_MODULE)
    numbers = exports.func("numbers")(store, 9, 3)
    assert type(numbers) is ArrayRef
    assert len(numbers) == 3
    numbers[1] = 5
    assert exports.func("second")(store, numbers) == 5
    assert [numbers[index] for index in range(-3, 3)] == [9, 5, 9] * 2
    with pytest.raises(IndexError):
        numbers[3]
    with pytest.raises(IndexError):
        numbers[-4] = 0


@pytest.mark.parametrize("number", [0, 1, -1, 2**30 - 1, -(2**30)])
def test_an_i31_passes_through_and_compares_by_value(number: int) -> None:
    store, exports = instantiate(GC_MODULE)
    small = exports.func("i31")(store, number)
    assert type(small) is I31Ref
    assert small.value == number
    assert small.unsigned == number % 2**31
    made = I31Ref(store, number)
    assert made == small
    assert hash(made) == hash(small)
    assert I31Ref(store, 5 if number != 5 else 6) != small
    assert exports.func("get_i31")(store, made) == number


@pytest.mark.parametrize("number", [-(2**30) - 1, 2**31, 2**100])
def test_an_int_of_more_than_31_bits_is_an_overflow_error_for_i31(number: int) -> None:
    with raises(OverflowError, "value is out of range: expected an int from -2**30 to 2**31 - 1"):
        I31Ref(Store(), number)


def test_gc_references_go_through_globals_tables_and_callbacks() -> None:
    store, exports = instantiate(GC_MODULE)
    point = exports.func("point")(store, 1, 2.0)
    exports.global_("global").set_value(store, point)
    assert exports.global_("global").value(store) == point
    exports.table("table").set(store, 0, point)
    assert exports.table("table").get(store, 0) == point
    assert exports.table("table").get(store, 1) is None
    seen: list[Any] = []

    def callback(value: Any) -> Any:
        seen.append(value)
        return value

    echo = host(store, callback, "a", "a")
    assert echo(store, point) == point == seen[0]
    assert echo(store, None) is None


def test_gc_references_survive_collections_while_python_holds_them() -> None:
    store, exports = instantiate(GC_MODULE)
    point = exports.func("point")(store, 11, 2.0)
    for _ in range(3):
        for _ in range(1000):
            exports.func("numbers")(store, 0, 100)
        store.gc()
    assert point[0] == 11


def test_a_gc_reference_of_another_store_is_a_wrong_store_error() -> None:
    store, exports = instantiate(GC_MODULE)
    _, others = instantiate(GC_MODULE, (), Store(store.engine))
    point = exports.func("point")(store, 1, 2.0)
    other_store = Store(store.engine)
    echo = host(other_store, lambda value: value, "a", "a")
    with raises(WrongStoreError, "this AnyRef belongs to another store; pass the store that it was made in"):
        echo(other_store, point)
    assert others is not exports


def test_gc_references_of_different_stores_are_unequal() -> None:
    one, other = Store(), Store()
    assert I31Ref(one, 1) != I31Ref(other, 1)


def test_a_gc_reference_of_the_wrong_type_is_a_type_error() -> None:
    store, exports = instantiate(GC_MODULE)
    with pytest.raises(TypeError, match=r"^expected a reference of type \(ref null \$struct\), got "):
        exports.func("x")(store, exports.func("numbers")(store, 0, 2))
    with raises(TypeError, "expected an AnyRef or None for anyref, got int"):
        exports.func("any")(store, 1)


def test_an_anyref_as_an_externref_comes_back_as_itself() -> None:
    store, exports = instantiate(GC_MODULE)
    point = exports.func("point")(store, 1, 2.0)
    wrapped_point = exports.func("wrap")(store, point)
    assert exports.func("unwrap")(store, wrapped_point) == point


def test_a_host_object_goes_through_anyref() -> None:
    store, exports = instantiate(GC_MODULE)
    thing = Thing()
    inside = exports.func("unwrap")(store, thing)
    assert type(inside) is AnyRef
    assert exports.func("wrap")(store, inside) is thing


def test_gc_references_that_are_no_i31_are_unhashable() -> None:
    store, exports = instantiate(GC_MODULE)
    with pytest.raises(TypeError, match="unhashable"):
        hash(exports.func("point")(store, 1, 2.0))
