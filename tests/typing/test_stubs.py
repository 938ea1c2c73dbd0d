"""The stubs say what is there at run time.

What type checkers make of them is in `usage.py` and `misuse.py`, which `make mypy` and `make pyright` read (`tests/checks`).
"""

from __future__ import annotations

import ast
import inspect
import pathlib
import re
import subprocess
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import ferrowasm
import ferrowasm.component
from ferrowasm import _native
from ferrowasm.component import _native as component_native

HERE = pathlib.Path(__file__).resolve().parent
CONFIGURATION = HERE.parents[1] / "pyproject.toml"

#: The native modules, each with the public one that offers what is in it.
MODULES: dict[ModuleType, ModuleType] = {_native: ferrowasm, component_native: ferrowasm.component}

#: Names of the native module that are no part of the public API, with who uses them.
INTERNAL = {
    "cache_check": "the cache of compiled code",
    "cache_key": "the cache of compiled code",
    "cache_save": "the cache of compiled code",
    "component_wit": "the command line",
    "is_compiled_component": "the command line",
    "is_component": "the command line",
    "instrument": "`snapshot`",
    "module_outline": "the command line and `snapshot`",
    "module_sections": "the command line",
    "print_wat": "the command line",
    "count_signals": "what watches over `signal.signal`",
    "reassert_fault_handlers": "what watches over `faulthandler`",
    "trap_codes": "the test that holds TrapCode against the engine",
}


def run(*command: str) -> str:
    """The output of a module that has to succeed as a program."""
    result = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, cwd=HERE)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout + result.stderr


def public_names(module: ModuleType = _native) -> list[str]:
    return [name for name in dir(module) if not name.startswith("_") and not inspect.ismodule(getattr(module, name))]


def members() -> Iterator[tuple[str, Any]]:
    """Every public class and function of the native modules, and every public member of the classes, by its full name."""
    for module in MODULES:
        for name in public_names(module):
            item = getattr(module, name)
            if not callable(item):
                continue
            yield f"{module.__name__}.{name}", item
            if inspect.isclass(item):
                for member in vars(item):
                    if not member.startswith("_"):
                        yield f"{module.__name__}.{name}.{member}", inspect.getattr_static(item, member)


def functions() -> Iterator[tuple[str, Any]]:
    """Those of the members that can be called, unless they are classes that cannot be made by hand."""
    for name, item in members():
        item = item.__func__ if isinstance(item, (staticmethod, classmethod)) else item
        if callable(item) and (not inspect.isclass(item) or "__new__" in vars(item)):
            yield name, item


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


def test_keyword_arguments_of_config_are_its_switches() -> None:
    tree = ast.parse((pathlib.Path(ferrowasm.__file__).parent / "_native.pyi").read_text())
    settings = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "_Settings")
    keywords = [node.target.id for node in settings.body if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)]
    switches = [name for name, item in vars(ferrowasm.Config).items() if isinstance(item, property)]
    assert len(keywords) >= 90
    assert sorted(keywords) == sorted(switches)


def test_every_native_module_is_walked() -> None:
    found = {module for module in vars(_native).values() if inspect.ismodule(module)}
    assert found | {_native} == set(MODULES)


def test_every_public_native_name_is_reached_by_the_package() -> None:
    assert len(public_names()) >= 41
    assert len(public_names(component_native)) >= 14
    for module, reached in MODULES.items():
        unreached = [name for name in public_names(module) if name not in reached.__all__ and name not in INTERNAL]
        assert unreached == []


def test_internal_names_exist_and_are_not_public() -> None:
    assert set(INTERNAL) <= set(public_names())
    assert not set(INTERNAL) & set(ferrowasm.__all__)


def test_everything_in_all_exists() -> None:
    for module, least in ((ferrowasm, 55), (ferrowasm.component, 46)):
        assert len(module.__all__) == len(set(module.__all__)) >= least
        assert [name for name in module.__all__ if not hasattr(module, name)] == []


def test_every_function_has_a_signature() -> None:
    found = dict(functions())
    assert len(found) >= 190
    without = []
    for name, item in found.items():
        try:
            inspect.signature(item)
        except ValueError:
            without.append(name)
    assert without == []


def test_signatures_use_the_names_of_wasmtime_py() -> None:
    assert str(inspect.signature(ferrowasm.Store.set_limits)) == (
        "(self, memory_size=-1, table_elements=-1, instances=-1, tables=-1, memories=-1, *, hostcall_data=-1, component_handles=-1)"
    )
    assert str(inspect.signature(ferrowasm.Memory.read)) == "(self, store, start=0, stop=None)"
    assert str(inspect.signature(ferrowasm.Memory.get_buffer_ptr)) == "(self, store, size=None, offset=0)"
    assert list(inspect.signature(ferrowasm.Func).parameters) == ["store", "ty", "func", "access_caller"]


def test_every_public_name_has_a_docstring() -> None:
    found = dict(members())
    assert len(found) >= 330
    assert [name for name, item in found.items() if not inspect.getdoc(item)] == []
