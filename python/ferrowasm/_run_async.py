"""`run_async`: `run` for programs that use asyncio."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Any

from ._compiling import Patience
from ._completed import CompletedRun
from ._run import Request, asking
from ._workers import Workers

if TYPE_CHECKING:
    import asyncio

    from ._native import Deadline, Store

__all__ = ["run_async"]


@asking(Request)
async def run_async(*args: Any, **kwargs: Any) -> CompletedRun:
    """Run a WASI program as `run` does, with the event loop free for other tasks meanwhile.

    The program runs on another thread, on which an `input` that is a file object is read too. When the task is cancelled (as `asyncio.timeout` and
    `asyncio.wait_for` do), the program is stopped before `CancelledError` is raised. A compilation is not waited for: it comes to its end in the background.

    As many programs run at a time as `asyncio.to_thread` has threads: 4 more than there are processors, and 32 at most. Others wait for their turn, when
    their `timeout` begins.

    Parameters, result and errors are those of `run`.
    """
    return await Background(Request(*args, **kwargs)).result()


workers = Workers()


def forget_workers() -> None:
    """A forked child has none of its parent's threads."""
    global workers
    workers = Workers()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forget_workers)


class Cancelled(Exception):
    """Nobody waits for the program any more, which has not begun yet."""


class Background:
    """A run on another thread, which can be stopped."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.lock = threading.Lock()
        self.cancelled = False
        #: What the program is waited for with, once it is its turn.
        self.patience: Patience | None = None
        self.store: Store | None = None
        self.stop: Deadline | None = None

    async def result(self) -> CompletedRun:
        import asyncio
        import contextvars

        loop = asyncio.get_running_loop()
        done: asyncio.Future[CompletedRun] = loop.create_future()
        context = contextvars.copy_context()
        workers.submit(lambda: context.run(self.work, loop, done))
        try:
            return await asyncio.shield(done)
        except asyncio.CancelledError:
            if self.cancel():
                await wait_for_end(done)
            raise

    def work(self, loop: asyncio.AbstractEventLoop, done: asyncio.Future[CompletedRun]) -> None:
        """Run the program and hand the outcome to the event loop."""
        with self.lock:
            if self.cancelled:
                return
            self.patience = Patience(self.request.limits.timeout)
        try:
            outcome: CompletedRun | BaseException = self.request.perform(self.started, self.patience)
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
        from . import _programs

        with self.lock:
            self.cancelled = True
            if self.store is None:
                if self.patience is not None:
                    _programs.compiling.abandon(self.patience)
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
