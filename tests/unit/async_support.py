"""Event loops for the tests of asynchronous calls, and guests that call their host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import uvloop
from support import host, instantiate

from ferrowasm import Func, InstanceExports, Store

T = TypeVar("T")

#: Calls the host function `h`, which takes and gives an i32, with its own argument.
RELAY = '(module (import "" "h" (func $h (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $h (local.get 0))))'

#: Adds two numbers.
ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'

#: Never ends.
SPIN = '(module (func (export "spin") (loop (br 0))))'


def run_asyncio(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


def run_uvloop(main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


LOOPS: dict[str, Callable[[Coroutine[Any, Any, Any]], Any]] = {"asyncio": run_asyncio, "uvloop": run_uvloop}


def relay(callback: Any, store: Store | None = None, *, access_caller: bool = False) -> tuple[Store, Func]:
    """A store, and a function in it that calls `callback`."""
    store = store if store is not None else Store()
    _, exports = instantiate(RELAY, [host(store, callback, "i", "i", access_caller=access_caller)], store)
    return store, exports.func("f")


def exports_of(wat: str, store: Store) -> InstanceExports:
    return instantiate(wat, [], store)[1]
