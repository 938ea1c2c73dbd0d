"""Who compiles a program, who waits for it, and for how long."""

from __future__ import annotations

import asyncio
import os
import pathlib
import signal
import threading
import time
from typing import Any

import pytest
from bombs import functions, leb, section
from support import raises
from test_compile import calls
from test_run import HELLO, program

import ferrowasm
from ferrowasm import RunTimeout, StopReason, WasmtimeError, run, run_async, wat2wasm
from ferrowasm._compiling import KEPT, Abandoned, Compiling, NotInTime, Patience
from ferrowasm._workers import Workers


def within(seconds: float, condition: Any) -> bool:
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return bool(condition())


class Work:
    """Something to compile, which takes as long as the test wants."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error
        self.times = 0
        self.go_on = threading.Event()

    def __call__(self) -> str:
        self.times += 1
        assert self.go_on.wait(60)
        if self.error is not None:
            raise self.error
        return "compiled"


def test_all_who_want_a_program_get_the_same_one() -> None:
    compiling: Compiling[str] = Compiling()
    work = Work()
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(compiling.get("key", work, Patience()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    assert within(10, lambda: work.times == 1)
    work.go_on.set()
    for thread in threads:
        thread.join()
    assert (found, work.times) == (["compiled"] * 8, 1)


def test_who_gives_up_leaves_the_result_to_the_next() -> None:
    compiling: Compiling[str] = Compiling()
    work = Work()
    with pytest.raises(NotInTime):
        compiling.get("key", work, Patience(0.05))
    with pytest.raises(NotInTime):
        compiling.get("key", work, Patience(0))
    work.go_on.set()
    assert compiling.get("key", work, Patience()) == "compiled"
    assert compiling.get("key", work, Patience(0)) == "compiled"
    assert work.times == 1


def test_an_error_goes_to_the_one_who_began_and_others_try_again() -> None:
    compiling: Compiling[str] = Compiling()
    error = ValueError("mine")
    failing = Work(error)
    caught: list[BaseException] = []

    def first() -> None:
        try:
            compiling.get("key", failing, Patience())
        except ValueError as raised:
            caught.append(raised)

    thread = threading.Thread(target=first)
    thread.start()
    assert within(10, lambda: failing.times == 1)
    threading.Timer(0.1, failing.go_on.set).start()
    working = Work()
    working.go_on.set()
    assert compiling.get("key", working, Patience()) == "compiled"
    thread.join()
    assert caught == [error]
    assert caught[0] is error


def test_no_more_is_compiled_at_a_time_than_there_are_processors() -> None:
    compiling: Compiling[str] = Compiling()
    works = [Work() for _ in range(compiling.free + 3)]
    for key, work in enumerate(works):
        with pytest.raises(NotInTime):
            compiling.get(key, work, Patience(0.02))
    assert compiling.free == 0
    assert [work.times for work in works[-3:]] == [0, 0, 0]
    for work in works:
        work.go_on.set()
    assert [compiling.get(key, work, Patience()) for key, work in enumerate(works)] == ["compiled"] * len(works)
    assert within(10, lambda: compiling.free == len(works) - 3)


def test_waiting_can_be_ended_by_another_thread() -> None:
    compiling: Compiling[str] = Compiling()
    work, patience = Work(), Patience()
    threading.Timer(0.1, compiling.abandon, (patience,)).start()
    with pytest.raises(Abandoned):
        compiling.get("key", work, patience)
    work.go_on.set()


def test_only_the_last_programs_are_kept() -> None:
    compiling: Compiling[str] = Compiling()
    work = Work()
    work.go_on.set()
    for key in range(KEPT + 5):
        compiling.get(key, work, Patience())
    assert len(compiling.entries) == KEPT
    compiling.get(KEPT + 4, work, Patience())
    assert work.times == KEPT + 5
    compiling.get(0, work, Patience())
    assert work.times == KEPT + 6


# Programs that take seconds to compile


def slow(number: int) -> bytes:
    """A program that does nothing and takes a while to compile; each number is another one."""
    bodies = [calls(0), *[b"\1\1\x7f" + (b"\x20\0\x41" + leb(number) + b"\x6a\x21\0") * 20_000 + b"\x0b"] * 40]
    return functions(bodies, section(7, b"\1\6_start\0\0"))


def test_a_timeout_counts_the_compilation() -> None:
    wasm = slow(1)
    begin = time.monotonic()
    with pytest.raises(RunTimeout) as caught:
        run(wasm, timeout=0.1, fuel=1000)
    assert 0.1 <= time.monotonic() - begin < 3
    error = caught.value
    assert error.compiling
    assert str(error) == "the program 'main' was not compiled within its timeout of 0.1 s"
    assert (error.stdout, error.reason, error.duration, error.result.fuel_consumed) == (b"", StopReason.TIMEOUT, 0.0, 0)
    # What was begun is kept, for those who try again.
    result = run(wasm, fuel=1000)
    assert result.returncode == 0
    assert run(wasm, timeout=30, fuel=1000).returncode == 0


def test_a_signal_ends_the_wait_for_a_compilation() -> None:
    def handler(number: int, frame: object) -> None:
        raise KeyError("stop")

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        begin = time.monotonic()
        with pytest.raises(KeyError):
            run(slow(2))
        assert time.monotonic() - begin < 3
    finally:
        signal.signal(signal.SIGALRM, previous)


def test_cancelling_a_task_does_not_wait_for_the_compilation() -> None:
    async def main() -> float:
        task = asyncio.create_task(run_async(slow(3)))
        await asyncio.sleep(0.1)
        begin = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begin

    assert asyncio.run(main()) < 1
    # Nor does the thread.
    from ferrowasm._run_async import workers

    assert within(5, lambda: workers.resting == workers.threads)


# Files


@pytest.fixture
def folder(tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> pathlib.Path:
    """The cache of this user, for this test; nothing is compiled yet."""
    from ferrowasm import _programs

    monkeypatch.setenv("FERROWASM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("FERROWASM_CACHE", raising=False)
    monkeypatch.setattr(_programs, "compiling", Compiling())
    return tmp_path / "cache"


def forget() -> None:
    from ferrowasm import _programs

    _programs.compiling = Compiling()


def test_nothing_is_written_unless_it_is_wanted(folder: pathlib.Path) -> None:
    run(HELLO)
    assert not folder.exists()


@pytest.mark.parametrize("text", [HELLO, '(component (core module $m (func (export "run") (result i32) (i32.const 0))) (core instance $i (instantiate $m))'
    ' (func $run (result (result)) (canon lift (core func $i "run"))) (instance $cli (export "run" (func $run)))'
    ' (export "wasi:cli/run@0.2.0" (instance $cli)))'], ids=["module", "component"])  # fmt: skip
def test_compiled_code_is_kept_in_files(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    assert run(text, cache=True).returncode == 0
    [file] = folder.iterdir()
    forget()

    def refuse(*args: object) -> object:
        raise AssertionError("compiled again")

    from ferrowasm import component

    monkeypatch.setattr(ferrowasm, "Module", Loading(ferrowasm.Module, refuse))
    monkeypatch.setattr(component, "Component", Loading(component.Component, refuse))
    assert run(text, cache=True).returncode == 0
    assert list(folder.iterdir()) == [file]


class Loading:
    """A class that can load compiled code and nothing else."""

    def __init__(self, original: Any, refuse: Any) -> None:
        self.deserialize_file = original.deserialize_file
        self.refuse = refuse

    def __call__(self, *args: object) -> object:
        return self.refuse()


def test_the_folder_can_be_chosen(folder: pathlib.Path, tmp_path: pathlib.Path) -> None:
    async def main() -> bytes:
        return (await run_async(HELLO, cache=tmp_path / "mine")).stdout

    assert asyncio.run(main()) == b"hello\n"
    assert len(list((tmp_path / "mine").iterdir())) == 1
    forget()
    assert run(HELLO, cache=str(tmp_path / "mine")).stdout == b"hello\n"
    assert not folder.exists()


def test_the_variable_that_turns_the_cache_off_does_so_here(folder: pathlib.Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERROWASM_CACHE", "0")
    assert run(HELLO, cache=True).stdout == b"hello\n"
    assert not folder.exists()


def test_a_damaged_file_is_compiled_anew(folder: pathlib.Path) -> None:
    run(HELLO, cache=True)
    [file] = folder.iterdir()
    file.write_bytes(file.read_bytes()[:-100] + bytes(100))
    forget()
    assert run(HELLO, cache=True).stdout == b"hello\n"


def test_what_is_no_folder_is_refused() -> None:
    with raises(TypeError, "expected a bool or the path of a folder for cache, got int"):
        run(HELLO, cache=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


# Threads of run_async


def test_no_more_threads_than_agreed_work_at_a_time() -> None:
    workers = Workers(at_once=3, idle=0.1)
    lock = threading.Lock()
    running, most, done = 0, 0, 0

    def work() -> None:
        nonlocal running, most, done
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.01)
        with lock:
            running -= 1
            done += 1

    for _ in range(50):
        workers.submit(work)
    assert within(20, lambda: done == 50)
    assert most == 3
    # Threads that have nothing to do come to their end.
    assert within(20, lambda: workers.threads == 0)
    workers.submit(work)
    assert within(20, lambda: done == 51)


def test_a_thousand_programs_do_not_take_a_thousand_threads() -> None:
    before = threading.active_count()
    most = 0

    async def main() -> list[bytes]:
        tasks = [asyncio.create_task(run_async(HELLO)) for _ in range(1000)]
        nonlocal most
        while not all(task.done() for task in tasks):
            most = max(most, threading.active_count() - before)
            await asyncio.sleep(0.01)
        return [task.result().stdout for task in tasks]

    assert asyncio.run(main()) == [b"hello\n"] * 1000
    # One more compiles.
    assert most <= min(32, (os.cpu_count() or 1) + 4) + 1


def test_what_is_cancelled_before_its_turn_never_runs() -> None:
    from ferrowasm._workers import AT_ONCE

    forever = program("(loop (br 0))", '(data (i32.const 0) "never")')
    read: list[int] = []

    class Input:
        def read(self, size: int) -> bytes:
            read.append(size)
            return b""

    async def main() -> None:
        running = [asyncio.create_task(run_async(forever)) for _ in range(AT_ONCE)]
        waiting = asyncio.create_task(run_async(wat2wasm(HELLO), input=Input()))
        await asyncio.sleep(0.5)
        assert not waiting.done()
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        for task in running:
            task.cancel()
        for task in running:
            with pytest.raises(asyncio.CancelledError):
                await task
        assert (await run_async(HELLO)).stdout == b"hello\n"

    asyncio.run(main())
    assert read == []


def test_an_invalid_program_is_an_error_for_each_who_runs_it() -> None:
    async def main() -> list[Any]:
        text = '(module (func (export "_start") (i32.const 5)))'
        return await asyncio.gather(*(run_async(text) for _ in range(5)), return_exceptions=True)

    outcomes = asyncio.run(main())
    assert [type(outcome) for outcome in outcomes] == [WasmtimeError] * 5
    assert len({id(outcome) for outcome in outcomes}) == 5
