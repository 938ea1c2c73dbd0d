"""Calls of `Func` from Python: values in, values out."""

from __future__ import annotations

import math

from .harness import Package, attempt, case
from .programs import ADD, func_type, host_func, identity, load


@case
def i32_adds(w: Package) -> object:
    store, exports = load(w, ADD)
    return exports["add"](store, 1, 2)


@case
def i32_is_signed(w: Package) -> object:
    store, f = identity(w, "i32")
    return [f(store, n) for n in (0, -1, 2**31 - 1, -(2**31))]


@case
def i32_takes_unsigned_values(w: Package) -> object:
    store, f = identity(w, "i32")
    return [f(store, n) for n in (2**31, 2**32 - 1)]


@case
def i32_refuses_more_than_32_bits(w: Package) -> object:
    """`f(store, 2**40)` for an i32"""
    store, f = identity(w, "i32")
    return f(store, 2**40)


@case
def i32_refuses_less_than_its_smallest_value(w: Package) -> object:
    """`f(store, -2**31 - 1)` for an i32"""
    store, f = identity(w, "i32")
    return f(store, -(2**31) - 1)


@case
def i64_is_signed(w: Package) -> object:
    store, f = identity(w, "i64")
    return [f(store, n) for n in (0, -1, 2**63 - 1, -(2**63))]


@case
def i64_takes_unsigned_values(w: Package) -> object:
    store, f = identity(w, "i64")
    return [f(store, n) for n in (2**63, 2**64 - 1)]


@case
def i64_refuses_more_than_64_bits(w: Package) -> object:
    """`f(store, 2**64)` for an i64"""
    store, f = identity(w, "i64")
    return f(store, 2**64)


@case
def bools_are_ints(w: Package) -> object:
    store, f = identity(w, "i32")
    return [f(store, True), f(store, False)]


@case
def i32_refuses_a_float(w: Package) -> object:
    store, f = identity(w, "i32")
    return f(store, 1.0)


@case
def i32_refuses_a_str(w: Package) -> object:
    store, f = identity(w, "i32")
    return f(store, "1")


@case
def i32_refuses_none(w: Package) -> object:
    store, f = identity(w, "i32")
    return f(store, None)


@case
def i64_refuses_a_float(w: Package) -> object:
    store, f = identity(w, "i64")
    return f(store, 1.5)


@case
def an_object_with_index_is_an_int(w: Package) -> object:
    """An object with `__index__` for an i32"""

    class Three:
        def __index__(self) -> int:
            return 3

    store, f = identity(w, "i32")
    return f(store, Three())


@case
def an_int_subclass_is_an_int(w: Package) -> object:
    class Number(int):
        pass

    store, f = identity(w, "i32")
    return f(store, Number(5))


@case
def f64_keeps_its_value(w: Package) -> object:
    store, f = identity(w, "f64")
    return [f(store, x) for x in (0.0, -0.0, 1.5, 1e308, 5e-324, math.inf, -math.inf)]


@case
def f64_nan_is_nan(w: Package) -> object:
    store, f = identity(w, "f64")
    return f(store, math.nan)


@case
def f32_rounds(w: Package) -> object:
    store, f = identity(w, "f32")
    return [f(store, x) for x in (0.1, 1.5, -0.0, 16777217.0, 1e-50)]


@case
def f32_overflows_to_infinity(w: Package) -> object:
    store, f = identity(w, "f32")
    return f(store, 1e300)


@case
def f64_takes_an_int(w: Package) -> object:
    """`f(store, 1)` for an f64"""
    store, f = identity(w, "f64")
    return f(store, 1)


@case
def f32_takes_an_int(w: Package) -> object:
    """`f(store, 1)` for an f32"""
    store, f = identity(w, "f32")
    return f(store, 1)


@case
def f64_refuses_a_str(w: Package) -> object:
    store, f = identity(w, "f64")
    return f(store, "1.0")


@case
def an_object_with_float_is_a_float(w: Package) -> object:
    """An object with `__float__` for an f64"""

    class Half:
        def __float__(self) -> float:
            return 0.5

    store, f = identity(w, "f64")
    return f(store, Half())


@case
def externref_keeps_identity(w: Package) -> object:
    store, f = identity(w, "externref")
    value = object()
    return f(store, value) is value


@case
def externref_takes_any_object(w: Package) -> object:
    store, f = identity(w, "externref")
    return [f(store, value) for value in ("text", 5, 1.5, [1], {"a": 1}, ())]


@case
def externref_takes_falsy_objects(w: Package) -> object:
    store, f = identity(w, "externref")
    values: list[object] = [0, "", [], False]
    return [f(store, value) for value in values]


@case
def externref_none_is_null(w: Package) -> object:
    store, exports = load(w, '(module (func (export "f") (param externref) (result i32) (ref.is_null (local.get 0))))')
    return [exports["f"](store, None), exports["f"](store, 0)]


@case
def externref_null_is_none(w: Package) -> object:
    store, exports = load(w, '(module (func (export "f") (result externref) (ref.null extern)))')
    return exports["f"](store)


@case
def funcref_comes_back_as_a_func(w: Package) -> object:
    store, exports = load(
        w,
        '(module (func $g (export "g") (result i32) (i32.const 9))'
        ' (func (export "f") (param funcref) (result funcref) (local.get 0)))',
    )
    back = exports["f"](store, exports["g"])
    return [back, back(store)]


@case
def funcref_none_is_null(w: Package) -> object:
    store, f = identity(w, "funcref")
    return f(store, None)


@case
def funcref_refuses_a_python_function(w: Package) -> object:
    store, f = identity(w, "funcref")
    return f(store, lambda: None)


@case
def funcref_refuses_an_int(w: Package) -> object:
    store, f = identity(w, "funcref")
    return f(store, 1)


@case
def i32_refuses_a_func(w: Package) -> object:
    """`f(store, f)` for an i32"""
    store, f = identity(w, "i32")
    return f(store, f)


@case
def v128_is_sixteen_bytes(w: Package) -> object:
    """A function that returns a v128"""
    store, exports = load(w, '(module (func (export "f") (result v128) (v128.const i64x2 1 2)))')
    return exports["f"](store)


@case
def v128_takes_sixteen_bytes(w: Package) -> object:
    """`f(store, bytes(16))` for a v128"""
    wat = '(module (func (export "f") (param v128) (result i32) (i32x4.extract_lane 1 (local.get 0))))'
    store, exports = load(w, wat)
    return exports["f"](store, bytes(range(16)))


@case
def anyref_passes_through(w: Package) -> object:
    """A function that returns an anyref holding an i31"""
    wat = '(module (func (export "f") (result anyref) (ref.i31 (i32.const 3))))'
    store, exports = load(w, wat)
    return type(exports["f"](store)).__name__


@case
def no_result_is_none(w: Package) -> object:
    store, exports = load(w, '(module (func (export "f")))')
    return exports["f"](store)


@case
def several_results_are_a_list(w: Package) -> object:
    wat = '(module (func (export "f") (result i32 i64 f32 f64) i32.const 1 i64.const 2 f32.const 3 f64.const 4))'
    store, exports = load(w, wat)
    return exports["f"](store)


@case
def many_parameters_keep_their_order(w: Package) -> object:
    names = " ".join(["i32"] * 20)
    gets = " ".join(f"(local.get {i})" for i in range(20))
    store, exports = load(w, f'(module (func (export "f") (param {names}) (result {names}) {gets}))')
    return exports["f"](store, *range(20))


@case(message=True)
def missing_arguments_are_refused(w: Package) -> object:
    store, exports = load(w, ADD)
    return exports["add"](store, 1)


@case(message=True)
def surplus_arguments_are_refused(w: Package) -> object:
    store, exports = load(w, ADD)
    return exports["add"](store, 1, 2, 3)


@case
def keyword_arguments_are_refused(w: Package) -> object:
    store, exports = load(w, ADD)
    return exports["add"](store, 1, b=2)


@case
def the_store_is_needed(w: Package) -> object:
    _, exports = load(w, ADD)
    return exports["add"]()


@case
def the_store_must_come_first(w: Package) -> object:
    """`f(1, 2)` without the store"""
    _, exports = load(w, ADD)
    return exports["add"](1, 2)


@case
def the_store_cannot_be_none(w: Package) -> object:
    """`f(None, 1, 2)`"""
    _, exports = load(w, ADD)
    return exports["add"](None, 1, 2)


@case
def another_store_is_refused(w: Package) -> object:
    """`f(store, 1, 2)` with a store that is not the function's"""
    _, exports = load(w, ADD)
    return exports["add"](w.Store(), 1, 2)


@case
def a_funcref_of_another_store_is_refused(w: Package) -> object:
    """`f(store, func)` where `func` belongs to another store"""
    store, f = identity(w, "funcref")
    other = w.Store(store.engine)
    return f(store, host_func(w, other, "", "", lambda: None))


@case
def vals_are_accepted_as_arguments(w: Package) -> object:
    store, exports = load(w, ADD)
    return exports["add"](store, w.Val.i32(4), w.Val.i32(5))


@case
def a_val_of_another_type_is_refused(w: Package) -> object:
    store, exports = load(w, ADD)
    return exports["add"](store, w.Val.i64(4), 5)


@case
def a_null_val_is_accepted(w: Package) -> object:
    store, f = identity(w, "funcref")
    return f(store, w.Val.ref_null(w.ValType.funcref()))


@case
def the_type_can_be_asked(w: Package) -> object:
    store, exports = load(w, ADD)
    return exports["add"].type(store=store)


@case
def the_type_of_a_host_function_is_the_given_one(w: Package) -> object:
    store = w.Store()
    return host_func(w, store, "i32 f64", "i64", lambda a, b: 0).type(store)


@case
def the_type_needs_the_right_store(w: Package) -> object:
    """`f.type(store)` with a store that is not the function's"""
    _, exports = load(w, ADD)
    return exports["add"].type(w.Store())


@case
def a_func_is_callable(w: Package) -> object:
    _, exports = load(w, ADD)
    return callable(exports["add"])


@case
def a_func_is_hashable(w: Package) -> object:
    _, exports = load(w, ADD)
    return len({exports["add"], exports["add"]})


@case
def the_same_function_under_two_names_is_unequal(w: Package) -> object:
    """`exports["a"] == exports["b"]` for two names of one function"""
    _, exports = load(w, '(module (func $f (export "a") (export "b")))')
    return exports["a"] == exports["b"]


@case
def a_call_inside_a_recursion_returns(w: Package) -> object:
    wat = """
        (module (func $f (export "f") (param i64) (result i64)
          (if (result i64) (i64.eqz (local.get 0)) (then (i64.const 1))
            (else (i64.mul (local.get 0) (call $f (i64.sub (local.get 0) (i64.const 1))))))))"""
    store, exports = load(w, wat)
    return exports["f"](store, 20)


@case
def a_failed_conversion_leaves_the_function_usable(w: Package) -> object:
    store, exports = load(w, ADD)
    return [attempt(lambda: exports["add"](store, "x", 1)), exports["add"](store, 1, 1)]


@case
def state_lasts_between_calls(w: Package) -> object:
    wat = """
        (module (global $n (mut i32) (i32.const 0))
          (func (export "next") (result i32)
            (global.set $n (i32.add (global.get $n) (i32.const 1))) (global.get $n)))"""
    store, exports = load(w, wat)
    return [exports["next"](store) for _ in range(3)]


@case
def two_stores_are_independent(w: Package) -> object:
    wat = (
        '(module (global $n (mut i32) (i32.const 0)) (func (export "f") (param i32) (result i32)'
        " (global.get $n) (global.set $n (local.get 0))))"
    )
    results = []
    for value in (5, 6):
        store, exports = load(w, wat)
        results.append([exports["f"](store, value), exports["f"](store, 0)])
    return results


@case
def a_closed_func_type_is_refused(w: Package) -> object:
    store, ty = w.Store(), func_type(w)
    ty.close()
    return w.Func(store, ty, lambda: None)
