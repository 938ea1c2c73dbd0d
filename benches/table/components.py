"""Calls of component functions, by what they take and give back."""

from __future__ import annotations

import array
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy

from ..measuring import Subject, statement
from ..row import Row, faster, of_rust
from .guests import OURS, THEIRS, ComponentGuest, component_guest


def rows() -> Iterator[Row]:
    ours, theirs = component_guest(OURS), component_guest(THEIRS)

    def row(name: str, function: str, *arguments: Any, rust: str | None, times: float) -> Row:
        return Row(
            name,
            ours=call(ours, function, *arguments),
            theirs=call(theirs, function, *arguments),
            rust=rust,
            targets=(faster(times),),
        )

    floats = [0.5] * 1000
    yield row("component add(s32, s32)", "add", 1, 2, rust="component add", times=25)
    yield row("component string, 11 bytes", "echo-string", "hello world", rust="component string", times=22)
    yield row("component string through Python", "shout", "hello world", rust="component host string", times=20)
    yield row("component list<u8> of 1,000, bytes", "echo-bytes", bytes(1000), rust="component list<u8>", times=800)
    yield row("component list<f64> of 1,000, list", "echo-floats", floats, rust="component list<f64>", times=60)
    for name, values in (("array.array", array.array("d", floats)), ("NumPy", numpy.array(floats))):
        yield Row(
            f"component list<f64> of 1,000, {name}",
            # Into such a buffer again: a list would be an object for each number.
            ours=call(ours, "echo-floats", values, form={"buffers": True}),
            rust="component list<f64>",
            targets=(of_rust(4),),
        )
    item = SimpleNamespace(count=1, weight=0.5, name="hello")
    yield row("component record {u32, f64, string}", "echo-item", item, rust=None, times=40)


def call(guest: ComponentGuest, name: str, *arguments: Any, form: dict[str, bool] | None = None) -> Subject:
    """A call of a function, whose results have this form (see `Func.with_results`)."""
    func = guest.func(name)
    if form:
        func = func.with_results(**form)
    names = [f"argument{position}" for position in range(len(arguments))]
    return statement(f"f(store, {', '.join(names)})", f=func, store=guest.store, **dict(zip(names, arguments, strict=True)))
