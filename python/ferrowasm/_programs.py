"""Programs to run: where they come from, compiled once in a process, and how they are started."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from . import _native
from ._errors import WasmtimeError
from ._native import Config, Engine, InstancePre, Linker, Module, Store
from .component import Component, Err
from .component import InstancePre as ComponentPre
from .component import Linker as ComponentLinker

if TYPE_CHECKING:
    from _typeshed import StrPath

#: What can be run: the text format, either format as bytes, the path of a file, or what is compiled already.
Program: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | Module | Component

#: How many compiled programs a process keeps.
KEPT = 32

#: What a component that is a program exports, up to the patch version.
COMMAND = "wasi:cli/run@0.2."


class Runnable:
    """A compiled program whose imports are resolved; good for any number of runs, on any thread."""

    def __init__(self, engine: Engine, start: Callable[[Store], int]) -> None:
        self.engine = engine
        #: Runs the program in a store of the engine and gives its exit code.
        self.start = start


def name_of(program: Program) -> str:
    """What the program is called in its own arguments."""
    match program:
        case str() if is_text(program):
            return "main"
        case str() | os.PathLike():
            return os.path.basename(os.fsdecode(os.fspath(program)))
        case Module():
            return program.name or "main"
        case _:
            return "main"


def runnable(program: Program, *, fuel: bool) -> Runnable:
    """The program, compiled unless it is already. `fuel`: for an engine that counts it.

    Raises `OSError` if a file cannot be read, and `WasmtimeError` for what is invalid, no program, or imports what a program is not given.
    """
    match program:
        case Module():
            return from_module(program)
        case Component():
            return from_component(program)
        case str() if not is_text(program):
            return compiled(read(program), fuel)
        case os.PathLike():
            return compiled(read(program), fuel)
        case str():
            return compiled(program.encode(), fuel)
        case _:
            try:
                data = bytes(memoryview(program))
            except TypeError:
                message = f"expected a path, a module as bytes or text, a Module or a Component, got {type(program).__name__}"
                raise TypeError(message) from None
            return compiled(data, fuel)


def is_text(program: str) -> bool:
    """Whether it is a module in the text format, which begins with a parenthesis or a comment, rather than a path."""
    return program.lstrip()[:1] in ("(", ";")


def read(path: StrPath) -> bytes:
    with open(path, "rb") as file:
        return file.read()


class Cache:
    """Compiled programs by their contents, those that were used last."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.entries: OrderedDict[tuple[bytes, bool], Entry] = OrderedDict()

    def entry(self, key: tuple[bytes, bool]) -> Entry:
        with self.lock:
            entry = self.entries.setdefault(key, Entry())
            self.entries.move_to_end(key)
            while len(self.entries) > KEPT:
                self.entries.popitem(last=False)
            return entry


class Entry:
    """A program, or the place where one thread compiles it while others wait."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runnable: Runnable | None = None


class Engines:
    """The engines of all programs that are not compiled already: one that counts fuel and one that does not."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.engines: dict[bool, Engine] = {}

    def get(self, fuel: bool) -> Engine:
        with self.lock:
            if fuel not in self.engines:
                self.engines[fuel] = Engine(Config(consume_fuel=fuel))
            return self.engines[fuel]


cache = Cache()
engines = Engines()


def forget_locks() -> None:
    """In a forked child, no thread of the parent will ever release a lock that it held."""
    global cache, engines
    cache, engines = Cache(), Engines()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_locks)


def compiled(data: bytes, fuel: bool) -> Runnable:
    entry = cache.entry((hashlib.sha256(data).digest(), fuel))
    with entry.lock:
        if entry.runnable is None:
            engine = engines.get(fuel)
            binary = data if data.startswith(b"\0asm") else bytes(_native.wat2wasm(data))
            if _native.is_component(binary):
                entry.runnable = from_component(Component(engine, binary))
            else:
                entry.runnable = from_module(Module(engine, binary))
        return entry.runnable


def from_module(module: Module) -> Runnable:
    if not any(export.name == "_start" for export in module.exports):
        raise WasmtimeError("this module is no program: it exports no function '_start'")
    engine = module.engine
    linker = Linker(engine)
    linker.define_wasi()
    prepared = linker.instantiate_pre(module)
    return Runnable(engine, lambda store: start_module(prepared, store))


def start_module(prepared: InstancePre, store: Store) -> int:
    instance = prepared.instantiate(store)
    instance.exports(store).func("_start")(store)
    return 0


def from_component(component: Component) -> Runnable:
    names = [name for name in component.type.exports(component.engine) if name.startswith(COMMAND)]
    if not names:
        raise WasmtimeError(f"this component is no program: it exports no {COMMAND}x")
    engine = component.engine
    linker = ComponentLinker(engine)
    linker.add_wasip2()
    linker.add_wasi_http()
    prepared = linker.instantiate_pre(component)
    return Runnable(engine, lambda store: start_component(prepared, names[0], store))


def start_component(prepared: ComponentPre, name: str, store: Store) -> int:
    instance = prepared.instantiate(store)
    result = instance.exports(store)[name]["run"].with_results(tagged=True)(store)
    return 1 if isinstance(result, Err) else 0
