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

#: The public names of the package, outside `component`, with their members: what the cases have to cover.
API: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("api.json").read_text())

#: Kinds of members that run no code when they are used, so that a case has to declare them.
UNTRACEABLE = ("enum", "attribute")


def api_names() -> dict[str, str]:
    """Every name that has to be covered (`Class.member`, `Class.__init__`, `Class`, `function`) with its kind."""
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
        self.touched.update(
            name for name in names if "." not in name or name.partition(".")[0] == receiver_class.__name__
        )


def _members_by_code(package: Package) -> dict[CodeType, list[str]]:
    members: dict[CodeType, list[str]] = {}
    for name in api_names():
        owner, _, member = name.partition(".")
        found = getattr(package, owner, None)
        if member and found is not None:
            found = _attribute_as_defined(found, member)
        for code in _codes(found):
            members.setdefault(code, []).append(name)
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
