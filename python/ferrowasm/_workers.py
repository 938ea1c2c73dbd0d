"""Threads for work that would block an event loop: no more than a certain number, and used again."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

#: How many there are at most: as many as `asyncio.to_thread` has.
AT_ONCE = min(32, (os.cpu_count() or 1) + 4)

#: After how many seconds a thread without work ends.
IDLE = 2.0


class Workers:
    """Threads that do what they are given, first come, first served."""

    def __init__(self, at_once: int = AT_ONCE, idle: float = IDLE) -> None:
        self.at_once = at_once
        self.idle = idle
        #: Guards what follows, and tells of work.
        self.changed = threading.Condition()
        self.waiting: deque[Callable[[], None]] = deque()
        self.threads = 0
        #: Threads that wait for work.
        self.resting = 0

    def submit(self, work: Callable[[], None]) -> None:
        """Have `work`, which must not raise, called on one of the threads. Raises `RuntimeError` if the system has none."""
        with self.changed:
            self.waiting.append(work)
            if self.resting >= len(self.waiting):
                self.changed.notify()
            elif self.threads < self.at_once:
                self._start()

    def _start(self) -> None:
        # A daemon, because a program that runs for ever must not delay the end of the process.
        thread = threading.Thread(target=self._work, name="ferrowasm.run_async", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            # The threads that there are will come to it.
            if self.threads == 0:
                self.waiting.pop()
                raise
        else:
            self.threads += 1

    def _work(self) -> None:
        while (work := self._next()) is not None:
            work()
            # What was done is not kept alive by a thread that rests.
            del work

    def _next(self) -> Callable[[], None] | None:
        with self.changed:
            while not self.waiting:
                self.resting += 1
                told = self.changed.wait(self.idle)
                self.resting -= 1
                if not told and not self.waiting:
                    self.threads -= 1
                    return None
            return self.waiting.popleft()
