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

#: Calls the host function `h` when it is instantiated.
START = '(module (import "" "h" (func $h)) (start $h))'

SUSPENDED = "an asynchronous call of the store is suspended; a store runs one call at a time, so await that call first, or use another store"
REACHED = "an asynchronous host function was called by a synchronous call: use call_async (or instantiate_async), and await it"


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


def works(store: Store) -> bool:
    """Whether functions of modules can be called in the store: no call is under way in it."""
    return bool(exports_of(ADD, store).func("add")(store, 1, 2) == 3)


async def increment(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1
