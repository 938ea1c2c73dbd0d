"""Resources that guests define, as Python objects."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, ClassVar, Self, overload

from .._native import Store
from ._native import Func, InstanceExports, ResourceAny, ResourceType

__all__ = ["GuestResource", "guest_class"]


class GuestResource:
    """A resource of a guest. Classes are made by `guest_class`.

    Methods are called without the store, which the object remembers. An object can be passed wherever its resource is expected;
    `drop()`, or the end of a `with` block, runs the destructor. `handle` is the `ResourceAny` behind it.

    Asynchronously: `await Class.new_async(store, ...)`, `await resource.method.call_async(...)`, `await resource.drop_async()` or
    `async with`.
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
    async def new_async(cls, store: Store, *args: Any) -> Self:
        """Make a resource, with a constructor that may have to wait."""
        if cls._constructor is None:
            raise TypeError(f"the resource {cls.__name__} has no constructor; use {cls.__name__}.of(store, handle)")
        return cls.of(store, await cls._constructor.call_async(store, *args))

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

    async def drop_async(self) -> None:
        """Drop the resource, whose destructor may have to wait. See `drop` for errors."""
        await self.handle.drop_async(self.store)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, exc_type: object, exc: object, traceback: object) -> None:
        await self.drop_async()


class _BoundMethod:
    """A method of a resource, with the resource."""

    __slots__ = ("_func", "_resource")

    def __init__(self, func: Func, resource: GuestResource) -> None:
        self._func = func
        self._resource = resource

    def __call__(self, *args: Any) -> Any:
        return self._func(self._resource.store, self._resource.handle, *args)

    def call_async(self, *args: Any, in_thread: bool = False) -> Coroutine[Any, Any, Any]:
        """Call the method asynchronously. See `Func.call_async`."""
        return self._func.call_async(self._resource.store, self._resource.handle, *args, in_thread=in_thread)


class _Method:
    """A method in the class of a resource."""

    def __init__(self, func: Func) -> None:
        self._func = func

    @overload
    def __get__(self, resource: None, owner: type) -> Self: ...
    @overload
    def __get__(self, resource: GuestResource, owner: type) -> _BoundMethod: ...
    def __get__(self, resource: GuestResource | None, owner: type) -> Self | _BoundMethod:
        return self if resource is None else _BoundMethod(self._func, resource)

    def __call__(self, resource: GuestResource, *args: Any) -> Any:
        return self._func(resource.store, resource.handle, *args)


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
            members[member.replace("-", "_")] = _Method(item)
        elif kind == "[static":
            members[member.replace("-", "_")] = staticmethod(item)
    return type(name.replace("-", "_"), (GuestResource,), members)
