"""Kinds of work that the soak mixes. Each is made once for a thread, and then does a little of it at a time.

A kind checks what it gets: an exception that is lost, swapped or replaced ends the soak.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import Callable
from typing import Any

from wit_support import pair, through_host

from ferrowasm import Engine, ExitTrap, Func, FuncType, Instance, Linker, Module, Store, Trap, ValType, WasiConfig
from ferrowasm import component as c

#: Does a little work.
Work = Callable[[], None]

_ENGINE = Engine()
_I32 = ValType.i32()

_CALLS = Module(
    _ENGINE,
    """(module
      (import "" "host" (func $host (param i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
      (func (export "call") (param i32) (result i32) (call $host (local.get 0)))
      (func (export "keep") (param externref) (result externref) (local.get 0))
      (func (export "trap") unreachable))""",
)

_WASI = Module(
    _ENGINE,
    """(module
      (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (data (i32.const 0) "\\10\\00\\00\\00\\05\\00\\00\\00")
      (data (i32.const 16) "hello")
      (func (export "_start") (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))) (call $exit (i32.const 3))))""",
)

_ECHO = c.Component(_ENGINE, pair("(list string)"))
_THROUGH = c.Component(_ENGINE, through_host("(list u32)"))
_RESOURCE = c.Component(
    _ENGINE,
    """(component
      (import "thing" (type $thing (sub resource)))
      (import "make" (func $make (param "x" u32) (result (own $thing))))
      (core func $make (canon lower (func $make)))
      (core func $drop (canon resource.drop $thing))
      (core module $m (import "" "make" (func $make (param i32) (result i32))) (import "" "drop" (func $drop (param i32)))
        (func (export "f") (param i32) (call $drop (call $make (local.get 0)))))
      (core instance $i (instantiate $m (with "" (instance (export "make" (func $make)) (export "drop" (func $drop))))))
      (func (export "f") (param "x" u32) (canon lift (core func $i "f"))))""",
)


class Marked(Exception):
    """An exception that is told apart from every other by its number."""


def _instance(store: Store, host: Callable[[int], int]) -> dict[str, Any]:
    return dict(Instance(store, _CALLS, [Func(store, FuncType([_I32], [_I32]), host)]).exports(store))


def calls() -> Work:
    """Calls, with callbacks that call again."""
    store = Store(_ENGINE)

    def host(x: int) -> int:
        result: int = exports["add"](store, x, 1) if x % 2 else x + 1
        return result

    exports = _instance(store, host)

    def work() -> None:
        for x in range(100):
            assert exports["call"](store, x) == x + 1
            assert exports["keep"](store, work) is work

    return work


def exceptions() -> Work:
    """Exceptions of callbacks and traps: each comes out where it belongs."""
    store = Store(_ENGINE)
    numbers = itertools.count()
    raised: list[Marked] = []

    def host(_x: int) -> int:
        raised.append(Marked(next(numbers)))
        raise raised[-1]

    exports = _instance(store, host)

    def work() -> None:
        for _ in range(50):
            try:
                exports["call"](store, 1)
            except Marked as error:
                assert error is raised.pop() and not raised
            else:
                raise AssertionError("an exception was lost")
            try:
                exports["trap"](store)
            except Trap:
                continue
            raise AssertionError("a trap was lost")

    return work


def instances() -> Work:
    """Stores, instances, memory, and objects that refer to each other in circles."""

    def work() -> None:
        store = Store(_ENGINE, data=[])
        exports = _instance(store, lambda x: x if store else 0)
        memory = exports["memory"]
        memory.grow(store, 1)
        memory.write(store, b"x" * 1000, 65_000)
        assert bytes(memory.read(store, 65_000, 66_000)) == b"x" * 1000
        store.data().append(store)
        assert exports["call"](store, 4) == 4

    return work


def components() -> Work:
    """Component calls both ways."""
    linker = c.Linker(_ENGINE)
    with linker.root() as root:
        root.add_func("f", lambda _context, numbers: numbers[::-1])
    store = Store(_ENGINE)
    echo = linker.instantiate(store, _ECHO).exports(store).echo
    call = linker.instantiate(store, _THROUGH).exports(store).call

    def work() -> None:
        for _ in range(20):
            assert echo(store, ["a", "b" * 100]) == ["a", "b" * 100]
            assert call(store, [1, 2, 3]) == [3, 2, 1]

    return work


def component_awaits() -> Work:
    """Component calls that are awaited, with host functions that await; some raise, and some are cancelled."""

    async def main() -> None:
        async def host(_context: object, numbers: list[int]) -> list[int]:
            await asyncio.sleep(60 if numbers == [60] else 0)
            if numbers == [13]:
                raise Marked(13)
            return numbers[::-1]

        linker = c.Linker(_ENGINE)
        with linker.root() as root:
            root.add_func("f", host)

        async def call(numbers: list[int]) -> object:
            store = Store(_ENGINE)
            instance = await linker.instantiate_async(store, _THROUGH)
            return await instance.exports(store).call.call_async(store, numbers)

        results = await asyncio.gather(*(call([x, 2]) for x in range(5)))
        assert results == [[2, x] for x in range(5)]
        try:
            await call([13])
        except Marked as error:
            assert error.args == (13,)
        else:
            raise AssertionError("an exception was lost")
        try:
            async with asyncio.timeout(0.001):
                await call([60])
        except TimeoutError:
            pass
        else:
            raise AssertionError("a call was not cancelled")

    return lambda: asyncio.run(main())


def resources() -> Work:
    """Components with resources of the host, made and dropped with their stores; some calls fail."""
    error = Marked("in the destructor")

    def work() -> None:
        dropped: list[int] = []

        def drop(value: int) -> None:
            dropped.append(value)
            if value == 13:
                raise error

        files: c.HostResources[int] = c.HostResources(drop)
        linker = c.Linker(_ENGINE)
        with linker.root() as root:
            files.define(root, "thing")
            root.add_func("make", lambda _context, x: files.new(x))
        store = Store(_ENGINE)
        f = linker.instantiate(store, _RESOURCE).exports(store).f
        for x in (1, 2):
            f(store, x)
        try:
            f(store, 13)
        except Marked as caught:
            assert caught is error
        else:
            raise AssertionError("the exception of a destructor was lost")
        assert dropped == [1, 2, 13]
        error.__traceback__ = None

    return work


def wasi() -> Work:
    """WASI programs that print and exit."""
    linker = Linker(_ENGINE)
    linker.define_wasi()

    def work() -> None:
        config = WasiConfig()
        output = config.capture_stdout()
        store = Store(_ENGINE)
        store.set_wasi(config)
        try:
            start: Any = linker.instantiate(store, _WASI).exports(store)["_start"]
            start(store)
        except ExitTrap as exit:
            assert exit.code == 3
        assert output.getvalue() == b"hello"

    return work


def compilation() -> Work:
    """Modules compiled, serialized and loaded, and text that is refused."""

    def work() -> None:
        number = random.randrange(1 << 30)
        module = Module(_ENGINE, f'(module (func (export "f") (result i32) (i32.const {number})))')
        store = Store(_ENGINE)
        loaded = Module.deserialize(_ENGINE, module.serialize())
        f: Any = Instance(store, loaded, []).exports(store)["f"]
        assert f(store) == number

    return work


def awaits() -> Work:
    """Calls that are awaited, with host functions that await; some raise."""

    async def main() -> None:
        store = Store(_ENGINE)

        async def host(x: int) -> int:
            await asyncio.sleep(0)
            if x == 13:
                raise Marked(x)
            return x + 1

        exports = _instance(store, host)  # type: ignore[arg-type]  # a coroutine function
        for x in range(10):
            assert await exports["call"].call_async(store, x) == x + 1
        try:
            await exports["call"].call_async(store, 13)
        except Marked as error:
            assert error.args == (13,)
        else:
            raise AssertionError("an exception was lost")

    return lambda: asyncio.run(main())


KINDS: dict[str, Callable[[], Work]] = {
    function.__name__: function
    for function in (calls, exceptions, instances, components, component_awaits, resources, wasi, compilation, awaits)
}
