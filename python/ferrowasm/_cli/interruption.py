"""Ctrl-C while the process is busy with something that never comes back to Python."""

from __future__ import annotations

import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager


@contextmanager
def ended_by_control_c() -> Generator[None]:
    """Let Ctrl-C end the process at once, as it ends a program that is not written in Python; the shell sees exit code 130.

    Python raises `KeyboardInterrupt` between two of its own instructions. A compilation, or a program in an endless loop, does not get there.
    """
    # Only the main thread may change it; and a handler that somebody chose, or that a shell set for a job in the background, stays.
    applies = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if applies:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        if applies:
            signal.signal(signal.SIGINT, signal.default_int_handler)
