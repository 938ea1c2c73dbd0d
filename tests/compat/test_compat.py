"""Every case has the same outcome on both packages, or differs exactly as the table of wanted differences says."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from .differences import DIFFERENCES
from .harness import Outcome, all_cases

# The first test waits until all cases have run on both packages.
pytestmark = pytest.mark.timeout(900)

#: The release that the table of differences describes.
REFERENCE_VERSION = "48.0.0"


def test_the_reference_is_the_release_that_the_table_describes() -> None:
    assert version("wasmtime") == REFERENCE_VERSION


@pytest.mark.parametrize("name", sorted(all_cases().keys() - DIFFERENCES.keys()))
def test_both_packages_agree(name: str, theirs: dict[str, Outcome], ours: dict[str, Outcome]) -> None:
    assert ours[name].satisfies(theirs[name]), _explain(theirs[name], ours[name])


@pytest.mark.parametrize("name", sorted(DIFFERENCES))
def test_a_wanted_difference_is_as_listed(name: str, theirs: dict[str, Outcome], ours: dict[str, Outcome]) -> None:
    wanted = DIFFERENCES[name]
    assert theirs[name].text == wanted.theirs, _explain(theirs[name], ours[name])
    assert ours[name].text == wanted.ours, _explain(theirs[name], ours[name])
    assert not ours[name].satisfies(theirs[name]), "the packages agree now: take the row out of the table"


def _explain(theirs: Outcome, ours: Outcome) -> str:
    lines = [f"wasmtime-py {theirs.text}", f"ferrowasm   {ours.text}"]
    if ours.stderr:
        lines.append(f"ferrowasm wrote to standard error:\n{ours.stderr}")
    return "\n".join(lines)
