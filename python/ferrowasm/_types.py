"""The plain values among the type classes; the other ones are written in Rust."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Limits"]


@dataclass(unsafe_hash=True, slots=True)
class Limits:
    """The least and the greatest size of a memory (in pages) or a table (in elements); `max=None` means no limit of its own.

    The attributes may be assigned, and are checked where the limits are used: by `MemoryType` and `TableType`. Hashes follow the attributes, so a
    `Limits` that serves as a key must not change.
    """

    min: int
    max: int | None = None
