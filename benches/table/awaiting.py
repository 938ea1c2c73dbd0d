"""Calls that are awaited."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

from ..measuring import Subject
from ..row import Row, nanoseconds, of_floor
from .guests import OURS, component_guest

#: How many calls one sample awaits.
CALLS = 2000

#: Passes its argument to the host function `h`, and gives what that returns.
RELAY = """(module (import "" "h" (func $h (param i32) (result i32)))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "relay") (param i32) (result i32) (call $h (local.get 0))))"""


async def round_trip(number: int) -> int:
    """Awaits one future of asyncio, which the loop finishes in its next turn."""
    loop = asyncio.get_running_loop()
    future = loop.create_future()
    loop.call_soon(future.set_result, number)
    result: int = await future
    return result


def rows() -> Iterator[Row]:
    store = OURS.Store()
    i32 = OURS.ValType.i32()
    host = OURS.Func(store, OURS.FuncType([i32], [i32]), round_trip)
    exports = OURS.Instance(store, OURS.Module(store.engine, RELAY), [host]).exports(store)
    add, relay = exports["add"], exports["relay"]
    yield Row(
        "await a call that never suspends",
        ours=awaited(lambda: add.call_async(store, 1, 2)),
        targets=(nanoseconds(2000),),
    )
    yield Row(
        "await a host coroutine that awaits a future",
        ours=awaited(lambda: relay.call_async(store, 1)),
        floor=awaited(lambda: round_trip(1)),
        targets=(of_floor(3, "an asyncio round trip"),),
    )
    guest = component_guest(OURS)
    plus = guest.func("add")
    yield Row("await a component call that never suspends", ours=awaited(lambda: plus.call_async(guest.store, 1, 2)))


def awaited(call: Callable[[], Awaitable[Any]]) -> Subject:
    """The seconds of one `await`, in a loop of many."""

    async def main() -> float:
        begin = time.perf_counter()
        for _ in range(CALLS):
            await call()
        return (time.perf_counter() - begin) / CALLS

    return lambda: asyncio.run(main())
