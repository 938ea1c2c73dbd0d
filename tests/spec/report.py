"""Counts verdicts and prints them as a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .runner import Status, Verdict
from .suite import SUITES, Group, Script

Tally = Counter[Status]
"""How many assertions came to which end."""


def pass_ratio(tally: Tally) -> float:
    """The share of all assertions, run or not, that passed."""
    return tally[Status.PASSED] / tally.total() if tally else 0.0


@dataclass
class Report:
    """What a run has found so far."""

    scripts: dict[str, list[str]] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    reasons: Counter[str] = field(default_factory=Counter)

    def add(self, script: Script, verdicts: Iterable[Verdict]) -> None:
        self.scripts.setdefault(script.suite, []).append(script.id)
        tally = self.tallies.setdefault(script.suite, Tally())
        for verdict in verdicts:
            if verdict.is_assertion:
                tally[verdict.status] += 1
            if verdict.status in (Status.SKIPPED, Status.EXPLAINED):
                self.reasons[f"{verdict.status.value}: {verdict.detail}"] += 1

    def done(self) -> set[str]:
        """The names of the scripts that have run."""
        return {script for scripts in self.scripts.values() for script in scripts}

    def group(self, group: Group) -> Tally:
        """The assertions of all suites of a group together."""
        return sum((self.tallies[suite] for suite in self._suites(group)), Tally())

    def lines(self) -> Iterator[str]:
        yield _row("suite", "scripts", "assertions", *(status.value for status in Status))
        for group in Group:
            if suites := self._suites(group):
                total = self.group(group)
                yield _row(f"{group.value}: {pass_ratio(total):.2%}", *self._figures(suites, total))
                yield from (_row(f"  {suite}", *self._figures([suite], self.tallies[suite])) for suite in suites)
        yield from (f"{count:7} {reason}" for reason, count in self.reasons.most_common())

    def _suites(self, group: Group) -> list[str]:
        return [suite for suite in self.tallies if SUITES[suite].group is group]

    def _figures(self, suites: list[str], tally: Tally) -> list[int]:
        return [sum(len(self.scripts[suite]) for suite in suites), tally.total(), *(tally[status] for status in Status)]


def _row(name: str, *cells: str | int) -> str:
    return f"{name:38}" + "".join(f"{cell:>11}" for cell in cells)
