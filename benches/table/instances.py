"""A new store with an instance of a module whose imports are resolved."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..measuring import Subject, statement
from ..row import Row, of_rust
from .guests import OURS, THEIRS, text


def rows() -> Iterator[Row]:
    yield Row(
        "new store and instance, on demand",
        ours=instantiation(OURS, OURS.Engine()),
        theirs=instantiation(THEIRS, THEIRS.Engine()),
        rust="instantiate, on demand",
        targets=(of_rust(1.6),),
    )
    # wasmtime-py has no pooling allocator.
    yield Row(
        "new store and instance, pooling",
        ours=instantiation(OURS, OURS.Engine(OURS.Config(allocation_strategy="pooling"))),
        rust="instantiate, pooling",
        targets=(of_rust(1.6),),
    )


def instantiation(package: Any, engine: Any) -> Subject:
    pre = package.Linker(engine).instantiate_pre(package.Module(engine, text("instance")))
    return statement("pre.instantiate(Store(engine))", pre=pre, Store=package.Store, engine=engine)
