"""WASI 0.2 through a command: a C program, compiled for WASI 0.1 and made a component of WASI 0.2."""

from __future__ import annotations

import io
import os
import re
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ferrowasm import Config, DirPerms, Engine, ExitTrap, FilePerms, Store, Trap, TrapCode, WasiConfig
from ferrowasm.component import Component, InstancePre, Linker
from toolchain import c_command

SOURCE = Path(__file__).parent / "guests" / "c" / "command.c"


class Command:
    """The program, compiled once, and a way to run it with arguments in a store of its own."""

    def __init__(self, config: Config | None = None) -> None:
        self.engine = Engine(config) if config else Engine()
        self.linker = Linker(self.engine)
        self.linker.add_wasip2()
        self.component = Component.from_file(self.engine, c_command("command", SOURCE.read_text(encoding="utf-8")))
        self.pre: InstancePre = self.linker.instantiate_pre(self.component)

    def start(self, store: Store) -> Any:
        exports = self.pre.instantiate(store).exports(store)
        name = next(name for name in exports if name.startswith("wasi:cli/run@"))
        return exports[name].run.with_results(tagged=True)(store)

    def run(self, *words: str, **settings: Any) -> bytes:
        """What the program writes to standard output; it has to succeed."""
        config = WasiConfig(argv=["command", *words], **settings)
        output = config.capture_stdout()
        assert self.start_with(config).tag == "ok"
        return output.getvalue()

    def start_with(self, config: WasiConfig) -> Any:
        store = Store(self.engine)
        store.set_wasi(config)
        return self.start(store)


@pytest.fixture(scope="module")
def command() -> Command:
    return Command()


def test_a_command_sees_its_arguments_and_variables(command: Command) -> None:
    output = command.run("show", "ä", "", env={"A": "1", "B": "zwei=2"})
    assert output.decode().splitlines() == ["command", "show", "ä", "", "A=1", "B=zwei=2"]


def test_without_a_configuration_a_command_sees_nothing(command: Command) -> None:
    store = Store(command.engine)
    # No argument 1, so the program ends at once.
    with pytest.raises(ExitTrap) as ended:
        command.start(store)
    assert ended.value.code == 0


@pytest.mark.parametrize(("word", "code"), [("succeed", 0), ("fail", 1)])
def test_exit_is_an_exit_trap_with_the_code(command: Command, word: str, code: int) -> None:
    with pytest.raises(ExitTrap, match=f"Exited with i32 exit status {code}") as ended:
        command.run(word)
    assert ended.value.code == code


def test_a_trap_has_its_code(command: Command) -> None:
    with pytest.raises(Trap) as trap:
        command.run("abort")
    assert trap.value.trap_code == TrapCode.UNREACHABLE


INPUT = bytes(range(256)) * 100


def test_standard_input_is_bytes(command: Command) -> None:
    assert command.run("copy", stdin_bytes=INPUT) == INPUT


def test_standard_input_is_a_file(command: Command, tmp_path: Path) -> None:
    (tmp_path / "input").write_bytes(INPUT)
    assert command.run("copy", stdin_file=tmp_path / "input") == INPUT


def test_standard_input_is_a_file_like_object(command: Command) -> None:
    assert command.run("copy", stdin=io.BytesIO(INPUT)) == INPUT


def test_standard_input_is_empty_by_default(command: Command) -> None:
    assert command.run("copy") == b""


def test_standard_output_goes_to_a_file(command: Command, tmp_path: Path) -> None:
    config = WasiConfig(argv=["command", "copy"], stdin_bytes=INPUT, stdout_file=tmp_path / "output")
    command.start_with(config)
    assert (tmp_path / "output").read_bytes() == INPUT


def test_standard_output_goes_to_a_file_like_object(command: Command) -> None:
    output = io.BytesIO()
    command.start_with(WasiConfig(argv=["command", "copy"], stdin_bytes=INPUT, stdout=output))
    assert output.getvalue() == INPUT


def test_standard_output_goes_to_a_callable(command: Command) -> None:
    chunks: list[bytes] = []
    command.start_with(WasiConfig(argv=["command", "copy"], stdin_bytes=INPUT, stdout_custom=chunks.append))
    assert b"".join(chunks) == INPUT


def test_standard_error_is_apart_from_standard_output(command: Command) -> None:
    config = WasiConfig(argv=["command", "complain", "oh"])
    output, errors = config.capture_stdout(), config.capture_stderr()
    command.start_with(config)
    assert (output.getvalue(), errors.getvalue()) == (b"", b"oh")


def test_a_capture_has_a_limit(command: Command) -> None:
    config = WasiConfig(argv=["command", "copy"], stdin_bytes=INPUT)
    output = config.capture_stdout(limit=1000)
    command.start_with(config)
    assert (output.getvalue(), output.truncated) == (INPUT[:1000], True)


def test_the_code_behind_a_stream_may_use_the_store(command: Command) -> None:
    store = Store(command.engine)
    written: list[bytes] = []

    def write(data: bytes) -> None:
        store.gc()
        written.append(data)

    store.set_wasi(WasiConfig(argv=["command", "copy"], stdin_bytes=b"x", stdout_custom=write))
    command.start(store)
    assert written == [b"x"]


class Stop(BaseException):
    pass


@pytest.mark.parametrize("kind", ["stdin", "stdout", "stdout_custom"])
def test_an_exception_behind_a_stream_comes_out_unchanged(command: Command, kind: str) -> None:
    stop = Stop()

    def fail(*_: object) -> int:
        raise stop

    class Broken:
        read = write = fail

    config = WasiConfig(argv=["command", "copy"], stdin_bytes=b"x")
    setattr(config, kind, fail if kind == "stdout_custom" else Broken())
    with pytest.raises(Stop) as raised:
        command.start_with(config)
    assert raised.value is stop


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "f").write_bytes(b"contents")
    (tmp_path / "g").write_bytes(b"")
    return tmp_path


def in_folder(command: Command, config: WasiConfig, *words: str) -> tuple[str, str]:
    """How the program ended (`ok` or `err`), and what it wrote."""
    config.argv = ["command", *words]
    output = config.capture_stdout()
    try:
        tag = command.start_with(config).tag
    except ExitTrap as ended:
        tag = "err" if ended.code else "ok"
    return tag, output.text().strip()


def test_a_folder_can_be_read_and_written(command: Command, folder: Path) -> None:
    config = WasiConfig(stdin_bytes=b"new")
    config.preopen_dir(folder, "/data")
    assert in_folder(command, config, "read", "/data/f") == ("ok", "contents")
    assert in_folder(command, config, "write", "/data/h") == ("ok", "")
    assert (folder / "h").read_bytes() == b"new"
    assert in_folder(command, config, "mkdir", "/data/d") == ("ok", "done")
    assert in_folder(command, config, "remove", "/data/g") == ("ok", "done")
    tag, names = in_folder(command, config, "list", "/data")
    assert (tag, sorted(names.split())) == ("ok", ["d", "f", "h"])


def test_nothing_is_outside_of_the_folder(command: Command, folder: Path) -> None:
    (folder / "inner").mkdir()
    (folder / "inner" / "link").symlink_to("../f")
    config = WasiConfig()
    config.preopen_dir(folder / "inner", "/data")
    for path in ("/data/../f", "/data/link", "/etc/passwd"):
        tag, reason = in_folder(command, config, "read", path)
        assert (tag, reason in ("Operation not permitted", "No such file or directory", "Capabilities insufficient")) == ("err", True)


@pytest.mark.parametrize(
    ("dirs", "files", "permitted"),
    [
        (DirPerms.READ_WRITE, FilePerms.READ_WRITE, {"read", "write", "mkdir", "remove"}),
        (DirPerms.READ_ONLY, FilePerms.READ_ONLY, {"read"}),
        # WASI 0.2 knows folders that are read-only and folders that are not: what is finer gets the lesser of the two.
        (DirPerms.READ_ONLY, FilePerms.READ_WRITE, {"read"}),
        (DirPerms.WRITE_ONLY, FilePerms.READ_WRITE, set[str]()),
        (DirPerms.READ_WRITE, FilePerms.WRITE_ONLY, set[str]()),
    ],
)
def test_a_folder_has_its_permissions(command: Command, folder: Path, dirs: DirPerms, files: FilePerms, permitted: set[str]) -> None:
    config = WasiConfig(stdin_bytes=b"new")
    config.preopen_dir(folder, "/data", dirs, files)
    done = {
        word
        for word, path in (("read", "/data/f"), ("write", "/data/f"), ("mkdir", "/data/d"), ("remove", "/data/g"))
        if in_folder(command, config, word, path)[0] == "ok"
    }
    assert done == permitted
    assert ((folder / "f").read_bytes() == b"new") is ("write" in permitted)
    assert (folder / "g").exists() is ("remove" not in permitted)


def test_clocks_are_those_of_the_host(command: Command) -> None:
    before = int(time.time())
    assert before <= int(command.run("time")) <= time.time()
    assert command.run("sleep", "30") == b"slept\n"


def test_random_numbers_differ(command: Command) -> None:
    numbers = {command.run("random") for _ in range(3)}
    assert len(numbers) == 3
    assert all(re.fullmatch(rb"[0-9a-f]{1,16}\n", number) for number in numbers)


def interrupt_soon() -> threading.Timer:
    timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    return timer


@pytest.mark.parametrize("words", [("sleep", "60000"), ("spin",), ("fill",)])
def test_control_c_ends_a_command(command: Command, words: tuple[str, ...]) -> None:
    begin = time.monotonic()
    timer = interrupt_soon()
    with pytest.raises(KeyboardInterrupt):
        command.start_with(WasiConfig(argv=["command", *words]))
    timer.join()
    assert time.monotonic() - begin < 30


def test_control_c_ends_a_wait_for_standard_input(command: Command) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb"), os.fdopen(writing, "wb"):
        timer = interrupt_soon()
        with pytest.raises(KeyboardInterrupt):
            command.start_with(WasiConfig(argv=["command", "copy"], stdin_file=f"/dev/fd/{reading}"))
        timer.join()


@pytest.mark.parametrize("words", [("sleep", "60000"), ("spin",)])
def test_a_deadline_in_epochs_ends_a_command(words: tuple[str, ...]) -> None:
    config = Config()
    config.epoch_interruption = True
    command = Command(config)
    store = Store(command.engine)
    store.set_wasi(WasiConfig(argv=["command", *words]))
    store.set_epoch_deadline(1)
    timer = threading.Timer(0.2, command.engine.increment_epoch)
    timer.start()
    with pytest.raises(Trap) as trap:
        command.start(store)
    timer.join()
    assert trap.value.trap_code == TrapCode.INTERRUPT


def test_other_threads_run_while_a_command_sleeps(command: Command) -> None:
    asleep = threading.Thread(target=command.run, args=("sleep", "300"))
    asleep.start()
    count = 0
    while asleep.is_alive():
        count += 1
        time.sleep(0.01)
    assert count > 5


def in_child(work: Callable[[], bool]) -> bool:
    """Whether `work` holds in a forked child, which must end."""
    child = os.fork()
    if child == 0:
        os._exit(0 if work() else 1)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status) == 0
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return False


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_command_runs_in_a_forked_child(command: Command, folder: Path) -> None:
    config = WasiConfig()
    config.preopen_dir(folder, "/data")
    assert in_folder(command, config, "read", "/data/f") == ("ok", "contents")
    assert in_child(lambda: in_folder(command, config, "read", "/data/f") == ("ok", "contents") and command.run("sleep", "20") == b"slept\n")


def test_names_that_were_defined_before_are_not_replaced(command: Command) -> None:
    linker = Linker(command.engine)
    with linker.root() as root, root.add_instance("wasi:io/poll@0.2.12") as poll:
        poll.add_func("poll", lambda store, pollables: [])
    with pytest.raises(Exception, match="map entry `poll` defined twice"):
        linker.add_wasip2()
    assert linker.allow_shadowing is False
