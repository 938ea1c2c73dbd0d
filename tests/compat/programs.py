"""The WebAssembly programs and shorthands that the cases share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .harness import Package

ADD = '(module (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))'
TRAPS = '(module (func $inner unreachable) (func $outer (export "f") call $inner))'

#: One export of each of the kinds that every engine configuration has.
ONE_OF_EACH = """
(module
  (func (export "f"))
  (memory (export "m") 1)
  (global (export "g") i32 (i32.const 7))
  (table (export "t") 2 funcref))
"""


def load(w: Package, wat: str, imports: Sequence[object] = ()) -> tuple[Any, Any]:
    """A new store, and the exports of an instance of the module in it."""
    store = w.Store()
    return store, instantiate(w, store, wat, imports)


def instantiate(w: Package, store: Any, wat: str, imports: Sequence[object] = ()) -> Any:
    """The exports of an instance of the module in the store."""
    return w.Instance(store, w.Module(store.engine, wat), imports).exports(store)


def identity(w: Package, type_name: str) -> tuple[Any, Any]:
    """A store, and a function in it that returns its one argument, of the type with that name."""
    store, exports = load(w, f'(module (func (export "f") (param {type_name}) (result {type_name}) (local.get 0)))')
    return store, exports["f"]


def func_type(w: Package, params: str = "", results: str = "") -> Any:
    """`func_type(w, "i32 i32", "i64")` is the type of a function from two i32 to an i64."""
    return w.FuncType(*([getattr(w.ValType, name)() for name in names.split()] for names in (params, results)))


def host_func(
    w: Package, store: Any, params: str, results: str, function: Callable[..., object], **options: bool
) -> Any:
    """A function of the host in the store."""
    return w.Func(store, func_type(w, params, results), function, **options)


def raised_by(function: Callable[[], object]) -> BaseException:
    """What the call raises."""
    try:
        result = function()
    except BaseException as error:
        return error
    raise AssertionError(f"expected an exception, got {result!r}")


def trap_code_of(function: Callable[[], object]) -> object:
    """The code of the trap that the call raises."""
    trap: Any = raised_by(function)
    return trap.trap_code


def engine_with(w: Package, **switches: object) -> Any:
    """An engine whose configuration has these switches."""
    config = w.Config()
    for name, value in switches.items():
        setattr(config, name, value)
    return w.Engine(config)
