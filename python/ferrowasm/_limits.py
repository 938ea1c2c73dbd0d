"""What decides about the growth of memories and tables."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["ResourceLimiter"]


@runtime_checkable
class ResourceLimiter(Protocol):
    """A limiter for `Store.set_limiter`: any object with these two methods.

    It may also have `memory_grow_failed(error: str) -> None` and `table_grow_failed(error: str) -> None`, which are called when growth that was
    allowed failed all the same.
    """

    def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """Whether a memory may grow from `current` to `desired` bytes; `maximum` is what its type allows. `current` is 0 for a new memory."""
        ...

    def table_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        """Whether a table may grow from `current` to `desired` elements; `maximum` is what its type allows. `current` is 0 for a new table."""
        ...
