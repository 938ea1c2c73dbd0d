"""Threads that use one store at once: each use is what it is alone, or is refused with an exception that says so."""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import engine_with, host, instantiate
from wit_support import instantiate as instantiate_component
from wit_support import pair

from ferrowasm import Instance, Module, Store, StoreBusyError, Trap

#: How often each thread uses the store.
ROUNDS = 150


@pytest.fixture(autouse=True)
def threads_take_turns_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


#: What a use of the store gives, and what it has to give.
Use = Callable[[], tuple[Any, Any]]


def race(*uses: Use) -> int:
    """Runs each use on two threads, and gives how many were refused. Everything else has to be right."""
    refused: list[StoreBusyError] = []
    wrong: list[Any] = []

    def run(use: Use) -> None:
        for _ in range(ROUNDS):
            try:
                got, expected = use()
            except StoreBusyError as error:
                refused.append(error)
            except BaseException as error:  # noqa: BLE001
                wrong.append(error)
            else:
                if got is not expected and got != expected:
                    wrong.append((got, expected))

    threads = [threading.Thread(target=run, args=(use,)) for use in uses for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert all(isinstance(error, RuntimeError) for error in refused)
    return len(refused)


def nothing(function: Callable[..., Any], *args: Any) -> tuple[Any, Any]:
    return function(*args), None


def trapping(store: Store, exports: Any) -> Use:
    def use() -> tuple[Any, Any]:
        try:
            exports.func("trap")(store, 10)
        except Trap as trap:
            return len(trap.frames), 12
        return "no trap", ""

    return use


WAT = """(module
  (import "" "h" (func $h (param externref) (result externref)))
  (memory (export "memory") 1 2000)
  (table (export "table") 10 externref)
  (global (export "global") (mut i64) (i64.const 0))
  (func $r (param i32) (if (local.get 0) (then (call $r (i32.sub (local.get 0) (i32.const 1)))) (else unreachable)))
  (func (export "trap") (param i32) (call $r (local.get 0)))
  (func (export "same") (param externref) (result externref) (call $h (call $h (local.get 0))))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "fill") (param i32) (result i32) (local $i i32)
    (loop $l (i32.store8 (local.get $i) (local.get 0)) (br_if $l (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 1000))))
    (i32.load8_u (i32.const 999))))"""


def uses(store: Store, exports: Any) -> dict[str, Use]:
    bound = exports.func("add").bind(store)
    module = Module(store.engine, '(module (memory 1) (func (export "f") (result i32) i32.const 1))')

    def reference() -> tuple[Any, Any]:
        thing = object()
        return exports.func("same")(store, thing), thing

    def grow() -> tuple[Any, Any]:
        size = exports.memory("memory").grow(store, 0)
        return size >= 1, True

    return {
        "add": lambda: (exports.func("add")(store, 2, 3), 5),
        "bound": lambda: (bound(2, 3), 5),
        "reference": reference,
        "trap": trapping(store, exports),
        "fill": lambda: (exports.func("fill")(store, 7), 7),
        "grow": grow,
        "read": lambda: (len(exports.memory("memory").read(store, 0, 100)), 100),
        "table": lambda: (exports.table("table").get(store, 1), None),
        "global": lambda: (exports.global_("global").value(store), 0),
        "instantiate": lambda: (Instance(store, module, []).exports(store).func("f")(store), 1),
        "limits": lambda: nothing(store.set_limits, 1 << 30),
        "gc": lambda: nothing(store.gc),
    }


NAMES = ["add", "bound", "reference", "trap", "fill", "grow", "read", "table", "global", "instantiate", "limits", "gc"]


def make() -> dict[str, Use]:
    store = Store(engine_with(memory_may_move=True, memory_reservation=0, memory_reservation_for_growth=0, memory_guard_size=0))
    _, exports = instantiate(WAT, [host(store, lambda thing: thing, "e", "e")], store)
    return uses(store, exports)


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations_with_replacement(NAMES, 2)))
def test_two_kinds_of_use_at_once_are_right_or_refused(first: str, second: str) -> None:
    every = make()
    race(every[first], every[second])
    # The store is as it was.
    assert every["add"]() == (5, 5)


def test_all_kinds_of_use_at_once_are_right_or_refused() -> None:
    every = make()
    race(*every.values())
    assert every["add"]() == (5, 5)


def test_a_component_that_two_threads_call_is_right_or_refuses() -> None:
    store, function = instantiate_component(pair("string"))
    echo = function("echo")
    race(lambda: (echo(store, "abc" * 10), "abc" * 10))
    assert echo(store, "x") == "x"
