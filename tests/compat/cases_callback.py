"""`Func` made from a Python callable, and `Caller`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .harness import Package, attempt, case
from .programs import func_type, host_func, instantiate, raised_by

#: A guest that has a memory, a table, a global and a function, and calls its import.
GUEST = """
(module
  (import "" "f" (func $f))
  (memory (export "memory") 1)
  (data (i32.const 0) "hello")
  (global (export "g") i32 (i32.const 7))
  (table (export "t") 1 funcref)
  (func (export "five") (result i32) (i32.const 5))
  (func (export "run") (call $f)))
"""


def _called_by_guest(w: Package, function: Callable[[Any], object]) -> object:
    """What the function returns for the caller that it gets when the guest calls it."""
    store = w.Store()
    seen: list[object] = []
    host = w.Func(store, func_type(w), lambda caller: seen.append(function(caller)), access_caller=True)
    instantiate(w, store, GUEST, [host])["run"](store)
    return seen[0]


def _call(w: Package, params: str, results: str, function: Callable[..., object], *arguments: object) -> object:
    """The result of calling a host function directly."""
    store = w.Store()
    return host_func(w, store, params, results, function)(store, *arguments)


@case
def it_is_called_with_plain_values(w: Package) -> object:
    seen: list[object] = []
    _call(w, "i32 i64 f32 f64 externref", "", lambda *values: seen.extend(values), 1, 2, 1.5, 2.5, "x")
    return seen


@case
def it_returns_a_single_value(w: Package) -> object:
    return _call(w, "i32", "i32", lambda x: x * 2, 21)


@case
def it_returns_several_values(w: Package) -> object:
    return _call(w, "", "i32 f64", lambda: [1, 2.5])


@case
def several_values_may_be_a_tuple(w: Package) -> object:
    return _call(w, "", "i32 f64", lambda: (1, 2.5))


@case
def several_values_may_come_from_a_generator(w: Package) -> object:
    """A callback for `(result i32 i32)` that returns a generator"""
    return _call(w, "", "i32 i32", lambda: (n for n in (1, 2)))


@case
def it_returns_nothing(w: Package) -> object:
    return _call(w, "", "", lambda: None)


@case
def it_returns_an_object(w: Package) -> object:
    value = object()
    return _call(w, "", "externref", lambda: value) is value


@case
def it_returns_null_references(w: Package) -> object:
    return _call(w, "", "externref funcref", lambda: (None, None))


@case
def it_returns_a_val(w: Package) -> object:
    return _call(w, "", "i32", lambda: w.Val.i32(3))


@case
def it_returns_a_func(w: Package) -> object:
    store = w.Store()
    inner = host_func(w, store, "", "i32", lambda: 8)
    return host_func(w, store, "", "funcref", lambda: inner)(store)(store)


@case
def it_gets_funcs(w: Package) -> object:
    store = w.Store()
    inner = host_func(w, store, "", "i32", lambda: 8)
    return host_func(w, store, "funcref", "i32", lambda f: f(store))(store, inner)


@case
def a_result_that_was_not_declared_is_refused(w: Package) -> object:
    """A callback without results that returns 5"""
    return _call(w, "", "", lambda: 5)


@case
def the_wrong_number_of_results_is_refused(w: Package) -> object:
    """A callback for `(result i32 i32)` that returns three values"""
    return _call(w, "", "i32 i32", lambda: [1, 2, 3])


@case
def a_missing_result_is_refused(w: Package) -> object:
    return _call(w, "", "i32", lambda: None)


@case
def a_result_of_the_wrong_type_is_refused(w: Package) -> object:
    return _call(w, "", "i32", lambda: 1.5)


@case
def a_result_out_of_range_is_refused(w: Package) -> object:
    """A callback for an i32 that returns `2**40`"""
    return _call(w, "", "i32", lambda: 2**40)


@case
def a_number_instead_of_several_results_is_refused(w: Package) -> object:
    return _call(w, "", "i32 i32", lambda: 5)


@case
def a_callback_of_another_arity_is_a_type_error(w: Package) -> object:
    return _call(w, "i32", "", lambda: None, 1)


@case
def something_that_cannot_be_called_is_a_type_error(w: Package) -> object:
    store = w.Store()
    return w.Func(store, func_type(w), 5)(store)


@case
def making_a_func_of_what_cannot_be_called_is_refused(w: Package) -> None:
    """`Func(store, ty, 5)`, not called"""
    w.Func(w.Store(), func_type(w), 5)


@case
def any_callable_will_do(w: Package) -> object:
    class Callable_:
        def __call__(self, x: int) -> int:
            return x + 1

    return _call(w, "i32", "i32", Callable_(), 1)


@case
def an_exception_comes_out_as_the_same_object(w: Package) -> object:
    error = LookupError("from the callback")

    def fail() -> None:
        raise error

    return raised_by(lambda: _call(w, "", "", fail)) is error


@case
def an_exception_comes_out_through_the_guest(w: Package) -> object:
    error = LookupError("from the callback")

    def fail() -> None:
        raise error

    store = w.Store()
    run = instantiate(w, store, GUEST, [host_func(w, store, "", "", fail)])["run"]
    return raised_by(lambda: run(store)) is error


@case
def a_base_exception_comes_out(w: Package) -> object:
    def fail() -> None:
        raise KeyboardInterrupt

    return _call(w, "", "", fail)


@case
def system_exit_comes_out(w: Package) -> object:
    def fail() -> None:
        raise SystemExit(3)

    return _call(w, "", "", fail)


@case
def stop_iteration_comes_out(w: Package) -> object:
    """A callback that raises `StopIteration`"""

    def fail() -> None:
        raise StopIteration(3)

    return _call(w, "", "", fail)


@case
def a_trap_comes_out(w: Package) -> object:
    trap = w.Trap("by hand")

    def fail() -> None:
        raise trap

    return raised_by(lambda: _call(w, "", "", fail)) is trap


@case
def a_store_works_after_an_exception(w: Package) -> object:
    store = w.Store()
    errors = [LookupError()]

    def fail_once() -> None:
        if errors:
            raise errors.pop()

    f = host_func(w, store, "", "", fail_once)
    return [attempt(lambda: f(store)), attempt(lambda: f(store))]


@case
def an_exception_caught_inside_another_callback_is_gone(w: Package) -> object:
    store = w.Store()

    def fail() -> None:
        raise LookupError

    inner = host_func(w, store, "", "", fail)

    def catch() -> None:
        attempt(lambda: inner(store))

    wat = '(module (import "" "f" (func $f)) (func (export "run") (call $f) unreachable))'
    run = instantiate(w, store, wat, [host_func(w, store, "", "", catch)])["run"]
    return run(store)


@case
def the_store_works_inside_a_callback(w: Package) -> object:
    store = w.Store()
    exports: Any = None
    seen: list[object] = []
    exports = instantiate(w, store, GUEST, [host_func(w, store, "", "", lambda: seen.append(exports["five"](store)))])
    exports["run"](store)
    return seen


@case
def calls_nest(w: Package) -> object:
    store = w.Store()
    wat = """
        (module (import "" "f" (func $f (param i32) (result i32)))
          (func (export "g") (param i32) (result i32)
            (if (result i32) (local.get 0) (then (call $f (local.get 0))) (else (i32.const 100)))))"""
    exports: Any = None
    f = host_func(w, store, "i32", "i32", lambda n: exports["g"](store, n - 1) + 1)
    exports = instantiate(w, store, wat, [f])
    return exports["g"](store, 10)


@case
def arguments_can_be_named(w: Package) -> object:
    store = w.Store()
    f = w.Func(store=store, ty=func_type(w, "", "i32"), func=lambda caller: 3, access_caller=True)
    return f(store)


@case
def a_store_is_needed(w: Package) -> object:
    return w.Func(None, func_type(w), lambda: None)


@case
def a_func_type_is_needed(w: Package) -> object:
    return w.Func(w.Store(), "(func)", lambda: None)


@case
def a_caller_is_given_on_request(w: Package) -> object:
    return _called_by_guest(w, lambda caller: caller)


@case
def a_caller_gives_exports_by_name(w: Package) -> object:
    return _called_by_guest(w, lambda caller: [caller[name] for name in ("memory", "g", "t", "five")])


@case
def a_missing_export_of_a_caller_is_a_key_error(w: Package) -> object:
    return _called_by_guest(w, lambda caller: caller["missing"])


@case
def a_caller_gets_none_for_a_missing_export(w: Package) -> object:
    return _called_by_guest(w, lambda caller: caller.get("missing"))


@case
def a_caller_gets_exports(w: Package) -> object:
    return _called_by_guest(w, lambda caller: caller.get(name="memory"))


@case
def a_caller_is_a_store_for_memories(w: Package) -> object:
    return _called_by_guest(w, lambda caller: caller["memory"].read(caller, 0, 5))


@case
def a_caller_is_a_store_for_functions(w: Package) -> object:
    return _called_by_guest(w, lambda caller: caller["five"](caller))


@case
def a_caller_is_a_store_for_globals_and_tables(w: Package) -> object:
    return _called_by_guest(w, lambda caller: [caller["g"].value(caller), caller["t"].size(caller)])


@case
def a_caller_is_a_store_for_new_objects(w: Package) -> object:
    def make(caller: Any) -> object:
        ty = w.GlobalType(w.ValType.i32(), True)
        return w.Global(caller, ty, 4).value(caller)

    return _called_by_guest(w, make)


@case
def a_caller_makes_funcs(w: Package) -> object:
    """`Func(caller, ty, function)` inside a callback"""
    return _called_by_guest(w, lambda caller: w.Func(caller, func_type(w), lambda: None))


@case
def a_key_that_is_no_str_is_refused(w: Package) -> object:
    """`caller.get(5)` inside a callback"""
    return _called_by_guest(w, lambda caller: caller.get(5))


@case
def an_expired_caller_has_no_exports(w: Package) -> object:
    """`caller.get("memory")` after the callback has returned"""
    kept: Any = _called_by_guest(w, lambda caller: caller)
    return kept.get("memory")


@case
def an_expired_caller_raises_key_errors(w: Package) -> object:
    """`caller["memory"]` after the callback has returned"""
    kept: Any = _called_by_guest(w, lambda caller: caller)
    return kept["memory"]


@case
def an_expired_caller_is_no_store(w: Package) -> object:
    kept: Any = _called_by_guest(w, lambda caller: (caller, caller["memory"]))
    caller, memory = kept
    return memory.size(caller)


@case
def a_direct_call_has_no_exports(w: Package) -> object:
    store = w.Store()
    return w.Func(store, func_type(w, "", "externref"), lambda caller: [caller.get("memory")], access_caller=True)(
        store
    )


@case
def a_host_that_calls_the_host_passes_values(w: Package) -> object:
    store = w.Store()
    double = host_func(w, store, "i64", "i64", lambda x: 2 * x)
    return host_func(w, store, "i64", "i64", lambda x: double(store, x) + 1)(store, -5)


@case
def an_unsigned_result_wraps(w: Package) -> object:
    return _call(w, "", "i32", lambda: 0xFFFFFFFF)


@case
def arguments_arrive_signed(w: Package) -> object:
    seen: list[object] = []
    _call(w, "i32 i64", "", lambda a, b: seen.extend((a, b)), 0xFFFFFFFF, 2**64 - 1)
    return seen
