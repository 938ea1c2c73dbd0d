"""Ordinary calls take a short road through the binding (`func/short.rs`): it leads to the same place as the long one, which `__call__` takes."""

from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from support import engine_with, host, instantiate

from ferrowasm import BoundFunc, Store, Trap, Val

KINDS = ["i32", "i64", "f32", "f64", "v128"]

#: Around each border of what one digit of an int holds, of the ranges of the types, and of the small ints that the interpreter keeps.
INTS = sorted(
    {sign * (1 << bits) + near for sign in (-1, 1) for bits in (0, 8, 15, 16, 30, 31, 32, 45, 60, 62, 63, 64, 90) for near in (-2, -1, 0, 1, 2)}
)
FLOATS = [0.0, -0.0, 1.5, -2.25, 1e-320, 3.4e38, 3.5e38, 1e300, math.inf, -math.inf, math.nan, -math.nan]


class Index:
    def __index__(self) -> int:
        return 7


class SubInt(int):
    pass


class Failing:
    def __index__(self) -> int:
        raise KeyError("index")


OTHERS: list[Any] = [True, False, None, "1", b"\x01" * 16, [], Index(), SubInt(5), Failing(), Val.i32(3), Val.f64(2.5), numpy.int32(4), numpy.float64(0.5)]


def outcome(call: Callable[..., Any], *args: Any) -> tuple[Any, ...]:
    """What comes of a call, in a form that can be compared: also NaNs, and zeros with their signs."""
    try:
        result = call(*args)
    except Exception as error:
        return type(error), str(error), getattr(error, "__notes__", [])
    return type(result), repr(result)


def roads(wat: str, name: str = "f") -> list[tuple[Callable[..., Any], Callable[..., Any]]]:
    """The short and the long road of a function, called with its store and bound to it."""
    store, exports = instantiate(wat)
    func = exports.func(name)
    bound = func.bind(store)
    outcome(func, store), outcome(bound)  # From the second call on the interpreter knows the short one.
    return [(lambda *args: func(store, *args), lambda *args: func.__call__(store, *args)), (bound, bound.__call__)]


@pytest.mark.parametrize("kind", KINDS)
def test_both_roads_convert_alike(kind: str) -> None:
    for short, long in roads(f'(module (func (export "f") (param {kind}) (result {kind}) (local.get 0)))'):
        for value in [*INTS, *FLOATS, *OTHERS]:
            assert outcome(short, value) == outcome(long, value), value


@pytest.mark.parametrize("count", [0, 1, 2, 7, 8, 9, 20])
def test_both_roads_take_any_number_of_arguments_and_results(count: int) -> None:
    kinds = [KINDS[place % 4] for place in range(count)]
    wat = f'(module (func (export "f") (param {" ".join(kinds)}) (result {" ".join(kinds)}) {" ".join(f"(local.get {place})" for place in range(count))}))'
    for short, long in roads(wat):
        for given in {0, 1, count - 1, count, count + 1} - {-1}:
            # A large one last, where conversion goes on after the ones that are quickly done.
            args = [place + (2**31 - 50) * (place == given - 1) for place in range(given)]
            assert outcome(short, *args) == outcome(long, *args)


def test_integers_of_one_digit_are_read_as_they_are() -> None:
    store, exports = instantiate('(module (func (export "f") (param i64) (result i64) (local.get 0)))')
    func = exports.func("f").bind(store)
    for value in INTS:
        if -(2**63) <= value < 2**63:
            # Once as it is kept, once as a new object.
            assert func(value) == func(int(str(value))) == value


def test_a_trap_on_either_road_is_the_same_exception_and_leaves_nothing_behind() -> None:
    wat = '(module (func (export "f") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0))))'
    for short, long in roads(wat):
        assert outcome(short, 0) == outcome(long, 0)
        assert outcome(short, 0)[0] is Trap
        with pytest.raises(Trap) as caught:
            short(0)
        reference = weakref.ref(caught.value)
        del caught
        gc.collect()
        assert reference() is None
        assert short(1) == 1


class Failure(Exception):
    pass


@pytest.mark.parametrize("calls_before", [0, 1, 5])
def test_what_a_callback_raises_on_the_short_road_is_the_same_object_and_freed_with_its_last_reference(calls_before: int) -> None:
    store = Store()
    raised: list[weakref.ref[Failure]] = []

    def callback(value: int) -> int:
        if value == 0:
            failure = Failure()
            raised.append(weakref.ref(failure))
            raise failure
        return value

    wat = '(module (import "" "h" (func $h (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $h (local.get 0))))'
    _, exports = instantiate(wat, [host(store, callback, "i", "i")], store)
    # Nobody has called this one yet: it is found out in the middle of the call that it uses Python.
    func = exports.func("f").bind(store)
    for value in range(1, calls_before + 1):
        assert func(value) == value
    try:
        func(0)
    except Failure as failure:
        assert raised[0]() is failure
        assert failure.__traceback__ is not None
        names = []
        frame = failure.__traceback__
        while frame:
            names.append(frame.tb_frame.f_code.co_name)
            frame = frame.tb_next  # type: ignore[assignment]
        assert names[-1] == "callback"
        del frame
    gc.collect()
    assert raised[0]() is None


def test_calls_in_callbacks_in_calls() -> None:
    store = Store()
    depth = 30
    functions: list[BoundFunc] = []

    def callback(value: int) -> int:
        return int(functions[value](value - 1)) + 1 if value else 0

    wat = '(module (import "" "h" (func $h (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $h (local.get 0))))'
    imported = host(store, callback, "i", "i")
    for _ in range(depth + 1):
        functions.append(instantiate(wat, [imported], store)[1].func("f").bind(store))
    for _ in range(3):
        assert functions[depth](depth) == depth


def test_objects_that_the_engine_gives_up_during_an_ordinary_call_are_freed_after_it() -> None:
    class Thing:
        pass

    freed: list[int] = []
    store, exports = instantiate("""(module
      (table $t 1 externref)
      (func (export "put") (param externref) (table.set $t (i32.const 0) (local.get 0)))
      (func (export "clear") (table.set $t (i32.const 0) (ref.null extern)))
      (func (export "nop") (param i32) (result i32) (local.get 0)))""")
    put, clear, nop = (exports.func(name).bind(store) for name in ("put", "clear", "nop"))

    def finaliser() -> None:
        # The store can be used: the call is over.
        freed.append(nop(len(freed)))

    for _ in range(3):
        thing = Thing()
        weakref.finalize(thing, finaliser)
        put(thing)
        del thing
        clear()
    store.gc()
    nop(1)
    assert freed == [0, 1, 2]


@pytest.mark.parametrize("policy", ["auto", "hold", "release"])
def test_both_roads_under_each_policy(policy: str) -> None:
    store = Store(engine_with(gil=policy))
    _, exports = instantiate('(module (func (export "f") (param i32) (result i32) (local.get 0)))', (), store)
    func = exports.func("f")
    assert [func(store, value) for value in range(300)] == [func.__call__(store, value) for value in range(300)]


def test_a_failed_conversion_leaves_the_store_free() -> None:
    for short, _ in roads('(module (func (export "f") (param i32 i32) (result i32) (local.get 1)))'):
        for _ in range(3):
            with pytest.raises(OverflowError):
                short(1, 2**40)
            with pytest.raises(KeyError):
                short(1, Failing())
            assert short(1, 2) == 2
