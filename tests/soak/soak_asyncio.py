"""A million awaited calls, of core functions and of components, and ten thousand suspended guests: how much memory they take. Run it by hand:
`python tests/soak/soak_asyncio.py [calls] [guests]`.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
from collections.abc import Awaitable, Callable

from ferrowasm import Engine, Func, FuncType, Instance, Module, Store, ValType
from ferrowasm.component import Component, Linker

WAT = """(module (import "" "h" (func $h (param i32) (result i32)))
  (func (export "relay") (param i32) (result i32) (call $h (local.get 0)))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"""

#: `relay` passes a string to the host function `h`, and gives what that gives; `add` adds two numbers.
COMPONENT = """(component
  (import "h" (func $h (param "x" string) (result string)))
  (core module $memory
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get 3))))
    (func (export "reset") (param i32) (global.set $next (i32.const 1024))))
  (core instance $m (instantiate $memory))
  (core func $h (canon lower (func $h) (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (core module $code (import "" "h" (func $h (param i32 i32 i32)))
    (func (export "relay") (param i32 i32) (result i32) (call $h (local.get 0) (local.get 1) (i32.const 16)) (i32.const 16))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))
  (core instance $c (instantiate $code (with "" (instance (export "h" (func $h))))))
  (func (export "relay") (param "x" string) (result string)
    (canon lift (core func $c "relay") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))
      (post-return (core func $m "reset"))))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $c "add"))))"""


def resident() -> int:
    """The memory of this process that is resident, in bytes."""
    with open("/proc/self/statm", encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def exports_of(engine: Engine, module: Module, host: object) -> tuple[Store, Func, Func]:
    store = Store(engine)
    i32 = ValType.i32()
    exports = Instance(store, module, [Func(store, FuncType([i32], [i32]), host)]).exports(store)  # type: ignore[arg-type]
    return store, exports.func("relay"), exports.func("add")


async def increment(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


async def shout(_context: object, text: str) -> str:
    await asyncio.sleep(0)
    return text + "!"


async def many_calls(count: int) -> None:
    engine = Engine()
    store, relay, add = exports_of(engine, Module(engine, WAT), increment)

    async def pair(i: int) -> None:
        await add.call_async(store, i % 1000, 1)
        await relay.call_async(store, i % 1000)

    await measure(count, pair, "calls")


async def many_component_calls(count: int) -> None:
    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        root.add_func("h", shout)
    store = Store(engine)
    exports = linker.instantiate(store, Component(engine, COMPONENT)).exports(store)
    add, relay = exports.add, exports.relay

    async def pair(i: int) -> None:
        await add.call_async(store, i % 1000, 1)
        assert await relay.call_async(store, "text") == "text!"

    await measure(count, pair, "calls of components")


async def measure(count: int, pair: Callable[[int], Awaitable[None]], what: str) -> None:
    """Makes so many calls, two at a time."""
    before = 0
    begin = time.perf_counter()
    for i in range(count // 2):
        await pair(i)
        if i % (count // 20) == count // 40:
            gc.collect()
            before = before or resident()
            print(f"{2 * i:>9} {what}: {resident() / 2**20:.1f} MiB", flush=True)
    took = time.perf_counter() - begin
    print(f"{count} {what} in {took:.1f} s; {(resident() - before) / 2**20:+.1f} MiB since the first tenth")


async def many_guests(count: int) -> None:
    engine = Engine()
    module = Module(engine, WAT)
    finish = asyncio.Event()
    suspended = 0

    async def wait(number: int) -> int:
        nonlocal suspended
        suspended += 1
        await finish.wait()
        return number

    stores = [exports_of(engine, module, wait) for _ in range(count)]
    gc.collect()
    before = resident()
    tasks = [asyncio.create_task(relay.call_async(store, i)) for i, (store, relay, _) in enumerate(stores)]
    while suspended < count:
        await asyncio.sleep(0)
    print(f"{count} suspended guests: {(resident() - before) / count / 1024:.1f} KiB each beside their stores")
    finish.set()
    assert await asyncio.gather(*tasks) == list(range(count))


if __name__ == "__main__":
    arguments = [int(argument) for argument in sys.argv[1:]]
    calls, guests = arguments + [1_000_000, 10_000][len(arguments) :]
    asyncio.run(many_calls(calls))
    asyncio.run(many_component_calls(calls))
    asyncio.run(many_guests(guests))
