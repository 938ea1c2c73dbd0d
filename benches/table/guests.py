"""The modules and components that the rows use, in both packages: their interfaces are the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ferrowasm
import wasmtime
from ferrowasm import component as ferrowasm_component
from wasmtime import component as wasmtime_component

GUESTS = Path(__file__).resolve().parents[1] / "guests"

#: The two packages, as values: what is measured is written once.
OURS: Any = ferrowasm
THEIRS: Any = wasmtime
COMPONENTS: dict[str, Any] = {"ferrowasm": ferrowasm_component, "wasmtime": wasmtime_component}


def text(name: str) -> str:
    return (GUESTS / f"{name}.wat").read_text(encoding="utf-8")


class Guest(NamedTuple):
    store: Any
    exports: Any


def calls_guest(package: Any, add: Callable[[int, int], int]) -> Guest:
    """An instance of `calls.wat` whose host function is `add`."""
    store = package.Store()
    module = package.Module(store.engine, text("calls"))
    i32 = package.ValType.i32()
    host = package.Func(store, package.FuncType([i32, i32], [i32]), add)
    return Guest(store, package.Instance(store, module, [host]).exports(store))


class ComponentGuest(NamedTuple):
    store: Any
    instance: Any

    def func(self, name: str) -> Any:
        return self.instance.get_func(self.store, name)


def component_guest(package: Any) -> ComponentGuest:
    """An instance of `component.wat` whose import is `str.upper`."""
    components = COMPONENTS[package.__name__]
    store = package.Store()
    linker = components.Linker(store.engine)
    with linker.root() as root:
        root.add_func("upper", lambda _store, text: text.upper())
    component = components.Component(store.engine, text("component"))
    return ComponentGuest(store, linker.instantiate(store, component))
