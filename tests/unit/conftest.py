"""Fixtures of several files."""

from __future__ import annotations

import os
import pathlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support import Arrange
from value_support import WAYS


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


@pytest.fixture
def on_alarm() -> Iterator[Arrange]:
    """Sets a handler of SIGALRM, and when the signal comes."""
    before = signal.getsignal(signal.SIGALRM)

    def arrange(handler: Callable[[], Any], seconds: float) -> None:
        signal.signal(signal.SIGALRM, lambda number, frame: handler())
        signal.setitimer(signal.ITIMER_REAL, seconds)

    yield arrange
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """A way of a value through WebAssembly."""
    return str(request.param)
