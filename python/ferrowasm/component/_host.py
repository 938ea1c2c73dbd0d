"""Resources of the host that stand for Python objects."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from .._native import Caller, Store, StoreContext
from ._native import LinkerInstance, ResourceAny, ResourceHost, ResourceType

__all__ = ["HostResources"]

T = TypeVar("T")

# Programs that number their types by hand begin at the other end.
_numbers = itertools.count(2**31)


class HostResources(Generic[T]):
    """A resource type of the host whose values are Python objects.

    `define` adds the type to a linker, `new` makes a resource that can be passed to a guest, and `get` finds the object again. `drop`, if given,
    is called with the object when a guest drops the resource, once; `close()` (or the end of a `with` block) does the same for the objects that
    are left, for example because their store was closed.
    """

    def __init__(self, drop: Callable[[T], object] | None = None) -> None:
        self._number = next(_numbers)
        self._drop = drop
        self._objects: dict[int, T] = {}
        self._reps = itertools.count(1)
        self._lock = threading.Lock()
        #: The type, for `LinkerInstance.add_resource`.
        self.type = ResourceType.host(self._number)

    def define(self, instance: LinkerInstance, name: str) -> None:
        """Define the type in a linker."""
        instance.add_resource(name, self.type, lambda _store, rep: self._release(rep))

    def new(self, value: T) -> ResourceHost:
        """An owned resource that stands for `value`."""
        with self._lock:
            rep = next(self._reps)
            self._objects[rep] = value
        return ResourceHost.own(rep, self._number)

    def get(self, store: Store | Caller | StoreContext, handle: ResourceAny | ResourceHost) -> T:
        """The object behind a handle that a guest passed.

        A `ResourceAny` is used up. One that owns its resource hands it over to the host, which keeps the object: see `take`.
        """
        host = handle.to_host(store) if isinstance(handle, ResourceAny) else handle
        if host.type != self._number:
            raise TypeError("the handle is of another resource type")
        return self._objects[host.rep]

    def take(self, store: Store | Caller | StoreContext, handle: ResourceAny | ResourceHost) -> T:
        """The object behind an owned handle, which is forgotten: `drop` will not be called for it."""
        host = handle.to_host(store) if isinstance(handle, ResourceAny) else handle
        if host.type != self._number or not host.owned:
            raise TypeError("expected an owned handle of this resource type")
        with self._lock:
            return self._objects.pop(host.rep)

    def _release(self, rep: int) -> None:
        with self._lock:
            value = self._objects.pop(rep)
        if self._drop is not None:
            self._drop(value)

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._objects)

    def close(self) -> None:
        """Release the objects that no guest has dropped."""
        for rep in list(self._objects):
            self._release(rep)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
