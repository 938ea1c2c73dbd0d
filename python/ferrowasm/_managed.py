"""The `close()` and `with` protocol that every object with a native counterpart follows."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class Managed:
    """`close()` and `with` for values that hold nothing which would need closing.

    The classes written in Rust release what they own when they are closed. The ones that derive from this class are plain values (exceptions,
    frames): closing them is allowed, so that code which closes everything it gets keeps working, and changes nothing.
    """

    __slots__ = ()

    def close(self) -> None:
        """Do nothing: the object is a plain value."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
