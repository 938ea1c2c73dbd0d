"""Resources of the host that stand for Python objects."""

from __future__ import annotations

import itertools
import threading
import weakref
from collections.abc import Callable
from types import TracebackType
from typing import Generic, Self, TypeVar

from .._native import Caller, Store, StoreContext
from ._native import LinkerInstance, ResourceAny, ResourceHost, ResourceType

__all__ = ["HostResources"]

T = TypeVar("T")

# Programs that number their types by hand begin at the other end.
_numbers = itertools.count(2**31)


class _Hosted(Generic[T]):
    """An object behind a resource. The handle keeps it alive, and the store while a guest owns the resource."""

    __slots__ = ("__weakref__", "_drop", "_lock", "value")

    def __init__(self, value: T, drop: Callable[[T], object] | None) -> None:
        self.value = value
        self._drop = drop
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Do not call `drop` any more."""
        with self._lock:
            self._drop = None

    def release(self) -> object:
        """Call `drop`, unless that was done before. Gives what it returns, which may have to be awaited."""
        with self._lock:
            drop, self._drop = self._drop, None
        return None if drop is None else drop(self.value)

    def __del__(self) -> None:
        self.release()


class HostResources(Generic[T]):
    """A resource type of the host whose values are Python objects.

    `define` adds the type to a linker, `new` makes a resource that can be passed to a guest, and `get` finds the object again. `drop`, if given,
    is called with the object once: when a guest drops the resource, or Python drops its handle, or the store of the guest that owns it is closed or
    collected. `close()`, or the end of a `with` block, does it for all objects that are left. What `drop` raises comes out of the call into the guest
    that dropped the resource; where Python or the end of a store did, it goes to `sys.unraisablehook`.

    `drop` may be a coroutine function for resources that are dropped in asynchronous calls, by a guest or with `ResourceAny.drop_async`: it is
    awaited there, and nowhere else.
    """

    def __init__(self, drop: Callable[[T], object] | None = None) -> None:
        self._number = next(_numbers)
        self._drop = drop
        self._hosted: weakref.WeakValueDictionary[int, _Hosted[T]] = weakref.WeakValueDictionary()
        self._reps = itertools.count(1)
        #: The type, for `LinkerInstance.add_resource`.
        self.type = ResourceType.host(self._number)

    def define(self, instance: LinkerInstance, name: str) -> None:
        """Define the type in a linker."""
        hosted = self._hosted

        def dropped(_context: StoreContext, rep: int) -> object:
            found = hosted.get(rep)
            return None if found is None else found.release()

        instance.add_resource(name, self.type, dropped)

    def new(self, value: T) -> ResourceHost:
        """An owned resource that stands for `value`."""
        hosted = _Hosted(value, self._drop)
        rep = next(self._reps)
        self._hosted[rep] = hosted
        return ResourceHost.own(rep, self._number, keep=hosted)

    def get(self, store: Store | Caller | StoreContext, handle: ResourceAny | ResourceHost) -> T:
        """The object behind a handle that a guest passed.

        A `ResourceAny` is used up. If it owns its resource, the object is dropped unless something else refers to it: see `take`.
        """
        return self._find(self._to_host(store, handle)).value

    def take(self, store: Store | Caller | StoreContext, handle: ResourceAny | ResourceHost) -> T:
        """The object behind an owned handle, which goes over to the caller: `drop` will not be called for it."""
        host = self._to_host(store, handle)
        if not host.owned:
            raise TypeError("expected an owned handle, got a borrowed one")
        hosted = self._find(host)
        hosted.forget()
        host.close()
        return hosted.value

    def _to_host(self, store: Store | Caller | StoreContext, handle: ResourceAny | ResourceHost) -> ResourceHost:
        host = handle.to_host(store) if isinstance(handle, ResourceAny) else handle
        if host.type != self._number:
            raise TypeError("the handle is of another resource type")
        return host

    def _find(self, host: ResourceHost) -> _Hosted[T]:
        hosted = self._hosted.get(host.rep)
        if hosted is None:
            raise LookupError(f"there is no object behind resource {host.rep}: it was dropped")
        return hosted

    def __len__(self) -> int:
        """How many objects there are."""
        return len(self._hosted)

    def close(self) -> None:
        """Release the objects that nobody has dropped."""
        for hosted in list(self._hosted.values()):
            hosted.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()
