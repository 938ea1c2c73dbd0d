"""The short form of `make fuzz`: every target finds nothing in some hundred executions."""

from __future__ import annotations

import pytest

from .run import run
from .targets import TARGETS

#: The executions of each target; other seeds than those of the long runs, so that a failure here is repeated by the number.
EXECUTIONS = 300


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_found(target: str) -> None:
    report = run(target, seconds=60, executions=EXECUTIONS, seed=1)
    assert report.finding == ""
    assert report.executions == EXECUTIONS


def test_a_finding_is_reported_with_the_seed_that_repeats_it() -> None:
    report = run("no-such-target", seconds=1, executions=1, seed=7)
    assert "KeyError: 'no-such-target'" in report.finding and "--seed 7" in report.finding
