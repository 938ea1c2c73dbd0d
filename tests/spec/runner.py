"""Runs the commands of a script and gives a verdict on each."""

from __future__ import annotations

import base64
import enum
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from . import spectest, traps
from .package import Package
from .suite import SUITES, Command, Script
from .values import Values, describe

# How the engine refuses what a switched-off feature would allow, or what it lacks.
MISSING_FEATURE = re.compile(
    r"not enabled|must be enabled|without the .* feature|not supported|unsupported|not (yet )?implemented"
)
UNCAUGHT_EXCEPTION = re.compile(r"(thrown|uncaught) .*exception", re.IGNORECASE)


class Status(enum.Enum):
    PASSED = "passed"
    SKIPPED = "skipped"
    FAILED = "failed"
    EXPLAINED = "explained"
    """Failed, and the list in `known.py` says why."""


@dataclass(frozen=True)
class Verdict:
    """What became of one command."""

    line: int
    directive: str
    status: Status
    detail: str = ""

    @property
    def is_assertion(self) -> bool:
        return self.directive.startswith("assert_")


class Failure(Exception):
    """A command did not do what the script says."""


class Skip(Exception):
    """A command cannot be run; the message is the reason that the report shows."""


@dataclass(frozen=True)
class Instance:
    handle: Any
    exports: Any


class ScriptRunner:
    """The state that the commands of one script share: a store, a linker, definitions and instances by name."""

    def __init__(self, package: Package, without: frozenset[str] = frozenset()) -> None:
        self._api = package.api
        self._engine = package.engine(without)
        self._store = self._api.Store(self._engine)
        self._linker = self._api.Linker(self._engine)
        self._linker.allow_shadowing = True
        spectest.define(self._api, self._engine, self._store, self._linker, table64="wasm_memory64" not in without)
        self._values = Values(package, self._engine, self._store)
        # Under None: the latest one, which a command means when it names none.
        self._definitions: dict[str | None, Any] = {}
        self._instances: dict[str | None, Instance] = {}

    def run(self, command: Command) -> Verdict:
        directive: str = command.get("directive") or command["type"]
        try:
            getattr(self, f"_{command['type']}")(command)
        except Skip as skip:
            return Verdict(command["line"], directive, Status.SKIPPED, str(skip))
        except Failure as failure:
            return Verdict(command["line"], directive, Status.FAILED, str(failure))
        except Exception as error:
            return Verdict(command["line"], directive, Status.FAILED, f"unexpected {_summary(error)}")
        return Verdict(command["line"], directive, Status.PASSED)

    # Commands that change the state.

    def _module(self, command: Command) -> None:
        self._instances.pop(None, None)
        definition = self._compile(command["module"])
        self._remember(command["id"], self._instantiate(definition))

    def _module_definition(self, command: Command) -> None:
        self._definitions.pop(None, None)
        self._definitions[None] = self._definitions[command["id"]] = self._compile(command["module"])

    def _module_instance(self, command: Command) -> None:
        self._instances.pop(None, None)
        definition = _known(self._definitions, "module definition", command["definition"])
        self._remember(command["id"], self._instantiate(definition))

    def _register(self, command: Command) -> None:
        self._linker.define_instance(self._store, command["as"], self._instance(command["id"]).handle)

    def _action(self, command: Command) -> None:
        self._perform(command["action"])

    def _unsupported(self, command: Command) -> None:
        raise Skip(command["reason"])

    # Assertions.

    def _assert_return(self, command: Command) -> None:
        expected = command["expected"]
        result = self._perform(command["action"])
        results = _as_list(result, len(expected))
        if results is None:
            raise Failure(f"expected {len(expected)} results, got {result!r}")
        for pattern, actual in zip(expected, results, strict=True):
            if not self._values.matches(pattern, actual):
                raise Failure(f"expected {describe(pattern)}, got {_show(actual)}")

    def _assert_trap(self, command: Command) -> None:
        text = command["text"]
        if text not in traps.CODES:
            raise Failure(f"no trap code is known for the text {text!r}")
        self._expect_trap(command["action"], traps.CODES[text])

    def _assert_exhaustion(self, command: Command) -> None:
        self._assert_trap(command)

    def _assert_exception(self, command: Command) -> None:
        try:
            result = self._perform(command["action"])
        except (self._api.Trap, self._api.WasmtimeError) as error:
            if not UNCAUGHT_EXCEPTION.search(str(error)):
                raise Failure(f"expected an uncaught exception, got {_summary(error)}") from None
        else:
            raise Failure(f"expected an uncaught exception, got {_show(result)}")

    def _assert_invalid(self, command: Command) -> None:
        try:
            self._compile(command["module"])
        except self._api.WasmtimeError as error:
            if MISSING_FEATURE.search(str(error)) and not MISSING_FEATURE.search(command["text"]):
                reason = f"refused for want of a feature, not for {command['text']!r}"
                raise Failure(f"{reason}: {_summary(error)}") from None
        else:
            raise Failure(f"accepted, expected {command['text']!r}")

    def _assert_malformed(self, command: Command) -> None:
        self._assert_invalid(command)

    def _assert_unlinkable(self, command: Command) -> None:
        definition = self._compile(command["module"])
        try:
            self._instantiate(definition)
        except self._api.WasmtimeError as error:
            if command["text"] not in str(error):
                raise Failure(f"expected {command['text']!r}, got {_summary(error)}") from None
        else:
            raise Failure(f"linked, expected {command['text']!r}")

    def _expect_trap(self, action: Command, codes: frozenset[str]) -> None:
        wanted = " or ".join(sorted(codes))
        try:
            result = self._perform(action)
        except self._api.Trap as trap:
            code = trap.trap_code
            if code is None or code.name not in codes:
                raise Failure(f"expected the trap {wanted}, got {_summary(trap)}") from None
        else:
            raise Failure(f"expected the trap {wanted}, got {_show(result)}")

    # What they are made of.

    def _compile(self, module: dict[str, str]) -> Any:
        if "text" in module:
            return self._api.Module(self._engine, self._api.wat2wasm(base64.b64decode(module["text"])))
        return self._api.Module(self._engine, base64.b64decode(module["binary"]))

    def _instantiate(self, module: Any) -> Instance:
        handle = self._linker.instantiate(self._store, module)
        return Instance(handle, handle.exports(self._store))

    def _remember(self, name: str | None, instance: Instance) -> None:
        self._instances[None] = self._instances[name] = instance

    def _instance(self, name: str | None) -> Instance:
        instance: Instance = _known(self._instances, "instance", name)
        return instance

    def _perform(self, action: Command) -> Any:
        if action["type"] == "instantiate":
            return self._instantiate(self._compile(action["module"]))
        item = self._instance(action["id"]).exports[action["name"]]
        if action["type"] == "get":
            return item.value(self._store)
        return item(self._store, *map(self._values.argument, action["args"]))


def run(script: Script, package: Package) -> Iterator[Verdict]:
    """Runs a script from start to end, in a store of its own."""
    runner = ScriptRunner(package, SUITES[script.suite].predates)
    for command in script.commands():
        yield runner.run(command)


def _known(table: dict[str | None, Any], kind: str, name: str | None) -> Any:
    if name not in table:
        raise Failure(f"there is no {kind} {name or 'so far'}")
    return table[name]


def _as_list(result: Any, count: int) -> list[Any] | None:
    """The results of a call, which are None, the value itself or a list; None when there are not as many as `count`."""
    if count == 0:
        return [] if result is None else None
    if count == 1:
        return [result]
    results: list[Any] = result
    return results if isinstance(result, list) and len(results) == count else None


def _show(value: Any) -> str:
    return value.hex(" ") if isinstance(value, bytes) else repr(value)


def _summary(error: BaseException) -> str:
    message = str(error).strip()
    code = getattr(error, "trap_code", None)
    return f"{type(error).__name__}{f' {code.name}' if code else ''}: {' | '.join(message.splitlines())[:300]}"
