"""`run`: programs from their bytes to their output, and the reasons why they end."""

from __future__ import annotations

import copy
import io
import os
import pathlib
import pickle
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support import raises

import ferrowasm
from ferrowasm import CompletedRun, Config, Engine, Module, RunError, RunTimeout, StopReason, TrapCode, WasmtimeError, run, wat2wasm
from ferrowasm.component import Component

MIB = 1 << 20

WASI = "wasi_snapshot_preview1"

#: What the programs below share: imports, a memory, and functions to write.
PRELUDE = f"""
  (import "{WASI}" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "{WASI}" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "{WASI}" "proc_exit" (func $exit (param i32)))
  (import "{WASI}" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "{WASI}" "args_get" (func $args (param i32 i32) (result i32)))
  (import "{WASI}" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "{WASI}" "environ_get" (func $environ (param i32 i32) (result i32)))
  (import "{WASI}" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 2)
  (func $write (param $fd i32) (param $at i32) (param $length i32)
    (i32.store (i32.const 0) (local.get $at))
    (i32.store (i32.const 4) (local.get $length))
    (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
"""


def program(body: str, more: str = "") -> str:
    return f'(module {PRELUDE} {more} (func (export "_start") {body}))'


HELLO = program('(call $write (i32.const 1) (i32.const 100) (i32.const 6))', '(data (i32.const 100) "hello\\n")')
BOTH = program(
    "(call $write (i32.const 1) (i32.const 100) (i32.const 3)) (call $write (i32.const 2) (i32.const 103) (i32.const 3)) (call $exit (i32.const 3))",
    '(data (i32.const 100) "outerr")',
)
TRAP = program("(call $write (i32.const 2) (i32.const 100) (i32.const 11)) unreachable", '(data (i32.const 100) "first\\nlast\\n")')
FOREVER = program("(call $write (i32.const 1) (i32.const 100) (i32.const 5)) (loop (br 0))", '(data (i32.const 100) "begun")')
#: Sleeps for an hour.
SLEEP = program(
    """(i32.store (i32.const 216) (i32.const 1)) (i64.store (i32.const 224) (i64.const 3600_000_000_000))
       (drop (call $poll (i32.const 200) (i32.const 264) (i32.const 1) (i32.const 328)))"""
)
#: Copies its input to its output.
CAT = program(
    """(loop $again
         (i32.store (i32.const 16) (i32.const 100)) (i32.store (i32.const 20) (i32.const 1000))
         (drop (call $fd_read (i32.const 0) (i32.const 16) (i32.const 1) (i32.const 24)))
         (if (i32.load (i32.const 24)) (then (call $write (i32.const 1) (i32.const 100) (i32.load (i32.const 24))) (br $again))))"""
)
#: Writes its arguments and its environment, each string with its NUL.
SHOW = program(
    """(drop (call $args_sizes (i32.const 16) (i32.const 20))) (drop (call $args (i32.const 1000) (i32.const 4000)))
       (call $write (i32.const 1) (i32.const 4000) (i32.load (i32.const 20)))
       (drop (call $environ_sizes (i32.const 16) (i32.const 20))) (drop (call $environ (i32.const 1000) (i32.const 4000)))
       (call $write (i32.const 2) (i32.const 4000) (i32.load (i32.const 20)))"""
)
#: Writes without end.
CHATTER = program("(loop (call $write (i32.const 1) (i32.const 100) (i32.const 1000)) (br 0))")
#: Grows its memory page by page until that fails, and exits with the code 3, or 0 with `(i32.const 0)`.
GROW = program("(loop $more (br_if $more (i32.ne (memory.grow (i32.const 1)) (i32.const -1)))) (call $exit (i32.const 3))")


# Endings


def test_a_program_that_returns_has_exited_with_0() -> None:
    result = run(HELLO)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"hello\n", b"")
    assert result.reason is StopReason.EXITED
    assert result.args == ("main",)
    assert result.trap is None
    assert result.fuel_consumed is None
    assert result.peak_memory == 2 << 16
    assert 0 < result.duration < 60


def test_the_exit_code_and_both_outputs_arrive() -> None:
    result = run(BOTH)
    assert (result.returncode, result.stdout, result.stderr) == (3, b"out", b"err")
    assert result.reason is StopReason.EXITED


def test_a_trap_is_a_result_with_the_output_until_then() -> None:
    result = run(TRAP)
    assert (result.returncode, result.stderr, result.reason) == (134, b"first\nlast\n", StopReason.TRAPPED)
    assert result.trap is not None
    assert result.trap.trap_code is TrapCode.UNREACHABLE


def test_check_raises_for_codes_and_traps_with_the_result() -> None:
    for text, message in [
        (BOTH, "the program 'main' ended with the exit code 3; its last words: err"),
        (TRAP, "the program 'main' trapped: UNREACHABLE; its last words: last"),
    ]:
        with raises(RunError, message) as caught:
            run(text, check=True)
        error = caught.value
        assert isinstance(error, RunError)
        assert isinstance(error, WasmtimeError)
        again = run(text)
        assert (error.returncode, error.stdout, error.stderr, error.reason) == (again.returncode, again.stdout, again.stderr, again.reason)
        assert error.duration == error.result.duration
    assert run(HELLO, check=True).returncode == 0


# Limits


@pytest.mark.parametrize("text", [FOREVER, SLEEP], ids=["loop", "sleep"])
def test_a_timeout_raises_with_the_output_until_then(text: str) -> None:
    module = Module(Engine(), text)
    begin = time.monotonic()
    with pytest.raises(RunTimeout) as caught:
        run(module, timeout=0.2)
    assert 0.2 <= time.monotonic() - begin < 20
    error = caught.value
    assert isinstance(error, TimeoutError)
    assert error.timeout == 0.2
    assert error.stdout == (b"begun" if text is FOREVER else b"")
    assert error.result.reason is StopReason.TIMEOUT
    # A little of the time goes by before it begins to run.
    assert 0.1 < error.duration < 20
    assert not error.compiling
    assert str(error) == "the program 'main' ran for longer than its timeout of 0.2 s"
    assert error.__cause__ is error.result.trap is not None


def test_a_program_that_is_fast_enough_has_no_timeout() -> None:
    assert run(HELLO, timeout=60).stdout == b"hello\n"


def test_a_timeout_of_0_stops_at_once() -> None:
    with pytest.raises(RunTimeout):
        run(FOREVER, timeout=0)


def test_fuel_runs_out_or_is_counted() -> None:
    result = run(FOREVER, fuel=100_000)
    assert (result.returncode, result.reason, result.stdout) == (134, StopReason.FUEL, b"begun")
    assert result.fuel_consumed == 100_000
    consumed = run(HELLO, fuel=100_000).fuel_consumed
    assert consumed is not None
    assert 10 < consumed < 1000
    with raises(RunError, "the program 'main' was stopped: fuel"):
        run(FOREVER, fuel=100_000, check=True)


def test_too_much_output_stops_the_program() -> None:
    result = run(CHATTER, output_limit=12_345)
    assert (result.returncode, result.reason, len(result.stdout)) == (134, StopReason.OUTPUT_LIMIT, 12_345)
    assert run(HELLO, output_limit=6).reason is StopReason.EXITED
    assert run(HELLO, output_limit=5).stdout == b"hello"
    assert run(BOTH, output_limit=3).reason is StopReason.EXITED
    assert run(BOTH, output_limit=0).stdout == b""


def test_a_memory_limit_is_told_from_other_failures() -> None:
    result = run(GROW, memory_limit=4 * MIB)
    assert (result.returncode, result.reason) == (3, StopReason.MEMORY_LIMIT)
    assert 3 * MIB < result.peak_memory <= 4 * MIB
    assert run(BOTH, memory_limit=4 * MIB).reason is StopReason.EXITED
    assert run(TRAP, memory_limit=4 * MIB).reason is StopReason.TRAPPED
    with raises(RunError, "the program 'main' failed after it had reached its memory limit"):
        run(GROW, memory_limit=4 * MIB, check=True)


def test_a_program_that_copes_with_the_memory_limit_has_exited() -> None:
    result = run(GROW.replace("(call $exit (i32.const 3))", "(call $exit (i32.const 0))"), memory_limit=4 * MIB)
    assert (result.returncode, result.reason) == (0, StopReason.EXITED)


def test_a_trap_for_want_of_memory_is_the_memory_limit() -> None:
    result = run(GROW.replace("(call $exit (i32.const 3))", "unreachable"), memory_limit=4 * MIB)
    assert (result.returncode, result.reason) == (134, StopReason.MEMORY_LIMIT)
    assert result.trap is not None


def test_a_program_that_is_too_large_from_the_start_reaches_the_memory_limit() -> None:
    result = run(HELLO, memory_limit=1 << 16)
    assert (result.returncode, result.reason, result.stdout) == (134, StopReason.MEMORY_LIMIT, b"")


def test_tables_count_against_the_memory_limit() -> None:
    text = program("(drop (table.grow (ref.null func) (i32.const 1_000_000))) unreachable", "(table 1 funcref)")
    assert run(text, memory_limit=4 * MIB).reason is StopReason.MEMORY_LIMIT
    assert run(text, memory_limit=16 * MIB).reason is StopReason.TRAPPED


@pytest.mark.parametrize(
    ("limits", "error", "message"),
    [
        ({"timeout": -1}, ValueError, "expected a timeout of at least 0 seconds, got -1"),
        ({"timeout": float("nan")}, ValueError, "expected a timeout of at least 0 seconds, got nan"),
        ({"memory_limit": -1}, ValueError, "expected at least 0 bytes for memory_limit, got -1"),
        ({"output_limit": -1}, ValueError, "expected at least 0 bytes for output_limit, got -1"),
        ({"disk_limit": -1}, ValueError, "expected at least 0 bytes for disk_limit, got -1"),
    ],
)
def test_limits_that_cannot_be_are_refused(limits: Any, error: type[Exception], message: str) -> None:
    with raises(error, message):
        run(HELLO, **limits)


@pytest.mark.parametrize("limits", [{"timeout": "1"}, {"memory_limit": "1"}, {"fuel": "1"}, {"output_limit": "1"}, {"disk_limit": "1"}])
def test_limits_that_are_no_numbers_are_type_errors(limits: Any) -> None:
    with pytest.raises(TypeError):
        run(HELLO, **limits)


# What the program gets


def test_arguments_follow_the_name_of_the_program(tmp_path: pathlib.Path) -> None:
    (tmp_path / "show.wat").write_text(SHOW)
    result = run(tmp_path / "show.wat", ["-v", b"x", pathlib.Path("a/b"), "ü"])
    assert result.stdout.decode().split("\0") == ["show.wat", "-v", "x", "a/b", "ü", ""]
    assert result.args == ("show.wat", "-v", "x", "a/b", "ü")


def test_there_is_no_environment_unless_it_is_passed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "of the host")
    assert run(SHOW).stderr == b""
    assert run(SHOW, env={"A": "1"}).stderr == b"A=1\0"


@pytest.mark.parametrize("data", [b"some bytes", bytearray(b"some bytes"), memoryview(b"some bytes"), "some bytes", io.BytesIO(b"some bytes")])
def test_input_can_be_bytes_text_or_a_file(data: Any) -> None:
    assert run(CAT, input=data).stdout == b"some bytes"


def test_there_is_no_input_unless_it_is_passed() -> None:
    assert run(CAT).stdout == b""


def test_the_input_of_the_host_is_not_inherited() -> None:
    reader, writer = os.pipe()
    os.write(writer, b"typed by the user")
    os.close(writer)
    saved = os.dup(0)
    os.dup2(reader, 0)
    try:
        assert run(CAT).stdout == b""
        assert os.read(0, 100) == b"typed by the user"
    finally:
        os.dup2(saved, 0)
        os.close(saved)
        os.close(reader)


def test_what_the_input_raises_comes_out_as_it_is() -> None:
    error = KeyboardInterrupt()

    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> Any:
            raise error

    with pytest.raises(KeyboardInterrupt) as caught:
        run(CAT, input=Broken())
    assert caught.value is error


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"args": "abc"}, "expected an iterable of arguments, got str; for a single argument pass a list of one"),
        ({"args": b"abc"}, "expected an iterable of arguments, got bytes; for a single argument pass a list of one"),
        ({"args": [1]}, "expected str, bytes or os.PathLike object, not int"),
        ({"input": 5}, "expected a bytes-like object, a str or a binary file for input, got int"),
        ({"env": "A=1"}, "expected a mapping or an iterable of pairs for env, got str"),
    ],
)
def test_arguments_of_the_wrong_kind_are_refused(arguments: Any, message: str) -> None:
    with raises(TypeError, message):
        run(HELLO, **arguments)


# Programs


@pytest.mark.parametrize("kind", ["text", "text as bytes", "binary", "bytearray", "memoryview", "path", "str path", "text file", "module"])
def test_a_program_can_be_given_in_any_form(tmp_path: pathlib.Path, kind: str) -> None:
    binary = bytes(wat2wasm(HELLO))
    (tmp_path / "a.wasm").write_bytes(binary)
    (tmp_path / "a.wat").write_text(HELLO)
    given: dict[str, Callable[[], Any]] = {
        "text": lambda: "\n  ;; a comment\n" + HELLO,
        "text as bytes": lambda: HELLO.encode(),
        "binary": lambda: binary,
        "bytearray": lambda: bytearray(binary),
        "memoryview": lambda: memoryview(binary),
        "path": lambda: tmp_path / "a.wasm",
        "str path": lambda: str(tmp_path / "a.wasm"),
        "text file": lambda: tmp_path / "a.wat",
        "module": lambda: Module(Engine(), binary),
    }
    assert run(given[kind]()).stdout == b"hello\n"


def test_a_module_needs_an_engine_with_fuel_for_fuel() -> None:
    with pytest.raises(WasmtimeError, match="fuel"):
        run(Module(Engine(), HELLO), fuel=1000)
    assert run(Module(Engine(Config(consume_fuel=True)), HELLO), fuel=1000).fuel_consumed is not None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(module)", "this module is no program: it exports no function '_start'"),
        ("(component)", "this component is no program: it exports no wasi:cli/run@0.2.x"),
        ('(module (func (export "_start") (param i32)))', "too few parameters provided: given 0, expected 1"),
    ],
)
def test_what_is_no_program_is_refused(text: str, message: str) -> None:
    with pytest.raises(WasmtimeError) as caught:
        run(text)
    assert str(caught.value) == message


def test_an_import_that_programs_are_not_given_is_an_error() -> None:
    with pytest.raises(WasmtimeError, match="unknown import: `env::f` has not been defined"):
        run('(module (import "env" "f" (func)) (func (export "_start")))')


def test_errors_of_files_are_os_errors(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError):
        run(tmp_path / "missing.wasm")
    with pytest.raises(IsADirectoryError):
        run(str(tmp_path))


def test_what_is_no_program_at_all_is_a_type_error() -> None:
    with raises(TypeError, "expected a path, a module as bytes or text, a Module or a Component, got int"):
        run(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_a_program_is_compiled_once(monkeypatch: pytest.MonkeyPatch) -> None:
    from ferrowasm import _programs

    text = program("nop", f'(data (i32.const 0) "{time.time_ns()}")')
    compiled = []
    original = _programs.from_module

    def count(module: Module) -> _programs.Runnable:
        compiled.append(module)
        return original(module)

    monkeypatch.setattr(_programs, "from_module", count)
    threads = [threading.Thread(target=run, args=(text,)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run(text.encode())
    assert len(compiled) == 1


def test_an_invalid_program_does_not_stay_in_the_way() -> None:
    for _ in range(2):
        with pytest.raises(WasmtimeError):
            run('(module (func (export "_start") (i32.const 1)))')


# Components

COMMAND = """
(component
  (core module $m (func (export "run") (result i32) {body}))
  (core instance $i (instantiate $m))
  (func $run (result (result)) (canon lift (core func $i "run")))
  (instance $cli (export "run" (func $run)))
  (export "wasi:cli/run@0.2.{patch}" (instance $cli)))
"""


@pytest.mark.parametrize("patch", [0, 3, 6])
def test_a_component_runs_and_its_result_is_the_exit_code(patch: int) -> None:
    assert run(COMMAND.format(body="(i32.const 0)", patch=patch)).returncode == 0
    result = run(COMMAND.format(body="(i32.const 1)", patch=patch))
    assert (result.returncode, result.reason) == (1, StopReason.EXITED)


def test_a_component_traps_and_is_stopped_like_a_module() -> None:
    result = run(COMMAND.format(body="unreachable", patch=0))
    assert (result.returncode, result.reason) == (134, StopReason.TRAPPED)
    assert result.trap is not None
    assert result.trap.trap_code is TrapCode.UNREACHABLE
    with pytest.raises(RunTimeout):
        run(COMMAND.format(body="(loop (br 0)) (i32.const 0)", patch=0), timeout=0.1)
    assert run(COMMAND.format(body="(loop (br 0)) (i32.const 0)", patch=0), fuel=10_000).reason is StopReason.FUEL


def test_a_compiled_component_runs() -> None:
    component = Component(Engine(), COMMAND.format(body="(i32.const 0)", patch=2))
    assert run(component).returncode == 0


# Results


def test_the_representation_shows_what_matters() -> None:
    result = run(program("(call $write (i32.const 1) (i32.const 100) (i32.const 1000))"), ["x"], fuel=100)
    assert repr(result).startswith("CompletedRun(args=['main', 'x'], returncode=0, reason=EXITED, stdout=b'\\x00")
    assert "... (1000 bytes), stderr=b'', duration=0.0" in repr(result)
    assert repr(result).endswith(f"peak_memory=131072, fuel_consumed={result.fuel_consumed})")


@pytest.mark.parametrize("text", [HELLO, TRAP])
def test_results_can_be_pickled_and_copied(text: str) -> None:
    result = run(text)
    for again in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result)):
        assert repr(again) == repr(result)
        assert again.trap is None or again.trap.trap_code is TrapCode.UNREACHABLE


def test_errors_can_be_pickled() -> None:
    with pytest.raises(RunTimeout) as timeout:
        run(FOREVER, timeout=0.05)
    with pytest.raises(RunError) as failure:
        run(BOTH, check=True)
    for error in (timeout.value, failure.value):
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error)
        assert str(again) == str(error)
        assert again.stdout == error.stdout


def test_both_functions_show_their_parameters() -> None:
    import inspect

    names = ["program", "args", "input", "env", "mounts", "timeout", "memory_limit", "fuel", "output_limit", "disk_limit", "network", "cache", "check"]
    for function in (run, ferrowasm.run_async):
        signature = inspect.signature(function)
        assert list(signature.parameters) == names
        assert signature.return_annotation == "CompletedRun"
        assert signature.parameters["timeout"].annotation == "float | None"
        assert function.__doc__
    assert inspect.iscoroutinefunction(ferrowasm.run_async)
    with pytest.raises(TypeError, match="unexpected keyword argument 'timeuot'"):
        run(HELLO, timeuot=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def test_results_are_values() -> None:
    result = run(HELLO)
    with pytest.raises(AttributeError):
        result.returncode = 1  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert isinstance(result, CompletedRun)


# Threads and signals


def test_threads_with_timeouts_do_not_disturb_each_other() -> None:
    """8 threads, each with programs that end, trap, and are stopped by each kind of limit: every one ends as it should."""
    wrong: list[Any] = []

    def outcome(text: str, **limits: Any) -> StopReason:
        try:
            return run(text, **limits).reason
        except RunTimeout as error:
            return error.reason

    cases: list[tuple[str, dict[str, Any], StopReason]] = [
        (HELLO, {"timeout": 30}, StopReason.EXITED),
        (FOREVER, {"timeout": 0.03}, StopReason.TIMEOUT),
        (TRAP, {"timeout": 30}, StopReason.TRAPPED),
        (SLEEP, {"timeout": 0.02}, StopReason.TIMEOUT),
        (FOREVER, {"fuel": 10_000, "timeout": 30}, StopReason.FUEL),
        (CHATTER, {"output_limit": 10_000, "timeout": 30}, StopReason.OUTPUT_LIMIT),
        (GROW, {"memory_limit": 2 * MIB, "timeout": 30}, StopReason.MEMORY_LIMIT),
    ]

    def work(start: int) -> None:
        for number in range(35):
            text, limits, expected = cases[(start + number) % len(cases)]
            actual = outcome(text, **limits)
            if actual is not expected:
                wrong.append((expected, actual))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_control_c_ends_a_run() -> None:
    import signal

    timer = threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            run(FOREVER, timeout=60)
    finally:
        timer.join()


def test_a_forked_child_runs_programs() -> None:
    run(HELLO)
    pid = os.fork()
    if pid == 0:
        try:
            code = 0 if run(HELLO).stdout == b"hello\n" and run(BOTH + " ;; new").returncode == 3 else 1
        except BaseException:
            code = 2
        os._exit(code)
    _, status = os.waitpid(pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_importing_the_package_does_not_import_what_run_alone_needs() -> None:
    import subprocess

    code = "import ferrowasm, sys; print([name for name in ('tempfile', 'asyncio', 'hashlib', 'ferrowasm._programs') if name in sys.modules])"
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=pathlib.Path(ferrowasm.__file__).parents[1]).stdout
    assert output == "[]\n"
