"""The components and shorthands that the cases share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .harness import Package

# A core module with memory and an allocator that never frees, and an instance of it.
_MEMORY = """
  (core module $memory
    (memory (export "memory") 4)
    (global $next (mut i32) (i32.const 1024))
    (func (export "realloc") (param $old i32) (param $old_size i32) (param $align i32) (param $size i32) (result i32)
      (global.set $next (i32.and (i32.add (global.get $next) (i32.const 15)) (i32.const -8)))
      (global.get $next)
      (global.set $next (i32.add (global.get $next) (local.get $size)))))
  (core instance $m (instantiate $memory))
"""

_OPTIONS = '(memory (core memory $m "memory")) (realloc (core func $m "realloc"))'


def echo(value_type: str, definitions: tuple[tuple[str, str], ...] = ()) -> str:
    """A component that exports `echo: func(x: list<value_type>) -> list<value_type>`.

    `definitions` are the types that have to have a name: `("point", "(record …)")` is `$point` in `value_type`.
    """
    types = "".join(f'(type ${name}_ {text}) (export ${name} "{name}" (type ${name}_))' for name, text in definitions)
    return f"""(component {types} {_MEMORY}
      (core module $code
        (import "" "memory" (memory 1))
        (func (export "echo") (param i32 i32) (result i32)
          (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.const 16)))
      (core instance $c (instantiate $code (with "" (instance (export "memory" (memory $m "memory"))))))
      (func (export "echo") (param "x" (list {value_type})) (result (list {value_type}))
        (canon lift (core func $c "echo") {_OPTIONS})))"""


def through_host(value_type: str, definitions: tuple[tuple[str, str], ...] = ()) -> str:
    """A component that passes a `list<value_type>` from its export `echo` on to its import `f`, and the answer back."""
    types = "".join(
        f'(type ${name}_ {text}) (import "{name}" (type ${name} (eq ${name}_)))' for name, text in definitions
    )
    return f"""(component {types}
      (import "f" (func $f (param "x" (list {value_type})) (result (list {value_type}))))
      {_MEMORY}
      (core func $f_ (canon lower (func $f) {_OPTIONS}))
      (core module $code
        (import "" "memory" (memory 1))
        (import "" "f" (func $f (param i32 i32 i32)))
        (func (export "echo") (param i32 i32) (result i32)
          (call $f (local.get 0) (local.get 1) (i32.const 16)) (i32.const 16)))
      (core instance $c (instantiate $code
        (with "" (instance (export "memory" (memory $m "memory")) (export "f" (func $f_))))))
      (func (export "echo") (param "x" (list {value_type})) (result (list {value_type}))
        (canon lift (core func $c "echo") {_OPTIONS})))"""


#: Exports: two functions, an instance with a function, a function that traps, a core module.
EXPORTING = """(component
  (core module $m
    (func (export "answer") (result i32) (i32.const 42))
    (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "trap") unreachable))
  (core instance $i (instantiate $m))
  (func $answer (result u32) (canon lift (core func $i "answer")))
  (func $add (param "a" s32) (param "b" s32) (result s32) (canon lift (core func $i "add")))
  (func $trap (canon lift (core func $i "trap")))
  (instance $inner (export "answer" (func $answer)))
  (core module $core (func (export "nothing")))
  (export "answer" (func $answer))
  (export "add" (func $add))
  (export "trap" (func $trap))
  (export "a:b/inner" (instance $inner))
  (export "core" (core module $core)))"""

#: Imports `f: func(x: u32) -> u32`; exports `call`, which passes its argument on, and `quiet`, which does not call it.
CALLING = """(component
  (import "f" (func $f (param "x" u32) (result u32)))
  (core func $f_ (canon lower (func $f)))
  (core module $m
    (import "" "f" (func $f (param i32) (result i32)))
    (func (export "call") (param i32) (result i32) (call $f (local.get 0)))
    (func (export "quiet") (result i32) (i32.const 7)))
  (core instance $i (instantiate $m (with "" (instance (export "f" (func $f_))))))
  (func (export "call") (param "x" u32) (result u32) (canon lift (core func $i "call")))
  (func (export "quiet") (result u32) (canon lift (core func $i "quiet"))))"""

#: Imports `f: func()`, and exports `call`, which calls it.
CALLING_NOTHING = """(component
  (import "f" (func $f))
  (core func $f_ (canon lower (func $f)))
  (core module $m (import "" "f" (func $f)) (func (export "call") call $f))
  (core instance $i (instantiate $m (with "" (instance (export "f" (func $f_))))))
  (func (export "call") (canon lift (core func $i "call"))))"""

#: Imports the instance `a:b/outer` with `f` and with an instance `inner` with `g`; exports `call-f` and `call-g`.
NESTED = """(component
  (import "a:b/outer" (instance $outer
    (export "f" (func (result u32)))
    (export "inner" (instance (export "g" (func (result u32)))))))
  (alias export $outer "inner" (instance $inner))
  (core func $f (canon lower (func $outer "f")))
  (core func $g (canon lower (func $inner "g")))
  (core module $m
    (import "" "f" (func $f (result i32))) (import "" "g" (func $g (result i32)))
    (func (export "call-f") (result i32) call $f)
    (func (export "call-g") (result i32) call $g))
  (core instance $i (instantiate $m (with "" (instance (export "f" (func $f)) (export "g" (func $g))))))
  (func (export "call-f") (result u32) (canon lift (core func $i "call-f")))
  (func (export "call-g") (result u32) (canon lift (core func $i "call-g"))))"""

#: Imports the core module `module`, which has to export `answer`, and exports that as a function.
IMPORTING_A_MODULE = """(component
  (import "module" (core module $m (export "answer" (func (result i32)))))
  (core instance $i (instantiate $m))
  (func (export "answer") (result u32) (canon lift (core func $i "answer"))))"""

#: A resource `thing` of the guest: made from a number, which `rep` reads; `drops` counts destructor calls.
GUEST_RESOURCE = """(component
  (core module $state
    (global $drops (mut i32) (i32.const 0))
    (func (export "destroy") (param i32) (global.set $drops (i32.add (global.get $drops) (i32.const 1))))
    (func (export "drops") (result i32) (global.get $drops)))
  (core instance $state (instantiate $state))
  (type $thing_ (resource (rep i32) (dtor (core func $state "destroy"))))
  (export $thing "thing" (type $thing_))
  (core func $new (canon resource.new $thing_))
  (core func $drop (canon resource.drop $thing_))
  (core module $m
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "make") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "same") (param i32) (result i32) (local.get 0))
    (func (export "consume") (param i32) (call $drop (local.get 0))))
  (core instance $i (instantiate $m (with "" (instance (export "new" (func $new)) (export "drop" (func $drop))))))
  (func (export "make") (param "x" u32) (result (own $thing)) (canon lift (core func $i "make")))
  (func (export "rep") (param "x" (borrow $thing)) (result u32) (canon lift (core func $i "same")))
  (func (export "pass") (param "x" (own $thing)) (result (own $thing)) (canon lift (core func $i "same")))
  (func (export "consume") (param "x" (own $thing)) (canon lift (core func $i "consume")))
  (func (export "drops") (result u32) (canon lift (core func $state "drops"))))"""

#: A resource `file` of the host, with `open: func(x: u32) -> own<file>` and `size: func(x: borrow<file>) -> u32`.
HOST_RESOURCE = """(component
  (import "file" (type $file (sub resource)))
  (import "open" (func $open (param "x" u32) (result (own $file))))
  (import "size" (func $size (param "x" (borrow $file)) (result u32)))
  (core func $open_ (canon lower (func $open)))
  (core func $size_ (canon lower (func $size)))
  (core func $drop (canon resource.drop $file))
  (core module $m
    (import "" "open" (func $open (param i32) (result i32)))
    (import "" "size" (func $size (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "measure") (param i32) (result i32)
      (local $file i32)
      (local.set $file (call $open (local.get 0)))
      (call $size (local.get $file))
      (call $drop (local.get $file)))
    (func (export "measure-lent") (param i32) (result i32)
      (call $size (local.get 0))
      (call $drop (local.get 0)))
    (func (export "keep-lent") (param i32))
    (func (export "make") (param i32) (result i32) (call $open (local.get 0)))
    (func (export "take") (param i32) (call $drop (local.get 0)))
    (func (export "drop-twice") (param i32) (call $drop (local.get 0)) (call $drop (local.get 0))))
  (core instance $i (instantiate $m (with "" (instance
    (export "open" (func $open_)) (export "size" (func $size_)) (export "drop" (func $drop))))))
  (func (export "measure") (param "x" u32) (result u32) (canon lift (core func $i "measure")))
  (func (export "measure-lent") (param "x" (borrow $file)) (result u32) (canon lift (core func $i "measure-lent")))
  (func (export "keep-lent") (param "x" (borrow $file)) (canon lift (core func $i "keep-lent")))
  (func (export "make") (param "x" u32) (result (own $file)) (canon lift (core func $i "make")))
  (func (export "take") (param "x" (own $file)) (canon lift (core func $i "take")))
  (func (export "drop-twice") (param "x" (own $file)) (canon lift (core func $i "drop-twice"))))"""


def component_engine(w: Package) -> Any:
    """An engine that accepts maps too."""
    config = w.Config()
    config.wasm_component_model_map = True
    return w.Engine(config)


def start(w: Package, wat: str, **imports: Callable[..., object]) -> tuple[Any, Any]:
    """A new store, and an instance of the component in it whose imports are these functions."""
    linker = w.component.Linker(component_engine(w))
    with linker.root() as root:
        for name, function in imports.items():
            root.add_func(name, function)
    return link(w, linker, wat)


def link(w: Package, linker: Any, wat: str) -> tuple[Any, Any]:
    """A new store, and an instance of the component in it, made by the linker."""
    store = w.Store(linker.engine)
    return store, linker.instantiate(store, w.component.Component(linker.engine, wat))


def function(w: Package, wat: str, name: str, **imports: Callable[..., object]) -> Callable[..., Any]:
    """An exported function of a new instance, bound to its store."""
    store, instance = start(w, wat, **imports)
    func = instance.get_func(store, name)
    return lambda *arguments: func(store, *arguments)
