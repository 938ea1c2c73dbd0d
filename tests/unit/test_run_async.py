"""`run_async`: what `run` does, without blocking the event loop."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
from typing import Any

import pytest
from support import raises
from test_run import BOTH, CAT, FOREVER, HELLO, SLEEP

from ferrowasm import MemoryFolder, RunError, RunTimeout, StopReason, run_async


def test_the_result_is_that_of_run() -> None:
    result = asyncio.run(run_async(BOTH, ["x"], env={"A": "1"}, fuel=1000))
    assert (result.returncode, result.stdout, result.stderr, result.reason) == (3, b"out", b"err", StopReason.EXITED)
    assert result.args == ("main", "x")
    assert result.fuel_consumed is not None


def test_other_tasks_run_meanwhile() -> None:
    async def main() -> tuple[int, float]:
        ticks = 0
        task = asyncio.create_task(run_async(FOREVER, timeout=1))
        begin = time.monotonic()
        while not task.done():
            await asyncio.sleep(0.01)
            ticks += 1
        with pytest.raises(RunTimeout) as caught:
            await task
        assert caught.value.stdout == b"begun"
        return ticks, time.monotonic() - begin

    ticks, _ = asyncio.run(main())
    assert ticks > 10


def test_many_programs_run_at_once() -> None:
    async def main() -> list[bytes]:
        results = await asyncio.gather(*(run_async(CAT, input=str(number)) for number in range(50)))
        return [result.stdout for result in results]

    assert asyncio.run(main()) == [str(number).encode() for number in range(50)]


@pytest.mark.parametrize("text", [FOREVER, SLEEP], ids=["loop", "sleep"])
def test_cancelling_the_task_stops_the_program(text: str) -> None:
    async def main() -> float:
        await run_async(HELLO)
        task = asyncio.create_task(run_async(text))
        await asyncio.sleep(0.3)
        begin = time.monotonic()
        task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - begin

    assert asyncio.run(main()) < 20
    # The thread has told the event loop, and comes to its end.
    for thread in threading.enumerate():
        if thread.name == "ferrowasm.run_async":
            thread.join(20)
            assert not thread.is_alive()


def test_asyncio_timeout_stops_the_program_and_its_files_are_there() -> None:
    from test_mounts import guest

    folder = MemoryFolder()

    async def main() -> None:
        async with asyncio.timeout(0.5):
            await run_async(guest('(call $touch "a" "1") (loop (br 0))'), mounts={"/": folder})

    with pytest.raises(TimeoutError):
        asyncio.run(main())
    assert folder.files() == {"a": b"1"}


def test_errors_are_those_of_run() -> None:
    with raises(RunError, "the program 'main' ended with the exit code 3; its last words: err"):
        asyncio.run(run_async(BOTH, check=True))
    with pytest.raises(FileNotFoundError):
        asyncio.run(run_async("/does/not/exist.wasm"))
    with raises(TypeError, "expected an iterable of arguments, got str; for a single argument pass a list of one"):
        asyncio.run(run_async(HELLO, "x"))


@pytest.mark.parametrize("error", [ValueError("mine"), StopIteration("mine")], ids=["ValueError", "StopIteration"])
def test_what_the_input_raises_comes_out(error: Exception) -> None:
    class Broken:
        def read(self, size: int) -> Any:
            raise error

    with pytest.raises(RuntimeError if isinstance(error, StopIteration) else ValueError) as caught:
        asyncio.run(run_async(CAT, input=Broken()))
    assert caught.value is error or isinstance(error, StopIteration)


def test_the_input_is_read_in_the_context_of_the_task() -> None:
    variable: contextvars.ContextVar[bytes] = contextvars.ContextVar("variable")

    class Reader:
        def read(self, size: int) -> bytes:
            value = variable.get()
            variable.set(b"")
            return value

    async def main() -> bytes:
        variable.set(b"of the task")
        return (await run_async(CAT, input=Reader())).stdout

    assert asyncio.run(main()) == b"of the task"
