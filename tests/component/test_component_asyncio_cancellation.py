"""What ends an awaited call of a component, and what is particular to its cancellation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from async_wit_support import COMPOSED, RELAY, fresh, plain, relay
from awaited_support import is_lost
from wit_support import instantiate

from ferrowasm import Config, DeadlineExceeded, Engine, Store, StoreContext


def test_a_guest_that_yields_by_fuel_is_stopped(run: Any) -> None:
    config = Config()
    config.consume_fuel = True
    config.interruptible = False
    for text in (None, COMPOSED):
        store = Store(Engine(config))
        store.set_fuel(10**12)
        store.fuel_async_yield_interval(10_000)
        spin = plain("spin", store, *([text] if text else []))

        async def main(store: Store = store, spin: Any = spin) -> None:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(spin.call_async(store), 0.05)

        run(main())
        assert is_lost(store)


def test_the_guest_does_not_go_on_after_its_cancellation() -> None:
    text = RELAY.replace('(func (export "after")', '(func (export "core-after")').replace("(call $f (local.get 0)) (global.set", "(call $f (call $f (local.get 0))) (global.set")
    reached: list[int] = []

    async def wait(_context: StoreContext, x: int) -> int:
        reached.append(x)
        await asyncio.sleep(10)
        return x + 1

    store, function = instantiate(text, f=wait)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(function("call").call_async(store, 1), 0.01)

    asyncio.run(main())
    assert reached == [1]


def test_a_deadline_ends_a_computing_guest_and_a_host_call(run: Any) -> None:
    store, spin = fresh("spin")
    with store.deadline(0.1), pytest.raises(DeadlineExceeded):
        run(spin.call_async(store))

    async def slow(number: int) -> int:
        await asyncio.sleep(0.2)
        return number

    store, call = relay(slow)
    with store.deadline(0.05), pytest.raises(DeadlineExceeded):
        run(call.call_async(store, 1))
