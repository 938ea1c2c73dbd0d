"""`main` as a function, and the notice about a long compilation."""

from __future__ import annotations

import time

import pytest
from ferrowasm._cli import main, source


def test_main_returns_the_exit_code_and_does_not_exit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", "absent.wasm"]) == 1
    assert capsys.readouterr().err == "ferrowasm: absent.wasm: No such file or directory\n"
    assert main(["--help"]) == 0
    assert capsys.readouterr().out.startswith("usage: ferrowasm")
    assert main(["fly"]) == 2


def test_a_long_compilation_is_announced_and_a_short_one_is_not(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "PATIENCE", 0.05)
    with source.notice("compiling big.wasm (69.0 MB)"):
        time.sleep(0.3)
    begin, end = capsys.readouterr().err.splitlines()
    assert begin == "ferrowasm: compiling big.wasm (69.0 MB)..."
    assert end.startswith("ferrowasm: compiling big.wasm (69.0 MB) took 0.")
    with source.notice("compiling small.wasm (8 B)"):
        pass
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (999_949, "999.9 kB"), (999_950, "1.0 MB"), (65_536, "65.5 kB"), (4 << 30, "4.3 GB"), (5 * 10**12, "5000.0 GB")],
)
def test_sizes_are_written_with_a_unit(size: int, text: str) -> None:
    assert source.human_size(size) == text
