"""Components for the tests, as text."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ferrowasm import Engine, Store
from ferrowasm.component import Component, Func, Linker

# A core module whose allocator hands out memory from 1024 on and grows when it has to, and an instance of it.
MEMORY = """
  (core module $memory
    (memory (export "memory") 1)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (local $start i32)
      (local.set $start
        (i32.and (i32.add (global.get $next) (i32.sub (local.get $align) (i32.const 1))) (i32.sub (i32.const 0) (local.get $align))))
      (global.set $next (i32.add (local.get $start) (local.get $size)))
      (block $enough (loop $grow
        (br_if $enough (i32.le_u (global.get $next) (i32.mul (memory.size) (i32.const 65536))))
        (br_if $grow (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))
        unreachable))
      (memory.copy (local.get $start) (local.get $old)
        (select (local.get $old_size) (local.get $size) (i32.lt_u (local.get $old_size) (local.get $size))))
      (local.get $start))
    (func (export "reset") (param i32) (global.set $next (i32.const 1024))))
  (core instance $m (instantiate $memory))
"""

OPTIONS = '(memory (core memory $m "memory")) (realloc (core func $m "realloc"))'


def echo(ty: str, params: str, results: str, body: str, types: str = "") -> str:
    """A component with a function `echo: func(x: ty) -> ty`, whose core function has these parameters, results and body."""
    return f"""(component {types} {MEMORY}
      (core module $code
        (import "" "memory" (memory 1))
        (func (export "echo") {params} {results} {body}))
      (core instance $c (instantiate $code (with "" (instance (export "memory" (memory $m "memory"))))))
      (func (export "echo") (param "x" {ty}) (result {ty})
        (canon lift (core func $c "echo") {OPTIONS} (post-return (core func $m "reset")))))"""


def scalar(ty: str, core: str, types: str = "") -> str:
    """An echo for a type that is one core value."""
    plain = echo(ty, f"(param {core})", f"(result {core})", "(local.get 0)", types)
    return plain.replace('(post-return (core func $m "reset"))', "")


#: Stores two i32 at 16 and gives that address: how a pair of core values is returned.
PAIR = "(i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16)"


def pair(ty: str, types: str = "") -> str:
    """An echo for a type that is two i32: strings, lists, options, results."""
    return echo(ty, "(param i32 i32)", "(result i32)", PAIR, types)


def through_host(ty: str, types: str = "") -> str:
    """A component that imports `f: func(x: ty) -> ty` and exports `call`, which passes its argument on; for types that are two i32."""
    return f"""(component {types}
      (import "f" (func $f (param "x" {ty}) (result {ty})))
      {MEMORY}
      (core func $lowered (canon lower (func $f) {OPTIONS}))
      (core module $code
        (import "" "memory" (memory 1))
        (import "" "f" (func $f (param i32 i32 i32)))
        (func (export "call") (param i32 i32) (result i32) (call $f (local.get 0) (local.get 1) (i32.const 16)) (i32.const 16)))
      (core instance $c (instantiate $code
        (with "" (instance (export "memory" (memory $m "memory")) (export "f" (func $lowered))))))
      (func (export "call") (param "x" {ty}) (result {ty})
        (canon lift (core func $c "call") {OPTIONS} (post-return (core func $m "reset")))))"""


def instantiate(text: str, engine: Engine | None = None, **imports: Callable[..., object]) -> tuple[Store, Callable[[str], Func]]:
    """A new store with an instance of the component, and how its functions are found."""
    engine = engine or Engine()
    store = Store(engine)
    linker = Linker(engine)
    with linker.root() as root:
        for name, host in imports.items():
            root.add_func(name, host)
    instance = linker.instantiate(store, Component(engine, text))

    def function(name: str) -> Func:
        found = instance.get_func(store, name)
        assert found is not None
        return found

    return store, function


def echoing(text: str, engine: Engine | None = None) -> Callable[[Any], Any]:
    """The `echo` of a component, bound to a store of its own."""
    store, function = instantiate(text, engine)
    func = function("echo")
    return lambda value: func(store, value)
