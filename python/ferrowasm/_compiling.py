"""Compiling programs on threads of their own: once for all who wait for one, a few at a time, and no longer than they wait."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

_Compiled = TypeVar("_Compiled")

#: How many compiled programs a process keeps.
KEPT = 32


class NotInTime(Exception):
    """The time to wait was over before a program was compiled."""


class Abandoned(Exception):
    """Nobody waits for the program any more."""


class Patience:
    """How long somebody waits: `timeout` seconds from now on, and until `Compiling.abandon`."""

    def __init__(self, timeout: float | None = None) -> None:
        self.end = None if timeout is None else time.monotonic() + timeout
        self.abandoned = False

    def left(self) -> float | None:
        """The seconds that are left."""
        return None if self.end is None else max(0.0, self.end - time.monotonic())


class Attempt:
    """One try to compile a program."""

    def __init__(self) -> None:
        self.error: BaseException | None = None


class Entry(Generic[_Compiled]):
    """A program: compiled, being compiled, or neither."""

    def __init__(self) -> None:
        self.compiled: _Compiled | None = None
        self.attempt: Attempt | None = None


class Compiling(Generic[_Compiled]):
    """The programs of a process that were used last, and the threads that compile them.

    A program is compiled to its end although nobody waits any more, and kept for the next who wants it: so even one that takes longer than everybody
    is willing to wait can be used in the end. As many are compiled at a time as there are processors: who gives up leaves no more work behind than that.
    """

    def __init__(self) -> None:
        #: Guards everything, and tells of changes.
        self.changed = threading.Condition()
        self.entries: OrderedDict[Hashable, Entry[_Compiled]] = OrderedDict()
        self.free = max(2, os.cpu_count() or 1)

    def get(self, key: Hashable, work: Callable[[], _Compiled], patience: Patience) -> _Compiled:
        """What `work` made for `key`, now or earlier. What it raises is raised here, unless it was begun by somebody else, who fails.

        Raises `NotInTime` and `Abandoned` when the patience is at its end.
        """
        mine = None
        with self.changed:
            entry = self._entry(key)
            while True:
                if mine is not None and mine.error is not None:
                    error, mine.error = mine.error, None
                    try:
                        raise error
                    finally:
                        # The exception knows this frame by its traceback.
                        del error
                if entry.compiled is not None:
                    return entry.compiled
                if patience.abandoned:
                    raise Abandoned
                left = patience.left()
                if left == 0:
                    raise NotInTime
                if entry.attempt is None and self.free > 0:
                    mine = self._begin(entry, work)
                self.changed.wait(left)

    def abandon(self, patience: Patience) -> None:
        """End the waiting of somebody."""
        with self.changed:
            patience.abandoned = True
            self.changed.notify_all()

    def _entry(self, key: Hashable) -> Entry[_Compiled]:
        entry = self.entries.setdefault(key, Entry())
        self.entries.move_to_end(key)
        while len(self.entries) > KEPT:
            self.entries.popitem(last=False)
        return entry

    def _begin(self, entry: Entry[_Compiled], work: Callable[[], _Compiled]) -> Attempt:
        attempt = Attempt()
        # A daemon, because a compilation that nobody waits for must not delay the end of the process.
        threading.Thread(target=self._compile, args=(entry, attempt, work), name="ferrowasm.compile", daemon=True).start()
        entry.attempt = attempt
        self.free -= 1
        return attempt

    def _compile(self, entry: Entry[_Compiled], attempt: Attempt, work: Callable[[], _Compiled]) -> None:
        compiled = None
        try:
            compiled = work()
        except BaseException as error:  # noqa: BLE001
            attempt.error = error
        with self.changed:
            entry.compiled, entry.attempt = compiled, None
            self.free += 1
            self.changed.notify_all()
