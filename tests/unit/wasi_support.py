"""A WASI program whose every step is a call from the test: what the tests of WASI preview 1 share."""

from __future__ import annotations

import pathlib
import struct
import subprocess
import sys
from typing import Any

from ferrowasm import Engine, Linker, Module, Store, WasiConfig

#: The functions that the tests call: parameters (i: i32, I: i64) in WASI's order; all but `proc_exit` return an errno.
SIGNATURES = {
    "args_get": "ii",
    "args_sizes_get": "ii",
    "environ_get": "ii",
    "environ_sizes_get": "ii",
    "clock_time_get": "iIi",
    "fd_allocate": "iII",
    "fd_close": "i",
    "fd_filestat_set_size": "iI",
    "fd_filestat_set_times": "iIIi",
    "fd_pread": "iiiIi",
    "fd_prestat_get": "ii",
    "fd_pwrite": "iiiIi",
    "fd_read": "iiii",
    "fd_readdir": "iiiIi",
    "fd_renumber": "ii",
    "fd_write": "iiii",
    "path_create_directory": "iii",
    "path_filestat_get": "iiiii",
    "path_filestat_set_times": "iiiiIIi",
    "path_link": "iiiiiii",
    "path_open": "iiiiiIIii",
    "path_readlink": "iiiiii",
    "path_remove_directory": "iii",
    "path_rename": "iiiiii",
    "path_symlink": "iiiii",
    "path_unlink_file": "iii",
    "poll_oneoff": "iiii",
    "proc_exit": "i",
    "random_get": "ii",
    "sched_yield": "",
}

SUCCESS, AGAIN, BADF, INVAL, IO, NOENT, NOMEM, NOSPC, PERM, PIPE = 0, 6, 8, 28, 29, 44, 48, 51, 63, 64
O_CREAT, O_DIRECTORY, O_EXCL, O_TRUNC = 1, 2, 4, 8
READ, WRITE = 1 << 1, 1 << 6


def guest_wat(memory: str = '(memory (export "memory") 64)') -> str:
    """A module with an export for each function, which calls the import of that name."""
    types = {"i": "i32", "I": "i64"}
    imports, exports = [], []
    for name, letters in SIGNATURES.items():
        params = " ".join(f"(param {types[letter]})" for letter in letters)
        result = "" if name == "proc_exit" else "(result i32)"
        args = " ".join(f"(local.get {index})" for index in range(len(letters)))
        imports.append(f'(import "wasi_snapshot_preview1" "{name}" (func ${name} {params} {result}))')
        exports.append(f'(func (export "{name}") {params} {result} (call ${name} {args}))')
    forever = '(func (export "yield_forever") (loop (drop (call $sched_yield)) (br 0)))'
    return f"(module {' '.join(imports)} {memory} {' '.join(exports)} {forever})"


ENGINE = Engine()
MODULE = Module(ENGINE, guest_wat())


class Guest:
    """A WASI program whose every step is a call from here."""

    #: Where the parts of a call's arguments and results lie in the guest's memory.
    IOVS, OUT, PATH, PATH2, DATA = 0, 256, 512, 2048, 1 << 16

    def __init__(self, config: WasiConfig | None = None, engine: Engine = ENGINE, module: Module = MODULE) -> None:
        linker = Linker(engine)
        linker.define_wasi()
        self.store = Store(engine)
        if config is not None:
            self.store.set_wasi(config)
        self.exports = linker.instantiate(self.store, module).exports(self.store)
        self.memory: Any = self.exports["memory"]

    def call(self, name: str, *args: int) -> Any:
        function: Any = self.exports[name]
        return function(self.store, *args)

    def put(self, data: bytes, at: int) -> int:
        self.memory.write(self.store, data, at)
        return len(data)

    def get(self, at: int, length: int) -> bytes:
        return bytes(self.memory.read(self.store, at, at + length))

    def word(self, at: int) -> int:
        return int.from_bytes(self.get(at, 4), "little")

    def write(self, fd: int, *chunks: bytes) -> int:
        """The errno; how much was written is in `written`."""
        at = self.DATA
        for index, chunk in enumerate(chunks):
            self.put(struct.pack("<II", at, len(chunk)), self.IOVS + 8 * index)
            self.put(chunk, at)
            at += len(chunk)
        errno: int = self.call("fd_write", fd, self.IOVS, len(chunks), self.OUT)
        return errno

    @property
    def written(self) -> int:
        return self.word(self.OUT)

    def read(self, fd: int, size: int = 1000) -> bytes | int:
        """The bytes that were read, or the errno."""
        self.put(struct.pack("<II", self.DATA, size), self.IOVS)
        errno: int = self.call("fd_read", fd, self.IOVS, 1, self.OUT)
        return errno or self.get(self.DATA, self.word(self.OUT))

    def open(self, path: str, *, oflags: int = 0, rights: int = READ, dirfd: int = 3) -> tuple[int, int]:
        """The errno and the file descriptor."""
        length = self.put(path.encode(), self.PATH)
        errno = self.call("path_open", dirfd, 1, self.PATH, length, oflags, rights, 0, 0, self.OUT)
        return errno, self.word(self.OUT)

    def on_path(self, name: str, path: str, *args: int, dirfd: int = 3) -> int:
        """Calls a function that takes a descriptor, a path, and more."""
        errno: int = self.call(name, dirfd, self.PATH, self.put(path.encode(), self.PATH), *args)
        return errno

    def move(self, name: str, old: str, new: str, *, old_fd: int = 3, new_fd: int = 3) -> int:
        old_len, new_len = self.put(old.encode(), self.PATH), self.put(new.encode(), self.PATH2)
        flags = [0] if name == "path_link" else []
        errno: int = self.call(name, old_fd, *flags, self.PATH, old_len, new_fd, self.PATH2, new_len)
        return errno

    def sleep(self, nanoseconds: int) -> int:
        self.put(struct.pack("<QB7xIxxxxQQHxxxxxx", 7, 0, 1, nanoseconds, 0, 0), self.PATH)
        errno: int = self.call("poll_oneoff", self.PATH, self.PATH2, 1, self.OUT)
        return errno

    def strings(self, kind: str) -> list[str]:
        """The arguments ("args") or the environment ("environ")."""
        assert self.call(f"{kind}_sizes_get", self.OUT, self.OUT + 4) == SUCCESS
        size = self.word(self.OUT + 4)
        assert self.call(f"{kind}_get", self.PATH, self.DATA) == SUCCESS
        return self.get(self.DATA, size).decode().split("\0")[:-1]


#: What the programs of `run_python` have imported.
PRELUDE = f"""
import os, pathlib, signal, struct, sys, threading, time
sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})
from ferrowasm import *
from wasi_support import *
"""


def run_python(code: str, *args: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program that has the names of `PRELUDE`."""
    return subprocess.run(
        [sys.executable, "-c", PRELUDE + code, *args], capture_output=True, text=True, timeout=60, check=False, **kwargs
    )
