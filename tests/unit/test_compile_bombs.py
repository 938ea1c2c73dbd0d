"""What is made to take long to compile is refused, or takes no more than docs/interrupts.md says, with room for slow machines."""

from __future__ import annotations

from typing import Any

import pytest
from bombs import BOMBS, measured


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("name", [name for name, bomb in BOMBS.items() if not bomb.slow])
def test_a_bomb_is_refused_or_bounded(name: str) -> None:
    bomb = BOMBS[name]
    found: dict[str, Any] = measured(name)
    assert (found["outcome"] != "compiled") == bomb.refused, found
    assert found["seconds"] < bomb.seconds, found
    assert found["memory"] < bomb.memory, found
