"""What Python code raises anywhere below WebAssembly comes out as the same object, with its traceback, wherever WebAssembly was entered."""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from typing import Any

import pytest
from support import func_type, host, instantiate
from wit_support import instantiate as instantiate_component

from ferrowasm import Engine, Func, Instance, Linker, Module, Store
from ferrowasm.component import Component
from ferrowasm.component import Linker as ComponentLinker
from tests.hostile.raising import COMPONENT, ERRORS, Entry, Raiser

# ---- wherever WebAssembly was entered ----

WAT = """(module
  (import "" "h" (func $h (param i32) (result i32)))
  (memory (export "memory") 1)
  (table 1 funcref) (elem (i32.const 0) $h)
  (func (export "f") (param i32) (result i32) (call $h (local.get 0)))
  (func (export "indirect") (result i32) (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0)))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (call $h (i32.const 0)))))
  (func (export "caught") (result i32)
    (block $b (result exnref) (try_table (result i32) (catch_all_ref $b) (call $h (i32.const 0))) (return)) (drop) (i32.const 5)))"""

START = '(module (import "" "h" (func $h (param i32) (result i32))) (func $s (drop (call $h (i32.const 1)))) (start $s))'
REFERENCES = '(module (import "" "h" (func $h (param externref) (result externref))) (func (export "f") (param externref) (result externref) (call $h (local.get 0))))'


def exports_of(raiser: Raiser, name: str, *args: Any) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    return lambda: exports.func(name)(store, *args)


def bound(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    function = exports.func("f").bind(store)
    return lambda: function(1)


def bound_with_timeout(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    function = exports.func("f").bind(store, timeout=60)
    return lambda: function(1)


def within_deadline(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)

    def run() -> None:
        with store.deadline(60):
            exports.func("f")(store, 1)

    return run


def directly(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    return lambda: host(store, raiser, "i", "i")(store, 1)


def with_caller(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i", access_caller=True)], store)
    return lambda: exports.func("f")(store, 1)


def with_references(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(REFERENCES, [host(store, raiser, "e", "e")], store)
    return lambda: exports.func("f")(store, object())


def nested(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    inner = host(store, raiser, "i", "i")
    _, first = instantiate(WAT, [inner], store)
    _, second = instantiate(WAT, [host(store, lambda number: first.func("f")(store, number), "i", "i")], store)
    return lambda: second.func("f")(store, 1)


def in_another_store(raiser: Raiser) -> Callable[[], Any]:
    inner, outer = Store(), Store()
    _, first = instantiate(WAT, [host(inner, raiser, "i", "i")], inner)
    _, second = instantiate(WAT, [host(outer, lambda number: first.func("f")(inner, number), "i", "i")], outer)
    return lambda: second.func("f")(outer, 1)


def start(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    module = Module(store.engine, START)
    return lambda: Instance(store, module, [host(store, raiser, "i", "i")])


def linked(raiser: Raiser, wat: str) -> tuple[Store, Linker, Module]:
    engine = Engine()
    linker = Linker(engine)
    linker.define_func("", "h", func_type("i", "i"), raiser)
    return Store(engine), linker, Module(engine, wat)


def linker_start(raiser: Raiser) -> Callable[[], Any]:
    store, linker, module = linked(raiser, START)
    return lambda: linker.instantiate(store, module)


def pre_start(raiser: Raiser) -> Callable[[], Any]:
    store, linker, module = linked(raiser, START)
    pre = linker.instantiate_pre(module)
    return lambda: pre.instantiate(store)


def linker_module_start(raiser: Raiser) -> Callable[[], Any]:
    store, linker, module = linked(raiser, START)
    return lambda: linker.define_module(store, "m", module)


def linker_call(raiser: Raiser) -> Callable[[], Any]:
    store, linker, module = linked(raiser, WAT)
    return lambda: linker.instantiate(store, module).exports(store).func("f")(store, 1)


def mapped(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    return lambda: exports.func("f").map(store, array.array("i", [1, 2, 3]))


def component(raiser: Raiser) -> Callable[[], Any]:
    store, function = instantiate_component(COMPONENT, h=raiser)
    return lambda: function("f")(store, 1)


def component_start(raiser: Raiser) -> Callable[[], Any]:
    text = """(component (import "h" (func $h)) (core func $lowered (canon lower (func $h)))
      (core module $code (import "" "h" (func $h)) (start $h))
      (core instance (instantiate $code (with "" (instance (export "h" (func $lowered)))))))"""
    engine = Engine()
    linker = ComponentLinker(engine)
    with linker.root() as root:
        root.add_func("h", raiser)
    made = Component(engine, text)
    return lambda: linker.instantiate(Store(engine), made)


def component_in_a_callback(raiser: Raiser) -> Callable[[], Any]:
    inner, function = instantiate_component(COMPONENT, h=raiser)
    store = Store()
    _, exports = instantiate(WAT, [host(store, lambda number: function("f")(inner, number), "i", "i")], store)
    return lambda: exports.func("f")(store, 1)


ENTRIES: dict[str, Entry] = {
    "call": lambda raiser: exports_of(raiser, "f", 1),
    "indirect": lambda raiser: exports_of(raiser, "indirect"),
    "deep": lambda raiser: exports_of(raiser, "deep", 1000),
    # WebAssembly cannot catch what Python raises.
    "caught": lambda raiser: exports_of(raiser, "caught"),
    "bound": bound,
    "bound-with-timeout": bound_with_timeout,
    "within-deadline": within_deadline,
    "directly": directly,
    "with-caller": with_caller,
    "with-references": with_references,
    "nested": nested,
    "in-another-store": in_another_store,
    "start": start,
    "linker-start": linker_start,
    "pre-start": pre_start,
    "linker-module-start": linker_module_start,
    "linker-call": linker_call,
    "map": mapped,
    "component": component,
    "component-start": component_start,
    "component-in-a-callback": component_in_a_callback,
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_exception_comes_out_of_every_entry(entry: str, raiser: Raiser) -> None:
    raiser.check(ENTRIES[entry](raiser))


# ---- asynchronous calls ----


def drive(awaitable: Any) -> Any:
    """Runs what can be awaited, without an event loop."""
    iterator = awaitable.__await__()
    try:
        while True:
            next(iterator)
    except StopIteration as end:
        return end.value


def asynchronous(raiser: Raiser) -> Any:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    return exports.func("f").call_async(store, 1)


def asynchronous_start(raiser: Raiser) -> Any:
    store, linker, module = linked(raiser, START)
    return linker.instantiate_async(store, module)


def asynchronous_pre_start(raiser: Raiser) -> Any:
    store, linker, module = linked(raiser, START)
    return linker.instantiate_pre(module).instantiate_async(store)


def coroutine(raiser: Raiser) -> Any:
    async def callback(number: int) -> int:
        return int(raiser(number))

    store = Store()
    _, exports = instantiate(WAT, [host(store, callback, "i", "i")], store)
    return exports.func("f").call_async(store, 1)


ASYNCHRONOUS = {"call": asynchronous, "start": asynchronous_start, "pre-start": asynchronous_pre_start, "coroutine": coroutine}


@pytest.mark.parametrize("entry", ASYNCHRONOUS)
def test_an_exception_comes_out_of_what_is_awaited(entry: str, raiser: Raiser) -> None:
    def run() -> None:
        drive(ASYNCHRONOUS[entry](raiser))

    if isinstance(raiser.error, StopIteration):
        # As for every coroutine (PEP 479).
        with pytest.raises(RuntimeError) as caught:
            run()
        assert caught.value.__cause__ is raiser.error
    else:
        raiser.check(run)


# ---- classes that raise when they are made ----


class Unmakeable(Exception):
    """Cannot be made."""

    def __init__(self) -> None:
        raise LookupError("no exception")


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_exception_that_cannot_be_made_is_replaced_by_the_reason(entry: str) -> None:
    class Making(Raiser):
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            raise Unmakeable

    with pytest.raises(LookupError, match="^no exception"):
        ENTRIES[entry](Making())()


# ---- finalisers ----


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_finaliser_raises_in_a_callback_is_reported_and_ends_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ERRORS[name]()
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(report.exc_value))

    class Final:
        def __del__(self) -> None:
            raise error

    def callback(number: int) -> int:
        Final()
        return number + 1

    store = Store()
    _, exports = instantiate(WAT, [host(store, callback, "i", "i")], store)
    assert exports.func("f")(store, 1) == 2
    assert len(reported) == 1 and reported[0] is error


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_finaliser_of_a_reference_raises_is_reported_and_ends_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ERRORS[name]()
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(report.exc_value))

    class Final:
        def __del__(self) -> None:
            raise error

    store, exports = instantiate('(module (func (export "f") (param externref)))')
    exports.func("f")(store, Final())
    store.gc()
    store.close()
    assert len(reported) == 1 and reported[0] is error


# ---- one after the other ----


def test_exceptions_do_not_get_mixed_up_between_calls_of_a_store() -> None:
    errors = [make() for make in ERRORS.values()]
    queue = iter(errors)

    def callback(number: int) -> int:
        raise next(queue)

    store = Store()
    _, exports = instantiate(WAT, [host(store, callback, "i", "i")], store)
    for error in errors:
        try:
            exports.func("f")(store, 1)
        except BaseException as caught:  # noqa: BLE001
            assert caught is error
        else:
            raise AssertionError("nothing was raised")


def test_a_host_function_that_handles_an_exception_goes_on(raiser: Raiser) -> None:
    store = Store()
    _, first = instantiate(WAT, [host(store, raiser, "i", "i")], store)

    def callback(number: int) -> int:
        try:
            first.func("f")(store, number)
        except BaseException as caught:  # noqa: BLE001
            assert caught is raiser.error
        return number + 1

    _, second = instantiate(WAT, [host(store, callback, "i", "i")], store)
    assert second.func("f")(store, 1) == 2


def test_a_func_object_of_the_host_raises_as_a_table_element_does(raiser: Raiser) -> None:
    store = Store()
    function = host(store, raiser, "i", "i")
    wat = '(module (table (export "t") 1 funcref) (func (export "f") (result i32) (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0))))'
    _, exports = instantiate(wat, (), store)
    exports.table("t").set(store, 0, function)
    assert isinstance(exports.table("t").get(store, 0), Func)
    raiser.check(lambda: exports.func("f")(store))
