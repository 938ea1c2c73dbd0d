"""The cases touch every name of the API, and what they declare to touch is true."""

from __future__ import annotations

import inspect
from fnmatch import fnmatchcase

import pytest

from .harness import Outcome, all_cases
from .trace import UNTRACEABLE, api_names, split_name

# The first test waits until all cases have run on both packages.
pytestmark = pytest.mark.timeout(900)

#: Fewer would mean that cases or names were lost on the way: files not found, an empty list of names.
LEAST_CASES = 1280
LEAST_NAMES = 460


def _declared(pattern: str) -> list[str]:
    return [name for name in api_names() if fnmatchcase(name, pattern)]


def test_the_cases_and_the_names_are_all_there() -> None:
    assert len(all_cases()) >= LEAST_CASES
    assert len(api_names()) >= LEAST_NAMES


def test_every_name_of_the_api_is_touched_by_a_case(theirs: dict[str, Outcome]) -> None:
    touched = {name for outcome in theirs.values() for name in outcome.touched}
    declared = {name for case in all_cases().values() for pattern in case.covers for name in _declared(pattern)}
    assert sorted(api_names().keys() - touched - declared) == []


@pytest.mark.parametrize("name", sorted(name for name, case in all_cases().items() if case.covers))
def test_a_declared_name_exists_and_cannot_be_traced(name: str) -> None:
    for pattern in all_cases()[name].covers:
        names = _declared(pattern)
        assert names, f"the API has no {pattern}"
        traceable = [name for name in names if split_name(name)[1] and api_names()[name] not in UNTRACEABLE]
        assert traceable == [], "the tracer sees these by itself"


@pytest.mark.parametrize("name", sorted(name for name, case in all_cases().items() if case.covers))
def test_a_declared_name_is_mentioned_by_its_case(name: str) -> None:
    case = all_cases()[name]
    body = inspect.getsource(case.function).partition("def ")[2]
    for pattern in case.covers:
        owner, member = split_name(pattern)
        mentioned = owner if member in ("", "*") else f".{member}"
        assert mentioned in body
