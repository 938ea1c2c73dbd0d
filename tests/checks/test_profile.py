"""The profile that the library is optimised by."""

from __future__ import annotations

import gzip
from pathlib import Path

import ferrowasm

PROFILE = Path(__file__).resolve().parents[2] / "crates/ferrowasm/ferrowasm.profdata.gz"


def test_the_profile_is_of_the_engine_that_is_built() -> None:
    """One of another version would change nothing, and the library would be slower without a word."""
    recorded = dict(line.split(": ") for line in Path(f"{PROFILE}.txt").read_text(encoding="utf-8").splitlines())
    assert recorded["wasmtime"] == ferrowasm.engine_version, "`make profile` records a new one"
    # What LLVM's indexed profiles begin with.
    assert gzip.decompress(PROFILE.read_bytes())[:8] == b"\xfflprofi\x81"
