"""Exceptions of all sorts, and Python code that raises them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from ferrowasm import Trap, WasmtimeError


class Plain(Exception):
    """An ordinary class of an application."""


class Base(BaseException):
    """A class that `except Exception` does not catch."""


class Unprintable(Exception):
    """Nobody can tell what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Incomparable(Exception):
    """Equality and truth are not defined."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


class Slotted(Exception):
    """Its attributes are fixed."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        super().__init__("slots")
        self.value = [self]


class Stubborn(Exception):
    """Refuses to be changed."""

    def __setattr__(self, name: str, value: object) -> None:
        raise RuntimeError("no change")


class Deep(Exception):
    """Has a long chain of causes."""

    def __init__(self) -> None:
        super().__init__("deep")
        last: BaseException = self
        for number in range(500):
            last.__cause__ = ValueError(number)
            last = last.__cause__


def circular() -> BaseException:
    """Is its own context, by a detour."""
    error, other = ValueError("one"), KeyError("other")
    error.__context__, other.__context__ = other, error
    return error


def noted() -> BaseException:
    error = ValueError("with notes")
    error.add_note("first")
    error.add_note("second")
    return error


#: What makes the exceptions, by name.
ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("x"),
    "Plain": lambda: Plain("x", 1),
    "Base": lambda: Base("x"),
    "TypeError": lambda: TypeError("x"),
    "OverflowError": lambda: OverflowError("x"),
    "BufferError": lambda: BufferError("x"),
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration(5),
    "StopAsyncIteration": lambda: StopAsyncIteration(5),
    "CancelledError": asyncio.CancelledError,
    "TimeoutError": lambda: TimeoutError("x"),
    "MemoryError": MemoryError,
    "RecursionError": lambda: RecursionError("x"),
    "OSError": lambda: OSError(2, "nothing there", "name"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "reason"),
    "SyntaxError": lambda: SyntaxError("x", ("file", 1, 2, "text")),
    "ImportError": lambda: ImportError("x", name="n"),
    "Group": lambda: BaseExceptionGroup("several", [ValueError(1), KeyboardInterrupt()]),
    "Trap": lambda: Trap("mine"),
    "WasmtimeError": lambda: WasmtimeError("mine"),
    "Warning": lambda: UserWarning("x"),
    "Unprintable": Unprintable,
    "Incomparable": Incomparable,
    "Slotted": Slotted,
    "Stubborn": lambda: Stubborn("x"),
    "Deep": Deep,
    "circular": circular,
    "noted": noted,
    "empty": BaseException,
}


class Raiser:
    """Raises an exception when it is called, and knows which one."""

    def __init__(self, make: Callable[[], BaseException]) -> None:
        self.error = make()
        self.cause = self.error.__cause__
        self.context = self.error.__context__
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        raise self.error

    def check(self, run: Callable[[], Any]) -> None:
        """`run` has to raise the exception as it was."""
        try:
            run()
        except BaseException as error:  # noqa: BLE001
            caught = error
        else:
            raise AssertionError("nothing was raised")
        assert caught is self.error, f"{type(caught)}: {caught!r}"
        assert self.calls == 1
        names = []
        traceback = caught.__traceback__
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        assert names[0] == "check" and names[-1] == "__call__", names
        assert caught.__cause__ is self.cause
        assert caught.__context__ is self.context


class Index:
    """A number that raises when it is asked for its value."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __index__(self) -> int:
        result: int = self.raiser()
        return result


class Items:
    """An iterable that raises when it is asked for its items."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __iter__(self) -> Iterator[int]:
        result: Iterator[int] = self.raiser()
        return result


#: Code below WebAssembly that raises, and what runs it.
Entry = Callable[[Raiser], Callable[[], Any]]

#: Passes its argument to the host function `h`, and gives what that gives.
COMPONENT = """(component
  (import "h" (func $h (param "x" u32) (result u32)))
  (core func $lowered (canon lower (func $h)))
  (core module $code (import "" "h" (func $h (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $h (local.get 0))))
  (core instance $c (instantiate $code (with "" (instance (export "h" (func $lowered))))))
  (func (export "f") (param "x" u32) (result u32) (canon lift (core func $c "f"))))"""
