"""Reading what the user names: a binary module or component, its text form, or what was compiled ahead of time; from a file or from standard input."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from .. import Engine, ExitTrap, Module, Trap, WasmtimeError, _native, wat2wasm
from .._cache import CodeCache
from .failure import Failure, split_message
from .interruption import ended_by_control_c

if TYPE_CHECKING:
    from ..component import Component

#: How long a compilation may take before a notice says so, in seconds.
PATIENCE = 1.0

BINARY_MAGIC = b"\0asm"
COMPILED_MAGIC = b"\x7fELF"


class Kind(Enum):
    """What a file holds."""

    MODULE = "module"
    COMPONENT = "component"
    COMPILED = "compiled module"
    COMPILED_COMPONENT = "compiled component"

    @property
    def is_component(self) -> bool:
        return self in (Kind.COMPONENT, Kind.COMPILED_COMPONENT)

    @property
    def is_compiled(self) -> bool:
        return self in (Kind.COMPILED, Kind.COMPILED_COMPONENT)


@dataclass(frozen=True)
class Source:
    """The contents of a file: `data` is the WebAssembly binary (text is converted to it), or the artefact of `ferrowasm compile`."""

    name: str
    kind: Kind
    data: bytes
    #: Where compiled code is kept between runs.
    cache: CodeCache | None = None

    def module(self, engine: Engine) -> Module:
        """The module, ready to be instantiated. Raises `Failure` if it is invalid."""
        with blaming(self.name):
            if self.kind is Kind.COMPILED:
                return Module.deserialize(engine, self.data)
            with self.compiling():
                return self.cache.module(engine, self.data) if self.cache else Module(engine, self.data)

    def component(self, engine: Engine) -> Component:
        """The component, ready to be instantiated. Raises `Failure` if it is invalid."""
        from ..component import Component

        with blaming(self.name):
            if self.kind is Kind.COMPILED_COMPONENT:
                return Component.deserialize(engine, self.data)
            with self.compiling():
                return self.cache.component(engine, self.data) if self.cache else Component(engine, self.data)

    @contextmanager
    def compiling(self) -> Generator[None]:
        with ended_by_control_c(), notice(f"compiling {self.name} ({human_size(len(self.data))})"):
            yield


def add_file_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", metavar="FILE", help="a .wasm, .wat or compiled file; - reads standard input")


def read_source(name: str) -> Source:
    """Read and classify the file called `name` (`-`: standard input)."""
    shown = "<stdin>" if name == "-" else name
    data = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    if data.startswith(COMPILED_MAGIC):
        return Source(shown, Kind.COMPILED_COMPONENT if _native.is_compiled_component(data) else Kind.COMPILED, data)
    if not data.startswith(BINARY_MAGIC):
        data = from_text(shown, data)
    return Source(shown, Kind.COMPONENT if _native.is_component(data) else Kind.MODULE, data)


def from_text(name: str, data: bytes) -> bytes:
    """Convert the text form, in which everything but comments is in parentheses; raises `Failure` if `data` is something else."""
    if data.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] not in (b"(", b";"):
        start = f"begins with {data[:4].hex(' ')}" if data else "is empty"
        raise Failure(
            f"{name}: not a WebAssembly file: it {start}; a binary module begins with {BINARY_MAGIC.hex(' ')}, a text module with '('"
        )
    with blaming(name):
        return bytes(wat2wasm(data))


@contextmanager
def blaming(name: str) -> Generator[None]:
    """Let the message of an engine error begin with the file that it is about."""
    try:
        yield
    except (ExitTrap, Trap):
        # What the program did; the traps of components are WasmtimeErrors too.
        raise
    except WasmtimeError as error:
        summary, details = split_message(str(error))
        raise Failure(f"{name}: {summary}", details=details) from error


@contextmanager
def notice(activity: str) -> Generator[None]:
    """Say on standard error what is going on if it takes more than a moment, and when it is over."""
    announced = threading.Event()

    def announce() -> None:
        announced.set()
        print(f"ferrowasm: {activity}...", file=sys.stderr, flush=True)

    begin = time.monotonic()
    timer = threading.Timer(PATIENCE, announce)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
    if announced.is_set():
        print(f"ferrowasm: {activity} took {time.monotonic() - begin:.1f} s", file=sys.stderr, flush=True)


def human_size(size: int) -> str:
    """`size` bytes as a person writes it: `512 B`, `1.5 MB`."""
    if size < 1000:
        return f"{size} B"
    amount = float(size)
    for unit in ("kB", "MB", "GB"):
        amount /= 1000
        if amount < 999.95 or unit == "GB":
            break
    return f"{amount:.1f} {unit}"
