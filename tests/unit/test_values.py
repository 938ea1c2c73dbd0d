"""Numbers, vectors and their `Val` keep their meaning on every way in and out: parameters, results, host functions, globals."""

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
from support import host, instantiate, raises
from value_support import NAMES, VECTOR, Route, Thing

from ferrowasm import SignatureError, Store, Val, ValType, WasmtimeError


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
