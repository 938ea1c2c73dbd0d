"""`run_async`: `run` for programs that use asyncio."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from ._completed import CompletedRun
from ._run import Limits, Request

if TYPE_CHECKING:
    import asyncio

    from ._mounts import Mount
    from ._native import Deadline, Store
    from ._programs import Program
    from ._run import _Argument, _Input, _Network

__all__ = ["run_async"]


async def run_async(
    program: Program,
    args: Iterable[_Argument] = (),
    *,
    input: _Input = None,
    env: Mapping[str, str] | None = None,
    mounts: Mapping[str, Mount] | None = None,
    timeout: float | None = None,
    memory_limit: int | None = None,
    fuel: int | None = None,
    output_limit: int | None = None,
    network: _Network = False,
    check: bool = False,
) -> CompletedRun:
    """Run a WASI program as `run` does, with the event loop free for other tasks meanwhile.

    The program runs on a thread of its own, on which an `input` that is a file object is read too. When the task is cancelled (as `asyncio.timeout` and
    `asyncio.wait_for` do), the program is stopped before `CancelledError` is raised. A compilation is not waited for: it comes to its end in the background.

    Parameters, result and errors are those of `run`.
    """
    limits = Limits(timeout, memory_limit, fuel, output_limit)
    return await Background(Request(program, args, input, env, mounts, limits, network, check)).result()


class Cancelled(Exception):
    """Nobody waits for the program any more, which has not begun yet."""


class Background:
    """A run on a thread of its own, which can be stopped."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.lock = threading.Lock()
        self.cancelled = False
        self.store: Store | None = None
        self.stop: Deadline | None = None

    async def result(self) -> CompletedRun:
        import asyncio
        import contextvars

        loop = asyncio.get_running_loop()
        done: asyncio.Future[CompletedRun] = loop.create_future()
        context = contextvars.copy_context()
        # A daemon, because a compilation that nobody waits for must not delay the end of the process.
        thread = threading.Thread(target=context.run, args=(self.work, loop, done), name="ferrowasm.run_async", daemon=True)
        thread.start()
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if self.cancel():
                await wait_for_end(done)
            raise

    def work(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[CompletedRun]) -> None:
        """Run the program and hand the outcome to the event loop."""
        try:
            outcome: CompletedRun | BaseException = self.request.perform(self.started)
        except BaseException as error:
            outcome = error
        try:
            loop.call_soon_threadsafe(settle, done, outcome)
        except RuntimeError:
            # The event loop was closed: nobody is there to be told.
            pass

    def started(self, store: Store) -> None:
        with self.lock:
            if self.cancelled:
                raise Cancelled
            self.store = store

    def cancel(self) -> bool:
        """Stop the program; whether it had begun."""
        with self.lock:
            self.cancelled = True
            if self.store is None:
                return False
            # A deadline that has passed, for as long as this object lives.
            self.stop = self.store.deadline(0)
            self.stop.__enter__()
            return True


def settle(done: asyncio.Future[CompletedRun], outcome: CompletedRun | BaseException) -> None:
    if done.cancelled():
        return
    if isinstance(outcome, CompletedRun):
        done.set_result(outcome)
    else:
        # A future refuses the exception that ends iterations.
        done.set_exception(RuntimeError("the program raised StopIteration") if isinstance(outcome, StopIteration) else outcome)
        # Nobody may be waiting any more, which is no reason for a complaint.
        done.exception()


async def wait_for_end(done: asyncio.Future[CompletedRun]) -> None:
    """Wait until a program that was stopped has ended, however often the task is cancelled meanwhile."""
    import asyncio

    while not done.done():
        try:
            await asyncio.wait([done])
        except asyncio.CancelledError:
            continue
