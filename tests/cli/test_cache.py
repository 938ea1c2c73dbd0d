"""The cache of `ferrowasm run`, and `ferrowasm cache`."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from .conftest import Run

KEPT = re.compile(r"ferrowasm: compiled, and kept the code in the cache \([0-9a-f]{12}\)\n")
TOOK = re.compile(r"ferrowasm: took the compiled code from the cache \([0-9a-f]{12}\)\n")


def test_the_second_run_takes_the_compiled_code_of_the_first(ferrowasm: Run, files: Path) -> None:
    for expected in (KEPT, TOOK, TOOK):
        finished = ferrowasm("run", "-v", "--invoke", "add", "functions.wat", "2", "40")
        assert (finished.returncode, finished.stdout) == (0, "42\n")
        assert expected.fullmatch(finished.stderr), finished.stderr
    assert len(list((files / ".cache").glob("*.cwasm"))) == 1


def test_a_run_says_nothing_unless_asked(ferrowasm: Run, files: Path) -> None:
    for _ in range(2):
        assert ferrowasm("run", "--invoke", "add", "functions.wat", "2", "40").stderr == ""
    assert len(list((files / ".cache").glob("*.cwasm"))) == 1


@pytest.mark.parametrize("how", ["option", "variable"])
def test_the_cache_can_be_left_out(ferrowasm: Run, files: Path, how: str) -> None:
    options, env = (["--no-cache"], {}) if how == "option" else ([], {"FERROWASM_CACHE": "off"})
    finished = ferrowasm("run", "-v", *options, "--invoke", "add", "functions.wat", "2", "40", env=env)
    assert (finished.stdout, finished.stderr) == ("42\n", "")
    assert not (files / ".cache").exists()


def test_a_damaged_file_is_reported_and_replaced(ferrowasm: Run, files: Path) -> None:
    ferrowasm("run", "--invoke", "add", "functions.wat", "2", "40")
    [path] = (files / ".cache").glob("*.cwasm")
    path.write_bytes(path.read_bytes()[:-1])
    finished = ferrowasm("run", "-v", "--invoke", "add", "functions.wat", "2", "40")
    assert finished.stdout == "42\n"
    first, second = finished.stderr.splitlines()
    assert KEPT.fullmatch(first + "\n")
    assert second.startswith(f"ferrowasm: cache: {path}: these bytes are no compiled code of ferrowasm, or they are cut short")
    assert TOOK.fullmatch(ferrowasm("run", "-v", "--invoke", "add", "functions.wat", "2", "40").stderr)


def test_options_behind_the_file_belong_to_the_program(ferrowasm: Run, files: Path) -> None:
    finished = ferrowasm("run", "show.wat", "-v", "--no-cache")
    assert finished.stdout.split("\0")[:-1] == ["show.wat", "-v", "--no-cache"]
    assert finished.stderr == ""


def test_info_and_clean(ferrowasm: Run, files: Path) -> None:
    folder = files / ".cache"
    assert ferrowasm("cache", "info").stdout == f"{folder}: 0 files (0 B), at most 2.1 GB\n"
    ferrowasm("run", "--invoke", "add", "functions.wat", "2", "40")
    assert re.fullmatch(rf"{folder}: 1 file \([\d.]+ kB\), at most 1.0 MB\n", ferrowasm("cache", "info", env={"FERROWASM_CACHE_SIZE": "1000000"}).stdout)
    assert re.fullmatch(rf"removed 1 file \([\d.]+ kB\) from {folder}\n", ferrowasm("cache", "clean").stdout)
    assert list(folder.iterdir()) == []
    assert ferrowasm("cache").returncode == 2
