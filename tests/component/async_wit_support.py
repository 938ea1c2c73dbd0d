"""Components for the tests of asynchronous calls."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from ferrowasm import Engine, Store
from ferrowasm.component import Component, Func, Linker

#: Passes its argument to the host function `f`, and gives what that gives.
RELAY = """(component
  (import "f" (func $f (param "x" u32) (result u32)))
  (core func $f (canon lower (func $f)))
  (core module $m (import "" "f" (func $f (param i32) (result i32)))
    (global $after (mut i32) (i32.const 0))
    (func (export "call") (param i32) (result i32) (call $f (local.get 0)) (global.set $after (i32.const 1)))
    (func (export "after") (result i32) (global.get $after)))
  (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
  (func (export "call") (param "x" u32) (result u32) (canon lift (core func $m "call"))))"""

#: `add`, which adds two numbers; `spin`, which never ends; `bad`, which traps; `count`, which counts down from its argument.
PLAIN = """(component
  (core module $m
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "spin") (loop (br 0)))
    (func $bad (export "bad") unreachable)
    (func (export "count") (param i64) (result i64)
      (loop (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br_if 0 (i64.gt_s (local.get 0) (i64.const 0)))) (local.get 0)))
  (core instance $m (instantiate $m))
  (func (export "add") (param "a" u32) (param "b" u32) (result u32) (canon lift (core func $m "add")))
  (func (export "spin") (canon lift (core func $m "spin")))
  (func (export "bad") (canon lift (core func $m "bad")))
  (func (export "count") (param "from" s64) (result s64) (canon lift (core func $m "count"))))"""

#: One component inside calls another, which never ends (`spin`) or traps (`bad`), through an adapter of the engine.
COMPOSED = """(component
  (component $inner
    (core module $m (func (export "spin") (loop (br 0))) (func (export "bad") unreachable))
    (core instance $m (instantiate $m))
    (func (export "spin") (canon lift (core func $m "spin")))
    (func (export "bad") (canon lift (core func $m "bad"))))
  (component $outer
    (import "spin" (func $spin)) (import "bad" (func $bad))
    (core func $spin (canon lower (func $spin))) (core func $bad (canon lower (func $bad)))
    (core module $m (import "" "spin" (func $spin)) (import "" "bad" (func $bad))
      (func (export "spin") (call $spin)) (func (export "bad") (call $bad)))
    (core instance $m (instantiate $m (with "" (instance (export "spin" (func $spin)) (export "bad" (func $bad))))))
    (func (export "spin") (canon lift (core func $m "spin")))
    (func (export "bad") (canon lift (core func $m "bad"))))
  (instance $inner (instantiate $inner))
  (instance $outer (instantiate $outer (with "spin" (func $inner "spin")) (with "bad" (func $inner "bad"))))
  (export "spin" (func $outer "spin")) (export "bad" (func $outer "bad")))"""

#: Calls the host function `f` when it is instantiated.
STARTING = """(component
  (import "f" (func $f))
  (core func $f (canon lower (func $f)))
  (core module $m (import "" "f" (func $f)) (start $f))
  (core instance (instantiate $m (with "" (instance (export "f" (func $f)))))))"""

#: What a store says in the end whose components are lost.
UNUSABLE = "instantiate the component in a new Store"


def relays(callback: Any, count: int, store: Store | None = None, text: str = RELAY) -> tuple[Store, list[Func]]:
    """A store, and the `call` of `count` instances of `RELAY` in it: the host function of one may call another."""
    store = store or Store()
    linker = Linker(store.engine)
    with linker.root() as root:
        root.add_func("f", lambda _context, *args: callback(*args))
    pre = linker.instantiate_pre(Component(store.engine, text))
    return store, [pre.instantiate(store).exports(store).call for _ in range(count)]


def relay(callback: Any, store: Store | None = None) -> tuple[Store, Func]:
    store, (call,) = relays(callback, 1, store)
    return store, call


def plain(name: str, store: Store, text: str = PLAIN) -> Func:
    """A function of a new instance of `PLAIN`."""
    func: Func = Linker(store.engine).instantiate(store, Component(store.engine, text)).exports(store)[name]
    return func


def fresh(name: str, engine: Engine | None = None) -> tuple[Store, Func]:
    store = Store(engine or Engine())
    return store, plain(name, store)


async def turns_during(call: Coroutine[Any, Any, Any]) -> tuple[Any, int]:
    """The result of the call, and how often another task had its turn meanwhile."""
    task = asyncio.create_task(call)
    turns = 0
    while not task.done():
        await asyncio.sleep(0.005)
        turns += 1
    return await task, turns
