"""Fixtures of several files."""

from __future__ import annotations

import pytest

from tests.hostile.raising import ERRORS, Raiser


@pytest.fixture(params=ERRORS)
def raiser(request: pytest.FixtureRequest) -> Raiser:
    """A callable that raises one of these exceptions."""
    return Raiser(ERRORS[request.param])
