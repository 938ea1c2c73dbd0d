"""Guests that compute, and the event loop: turns by epoch and by fuel, and threads."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from typing import Any

import pytest
from async_support import ADD, RELAY, SPIN, exports_of, relay
from support import engine_with, host, instantiate, raises

from ferrowasm import Engine, Func, Instance, Module, Store, Trap, TrapCode, WasmtimeError

#: Counts down from its argument.
COUNT = """(module (func (export "count") (param i64) (result i64)
  (loop (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br_if 0 (i64.gt_s (local.get 0) (i64.const 0)))) (local.get 0)))"""


def yields_of(call: Any) -> int:
    """How often a call gives the event loop a turn before it ends."""
    turns = 0
    while True:
        try:
            assert call.send(None) is None
        except StopIteration:
            return turns
        turns += 1


def test_fuel_gives_turns() -> None:
    engine = engine_with(consume_fuel=True, interruptible=False)
    store = Store(engine)
    store.set_fuel(10_000_000)
    count = exports_of(COUNT, store).func("count")
    store.fuel_async_yield_interval(10_000)
    assert yields_of(count.call_async(store, 100_000)) >= 10
    assert count(store, 100_000) == 0
    store.fuel_async_yield_interval(None)
    assert yields_of(count.call_async(store, 100_000)) == 0


def test_fuel_that_is_used_up_is_a_trap() -> None:
    store = Store(engine_with(consume_fuel=True))
    store.set_fuel(100_000)
    store.fuel_async_yield_interval(10_000)
    spin = exports_of(SPIN, store).func("spin")
    with pytest.raises(Trap) as caught:
        asyncio.run(spin.call_async(store))
    assert caught.value.trap_code is TrapCode.OUT_OF_FUEL
    with pytest.raises(Trap):
        spin(store)


def test_an_interval_of_fuel_is_checked() -> None:
    store = Store(engine_with(consume_fuel=True))
    with raises(ValueError, "interval must be at least 1"):
        store.fuel_async_yield_interval(0)
    with pytest.raises(TypeError):
        store.fuel_async_yield_interval("1")  # type: ignore[arg-type]
    with pytest.raises(WasmtimeError, match="fuel is not configured in this store"):
        Store().fuel_async_yield_interval(1)


def test_the_epoch_of_users_gives_turns() -> None:
    engine = engine_with(epoch_interruption=True)
    store = Store(engine)
    wat = """(module (import "" "h" (func $h)) (func (export "f") (call $h) (call $g)) (func $g))"""
    _, exports = instantiate(wat, [host(store, engine.increment_epoch)], store)
    store.set_epoch_deadline(1)
    store.epoch_deadline_async_yield_and_update(1)
    f = exports.func("f")
    # A tick of the clock reaches the guest now and then only.
    while not yields_of(f.call_async(store)):
        pass
    f(store)
    f(store)


def test_the_epoch_of_users_ends_calls_without_it() -> None:
    engine = engine_with(epoch_interruption=True)
    store = Store(engine)
    store.set_epoch_deadline(1)
    spin = exports_of(SPIN, store).func("spin")
    timer = threading.Timer(0.1, engine.increment_epoch)
    timer.start()
    with pytest.raises(Trap) as caught:
        asyncio.run(spin.call_async(store))
    timer.join()
    assert caught.value.trap_code is TrapCode.INTERRUPT


def test_computing_guests_share_the_loop(run: Any) -> None:
    engine = Engine()
    order: list[int] = []

    async def main() -> None:
        async def compute(number: int) -> None:
            store = Store(engine)
            # Many turns' worth on any machine: the other task needs four.
            await exports_of(COUNT, store).func("count").call_async(store, 10**9)
            order.append(number)

        async def short() -> None:
            for _ in range(3):
                await asyncio.sleep(0)
            order.append(-1)

        await asyncio.gather(compute(0), compute(1), short())

    run(main())
    assert order[0] == -1
    assert sorted(order) == [-1, 0, 1]


def test_a_call_in_a_thread_leaves_the_loop_free(run: Any) -> None:
    store = Store()
    count = exports_of(COUNT, store).func("count")

    async def main() -> int:
        task = asyncio.create_task(count.call_async(store, 3 * 10**8, in_thread=True))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert await task == 0
        return turns

    assert run(main()) >= 5
    assert count(store, 5) == 0


def test_a_call_in_a_thread_that_lets_others_have_their_turn_goes_on(run: Any) -> None:
    engine = engine_with(consume_fuel=True)
    store = Store(engine)
    store.set_fuel(10**12)
    store.fuel_async_yield_interval(10_000)
    count = exports_of(COUNT, store).func("count")

    async def main() -> int:
        result: int = await asyncio.wait_for(count.call_async(store, 10**6, in_thread=True), 60)
        return result

    assert run(main()) == 0


def test_host_functions_of_a_call_in_a_thread_run_on_the_loop(run: Any) -> None:
    seen: list[int] = []

    async def look(number: int) -> int:
        seen.append(threading.get_ident())
        await asyncio.sleep(0.001)
        asyncio.get_running_loop()
        seen.append(threading.get_ident())
        return number + 1

    store, f = relay(look)

    async def main() -> int:
        result: int = await f.call_async(store, 1, in_thread=True)
        return result

    assert run(main()) == 2
    assert seen == [threading.get_ident()] * 2


@pytest.mark.parametrize("kind", ["cancel", "timeout"])
def test_a_call_in_a_thread_is_cancelled(run: Any, kind: str) -> None:
    store = Store()
    spin = exports_of(SPIN, store).func("spin")

    async def main() -> None:
        start = time.monotonic()
        if kind == "cancel":
            task = asyncio.create_task(spin.call_async(store, in_thread=True))
            await asyncio.sleep(0.05)
            task.cancel("enough")
            with pytest.raises(asyncio.CancelledError) as caught:
                await task
            assert caught.value.args == ("enough",)
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await spin.call_async(store, in_thread=True)
        assert time.monotonic() - start < 5

    run(main())
    assert exports_of(ADD, store).func("add")(store, 1, 2) == 3


def test_a_store_that_runs_in_a_thread_is_busy(run: Any) -> None:
    store = Store()
    spin = exports_of(SPIN, store).func("spin")

    async def main() -> None:
        task = asyncio.create_task(spin.call_async(store, in_thread=True))
        await asyncio.sleep(0.02)
        with pytest.raises(Exception, match="a store runs one call at a time"):
            spin(store)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    run(main())


def test_an_abandoned_call_in_a_thread_is_stopped() -> None:
    store = Store()
    spin = exports_of(SPIN, store).func("spin")

    async def main() -> None:
        call = spin.call_async(store, in_thread=True)
        call.send(None)
        await asyncio.sleep(0.02)
        call.close()

    asyncio.run(main())
    assert exports_of(ADD, store).func("add")(store, 1, 2) == 3


def test_two_calls_in_threads_run_at_the_same_time() -> None:
    engine = Engine()

    async def main() -> list[int]:
        stores = [Store(engine) for _ in range(4)]
        calls = [exports_of(COUNT, store).func("count").call_async(store, 10**7, in_thread=True) for store in stores]
        return list(await asyncio.gather(*calls))

    assert asyncio.run(main()) == [0] * 4


def test_traps_come_out_of_threads() -> None:
    store, exports = instantiate('(module (func (export "bad") unreachable))')
    with pytest.raises(Trap) as caught:
        asyncio.run(exports.func("bad").call_async(store, in_thread=True))
    assert caught.value.trap_code is TrapCode.UNREACHABLE


def resident() -> int:
    """The memory of this process that is resident, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the memory of the process is read from /proc")
def test_ten_thousand_guests_are_suspended_on_one_loop() -> None:
    engine = Engine()
    count = 10_000

    async def main() -> float:
        finish = asyncio.Event()
        suspended = 0

        async def wait(number: int) -> int:
            nonlocal suspended
            suspended += 1
            await finish.wait()
            return number

        def guest() -> tuple[Store, Func]:
            store = Store(engine)
            return store, Instance(store, module, [host(store, wait, "i", "i")]).exports(store).func("f")

        module = Module(engine, RELAY)
        guests = [guest() for _ in range(count)]
        before = resident()
        tasks = [asyncio.create_task(f.call_async(store, i)) for i, (store, f) in enumerate(guests)]
        while suspended < count:
            await asyncio.sleep(0)
        each = (resident() - before) / count
        finish.set()
        assert await asyncio.gather(*tasks) == list(range(count))
        return each

    assert asyncio.run(main()) < 48 * 1024
