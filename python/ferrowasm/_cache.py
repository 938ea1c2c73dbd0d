"""Compiled code in files, so that a program is compiled once and not in every process.

The files are mapped, not copied, after a look at their checksums. They hold native code: the folder has to be one that only its owner can write.
"""

from __future__ import annotations

import os
import stat
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from . import _native
from ._errors import WasmtimeError

if TYPE_CHECKING:
    from . import Engine, Module
    from .component import Component

_Compiled = TypeVar("_Compiled", "Module", "Component")

#: How large all files together may become, in bytes, unless told otherwise.
LIMIT = 2 << 30
#: What is left of the limit when files are removed because it was passed.
KEPT = 0.8
#: The age, in seconds, from which a file that is being written was left behind by a process that is gone.
ABANDONED = 3600.0

SUFFIX = ".cwasm"
PARTIAL = ".partial"


class Usage(NamedTuple):
    """How much a cache holds."""

    files: int
    bytes: int


class Entry(NamedTuple):
    """A file of a cache."""

    path: str
    bytes: int
    used: float


class CodeCache:
    """Compiled modules and components in the files of a folder, which is made when it is needed.

    A cache never fails: what it cannot read is compiled, and what it cannot write is not kept. `problem` says why. It is safe to use from several
    threads and processes at once.
    """

    def __init__(self, directory: str, limit: int = LIMIT) -> None:
        self.directory = directory
        self.limit = limit
        #: How often compiled code was found, and how often it was not.
        self.hits = 0
        self.misses = 0
        #: Why something could not be read or kept, the last time that happened.
        self.problem: str | None = None

    def module(self, engine: Engine, wasm: bytes) -> Module:
        """The module in `wasm` (binary format), compiled by `engine`, now or earlier. Raises as `Module` does."""
        from . import Module

        return self._get(engine, wasm, Module, component=False)

    def component(self, engine: Engine, wasm: bytes) -> Component:
        """The component in `wasm` (binary format), compiled by `engine`, now or earlier. Raises as `Component` does."""
        from .component import Component

        return self._get(engine, wasm, Component, component=True)

    def _get(self, engine: Engine, wasm: bytes, kind: type[_Compiled], *, component: bool) -> _Compiled:
        path = os.path.join(self.directory, _native.cache_key(engine, wasm, component) + SUFFIX)
        usable = self._prepare()
        found = self._load(path, lambda: kind.deserialize_file(engine, path, trusted=True)) if usable else None
        if found is not None:
            self.hits += 1
            self.report("took", path)
            return found
        self.misses += 1
        compiled = kind(engine, wasm)
        kept = usable and self._save(compiled, path)
        self.report("kept" if kept else None, path)
        return compiled

    def report(self, found: str | None, path: str) -> None:
        """Called when compiled code was taken from the file at `path` ("took"), was written there ("kept"), or neither."""

    def _load(self, path: str, load: Callable[[], _Compiled]) -> _Compiled | None:
        try:
            # What is mapped is not looked at again; nobody else can write here.
            _native.cache_check(path)
            found = load()
        except FileNotFoundError:
            return None
        except (WasmtimeError, OSError) as error:
            # Another process may have removed it between the look at it and its use.
            if not os.path.exists(path):
                return None
            self.problem = f"{path}: {error}"
            self._remove(path)
            return None
        try:
            # The files that were not used for longest are the first to go.
            os.utime(path)
        except OSError:
            pass
        return found

    def _save(self, compiled: Module | Component, path: str) -> bool:
        # A file appears under its name when it is complete.
        partial = f"{path}.{os.getpid()}-{os.urandom(4).hex()}{PARTIAL}"
        try:
            size = _native.cache_save(compiled, partial)
            if size > self.limit:
                self.problem = f"{path}: its {size} bytes are more than the limit of {self.limit}"
                self._remove(partial)
                return False
            os.replace(partial, path)
        except OSError as error:
            self.problem = str(error)
            self._remove(partial)
            return False
        self._shrink()
        return True

    def _prepare(self) -> bool:
        """Whether the folder is there and nobody else can write to it."""
        try:
            os.makedirs(self.directory, mode=0o700, exist_ok=True)
            status = os.stat(self.directory)
        except OSError as error:
            self.problem = str(error)
            return False
        if os.name == "posix" and (status.st_uid != os.geteuid() or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)):
            self.problem = f"{self.directory}: the folder has to belong to this user, and be writable for nobody else"
            return False
        return True

    def _entries(self) -> list[Entry]:
        """The files, those that were not used for longest first."""
        entries = []
        try:
            with os.scandir(self.directory) as found:
                for item in found:
                    # A file may go away at any time.
                    try:
                        status = item.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if item.name.endswith((SUFFIX, PARTIAL)) and stat.S_ISREG(status.st_mode):
                        entries.append(Entry(item.path, status.st_size, status.st_mtime))
        except OSError:
            return []
        return sorted(entries, key=lambda entry: entry.used)

    def _shrink(self) -> None:
        entries = self._entries()
        now = time.time()
        size = sum(entry.bytes for entry in entries)
        wanted = self.limit if size <= self.limit else self.limit * KEPT
        for entry in entries[:-1]:
            abandoned = entry.path.endswith(PARTIAL) and now - entry.used > ABANDONED
            if (size > wanted and entry.path.endswith(SUFFIX)) or abandoned:
                self._remove(entry.path)
                size -= entry.bytes

    def _remove(self, path: str) -> bool:
        try:
            os.unlink(path)
        except OSError:
            return False
        return True

    def usage(self) -> Usage:
        """How many files there are, and their size together."""
        entries = self._entries()
        return Usage(len(entries), sum(entry.bytes for entry in entries))

    def clean(self) -> Usage:
        """Remove all files, and return how many there were. Programs that use the compiled code meanwhile keep it."""
        removed = [entry for entry in self._entries() if self._remove(entry.path)]
        return Usage(len(removed), sum(entry.bytes for entry in removed))


def default_directory() -> str:
    """`FERROWASM_CACHE_DIR`, or `ferrowasm` in the folder where this system wants caches of this user."""
    chosen = os.environ.get("FERROWASM_CACHE_DIR")
    if chosen:
        return os.path.abspath(chosen)
    if sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME", "")
        # The specification wants relative paths to be ignored.
        if not os.path.isabs(base):
            base = os.path.expanduser("~/.cache")
    return os.path.join(base, "ferrowasm")


def default_limit() -> int:
    """`FERROWASM_CACHE_SIZE`, in bytes, or the usual limit."""
    try:
        return max(0, int(os.environ.get("FERROWASM_CACHE_SIZE", "")))
    except ValueError:
        return LIMIT


def default_cache(kind: type[CodeCache] = CodeCache) -> CodeCache | None:
    """The cache of this user; `None` if `FERROWASM_CACHE` is `0` or `off`."""
    if os.environ.get("FERROWASM_CACHE", "").lower() in ("0", "off", "no", "false"):
        return None
    return kind(default_directory(), default_limit())
