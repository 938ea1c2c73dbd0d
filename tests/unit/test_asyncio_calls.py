"""Functions of modules that are awaited, and host functions of modules that await."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import warnings
from typing import Any

import pytest
from async_support import ADD, REACHED, RELAY, START, SUSPENDED, exports_of, increment, relay
from support import engine_with, func_type, host, instantiate, raises

from ferrowasm import (
    Caller,
    ExpiredError,
    ExternRef,
    Func,
    Instance,
    Linker,
    Memory,
    Module,
    Store,
    StoreBusyError,
    Trap,
    TrapCode,
    WasmtimeError,
)

def test_a_call_can_be_the_main_program(run: Any) -> None:
    store = Store()
    assert run(exports_of(ADD, store).func("add").call_async(store, 20, 22)) == 42


@pytest.mark.parametrize(("results", "expected"), [("", None), ("i64", 1), ("i64 i64 i64", [1, 1, 1])])
def test_results_are_those_of_a_synchronous_call(results: str, expected: Any) -> None:
    values = "(i64.const 1)" * len(results.split())
    store, exports = instantiate(f'(module (func (export "f") (result {results}) {values}))')
    assert asyncio.run(exports.func("f").call_async(store)) == expected
    assert exports.func("f")(store) == expected


def test_references_cross_in_both_directions(run: Any) -> None:
    store = Store()

    async def pair(first: object, second: object) -> object:
        await asyncio.sleep(0)
        return [first, second]

    _, exports = instantiate(
        '(module (import "" "h" (func $h (param externref externref) (result externref)))'
        '(func (export "f") (param externref externref) (result externref externref)'
        "(call $h (local.get 1) (local.get 0)) (local.get 0)))",
        [host(store, pair, "ee", "e")],
        store,
    )
    a, b = object(), object()
    assert run(exports.func("f").call_async(store, a, b)) == [[b, a], a]


def test_a_future_may_be_returned_by_a_host_function(run: Any) -> None:
    async def main() -> int:
        future = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.01, future.set_result, 5)
        store, f = relay(lambda _: future)
        result: int = await f.call_async(store, 0)
        return result

    assert run(main()) == 5


def test_an_awaitable_is_no_externref() -> None:
    store = Store()

    async def make() -> int:
        return 5

    f = host(store, make, "", "e")
    with raises(WasmtimeError, REACHED):
        f(store)
    assert asyncio.run(f.call_async(store)) == 5


def test_a_host_function_can_be_called_directly() -> None:
    store = Store()
    assert asyncio.run(host(store, increment, "i", "i").call_async(store, 1)) == 2


def test_a_start_function_that_would_wait_in_a_synchronous_instantiation_says_what_to_use() -> None:
    store = Store()

    async def note() -> None:
        raise AssertionError("not reached")

    with raises(WasmtimeError, REACHED):
        Instance(store, Module(store.engine, START), [host(store, note)])


def test_a_synchronous_start_function_runs_in_a_store_that_has_made_asynchronous_calls() -> None:
    seen: list[str] = []
    store, f = relay(increment)
    asyncio.run(f.call_async(store, 1))
    Instance(store, Module(store.engine, START), [host(store, lambda: seen.append("started"))])
    assert seen == ["started"]


def test_a_caller_works_until_its_host_coroutine_returns() -> None:
    wat = """(module (import "" "h" (func $h)) (memory (export "memory") 1) (data (i32.const 0) "hello")
      (func (export "f") (call $h)))"""
    callers: list[Caller] = []
    store = Store()

    async def read(caller: Caller) -> None:
        callers.append(caller)
        memory = caller["memory"]
        assert isinstance(memory, Memory)
        assert memory.read(caller, 0, 5) == b"hello"
        await asyncio.sleep(0)
        memory.write(store, b"world")
        assert memory.grow(caller, 1) == 1

    _, exports = instantiate(wat, [host(store, read, access_caller=True)], store)
    asyncio.run(exports.func("f").call_async(store))
    assert exports.memory("memory").read(store, 0, 5) == b"world"
    with pytest.raises(ExpiredError):
        callers[0]["memory"]


def test_a_caller_is_refused_to_other_tasks_while_its_call_is_suspended() -> None:
    async def main() -> None:
        callers: list[Caller] = []
        finish = asyncio.Event()

        async def wait(caller: Caller, number: int) -> int:
            callers.append(caller)
            await finish.wait()
            return number

        store, f = relay(wait, access_caller=True)
        task = asyncio.create_task(f.call_async(store, 1))
        await asyncio.sleep(0)
        with raises(StoreBusyError, SUSPENDED):
            callers[0]["f"]
        finish.set()
        await task

    asyncio.run(main())


def test_endless_nesting_is_a_recursion_error() -> None:
    store = Store()

    async def descend(number: int) -> int:
        result: int = await f.call_async(store, number)
        return result

    _, f = relay(descend, store)
    with pytest.raises(RecursionError):
        asyncio.run(f.call_async(store, 1))
    assert exports_of(ADD, store).func("add")(store, 1, 2) == 3


@pytest.mark.parametrize("number_of_stores", [1, 2])
@pytest.mark.parametrize(("stack", "limit"), [(256 << 10, 1000), (1 << 20, 1000), (2 << 20, 5000)], ids=["256 KiB", "1 MiB", "2 MiB"])
def test_endless_nesting_ends_on_stacks_of_any_size(stack: int, limit: int, number_of_stores: int) -> None:
    """Where the native stack has less room than the interpreter's limit permits, which was measured, not guessed."""
    stores = [Store() for _ in range(number_of_stores)]
    depth = 0
    caught: list[BaseException] = []

    async def descend(number: int) -> int:
        nonlocal depth
        depth += 1
        result: int = await functions[depth % number_of_stores].call_async(stores[depth % number_of_stores], number)
        return result

    functions = [relay(descend, store)[1] for store in stores]

    def work() -> None:
        before = sys.getrecursionlimit()
        sys.setrecursionlimit(limit)
        try:
            asyncio.run(functions[0].call_async(stores[0], 1))
        except RecursionError as error:
            caught.append(error)
        finally:
            sys.setrecursionlimit(before)

    previous = threading.stack_size(stack)
    try:
        thread = threading.Thread(target=work)
        thread.start()
    finally:
        threading.stack_size(previous)
    thread.join()
    assert len(caught) == 1
    assert depth > 10
    for store in stores:
        assert exports_of(ADD, store).func("add")(store, 1, 2) == 3


def test_synchronous_calls_work_inside_of_asynchronous_ones() -> None:
    store = Store()
    add = exports_of(ADD, store).func("add")
    _, relayed = relay(lambda x: add(store, x, 1), store)

    async def twice(number: int) -> int:
        once: int = relayed(store, number)
        await asyncio.sleep(0)
        result: int = relayed(store, once)
        return result

    _, f = relay(twice, store)
    assert asyncio.run(f.call_async(store, 1)) == 3


def test_instances_can_be_made_inside_of_a_host_coroutine() -> None:
    store = Store()
    seen: list[str] = []

    async def make(number: int) -> int:
        await asyncio.sleep(0)
        _, exports = instantiate(START, [host(store, lambda: seen.append("started"))], store)
        assert len(exports) == 0
        result: int = exports_of(ADD, store).func("add")(store, number, 1)
        return result

    _, f = relay(make, store)
    assert asyncio.run(f.call_async(store, 1)) == 2
    assert seen == ["started"]


def test_garbage_is_collected_while_a_call_is_under_way() -> None:
    """The references on the suspended stack survive the collection."""
    store = Store()
    wat = """(module (import "" "h" (func $h (param i32)))
      (type $box (struct (field (mut i32))))
      (func (export "f") (param i32) (result i32) (local (ref null $box))
        (local.set 1 (struct.new $box (local.get 0)))
        (call $h (i32.sub (local.get 0) (i32.const 1)))
        (struct.get $box 0 (local.get 1))))"""

    async def collect(number: int) -> None:
        store.gc()
        await asyncio.sleep(0)
        store.gc()
        if number > 0:
            assert await f.call_async(store, number) == number
        references = [ExternRef(object()) for _ in range(10)]
        keep = host(store, lambda x: None, "e")
        for reference in references:
            keep(store, reference)
        store.gc()

    _, exports = instantiate(wat, [host(store, collect, "i")], store)
    f = exports.func("f")
    assert asyncio.run(f.call_async(store, 10)) == 10


def test_many_references_made_in_a_host_coroutine_survive() -> None:
    store = Store()
    keep: list[object] = []

    async def make() -> list[object]:
        for _ in range(3):
            identity = host(store, lambda x: x, "e", "e")
            for _ in range(3000):
                keep.append(object())
                assert identity(store, keep[-1]) is keep[-1]
            await asyncio.sleep(0)
        return keep

    f = host(store, make, "", "e")
    assert asyncio.run(f.call_async(store)) is keep


def test_exceptions_come_out_as_the_same_object(run: Any) -> None:
    error = KeyError("host")

    async def fail(number: int) -> int:
        await asyncio.sleep(0)
        raise error

    store, f = relay(fail)
    with pytest.raises(KeyError) as caught:
        run(f.call_async(store, 1))
    assert caught.value is error
    assert any(frame.name == "fail" for frame in caught.traceback)
    assert run(exports_of(ADD, store).func("add").call_async(store, 1, 2)) == 3


def test_exceptions_pass_through_nested_calls(run: Any) -> None:
    store = Store()
    finished: list[int] = []

    async def descend(number: int) -> int:
        try:
            await asyncio.sleep(0)
            if number == 0:
                raise LookupError("deep")
            result: int = await f.call_async(store, number - 1)
            return result
        finally:
            finished.append(number)

    _, f = relay(descend, store)
    with pytest.raises(LookupError, match="deep"):
        run(f.call_async(store, 20))
    assert finished == list(range(21))


def test_an_exception_of_a_nested_call_can_be_handled() -> None:
    store = Store()
    _, exports = instantiate('(module (func (export "bad") unreachable))', [], store)

    async def handle(number: int) -> int:
        with pytest.raises(Trap) as caught:
            await exports.func("bad").call_async(store)
        assert caught.value.trap_code is TrapCode.UNREACHABLE
        return number

    _, f = relay(handle, store)
    assert asyncio.run(f.call_async(store, 4)) == 4


def test_a_trap_tells_the_frames_of_all_calls() -> None:
    store = Store()
    _, bad = instantiate('(module (func $bad (export "bad") unreachable))', [], store)

    async def call(number: int) -> int:
        await bad.func("bad").call_async(store)
        return number

    wat = RELAY.replace('(func (export "f")', '(func $outer (export "f")')
    _, exports = instantiate(wat, [host(store, call, "i", "i")], store)
    with pytest.raises(Trap) as caught:
        asyncio.run(exports.func("f").call_async(store, 1))
    assert [frame.func_name for frame in caught.value.frames] == ["bad", "outer"]


@pytest.mark.parametrize("result", [(1, 2), (), None, ValueError("a value"), StopIteration(3)], ids=repr)
@pytest.mark.parametrize("traced", [False, True], ids=["", "traced"])
def test_any_result_is_told_from_the_end_of_an_iterator(result: object, traced: bool) -> None:
    """The interpreter has one way to go on with a coroutine, and another one where it is traced."""
    store, exports = instantiate('(module (func (export "f") (param externref) (result externref) (local.get 0)))')
    f = exports.func("f")

    async def main() -> None:
        assert await f.call_async(store, result) is result
        # What is awaited in a task is stepped by it, without the interpreter.
        assert await asyncio.ensure_future(f.call_async(store, result)) is result
        with pytest.raises(StopIteration) as end:
            f.call_async(store, result).send(None)
        assert end.value.value is result

    before = sys.gettrace()
    sys.settrace((lambda *_: None) if traced else before)
    try:
        asyncio.run(main())
    finally:
        sys.settrace(before)


def test_stop_iteration_is_no_end_of_the_call() -> None:
    def stop(number: int) -> int:
        raise StopIteration(number)

    store, f = relay(stop)
    with pytest.raises(RuntimeError, match="coroutine raised StopIteration") as caught:
        asyncio.run(f.call_async(store, 1))
    assert isinstance(caught.value.__cause__, StopIteration)


def test_a_result_that_does_not_fit_is_reported() -> None:
    async def wrong(number: int) -> Any:
        return "text"

    store, f = relay(wrong)
    with pytest.raises(TypeError):
        asyncio.run(f.call_async(store, 1))


def test_a_call_cannot_be_resumed_by_its_own_host_function() -> None:
    calls: list[Any] = []

    async def resume(number: int) -> int:
        with raises(ValueError, "coroutine already executing"):
            calls[0].send(None)
        return number

    store, f = relay(resume)
    calls.append(f.call_async(store, 1))
    assert asyncio.run(calls[0]) == 1


def test_a_call_that_is_closed_does_not_warn() -> None:
    store = Store()
    call = exports_of(ADD, store).func("add").call_async(store, 1, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        call.close()
        del call
        gc.collect()


def test_throw_before_the_start_ends_the_call() -> None:
    store = Store()
    call = exports_of(ADD, store).func("add").call_async(store, 1, 2)
    with pytest.raises(KeyError):
        call.throw(KeyError("x"))
    with raises(RuntimeError, "cannot reuse already awaited coroutine"):
        call.send(None)


def test_a_nested_call_that_is_not_awaited_to_its_end_ends_with_its_host_function() -> None:
    store = Store()
    left: list[Any] = []

    async def forever(number: int) -> int:
        await asyncio.get_running_loop().create_future()
        return number

    _, inner = relay(forever, store)

    async def leave(number: int) -> int:
        left.append(inner.call_async(store, number))
        left[0].send(None)
        with raises(StoreBusyError, SUSPENDED):
            inner(store, 1)
        return number

    _, f = relay(leave, store)

    async def main() -> None:
        assert await f.call_async(store, 1) == 1
        with raises(
            RuntimeError, "the asynchronous call has ended: the host function in which it was made has returned"
        ):
            left[0].send(None)

    asyncio.run(main())
    assert exports_of(ADD, store).func("add")(store, 1, 2) == 3


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


def test_calls_work_without_epoch_checks() -> None:
    engine = engine_with(interruptible=False)
    store, f = relay(increment, Store(engine))
    assert asyncio.run(f.call_async(store, 1)) == 2


def test_a_linker_definition_that_is_a_func_of_the_store_may_be_asynchronous() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define(store, "", "h", Func(store, func_type("i", "i"), increment))
    instance = linker.instantiate(store, Module(store.engine, RELAY))
    assert asyncio.run(instance.exports(store).func("f").call_async(store, 1)) == 2
