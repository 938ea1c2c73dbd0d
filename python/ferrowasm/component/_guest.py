"""Resources that guests define, as Python objects."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

from .._native import Store
from ._native import Func, InstanceExports, ResourceAny, ResourceType

__all__ = ["GuestResource", "guest_class"]


class GuestResource:
    """A resource of a guest. Classes are made by `guest_class`.

    Methods are called without the store, which the object remembers. An object can be passed wherever its resource is expected;
    `drop()`, or the end of a `with` block, runs the destructor. `handle` is the `ResourceAny` behind it.
    """

    #: The type of the resource.
    type: ClassVar[ResourceType]
    _constructor: ClassVar[Func | None]

    def __init__(self, store: Store, *args: Any) -> None:
        if self._constructor is None:
            name = self.__class__.__name__
            raise TypeError(f"the resource {name} has no constructor; use {name}.of(store, handle)")
        self.store = store
        self.handle: ResourceAny = self._constructor(store, *args)

    @classmethod
    def of(cls, store: Store, handle: ResourceAny) -> Self:
        """The object for a handle that a function returned."""
        if handle.type != cls.type:
            raise TypeError(f"the handle is of another type than {cls.__name__}")
        resource = cls.__new__(cls)
        resource.store = store
        resource.handle = handle
        return resource

    def drop(self) -> None:
        """Drop the resource. Raises `WasmtimeError` if it was dropped or passed on before."""
        self.handle.drop(self.store)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, exc_type: object, exc: object, traceback: object) -> None:
        self.drop()


def _method(func: Func) -> Callable[..., Any]:
    def method(self: GuestResource, *args: Any) -> Any:
        return func(self.store, self.handle, *args)

    return method


def guest_class(exports: InstanceExports, name: str) -> type[GuestResource]:
    """A Python class for the resource `name` of an instance, with its constructor, methods and static functions.

    Static functions keep the store as their first argument. Raises `KeyError` if the instance exports no such resource.
    """
    resource = exports[name]
    if not isinstance(resource, ResourceType):
        raise KeyError(name)
    members: dict[str, Any] = {"type": resource, "_constructor": exports.get(f"[constructor]{name}")}
    for export, item in exports.items():
        kind, _, member = export.partition(f"]{name}.")
        if kind == "[method":
            members[member.replace("-", "_")] = _method(item)
        elif kind == "[static":
            members[member.replace("-", "_")] = staticmethod(item)
    return type(name.replace("-", "_"), (GuestResource,), members)
