"""The figures as a table on the terminal, and as JSON."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ferrowasm

from .row import Samples, Target

COLUMNS = ("ours", "theirs", "rust", "floor")


def duration(seconds: float | None) -> str:
    """Three digits and a unit."""
    if seconds is None:
        return "–"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def verdict(target: Target, ratio: float | None) -> str:
    if ratio is None:
        return f"not measured (target {target})"
    return f"{'met' if target.met(ratio) else 'MISSED'}: {ratio:.3g} (target {target})"


def print_head() -> None:
    print(f"{'operation':42}" + "".join(f"{head:>12}" for head in ("ferrowasm", "wasmtime-py", "Rust", "Python")) + "  targets")


def print_row(samples: Samples) -> None:
    row, figures = samples.row, samples.figures()
    cells = "".join(f"{duration(getattr(figures, column)):>12}" for column in COLUMNS)
    print(f"{row.name:42}{cells}  " + "; ".join(verdict(target, samples.ratio(target)) for target in row.targets), flush=True)


def processor() -> str:
    """The model name where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.processor())


def machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "processors": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "ferrowasm": ferrowasm.__version__,
        "engine": ferrowasm.engine_version,
        "wasmtime-py": version("wasmtime"),
    }


def as_json(measured: Iterable[Samples], load_before: float, rounds: int) -> dict[str, Any]:
    rows = []
    for samples in measured:
        figures = samples.figures()
        targets = []
        for target in samples.row.targets:
            ratio = samples.ratio(target)
            targets.append({"target": str(target), "ratio": ratio, "met": None if ratio is None else target.met(ratio)})
        seconds = {column: getattr(figures, column) for column in COLUMNS}
        rows.append({"operation": samples.row.name, "seconds": seconds, "targets": targets, "samples": samples.by_subject})
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "load before": load_before,
        "rounds": rounds,
        "rows": rows,
    }


def write_json(path: Path, report: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)
