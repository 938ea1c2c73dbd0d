"""WASI preview 1: standard input."""

from __future__ import annotations

import io
import os
import pathlib
import struct
import subprocess
from typing import Any

import pytest
from wasi_support import AGAIN, SUCCESS, Guest, run_python

from ferrowasm import WasiConfig, WasmtimeError


def test_there_is_no_input_by_default() -> None:
    assert Guest(WasiConfig()).read(0) == b""


@pytest.mark.parametrize("data", [b"hello world", bytearray(b"hello world"), memoryview(b"hello world")])
def test_stdin_bytes_are_read_in_pieces_to_the_end(data: Any) -> None:
    guest = Guest(WasiConfig(stdin_bytes=data))
    assert [guest.read(0, 4) for _ in range(5)] == [b"hell", b"o wo", b"rld", b"", b""]


def test_stdin_bytes_start_anew_in_each_store() -> None:
    config = WasiConfig(stdin_bytes=b"abc")
    assert config.stdin_bytes == b"abc"
    assert Guest(config).read(0) == b"abc"
    assert Guest(config).read(0) == b"abc"


def test_stdin_bytes_refuses_text() -> None:
    with pytest.raises(TypeError, match=r"^expected a bytes-like object for stdin_bytes, got str$"):
        WasiConfig(stdin_bytes="text")  # type: ignore[arg-type]


def test_a_file_object_is_read_only_as_far_as_the_guest_asks() -> None:
    file = io.BytesIO(b"0123456789")
    guest = Guest(WasiConfig(stdin=file))
    assert guest.read(0, 4) == b"0123"
    assert file.tell() == 4


def test_an_object_with_read_alone_is_enough() -> None:
    class Reader:
        def read(self, size: int) -> bytearray:
            return bytearray(b"x" * min(size, 3))

    assert Guest(WasiConfig(stdin=Reader())).read(0, 2) == b"xx"


def test_read1_is_preferred_because_it_does_not_wait_for_more() -> None:
    reader, writer = os.pipe()
    with open(reader, "rb") as file, open(writer, "wb", buffering=0) as pipe:
        pipe.write(b"abc")
        assert Guest(WasiConfig(stdin=file)).read(0, 100) == b"abc"


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        ("text", TypeError, "expected a bytes-like object from read() of the WASI program's stdin, got str"),
        (5, TypeError, "expected a bytes-like object from read() of the WASI program's stdin, got int"),
        (b"12345", ValueError, "read(4) of the WASI program's stdin returned 5 bytes, which is too many"),
    ],
)
def test_a_reader_that_breaks_its_promise_raises(result: Any, error: type[Exception], message: str) -> None:
    class Reader:
        def read(self, size: int) -> Any:
            return result

    with pytest.raises(error) as info:
        Guest(WasiConfig(stdin=Reader())).read(0, 4)
    assert str(info.value) == message


def test_a_raw_reader_without_data_is_eagain_for_the_guest() -> None:
    class Raw(io.RawIOBase):
        def read(self, size: int = -1) -> Any:
            return None

    assert Guest(WasiConfig(stdin=Raw())).read(0) == AGAIN


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3), StopIteration(), OSError(5, "y")]
)
def test_what_a_reader_raises_comes_out_unchanged(error: BaseException) -> None:
    class Reader:
        def read(self, size: int) -> bytes:
            raise error

    with pytest.raises(type(error)) as info:
        Guest(WasiConfig(stdin=Reader())).read(0)
    assert info.value is error


def test_a_reader_may_use_the_store() -> None:
    class Reader:
        def read(self, size: int) -> bytes:
            guest.put(b"seen", 5000)
            return str(guest.call("sched_yield")).encode()

    guest = Guest(WasiConfig(stdin=Reader()))
    assert guest.read(0) == b"0"
    assert guest.get(5000, 4) == b"seen"


def test_text_files_are_refused_as_streams(tmp_path: pathlib.Path) -> None:
    with open(tmp_path / "text", "w+") as file:
        with pytest.raises(
            TypeError, match=r"^stdin needs a binary file: pass its \.buffer, or open it in binary mode$"
        ):
            WasiConfig(stdin=file)  # type: ignore[arg-type]
        with pytest.raises(
            TypeError, match=r"^stderr needs a binary file: pass its \.buffer, or open it in binary mode$"
        ):
            WasiConfig(stderr=file)  # type: ignore[arg-type]
        WasiConfig(stdout=file.buffer)


def test_objects_without_the_methods_are_refused_as_streams() -> None:
    with pytest.raises(TypeError, match=r"^expected a binary file-like object with read\(\) for stdin, got int$"):
        WasiConfig(stdin=5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^expected a binary file-like object with write\(\) for stdout, got int$"):
        WasiConfig(stdout=5)  # type: ignore[arg-type]


def test_stdin_file_is_opened_when_it_is_set(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "input"
    path.write_bytes(b"from a file")
    config = WasiConfig(stdin_file=path)
    assert config.stdin_file is path
    path.unlink()
    assert Guest(config).read(0) == b"from a file"


def test_an_input_buffer_outside_the_memory_traps_and_loses_no_input() -> None:
    guest = Guest(WasiConfig(stdin_bytes=b"abc"))
    guest.put(struct.pack("<II", 0xFFFFFFF0, 4), guest.IOVS)
    with pytest.raises(WasmtimeError):
        guest.call("fd_read", 0, guest.IOVS, 1, guest.OUT)
    assert guest.read(0) == b"abc"


def test_input_goes_to_the_first_buffer_with_room() -> None:
    guest = Guest(WasiConfig(stdin_bytes=b"abc"))
    guest.put(struct.pack("<IIII", 0, 0, guest.DATA, 10), guest.IOVS)
    assert guest.call("fd_read", 0, guest.IOVS, 2, guest.OUT) == SUCCESS
    assert guest.get(guest.DATA, guest.word(guest.OUT)) == b"abc"


def test_inherited_stdin_reads_the_file_descriptor_and_takes_no_more_than_asked() -> None:
    code = """
config = WasiConfig(); config.inherit_stdin()
guest = Guest(config)
print(guest.read(0, 3), os.read(0, 100), guest.read(0, 3))
"""
    run = run_python(code, input="abcdef")
    assert (run.stdout, run.stderr) == ("b'abc' b'def' b''\n", "")


def test_a_wait_for_inherited_stdin_lets_other_threads_run_and_ends_with_ctrl_c() -> None:
    code = """
config = WasiConfig(); config.inherit_stdin()
guest = Guest(config)
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
start = time.monotonic()
try:
    guest.read(0)
except KeyboardInterrupt:
    print("interrupted", time.monotonic() - start < 2)
"""
    with subprocess.Popen(["sleep", "20"], stdout=subprocess.PIPE) as silent:
        run = run_python(code, stdin=silent.stdout)
        silent.kill()
    assert (run.stdout, run.stderr) == ("interrupted True\n", "")


def test_poll_oneoff_waits_for_inherited_stdin() -> None:
    code = """
reader, writer = os.pipe(); os.dup2(reader, 0)
config = WasiConfig(); config.inherit_stdin()
guest = Guest(config)
threading.Timer(0.2, os.write, (writer, b"now")).start()
guest.put(struct.pack("<QB7xI28x", 9, 1, 0), guest.PATH)
errno = guest.call("poll_oneoff", guest.PATH, guest.PATH2, 1, guest.OUT)
print(errno, guest.word(guest.OUT), guest.word(guest.PATH2), guest.read(0))
"""
    run = run_python(code)
    assert (run.stdout, run.stderr) == ("0 1 9 b'now'\n", "")
