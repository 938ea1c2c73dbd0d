"""Calls that are awaited, and host functions that await: what is the same for functions of modules and of components."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import threading
import time
import types
import warnings
import weakref
from collections.abc import Generator
from typing import Any

import pytest
from async_support import REACHED, SUSPENDED, increment, works
from awaited_support import BYTES, COMPONENT, CORE, STRING, Kind, of_each_kind, of_kinds
from support import raises

from ferrowasm import Engine, SignatureError, Store, StoreBusyError, WasmtimeError, WrongEngineError, WrongStoreError


@of_each_kind
def test_a_call_can_be_awaited(run: Any, kind: Kind) -> None:
    store = Store()
    add = kind.add(store)

    async def main() -> tuple[int, int]:
        return await add.call_async(store, 1, 2), await asyncio.create_task(add.call_async(store, 3, 4))

    assert run(main()) == (3, 7)


@of_kinds(CORE, COMPONENT, STRING, BYTES)
def test_a_host_function_that_awaits_lets_other_tasks_run(run: Any, kind: Kind) -> None:
    seen: list[str] = []

    async def main() -> None:
        event = asyncio.Event()

        async def wait(x: Any) -> Any:
            seen.append("wait")
            await event.wait()
            return x + x

        async def other() -> None:
            seen.append("other")
            event.set()

        store, f = kind.relay(wait)
        results: Any = await asyncio.gather(f.call_async(store, kind.value), other())
        assert results == [kind.value + kind.value, None]

    run(main())
    assert seen == ["wait", "other"]


class Awaitable:
    """Something that can be awaited and is no coroutine."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __await__(self) -> Generator[Any, Any, int]:
        yield from asyncio.sleep(0).__await__()
        return self.value


@types.coroutine
def generator_based(value: int) -> Generator[Any, Any, int]:
    yield
    return value + 1


@of_each_kind
@pytest.mark.parametrize(
    "function",
    [increment, functools.partial(increment), lambda x: increment(x), lambda x: Awaitable(x + 1), generator_based],
    ids=["async def", "partial", "lambda", "awaitable", "generator"],
)
def test_any_callable_that_returns_an_awaitable_is_an_asynchronous_host_function(kind: Kind, function: Any) -> None:
    store, f = kind.relay(function)
    assert asyncio.run(f.call_async(store, 1)) == 2


@of_each_kind
def test_plain_host_functions_work_in_both_kinds_of_calls(kind: Kind) -> None:
    store, f = kind.relay(lambda x: x + 1)
    assert (f(store, 1), asyncio.run(f.call_async(store, 2)), f(store, 3)) == (2, 3, 4)


@of_each_kind
def test_a_synchronous_call_that_reaches_an_asynchronous_host_function_says_what_to_use(kind: Kind) -> None:
    store, f = kind.relay(increment)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with raises(WasmtimeError, REACHED):
            f(store, 1)
        if kind.loses_stores:
            store, f = kind.relay(increment)
        assert asyncio.run(f.call_async(store, 1)) == 2
        with raises(WasmtimeError, REACHED):
            f(store, 1)


@of_each_kind
def test_linkers_take_asynchronous_functions_and_instantiate_both_ways(kind: Kind) -> None:
    store = Store()
    linker, compiled = kind.linking(store, increment)

    async def main() -> None:
        pre = linker.instantiate_pre(compiled)
        for instance in [
            linker.instantiate(store, compiled),
            await linker.instantiate_async(store, compiled),
            await pre.instantiate_async(store),
            pre.instantiate(store),
        ]:
            assert isinstance(instance, kind.instance)
            assert await instance.exports(store)[kind.export].call_async(store, 1) == 2
        with pytest.raises(WrongEngineError):
            await pre.instantiate_async(Store())

    asyncio.run(main())


@of_each_kind
def test_a_start_function_can_wait(kind: Kind) -> None:
    seen: list[int] = []

    async def note() -> None:
        await asyncio.sleep(0.001)
        seen.append(1)

    store = Store()
    linker, compiled = kind.starting(store, note)

    async def main() -> None:
        pre = linker.instantiate_pre(compiled)
        await linker.instantiate_async(store, compiled)
        await pre.instantiate_async(store)
        assert seen == [1, 1]
        with raises(WasmtimeError, REACHED):
            linker.instantiate(store, compiled)
        with raises(WasmtimeError, REACHED):
            pre.instantiate(Store(store.engine) if kind.loses_stores else store)
        with raises(WasmtimeError, REACHED):
            linker.instantiate(Store(store.engine), compiled)

    asyncio.run(main())
    assert seen == [1, 1]


@of_each_kind
def test_context_variables_are_those_of_the_caller(run: Any, kind: Kind) -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")
    seen: list[str] = []

    async def look(number: int) -> int:
        seen.append(variable.get())
        await asyncio.sleep(0)
        seen.append(variable.get())
        variable.set("host")
        return number

    async def main() -> None:
        store, f = kind.relay(look)
        variable.set("caller")
        await f.call_async(store, 1)
        seen.append(variable.get())

    run(main())
    assert seen == ["caller", "caller", "host"]


@of_each_kind
def test_the_host_function_runs_in_the_task_and_thread_of_the_caller(run: Any, kind: Kind) -> None:
    threads: list[int] = []

    async def main() -> None:
        async def look(number: int) -> int:
            threads.append(threading.get_ident())
            return int(asyncio.current_task() is task)

        store, f = kind.relay(look)
        task = asyncio.create_task(f.call_async(store, 0))
        assert await task == 1

    run(main())
    assert threads == [threading.get_ident()]


@of_each_kind
def test_a_second_call_of_a_suspended_store_raises_at_once(run: Any, kind: Kind) -> None:
    async def main() -> None:
        started, finish = asyncio.Event(), asyncio.Event()

        async def wait(number: int) -> int:
            started.set()
            await finish.wait()
            return number

        store, f = kind.relay(wait)
        task = asyncio.create_task(f.call_async(store, 1))
        await started.wait()
        for use in (lambda: f(store, 2), lambda: kind.add(store), store.close, store.gc):
            with raises(StoreBusyError, SUSPENDED):
                use()
        with raises(StoreBusyError, SUSPENDED):
            await f.call_async(store, 2)
        assert repr(store) == "<Store (suspended)>"
        finish.set()
        assert await task == 1
        assert await f.call_async(store, 3) == 3

    run(main())


@of_each_kind
@pytest.mark.parametrize("depth", [1, 2, 30])
def test_nested_calls_work_at_any_depth(run: Any, kind: Kind, depth: int) -> None:
    """Those of components into an instance of its own each: one that waits for its host must not be entered again."""

    async def descend(number: int) -> int:
        await asyncio.sleep(0)
        if number == 0:
            return 100
        result: int = await calls[number - 1].call_async(store, number - 1)
        await asyncio.sleep(0)
        return result + 1

    store, calls = kind.relays(descend, depth + 1)
    assert run(calls[depth].call_async(store, depth)) == 100 + depth
    assert run(calls[depth].call_async(store, depth)) == 100 + depth


@of_each_kind
def test_a_synchronous_call_inside_of_an_asynchronous_one_cannot_reach_an_asynchronous_host_function(kind: Kind) -> None:
    store = Store()
    _, inner = kind.relay(increment, store)
    _, f = kind.relay(lambda x: inner(store, x), store)
    with raises(WasmtimeError, REACHED):
        asyncio.run(f.call_async(store, 1))


@of_each_kind
def test_an_asynchronous_call_cannot_begin_inside_of_a_synchronous_one(kind: Kind) -> None:
    store = Store()
    _, inner = kind.relay(increment, store)

    def begin(number: int) -> int:
        for call in (inner.call_async(store, number), kind.add(store).call_async(store, number, 1)):
            with raises(
                StoreBusyError,
                "an asynchronous call cannot begin inside of a synchronous call of the same store; make the outer call with call_async, too",
            ):
                call.send(None)
        return number

    _, f = kind.relay(begin, store)
    assert f(store, 1) == 1


@pytest.mark.parametrize(
    ("kind", "error", "message", "numbers", "unfit"),
    [
        (CORE, SignatureError, "too few parameters provided: given 1, expected 2", (2**40, 1), "1099511627776 does not fit i32"),
        (COMPONENT, TypeError, "wrong number of parameters provided: given 1, expected 2", (1, -1), "b: -1 does not fit u32"),
    ],
    ids=["core", "component"],
)
def test_misuse_raises_when_the_call_is_awaited(kind: Kind, error: type[Exception], message: str, numbers: tuple[int, int], unfit: str) -> None:
    store = Store()
    add = kind.add(store)
    with raises(error, message):
        asyncio.run(add.call_async(store, 1))
    with pytest.raises(OverflowError, match=f"^{unfit}"):
        asyncio.run(add.call_async(store, *numbers))
    with pytest.raises(WrongStoreError):
        asyncio.run(add.call_async(Store(store.engine), 1, 2))
    with pytest.raises(TypeError, match="expected a Store, Caller or StoreContext, got int"):
        _ = add.call_async(1, 2)
    assert add(store, 1, 2) == 3


@of_each_kind
def test_a_call_is_a_coroutine_in_all_that_matters(kind: Kind) -> None:
    store = Store()
    call: Any = kind.add(store).call_async(store, 1, 2)
    is_coroutine: bool = asyncio.iscoroutine(call)
    assert is_coroutine
    assert (call.__name__, call.__qualname__, repr(call)) == ("call_async", "Func.call_async", "<Func.call_async (created)>")
    with raises(TypeError, "can't send non-None value to a just-started coroutine"):
        call.send(1)
    with pytest.raises(StopIteration) as stop:
        call.send(None)
    assert stop.value.value == 3
    with raises(RuntimeError, "cannot reuse already awaited coroutine"):
        call.send(None)
    assert repr(call) == "<Func.call_async (done)>"
    call.close()
    linker, compiled = kind.linking(store, increment)
    for other, name in [
        (linker.instantiate_async(store, compiled), "Linker.instantiate_async"),
        (linker.instantiate_pre(compiled).instantiate_async(store), "InstancePre.instantiate_async"),
    ]:
        assert repr(other) == f"<{name} (created)>"
        other.close()


@of_each_kind
def test_a_call_that_is_never_awaited_warns(kind: Kind) -> None:
    store = Store()
    add = kind.add(store)
    with pytest.warns(RuntimeWarning, match=r"^coroutine 'Func\.call_async' was never awaited$"):
        _ = add.call_async(store, 1, 2)
        del _
        gc.collect()


@of_each_kind
def test_close_ends_the_host_function_and_frees_the_store(kind: Kind) -> None:
    seen: list[str] = []

    async def wait(number: int) -> int:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append("finally")
        return number

    async def main() -> Store:
        store, f = kind.relay(wait)
        call = f.call_async(store, 1)
        call.send(None)
        assert repr(call) == "<Func.call_async (suspended)>"
        call.close()
        assert seen == ["finally"]
        assert works(store)
        return store

    assert kind.is_left(asyncio.run(main()))


class Witness:
    pass


@of_kinds(CORE, COMPONENT, STRING, BYTES)
def test_an_abandoned_call_is_freed_with_all_that_it_refers_to(kind: Kind) -> None:
    async def main() -> list[weakref.ref[Any]]:
        witness, argument = Witness(), Witness()

        async def wait(x: Any) -> Any:
            await asyncio.get_running_loop().create_future()
            return x, witness

        value = type("Argument", (type(kind.value),), {})(kind.value)
        value.argument = argument
        store, f = kind.relay(wait)
        store.calls = [f.call_async(store, value)]  # type: ignore[attr-defined]
        store.calls[0].send(None)  # type: ignore[attr-defined]
        return [weakref.ref(witness), weakref.ref(argument), weakref.ref(store)]

    gone = asyncio.run(main())
    gc.collect()
    assert [ref() for ref in gone] == [None] * 3


@of_each_kind
def test_abandoned_nested_calls_are_freed(kind: Kind) -> None:
    finished: list[int] = []

    async def descend(number: int) -> int:
        try:
            if number == 0:
                await asyncio.get_running_loop().create_future()
            result: int = await calls[number - 1].call_async(store, number - 1)
            return result
        finally:
            finished.append(number)

    store, calls = kind.relays(descend, 6)

    async def main() -> None:
        calls[5].call_async(store, 5).send(None)
        gc.collect()

    asyncio.run(main())
    assert finished == list(range(6))
    assert kind.is_left(store)


@pytest.mark.parametrize(("kind", "turns", "seconds"), [(CORE, 3, 0.3), (COMPONENT, 5, 30)], ids=["core", "component"])
def test_a_computing_guest_lets_other_tasks_run(run: Any, kind: Kind, turns: int, seconds: float) -> None:
    store = Store()
    spin = kind.spin(store)

    async def main() -> int:
        task = asyncio.create_task(spin.call_async(store))
        seen = 0
        end = time.monotonic() + seconds
        while seen < turns and time.monotonic() < end:
            await asyncio.sleep(0)
            seen += 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return seen

    assert run(main()) == turns
    assert kind.is_left(store)


@of_each_kind
def test_stores_interleave_on_one_loop(run: Any, kind: Kind) -> None:
    engine = Engine()
    order: list[int] = []

    async def main() -> list[int]:
        async def wait(number: int) -> int:
            await asyncio.sleep(0.001 * (10 - number))
            order.append(number)
            return number * number

        pairs = [kind.relay(wait, Store(engine)) for _ in range(10)]
        return list(await asyncio.gather(*(f.call_async(store, i) for i, (store, f) in enumerate(pairs))))

    assert run(main()) == [i * i for i in range(10)]
    assert sorted(order) == list(range(10))
    assert order != sorted(order)


@of_each_kind
def test_a_store_moves_between_event_loops_and_threads(kind: Kind) -> None:
    store, f = kind.relay(increment)
    assert [asyncio.run(f.call_async(store, i)) for i in range(3)] == [1, 2, 3]

    async def main() -> int:
        return await asyncio.to_thread(lambda: asyncio.run(f.call_async(store, 10)))

    assert asyncio.run(main()) == 11


@pytest.mark.parametrize(("kind", "calls"), [(CORE, 2000), (COMPONENT, 1000), (STRING, 1000)], ids=["core", "component", "string"])
def test_calls_do_not_accumulate_memory(kind: Kind, calls: int) -> None:
    """The long form of this test is `tests/soak/soak_asyncio.py`."""
    import resource

    async def give(x: Any) -> Any:
        await asyncio.sleep(0)
        return x

    store, f = kind.relay(give)
    add = kind.add(store)

    async def many(count: int) -> None:
        for i in range(count):
            await add.call_async(store, i, 1)
            await f.call_async(store, kind.value)

    asyncio.run(many(calls))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    asyncio.run(many(5 * calls))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 4096
