"""Random values of random types cross as a slow reference of the canonical ABI says.

What the package writes into guest memory is read by the reference, what the reference writes there is read by the
package, both ways through a host function as well, and what is no value is refused with the exception and the place
that the reference names. `make fuzz` does the same for as long as one likes.
"""

from __future__ import annotations

import random

import pytest
from canonical_abi import ENCODINGS, Cases, FixedList, Flags, List, Number
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference_support import Comparison, component_text, engine

from ferrowasm import WasmtimeError
from ferrowasm.component import Component

ENGINE = engine()


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.randoms(use_true_random=False), st.sampled_from(ENCODINGS))
def test_random_values_of_random_types_cross_as_the_reference_says(rng: random.Random, encoding: str) -> None:
    comparison = Comparison(ENGINE, rng, encoding)
    for _ in range(3):
        comparison.check()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_deep_types_cross_as_the_reference_says(encoding: str) -> None:
    for seed in range(30):
        comparison = Comparison(ENGINE, random.Random(seed), encoding, depth=5)
        for _ in range(3):
            comparison.check()


def test_more_than_32_flags_are_refused_when_the_component_is_compiled() -> None:
    with pytest.raises(WasmtimeError, match="32 flags"):
        Component(ENGINE, component_text(Flags("many", 33), "utf8"))


def test_fixed_lists_of_bytes_are_told_apart_from_lists_but_not_from_bytes() -> None:
    byte = Number("u8", "B")
    fixed, bytes_, numbers = FixedList(byte, 3), List(byte), List(Number("u16", "H"))
    assert Cases("variant", [("a", fixed), ("b", bytes_)], "t").tagged
    for cases in ([("a", fixed), ("b", bytes_)], [("a", fixed), ("b", numbers)]):
        comparison = Comparison(ENGINE, random.Random(0), "utf8", ty=Cases("variant", list(cases), "t"))
        for _ in range(5):
            comparison.check()
