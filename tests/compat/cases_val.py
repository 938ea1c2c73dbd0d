"""`Val`."""

from __future__ import annotations

from functools import partial
from typing import Any

from .harness import Package, attempt, case
from .programs import host_func


def _one_of_each(w: Package) -> list[Any]:
    return [w.Val.i32(-1), w.Val.i64(2), w.Val.f32(0.5), w.Val.f64(0.1), w.Val.externref("x"), w.Val.funcref(None)]


@case
def it_has_the_type_of_its_constructor(w: Package) -> object:
    return [val.type for val in _one_of_each(w)]


@case
def it_has_the_value(w: Package) -> object:
    return [val.value for val in _one_of_each(w)]


@case
def arguments_can_be_named(w: Package) -> object:
    Val = w.Val
    return [
        Val.i32(val=1),
        Val.i64(val=2),
        Val.f32(val=3.0),
        Val.f64(val=4.0),
        Val.externref(extern=5),
        Val.funcref(f=None),
    ]


@case
def i32_becomes_signed(w: Package) -> object:
    return [w.Val.i32(n).value for n in (2**31, 2**32 - 1)]


@case
def i64_becomes_signed(w: Package) -> object:
    return [w.Val.i64(n).value for n in (2**63, 2**64 - 1)]


@case
def i32_refuses_more_than_32_bits(w: Package) -> object:
    """`Val.i32(2**32)`"""
    return w.Val.i32(2**32).value


@case
def i64_refuses_more_than_64_bits(w: Package) -> object:
    """`Val.i64(2**64)`"""
    return w.Val.i64(2**64).value


@case
def i32_refuses_other_types(w: Package) -> object:
    return [attempt(partial(w.Val.i32, value)) for value in (1.0, "1", None)]


@case
def i64_refuses_other_types(w: Package) -> object:
    return [attempt(partial(w.Val.i64, value)) for value in (1.0, "1", None)]


@case
def f32_refuses_other_types(w: Package) -> object:
    return [attempt(partial(w.Val.f32, value)) for value in ("1", None)]


@case
def f64_refuses_other_types(w: Package) -> object:
    return [attempt(partial(w.Val.f64, value)) for value in ("1", None)]


@case
def floats_take_ints(w: Package) -> object:
    """`Val.f64(1)`"""
    return w.Val.f64(1).value


@case
def f32_rounds(w: Package) -> object:
    return w.Val.f32(0.1).value


@case
def externref_keeps_identity(w: Package) -> object:
    value = object()
    return w.Val.externref(value).value is value


@case
def funcref_keeps_the_func(w: Package) -> object:
    store = w.Store()
    f = host_func(w, store, "", "", lambda: None)
    return [w.Val.funcref(f).value is f, w.Val.funcref(f).as_funcref() is f]


@case
def funcref_refuses_a_python_function(w: Package) -> object:
    """`Val.funcref(lambda: None)`"""
    return w.Val.funcref(lambda: None)


@case
def as_gives_the_value_for_the_right_type(w: Package) -> object:
    i32, i64, f32, f64, externref, _ = _one_of_each(w)
    return [i32.as_i32(), i64.as_i64(), f32.as_f32(), f64.as_f64(), externref.as_externref()]


@case
def as_gives_none_for_another_type(w: Package) -> object:
    val = w.Val.i32(1)
    return [val.as_i64(), val.as_f32(), val.as_f64(), val.as_externref(), val.as_funcref(), w.Val.i64(1).as_i32()]


@case
def as_funcref_of_null_is_none(w: Package) -> object:
    """`Val.funcref(None).as_funcref()`"""
    return w.Val.funcref(None).as_funcref()


@case
def ref_null_takes_reference_types(w: Package) -> object:
    return [w.Val.ref_null(w.ValType.externref()), w.Val.ref_null(ty=w.ValType.funcref())]


@case
def ref_null_refuses_number_types(w: Package) -> object:
    return w.Val.ref_null(w.ValType.i32())


@case
def ref_null_refuses_other_objects(w: Package) -> object:
    """`Val.ref_null("funcref")`"""
    return w.Val.ref_null("funcref")


@case
def equality_compares_type_and_value(w: Package) -> object:
    return [w.Val.i32(1) == w.Val.i32(1), w.Val.i32(1) == w.Val.i32(2), w.Val.i32(1) == w.Val.i64(1)]


@case
def inequality_is_the_opposite(w: Package) -> object:
    return [w.Val.i32(1) != w.Val.i32(1), w.Val.i32(1) != w.Val.i32(2)]


@case
def equality_with_plain_values_compares_the_value(w: Package) -> object:
    return [w.Val.i32(1) == 1, w.Val.i32(1) == 2, w.Val.f64(0.5) == 0.5, w.Val.externref("x") == "x"]


@case
def it_is_hashable(w: Package) -> object:
    """`hash(Val.i32(1))`"""
    return hash(w.Val.i32(1)) == hash(w.Val.i32(1))


@case
def it_is_made_by_a_named_constructor(w: Package) -> object:
    """`Val(kind, val)` with plain values"""
    return type(w.Val(0, 5)).__name__


@case
def it_needs_arguments(w: Package) -> object:
    return w.Val()


@case
def it_prints_its_value(w: Package) -> object:
    """Whether `repr(Val.i64(…))` shows the value"""
    # More digits than an address has, which is what the other package prints.
    return "1234567890123456789" in repr(w.Val.i64(1234567890123456789))
