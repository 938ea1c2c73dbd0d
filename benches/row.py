"""A row of the table, its targets, and its figures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

from .measuring import Subject


@dataclass(frozen=True)
class Figures:
    """Seconds for one operation, where it was measured."""

    ours: float
    theirs: float | None = None
    rust: float | None = None
    floor: float | None = None


@dataclass(frozen=True)
class Target:
    """What a row has to reach: `ratio` of the figures has to be at least, or at most, `bound`."""

    bound: float
    #: Names the ratio behind a number: "x faster than wasmtime-py".
    unit: str
    ratio: Callable[[Figures], float | None]
    at_least: bool = False

    def met(self, ratio: float) -> bool:
        return ratio >= self.bound if self.at_least else ratio <= self.bound

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}{self.unit}"


def quotient(numerator: float | None, denominator: float | None) -> float | None:
    return None if numerator is None or not denominator else numerator / denominator


def faster(times: float) -> Target:
    """So many times faster than wasmtime-py."""
    return Target(times, "× faster than wasmtime-py", lambda figures: quotient(figures.theirs, figures.ours), at_least=True)


def of_theirs(times: float) -> Target:
    """At most so many times what wasmtime-py takes."""
    return Target(times, "× wasmtime-py", lambda figures: quotient(figures.ours, figures.theirs))


def of_rust(times: float) -> Target:
    """At most so many times what the engine takes from Rust."""
    return Target(times, "× Rust", lambda figures: quotient(figures.ours, figures.rust))


def of_floor(times: float, name: str) -> Target:
    """At most so many times the row's floor, called `name`."""
    return Target(times, f"× {name}", lambda figures: quotient(figures.ours, figures.floor))


def scaling(times: float, share: float = 1) -> Target:
    """Two threads, which is what `ours` measures, do so many times the work of one in the same time.

    `floor` measures one thread, which does that `share` of the work of both.
    """

    def ratio(figures: Figures) -> float | None:
        alone = quotient(figures.floor, figures.ours)
        return None if alone is None else alone / share

    return Target(times, "× one thread", ratio, at_least=True)


def seconds(bound: float) -> Target:
    """At most so many seconds."""
    return Target(bound, " s", lambda figures: figures.ours)


def nanoseconds(bound: float) -> Target:
    """At most so many nanoseconds."""
    return Target(bound, " ns", lambda figures: figures.ours * 1e9)


@dataclass(frozen=True)
class Row:
    """An operation, and who performs it.

    `rust` is the name of the figure in the output of `engine-bench`, `floor` measures what plain Python needs for as much. A row with `rounds` is
    measured so many times only, because it takes long.
    """

    name: str
    ours: Subject
    theirs: Subject | None = None
    rust: str | None = None
    floor: Subject | None = None
    targets: tuple[Target, ...] = ()
    rounds: int | None = None


@dataclass
class Samples:
    """What was measured of a row, in seconds, by the name of the subject."""

    row: Row
    by_subject: dict[str, list[float]] = field(default_factory=dict)

    def measure(self, rust: dict[str, float]) -> None:
        """Measure every subject once; `rust` holds the figures of Rust in seconds."""
        row = self.row
        # Side by side, so that the subjects of a row meet the same machine.
        for subject, measure in (("ours", row.ours), ("theirs", row.theirs), ("floor", row.floor)):
            if measure is not None:
                self.by_subject.setdefault(subject, []).append(measure())
        if row.rust is not None and row.rust in rust:
            self.by_subject.setdefault("rust", []).append(rust[row.rust])

    def figures(self) -> Figures:
        return Figures(**{subject: median(values) for subject, values in self.by_subject.items()})

    def ratio(self, target: Target) -> float | None:
        """The median of the ratios of the rounds: a machine that is faster in some rounds than in others changes times, and not what is held against
        each other within a round.
        """
        rounds = (Figures(**dict(zip(self.by_subject, values, strict=True))) for values in zip(*self.by_subject.values(), strict=True))
        ratios = [target.ratio(figures) for figures in rounds]
        known = [ratio for ratio in ratios if ratio is not None]
        return median(known) if known else None
