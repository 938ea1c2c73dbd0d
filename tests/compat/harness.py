"""What a case is, and how its outcome becomes text that can be compared between two packages."""

from __future__ import annotations

import ctypes
import enum
import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, overload

#: The module under test: `ferrowasm` or `wasmtime`. Untyped, as the two share no base.
Package: TypeAlias = Any
CaseFunction: TypeAlias = Callable[..., object]

_VALUE_TYPES = ("i32", "i64", "f32", "f64", "externref", "funcref")
_PLAIN = (bool, int, float, str, bytes, bytearray)


@dataclass(frozen=True)
class Case:
    """A function of the package (and of an empty directory, if it has a parameter `tmp`) whose outcome is compared."""

    name: str
    function: CaseFunction
    #: Whether the text of an exception belongs to the contract.
    compare_message: bool
    #: Members that tracing cannot see being used (enum members, plain attributes).
    covers: tuple[str, ...]

    @property
    def summary(self) -> str:
        """The first line of the docstring: what the case does, for the reader of the table of differences."""
        lines = (self.function.__doc__ or "").strip().splitlines()
        return lines[0] if lines else ""


_CASES: dict[str, Case] = {}


def register(name: str, function: CaseFunction, *, message: bool = False, covers: Iterable[str] = ()) -> None:
    """Adds a case under `concept.claim`, the concept being the file's (`cases_func.py` → `func`)."""
    concept = function.__module__.rpartition(".cases_")[2]
    full_name = f"{concept}.{name}"
    if full_name in _CASES:
        raise ValueError(f"two cases are called {full_name}")
    _CASES[full_name] = Case(full_name, function, message, tuple(covers))


@overload
def case(function: CaseFunction, /) -> CaseFunction: ...
@overload
def case(*, message: bool = False, covers: Iterable[str] = ()) -> Callable[[CaseFunction], CaseFunction]: ...
def case(
    function: CaseFunction | None = None, /, *, message: bool = False, covers: Iterable[str] = ()
) -> CaseFunction | Callable[[CaseFunction], CaseFunction]:
    """Registers the decorated function as a case named like it."""

    def decorate(function: CaseFunction) -> CaseFunction:
        register(function.__name__, function, message=message, covers=covers)
        return function

    return decorate if function is None else decorate(function)


def all_cases() -> dict[str, Case]:
    """Every case of every `cases_*.py` file, by name."""
    package = __name__.rpartition(".")[0]
    for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
        if module.name.startswith("cases_"):
            importlib.import_module(f"{package}.{module.name}")
    return dict(_CASES)


@dataclass(frozen=True)
class Outcome:
    """How a case ended on one package."""

    #: The outcome as one line of text: what the table of differences shows.
    text: str
    #: If it raised: the names of the exception's class and bases that a program would name in `except`.
    catchable_as: tuple[str, ...] = ()
    #: If it raised and the text of the exception belongs to the contract: that text.
    message: str | None = None
    #: `Class.member` names that ran (only when traced).
    touched: tuple[str, ...] = ()
    #: The end of what was written to standard error: the engine's last words if it took the process down.
    stderr: str = ""

    def satisfies(self, expected: Outcome) -> bool:
        """Whether a program written for `expected` gets what it expects; a more specific exception is allowed."""
        if self.text == expected.text:
            return True
        return (
            bool(expected.catchable_as)
            and expected.catchable_as[0] in self.catchable_as
            and self.message == expected.message
        )


def run_case(case: Case, package: Package, tmp: Path) -> Outcome:
    """Runs a case in this process."""
    wants_tmp = "tmp" in case.function.__code__.co_varnames[: case.function.__code__.co_argcount]
    try:
        value = case.function(package, tmp) if wants_tmp else case.function(package)
    except BaseException as error:
        return _raised(error, case.compare_message)
    try:
        return Outcome(f"returns {describe(package, value)}")
    except Exception as error:
        return Outcome(f"returns an object that cannot be described: {error!r}")


def _raised(error: BaseException, with_message: bool) -> Outcome:
    too_general = (Exception, BaseException, object)
    bases = tuple(base.__name__ for base in type(error).__mro__ if base not in too_general)
    # A plain `Exception` is only matched by a plain `Exception`.
    catchable_as = bases or (type(error).__name__,)
    # The engine's texts have several lines; whether the last one ends with a newline is nobody's concern.
    message = str(error).rstrip() if with_message else None
    text = f"raises {type(error).__name__}"
    return Outcome(text if message is None else f"{text}: {message}", catchable_as, message)


def attempt(function: Callable[[], object]) -> object:
    """The result of a call, or the name of the class of what it raised: for cases that compare several calls."""
    try:
        return function()
    except Exception as error:
        return f"raises {type(error).__name__}"


def describe(w: Package, value: object) -> str:
    """A value as text: the same for both packages exactly if the values are equal and of the same Python type."""
    kind = type(value)
    if value is None or kind in _PLAIN:
        return repr(value)
    if isinstance(value, (list, tuple)) and kind in (list, tuple):
        inner = ", ".join(describe(w, item) for item in value)
        if kind is list:
            return f"[{inner}]"
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    if isinstance(value, (set, frozenset)) and kind in (set, frozenset):
        return f"{kind.__name__}({describe(w, sorted(value))})"
    if isinstance(value, dict) and kind is dict:
        return "{" + ", ".join(f"{describe(w, k)}: {describe(w, v)}" for k, v in value.items()) + "}"
    if isinstance(value, enum.Enum):
        return f"{kind.__name__}.{value.name}"
    if isinstance(value, ctypes.Array):
        return f"ctypes {value._type_.__name__}[{len(value)}]"
    if isinstance(value, type):
        return f"class {value.__name__}"
    if isinstance(value, ctypes._Pointer):
        return f"ctypes pointer to {value._type_.__name__}"
    return _describe_type(w, value) or _describe_of_component(w, value) or f"<{kind.__name__}>"


def _type_of_val(w: Package, value: Any) -> str:
    # wasmtime-py's values that come from the engine have a type that cannot be asked for.
    try:
        return describe(w, value.type)
    except AttributeError:
        return "unknown type"


def _describe_type(w: Package, value: object) -> str | None:
    """The structure of the package's type objects: their `repr` is compared by cases of its own."""
    match value:
        case w.ValType():
            return next((name for name in _VALUE_TYPES if getattr(w.ValType, name)() == value), "another ValType")
        case w.Limits():
            return f"Limits({value.min!r}, {value.max!r})"
        case w.FuncType():
            return f"FuncType({describe(w, value.params)}, {describe(w, value.results)})"
        case w.GlobalType():
            return f"GlobalType({describe(w, value.content)}, mutable={value.mutable!r})"
        case w.TableType():
            return f"TableType({describe(w, value.element)}, {describe(w, value.limits)})"
        case w.MemoryType():
            flags = f"is_64={value.is_64!r}, is_shared={value.is_shared!r}, page_size={value.page_size!r}"
            return f"MemoryType({describe(w, value.limits)}, {flags})"
        case w.TagType():
            return f"TagType({describe(w, value.functype)})"
        case w.ImportType():
            return f"ImportType({value.module!r}, {value.name!r}, {describe(w, value.type)})"
        case w.ExportType():
            return f"ExportType({value.name!r}, {describe(w, value.type)})"
        case w.Val():
            return f"Val({_type_of_val(w, value)}, {describe(w, value.value)})"
        case _:
            return None


def _describe_of_component(w: Package, value: Any) -> str | None:
    """Records, variants, and the structure of the types of components."""
    c = w.component
    name = type(value).__name__
    match value:
        case c.Record():
            return f"Record({describe(w, vars(value))})"
        case c.Variant():
            return f"{name}({value.tag!r}, {describe(w, value.payload)})"
        case c.FuncType():
            return f"FuncType({describe(w, value.params)}, {describe(w, value.result)})"
        case c.ListType():
            return f"{name}({describe(w, value.element)})"
        case c.TupleType():
            return f"{name}({describe(w, value.elements)})"
        case c.RecordType():
            return f"{name}({describe(w, value.fields)})"
        case c.VariantType():
            return f"{name}({describe(w, value.cases)})"
        case c.EnumType() | c.FlagsType():
            return f"{name}({value.names!r})"
        case c.OptionType() | c.StreamType() | c.FutureType():
            return f"{name}({describe(w, value.payload)})"
        case c.ResultType():
            return f"{name}({describe(w, value.ok)}, {describe(w, value.err)})"
        case _:
            return None
