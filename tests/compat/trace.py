"""Which members of the API a case really ran, seen by the interpreter's profiler.

wasmtime-py is written in Python, so each method and property is a code object; the profiler reports every one that is
entered.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import CodeType, FrameType, TracebackType
from typing import Any

from .harness import Package

#: The public names of the package, those of its module `component` after that prefix, with their members: what the
#: cases have to cover.
API: dict[str, dict[str, Any]] = {
    prefix + name: description
    for prefix, file in (("", "api.json"), ("component.", "api_component.json"))
    for name, description in json.loads(Path(__file__).with_name(file).read_text()).items()
}

#: Kinds of members that run no code when they are used, so that a case has to declare them.
UNTRACEABLE = ("enum", "attribute")


def api_names() -> dict[str, str]:
    """Every name that has to be covered (`Class.member`, `Class.__init__`, `Class`, `function`, and the same after
    `component.`) with its kind."""
    names = {}
    for name, description in API.items():
        members = description.get("members", {})
        if description["kind"] == "function" or not members and "init" not in description:
            names[name] = description["kind"]
        if "init" in description:
            names[f"{name}.__init__"] = "method"
        for member, details in members.items():
            names[f"{name}.{member}"] = details["kind"]
    return names


class Tracer:
    """Collects the names of `api_names` that run while it is active."""

    def __init__(self, package: Package) -> None:
        self.touched: set[str] = set()
        self._members = _members_by_code(package)

    def __enter__(self) -> None:
        sys.setprofile(self._on_event)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        sys.setprofile(None)

    def _on_event(self, frame: FrameType, event: str, _argument: object) -> None:
        if event != "call":
            return
        names = self._members.get(frame.f_code)
        if names is None:
            return
        # An inherited member runs the code of its base class: the object tells which class was meant.
        receiver = frame.f_locals.get("self", frame.f_locals.get("cls"))
        receiver_class = receiver if isinstance(receiver, type) else type(receiver)
        self.touched.update(name for name, owner in names if owner is None or owner is receiver_class)


def split_name(name: str) -> tuple[str, str]:
    """`component.Func.type` is `component.Func` and `type`; the second part is empty for a class or function."""
    prefix = "component." if name.startswith("component.") else ""
    owner, _, member = name.removeprefix(prefix).partition(".")
    return prefix + owner, member


def _members_by_code(package: Package) -> dict[CodeType, list[tuple[str, type | None]]]:
    """The names that run each code object, with the class of those that are members of one."""
    members: dict[CodeType, list[tuple[str, type | None]]] = {}
    for name in api_names():
        owner_name, member = split_name(name)
        owner: Any = package
        for part in owner_name.split("."):
            owner = getattr(owner, part, None)
        if owner is None:
            continue
        for code in _codes(_attribute_as_defined(owner, member) if member else owner):
            members.setdefault(code, []).append((name, owner if member else None))
    return members


def _attribute_as_defined(owner: type, member: str) -> object:
    """The attribute without binding it, so that a property stays one."""
    return next((base.__dict__[member] for base in owner.__mro__ if member in base.__dict__), None)


def _codes(found: object) -> list[CodeType]:
    if isinstance(found, property):
        return [accessor.__code__ for accessor in (found.fget, found.fset) if accessor is not None]
    function = getattr(found, "__func__", found)
    # A context manager is a function wrapped in another one.
    code = getattr(getattr(function, "__wrapped__", function), "__code__", None)
    return [code] if isinstance(code, CodeType) else []
