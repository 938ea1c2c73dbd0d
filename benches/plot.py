"""A plot of the figures with a logarithmic axis, as SVG."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

#: Subject: its name in the legend, and its colour (told apart by people who see no red or no green, too).
SUBJECTS = {
    "theirs": ("wasmtime-py", "#d55e00"),
    "ours": ("ferrowasm", "#0072b2"),
    "floor": ("plain Python", "#999999"),
    "rust": ("Rust, same engine", "#000000"),
}
WIDTH, LEFT, RIGHT, TOP, ROW_HEIGHT = 960, 290, 30, 64, 26
TICKS = {-9: "1 ns", -8: "10 ns", -7: "100 ns", -6: "1 µs", -5: "10 µs", -4: "100 µs", -3: "1 ms", -2: "10 ms", -1: "100 ms", 0: "1 s", 1: "10 s", 2: "100 s"}


class Axis:
    """Seconds to pixels."""

    def __init__(self, least: float, greatest: float) -> None:
        self.first, self.last = math.floor(math.log10(least)), math.ceil(math.log10(greatest))

    def place(self, seconds: float) -> float:
        return LEFT + (math.log10(seconds) - self.first) / (self.last - self.first) * (WIDTH - LEFT - RIGHT)


def svg(report: Mapping[str, Any]) -> str:
    """The plot of a report of `report.as_json`."""
    rows = report["rows"]
    values = [value for row in rows for value in row["seconds"].values() if value]
    axis = Axis(min(values), max(values))
    bottom = TOP + len(rows) * ROW_HEIGHT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 34}" font-family="sans-serif" font-size="13">',
        f'<rect width="{WIDTH}" height="{bottom + 34}" fill="white"/>',
        *legend(),
        *grid(axis, bottom),
    ]
    for index, row in enumerate(rows):
        parts.extend(line(row, TOP + (index + 0.5) * ROW_HEIGHT, axis))
    machine = report["machine"]
    caption = f"time of one operation, medians, logarithmic; {machine['processor']}, {machine['processors']} processors, CPython {machine['python']}"
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{bottom + 26}" text-anchor="end" font-size="11" fill="#555">{escape(caption)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def legend() -> list[str]:
    parts = []
    for index, (name, colour) in enumerate(SUBJECTS.values()):
        x = LEFT + index * 160
        parts.append(f'<circle cx="{x}" cy="18" r="5" fill="{colour}"/><text x="{x + 10}" y="22">{escape(name)}</text>')
    return parts


def grid(axis: Axis, bottom: float) -> list[str]:
    parts = []
    for exponent in range(axis.first, axis.last + 1):
        x = axis.place(10.0**exponent)
        label = TICKS.get(exponent, f"1e{exponent} s")
        parts.append(f'<line x1="{x:.1f}" y1="{TOP - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{x:.1f}" y="{TOP - 12}" text-anchor="middle" font-size="11" fill="#555">{label}</text>')
    return parts


def line(row: Mapping[str, Any], y: float, axis: Axis) -> list[str]:
    """One operation: its name, a bar between the fastest and the slowest, and a dot for each subject."""
    places = {subject: axis.place(row["seconds"][subject]) for subject in SUBJECTS if row["seconds"].get(subject)}
    parts = [
        f'<text x="{LEFT - 14}" y="{y + 4:.1f}" text-anchor="end">{escape(row["operation"])}</text>',
        f'<line x1="{min(places.values()):.1f}" y1="{y}" x2="{max(places.values()):.1f}" y2="{y}" stroke="#bbb" stroke-width="2"/>',
    ]
    for subject, x in places.items():
        name, colour = SUBJECTS[subject]
        parts.append(f'<circle cx="{x:.1f}" cy="{y}" r="5" fill="{colour}"><title>{escape(name)}</title></circle>')
    return parts


def write(path: Path, report: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(svg(report), encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)
