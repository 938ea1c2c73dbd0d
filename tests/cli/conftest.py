"""Modules for the command line to work on, and a way to call it as a shell does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

# Prints its arguments and environment, each ended by a NUL, and exits with the number of arguments.
SHOW_ARGS = """
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func $print (param $length i32)
    (i32.store (i32.const 16) (i32.const 8192))
    (i32.store (i32.const 20) (local.get $length))
    (drop (call $write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24))))
  (func (export "_start")
    (drop (call $args_sizes (i32.const 0) (i32.const 4)))
    (drop (call $args (i32.const 4096) (i32.const 8192)))
    (call $print (i32.load (i32.const 4)))
    (drop (call $environ_sizes (i32.const 8) (i32.const 4)))
    (drop (call $environ (i32.const 4096) (i32.const 8192)))
    (call $print (i32.load (i32.const 4)))
    (call $exit (i32.load (i32.const 0)))))
"""

# Opens the file `f` in the first folder, for reading or for writing, and exits with the error number that it gets.
OPEN_FILE = """
(module
  (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "f")
  (func (export "_start")
    (call $exit (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 1) (i32.const 0) (i64.const {rights}) (i64.const 0) (i32.const 0) (i32.const 0)))))
"""

FUNCTIONS = """
(module $functions
  (memory (export "memory") 2 16)
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "swap") (param i64 f64) (result f64 i64) (local.get 1) (local.get 0))
  (func (export "same_f32") (param f32) (result f32) (local.get 0))
  (func (export "same_v128") (param v128) (result v128) (local.get 0))
  (func (export "same_extern") (param externref) (result externref) (local.get 0))
  (func (export "no_extern") (result externref) (ref.null extern))
  (func (export "nothing"))
  (func $inner (unreachable))
  (func $fail (export "fail") (call $inner)))
"""


@pytest.fixture
def ferrowasm(tmp_path: Path) -> Run:
    """Run `python -m ferrowasm` in `tmp_path`, with nothing on standard input unless told."""

    def run(*arguments: str, stdin: str = "", timeout: float = 60, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-W", "error", "-m", "ferrowasm", *arguments]
        # Nothing that this machine keeps of earlier runs, and nothing left there.
        environment = {**os.environ, "FERROWASM_CACHE_DIR": str(tmp_path / ".cache"), **(env or {})}
        return subprocess.run(command, cwd=tmp_path, input=stdin, capture_output=True, text=True, timeout=timeout, env=environment)

    return run


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """The folder in which the command runs, with the modules in it."""
    (tmp_path / "show.wat").write_text(SHOW_ARGS)
    (tmp_path / "read.wat").write_text(OPEN_FILE.format(rights=0x2))
    (tmp_path / "write.wat").write_text(OPEN_FILE.format(rights=0x40))
    (tmp_path / "functions.wat").write_text(FUNCTIONS)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "f").write_text("contents")
    return tmp_path
