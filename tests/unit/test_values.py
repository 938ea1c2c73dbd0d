"""Values keep their meaning on every way in and out: parameters, results, host functions, globals, tables."""

from __future__ import annotations

import decimal
import fractions
import math
import struct
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import TYPES, host, instantiate, raises

from ferrowasm import (
    AnyRef,
    ArrayRef,
    EqRef,
    ExternRef,
    Func,
    Global,
    GlobalType,
    I31Ref,
    Limits,
    SignatureError,
    Store,
    StructRef,
    Table,
    TableType,
    Val,
    ValType,
    WasmtimeError,
    WrongStoreError,
)

NAMES = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "v": "v128", "e": "externref", "r": "funcref"}
ZEROS = {
    "i": "i32.const 0",
    "I": "i64.const 0",
    "f": "f32.const 0",
    "F": "f64.const 0",
    "v": "v128.const i64x2 0 0",
    "e": "ref.null extern",
    "r": "ref.null func",
}
WAYS = ["argument and result", "host argument", "host result", "global", "new global"]


class Route:
    """A way for a value of one type through WebAssembly and back."""

    def __init__(self, letter: str, way: str, store: Store | None = None) -> None:
        name = NAMES[letter]
        self.store = store or Store()
        self.letter = letter
        self.way = way
        self.seen: Any = None
        self.answer: Any = None
        imported = host(self.store, self.callback, letter, letter)
        self.exports = instantiate(
            f"""(module (import "" "h" (func $h (param {name}) (result {name})))
              (global (export "g") (mut {name}) ({ZEROS[letter]}))
              (func (export "id") (param {name}) (result {name}) (local.get 0))
              (func (export "host") (param {name}) (result {name}) (call $h (local.get 0))))""",
            [imported],
            self.store,
        )[1]

    def callback(self, value: Any) -> Any:
        self.seen = value
        return self.answer

    def __call__(self, value: Any) -> Any:
        if self.way == "argument and result":
            return self.exports.func("id")(self.store, value)
        if self.way == "host argument":
            self.answer = Val.ref_null(TYPES[self.letter]) if TYPES[self.letter].is_ref else NEUTRAL[self.letter]
            self.exports.func("host")(self.store, value)
            return self.seen
        if self.way == "host result":
            self.answer = value
            neutral = None if TYPES[self.letter].is_ref else NEUTRAL[self.letter]
            return self.exports.func("host")(self.store, neutral)
        if self.way == "global":
            variable = self.exports.global_("g")
            variable.set_value(self.store, value)
            return variable.value(self.store)
        return Global(self.store, GlobalType(TYPES[self.letter], False), value).value(self.store)


NEUTRAL: dict[str, Any] = {"i": 0, "I": 0, "f": 0.0, "F": 0.0, "v": bytes(16)}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def wrapped(value: int, bits: int) -> int:
    """What a value from the unsigned range is as a signed one."""
    return value - (1 << bits) if value >= 1 << (bits - 1) else value


# --- integers ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("letter", "bits"), [("i", 32), ("I", 64)])
@pytest.mark.parametrize("where", ["lowest", "highest signed", "first unsigned", "highest unsigned", "minus one", "zero", "one"])
def test_ints_of_the_signed_and_unsigned_range_come_back_signed(letter: str, bits: int, where: str, way: str) -> None:
    value = {
        "lowest": -(1 << (bits - 1)),
        "highest signed": (1 << (bits - 1)) - 1,
        "first unsigned": 1 << (bits - 1),
        "highest unsigned": (1 << bits) - 1,
        "minus one": -1,
        "zero": 0,
        "one": 1,
    }[where]
    result = Route(letter, way)(value)
    assert type(result) is int
    assert result == wrapped(value, bits)


@pytest.mark.parametrize(("letter", "bits"), [("i", 32), ("I", 64)])
@pytest.mark.parametrize("far", [False, True])
@pytest.mark.parametrize("below", [False, True])
def test_ints_beyond_the_range_are_an_overflow_error(letter: str, bits: int, far: bool, below: bool, way: str) -> None:
    value = -(1 << (bits - 1)) - 1 if below else 1 << bits
    if far:
        value *= 1 << 100
    with pytest.raises(OverflowError) as caught:
        Route(letter, way)(value)
    expected = f"{value} does not fit {NAMES[letter]}: expected an int from -2**{bits - 1} to 2**{bits} - 1"
    assert str(caught.value) == expected


class Index:
    def __init__(self, value: Any) -> None:
        self.value = value

    def __index__(self) -> Any:
        return self.value


@pytest.mark.parametrize("letter", ["i", "I"])
@pytest.mark.parametrize(
    "value",
    [Index(7), True, numpy.int8(7), numpy.uint8(7), numpy.int16(7), numpy.int32(7), numpy.uint32(7), numpy.int64(7), numpy.uint64(7)],
    ids=lambda value: type(value).__name__,
)
def test_whatever_has_index_is_taken_for_an_int(letter: str, value: Any, way: str) -> None:
    result = Route(letter, way)(value)
    assert type(result) is int
    assert result == value.__index__()


def test_numpy_scalars_of_the_unsigned_range_wrap_like_ints() -> None:
    assert Route("i", "argument and result")(numpy.uint32(2**32 - 1)) == -1
    assert Route("I", "argument and result")(numpy.uint64(2**64 - 1)) == -1


@pytest.mark.parametrize("letter", ["i", "I"])
@pytest.mark.parametrize(
    "value", [1.0, "1", b"1", None, [1], 1j, decimal.Decimal(1), fractions.Fraction(1), numpy.float64(1)], ids=repr
)
def test_what_is_no_int_is_a_type_error_for_integers(letter: str, value: Any, way: str) -> None:
    with pytest.raises(TypeError) as caught:
        Route(letter, way)(value)
    assert str(caught.value) == f"expected an int for {NAMES[letter]}, got {type(value).__name__}"


def test_an_index_that_raises_passes_its_exception_on() -> None:
    class Broken:
        def __index__(self) -> int:
            raise LookupError("no index today")

    with raises(LookupError, "no index today"):
        Route("i", "argument and result")(Broken())


def test_an_index_that_is_no_int_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="__index__ returned non-int"):
        Route("i", "argument and result")(Index("7"))


def test_an_index_of_a_huge_int_is_an_overflow_error() -> None:
    with pytest.raises(OverflowError, match="^4294967296 does not fit i32"):
        Route("i", "argument and result")(Index(1 << 32))


# --- floats -----------------------------------------------------------------------------------------------------------------


def bits64(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def float64(bits: int) -> float:
    return float(struct.unpack("<d", struct.pack("<Q", bits))[0])


class Float:
    def __float__(self) -> float:
        return 1.5


@pytest.mark.parametrize("letter", ["f", "F"])
@pytest.mark.parametrize("value", [0.0, -0.0, 1.5, -2.25, math.inf, -math.inf, 2.0**-149, 2.0**127], ids=repr)
def test_floats_that_fit_come_back_with_the_same_bits(letter: str, value: float, way: str) -> None:
    result = Route(letter, way)(value)
    assert type(result) is float
    assert bits64(result) == bits64(value)


@pytest.mark.parametrize("letter", ["f", "F"])
@pytest.mark.parametrize(
    "value",
    [Float(), 1, True, Index(3), numpy.float32(1.5), numpy.float64(1.5), numpy.float16(1.5), numpy.int32(3), fractions.Fraction(3, 2)],
    ids=lambda value: type(value).__name__,
)
def test_whatever_has_float_or_index_is_taken_for_a_float(letter: str, value: Any, way: str) -> None:
    expected = float(value)
    result = Route(letter, way)(value)
    assert type(result) is float
    assert result == expected


@pytest.mark.parametrize("letter", ["f", "F"])
@pytest.mark.parametrize("value", ["1.5", b"1.5", None, [1.5], object()], ids=lambda value: type(value).__name__)
def test_what_is_no_number_is_a_type_error_for_floats(letter: str, value: Any, way: str) -> None:
    with pytest.raises(TypeError) as caught:
        Route(letter, way)(value)
    assert str(caught.value) == f"expected a number for {NAMES[letter]}, got {type(value).__name__}"


def test_a_float_that_raises_passes_its_exception_on() -> None:
    class Broken:
        def __float__(self) -> float:
            raise LookupError("no float today")

    with raises(LookupError, "no float today"):
        Route("F", "argument and result")(Broken())


def test_an_int_that_no_double_holds_is_an_overflow_error() -> None:
    with pytest.raises(OverflowError, match="int too large to convert to float"):
        Route("F", "argument and result")(10**400)


def test_f32_rounds_to_nearest_and_overflows_to_infinity() -> None:
    route = Route("f", "argument and result")
    assert route(0.1) == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert route(3.5e38) == math.inf
    assert route(-3.5e38) == -math.inf
    assert route(1e-46) == 0.0


NAN64 = {
    "quiet": 0x7FF8_0000_0000_0000,
    "quiet, negative": 0xFFF8_0000_0000_0000,
    "quiet with payload": 0x7FF8_0000_DEAD_BEEF,
    "all ones": 0xFFFF_FFFF_FFFF_FFFF,
    "signalling": 0x7FF0_0000_0000_0001,
    "signalling with payload": 0x7FF4_0000_1234_5678,
}


@pytest.mark.parametrize("name", NAN64)
def test_f64_nans_keep_sign_and_payload(name: str, way: str) -> None:
    assert bits64(Route("F", way)(float64(NAN64[name]))) == NAN64[name]


NAN32 = {
    "quiet": 0x7FC0_0000,
    "quiet, negative": 0xFFC0_0000,
    "quiet with payload": 0x7FC1_2345,
    "all ones": 0xFFFF_FFFF,
    "signalling": 0x7F80_0001,
    "signalling with payload": 0x7FA5_5AA5,
    "signalling, negative": 0xFF80_0001,
}


def widened(bits: int) -> int:
    """The bits of the double that a float NaN becomes: the payload moves up, nothing else changes."""
    return (bits & 0x8000_0000) << 32 | 0x7FF0_0000_0000_0000 | (bits & 0x007F_FFFF) << 29


@pytest.mark.parametrize("name", NAN32)
def test_f32_nans_keep_sign_and_payload_signalling_ones_too(name: str, way: str) -> None:
    bits = NAN32[name]
    assert bits64(Route("f", way)(float64(widened(bits)))) == widened(bits)


@pytest.mark.parametrize("name", NAN32)
def test_f32_nans_have_the_bits_in_webassembly_that_they_have_in_python(name: str) -> None:
    store, exports = instantiate(
        """(module (func (export "bits") (param f32) (result i32) (i32.reinterpret_f32 (local.get 0)))
                   (func (export "float") (param i32) (result f32) (f32.reinterpret_i32 (local.get 0))))"""
    )
    bits = NAN32[name]
    assert exports.func("bits")(store, float64(widened(bits))) & 0xFFFF_FFFF == bits
    assert bits64(exports.func("float")(store, bits)) == widened(bits)


def test_a_nan_whose_payload_has_no_place_in_f32_stays_a_nan() -> None:
    assert math.isnan(Route("f", "argument and result")(float64(0x7FF0_0000_0000_0001)))


# --- vectors ----------------------------------------------------------------------------------------------------------------

VECTOR = bytes(range(16))


@pytest.mark.parametrize(
    "value",
    [VECTOR, bytearray(VECTOR), memoryview(VECTOR), memoryview(bytes(range(32)))[:16], numpy.arange(16, dtype=numpy.uint8)],
    ids=lambda value: type(value).__name__,
)
def test_vectors_travel_as_sixteen_bytes(value: Any, way: str) -> None:
    result = Route("v", way)(value)
    assert type(result) is bytes
    assert result == VECTOR


def test_a_strided_view_of_sixteen_bytes_is_a_vector() -> None:
    assert Route("v", "argument and result")(memoryview(bytes(range(32)))[::2]) == bytes(range(0, 32, 2))


def test_vectors_are_little_endian() -> None:
    store, exports = instantiate('(module (func (export "lane0") (param v128) (result i32) (i32x4.extract_lane 0 (local.get 0))))')
    assert exports.func("lane0")(store, (1).to_bytes(16, "little")) == 1


@pytest.mark.parametrize("length", [0, 15, 17])
def test_a_vector_of_another_length_is_a_value_error(length: int, way: str) -> None:
    with raises(ValueError, f"expected 16 bytes for v128, got {length}"):
        Route("v", way)(bytes(length))


@pytest.mark.parametrize("value", [0, 1.0, "0" * 16, None, [0] * 16], ids=lambda value: type(value).__name__)
def test_what_is_not_bytes_like_is_a_type_error_for_vectors(value: Any, way: str) -> None:
    with pytest.raises(TypeError, match="^expected a bytes-like object of 16 bytes for v128, got "):
        Route("v", way)(value)


# --- round trips ------------------------------------------------------------------------------------------------------------

ROUND_TRIPS = settings(max_examples=300, deadline=None)
STORE = Store()
ROUTES = {letter: Route(letter, "argument and result", STORE) for letter in "iIfFv"}


@ROUND_TRIPS
@given(st.integers(-(2**31), 2**32 - 1))
def test_every_i32_is_what_struct_makes_of_it(value: int) -> None:
    assert ROUTES["i"](value) == struct.unpack("<i", struct.pack("<I", value % 2**32))[0]


@ROUND_TRIPS
@given(st.integers(-(2**63), 2**64 - 1))
def test_every_i64_is_what_struct_makes_of_it(value: int) -> None:
    assert ROUTES["I"](value) == struct.unpack("<q", struct.pack("<Q", value % 2**64))[0]


@ROUND_TRIPS
@given(st.integers(0, 2**64 - 1))
def test_every_double_keeps_its_bits(bits: int) -> None:
    assert bits64(ROUTES["F"](float64(bits))) == bits


@ROUND_TRIPS
@given(st.floats(width=32, allow_nan=False))
def test_every_float_of_32_bits_keeps_its_bits(value: float) -> None:
    assert bits64(ROUTES["f"](value)) == bits64(value)


@ROUND_TRIPS
@given(st.floats(min_value=-3.4e38, max_value=3.4e38))
def test_every_double_rounds_to_f32_as_struct_rounds_it(value: float) -> None:
    assert bits64(ROUTES["f"](value)) == bits64(struct.unpack("<f", struct.pack("<f", value))[0])


@ROUND_TRIPS
@given(st.binary(min_size=16, max_size=16))
def test_every_vector_keeps_its_bytes(value: bytes) -> None:
    assert ROUTES["v"](value) == value


# --- external references ----------------------------------------------------------------------------------------------------


class Thing:
    pass


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


# --- several values ---------------------------------------------------------------------------------------------------------


def test_no_result_is_none_one_is_bare_several_are_a_list() -> None:
    store, exports = instantiate(
        """(module (func (export "none")) (func (export "one") (result i32) (i32.const 1))
             (func (export "two") (result i32 f64) (i32.const 1) (f64.const 2.5)))"""
    )
    assert exports.func("none")(store) is None
    assert exports.func("one")(store) == 1
    two = exports.func("two")(store)
    assert type(two) is list
    assert two == [1, 2.5]


def test_all_kinds_travel_together_in_order() -> None:
    kinds = "iIfFver"
    store = Store()
    thing = Thing()
    func = host(store, lambda: 9, "", "i")
    values = [1, 2, 3.5, 4.5, VECTOR, thing, func]
    names = " ".join(NAMES[letter] for letter in kinds)
    gets = " ".join(f"(local.get {index})" for index in range(len(kinds)))
    seen: list[Any] = []

    def callback(*args: Any) -> Any:
        seen.extend(args)
        return args

    _, exports = instantiate(
        f'(module (import "" "h" (func $h (param {names}) (result {names}))) (func (export "f") (param {names}) (result {names}) {gets} call $h))',
        [host(store, callback, kinds, kinds)],
        store,
    )
    result = exports.func("f")(store, *values)
    for got in (seen, result):
        assert got[:5] == values[:5]
        assert got[5] is thing
        assert got[6](store) == 9


@pytest.mark.parametrize("sequence", [list, tuple, iter], ids=["list", "tuple", "iterator"])
def test_a_callback_may_return_several_results_as_any_iterable(sequence: Callable[[Any], Any]) -> None:
    store = Store()
    func = host(store, lambda: sequence([1, 2]), "", "iI")
    assert func(store) == [1, 2]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_a_callback_that_returns_another_number_of_results_is_a_signature_error(count: int) -> None:
    store = Store()
    func = host(store, lambda: [1] * count, "", "ii")
    with raises(SignatureError, f"the callback returned {count} values, but its type has 2 results"):
        func(store)


def test_a_callback_without_results_must_return_none() -> None:
    store = Store()
    func = host(store, lambda: 1)
    with raises(SignatureError, "the callback returned a value, but its type has no results; return None"):
        func(store)


def test_a_thousand_parameters_and_results_travel() -> None:
    store = Store()
    func = host(store, lambda *args: args, "i" * 1000, "i" * 1000)
    assert func(store, *range(1000)) == list(range(1000))


# --- Val --------------------------------------------------------------------------------------------------------------------


def test_a_val_travels_like_its_bare_value(way: str) -> None:
    thing = Thing()
    for letter, val, value in [
        ("i", Val.i32(2**32 - 1), -1),
        ("I", Val.i64(5), 5),
        ("f", Val.f32(1.5), 1.5),
        ("F", Val.f64(1.5), 1.5),
        ("v", Val.v128(VECTOR), VECTOR),
        ("e", Val.externref(thing), thing),
    ]:
        assert Route(letter, way)(val) == value


def test_a_val_of_another_type_is_a_type_error(way: str) -> None:
    with raises(TypeError, "expected a Val of type i64, got one of type i32"):
        Route("I", way)(Val.i32(1))
    with raises(TypeError, "expected a Val of type funcref, got one of type externref"):
        Route("r", way)(Val.externref(None))


def test_a_val_knows_its_type_and_value() -> None:
    val = Val.i32(2**32 - 1)
    assert (val.type, val.value, val.as_i32()) == (ValType.i32(), -1, -1)
    assert (val.as_i64(), val.as_f32(), val.as_f64(), val.as_v128(), val.as_externref(), val.as_funcref()) == (None,) * 6
    assert Val.f32(0.1).as_f32() == struct.unpack("<f", struct.pack("<f", 0.1))[0]
    assert Val.v128(bytearray(VECTOR)).as_v128() == VECTOR
    thing = Thing()
    assert Val.externref(thing).as_externref() is thing
    assert Val.funcref(None).as_funcref() is None
    assert repr(val) == "Val(i32, -1)"


def test_vals_are_equal_by_type_and_value_and_equal_their_bare_value() -> None:
    assert Val.i32(1) == Val.i32(1)
    assert Val.i32(1) != Val.i64(1)
    assert Val.i32(1) == 1
    assert hash(Val.i32(1)) == hash(1)


def test_a_val_is_made_from_a_type_or_from_the_numbers_of_wasmtime_py() -> None:
    assert Val(ValType.i64(), 3) == Val.i64(3)
    for number, expected in enumerate([Val.i32(1), Val.i64(1), Val.f32(1), Val.f64(1)]):
        assert Val(number, 1) == expected
    with raises(ValueError, "9 is no kind of value; pass a ValType"):
        Val(9, 1)


def test_a_null_exists_for_references_only() -> None:
    assert Val.ref_null(ValType.funcref()).value is None
    with raises(WasmtimeError, "i32 is no reference type, and has no null"):
        Val.ref_null(ValType.i32())


@pytest.mark.parametrize(
    ("make", "value", "error", "message"),
    [
        (Val.i32, 2**32, OverflowError, "4294967296 does not fit i32: expected an int from -2**31 to 2**32 - 1"),
        (Val.i64, 2**64, OverflowError, f"{2**64} does not fit i64: expected an int from -2**63 to 2**64 - 1"),
        (Val.i32, 1.0, TypeError, "expected an int for i32, got float"),
        (Val.f64, "1", TypeError, "expected a number for f64, got str"),
        (Val.v128, b"", ValueError, "expected 16 bytes for v128, got 0"),
        (Val.funcref, 1, TypeError, None),
    ],
)
def test_a_val_is_checked_when_it_is_made(make: Any, value: Any, error: type[Exception], message: str | None) -> None:
    with pytest.raises(error) as caught:
        make(value)
    if message is not None:
        assert str(caught.value) == message


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
