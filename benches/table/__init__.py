"""The rows, in the order of the table."""

from __future__ import annotations

from collections.abc import Iterator

from ..row import Row
from . import awaiting, calls, components, instances, large, memory, startup, threads

MODULES = [startup, calls, memory, instances, components, awaiting, threads, large]


def rows() -> Iterator[Row]:
    for module in MODULES:
        yield from module.rows()
