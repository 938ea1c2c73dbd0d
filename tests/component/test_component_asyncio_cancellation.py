"""Cancellation ends an awaited call of a component wherever it waits. The store says afterwards that its components are lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

import async_support
import pytest
from async_support import LOOPS
from async_wit_support import COMPOSED, RELAY, fresh, plain, relay, relays
from test_component_asyncio import STARTING
from wit_support import instantiate, through_host

from ferrowasm import Config, DeadlineExceeded, Engine, Store, StoreContext, Trap, TrapCode
from ferrowasm.component import Component, Func, Linker


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return LOOPS[request.param]


def is_lost(store: Store) -> bool:
    """Whether the store says that its components cannot be used; modules can."""
    assert async_support.exports_of(async_support.ADD, store).func("add")(store, 1, 2) == 3
    calls: list[Callable[[Func], Any]] = [lambda add: add(store, 1, 2), lambda add: asyncio.run(add.call_async(store, 1, 2))]
    for call in calls:
        with pytest.raises(Trap, match=r"the cancellation of a call\) left the components of this store unusable: instantiate the component in a new Store") as caught:
            call(plain("add", store))
        assert caught.value.trap_code is TrapCode.CANNOT_ENTER_COMPONENT
    return True


class Waiting:
    """A call whose host coroutine waits forever, and what became of that."""

    def __init__(self, depth: int = 0) -> None:
        self.seen: list[str] = []
        self.started = asyncio.Event()
        self.store, self.calls = relays(self.host, depth + 1)
        self.depth = depth

    async def host(self, number: int) -> int:
        try:
            if number > 0:
                result: int = await self.calls[number - 1].call_async(self.store, number - 1)
                return result
            self.started.set()
            await asyncio.Event().wait()
        except BaseException as error:
            self.seen.append(type(error).__name__)
            raise
        finally:
            self.seen.append("finally")
        return number

    def call(self) -> Any:
        return self.calls[self.depth].call_async(self.store, self.depth)


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_cancelling_the_task_ends_the_host_coroutine(run: Any, depth: int) -> None:
    async def main() -> Store:
        waiting = Waiting(depth)
        task = asyncio.create_task(waiting.call())
        await waiting.started.wait()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("enough",)
        assert waiting.seen == ["CancelledError", "finally"] * (depth + 1)
        return waiting.store

    assert is_lost(run(main()))


@pytest.mark.parametrize("kind", ["timeout", "wait_for"])
def test_a_timeout_ends_the_call(run: Any, kind: str) -> None:
    async def main() -> Store:
        waiting = Waiting()
        with pytest.raises(TimeoutError):
            if kind == "timeout":
                async with asyncio.timeout(0.01):
                    await waiting.call()
            else:
                await asyncio.wait_for(waiting.call(), 0.01)
        assert waiting.seen == ["CancelledError", "finally"]
        return waiting.store

    assert is_lost(run(main()))


def test_a_host_coroutine_may_survive_its_cancellation(run: Any) -> None:
    async def stubborn(number: int) -> int:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return number + 1
        return 0

    async def main() -> None:
        store, call = relay(stubborn)
        task = asyncio.create_task(call.call_async(store, 1))
        await asyncio.sleep(0)
        task.cancel()
        assert await task == 2
        assert await plain("add", store).call_async(store, 1, 2) == 3

    run(main())


def test_a_host_coroutine_may_clean_up_with_the_store(run: Any) -> None:
    store = Store()
    add = plain("add", store)
    seen: list[int] = []

    async def wait(number: int) -> int:
        try:
            await asyncio.sleep(10)
        finally:
            seen.append(add(store, number, 1))
            seen.append(await add.call_async(store, number, 2))
            await asyncio.sleep(0)
        return 0

    async def main() -> None:
        _, call = relay(wait, store)
        task = asyncio.create_task(call.call_async(store, 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert seen == [2, 3]
    assert is_lost(store)


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("text", [None, COMPOSED], ids=["plain", "composed"])
def test_a_computing_guest_is_stopped(run: Any, text: str | None, in_thread: bool) -> None:
    store = Store()
    spin = plain("spin", store, *([text] if text else []))

    async def main() -> None:
        start = time.monotonic()
        task = asyncio.create_task(spin.call_async(store, in_thread=in_thread))
        await asyncio.sleep(0.05)
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("enough",)
        assert time.monotonic() - start < 10

    run(main())
    assert is_lost(store)


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


def test_a_computing_guest_in_a_nested_call_is_stopped(run: Any) -> None:
    store = Store()
    spin = plain("spin", store, COMPOSED)
    seen: list[str] = []

    async def outer(_context: StoreContext, text: str) -> str:
        try:
            async with asyncio.timeout(0.05):
                await spin.call_async(store)
        except TimeoutError:
            seen.append("stopped")
        return text

    linker = Linker(store.engine)
    with linker.root() as root:
        root.add_func("f", outer)
    call = linker.instantiate(store, Component(store.engine, through_host("string"))).exports(store).call
    assert run(call.call_async(store, "the outer call goes on")) == "the outer call goes on"
    assert seen == ["stopped"]
    assert is_lost(store)


def test_a_start_function_is_stopped(run: Any) -> None:
    async def forever(_context: StoreContext) -> None:
        await asyncio.Event().wait()

    store = Store()
    linker = Linker(store.engine)
    with linker.root() as root:
        root.add_func("f", forever)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(linker.instantiate_async(store, Component(store.engine, STARTING)), 0.01)

    run(main())
    assert is_lost(store)


def test_cancellation_before_the_start_runs_nothing(run: Any) -> None:
    called: list[int] = []

    async def main() -> None:
        store, call = relay(called.append)
        task = asyncio.create_task(call.call_async(store, 1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert plain("add", store)(store, 1, 2) == 3, "nothing is lost"

    run(main())
    assert called == []


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


def test_close_ends_the_host_function() -> None:
    seen: list[str] = []

    async def wait(number: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("finally")
        return number

    async def main() -> Store:
        store, func = relay(wait)
        call = func.call_async(store, 1)
        call.send(None)
        call.close()
        assert seen == ["finally"]
        return store

    assert is_lost(asyncio.run(main()))
