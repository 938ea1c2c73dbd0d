"""WASI preview 1: standard output and standard error."""

from __future__ import annotations

import io
import os
import pathlib
import struct
import threading
from typing import Any

import pytest
from wasi_support import AGAIN, BADF, IO, NOMEM, NOSPC, PIPE, SUCCESS, Guest, run_python

import ferrowasm
from ferrowasm import Capture, WasiConfig


def test_output_vanishes_by_default() -> None:
    guest = Guest(WasiConfig())
    assert (guest.write(1, b"abc"), guest.written) == (SUCCESS, 3)
    assert (guest.write(2, b"abc"), guest.written) == (SUCCESS, 3)


def test_each_write_is_one_call_however_large_and_scattered() -> None:
    calls: list[bytes] = []
    guest = Guest(WasiConfig(stdout_custom=calls.append))
    assert guest.write(1, b"a" * 100_000, b"", b"b" * 5) == SUCCESS
    assert guest.written == 100_005
    assert calls == [b"a" * 100_000 + b"b" * 5]
    assert type(calls[0]) is bytes


def test_an_empty_write_calls_nobody() -> None:
    calls: list[bytes] = []
    guest = Guest(WasiConfig(stdout_custom=calls.append))
    assert (guest.write(1, b""), guest.written, calls) == (SUCCESS, 0, [])


def test_a_callback_that_takes_less_gets_the_rest() -> None:
    calls: list[bytes] = []

    def callback(data: bytes) -> int:
        calls.append(data)
        return min(4, len(data))

    guest = Guest(WasiConfig(stderr_custom=callback))
    assert (guest.write(2, b"0123456789"), guest.written) == (SUCCESS, 10)
    assert calls == [b"0123456789", b"456789", b"89"]


@pytest.mark.parametrize(
    ("result", "errno"), [(0, IO), (-5, IO), (-32, PIPE), (-28, NOSPC), (-1000, IO), (-(2**62), IO)]
)
def test_a_callback_can_report_an_error_to_the_guest(result: int, errno: int) -> None:
    assert Guest(WasiConfig(stdout_custom=lambda data: result)).write(1, b"abc") == errno


def test_an_error_after_part_of_the_bytes_is_a_short_write() -> None:
    results = iter([4, -28, -28])
    guest = Guest(WasiConfig(stdout_custom=lambda data: next(results)))
    assert (guest.write(1, b"0123456789"), guest.written) == (SUCCESS, 4)
    assert guest.write(1, b"456789") == NOSPC


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (4, ValueError, "the writer of a WASI program's output returned 4, but was given 3 bytes"),
        (2**70, ValueError, f"the writer of a WASI program's output returned {2**70}, but was given 3 bytes"),
        ("3", TypeError, "expected an int or None from the writer of a WASI program's output, got str"),
        (3.0, TypeError, "expected an int or None from the writer of a WASI program's output, got float"),
    ],
)
def test_a_callback_that_returns_nonsense_raises(result: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as info:
        Guest(WasiConfig(stdout_custom=lambda data: result)).write(1, b"abc")
    assert str(info.value) == message


@pytest.mark.parametrize(
    "error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3), GeneratorExit(), StopIteration()]
)
def test_what_a_callback_raises_comes_out_unchanged(error: BaseException) -> None:
    def callback(data: bytes) -> None:
        raise error

    with pytest.raises(type(error)) as info:
        Guest(WasiConfig(stdout_custom=callback)).write(1, b"abc")
    assert info.value is error


def test_what_is_not_callable_is_noticed_when_the_guest_writes() -> None:
    with pytest.raises(TypeError, match=r"^'int' object is not callable$"):
        Guest(WasiConfig(stdout_custom=5)).write(1, b"abc")  # type: ignore[arg-type]


def test_a_callback_runs_on_the_calling_thread_and_may_use_the_store() -> None:
    seen: list[tuple[int, int, int]] = []

    def callback(data: bytes) -> None:
        seen.append((threading.get_ident(), guest.memory.size(guest.store), guest.write(2, b"nested")))

    guest = Guest(WasiConfig(stdout_custom=callback))
    assert guest.write(1, b"abc") == SUCCESS
    assert seen == [(threading.get_ident(), 64, SUCCESS)]


def test_a_callback_may_grow_the_memory() -> None:
    guest = Guest(WasiConfig(stdout_custom=lambda data: guest.memory.grow(guest.store, 1) and len(data)))
    assert (guest.write(1, b"abc"), guest.written) == (SUCCESS, 3)
    assert guest.memory.size(guest.store) == 65


def test_a_callback_cannot_close_the_store() -> None:
    guest = Guest(WasiConfig(stdout_custom=lambda data: guest.store.close()))
    with pytest.raises(ferrowasm.StoreBusyError):
        guest.write(1, b"abc")
    assert guest.call("sched_yield") == SUCCESS


def test_a_callback_may_replace_the_configuration() -> None:
    captures: list[Capture] = []

    def callback(data: bytes) -> None:
        config = WasiConfig()
        captures.append(config.capture_stdout())
        guest.store.set_wasi(config)

    guest = Guest(WasiConfig(stdout_custom=callback))
    assert (guest.write(1, b"to the callback"), guest.write(1, b"captured")) == (SUCCESS, SUCCESS)
    assert [capture.getvalue() for capture in captures] == [b"captured"]


def test_a_file_object_is_written_to_and_flushed() -> None:
    class Writer(io.BytesIO):
        flushed = 0

        def flush(self) -> None:
            self.flushed += 1

    writer = Writer()
    guest = Guest(WasiConfig(stderr=writer))
    assert guest.write(2, b"one") == SUCCESS
    assert guest.write(2, b"two") == SUCCESS
    assert (writer.getvalue(), writer.flushed) == (b"onetwo", 2)


def test_an_object_with_write_alone_is_enough() -> None:
    class Writer:
        data = b""

        def write(self, data: bytes) -> int:
            self.data += data[:2]
            return len(data[:2])

    writer = Writer()
    guest = Guest(WasiConfig(stdout=writer))
    assert (guest.write(1, b"abcde"), guest.written, writer.data) == (SUCCESS, 5, b"abcde")


def test_a_raw_writer_that_cannot_write_now_is_eagain_for_the_guest() -> None:
    class Raw(io.RawIOBase):
        def write(self, data: Any) -> Any:
            return None

    assert Guest(WasiConfig(stdout=Raw())).write(1, b"abc") == AGAIN


def test_output_to_a_file_is_visible_at_once(tmp_path: pathlib.Path) -> None:
    path = tmp_path / "out"
    path.write_bytes(b"earlier contents")
    config = WasiConfig(stdout_file=os.fsencode(path))
    assert path.read_bytes() == b""
    guest = Guest(config)
    assert guest.write(1, b"x" * 10_000) == SUCCESS
    assert path.read_bytes() == b"x" * 10_000


def test_stores_share_an_output_file(tmp_path: pathlib.Path) -> None:
    config = WasiConfig(stdout_file=str(tmp_path / "out"))
    first, second = Guest(config), Guest(config)
    for guest, text in ((first, b"1"), (second, b"2"), (first, b"3")):
        assert guest.write(1, text) == SUCCESS
    assert (tmp_path / "out").read_bytes() == b"123"


def test_inherited_output_goes_to_the_file_descriptors() -> None:
    code = """
config = WasiConfig(); config.inherit_stdout(); config.inherit_stderr()
guest = Guest(config)
sys.stdout = sys.stderr = None
assert guest.write(1, b"out" * 10000) == 0 and guest.write(2, b"err") == 0
"""
    run = run_python(code)
    assert (run.stdout, run.stderr, run.returncode) == ("out" * 10000, "err", 0)


def test_a_full_pipe_can_be_interrupted_and_a_broken_one_is_an_errno() -> None:
    code = """
reader, writer = os.pipe(); os.dup2(writer, 1); os.close(writer)
config = WasiConfig(); config.inherit_stdout()
guest = Guest(config)
threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
try:
    guest.write(1, b"x" * 1_000_000)
except KeyboardInterrupt:
    os.close(reader)
    print("interrupted", guest.write(1, b"x"), file=sys.stderr)
"""
    assert run_python(code).stderr == f"interrupted {PIPE}\n"


def test_a_capture_is_readable_during_and_after_the_run() -> None:
    config = WasiConfig()
    out, err = config.capture_stdout(), config.capture_stderr()
    assert (out.getvalue(), bool(out), len(out)) == (b"", True, 0)
    guest = Guest(config)
    assert guest.write(1, "größe".encode()) == SUCCESS
    assert (bytes(out), out.text(), out.text("latin-1"), err.getvalue()) == (
        "größe".encode(),
        "größe",
        "grÃ¶Ã\x9fe",
        b"",
    )
    assert guest.write(2, b"\xff") == SUCCESS
    guest.store.close()
    with pytest.raises(UnicodeDecodeError):
        err.text()
    assert err.text(errors="replace") == "\ufffd"
    assert (out.truncated, out.limit) == (False, None)


def test_a_capture_drops_what_exceeds_its_limit_and_says_so() -> None:
    config = WasiConfig()
    capture = config.capture_stdout(limit=5)
    guest = Guest(config)
    assert (guest.write(1, b"abc"), capture.truncated) == (SUCCESS, False)
    assert (guest.write(1, b"de"), capture.truncated) == (SUCCESS, False)
    assert (guest.write(1, b"fg"), guest.written, capture.truncated) == (SUCCESS, 2, True)
    assert (capture.getvalue(), capture.limit, repr(capture)) == (b"abcde", 5, "<Capture of 5 bytes, truncated>")


def test_bad_capture_limits_are_refused() -> None:
    with pytest.raises(OverflowError, match="^limit is out of range"):
        WasiConfig().capture_stdout(-1)
    with pytest.raises(TypeError, match="^expected an int for limit, got str$"):
        WasiConfig().capture_stderr("5")  # type: ignore[arg-type]


def test_a_new_destination_replaces_the_old_one() -> None:
    config = WasiConfig(stdout_custom=print)
    assert config.stdout_custom is print
    config.stdout = io.BytesIO()
    assert [config.stdout_custom, config.stdout_file] == [None, None]
    assert isinstance(config.stdout, io.BytesIO)
    config.stdout = None
    assert config.stdout is None
    assert Guest(config).write(1, b"to nowhere") == SUCCESS


def test_two_destinations_in_one_call_are_refused() -> None:
    message = "more than one stdout was given: choose one of the arguments that set it"
    with pytest.raises(TypeError, match=f"^{message}$"):
        WasiConfig(stdout=io.BytesIO(), stdout_custom=print)


def test_a_renumbered_stream_stays_the_stream_that_it_was() -> None:
    config = WasiConfig()
    out, err = config.capture_stdout(), config.capture_stderr()
    guest = Guest(config)
    assert guest.call("fd_renumber", 1, 2) == SUCCESS
    assert guest.write(2, b"to stdout") == SUCCESS
    assert guest.write(1, b"closed") == BADF
    assert (out.getvalue(), err.getvalue()) == (b"to stdout", b"")


def test_a_closed_stream_is_closed_and_its_number_is_free(tree: pathlib.Path) -> None:
    config = WasiConfig(stdin_bytes=b"never read")
    config.preopen_dir(tree, "/")
    guest = Guest(config)
    assert guest.call("fd_close", 0) == SUCCESS
    assert guest.read(0) == BADF
    assert guest.open("file") == (SUCCESS, 0)
    assert guest.read(0) == b"inside"


def test_writes_that_the_host_will_not_handle_in_one_call_are_refused() -> None:
    guest = Guest(WasiConfig())
    guest.put(struct.pack("<II", 0, 0xFFFFFFFF), guest.IOVS)
    assert guest.call("fd_write", 1, guest.IOVS, 1, guest.OUT) == NOMEM
    assert guest.call("fd_write", 1, guest.IOVS, 0x7FFFFFFF, guest.OUT) == NOMEM
