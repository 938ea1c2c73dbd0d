"""The harness itself: that it sees what it is there to see."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from types import ModuleType

import pytest

from .harness import Case, Outcome, attempt, describe
from .run import run_isolated

#: `describe` asks the package for its classes of types; this one has none of them.
NO_PACKAGE = ModuleType("no_package")
for _name in ("ValType Limits FuncType GlobalType TableType MemoryType TagType ImportType ExportType Val").split():
    setattr(NO_PACKAGE, _name, type(_name, (), {}))
NO_PACKAGE.component = ModuleType("no_package.component")  # type: ignore[attr-defined]
for _name in (
    "Record Variant FuncType ListType TupleType RecordType VariantType EnumType FlagsType OptionType StreamType"
    " FutureType ResultType"
).split():
    setattr(NO_PACKAGE.component, _name, type(_name, (), {}))


class Specific(LookupError):
    """A more specific exception than the one that is expected."""


def _outcome(function: Callable[..., object], *, message: bool = False, time_limit: float = 30) -> Outcome:
    return run_isolated(Case("harness.case", function, message, ()), NO_PACKAGE, traced=False, time_limit=time_limit)


def _raising(error: BaseException) -> Callable[[object], object]:
    def fail(w: object) -> object:
        raise error

    return fail


def test_a_case_that_kills_its_process_is_an_outcome() -> None:
    assert _outcome(lambda w: os.kill(os.getpid(), signal.SIGABRT)).text == "kills the process (SIGABRT)"


def test_a_case_that_exits_is_an_outcome() -> None:
    assert _outcome(lambda w: os._exit(3)).text == "ends the process with exit code 3"


def test_a_case_that_hangs_is_an_outcome() -> None:
    assert _outcome(lambda w: time.sleep(60), time_limit=0.2).text == "does not return within 0.2 seconds"


def test_the_last_words_of_a_case_are_kept() -> None:
    def complain_and_die(w: object) -> None:
        os.write(2, b"the reason")
        os.abort()

    assert _outcome(complain_and_die).stderr == "the reason"


def test_a_case_cannot_reach_the_next_one() -> None:
    def leave_something_behind(w: object) -> bool:
        was_there = hasattr(sys, "left_behind")
        sys.left_behind = True  # type: ignore[attr-defined]
        return was_there

    assert [_outcome(leave_something_behind).text for _ in range(2)] == ["returns False", "returns False"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), StopIteration(), LookupError()])
def test_every_exception_is_an_outcome(error: BaseException) -> None:
    assert _outcome(_raising(error)).text == f"raises {type(error).__name__}"


def test_equal_values_of_different_types_are_told_apart() -> None:
    texts = [describe(NO_PACKAGE, value) for value in (1, 1.0, True, b"a", bytearray(b"a"), "a", [1], (1,), None)]
    assert len(set(texts)) == len(texts)


def test_a_more_specific_exception_satisfies() -> None:
    expected, actual = (_outcome(_raising(error)) for error in (LookupError(), Specific()))
    assert actual.satisfies(expected)
    assert not expected.satisfies(actual)


def test_a_plain_exception_is_only_satisfied_by_itself() -> None:
    expected, actual = (_outcome(_raising(error)) for error in (Exception(), LookupError()))
    assert not actual.satisfies(expected)


def test_the_text_of_an_exception_matters_where_it_is_compared() -> None:
    expected, actual = (_outcome(_raising(Specific(text)), message=True) for text in ("one", "two"))
    assert not actual.satisfies(expected)


def test_a_value_does_not_satisfy_an_exception() -> None:
    assert not _outcome(lambda w: None).satisfies(_outcome(_raising(LookupError())))


def test_an_attempt_gives_the_value_or_the_name_of_the_exception() -> None:
    assert attempt(lambda: 5) == 5
    assert attempt(lambda: [][1]) == "raises IndexError"


def test_a_case_gets_an_empty_directory_if_it_asks_for_one() -> None:
    assert _outcome(lambda w, tmp: list(tmp.iterdir())).text == "returns []"


def test_an_object_of_another_class_is_shown_by_the_name_of_its_class() -> None:
    assert describe(NO_PACKAGE, Specific()) == "<Specific>"


def test_a_subclass_is_told_apart_from_its_base() -> None:
    class Number(int):
        pass

    assert describe(NO_PACKAGE, Number(1)) == "<Number>"
