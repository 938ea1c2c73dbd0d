"""What holds for all tests."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
from async_support import LOOPS

# A shell that starts the tests in the background lets them, and every program that they start, ignore Ctrl-C. Tests of interruption need it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Programs that tests start are to behave as they do everywhere: on some machines all output is written at once, on others it waits in a buffer.
for name in ("PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE"):
    os.environ.pop(name, None)


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """Runs a coroutine to its end on an event loop of each kind."""
    return LOOPS[request.param]
