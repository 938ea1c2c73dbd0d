"""Copies to and from a linear memory."""

from __future__ import annotations

import operator
from collections.abc import Iterator

from ..measuring import statement
from ..row import Row, faster
from .guests import OURS, THEIRS, calls_guest


def rows() -> Iterator[Row]:
    ours, theirs = calls_guest(OURS, operator.add), calls_guest(THEIRS, operator.add)
    yield Row(
        "memory.read, 4 KiB",
        ours=statement("memory.read(store, 0, 4096)", memory=ours.exports["memory"], store=ours.store),
        theirs=statement("memory.read(store, 0, 4096)", memory=theirs.exports["memory"], store=theirs.store),
        rust="memory read 4 KiB",
        targets=(faster(10),),
    )
    data = bytes(4096)
    yield Row(
        "memory.write, 4 KiB",
        ours=statement("memory.write(store, data, 0)", memory=ours.exports["memory"], store=ours.store, data=data),
        theirs=statement("memory.write(store, data, 0)", memory=theirs.exports["memory"], store=theirs.store, data=data),
        rust="memory write 4 KiB",
        targets=(faster(15),),
    )
