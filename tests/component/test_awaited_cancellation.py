"""Cancellation ends a call wherever it waits: what is the same for functions of modules and of components.

A store works afterwards; if it had components, it says that they are lost.
"""

from __future__ import annotations

import asyncio
import dataclasses
import time
from typing import Any

import pytest
from async_support import START, works
from awaited_support import COMPONENT, COMPOSED, CORE, KINDS, Kind, of_each_kind, of_kinds
from support import host

from ferrowasm import Linker, Module, Store


class Waiting:
    """A call whose host coroutine waits forever, and what became of that."""

    def __init__(self, kind: Kind, depth: int = 0) -> None:
        self.seen: list[str] = []
        self.started = asyncio.Event()
        self.store, self.calls = kind.relays(self.host, depth + 1)
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


@of_each_kind
@pytest.mark.parametrize("depth", [0, 1, 5])
def test_cancelling_the_task_ends_the_host_coroutine(run: Any, kind: Kind, depth: int) -> None:
    async def main() -> Store:
        waiting = Waiting(kind, depth)
        task = asyncio.create_task(waiting.call())
        await waiting.started.wait()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("enough",)
        assert waiting.seen == ["CancelledError", "finally"] * (depth + 1)
        assert works(waiting.store)
        return waiting.store

    assert kind.is_left(run(main()))


@pytest.mark.parametrize(
    ("kind", "ways"),
    [(CORE, ["timeout"]), (CORE, ["wait_for"]), (CORE, ["timeout", "wait_for"]), (COMPONENT, ["timeout"]), (COMPONENT, ["wait_for"])],
    ids=["core-timeout", "core-wait_for", "core-both", "component-timeout", "component-wait_for"],
)
def test_a_timeout_ends_the_call(run: Any, kind: Kind, ways: list[str]) -> None:
    async def main() -> Store:
        waiting = Waiting(kind)
        for number, way in enumerate(ways, 1):
            with pytest.raises(TimeoutError):
                if way == "timeout":
                    async with asyncio.timeout(0.01):
                        await waiting.call()
                else:
                    await asyncio.wait_for(waiting.call(), 0.01)
            assert waiting.seen == ["CancelledError", "finally"] * number
        assert works(waiting.store)
        return waiting.store

    assert kind.is_left(run(main()))


@of_each_kind
def test_a_task_group_cancels_its_calls(kind: Kind) -> None:
    async def main() -> Store:
        waiting = Waiting(kind)

        async def fail() -> None:
            await waiting.started.wait()
            raise KeyError("other")

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(waiting.call())
                group.create_task(fail())
        assert waiting.seen == ["CancelledError", "finally"]
        return waiting.store

    assert kind.is_left(asyncio.run(main()))


@of_each_kind
def test_a_host_coroutine_may_survive_its_cancellation(run: Any, kind: Kind) -> None:
    async def stubborn(number: int) -> int:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return number + 1
        return 0

    async def main() -> None:
        store, f = kind.relay(stubborn)
        task = asyncio.create_task(f.call_async(store, 1))
        await asyncio.sleep(0)
        task.cancel()
        assert await task == 2
        assert await kind.add(store).call_async(store, 1, 2) == 3

    run(main())


@of_each_kind
def test_a_host_coroutine_may_clean_up_with_the_store(run: Any, kind: Kind) -> None:
    store = Store()
    add = kind.add(store)
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
        _, f = kind.relay(wait, store)
        task = asyncio.create_task(f.call_async(store, 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert seen == [2, 3]
    assert kind.is_left(store)


@pytest.mark.parametrize("in_thread", [False, True])
@pytest.mark.parametrize("way", ["cancel", "timeout", "wait_for"])
@of_kinds(CORE, COMPONENT, COMPOSED)
def test_a_computing_guest_is_stopped(run: Any, kind: Kind, way: str, in_thread: bool) -> None:
    store = Store()
    spin = kind.spin(store)

    async def main() -> None:
        start = time.monotonic()
        if way == "cancel":
            task = asyncio.create_task(spin.call_async(store, in_thread=in_thread))
            await asyncio.sleep(0.05)
            task.cancel("enough")
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert caught.value.args == ("enough",)
        elif way == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await spin.call_async(store, in_thread=in_thread)
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(spin.call_async(store, in_thread=in_thread), 0.05)
        assert time.monotonic() - start < 10

    run(main())
    assert kind.is_left(store)


@of_kinds(CORE, COMPONENT, COMPOSED)
def test_a_computing_guest_in_a_nested_call_is_stopped(run: Any, kind: Kind) -> None:
    store = Store()
    spin = kind.spin(store)
    seen: list[str] = []

    async def outer(x: Any) -> Any:
        try:
            await spin.call_async(store)
        except asyncio.CancelledError:
            seen.append("cancelled")
            assert works(store)
            raise
        return x

    async def main() -> None:
        _, f = kind.relay(outer, store)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await f.call_async(store, kind.value)

    run(main())
    assert seen == ["cancelled"]
    assert kind.is_left(store)


@of_kinds(CORE, COMPONENT, COMPOSED)
def test_the_call_that_waits_for_a_computing_guest_goes_on_when_that_is_stopped(run: Any, kind: Kind) -> None:
    store = Store()
    spin = kind.spin(store)
    seen: list[str] = []

    async def outer(x: Any) -> Any:
        try:
            async with asyncio.timeout(0.05):
                await spin.call_async(store)
        except TimeoutError:
            seen.append("stopped")
        return x

    _, f = kind.relay(outer, store)
    assert run(f.call_async(store, kind.value)) == kind.value
    assert seen == ["stopped"]
    assert kind.is_left(store)


def starting_func(store: Store, callback: Any) -> tuple[Any, Any]:
    """The host function is one of the store."""
    linker = Linker(store.engine)
    linker.define(store, "", "h", host(store, callback))
    return linker, Module(store.engine, START)


FUNC = dataclasses.replace(CORE, name="func", starting=starting_func)


@of_kinds(*KINDS, FUNC)
def test_a_start_function_is_stopped(run: Any, kind: Kind) -> None:
    async def forever() -> None:
        await asyncio.Event().wait()

    store = Store()
    linker, compiled = kind.starting(store, forever)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(linker.instantiate_async(store, compiled), 0.01)

    run(main())
    assert kind.is_left(store)


@of_each_kind
def test_cancellation_before_the_start_runs_nothing(run: Any, kind: Kind) -> None:
    called: list[int] = []

    async def main() -> None:
        store, f = kind.relay(called.append)
        task = asyncio.create_task(f.call_async(store, 1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert kind.add(store)(store, 1, 2) == 3, "nothing is lost"

    run(main())
    assert called == []
