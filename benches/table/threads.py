"""Two threads, each with a store of its own: how much more do they do than one?"""

from __future__ import annotations

import operator
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..measuring import Subject
from ..row import Row, scaling
from .guests import OURS, THEIRS, calls_guest

#: Steps of one long call: a fifth of a second, next to which the start of a thread does not count.
STEPS = 100_000_000
#: How many short calls a thread makes: so many that the start of a thread does not count.
CALLS = 500_000
#: A subject gives the best of so many samples: others than these threads may want a processor.
SAMPLES = 3


def rows() -> Iterator[Row]:
    yield Row(
        "two threads, computing",
        ours=together(2, lambda: compute(OURS)),
        theirs=together(2, lambda: compute(THEIRS)),
        floor=together(1, lambda: compute(OURS)),
        targets=(scaling(1.9, share=0.5),),
    )
    yield Row(
        "two threads, many short calls",
        ours=together(2, lambda: short_calls(OURS, CALLS)),
        # One thread makes the calls of both, which takes as long: the best of samples that differ in length would favour the shorter.
        floor=together(1, lambda: short_calls(OURS, 2 * CALLS)),
        targets=(scaling(1.0),),
    )


def compute(package: Any) -> Callable[[], Any]:
    guest = calls_guest(package, operator.add)
    function = guest.exports["compute"]
    return lambda: function(guest.store, STEPS)


def short_calls(package: Any, count: int) -> Callable[[], Any]:
    guest = calls_guest(package, operator.add)
    function, store = guest.exports["add"], guest.store

    def work() -> None:
        for _ in range(count):
            function(store, 1, 2)

    return work


def together(threads: int, prepare: Callable[[], Callable[[], Any]]) -> Subject:
    """The time until each of the threads has done its work."""
    works = [prepare() for _ in range(threads)]

    def once() -> float:
        # One of them is this thread, so that a single one needs no second.
        others = [threading.Thread(target=work) for work in works[1:]]
        begin = time.perf_counter()
        for thread in others:
            thread.start()
        works[0]()
        for thread in others:
            thread.join()
        return time.perf_counter() - begin

    return lambda: min(once() for _ in range(SAMPLES))
