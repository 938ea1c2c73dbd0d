"""`ferrowasm run`: programs, their arguments, folders and exit codes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run

# errno of WASI preview 1
NOTCAPABLE = 76
PERM = 63


def arguments_of(stdout: str) -> list[str]:
    """The NUL-ended words that show.wat prints."""
    return stdout.split("\0")[:-1]


@pytest.mark.parametrize(
    ("command", "seen"),
    [
        (["show.wat"], ["show.wat"]),
        (["show.wat", "one", "two"], ["show.wat", "one", "two"]),
        (["show.wat", "-x", "--help", "-5", ""], ["show.wat", "-x", "--help", "-5", ""]),
        (["./show.wat", "a"], ["show.wat", "a"]),
        (["show.wat", "--", "--dir", "nowhere"], ["show.wat", "--dir", "nowhere"]),
        (["--", "show.wat", "a"], ["show.wat", "a"]),
        (["show.wat", "a", "--", "--env=X=1", "--", "b"], ["show.wat", "a", "--env=X=1", "--", "b"]),
        (["--env", "A=1", "show.wat", "x"], ["show.wat", "x", "A=1"]),
        (["show.wat", "x", "--env", "A=1", "y", "--env=B=a=b"], ["show.wat", "x", "y", "A=1", "B=a=b"]),
        (["--env", "A=1", "show.wat", "--env", "B=2"], ["show.wat", "A=1", "B=2"]),
    ],
)
def test_the_program_gets_what_is_not_ours(ferrowasm: Run, files: Path, command: list[str], seen: list[str]) -> None:
    result = ferrowasm("run", *command)
    assert (arguments_of(result.stdout), result.stderr) == (seen, "")
    assert result.returncode == len([word for word in seen if not word.startswith(("A=", "B="))])


def test_a_variable_without_a_value_is_taken_from_here(ferrowasm: Run, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERROWASM_TEST", "from here")
    assert arguments_of(ferrowasm("run", "--env", "FERROWASM_TEST", "show.wat").stdout) == ["show.wat", "FERROWASM_TEST=from here"]


def test_the_environment_is_empty_unless_given(ferrowasm: Run, files: Path) -> None:
    assert os.environ
    assert arguments_of(ferrowasm("run", "show.wat").stdout) == ["show.wat"]


@pytest.mark.parametrize("spelling", ["data", "data::/d", "data:ro", "data::/d:ro"])
def test_a_folder_can_be_read(ferrowasm: Run, files: Path, spelling: str) -> None:
    assert ferrowasm("run", "--dir", spelling, "read.wat").returncode == 0
    assert ferrowasm("run", "read.wat", "--dir", spelling).returncode == 0


def test_a_folder_can_be_written_unless_it_is_read_only(ferrowasm: Run, files: Path) -> None:
    assert ferrowasm("run", "--dir", "data", "write.wat").returncode == 0
    assert ferrowasm("run", "--dir", "data:ro", "write.wat").returncode in (NOTCAPABLE, PERM)


def test_a_folder_that_is_missing_is_named(ferrowasm: Run, files: Path) -> None:
    result = ferrowasm("run", "--dir", "nowhere", "show.wat")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "ferrowasm: --dir nowhere: no such folder\n")
    result = ferrowasm("run", "--dir", "show.wat", "show.wat")
    assert (result.returncode, result.stderr) == (1, "ferrowasm: --dir show.wat: not a folder\n")


@pytest.mark.parametrize(
    ("command", "printed"),
    [
        (["add", "2", "40"], "42\n"),
        (["add", "0xffffffff", "-1"], "-2\n"),
        (["swap", "-9223372036854775808", "1.5"], "1.5\n-9223372036854775808\n"),
        (["swap", "0xffffffffffffffff", "-inf"], "-inf\n-1\n"),
        (["same_f32", "nan"], "nan\n"),
        (["same_f32", "0x1.8p3"], "12.0\n"),
        (["same_v128", "0x100"], "0x00000000000000000000000000000100\n"),
        (["no_extern"], "null\n"),
        (["nothing"], ""),
    ],
)
def test_a_function_is_called_with_values_of_its_types(ferrowasm: Run, files: Path, command: list[str], printed: str) -> None:
    name, *words = command
    for arguments in (["--invoke", name, "functions.wat", *words], ["functions.wat", "--invoke", name, *words]):
        result = ferrowasm("run", *arguments)
        assert (result.returncode, result.stdout, result.stderr) == (0, printed, "")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["add", "1"], 2, "add takes 2 arguments (i32, i32), got 1"),
        (["nothing", "1"], 2, "nothing takes 0 arguments, got 1"),
        (["add", "1", "x"], 2, "add: argument 2 must be a 32-bit integer (like 42, -1 or 0xff), got 'x'"),
        (["add", "1", "4294967296"], 2, "add: argument 2 must be a 32-bit integer (like 42, -1 or 0xff), got '4294967296'"),
        (["add", "1", "-2147483649"], 2, "add: argument 2 must be a 32-bit integer (like 42, -1 or 0xff), got '-2147483649'"),
        (["swap", "1", "abc"], 2, "swap: argument 2 must be a number (like 1.5, -inf, nan or 0x1.8p3), got 'abc'"),
        (["same_v128", "-1"], 2, "same_v128: argument 1 must be a 128-bit unsigned integer (like 0x10), got '-1'"),
        (["same_extern", "x"], 1, "same_extern: argument 1 is of type externref, which has no form on the command line; call it from Python"),
        (
            ["absent"],
            1,
            "functions.wat exports no function 'absent'; "
            "its functions are: add, swap, same_f32, same_v128, same_extern, no_extern, nothing, fail",
        ),
        (["memory"], 1, None),
    ],
)
def test_a_call_that_does_not_fit_is_refused_in_one_line(ferrowasm: Run, files: Path, words: list[str], code: int, message: str | None) -> None:
    result = ferrowasm("run", "functions.wat", "--invoke", *words)
    assert (result.returncode, result.stdout) == (code, "")
    assert result.stderr.startswith("ferrowasm: ") and result.stderr.count("\n") == 1
    if message is not None:
        assert result.stderr == f"ferrowasm: {message}\n"


def test_a_module_that_is_no_program_says_what_can_be_called(ferrowasm: Run, files: Path) -> None:
    result = ferrowasm("run", "functions.wat")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("ferrowasm: functions.wat is no program (it has no '_start'); call one of its functions with --invoke: add, swap,")


def test_a_trap_is_one_line_and_the_backtrace(ferrowasm: Run, files: Path) -> None:
    result = ferrowasm("run", "functions.wat", "--invoke", "fail")
    assert (result.returncode, result.stdout) == (134, "")
    first, title, inner, outer = result.stderr.splitlines()
    assert first == "ferrowasm: trap: `unreachable` instruction executed"
    assert title == "wasm backtrace:"
    assert inner.strip().startswith("0: inner (functions+0x")
    assert outer.strip().startswith("1: fail (functions+0x")


# The first compilation of C builds the C library for WASI too, which takes most of a minute on a slow machine.
@pytest.mark.timeout(400)
def test_a_backtrace_tells_the_lines_of_a_program_with_debug_information(ferrowasm: Run, files: Path) -> None:
    (files / "crash.c").write_text("/* Fails. */\nint volatile x;\nint main(void) { x = 1; __builtin_trap(); }\n")
    compiler = [sys.executable, "-m", "ziglang", "cc", "--target=wasm32-wasi", "-g", "-o", "crash.wasm", "crash.c"]
    subprocess.run(compiler, cwd=files, check=True, stdin=subprocess.DEVNULL, timeout=300)
    result = ferrowasm("run", "crash.wasm")
    assert result.returncode == 134
    innermost = result.stderr.splitlines()[2]
    assert re.fullmatch(r"    0: \w*main \(crash\.wasm\+0x[0-9a-f]+\) at .*crash\.c:3", innermost)


def test_only_debug_shows_a_python_traceback(ferrowasm: Run, files: Path) -> None:
    assert "Traceback" not in ferrowasm("run", "functions.wat", "--invoke", "fail").stderr
    for command in (["--debug", "run"], ["run", "--debug"]):
        result = ferrowasm(*command, "--invoke", "fail", "functions.wat")
        assert result.returncode == 134
        assert result.stderr.startswith("ferrowasm: trap: `unreachable` instruction executed\n")
        assert "Traceback (most recent call last)" in result.stderr


def test_an_import_that_nobody_provides_is_named(ferrowasm: Run, files: Path) -> None:
    (files / "needy.wat").write_text('(module (import "host" "help" (func)) (func (export "_start")))')
    result = ferrowasm("run", "needy.wat")
    assert result.returncode == 1
    assert result.stderr.startswith("ferrowasm: needy.wat: ")
    assert "host" in result.stderr and "help" in result.stderr


def test_a_library_is_initialised_before_its_function_is_called(ferrowasm: Run, files: Path) -> None:
    (files / "reactor.wat").write_text(
        """(module (global $ready (mut i32) (i32.const 0))
             (func (export "_initialize") (global.set $ready (i32.const 7)))
             (func (export "ready") (result i32) (global.get $ready)))"""
    )
    assert ferrowasm("run", "reactor.wat", "--invoke", "ready").stdout == "7\n"


def test_a_module_that_only_has_a_start_function_is_run(ferrowasm: Run, files: Path) -> None:
    (files / "start.wat").write_text("(module (func $start (unreachable)) (start $start))")
    assert ferrowasm("run", "start.wat").returncode == 134
    (files / "quiet.wat").write_text("(module (func $start) (start $start))")
    assert ferrowasm("run", "quiet.wat").returncode == 0


def test_a_program_reads_the_standard_input_of_the_command(ferrowasm: Run, files: Path) -> None:
    (files / "cat.wat").write_text(
        """(module
             (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
             (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
             (memory (export "memory") 1)
             (func (export "_start")
               (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1000))
               (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
               (i32.store (i32.const 4) (i32.load (i32.const 8)))
               (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
               (drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 12)))))"""
    )
    result = ferrowasm("run", "cat.wat", stdin="some words")
    assert (result.returncode, result.stdout, result.stderr) == (0, "some words", "some words")


def test_control_c_ends_an_endless_loop(files: Path) -> None:
    (files / "endless.wat").write_text(
        """(module
             (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
             (memory (export "memory") 1)
             (data (i32.const 64) "go")
             (func (export "_start")
               (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 2))
               (drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 12)))
               (loop $forever (br $forever))))"""
    )
    command = [sys.executable, "-m", "ferrowasm", "run", "endless.wat"]
    with subprocess.Popen(command, cwd=files, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == "go"
        process.send_signal(signal.SIGINT)
        try:
            _, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
    # A shell reports this as 130.
    assert (process.returncode, stderr) == (-signal.SIGINT, "")
