"""Resources in asynchronous calls: ownership is followed, borrows end with the host coroutine, destructors may wait."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest
from test_host_resources import TAKING, Guests
from test_resources import COUNTER, USING, counters

from ferrowasm import Engine, ExpiredError, Store, StoreContext, Trap, WasmtimeError
from ferrowasm.component import Component, HostResources, InstanceExports, Linker, ResourceAny, ResourceHost, ResourceType, guest_class

REACHED = "an asynchronous host function was called by a synchronous call: use call_async"


def test_guest_resources_are_awaited_as_python_objects() -> None:
    store, api = counters()
    counter_class: Any = guest_class(api, "counter")

    async def main() -> None:
        async with await counter_class.new_async(store, 40) as counter:
            assert await counter.get.call_async() == 40
            assert await counter.plus_some.call_async(2, in_thread=True) == 42
            assert counter.plus_some(3) == 43
            assert await counter_class.drops.call_async(store) == 0
        assert await counter_class.drops.call_async(store) == 1
        with pytest.raises(WasmtimeError, match="^this resource cannot be used any more: it was dropped$"):
            await counter.drop_async()
        other = counter_class(store, 1)
        await other.drop_async()
        assert counter_class.drops(store) == 2

    asyncio.run(main())


def test_ownership_goes_along_with_an_argument() -> None:
    store, api = counters()

    async def main() -> None:
        handle = await api["[constructor]counter"].call_async(store, 1)
        assert isinstance(handle, ResourceAny) and handle.owned and handle.type == api["counter"]
        passed = await api["pass"].call_async(store, handle)
        with pytest.raises(WasmtimeError, match="its ownership was passed on"):
            await api["pass"].call_async(store, handle)
        with pytest.raises(OverflowError, match="^level: 256 does not fit u8"):
            await api["eat"].call_async(store, passed, 256)
        await passed.drop_async(store)
        assert await api["[static]counter.drops"].call_async(store) == 1

    asyncio.run(main())


@pytest.mark.parametrize("before", [False, True], ids=["first", "later"])
def test_what_python_lets_go_of_is_dropped_by_the_next_call(before: bool) -> None:
    store, api = counters()
    if before:
        asyncio.run(api["[static]counter.drops"].call_async(store))
    for _ in range(3):
        api["[constructor]counter"](store, 1)
    gc.collect()
    assert asyncio.run(api["[static]counter.drops"].call_async(store)) == 3
    api["[constructor]counter"](store, 1)
    gc.collect()
    assert api["[static]counter.drops"](store) == 4


def test_a_synchronous_drop_works_after_asynchronous_calls() -> None:
    store, api = counters()
    handle = asyncio.run(api["[constructor]counter"].call_async(store, 1))
    handle.drop(store)
    assert api["[static]counter.drops"](store) == 1


def test_a_borrow_ends_when_the_host_coroutine_returns() -> None:
    lent: list[ResourceAny] = []
    files: HostResources[str] = HostResources()

    async def size(context: StoreContext, file: ResourceAny) -> int:
        lent.append(file)
        await asyncio.sleep(0)
        assert not file.owned
        # It is lent until here, and not used up by a look at its type.
        assert file.type == files.type
        return 3

    async def open_file(_context: StoreContext, number: int) -> Any:
        await asyncio.sleep(0)
        return files.new(f"file {number}")

    guests: Guests = Guests(USING, files, open=open_file, size=size)
    assert asyncio.run(guests.exports.measure.call_async(guests.store, 1)) == 3
    with pytest.raises(ExpiredError, match="it was lent to a callback, which has returned"):
        lent[0].to_host(guests.store)
    assert len(files) == 0
    assert asyncio.run(guests.exports.measure.call_async(guests.store, 1)) == 3


def test_what_is_behind_a_borrow_is_found_in_a_host_coroutine() -> None:
    seen: list[str] = []
    guests: Guests

    async def size(context: StoreContext, file: ResourceAny) -> int:
        await asyncio.sleep(0)
        seen.append(guests.files.get(context, file))
        return 3

    guests = Guests(USING, open=lambda _context, _x: guests.files.new("lent"), size=size)
    assert asyncio.run(guests.exports.measure.call_async(guests.store, 1)) == 3
    assert (seen, guests.dropped) == (["lent"], ["lent"])


#: `lend` lends the resource of another component that it has borrowed to the host function `look`.
LENDING = """(component
  (import "counter" (type $counter (sub resource)))
  (import "look" (func $look (param "c" (borrow $counter)) (result u32)))
  (core func $look (canon lower (func $look)))
  (core func $drop (canon resource.drop $counter))
  (core module $m
    (import "" "look" (func $look (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "lend") (param i32) (result i32) (call $look (local.get 0)) (call $drop (local.get 0))))
  (core instance $m (instantiate $m (with "" (instance (export "look" (func $look)) (export "drop" (func $drop))))))
  (func (export "lend") (param "c" (borrow $counter)) (result u32) (canon lift (core func $m "lend"))))"""


def test_a_borrow_of_a_guests_resource_ends_too() -> None:
    """It takes a way of its own: nobody but its guest knows what such a resource is."""
    store, api = counters()
    lent: list[ResourceAny] = []
    linker = Linker(store.engine)
    counter_type = api["counter"]
    assert isinstance(counter_type, ResourceType)

    async def look(context: StoreContext, counter: ResourceAny) -> int:
        lent.append(counter)
        first: int = await api["[method]counter.get"].call_async(context, counter)
        await asyncio.sleep(0)
        second: int = api["[method]counter.get"](context, counter)
        return first + second

    with linker.root() as root:
        root.add_resource("counter", counter_type, lambda _context, _rep: None)
        root.add_func("look", look)
    lend = linker.instantiate(store, Component(store.engine, LENDING)).exports(store).lend
    handle = api["[constructor]counter"](store, 20)
    for _ in range(3):
        assert asyncio.run(lend.call_async(store, handle)) == 40
    with pytest.raises(ExpiredError, match="it was lent to a callback, which has returned"):
        api["[method]counter.get"](store, lent[0])
    asyncio.run(handle.drop_async(store))
    assert api["[static]counter.drops"](store) == 1


def test_a_destructor_can_wait() -> None:
    dropped: list[str] = []

    async def drop(value: str) -> None:
        dropped.append(f"begin {value}")
        await asyncio.sleep(0.001)
        dropped.append(f"end {value}")

    guests = Guests(TAKING, HostResources(drop))
    handles = [guests.files.new(name) for name in "ab"]
    asyncio.run(guests.exports.drop_all.call_async(guests.store, handles))
    assert dropped == ["begin a", "end a", "begin b", "end b"]
    assert len(guests.files) == 0


def test_a_destructor_that_python_runs_can_wait() -> None:
    dropped: list[int] = []

    async def destroy(_context: StoreContext, rep: int) -> None:
        await asyncio.sleep(0)
        dropped.append(rep)

    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        root.add_resource("file", ResourceType.host(7), destroy)
        root.add_func("open", lambda _context, x: ResourceHost.own(x, 7))
        root.add_func("size", lambda _context, file: 0)
    store = Store(engine)
    exports = linker.instantiate(store, Component(engine, USING)).exports(store)

    async def main() -> None:
        handle = await exports.make.call_async(store, 5)
        call = handle.drop_async(store)
        assert repr(call) == "<ResourceAny.drop_async (created)>"
        assert await call is None
        assert dropped == [5]
        with pytest.raises(WasmtimeError, match="it was dropped"):
            await handle.drop_async(store)

    asyncio.run(main())
    other = exports.make(store, 6)
    with pytest.raises(WasmtimeError, match=REACHED):
        other.drop(store)
    assert dropped == [5]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("x")])
def test_exceptions_of_destructors_come_out_as_the_same_object(error: BaseException) -> None:
    async def drop(_value: object) -> None:
        await asyncio.sleep(0)
        raise error

    async def main() -> None:
        guests = Guests(TAKING, HostResources(drop))
        with pytest.raises(type(error)) as caught:
            await guests.exports.drop_all.call_async(guests.store, [guests.files.new("a")])
        assert caught.value is error
        with pytest.raises(Trap, match="instantiate the component in a new Store"):
            await guests.exports.drop_all.call_async(guests.store, [])

    asyncio.run(main())


def test_cancellation_reaches_a_destructor() -> None:
    seen: list[str] = []

    async def drop(_value: object) -> None:
        try:
            await asyncio.sleep(10)
        finally:
            seen.append("finally")

    async def main() -> None:
        guests = Guests(TAKING, HostResources(drop))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(guests.exports.drop_all.call_async(guests.store, [guests.files.new("a")]), 0.01)
        assert seen == ["finally"]

    asyncio.run(main())


def test_a_synchronous_call_does_not_run_an_asynchronous_destructor() -> None:
    async def drop(_value: object) -> None:
        pass

    guests = Guests(TAKING, HostResources(drop))
    with pytest.raises(WasmtimeError, match=REACHED):
        guests.exports.drop_all(guests.store, [guests.files.new("a")])


def test_a_borrow_of_a_call_that_is_cancelled_ends() -> None:
    lent: list[ResourceAny] = []
    guests: Guests

    async def size(_context: StoreContext, file: ResourceAny) -> int:
        lent.append(file)
        await asyncio.sleep(10)
        return 0

    guests = Guests(USING, open=lambda _context, _x: guests.files.new("lent"), size=size)

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(guests.exports.measure.call_async(guests.store, 1), 0.01)

    asyncio.run(main())
    with pytest.raises(ExpiredError, match="it was lent to a callback, which has returned"):
        lent[0].to_host(guests.store)
    guests.store.close()
    assert guests.dropped == ["lent"]


def test_instances_made_in_a_host_coroutine_own_their_resources() -> None:
    store = Store()
    component = Component(store.engine, COUNTER)

    async def make(_context: StoreContext, x: int) -> int:
        await asyncio.sleep(0)
        api = (await Linker(store.engine).instantiate_async(store, component)).exports(store)["test:counter/api"]
        assert isinstance(api, InstanceExports)
        with guest_class(api, "counter")(store, x) as counter:
            return counter.get() + 1  # type: ignore[attr-defined,no-any-return]

    from async_wit_support import RELAY

    linker = Linker(store.engine)
    with linker.root() as root:
        root.add_func("f", make)
    call = linker.instantiate(store, Component(store.engine, RELAY)).exports(store).call
    assert asyncio.run(call.call_async(store, 4)) == 5
