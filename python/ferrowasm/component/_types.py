"""The value types of the component model as plain values: they compare by structure and print as WIT."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Any, Self

from .._managed import Managed
from ._native import ResourceType

__all__ = [
    "Bool",
    "BorrowType",
    "Char",
    "EnumType",
    "ErrorContext",
    "F32",
    "F64",
    "FixedLengthListType",
    "FlagsType",
    "FuncType",
    "FutureType",
    "ListType",
    "MapType",
    "OptionType",
    "OwnType",
    "RecordType",
    "ResultType",
    "S16",
    "S32",
    "S64",
    "S8",
    "StreamType",
    "String",
    "TupleType",
    "U16",
    "U32",
    "U64",
    "U8",
    "ValType",
    "VariantLikeType",
    "VariantType",
]


class ValType(Managed, ABC):
    """The type of a value. Types are equal when they have the same structure; their `repr` is WIT."""

    __slots__ = ()

    @abstractmethod
    def __repr__(self) -> str: ...

    @property
    def ty(self) -> Any:
        """The type itself: every item that a component imports or exports has this."""
        return self


class _Simple(ValType):
    """A type without parts."""

    __slots__ = ()
    _wit = ""

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))

    def __repr__(self) -> str:
        return self._wit


class Bool(_Simple):
    """`bool`: a Python `bool`."""

    __slots__ = ()
    _wit = "bool"


class S8(_Simple):
    """`s8`: an `int` from -128 to 127."""

    __slots__ = ()
    _wit = "s8"


class U8(_Simple):
    """`u8`: an `int` from 0 to 255."""

    __slots__ = ()
    _wit = "u8"


class S16(_Simple):
    """`s16`: an `int` from -2**15 to 2**15 - 1."""

    __slots__ = ()
    _wit = "s16"


class U16(_Simple):
    """`u16`: an `int` from 0 to 2**16 - 1."""

    __slots__ = ()
    _wit = "u16"


class S32(_Simple):
    """`s32`: an `int` from -2**31 to 2**31 - 1."""

    __slots__ = ()
    _wit = "s32"


class U32(_Simple):
    """`u32`: an `int` from 0 to 2**32 - 1."""

    __slots__ = ()
    _wit = "u32"


class S64(_Simple):
    """`s64`: an `int` from -2**63 to 2**63 - 1."""

    __slots__ = ()
    _wit = "s64"


class U64(_Simple):
    """`u64`: an `int` from 0 to 2**64 - 1."""

    __slots__ = ()
    _wit = "u64"


class F32(_Simple):
    """`f32`: a `float`, rounded to single precision."""

    __slots__ = ()
    _wit = "f32"


class F64(_Simple):
    """`f64`: a `float`."""

    __slots__ = ()
    _wit = "f64"


class Char(_Simple):
    """`char`: a `str` of one character, which is no surrogate."""

    __slots__ = ()
    _wit = "char"


class String(_Simple):
    """`string`: a `str` without surrogates."""

    __slots__ = ()
    _wit = "string"


class ErrorContext(_Simple):
    """`error-context`. Values of it cannot be passed between Python and components."""

    __slots__ = ()
    _wit = "error-context"


@dataclass(frozen=True, repr=False, slots=True)
class ListType(ValType):
    """`list<T>`: a `list`; `list<u8>` is `bytes`."""

    #: The type of the items.
    element: ValType

    def __repr__(self) -> str:
        return f"list<{self.element!r}>"


@dataclass(frozen=True, repr=False, slots=True)
class FixedLengthListType(ValType):
    """`list<T, N>`: a `list` of exactly N items; `list<u8, N>` is `bytes`."""

    #: The type of the items.
    element: ValType
    #: How many items there are.
    length: int

    def __repr__(self) -> str:
        return f"list<{self.element!r}, {self.length}>"


@dataclass(frozen=True, repr=False, slots=True)
class MapType(ValType):
    """`map<K, V>`: a `dict`."""

    key: ValType
    value: ValType

    def __repr__(self) -> str:
        return f"map<{self.key!r}, {self.value!r}>"


class _Parts(ValType):
    """Types whose parts are in a list: wasmtime-py gives lists, so they are copied when they are asked for."""

    __slots__ = ("_parts",)
    _parts: tuple[Any, ...]

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and isinstance(other, _Parts) and self._parts == other._parts

    def __hash__(self) -> int:
        return hash((type(self), self._parts))


class RecordType(_Parts):
    """`record`: a `Record`; anything with the fields as attributes or keys is accepted."""

    __slots__ = ()

    def __init__(self, fields: list[tuple[str, ValType]]) -> None:
        self._parts = tuple(fields)

    @property
    def fields(self) -> list[tuple[str, ValType]]:
        """Names and types of the fields, as a new list."""
        return list(self._parts)

    def __repr__(self) -> str:
        return "record {" + ", ".join(f"{name}: {ty!r}" for name, ty in self._parts) + "}"


class TupleType(_Parts):
    """`tuple<...>`: a `tuple`."""

    __slots__ = ()

    def __init__(self, elements: list[ValType]) -> None:
        self._parts = tuple(elements)

    @property
    def elements(self) -> list[ValType]:
        """The types of the items, as a new list."""
        return list(self._parts)

    def __repr__(self) -> str:
        return "tuple<" + ", ".join(map(repr, self._parts)) + ">"


class VariantLikeType(ValType):
    """A variant, option or result.

    Where the Python class of a payload tells the case, values are bare payloads (`None` for a case without one); otherwise they are `Variant`s.
    """

    __slots__ = ()


class VariantType(_Parts, VariantLikeType):
    """`variant`: the payload of a case, or a `Variant`."""

    __slots__ = ()

    def __init__(self, cases: list[tuple[str, ValType | None]]) -> None:
        self._parts = tuple(cases)

    @property
    def cases(self) -> list[tuple[str, ValType | None]]:
        """Names and payload types of the cases, as a new list; `None` for a case without payload."""
        return list(self._parts)

    def __repr__(self) -> str:
        return "variant {" + ", ".join(name if ty is None else f"{name}({ty!r})" for name, ty in self._parts) + "}"


class _Names(_Parts):
    __slots__ = ()

    def __init__(self, names: list[str]) -> None:
        self._parts = tuple(names)

    @property
    def names(self) -> list[str]:
        """The names, as a new list."""
        return list(self._parts)


class EnumType(_Names):
    """`enum`: a `str`; members of an `enum.Enum` whose value or name is the case are accepted."""

    __slots__ = ()

    @property
    def names_count(self) -> int:
        """How many names there are."""
        return len(self._parts)

    def name(self, n: int) -> str | None:
        """The name with this index, or `None` if there are not so many."""
        return self._parts[n] if 0 <= n < len(self._parts) else None

    def __repr__(self) -> str:
        return "enum {" + ", ".join(self._parts) + "}"


class FlagsType(_Names):
    """`flags`: a `set` of `str`; members of an `enum.Flag` are accepted."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "flags {" + ", ".join(self._parts) + "}"


@dataclass(frozen=True, repr=False, slots=True)
class OptionType(VariantLikeType):
    """`option<T>`: `None` or the value; options of options are `Variant`s with the tags `none` and `some`."""

    #: The type of the value.
    payload: ValType

    def __repr__(self) -> str:
        return f"option<{self.payload!r}>"


@dataclass(frozen=True, repr=False, slots=True)
class ResultType(VariantLikeType):
    """`result<T, E>`: one of the payloads, or a `Variant` with the tag `ok` or `err`."""

    #: The type of a good result, if there is one.
    ok: ValType | None
    #: The type of an error, if there is one.
    err: ValType | None

    def __repr__(self) -> str:
        if self.err is not None:
            return f"result<{'_' if self.ok is None else repr(self.ok)}, {self.err!r}>"
        return "result" if self.ok is None else f"result<{self.ok!r}>"


@dataclass(frozen=True, repr=False, slots=True)
class FutureType(ValType):
    """`future<T>`. Values of it cannot be passed between Python and components."""

    payload: ValType | None

    def __repr__(self) -> str:
        return "future" if self.payload is None else f"future<{self.payload!r}>"


@dataclass(frozen=True, repr=False, slots=True)
class StreamType(ValType):
    """`stream<T>`. Values of it cannot be passed between Python and components."""

    payload: ValType | None

    def __repr__(self) -> str:
        return "stream" if self.payload is None else f"stream<{self.payload!r}>"


@dataclass(frozen=True, repr=False, slots=True)
class OwnType(ValType):
    """`own<R>`: a `ResourceAny` or an owned `ResourceHost`, whose ownership goes along."""

    #: The type of the resource.
    ty: ResourceType = field()  # pyright: ignore[reportIncompatibleMethodOverride]  # wasmtime-py's name

    def __repr__(self) -> str:
        return f"own<{self.ty!r}>"


@dataclass(frozen=True, repr=False, slots=True)
class BorrowType(ValType):
    """`borrow<R>`: a `ResourceAny` or `ResourceHost`, lent for the duration of the call."""

    #: The type of the resource.
    ty: ResourceType = field()  # pyright: ignore[reportIncompatibleMethodOverride]  # wasmtime-py's name

    def __repr__(self) -> str:
        return f"borrow<{self.ty!r}>"


@dataclass(frozen=True, repr=False, slots=True)
class FuncType(Managed):
    """The type of a function."""

    _params: tuple[tuple[str, ValType], ...]
    #: The type of the result, or `None` if there is none.
    result: ValType | None

    def __init__(self, params: list[tuple[str, ValType]], result: ValType | None) -> None:
        object.__setattr__(self, "_params", tuple(params))
        object.__setattr__(self, "result", result)

    @property
    def params(self) -> list[tuple[str, ValType]]:
        """Names and types of the parameters, as a new list."""
        return list(self._params)

    @property
    def ty(self) -> Self:
        """The type itself: every item that a component imports or exports has this."""
        return self

    def __repr__(self) -> str:
        params = ", ".join(f"{name}: {ty!r}" for name, ty in self._params)
        return f"func({params})" + ("" if self.result is None else f" -> {self.result!r}")
