"""The document shows the table of differences as it is in code."""

from __future__ import annotations

from .differences import DIFFERENCES, DOCUMENT, GROUPS, render
from .harness import all_cases


def test_the_document_contains_exactly_the_table() -> None:
    assert DOCUMENT.read_text() == render(), "run `python -m tests.compat.differences` to write it again"


def test_every_row_belongs_to_a_case() -> None:
    assert sorted(DIFFERENCES.keys() - all_cases().keys()) == []


def test_every_row_tells_the_reader_what_the_case_does() -> None:
    assert [name for name in DIFFERENCES if not all_cases()[name].summary] == []


def test_every_row_is_listed_once() -> None:
    assert len(DIFFERENCES) == sum(len(group.rows) for group in GROUPS)
