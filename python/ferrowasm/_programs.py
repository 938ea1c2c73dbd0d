"""Programs to run: where they come from, compiled once in a process, and how they are started."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from . import _native
from ._compiling import Compiling, Patience
from ._errors import WasmtimeError
from ._native import Config, Engine, InstancePre, Linker, Module, Store
from .component import Component, Err
from .component import InstancePre as ComponentPre
from .component import Linker as ComponentLinker

if TYPE_CHECKING:
    from _typeshed import StrPath

    from ._cache import CodeCache

#: What can be run: the text format, either format as bytes, the path of a file, or what is compiled already.
Program: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | Module | Component

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


def runnable(program: Program, *, fuel: bool, files: CodeCache | None = None, patience: Patience) -> Runnable:
    """The program, compiled unless it is already. `fuel`: for an engine that counts it. `files`: where compiled code is kept, too.

    Raises `NotInTime` if it takes longer than there is patience, `OSError` if a file cannot be read, and `WasmtimeError` for what is invalid, no program, or imports what a program is not given.
    """
    match program:
        case Module():
            return from_module(program)
        case Component():
            return from_component(program)
        case str() if not is_text(program):
            return compiled(read(program), fuel, files, patience)
        case os.PathLike():
            return compiled(read(program), fuel, files, patience)
        case str():
            return compiled(program.encode(), fuel, files, patience)
        case _:
            try:
                data = bytes(memoryview(program))
            except TypeError:
                message = f"expected a path, a module as bytes or text, a Module or a Component, got {type(program).__name__}"
                raise TypeError(message) from None
            return compiled(data, fuel, files, patience)


def is_text(program: str) -> bool:
    """Whether it is a module in the text format, which begins with a parenthesis or a comment, rather than a path."""
    return program.lstrip()[:1] in ("(", ";")


def read(path: StrPath) -> bytes:
    with open(path, "rb") as file:
        return file.read()


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


compiling: Compiling[Runnable] = Compiling()
engines = Engines()


def forget_locks() -> None:
    """In a forked child, no thread of the parent will ever release a lock that it held."""
    global compiling, engines
    compiling, engines = Compiling(), Engines()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_locks)


def code_cache(cache: bool | StrPath) -> CodeCache | None:
    """The files that `cache`, a parameter of `run`, asks for."""
    from ._cache import CodeCache, default_cache, default_limit

    if isinstance(cache, (str, os.PathLike)):
        return CodeCache(os.path.abspath(os.fspath(cache)), default_limit())
    if not isinstance(cache, bool):
        raise TypeError(f"expected a bool or the path of a folder for cache, got {type(cache).__name__}")
    return default_cache() if cache else None


def compiled(data: bytes, fuel: bool, files: CodeCache | None, patience: Patience) -> Runnable:
    key = (hashlib.sha256(data).digest(), fuel)
    return compiling.get(key, lambda: compiled_anew(data, fuel, files), patience)


def compiled_anew(data: bytes, fuel: bool, files: CodeCache | None) -> Runnable:
    engine = engines.get(fuel)
    binary = data if data.startswith(b"\0asm") else bytes(_native.wat2wasm(data))
    if _native.is_component(binary):
        return from_component(Component(engine, binary) if files is None else files.component(engine, binary))
    return from_module(Module(engine, binary) if files is None else files.module(engine, binary))


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
