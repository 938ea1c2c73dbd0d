"""Attacks on what surrounds a program: the environment, arguments, streams, descriptors and the network of the host."""

from __future__ import annotations

import os
import pathlib
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest
from test_run import WASI, program

from ferrowasm import StopReason, run

BADF, NOTSOCK = 8, 57

#: Writes, as one byte each, the errno of a call on each of the descriptors from 0 to 255.
PROBE = """
  (func $report (param $errno i32)
    (i32.store8 (i32.const 3000) (local.get $errno))
    (call $write (i32.const 1) (i32.const 3000) (i32.const 1)))
"""


def probe(call: str, imports: str) -> bytes:
    text = program(
        f"""(local $fd i32)
            (loop $next
              (call $report {call})
              (local.set $fd (i32.add (local.get $fd) (i32.const 1)))
              (br_if $next (i32.lt_u (local.get $fd) (i32.const 256))))""",
        PROBE,
    )
    return run(text.replace("(module", f"(module {imports}", 1)).stdout


def test_a_program_has_the_descriptors_0_1_and_2_alone() -> None:
    """The files of the host that are open meanwhile are none of them."""
    files = [open(__file__, "rb") for _ in range(50)]
    try:
        imports = f'(import "{WASI}" "fd_fdstat_get" (func $stat (param i32 i32) (result i32)))'
        assert probe("(call $stat (local.get $fd) (i32.const 3104))", imports) == bytes([0, 0, 0]) + bytes([BADF]) * 253
    finally:
        for file in files:
            file.close()


def test_nothing_can_be_written_to_or_read_from_other_descriptors() -> None:
    reader, writer = os.pipe()
    try:
        os.write(writer, b"of the host")
        imports = (
            f'(import "{WASI}" "fd_pwrite" (func $pwrite (param i32 i32 i32 i64 i32) (result i32)))'
            f'(import "{WASI}" "fd_pread" (func $pread (param i32 i32 i32 i64 i32) (result i32)))'
        )
        for call in (
            "(call $fd_write (local.get $fd) (i32.const 3200) (i32.const 1) (i32.const 3100))",
            "(call $fd_read (local.get $fd) (i32.const 3200) (i32.const 1) (i32.const 3100))",
            "(call $pwrite (local.get $fd) (i32.const 3200) (i32.const 1) (i64.const 0) (i32.const 3100))",
            "(call $pread (local.get $fd) (i32.const 3200) (i32.const 1) (i64.const 0) (i32.const 3100))",
        ):
            assert probe(call, imports)[3:] == bytes([BADF]) * 253
        assert os.read(reader, 100) == b"of the host"
    finally:
        os.close(reader)
        os.close(writer)


def test_a_module_has_no_sockets(listener: socket.socket) -> None:
    imports = (
        f'(import "{WASI}" "sock_accept" (func $accept (param i32 i32 i32) (result i32)))'
        f'(import "{WASI}" "sock_send" (func $send (param i32 i32 i32 i32 i32) (result i32)))'
        f'(import "{WASI}" "sock_recv" (func $recv (param i32 i32 i32 i32 i32 i32) (result i32)))'
        f'(import "{WASI}" "sock_shutdown" (func $shutdown (param i32 i32) (result i32)))'
    )
    for call in (
        "(call $accept (local.get $fd) (i32.const 0) (i32.const 3100))",
        "(call $send (local.get $fd) (i32.const 3200) (i32.const 1) (i32.const 0) (i32.const 3100))",
        "(call $recv (local.get $fd) (i32.const 3200) (i32.const 1) (i32.const 0) (i32.const 3100) (i32.const 3104))",
        "(call $shutdown (local.get $fd) (i32.const 1))",
    ):
        assert set(probe(call, imports)) <= {BADF, NOTSOCK}


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_the_environment_and_the_arguments_of_the_process_do_not_leak() -> None:
    """In a process of its own, started with a secret in every place where processes keep them."""
    code = f"""
import sys
sys.path[:0] = {[str(pathlib.Path(__file__).parent)]!r}
from test_run import SHOW
from ferrowasm import StopReason, run
result = run(SHOW)
print(result.stdout, result.stderr)
"""
    finished = subprocess.run(
        [sys.executable, "-c", code, "--password=hunter2"],
        env={**os.environ, "PASSWORD": "hunter2"},
        input="hunter2",
        capture_output=True,
        text=True,
        check=True,
    )
    assert finished.stdout == "b'main\\x00' b''\n"
    assert finished.stderr == ""


def test_the_outputs_of_the_process_are_out_of_reach(capfd: pytest.CaptureFixture[str]) -> None:
    result = run(program("(call $write (i32.const 1) (i32.const 100) (i32.const 3)) (call $write (i32.const 2) (i32.const 100) (i32.const 3))"))
    assert (len(result.stdout), len(result.stderr)) == (3, 3)
    assert capfd.readouterr() == ("", "")


def test_the_working_directory_is_out_of_reach(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "secret").write_bytes(b"secret")
    monkeypatch.chdir(tmp_path)
    imports = f'(import "{WASI}" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))'
    call = "(call $open (local.get $fd) (i32.const 1) (i32.const 3300) (i32.const 6) (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 3100))"
    text = program(
        f"(local $fd i32) (loop $next (call $report {call}) (local.set $fd (i32.add (local.get $fd) (i32.const 1))) (br_if $next (i32.lt_u (local.get $fd) (i32.const 8))))",
        PROBE + '(data (i32.const 3300) "secret")',
    )
    assert run(text.replace("(module", f"(module {imports}", 1)).stdout == bytes([BADF]) * 8


def test_pointers_outside_the_memory_are_errors_or_traps() -> None:
    """A guest hands the host every kind of pointer: the host neither reads nor writes beyond the guest's memory."""
    pointers = [0, 131_071, 131_072, (1 << 31) - 1, 1 << 31, (1 << 32) - 1, (1 << 32) - 8]
    for pointer in pointers:
        for length in (0, 1, 8, 1 << 20, (1 << 32) - 1):
            body = f"""
              (i32.store (i32.const 16) (i32.const {pointer})) (i32.store (i32.const 20) (i32.const {length}))
              (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 24)))
              (drop (call $fd_write (i32.const 1) (i32.const {pointer}) (i32.const {length}) (i32.const 24)))
              (drop (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const {pointer})))
              (drop (call $args (i32.const {pointer}) (i32.const {pointer})))
              (drop (call $environ (i32.const {pointer}) (i32.const {pointer})))
              (drop (call $poll (i32.const {pointer}) (i32.const {pointer}) (i32.const 1) (i32.const {pointer})))"""
            result = run(program(body), ["x"], env={"A": "B"}, input=b"input", timeout=20, output_limit=1 << 20)
            assert len(result.stdout) <= 131_072 * 2
            assert result.reason in (StopReason.EXITED, StopReason.TRAPPED)
