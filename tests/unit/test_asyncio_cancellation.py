"""Cancellation ends a call wherever it waits, and leaves a store that works."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from async_support import ADD, LOOPS, SPIN, exports_of, relay
from support import host, instantiate

from ferrowasm import Func, Store


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    return LOOPS[request.param]


class Waiting:
    """A call whose host coroutine waits forever, and what became of that."""

    def __init__(self, depth: int = 0) -> None:
        self.seen: list[str] = []
        self.started = asyncio.Event()
        self.store = Store()
        self.depth = depth
        _, self.f = relay(self.host, self.store)

    async def host(self, number: int) -> int:
        try:
            if number > 0:
                result: int = await self.f.call_async(self.store, number - 1)
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
        return self.f.call_async(self.store, self.depth)


def works(store: Store) -> bool:
    return bool(exports_of(ADD, store).func("add")(store, 1, 2) == 3)


@pytest.mark.parametrize("depth", [0, 1, 5])
def test_cancelling_the_task_ends_the_host_coroutine(run: Any, depth: int) -> None:
    async def main() -> None:
        waiting = Waiting(depth)
        task = asyncio.create_task(waiting.call())
        await waiting.started.wait()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError) as caught:
            await task
        assert caught.value.args == ("enough",)
        assert waiting.seen == ["CancelledError", "finally"] * (depth + 1)
        assert works(waiting.store)

    run(main())


def test_a_timeout_ends_the_call(run: Any) -> None:
    async def main() -> None:
        waiting = Waiting()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await waiting.call()
        assert waiting.seen == ["CancelledError", "finally"]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting.call(), 0.01)
        assert waiting.seen == ["CancelledError", "finally"] * 2
        assert works(waiting.store)

    run(main())


def test_a_task_group_cancels_its_calls() -> None:
    async def main() -> None:
        waiting = Waiting()

        async def fail() -> None:
            await waiting.started.wait()
            raise KeyError("other")

        with pytest.raises(ExceptionGroup):
            async with asyncio.TaskGroup() as group:
                group.create_task(waiting.call())
                group.create_task(fail())
        assert waiting.seen == ["CancelledError", "finally"]

    asyncio.run(main())


def test_a_host_coroutine_may_survive_its_cancellation(run: Any) -> None:
    async def stubborn(number: int) -> int:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            return number + 1
        return 0

    async def main() -> None:
        store, f = relay(stubborn)
        task = asyncio.create_task(f.call_async(store, 1))
        await asyncio.sleep(0)
        task.cancel()
        assert await task == 2

    run(main())


def test_a_host_coroutine_may_clean_up_with_the_store(run: Any) -> None:
    store = Store()
    add = exports_of(ADD, store).func("add")
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
        _, f = relay(wait, store)
        task = asyncio.create_task(f.call_async(store, 1))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())
    assert seen == [2, 3]
    assert works(store)


@pytest.mark.parametrize("kind", ["cancel", "timeout", "wait_for"])
def test_a_computing_guest_is_stopped(run: Any, kind: str) -> None:
    store = Store()
    spin = exports_of(SPIN, store).func("spin")

    async def main() -> None:
        if kind == "cancel":
            task = asyncio.create_task(spin.call_async(store))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        elif kind == "timeout":
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await spin.call_async(store)
        else:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(spin.call_async(store), 0.05)

    run(main())
    assert works(store)


def test_a_computing_guest_in_a_nested_call_is_stopped(run: Any) -> None:
    store = Store()
    spin = exports_of(SPIN, store).func("spin")
    seen: list[str] = []

    async def outer(number: int) -> int:
        try:
            await spin.call_async(store)
        except asyncio.CancelledError:
            seen.append("cancelled")
            assert works(store)
            raise
        return number

    async def main() -> None:
        _, f = relay(outer, store)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await f.call_async(store, 1)

    run(main())
    assert seen == ["cancelled"]
    assert works(store)


def test_a_start_function_is_stopped(run: Any) -> None:
    store = Store()

    async def forever() -> None:
        await asyncio.Event().wait()

    async def main() -> None:
        from ferrowasm import Linker, Module

        linker = Linker(store.engine)
        linker.define(store, "", "h", host(store, forever))
        module = Module(store.engine, '(module (import "" "h" (func $h)) (start $h))')
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(linker.instantiate_async(store, module), 0.01)

    run(main())
    assert works(store)


def test_cancellation_before_the_start_runs_nothing(run: Any) -> None:
    called: list[int] = []

    async def main() -> None:
        store, f = relay(called.append)
        task = asyncio.create_task(f.call_async(store, 1))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert works(store)

    run(main())
    assert called == []


def test_webassembly_does_not_go_on_after_its_cancellation() -> None:
    """What follows the call of the host function is not reached."""
    store = Store()
    wat = """(module (import "" "h" (func $h)) (global $g (export "g") (mut i32) (i32.const 0))
      (func (export "f") (call $h) (global.set $g (i32.const 1))))"""

    async def wait() -> None:
        await asyncio.sleep(10)

    _, exports = instantiate(wat, [host(store, wait)], store)
    f: Func = exports.func("f")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(f.call_async(store), 0.01)

    asyncio.run(main())
    assert exports.global_("g").value(store) == 0
