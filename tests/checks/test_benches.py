"""The benchmarks run, and judge and draw their figures rightly; how fast anything is, is for `make bench` to say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from benches import plot, report, row
from benches.row import Figures, Row, Samples

ROOT = Path(__file__).resolve().parents[2]


def test_a_row_is_measured_and_written(tmp_path: Path) -> None:
    options = ["--rounds", "2", "--no-rust", "--rows", "^memory.read, 4 KiB$", "--json", str(tmp_path / "figures.json")]
    finished = subprocess.run(
        [sys.executable, "-m", "benches", *options], cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, text=True, check=True
    )
    [line] = [line for line in finished.stdout.splitlines() if line.startswith("memory.read, 4 KiB")]
    assert re.search(r"(met|MISSED): [\d.]+ \(target ≥ 10× faster than wasmtime-py\)$", line)
    [written] = json.loads((tmp_path / "figures.json").read_text())["rows"]
    assert len(written["samples"]["ours"]) == len(written["samples"]["theirs"]) == 2
    assert written["seconds"]["rust"] is None


FIGURES = Figures(ours=2e-6, theirs=20e-6, rust=1e-6, floor=1.5e-6)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        (row.faster(10), "met: 10 (target ≥ 10× faster than wasmtime-py)"),
        (row.faster(11), "MISSED: 10 (target ≥ 11× faster than wasmtime-py)"),
        (row.of_theirs(0.1), "met: 0.1 (target ≤ 0.1× wasmtime-py)"),
        (row.of_rust(1.9), "MISSED: 2 (target ≤ 1.9× Rust)"),
        (row.of_floor(1.4, "math.gcd"), "met: 1.33 (target ≤ 1.4× math.gcd)"),
        (row.scaling(1.5, share=0.5), "met: 1.5 (target ≥ 1.5× one thread)"),
        (row.scaling(1.9, share=0.5), "MISSED: 1.5 (target ≥ 1.9× one thread)"),
        (row.scaling(1), "MISSED: 0.75 (target ≥ 1× one thread)"),
        (row.seconds(1e-6), "MISSED: 2e-06 (target ≤ 1e-06 s)"),
        (row.nanoseconds(2001), "met: 2e+03 (target ≤ 2001 ns)"),
    ],
)
def test_a_target_is_met_or_missed(target: row.Target, said: str) -> None:
    assert report.verdict(target, target.ratio(FIGURES)) == said


def test_a_target_without_its_figure_is_not_called_met() -> None:
    samples = Samples(Row("operation", ours=lambda: 1.0))
    samples.measure({})
    assert report.verdict(row.of_rust(2), samples.ratio(row.of_rust(2))) == "not measured (target ≤ 2× Rust)"


def test_figures_are_medians() -> None:
    values = iter([3.0, 1.0, 2.0])
    samples = Samples(Row("operation", ours=lambda: next(values), rust="engine"))
    for rust in (4.0, 6.0, 5.0):
        samples.measure({"engine": rust, "other": 0.0})
    assert samples.figures() == Figures(ours=2.0, rust=5.0)


def test_ratios_are_medians_of_what_was_measured_side_by_side() -> None:
    """The machine is twice as slow in the rounds in which ours takes 2 and 6."""
    ours, theirs = iter([1.0, 2.0, 3.0, 6.0, 1.0]), iter([10.0, 20.0, 10.0, 60.0, 10.0])
    samples = Samples(Row("operation", ours=lambda: next(ours), theirs=lambda: next(theirs)))
    for _ in range(5):
        samples.measure({})
    assert samples.ratio(row.faster(10)) == 10
    assert samples.ratio(row.of_theirs(0.1)) == 0.1
    assert samples.figures() == Figures(ours=2.0, theirs=10.0)


def test_the_plot_has_a_dot_for_each_figure_in_order_of_time() -> None:
    samples = Samples(Row("a < b", ours=lambda: 2e-8, theirs=lambda: 3e-6, floor=lambda: 1e-8))
    samples.measure({})
    tree = ElementTree.fromstring(plot.svg(report.as_json([samples], 0.0, 1)))
    namespace = {"": "http://www.w3.org/2000/svg"}
    dots = [circle for circle in tree.findall("circle", namespace) if circle.find("title", namespace) is not None]
    places = {dot.findtext("title", namespaces=namespace): float(dot.attrib["cx"]) for dot in dots}
    assert sorted(places, key=lambda name: places[name]) == ["plain Python", "ferrowasm", "wasmtime-py"]
    assert "a < b" in [text.text for text in tree.findall("text", namespace)]
