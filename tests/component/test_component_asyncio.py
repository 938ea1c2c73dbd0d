"""Functions of components that are awaited, and host functions of components that await."""

from __future__ import annotations

import asyncio
import gc
import random
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any

import pytest
from async_support import increment
from async_wit_support import COMPOSED, RELAY, UNUSABLE, fresh, plain, relay, relays
from canonical_abi import ENCODINGS
from reference_support import Comparison, engine
from wit_support import echo, instantiate, pair, scalar, through_host

from ferrowasm import ComponentTrap, Config, Engine, ExpiredError, Store, StoreContext, Trap, TrapCode, WasmtimeError
from ferrowasm.component import Component, Func, Linker


def test_an_asynchronous_instantiation_needs_what_the_component_imports() -> None:
    engine = Engine()
    with pytest.raises(WasmtimeError, match="imports function `f`"):
        asyncio.run(Linker(engine).instantiate_async(Store(engine), Component(engine, RELAY)))


def test_a_store_context_works_until_its_host_coroutine_returns() -> None:
    contexts: list[StoreContext] = []
    store = Store()
    add = plain("add", store)

    async def use(context: StoreContext, text: str) -> str:
        contexts.append(context)
        first = add(context, 1, 2)
        await asyncio.sleep(0)
        return f"{text} {first} {await add.call_async(context, 3, 4)} {add(store, 5, 6)}"

    linker = Linker(store.engine)
    with linker.root() as root:
        root.add_func("f", use)
    call = linker.instantiate(store, Component(store.engine, through_host("string"))).exports(store).call
    assert asyncio.run(call.call_async(store, "sums")) == "sums 3 7 11"
    with pytest.raises(ExpiredError):
        add(contexts[0], 1, 2)


def test_calls_of_components_and_of_core_modules_nest_in_each_other() -> None:
    import async_support

    store = Store()

    async def through_core(number: int) -> int:
        result: int = await core.call_async(store, number)
        return result + 1

    async def through_component(number: int) -> int:
        result: int = await inner.call_async(store, number)
        return result * 2

    _, inner = relay(increment, store)
    _, core = async_support.relay(through_component, store)
    _, outer = relay(through_core, store)
    assert asyncio.run(outer.call_async(store, 5)) == 13
    _, core_sync = async_support.relay(lambda x: plain("add", store)(store, x, 10), store)
    _, outer_sync = relay(lambda x: core_sync(store, x), store)
    assert (asyncio.run(outer_sync.call_async(store, 1)), outer_sync(store, 2)) == (11, 12)


def test_a_host_coroutine_cannot_enter_the_instance_that_called_it() -> None:
    async def again(number: int) -> int:
        with pytest.raises(Trap, match="a callback calls back into the component instance that called it"):
            await call.call_async(store, number)
        return number

    store, call = relay(again)
    assert asyncio.run(call.call_async(store, 4)) == 4
    assert call.call_async(store, 4).close() is None


class Enough(BaseException):
    pass


@pytest.mark.parametrize("error", [KeyError("host"), Enough(), SystemExit(3), KeyboardInterrupt()])
def test_exceptions_come_out_as_the_same_object_through_any_depth(error: BaseException) -> None:
    finished: list[int] = []

    async def descend(number: int) -> int:
        try:
            await asyncio.sleep(0)
            if number == 0:
                raise error
            result: int = await calls[number - 1].call_async(store, number - 1)
            return result
        finally:
            finished.append(number)

    store, calls = relays(descend, 6)

    async def main() -> None:
        with pytest.raises(type(error)) as caught:
            await calls[5].call_async(store, 5)
        assert caught.value is error
        assert [frame.name for frame in caught.traceback].count("descend") == 6
        with pytest.raises(Trap, match=UNUSABLE):
            await calls[5].call_async(store, 5)

    asyncio.run(main())
    assert finished == list(range(6))


def test_traps_are_those_of_a_synchronous_call(run: Any) -> None:
    for in_thread in (False, True):
        store, bad = fresh("bad")
        with pytest.raises(ComponentTrap) as caught:
            run(bad.call_async(store, in_thread=in_thread))
        assert caught.value.trap_code is TrapCode.UNREACHABLE
        assert [frame.func_name for frame in caught.value.frames] == ["bad"]
        with pytest.raises(Trap, match=UNUSABLE):
            run(bad.call_async(store))
        with pytest.raises(Trap, match=UNUSABLE):
            bad(store)


def test_a_trap_of_a_component_inside_of_a_component_is_one_of_both(run: Any) -> None:
    for _ in range(10):
        store = Store()
        bad = plain("bad", store, COMPOSED)
        with pytest.raises(ComponentTrap) as caught:
            run(bad.call_async(store))
        assert caught.value.trap_code is TrapCode.UNREACHABLE
        with pytest.raises(Trap, match=UNUSABLE):
            run(bad.call_async(store))


def test_a_result_that_does_not_fit_names_the_place() -> None:
    async def wrong(_context: StoreContext, x: list[Any]) -> list[Any]:
        await asyncio.sleep(0)
        return [*x, "text"]

    store, function = instantiate(through_host("(list u16)"), f=wrong)
    with pytest.raises(TypeError, match=r"^result\[2\]: expected an int for u16, got str$"):
        asyncio.run(function("call").call_async(store, [1, 2]))


class Witness:
    pass


def test_the_arguments_of_a_suspended_call_are_let_go_of() -> None:
    """The guest has its copy: a bytearray can be resized while the call is awaited."""
    data = bytearray(b"data")

    async def main() -> None:
        started, finish = asyncio.Event(), asyncio.Event()

        async def wait(_context: StoreContext, x: bytes) -> bytes:
            started.set()
            await finish.wait()
            return x

        store, function = instantiate(through_host("(list u8)"), f=wait)
        task = asyncio.create_task(function("call").call_async(store, data))
        await started.wait()
        data.extend(b" and more")
        finish.set()
        assert await task == b"data"

    asyncio.run(main())


def test_what_a_host_coroutine_returns_is_freed_when_it_was_passed_on() -> None:
    data = Witness(), bytearray(b"result")
    gone = weakref.ref(data[0])

    async def give(_context: StoreContext, _x: bytes) -> Any:
        class Owner(bytearray):
            witness = data[0]

        return Owner(b"result")

    async def main() -> None:
        store, function = instantiate(through_host("(list u8)"), f=give)
        assert await function("call").call_async(store, b"") == b"result"

    asyncio.run(main())
    del data
    gc.collect()
    assert gone() is None


@pytest.mark.parametrize(
    "program",
    [
        "asyncio.run(main())",
        "loop = asyncio.new_event_loop(); loop.run_until_complete(main()); left.append(loop)",
        "import threading; thread = threading.Thread(target=lambda: asyncio.run(main()), daemon=True); thread.start(); thread.join(0.5)",
    ],
    ids=["closed loop", "open loop", "daemon thread"],
)
def test_the_interpreter_ends_cleanly_with_suspended_guests(program: str) -> None:
    code = f"""
import asyncio, sys
sys.path[:0] = {sys.path!r}
from wit_support import instantiate, through_host
from async_wit_support import PLAIN, plain, relays
from ferrowasm import Store
left = []
async def wait(context, x):
    try:
        await asyncio.get_running_loop().create_future()
    finally:
        left.append(x)
async def descend(number):
    if number == 0:
        await asyncio.get_running_loop().create_future()
    return await calls[number - 1].call_async(store, number - 1)
store, calls = relays(descend, 3)
async def main():
    call = calls[2].call_async(store, 2)
    call.send(None)
    other, function = instantiate(through_host("string"), f=wait)
    task = asyncio.create_task(function("call").call_async(other, "x" * 100000))
    third = Store()
    spin = plain("spin", third).call_async(third)
    spin.send(None)
    await asyncio.sleep(0)
    left.extend([call, task, spin])
{program}
print("end", flush=True)
"""
    done = subprocess.run([sys.executable, "-X", "dev", "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "end\n"), done.stderr
    assert "panicked" not in done.stderr and "Fatal" not in done.stderr


def test_fuel_gives_turns() -> None:
    config = Config()
    config.consume_fuel = True
    config.interruptible = False
    store = Store(Engine(config))
    store.set_fuel(10_000_000)
    count = plain("count", store)
    store.fuel_async_yield_interval(10_000)
    call = count.call_async(store, 100_000)
    turns = 0
    with pytest.raises(StopIteration) as stop:
        while call.send(None) is None:
            turns += 1
    assert stop.value.value == 0
    assert turns >= 10
    assert count(store, 100_000) == 0


def test_a_call_in_a_thread_leaves_the_loop_free_and_calls_the_host_on_it(run: Any) -> None:
    seen: list[int] = []

    async def look(_context: StoreContext, text: str) -> str:
        seen.append(threading.get_ident())
        await asyncio.sleep(0.001)
        seen.append(threading.get_ident())
        return text[::-1]

    class Index:
        """Converted on the thread of the loop."""

        def __index__(self) -> int:
            seen.append(threading.get_ident())
            return 3 * 10**8

    async def main() -> int:
        store, function = instantiate(through_host("string"), f=look)
        assert await function("call").call_async(store, "text", in_thread=True) == "txet"
        other, count = fresh("count")
        task = asyncio.create_task(count.call_async(other, Index(), in_thread=True))
        turns = 0
        while not task.done():
            await asyncio.sleep(0.001)
            turns += 1
        assert await task == 0
        return turns

    assert run(main()) >= 5
    assert seen == [threading.get_ident()] * 3


def test_calls_work_without_concurrency_support() -> None:
    config = Config()
    config.concurrency_support = False
    config.wasm_component_model_async = False
    store, call = relay(increment, Store(Engine(config)))
    assert asyncio.run(call.call_async(store, 1)) == 2

    async def descend(number: int) -> int:
        await asyncio.sleep(0)
        return 1 if number == 0 else 1 + await calls[number - 1].call_async(store, number - 1)

    store, calls = relays(descend, 4, Store(Engine(config)))
    assert asyncio.run(calls[3].call_async(store, 3)) == 4
    store, bad = fresh("bad", Engine(config))
    with pytest.raises(ComponentTrap):
        asyncio.run(bad.call_async(store))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (scalar("u8", "i32"), 255),
        (scalar("s64", "i64"), -(2**63)),
        (scalar("f32", "f32"), 1.5),
        (scalar("bool", "i32"), True),
        (scalar("char", "i32"), "\U0001f40d"),
        (pair("string"), "sn\xf6w \u2603" * 1000),
        (pair("(list u8)"), bytes(range(256)) * 4000),
        (pair("(list string)"), ["a", "", "b" * 1000]),
        (pair("(option u32)"), None),
        (pair("(result u32)"), 7),
    ],
)
def test_values_of_all_kinds_cross(text: str, value: Any) -> None:
    store, function = instantiate(text)
    assert asyncio.run(function("echo").call_async(store, value)) == function("echo")(store, value)
    assert asyncio.run(function("echo").call_async(store, value, in_thread=True)) == function("echo")(store, value)


def test_parameters_and_results_in_memory_cross() -> None:
    fields = [f"f{n}" for n in range(20)]
    types = f'(type $r-type (record {" ".join(f"""(field "{name}" u32)""" for name in fields)})) (import "r" (type $r (eq $r-type)))'
    text = echo("$r", "(param i32)", "(result i32)", "(local.get 0)", types)
    from ferrowasm.component import Record

    store, function = instantiate(text)
    value = Record(**{name: number for number, name in enumerate(fields)})
    assert asyncio.run(function("echo").call_async(store, value)) == value


def test_results_have_the_form_that_was_asked_for() -> None:
    store, function = instantiate(pair("(list u32)"))
    result = asyncio.run(function("echo").with_results(buffers=True).call_async(store, [1, 2, 3]))
    assert isinstance(result, memoryview) and result.tolist() == [1, 2, 3]


class AsyncExports:
    """The exports of an instance, called through `call_async`, here and there in a thread."""

    def __init__(self, exports: Any, rng: random.Random) -> None:
        self.exports, self.rng = exports, rng

    def __getattr__(self, name: str) -> Callable[..., Any]:
        func: Func = getattr(self.exports, name)
        return lambda store, *args: asyncio.run(func.call_async(store, *args, in_thread=self.rng.random() < 0.2))


class AsyncComparison(Comparison):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.exports: Any = AsyncExports(self.exports, self.rng)

    def _host(self, context: object, x: Any) -> Any:
        answer = super()._host(context, x)

        async def wait() -> Any:
            await asyncio.sleep(0)
            return answer

        return wait()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_random_values_of_random_types_cross_as_the_reference_says(encoding: str) -> None:
    shared = engine()
    for seed in range(25):
        comparison = AsyncComparison(shared, random.Random(seed), encoding, depth=4)
        for _ in range(2):
            comparison.check()


def test_python_code_that_a_conversion_runs_cannot_use_the_store() -> None:
    """Neither while arguments are converted, nor while a host function's result is, when the guest is suspended."""
    seen: list[str] = []

    class Hostile:
        def __index__(self) -> int:
            for use in (
                lambda: call(store, [1]),
                lambda: call.call_async(store, [1]).send(None),
                lambda: plain("add", store),
                store.gc,
                store.close,
                lambda: store.set_fuel(1),
            ):
                try:
                    use()
                except Exception as error:
                    seen.append(type(error).__name__)
            return 5

    async def give(_context: StoreContext, x: list[int]) -> Any:
        await asyncio.sleep(0)
        return [*x, Hostile()]

    store, function = instantiate(through_host("(list u32)"), f=give)
    call = function("call")
    assert asyncio.run(call.call_async(store, [1, Hostile()])) == [1, 5, 5]
    assert seen == ["StoreBusyError"] * 12
    assert asyncio.run(call.call_async(store, [1])) == [1, 5]


def test_exceptions_of_conversions_come_out_unchanged() -> None:
    error = Enough()

    class Raising:
        def __index__(self) -> int:
            raise error

    async def give(_context: StoreContext, x: list[int]) -> Any:
        return [Raising()]

    store, function = instantiate(through_host("(list u32)"), f=give)
    with pytest.raises(Enough) as caught:
        asyncio.run(function("call").call_async(store, [Raising()]))
    assert caught.value is error
    with pytest.raises(Enough) as caught:
        asyncio.run(function("call").call_async(store, [1]))
    assert caught.value is error


def test_a_guest_that_gives_nonsense_is_an_error() -> None:
    """What is wrong with a result is found while the guest is suspended, too."""
    text = echo("string", "(param i32 i32)", "(result i32)", "(i32.store (i32.const 16) (i32.const -1)) (i32.store (i32.const 20) (i32.const 5)) (i32.const 16)")
    store, function = instantiate(text)
    with pytest.raises(WasmtimeError, match="out of bounds of memory"):
        asyncio.run(function("echo").call_async(store, "x"))
    with pytest.raises(Trap, match=UNUSABLE):
        asyncio.run(function("echo").call_async(store, "x"))


def test_functions_that_are_async_in_wit_are_refused() -> None:
    text = """(component
      (core module $m (func (export "f") (result i32) (i32.const 5)))
      (core instance $m (instantiate $m))
      (func (export "f") async (result u32) (canon lift (core func $m "f"))))"""
    store, function = instantiate(text)
    with pytest.raises(WasmtimeError, match="^functions that are async in WIT cannot be called asynchronously yet$"):
        asyncio.run(function("f").call_async(store))
