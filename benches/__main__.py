"""Runs the benchmarks: `python -m benches [OPTIONS]`."""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from pathlib import Path

from . import plot, report, rust
from .row import Row, Samples
from .table import rows


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benches", description="Measure ferrowasm against wasmtime-py, Rust and plain Python.")
    parser.add_argument("--rows", metavar="REGEX", default="", help="only the rows whose names match")
    parser.add_argument("--rounds", type=int, default=9, help="how often each row is measured (default: %(default)s)")
    parser.add_argument("--no-large", action="store_true", help="leave out the rows that take minutes")
    parser.add_argument("--no-rust", action="store_true", help="leave out the figures of the engine itself")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all samples to FILE")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="write a plot (SVG) to FILE")
    return parser.parse_args()


def measure(selected: list[Row], rounds: int, with_rust: bool) -> list[Samples]:
    """All samples: in each round, every row once."""
    measured = [Samples(row) for row in selected]
    for turn in range(rounds):
        print(f"round {turn + 1} of {rounds}", file=sys.stderr, flush=True)
        engine = rust.figures() if with_rust else {}
        for samples in measured:
            if samples.row.rounds is None or turn < samples.row.rounds:
                samples.measure(engine)
    return measured


def main() -> int:
    options = parse_arguments()
    begin = time.monotonic()
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"warning: this machine is busy (load {load:.1f}); absolute times and thread rows suffer", file=sys.stderr)
    selected = [row for row in rows() if re.search(options.rows, row.name) and not (options.no_large and row.rounds)]
    measured = measure(selected, options.rounds, not options.no_rust)
    report.print_head()
    for samples in measured:
        report.print_row(samples)
    outcome = report.as_json(measured, load, options.rounds)
    verdicts = [target["met"] for row in outcome["rows"] for target in row["targets"]]
    print(f"{verdicts.count(True)} targets met, {verdicts.count(False)} missed, {verdicts.count(None)} not measured; ", end="")
    print(f"{time.monotonic() - begin:.0f} s")
    if options.json:
        report.write_json(options.json, outcome)
    if options.plot:
        plot.write(options.plot, outcome)
    return 0


sys.exit(main())
