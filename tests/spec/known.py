"""Failures and skips that have an explanation. An entry that no longer applies is an error, so none can go stale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from .runner import Status, Verdict

SKIPPED_SUITES: dict[str, str] = {
    "custom-descriptors": "the engine does not implement the custom descriptors proposal",
}


@dataclass(frozen=True)
class Known:
    """Commands of one script that fail, and why that is right or cannot be helped."""

    script: str
    lines: frozenset[int]
    explanation: str


FAILURES: tuple[Known, ...] = (
    Known(
        "mutable-global/linking.wast",
        frozenset({206, 227, 236, 238, 248, 298, 334, 342, 344, 354}),
        "written before bulk memory, when a segment that does not fit was a link error and nothing had been written; "
        "since 2.0 segments are written in order, one that does not fit traps, and what came before stays",
    ),
    Known(
        "reference-types/unreached-invalid.wast",
        frozenset({539}),
        "the rule was dropped: after `unreachable` an operand fits labels of different types, and `meet-bottom` in "
        "wasm-v3/unreached-valid.wast requires that such code is accepted",
    ),
)


def explain(script: str, verdicts: Iterable[Verdict]) -> Iterator[Verdict]:
    """Marks the failures of a script that have an explanation; an explained line that passes becomes a failure."""
    explanations = {line: known.explanation for known in FAILURES if known.script == script for line in known.lines}
    for verdict in verdicts:
        explanation = explanations.get(verdict.line)
        if explanation is None:
            yield verdict
        elif verdict.status is Status.FAILED:
            yield replace(verdict, status=Status.EXPLAINED, detail=explanation)
        else:
            yield replace(verdict, status=Status.FAILED, detail=f"{verdict.status.value}, but listed in known.py")
