"""The kinds of functions that can be awaited, for the tests of what is the same for all of them."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
from collections.abc import Callable
from typing import Any, Protocol

import async_support
import async_wit_support
import pytest
from async_support import exports_of, works
from async_wit_support import UNUSABLE, plain
from support import func_type
from wit_support import through_host

import ferrowasm
from ferrowasm import Module, Store, Trap, TrapCode, component
from ferrowasm.component import Component, Func


class Relays(Protocol):
    """A store, and functions that call `callback` and give what it gives: the host function of one may call another."""

    def __call__(self, callback: Any, count: int, store: Store | None = None) -> tuple[Store, list[Any]]: ...


#: A linker with a host function for stores of the same engine, and what imports it.
Linking = Callable[[Store, Any], tuple[Any, Any]]


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of functions."""

    name: str
    relays: Relays
    #: What the relays pass on here.
    value: Any
    #: A function in this store that adds two numbers.
    add: Callable[[Store], Any]
    #: A function in this store that never ends.
    spin: Callable[[Store], Any]
    #: Links what is a relay, by the name `export`, of an instance of the class `instance`.
    linking: Linking
    export: str
    instance: type[Any]
    #: Links what calls the host function when it is instantiated.
    starting: Linking
    #: Whether a call that does not come to its end leaves the functions of its store unusable.
    loses_stores: bool
    #: Whether a store, in which a call did not come to its end, is in order or says what is lost. No event loop may run meanwhile.
    is_left: Callable[[Store], bool]

    def relay(self, callback: Any, store: Store | None = None) -> tuple[Store, Any]:
        store, (func,) = self.relays(callback, 1, store)
        return store, func


def core_relays(callback: Any, count: int, store: Store | None = None) -> tuple[Store, list[Any]]:
    """The same function each time: modules can be entered again."""
    store, func = async_support.relay(callback, store)
    return store, [func] * count


def core_linking(store: Store, callback: Any) -> tuple[Any, Any]:
    linker = ferrowasm.Linker(store.engine)
    linker.define_func("", "h", func_type("i", "i"), callback)
    return linker, Module(store.engine, async_support.RELAY)


def core_starting(store: Store, callback: Any) -> tuple[Any, Any]:
    linker = ferrowasm.Linker(store.engine)
    linker.define_func("", "h", func_type(), callback)
    return linker, Module(store.engine, async_support.START)


def component_linking(store: Store, callback: Any, text: str = async_wit_support.RELAY) -> tuple[Any, Any]:
    linker = component.Linker(store.engine)
    with linker.root() as root:
        root.add_func("f", lambda _context, *args: callback(*args))
    return linker, Component(store.engine, text)


def goes_on(store: Store) -> bool:
    """Whether functions can be called in both ways."""
    return works(store) and bool(asyncio.run(exports_of(async_support.ADD, store).func("add").call_async(store, 1, 2)) == 3)


def is_lost(store: Store) -> bool:
    """Whether the store says that its components cannot be used; modules can."""
    assert works(store)
    calls: list[Callable[[Func], Any]] = [lambda add: add(store, 1, 2), lambda add: asyncio.run(add.call_async(store, 1, 2))]
    for call in calls:
        with pytest.raises(Trap, match=rf"the cancellation of a call\) left the components of this store unusable: {UNUSABLE}") as caught:
            call(plain("add", store))
        assert caught.value.trap_code is TrapCode.CANNOT_ENTER_COMPONENT
    return True


CORE = Kind(
    name="core",
    relays=core_relays,
    value=7,
    add=lambda store: exports_of(async_support.ADD, store).func("add"),
    spin=lambda store: exports_of(async_support.SPIN, store).func("spin"),
    linking=core_linking,
    export="f",
    instance=ferrowasm.Instance,
    starting=core_starting,
    loses_stores=False,
    is_left=goes_on,
)
COMPONENT = Kind(
    name="component",
    relays=async_wit_support.relays,
    value=7,
    add=lambda store: plain("add", store),
    spin=lambda store: plain("spin", store),
    linking=component_linking,
    export="call",
    instance=component.Instance,
    starting=functools.partial(component_linking, text=async_wit_support.STARTING),
    loses_stores=True,
    is_left=is_lost,
)
KINDS = [CORE, COMPONENT]

#: Components whose relays pass on what is in memory.
STRING = dataclasses.replace(COMPONENT, name="string", relays=functools.partial(async_wit_support.relays, text=through_host("string")), value="text")
BYTES = dataclasses.replace(COMPONENT, name="bytes", relays=functools.partial(async_wit_support.relays, text=through_host("(list u8)")), value=b"text")

#: The function that never ends is called by another component, through an adapter of the engine.
COMPOSED = dataclasses.replace(STRING, name="composed", spin=lambda store: plain("spin", store, async_wit_support.COMPOSED))


def of_kinds(*kinds: Kind) -> pytest.MarkDecorator:
    """A test that is made for functions of these kinds."""
    return pytest.mark.parametrize("kind", kinds, ids=lambda kind: kind.name)


of_each_kind = of_kinds(*KINDS)
