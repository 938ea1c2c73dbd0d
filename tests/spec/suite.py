"""The scripts of the test suite: where they come from and what each group of them stands for."""

from __future__ import annotations

import enum
import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TOOL = ROOT / "crates" / "wast-json"

Command = dict[str, Any]
"""One directive of a script; `crates/wast-json/src/command.rs` lists the members of each type."""


class Group(enum.Enum):
    """What a folder of scripts says about an engine."""

    STANDARD = "WebAssembly 3.0"
    # The scripts of proposals that are part of 3.0, as the proposals left them.
    MERGED = "merged proposals"
    PROPOSAL = "proposals beyond 3.0"


@dataclass(frozen=True)
class Suite:
    """A folder of scripts. Some call an error what a later proposal allowed: they run without that feature."""

    group: Group
    predates: frozenset[str] = frozenset()


def _suite(group: Group, *predates: str) -> Suite:
    return Suite(group, frozenset(f"wasm_{feature}" for feature in predates))


SUITES: dict[str, Suite] = {
    # Together these are `test/core` of the 3.0 specification: its root folder, then its subfolders.
    "wasm-v3": _suite(Group.STANDARD),
    "bulk-memory": _suite(Group.STANDARD),
    "exceptions": _suite(Group.STANDARD),
    "gc": _suite(Group.STANDARD),
    "memory64": _suite(Group.STANDARD, "multi_memory"),
    "multi-memory": _suite(Group.STANDARD),
    "relaxed-simd": _suite(Group.STANDARD),
    "simd": _suite(Group.STANDARD),
    "annotations": _suite(Group.MERGED),
    "extended-const": _suite(Group.MERGED),
    "function-references": _suite(Group.MERGED, "multi_memory"),
    "multi-value": _suite(Group.MERGED, "multi_memory"),
    "mutable-global": _suite(Group.MERGED),
    "nontrapping-float-to-int-conversions": _suite(Group.MERGED),
    "reference-types": _suite(Group.MERGED, "exceptions", "function_references", "gc", "memory64", "multi_memory"),
    "sign-extension-ops": _suite(Group.MERGED),
    "tail-call": _suite(Group.MERGED),
    "custom-descriptors": _suite(Group.PROPOSAL),
    "custom-page-sizes": _suite(Group.PROPOSAL),
    "threads": _suite(Group.PROPOSAL, "exceptions", "function_references", "gc", "multi_memory", "reference_types"),
    "wide-arithmetic": _suite(Group.PROPOSAL),
}


@dataclass(frozen=True)
class Script:
    """One `.wast` file of the suite."""

    suite: str
    name: str
    path: Path

    @property
    def group(self) -> Group:
        return SUITES[self.suite].group

    @property
    def id(self) -> str:
        return f"{self.suite}/{self.name}"

    def commands(self) -> list[Command]:
        document = json.loads(self.path.read_text(encoding="utf-8"))
        commands: list[Command] = document["commands"]
        return commands


def scripts() -> list[Script]:
    """Every script, standard first; written by the tool if they are not there yet."""
    folder = suite_folder()
    found = {path.name for path in folder.iterdir() if path.is_dir()}
    if found != SUITES.keys():
        raise RuntimeError(f"the suite has folders {sorted(found)}, tests/spec/suite.py expects {sorted(SUITES)}")
    return [
        Script(suite=name, name=path.with_suffix(".wast").name, path=path)
        for name in SUITES
        for path in sorted((folder / name).glob("*.json"))
    ]


def suite_folder() -> Path:
    """The folder of the JSON scripts, made on first use and remade whenever the tool or its dependencies change."""
    folder = _target_folder() / "spec-suite" / _fingerprint()
    if not folder.is_dir():
        shutil.rmtree(folder.parent, ignore_errors=True)
        # Renamed when complete, so that an interrupted run leaves nothing that looks like the suite.
        partial = folder.with_suffix(".partial")
        partial.mkdir(parents=True)
        command = ["cargo", "run", "--quiet", "--locked", "--release", "-p", "wast-json", "--", str(partial)]
        subprocess.run(command, cwd=ROOT, check=True)
        partial.rename(folder)
    return folder


def _target_folder() -> Path:
    return Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))


def _fingerprint() -> str:
    digest = hashlib.sha256()
    for path in _inputs():
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def _inputs() -> Iterator[Path]:
    """What the tool's output depends on. The manifest pins the suite, its sources decide the form."""
    yield TOOL / "Cargo.toml"
    yield from sorted((TOOL / "src").glob("*.rs"))
