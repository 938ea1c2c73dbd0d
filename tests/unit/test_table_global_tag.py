"""`Table`, `Global` and `Tag`."""

from __future__ import annotations

import pickle
from typing import Any

import pytest
from support import func_type, host, instantiate, raises

from ferrowasm import (
    Engine,
    ExnRef,
    Global,
    GlobalType,
    Limits,
    Module,
    OutOfBoundsError,
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

FUNCREF, EXTERNREF, I32 = ValType.funcref(), ValType.externref(), ValType.i32()


def table_of(size: int, maximum: int | None = None, init: Any = None, *, is_64: bool = False) -> tuple[Store, Table]:
    store = Store()
    return store, Table(store, TableType(EXTERNREF, Limits(size, maximum), is_64), init)


# --- tables -----------------------------------------------------------------------------------------------------------------


def test_a_table_starts_with_every_element_set_to_the_initial_value() -> None:
    thing = object()
    store, table = table_of(3, 5, thing)
    assert table.size(store) == 3
    assert all(table.get(store, index) is thing for index in range(3))
    assert table.type(store) == TableType(EXTERNREF, Limits(3, 5))
    assert repr(table) == "<Table>"


def test_growing_gives_the_size_before_and_sets_the_new_elements() -> None:
    store, table = table_of(1, 4)
    thing = object()
    assert table.grow(store, 2, thing) == 1
    assert table.size(store) == 3
    assert table.get(store, 0) is None
    assert table.get(store, 1) is table.get(store, 2) is thing
    assert table.grow(store, 0, None) == 3


def test_growing_beyond_the_maximum_is_a_wasmtime_error_and_changes_nothing() -> None:
    store, table = table_of(1, 4)
    with raises(WasmtimeError, "failed to grow table by `4`"):
        table.grow(store, 4, None)
    assert table.size(store) == 1


def test_getting_out_of_bounds_is_none_and_setting_an_out_of_bounds_error() -> None:
    store, table = table_of(2, None, "full")
    assert table.get(store, 2) is None
    assert table.get(store, 2**64 - 1) is None
    with raises(OutOfBoundsError, "index 2 is out of bounds: the table has 2 elements"):
        table.set(store, 2, "x")
    assert table.get(store, 1) == "full"


@pytest.mark.parametrize("number", [-1, 2**64])
def test_an_index_or_amount_that_no_64_bits_hold_is_an_overflow_error(number: int) -> None:
    store, table = table_of(1)
    with raises(OverflowError, f"idx is out of range: expected an int from 0 to {2**64 - 1}"):
        table.get(store, number)
    with raises(OverflowError, f"idx is out of range: expected an int from 0 to {2**64 - 1}"):
        table.set(store, number, None)
    with raises(OverflowError, f"amt is out of range: expected an int from 0 to {2**64 - 1}"):
        table.grow(store, number, None)


@pytest.mark.parametrize("number", [1.0, "0", None])
def test_an_index_or_amount_that_is_no_int_is_a_type_error(number: Any) -> None:
    store, table = table_of(1)
    kind = type(number).__name__
    with raises(TypeError, f"expected an int for idx, got {kind}"):
        table.get(store, number)
    with raises(TypeError, f"expected an int for amt, got {kind}"):
        table.grow(store, number, None)


def test_a_table_with_64_bit_indices_works() -> None:
    store, table = table_of(1, 2**40, None, is_64=True)
    assert table.type(store).is_64
    table.set(store, 0, "x")
    assert table.grow(store, 3, None) == 1
    assert table.get(store, 0) == "x"


def test_functions_in_a_table_are_called_by_webassembly() -> None:
    store = Store()
    table = Table(store, TableType(FUNCREF, Limits(2, None)), None)
    table.set(store, 1, host(store, lambda: 77, "", "i"))
    _, exports = instantiate(
        """(module (import "" "t" (table 1 funcref))
             (func (export "f") (param i32) (result i32) (call_indirect (result i32) (local.get 0))))""",
        [table],
        store,
    )
    assert exports.func("f")(store, 1) == 77


def test_a_table_of_non_nullable_elements_refuses_none() -> None:
    store, exports = instantiate('(module (func $f) (table (export "t") 1 (ref func) (ref.func $f)))')
    with raises(TypeError, "expected a value for (ref func), which cannot be null, got None"):
        exports.table("t").set(store, 0, None)


def test_tables_of_another_store_are_a_wrong_store_error() -> None:
    _, table = table_of(1)
    other = Store()
    message = "this Table belongs to another store; pass the store that it was made in"
    for use in (table.size, table.type, lambda s: table.get(s, 0), lambda s: table.set(s, 0, None), lambda s: table.grow(s, 0, None)):
        with raises(WrongStoreError, message):
            use(other)


def test_a_table_type_must_be_one_of_the_same_engine_if_it_mentions_a_module_type() -> None:
    ty = Module(Engine(), '(module (type $f (func)) (table (export "t") 1 (ref null $f)))').exports[0].type
    assert isinstance(ty, TableType)
    with raises(WrongEngineError, "this TableType belongs to another engine; make both with the same Engine"):
        Table(Store(), ty, None)


# --- globals ----------------------------------------------------------------------------------------------------------------


def test_a_global_has_its_type_and_value() -> None:
    store = Store()
    variable = Global(store, GlobalType(I32, True), 5)
    assert variable.type(store) == GlobalType(I32, True)
    assert variable.value(store) == 5
    variable.set_value(store, 2**32 - 1)
    assert variable.value(store) == -1
    assert repr(variable) == "<Global>"


def test_an_immutable_global_cannot_be_set() -> None:
    store = Store()
    constant = Global(store, GlobalType(I32, False), 5)
    with raises(WasmtimeError, "immutable global cannot be set"):
        constant.set_value(store, 6)
    assert constant.value(store) == 5


def test_webassembly_and_python_share_a_global() -> None:
    store = Store()
    variable = Global(store, GlobalType(I32, True), 5)
    _, exports = instantiate(
        """(module (import "" "g" (global $g (mut i32)))
             (func (export "bump") (global.set $g (i32.add (global.get $g) (i32.const 1)))))""",
        [variable],
        store,
    )
    exports.func("bump")(store)
    assert variable.value(store) == 6


def test_a_value_that_does_not_fit_leaves_the_global_as_it_was() -> None:
    store = Store()
    variable = Global(store, GlobalType(I32, True), 5)
    with pytest.raises(OverflowError):
        variable.set_value(store, 2**32)
    with pytest.raises(TypeError):
        variable.set_value(store, 1.0)
    assert variable.value(store) == 5


def test_globals_of_another_store_are_a_wrong_store_error() -> None:
    variable = Global(Store(), GlobalType(I32, True), 5)
    other = Store()
    message = "this Global belongs to another store; pass the store that it was made in"
    for use in (variable.value, variable.type, lambda s: variable.set_value(s, 1)):
        with raises(WrongStoreError, message):
            use(other)


# --- tags -------------------------------------------------------------------------------------------------------------------

THROWS = """(module (import "" "t" (tag $t (param i32 f64)))
  (func (export "throw") (throw $t (i32.const 7) (f64.const 1.5)))
  (func (export "catch") (result exnref)
    (block $caught (result exnref) (try_table (catch_all_ref $caught) (throw $t (i32.const 7) (f64.const 1.5))) unreachable))
  (func (export "rethrow") (param exnref) (throw_ref (local.get 0)))
  (func (export "same") (param exnref) (result exnref) (local.get 0))
  (export "tag" (tag $t)))"""


def test_a_tag_has_its_type() -> None:
    store = Store()
    ty = TagType(func_type("iF"))
    tag = Tag(store, ty)
    assert tag.type(store) == ty
    assert tag.type(store).functype == func_type("iF")
    assert repr(tag) == "<Tag>"


def test_tags_are_equal_when_they_are_one_definition() -> None:
    store = Store()
    ty = TagType(func_type("iF"))
    tag = Tag(store, ty)
    _, exports = instantiate(THROWS, [tag], store)
    assert exports.tag("tag").eq(store, tag) is True
    assert Tag(store, ty).eq(store, tag) is False


def test_tags_of_another_store_are_a_wrong_store_error() -> None:
    store, other = Store(), Store()
    tag, foreign = Tag(store, TagType(func_type())), Tag(other, TagType(func_type()))
    message = "this Tag belongs to another store; pass the store that it was made in"
    for use in (lambda: tag.type(other), lambda: tag.eq(other, tag), lambda: tag.eq(store, foreign)):
        with raises(WrongStoreError, message):
            use()


@pytest.mark.parametrize("other", [None, 1, "tag"])
def test_a_tag_is_compared_with_tags_only(other: Any) -> None:
    store = Store()
    with pytest.raises(TypeError):
        Tag(store, TagType(func_type())).eq(store, other)


def test_a_caught_exception_passes_through_python_and_keeps_its_identity() -> None:
    store = Store()
    tag = Tag(store, TagType(func_type("iF")))
    _, exports = instantiate(THROWS, [tag], store)
    thrown = exports.func("catch")(store)
    assert type(thrown) is ExnRef
    assert thrown.fields == [7, 1.5]
    assert thrown.tag.eq(store, tag)
    same = exports.func("same")(store, thrown)
    assert same == thrown
    assert exports.func("catch")(store) != thrown
    assert repr(thrown) == "<ExnRef>"
    assert exports.func("same")(store, None) is None


def test_an_exception_of_another_store_is_a_wrong_store_error() -> None:
    store, other = Store(), Store()
    _, exports = instantiate(THROWS, [Tag(store, TagType(func_type("iF")))], store)
    _, others = instantiate(THROWS, [Tag(other, TagType(func_type("iF")))], other)
    with raises(WrongStoreError, "this ExnRef belongs to another store; pass the store that it was made in"):
        others.func("same")(other, exports.func("catch")(store))


@pytest.mark.parametrize("func", ["throw", "rethrow"])
def test_an_exception_that_nobody_catches_is_a_trap_that_refers_to_it(func: str) -> None:
    store = Store()
    tag = Tag(store, TagType(func_type("iF")))
    _, exports = instantiate(THROWS, [tag], store)
    arguments = [exports.func("catch")(store)] if func == "rethrow" else []
    with pytest.raises(Trap, match="thrown Wasm exception") as caught:
        exports.func(func)(store, *arguments)
    trap = caught.value
    assert trap.trap_code is None
    assert len(trap.frames) == 1
    assert trap.exception is not None
    assert trap.exception.fields == [7, 1.5]
    assert trap.exception.tag.eq(store, tag)
    assert not arguments or trap.exception == arguments[0]
    assert exports.func("same")(store, None) is None


def test_an_exception_that_left_the_store_is_not_reported_again() -> None:
    store = Store()
    _, exports = instantiate(THROWS, [Tag(store, TagType(func_type("iF")))], store)
    with pytest.raises(Trap):
        exports.func("throw")(store)
    with pytest.raises(Trap) as caught:
        instantiate('(module (func (export "f") unreachable))', (), store)[1].func("f")(store)
    assert caught.value.exception is None


def test_an_exception_that_goes_through_python_frames_is_a_python_exception() -> None:
    store = Store()
    tag = Tag(store, TagType(func_type("iF")))
    _, thrower = instantiate(THROWS, [tag], store)
    relay = host(store, lambda: thrower.func("throw")(store))
    _, exports = instantiate(
        """(module (import "" "t" (tag $t (param i32 f64))) (import "" "relay" (func $relay))
             (func (export "f") (result i32 f64) (block $h (result i32 f64) (try_table (catch $t $h) (call $relay)) (i32.const 0) (f64.const 0))))""",
        [tag, relay],
        store,
    )
    # Python sees the exception as a Trap, and a Python exception is not WebAssembly's to catch.
    with pytest.raises(Trap) as caught:
        exports.func("f")(store)
    assert caught.value.exception is not None
    assert caught.value.exception.fields == [7, 1.5]


def test_a_trap_with_an_exception_is_pickled_without_it() -> None:
    store = Store()
    _, exports = instantiate(THROWS, [Tag(store, TagType(func_type("iF")))], store)
    with pytest.raises(Trap) as caught:
        exports.func("throw")(store)
    other = pickle.loads(pickle.dumps(caught.value))
    assert (other.message, other.frames, other.exception) == (caught.value.message, caught.value.frames, None)
