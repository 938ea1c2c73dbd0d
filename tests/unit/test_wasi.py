"""WASI preview 1: configuration, standard streams, files and their permissions, waits, exits."""

from __future__ import annotations

import gc
import io
import os
import pathlib
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import ferrowasm
from ferrowasm import (
    Capture,
    Config,
    DirPerms,
    Engine,
    ExitTrap,
    FilePerms,
    Linker,
    Module,
    Store,
    Trap,
    TrapCode,
    WasiConfig,
    WasiFileError,
    WasmtimeError,
)

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


@pytest.fixture
def tree(tmp_path: pathlib.Path) -> pathlib.Path:
    """A directory with a file and a subdirectory."""
    (tmp_path / "file").write_bytes(b"inside")
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep").write_bytes(b"deeper")
    (tmp_path / "link").symlink_to("file")
    return tmp_path


@pytest.fixture
def interrupt() -> Iterator[Callable[[float], None]]:
    """Sends this process a SIGINT after some seconds."""
    timers = []

    def after(seconds: float) -> None:
        timers.append(threading.Timer(seconds, lambda: os.kill(os.getpid(), signal.SIGINT)))
        timers[-1].start()

    yield after
    for timer in timers:
        timer.join()


def run_python(code: str, *args: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    """Runs a program that has this module's names."""
    prelude = f"import sys; sys.path.insert(0, {str(pathlib.Path(__file__).parent)!r})\nfrom test_wasi import *\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + code, *args], capture_output=True, text=True, timeout=60, check=False, **kwargs
    )


# Arguments and environment


def test_argv_arrives_in_order() -> None:
    assert Guest(WasiConfig(argv=["prog", "", "ü", "a b"])).strings("args") == ["prog", "", "ü", "a b"]


def test_argv_takes_any_iterable_and_gives_a_list() -> None:
    config = WasiConfig()
    assert config.argv == []
    config.argv = (word for word in ("a", "b"))
    assert config.argv == ["a", "b"]
    config.argv = ("c",)
    assert config.argv == ["c"]


@pytest.mark.parametrize(
    ("argv", "error", "message"),
    [
        ("abc", TypeError, "expected an iterable of str for argv, got str"),
        (b"abc", TypeError, "expected an iterable of str for argv, got bytes"),
        ([1], TypeError, "expected a str for an item of argv, got int"),
        (["a\0b"], ValueError, 'an item of argv contains a NUL character: "a\\0b"'),
        (5, TypeError, "'int' object is not iterable"),
    ],
)
def test_bad_argv_is_refused_and_changes_nothing(argv: Any, error: type[Exception], message: str) -> None:
    config = WasiConfig(argv=["kept"])
    with pytest.raises(error) as info:
        config.argv = argv
    assert str(info.value) == message
    assert config.argv == ["kept"]


def test_argv_with_surrogates_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        WasiConfig(argv=["\ud800"])


def test_inherited_argv_is_the_whole_command_line() -> None:
    config = WasiConfig(argv=["x"])
    config.inherit_argv()
    assert config.argv == sys.orig_argv


def test_env_takes_a_mapping_or_pairs() -> None:
    config = WasiConfig(env={"A": "1", "B": "x=y"})
    assert config.env == {"A": "1", "B": "x=y"}
    assert Guest(config).strings("environ") == ["A=1", "B=x=y"]
    config.env = [("C", "2"), ["D", ""]]
    assert Guest(config).strings("environ") == ["C=2", "D="]


def test_of_two_values_for_a_name_the_last_counts() -> None:
    assert Guest(WasiConfig(env=[("A", "1"), ("B", "2"), ("A", "3")])).strings("environ") == ["A=3", "B=2"]


@pytest.mark.parametrize(
    ("env", "error", "message"),
    [
        (["ab"], TypeError, "expected a pair of name and value in env, got str"),
        ("ab", TypeError, "expected a mapping or an iterable of pairs for env, got str"),
        ([("a", "b", "c")], ValueError, "expected pairs of name and value in env, got 3 items"),
        ({"a": 1}, TypeError, "expected a str for a value in env, got int"),
        ({1: "a"}, TypeError, "expected a str for a name in env, got int"),
        ({"a=": "b"}, ValueError, 'a name in env must not be empty and must not contain "=": "a="'),
        ({"": "b"}, ValueError, 'a name in env must not be empty and must not contain "=": ""'),
        ({"a": "b\0"}, ValueError, 'a value in env contains a NUL character: "b\\0"'),
    ],
)
def test_bad_env_is_refused(env: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as info:
        WasiConfig(env=env)
    assert str(info.value) == message


def test_inherited_env_is_there_and_explicit_values_take_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERROWASM_A", "process")
    monkeypatch.setenv("FERROWASM_B", "process")
    config = WasiConfig(env={"FERROWASM_B": "explicit", "FERROWASM_C": "explicit"})
    config.inherit_env()
    seen = dict(pair.split("=", 1) for pair in Guest(config).strings("environ"))
    assert seen == {**os.environ, "FERROWASM_B": "explicit", "FERROWASM_C": "explicit"} == config.env


def test_inherited_env_that_is_not_utf8_arrives_with_replacement_characters() -> None:
    assert os.environb is not None
    os.environb[b"FERROWASM_BYTES"] = b"a\xff"
    try:
        config = WasiConfig()
        config.inherit_env()
        assert config.env["FERROWASM_BYTES"] == "a\ufffd"
    finally:
        del os.environb[b"FERROWASM_BYTES"]


# Standard input


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


# Standard output


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


# Directories


@pytest.mark.parametrize("make", [str, os.fsencode, lambda path: path])
def test_preopened_directories_take_any_kind_of_path(tree: pathlib.Path, make: Callable[[pathlib.Path], Any]) -> None:
    config = WasiConfig()
    config.preopen_dir(make(tree), "/")
    guest = Guest(config)
    errno, fd = guest.open("file")
    assert (errno, guest.read(fd)) == (SUCCESS, b"inside")


def test_a_relative_preopened_directory_does_not_move_with_the_working_directory(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    config = WasiConfig()
    config.preopen_dir("sub", "/")
    monkeypatch.chdir("/")
    assert Guest(config).open("deep")[0] == SUCCESS


def test_a_preopened_directory_that_is_gone_is_reported_by_set_wasi(tree: pathlib.Path) -> None:
    (tree / "gone").mkdir()
    config = WasiConfig()
    config.preopen_dir(tree / "gone", "/")
    (tree / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as info:
        Store(ENGINE).set_wasi(config)
    assert isinstance(info.value, WasiFileError)
    assert info.value.filename == tree / "gone"


@pytest.mark.parametrize(
    ("use", "kind"),
    [
        (lambda config, tree: setattr(config, "stdin_file", tree / "nope"), FileNotFoundError),
        (lambda config, tree: setattr(config, "stdin_file", tree), IsADirectoryError),
        (lambda config, tree: setattr(config, "stdout_file", str(tree)), IsADirectoryError),
        (lambda config, tree: setattr(config, "stderr_file", tree / "file" / "x"), NotADirectoryError),
        (lambda config, tree: config.preopen_dir(tree / "nope", "/"), FileNotFoundError),
        (lambda config, tree: config.preopen_dir(tree / "file", "/"), NotADirectoryError),
        (lambda config, tree: config.preopen_dir("", "/"), FileNotFoundError),
    ],
)
def test_files_that_cannot_be_opened_are_os_errors_and_wasmtime_errors(
    tree: pathlib.Path, use: Callable[[WasiConfig, pathlib.Path], None], kind: type[OSError]
) -> None:
    with pytest.raises(kind) as info:
        use(WasiConfig(), tree)
    error = info.value
    assert isinstance(error, WasiFileError)
    assert isinstance(error, WasmtimeError)
    assert error.errno is not None
    assert str(error) == f"[Errno {error.errno}] {os.strerror(error.errno)}: {error.filename!r}"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.errno, again.filename) == (type(error), error.errno, error.filename)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((None, "/"), TypeError, "expected str, bytes or os.PathLike object, not NoneType"),
        (("/\0", "/"), ValueError, "a path contains a NUL character"),
        (("/", b"/"), TypeError, "expected a str for guest_path, got bytes"),
        (("/", "/\0"), ValueError, 'guest_path contains a NUL character: "/\\0"'),
        (("/", "/", 3), TypeError, "expected DirPerms, got int"),
        (("/", "/", FilePerms.READ_ONLY), TypeError, "expected DirPerms, got FilePerms"),
        (("/", "/", DirPerms.READ_ONLY, True), TypeError, "expected FilePerms, got bool"),
        (
            ("/", "/", False, FilePerms.READ_ONLY),
            TypeError,
            "dir_perms as a bool is for files too: pass DirPerms to set file_perms",
        ),
    ],
)
def test_bad_arguments_of_preopen_dir_are_refused(args: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as info:
        WasiConfig().preopen_dir(*args)
    assert str(info.value) == message


def test_permission_enums_have_the_values_of_wasmtime() -> None:
    for enum in (DirPerms, FilePerms):
        assert {member.name: member.value for member in enum} == {"READ_ONLY": 1, "WRITE_ONLY": 2, "READ_WRITE": 3}


def attempts(guest: Guest, dirfd: int = 3) -> dict[str, bool]:
    """What succeeds in a preopened `tree`; each attempt undoes nothing, so that each uses names of its own."""

    def opened(path: str, oflags: int = 0, rights: int = READ) -> int | None:
        errno, fd = guest.open(path, oflags=oflags, rights=rights, dirfd=dirfd)
        return fd if errno == SUCCESS else None

    results: dict[str, bool] = {}
    directory = opened(".", O_DIRECTORY)
    results["open directory"] = directory is not None
    results["list"] = guest.call("fd_readdir", dirfd, guest.DATA, 1000, 0, guest.OUT) == SUCCESS
    if directory is not None:
        # What was opened below has the same permissions.
        assert results["list"] == (guest.call("fd_readdir", directory, guest.DATA, 1000, 0, guest.OUT) == SUCCESS)
    results["stat"] = (
        guest.call("path_filestat_get", dirfd, 0, guest.PATH, guest.put(b"file", guest.PATH), guest.OUT) == SUCCESS
    )
    results["readlink"] = guest.on_path("path_readlink", "link", guest.DATA, 100, guest.OUT, dirfd=dirfd) == SUCCESS
    file = opened("file")
    results["open to read"] = file is not None
    results["read"] = file is not None and guest.read(file) == b"inside"
    results["pread"] = file is not None and guest.call("fd_pread", file, guest.IOVS, 1, 0, guest.OUT) == SUCCESS
    file = opened("file", rights=WRITE)
    results["open to write"] = file is not None
    results["write"] = file is not None and guest.write(file, b"INSIDE") == SUCCESS
    results["pwrite"] = file is not None and guest.call("fd_pwrite", file, guest.IOVS, 1, 0, guest.OUT) == SUCCESS
    results["resize"] = file is not None and guest.call("fd_filestat_set_size", file, 6) == SUCCESS
    results["read what is open to write"] = file is not None and isinstance(guest.read(file), bytes)
    results["truncate"] = opened("file", O_TRUNC, WRITE) is not None
    results["create"] = opened("new", O_CREAT | O_EXCL, WRITE) is not None
    results["create to read"] = opened("new2", O_CREAT, READ) is not None
    results["touch"] = (
        guest.call("path_filestat_set_times", dirfd, 0, guest.PATH, guest.put(b"file", guest.PATH), 0, 0, 10) == SUCCESS
    )
    results["mkdir"] = guest.on_path("path_create_directory", "made", dirfd=dirfd) == SUCCESS
    length = guest.put(b"made-link", guest.PATH2)
    results["symlink"] = (
        guest.call("path_symlink", guest.PATH, guest.put(b"file", guest.PATH), dirfd, guest.PATH2, length) == SUCCESS
    )
    results["link"] = guest.move("path_link", "file", "hard", old_fd=dirfd, new_fd=dirfd) == SUCCESS
    results["rename"] = guest.move("path_rename", "link", "renamed", old_fd=dirfd, new_fd=dirfd) == SUCCESS
    results["unlink"] = guest.on_path("path_unlink_file", "sub/deep", dirfd=dirfd) == SUCCESS
    results["rmdir"] = guest.on_path("path_remove_directory", "sub", dirfd=dirfd) == SUCCESS
    return results


LOOKUPS = {"open directory", "list", "stat", "readlink"}
CHANGES = {"mkdir", "symlink", "link", "rename", "unlink", "rmdir"}
READS = {"open to read", "read", "pread"}
WRITES = {"open to write", "write", "pwrite", "resize"}
CREATES_TO_WRITE = {"truncate", "create"}


@pytest.mark.parametrize(
    ("dir_perms", "file_perms", "allowed"),
    [
        ("READ_ONLY", "READ_ONLY", LOOKUPS | READS),
        ("READ_ONLY", "WRITE_ONLY", LOOKUPS | WRITES),
        ("READ_ONLY", "READ_WRITE", LOOKUPS | READS | WRITES),
        ("WRITE_ONLY", "READ_ONLY", CHANGES | {"create to read"}),
        ("WRITE_ONLY", "WRITE_ONLY", CHANGES | {"create", "touch"}),
        ("WRITE_ONLY", "READ_WRITE", CHANGES | {"create", "create to read", "touch"}),
        ("READ_WRITE", "READ_ONLY", LOOKUPS | CHANGES | READS | {"create to read"}),
        ("READ_WRITE", "WRITE_ONLY", LOOKUPS | CHANGES | WRITES | CREATES_TO_WRITE | {"touch"}),
        (
            "READ_WRITE",
            "READ_WRITE",
            LOOKUPS | CHANGES | READS | WRITES | CREATES_TO_WRITE | {"create to read", "touch"},
        ),
    ],
)
def test_permissions_are_enforced(tree: pathlib.Path, dir_perms: str, file_perms: str, allowed: set[str]) -> None:
    config = WasiConfig()
    config.preopen_dir(tree, "/", DirPerms[dir_perms], FilePerms[file_perms])
    results = attempts(Guest(config))
    assert {name for name, success in results.items() if success} == allowed
    if "write" not in allowed:
        assert (tree / "file").read_bytes() == b"inside"


@pytest.mark.parametrize("how", [{"dir_perms": False}, {"fs_mutable": False}])
def test_false_makes_directories_and_files_read_only(tree: pathlib.Path, how: dict[str, Any]) -> None:
    config = WasiConfig()
    config.preopen_dir(str(tree), "/", **how)
    assert {name for name, success in attempts(Guest(config)).items() if success} == LOOKUPS | READS


def test_true_is_read_and_write(tree: pathlib.Path) -> None:
    config = WasiConfig()
    config.preopen_dir(str(tree), "/", True)
    assert Guest(config).open("new", oflags=O_CREAT, rights=WRITE)[0] == SUCCESS


def two_directories(tree: pathlib.Path, dir_perms: DirPerms, file_perms: FilePerms) -> Guest:
    """A guest with `sub` as 3 under these permissions and `free` as 4 under all."""
    (tree / "free").mkdir()
    (tree / "free" / "own").write_bytes(b"own")
    config = WasiConfig()
    config.preopen_dir(tree / "sub", "/sub", dir_perms, file_perms)
    config.preopen_dir(tree / "free", "/free")
    return Guest(config)


@pytest.mark.parametrize("name", ["path_link", "path_rename"])
@pytest.mark.parametrize(
    ("dir_perms", "file_perms"),
    [
        (DirPerms.READ_WRITE, FilePerms.READ_ONLY),
        (DirPerms.READ_WRITE, FilePerms.WRITE_ONLY),
        (DirPerms.WRITE_ONLY, FilePerms.READ_WRITE),
        (DirPerms.READ_ONLY, FilePerms.READ_ONLY),
    ],
)
def test_nothing_gains_permissions_by_moving(
    tree: pathlib.Path, name: str, dir_perms: DirPerms, file_perms: FilePerms
) -> None:
    guest = two_directories(tree, dir_perms, file_perms)
    assert guest.move(name, "deep", "stolen", old_fd=3, new_fd=4) == PERM
    assert not (tree / "free" / "stolen").exists()
    assert (tree / "sub" / "deep").exists()


def test_things_can_be_moved_to_where_less_is_permitted(tree: pathlib.Path) -> None:
    guest = two_directories(tree, DirPerms.READ_WRITE, FilePerms.READ_ONLY)
    assert guest.move("path_rename", "own", "given", old_fd=4, new_fd=3) == SUCCESS
    assert guest.open("given", rights=WRITE)[0] == PERM
    assert guest.open("given", rights=READ)[0] == SUCCESS


def test_permissions_follow_a_renumbered_descriptor_and_end_with_a_closed_one(tree: pathlib.Path) -> None:
    guest = two_directories(tree, DirPerms.READ_ONLY, FilePerms.WRITE_ONLY)
    errno, fd = guest.open("deep", rights=WRITE)
    errno2, free = guest.open("own", rights=READ, dirfd=4)
    assert (errno, errno2) == (SUCCESS, SUCCESS)
    assert guest.call("fd_renumber", fd, free) == SUCCESS
    assert guest.read(free) == PERM
    assert guest.call("fd_close", free) == SUCCESS
    assert guest.open("own", rights=READ, dirfd=4) == (SUCCESS, free)
    assert guest.read(free) == b"own"


# Waits


def test_a_sleep_lasts_as_long_as_asked() -> None:
    guest = Guest(WasiConfig())
    start = time.monotonic()
    assert guest.sleep(60_000_000) == SUCCESS
    assert 0.06 <= time.monotonic() - start < 1
    assert (guest.word(guest.OUT), guest.word(guest.PATH2)) == (1, 7)


def test_a_sleep_lets_other_threads_run() -> None:
    guest = Guest(WasiConfig())
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.wait(0.01):
            ticks += 1

    thread = threading.Thread(target=count)
    thread.start()
    guest.sleep(300_000_000)
    done.set()
    thread.join()
    assert ticks >= 5


def test_ctrl_c_ends_a_sleep(interrupt: Callable[[float], None]) -> None:
    guest = Guest(WasiConfig())
    start = time.monotonic()
    interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        guest.sleep(3600 * 10**9)
    assert time.monotonic() - start < 5
    assert guest.sleep(1) == SUCCESS


def test_ctrl_c_ends_a_wait_for_several_clocks(interrupt: Callable[[float], None]) -> None:
    guest = Guest(WasiConfig())
    clock = struct.pack("<QB7xIxxxxQQHxxxxxx", 7, 0, 1, 3600 * 10**9, 0, 0)
    guest.put(clock + clock, guest.PATH)
    interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        guest.call("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT)


def test_a_wait_for_several_clocks_ends_with_the_first() -> None:
    guest = Guest(WasiConfig())
    clocks = b"".join(
        struct.pack("<QB7xIxxxxQQHxxxxxx", data, 0, 1, nanoseconds, 0, 0)
        for data, nanoseconds in ((1, 10**15), (2, 10**7))
    )
    guest.put(clocks, guest.PATH)
    assert guest.call("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT) == SUCCESS
    assert (guest.word(guest.OUT), guest.word(guest.PATH2)) == (1, 2)


def test_the_exception_of_a_signal_handler_ends_a_sleep() -> None:
    class Alarm(Exception):
        pass

    def handler(number: int, frame: Any) -> None:
        raise Alarm

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Alarm):
            Guest(WasiConfig()).sleep(3600 * 10**9)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_a_signal_handler_that_returns_lets_the_sleep_go_on() -> None:
    seen: list[int] = []
    previous = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(Guest(WasiConfig()).sleep(1)))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        start = time.monotonic()
        assert Guest(WasiConfig()).sleep(200_000_000) == SUCCESS
        assert time.monotonic() - start >= 0.2
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert seen == [SUCCESS]


def test_ctrl_c_ends_a_guest_that_calls_wasi_forever(interrupt: Callable[[float], None]) -> None:
    guest = Guest(WasiConfig())
    interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        guest.call("yield_forever")


def test_a_passed_epoch_deadline_ends_a_sleep() -> None:
    config = Config()
    config.epoch_interruption = True
    engine = Engine(config)
    guest = Guest(WasiConfig(), engine, Module(engine, guest_wat()))
    guest.store.set_epoch_deadline(2)
    for seconds in (0.05, 0.15):
        threading.Timer(seconds, engine.increment_epoch).start()
    start = time.monotonic()
    with pytest.raises(Trap) as info:
        guest.sleep(3600 * 10**9)
    assert info.value.trap_code is TrapCode.INTERRUPT
    assert 0.15 <= time.monotonic() - start < 5


def test_a_thread_can_sleep_and_end() -> None:
    results: list[int] = []

    def work() -> None:
        guest = Guest(WasiConfig())
        clock = struct.pack("<QB7xIxxxxQQHxxxxxx", 7, 0, 1, 10**6, 0, 0)
        guest.put(clock + clock, guest.PATH)
        results.append(guest.call("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [SUCCESS] * 4


def test_a_forked_child_can_wait_write_and_use_files(tree: pathlib.Path) -> None:
    code = """
config = WasiConfig(); config.inherit_stdout(); config.preopen_dir(sys.argv[1], "/")
guest = Guest(config)
clock = struct.pack("<QB7xIxxxxQQHxxxxxx", 7, 0, 1, 10**6, 0, 0)
def use():
    guest.put(clock + clock, guest.PATH)
    assert guest.call("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT) == 0
    errno, fd = guest.open("file")
    assert errno == 0 and guest.read(fd) == b"inside"
    assert guest.write(1, b"done\\n") == 0
use()
# CPython 3.12 and later warns of forking while the engine's compilation threads are there; they are not needed here.
import warnings; warnings.filterwarnings("ignore", "This process", DeprecationWarning)
child = os.fork()
use()
if child == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    run = run_python(code, str(tree))
    assert (run.stdout, run.stderr, run.returncode) == ("done\n" * 3, "", 0)


# Exits, and stores without a configuration


@pytest.mark.parametrize("code", [0, 1, 125, 126, 255, 256, -1, 2**31 - 1])
def test_proc_exit_is_an_exit_trap_with_the_exact_code(code: int) -> None:
    with pytest.raises(ExitTrap) as info:
        Guest(WasiConfig()).call("proc_exit", code)
    assert info.value.code == code


def test_wasi_without_a_configuration_says_what_to_do() -> None:
    guest = Guest()
    for name, args in (("random_get", (0, 4)), ("fd_write", (1, 0, 0, 0)), ("sched_yield", ()), ("proc_exit", (0,))):
        with pytest.raises(WasmtimeError, match=r"call Store\.set_wasi\(WasiConfig\(\)\) first"):
            guest.call(name, *args)


def test_wasi_without_a_memory_is_an_error() -> None:
    module = Module(ENGINE, guest_wat(memory=""))
    linker = Linker(ENGINE)
    linker.define_wasi()
    store = Store(ENGINE)
    store.set_wasi(WasiConfig())
    yields: Any = linker.instantiate(store, module).exports(store)["sched_yield"]
    with pytest.raises(WasmtimeError, match='WASI needs the calling instance to export its memory as "memory"'):
        yields(store)


# The configuration object


def test_a_configuration_serves_many_stores_and_can_be_changed_in_between() -> None:
    config = WasiConfig(argv=["one"])
    first = Guest(config)
    config.argv = ["two"]
    second = Guest(config)
    assert (first.strings("args"), second.strings("args")) == (["one"], ["two"])


def test_a_closed_configuration_raises_and_releases_what_it_held() -> None:
    class Writer:
        def write(self, data: bytes) -> None: ...

    writer = Writer()
    alive = weakref.ref(writer)
    with WasiConfig(stdout=writer) as config:
        del writer
        assert alive() is not None
    assert alive() is None
    for use in (lambda: config.argv, lambda: config.inherit_env(), lambda: Store(ENGINE).set_wasi(config)):
        with pytest.raises(ferrowasm.ClosedError, match="^this WasiConfig is already closed$"):
            use()
    config.close()
    assert repr(config) == "<WasiConfig (closed)>"


def test_a_configuration_without_init_raises() -> None:
    config = WasiConfig.__new__(WasiConfig)
    with pytest.raises(
        ferrowasm.ClosedError, match="^this WasiConfig was never initialised: its __init__ has not run$"
    ):
        config.argv = ["a"]
    assert repr(config) == "<WasiConfig (not initialised)>"


def test_a_second_init_is_refused() -> None:
    config = WasiConfig(argv=["a"])
    with pytest.raises(RuntimeError, match="^this WasiConfig is initialised already$"):
        config.__init__(argv=["b"])  # type: ignore[misc]
    assert config.argv == ["a"]


def test_a_configuration_can_be_subclassed() -> None:
    class Sandbox(WasiConfig):
        def __init__(self, name: str) -> None:
            super().__init__(argv=[name])
            self.out = self.capture_stdout()

    config = Sandbox("prog")
    guest = Guest(config)
    assert guest.write(1, b"x") == SUCCESS
    assert (guest.strings("args"), config.out.getvalue()) == (["prog"], b"x")


class Node:
    """Something that a cycle goes through, and a file-like object."""

    held: Any = None

    def write(self, data: bytes) -> None: ...

    def read(self, size: int) -> bytes:
        return b""


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr", "stdout_custom", "stderr_custom"])
def test_cycles_through_streams_are_collected(stream: str) -> None:
    def cycle() -> weakref.ref[Node]:
        node = Node()
        stream_object: Any = (lambda data: node and None) if stream.endswith("custom") else node
        config = WasiConfig()
        setattr(config, stream, stream_object)
        guest = Guest(config)
        guest.write(1, b"x")
        node.held = (guest, config)
        return weakref.ref(node)

    alive = [cycle() for _ in range(20)]
    gc.collect()
    assert [ref() for ref in alive if ref() is not None] == []


def test_a_replaced_configuration_releases_its_objects_at_once() -> None:
    store = Store(ENGINE)
    writer = Node()
    alive = weakref.ref(writer)
    store.set_wasi(WasiConfig(stdout=writer))
    del writer
    assert alive() is not None
    store.set_wasi(WasiConfig())
    assert alive() is None


def test_closing_a_store_releases_its_streams() -> None:
    writer = Node()
    alive = weakref.ref(writer)
    guest = Guest(WasiConfig(stdout=writer))
    del writer
    guest.store.close()
    assert alive() is None


def test_no_file_descriptor_leaks(tree: pathlib.Path) -> None:
    def use() -> None:
        config = WasiConfig(stdin_file=tree / "file", stdout_file=tree / "out")
        config.preopen_dir(tree, "/")
        guest = Guest(config)
        assert guest.open("file")[0] == SUCCESS
        guest.sleep(1)

    use()
    before = len(os.listdir("/dev/fd"))
    for _ in range(50):
        use()
    assert len(os.listdir("/dev/fd")) == before


def test_wasi_works_on_a_shared_memory(tree: pathlib.Path) -> None:
    config = Config()
    config.wasm_threads = True
    config.shared_memory = True
    engine = Engine(config)
    module = Module(engine, guest_wat('(memory (export "memory") 64 64 shared)'))
    linker = Linker(engine)
    linker.define_wasi()
    store = Store(engine)
    wasi = WasiConfig(stdin_bytes=b"input")
    capture = wasi.capture_stdout()
    wasi.preopen_dir(tree, "/", DirPerms.READ_WRITE, FilePerms.READ_ONLY)
    store.set_wasi(wasi)
    exports = linker.instantiate(store, module).exports(store)
    memory: Any = exports["memory"]
    address = memory.data_ptr()

    def call(name: str, *args: int) -> Any:
        function: Any = exports[name]
        return function(store, *args)

    def put(data: bytes, at: int) -> None:
        for index, byte in enumerate(data):
            address[at + index] = byte

    put(struct.pack("<II", 1000, 5), 0)
    assert call("fd_read", 0, 0, 1, 16) == SUCCESS
    assert call("fd_write", 1, 0, 1, 16) == SUCCESS
    assert capture.getvalue() == b"input"
    put(b"file", 2000)
    assert call("path_open", 3, 0, 2000, 4, 0, WRITE, 0, 0, 16) == PERM
    assert call("path_open", 3, 0, 2000, 4, 0, READ, 0, 0, 16) == SUCCESS


COUNT_PREOPENS = """
(component
  (import "wasi:filesystem/types@0.2.0" (instance $types (export "descriptor" (type (sub resource)))))
  (alias export $types "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $outer))
    (export "descriptor" (type $own (eq $outer)))
    (export "get-directories" (func (result (list (tuple (own $own) string)))))))
  (core module $libc
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $top)
      (global.set $top (i32.add (global.get $top) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (core func $get (canon lower (func $preopens "get-directories")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $main
    (import "" "get" (func $get (param i32)))
    (import "" "memory" (memory 1))
    (func (export "count") (result i32) (call $get (i32.const 16)) (i32.load (i32.const 20))))
  (core instance $main (instantiate $main
    (with "" (instance (export "get" (func $get)) (export "memory" (memory $memory))))))
  (func (export "count") (result u32) (canon lift (core func $main "count"))))
"""


def test_components_do_not_see_directories_whose_permissions_the_engine_cannot_enforce(tree: pathlib.Path) -> None:
    from ferrowasm import component

    config = WasiConfig()
    config.preopen_dir(tree, "/rw")
    config.preopen_dir(tree, "/ro", False)
    linker = component.Linker(ENGINE)
    linker.add_wasip2()
    counter = component.Component(ENGINE, COUNT_PREOPENS)

    def count() -> Any:
        store = Store(ENGINE)
        store.set_wasi(config)
        function: Any = linker.instantiate(store, counter).get_func(store, "count")
        return function(store)

    assert count() == 2
    config.preopen_dir(tree, "/inbox", DirPerms.WRITE_ONLY, FilePerms.READ_WRITE)
    assert count() == 2
    config.preopen_dir(tree, "/narrowed", DirPerms.READ_WRITE, FilePerms.READ_ONLY)
    assert count() == 3
