"""The stubs say what is there at run time.

What type checkers make of them is in `usage.py` and `misuse.py`, which `make mypy` and `make pyright` read (`tests/checks`).
"""

from __future__ import annotations

import inspect
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import ferrowasm
from ferrowasm import _native

HERE = pathlib.Path(__file__).resolve().parent
CONFIGURATION = HERE.parents[1] / "pyproject.toml"

#: Names of the native module that are no part of the public API, with who uses them.
INTERNAL = {
    "is_component": "the command line",
    "module_sections": "the command line",
    "print_wat": "the command line",
    "trap_codes": "the test that holds TrapCode against the engine",
}


def run(*command: str) -> str:
    """The output of a module that has to succeed as a program."""
    result = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=HERE)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def public_names() -> list[str]:
    return [name for name in dir(_native) if not name.startswith("_")]


def callables() -> Iterator[tuple[str, Any]]:
    """Every public function of the native module and every public method of its classes, with its name."""
    for name in public_names():
        item = getattr(_native, name)
        if not callable(item):
            continue
        yield name, item
        if inspect.isclass(item):
            for member in vars(item):
                if not member.startswith("_") and callable(getattr(item, member)):
                    yield f"{name}.{member}", getattr(item, member)


def members() -> Iterator[tuple[str, object]]:
    """Every public class and function of the native module, and every public member of its classes."""
    for name in public_names():
        item = getattr(_native, name)
        if not callable(item):
            continue
        yield name, item
        if inspect.isclass(item):
            for member in vars(item):
                if not member.startswith("_"):
                    yield f"{name}.{member}", inspect.getattr_static(item, member)


def test_stubs_match_the_native_module() -> None:
    output = run(
        "mypy.stubtest", "ferrowasm", "--mypy-config-file", str(CONFIGURATION), "--allowlist", str(HERE / "stubtest-allow.txt")
    )
    checked = re.search(r"no issues found in (\d+) modules", output)
    assert checked is not None and int(checked[1]) >= 5, output


def test_every_exception_to_stubtest_has_a_reason() -> None:
    lines = (HERE / "stubtest-allow.txt").read_text().splitlines()
    entries = [number for number, line in enumerate(lines) if line and not line.startswith("#")]
    assert len(entries) <= 10
    assert all(lines[number - 1].startswith("#") for number in entries)


def test_every_public_native_name_is_reached_by_the_package() -> None:
    names = public_names()
    assert len(names) >= 39
    unreached = [name for name in names if name not in ferrowasm.__all__ and name not in INTERNAL]
    assert unreached == []


def test_internal_names_exist_and_are_not_public() -> None:
    assert set(INTERNAL) <= set(public_names())
    assert not set(INTERNAL) & set(ferrowasm.__all__)


def test_everything_in_all_exists() -> None:
    assert len(ferrowasm.__all__) == len(set(ferrowasm.__all__)) >= 50
    assert [name for name in ferrowasm.__all__ if not hasattr(ferrowasm, name)] == []


def test_every_callable_has_a_signature() -> None:
    found = dict(callables())
    assert len(found) >= 150
    constructible = {name: item for name, item in found.items() if not inspect.isclass(item) or "__new__" in vars(item)}
    without = []
    for name, item in constructible.items():
        try:
            inspect.signature(item)
        except ValueError:
            without.append(name)
    assert without == []


def test_signatures_use_the_names_of_wasmtime_py() -> None:
    assert str(inspect.signature(ferrowasm.Store.set_limits)) == (
        "(self, memory_size=-1, table_elements=-1, instances=-1, tables=-1, memories=-1)"
    )
    assert str(inspect.signature(ferrowasm.Memory.read)) == "(self, store, start=0, stop=None)"
    assert str(inspect.signature(ferrowasm.Memory.get_buffer_ptr)) == "(self, store, size=None, offset=0)"
    assert list(inspect.signature(ferrowasm.Func).parameters) == ["store", "ty", "func", "access_caller"]


def test_every_public_name_has_a_docstring() -> None:
    found = dict(members())
    assert len(found) >= 190
    assert [name for name, item in found.items() if not inspect.getdoc(item)] == []
