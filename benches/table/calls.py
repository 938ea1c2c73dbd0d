"""Calls into WebAssembly and out of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy

from ..measuring import statement
from ..row import Row, faster, nanoseconds, of_floor
from .guests import OURS, THEIRS, calls_guest

#: How many calls of the host one call of `call_host` makes.
CALLBACKS = 1000
#: How many elements an array has.
ELEMENTS = 1_000_000
#: How many of them a Python loop gets, so that it ends.
LOOPED = 1_000


def rows() -> Iterator[Row]:
    def add(a: int, b: int) -> int:
        return a + b

    ours, theirs = calls_guest(OURS, add), calls_guest(THEIRS, add)
    gcd = statement("gcd(1, 2)", gcd=math.gcd)
    yield Row(
        "call nop()",
        ours=statement("f(store)", f=ours.exports["nop"], store=ours.store),
        theirs=statement("f(store)", f=theirs.exports["nop"], store=theirs.store),
        rust="nop",
        targets=(faster(70),),
    )
    yield Row(
        "call add(i32, i32)",
        ours=statement("f(store, 1, 2)", f=ours.exports["add"], store=ours.store),
        theirs=statement("f(store, 1, 2)", f=theirs.exports["add"], store=theirs.store),
        rust="add",
        floor=gcd,
        targets=(faster(180), of_floor(5, "math.gcd")),
    )
    yield Row(
        "call add(i32, i32), bound to its store",
        ours=statement("f(1, 2)", f=ours.exports["add"].bind(ours.store)),
        rust="add",
        floor=gcd,
        targets=(of_floor(3, "math.gcd"),),
    )
    yield Row(
        "wasm calls a Python function",
        ours=statement(f"f(store, {CALLBACKS})", CALLBACKS, f=ours.exports["call_host"], store=ours.store),
        theirs=statement(f"f(store, {CALLBACKS})", CALLBACKS, f=theirs.exports["call_host"], store=theirs.store),
        rust="host call",
        floor=statement("f(1, 2)", f=add),
        targets=(faster(70), of_floor(3.5, "a call from Python")),
    )
    values = numpy.linspace(0, 1, ELEMENTS)
    loop = f"for i in range({LOOPED}): out[i] = f(store, values[i])"
    few, out = values[:LOOPED].tolist(), numpy.empty(ELEMENTS)
    yield Row(
        "one function over an array, an element",
        ours=statement("f.map(store, values, out=out)", ELEMENTS, f=ours.exports["scale"], store=ours.store, values=values, out=out),
        theirs=statement(loop, LOOPED, f=theirs.exports["scale"], store=theirs.store, values=few, out=out),
        rust="scale",
        targets=(nanoseconds(10),),
    )
