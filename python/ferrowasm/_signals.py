"""Tells the native part when a signal gets a handler, so that it notices the signal while the main thread waits in a shared memory.

The interpreter notes signals where only its main thread looks. So the native part puts a function of its own in front of the interpreter's, which
counts signals; with each `signal.signal` the interpreter puts its own back, and here the native part is told.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

from ._native import count_signals

__all__ = ["watch"]


def watch() -> None:
    """Wrap the function below `signal.signal`; called once, with the first engine that has shared memories."""
    module = importlib.import_module("_signal")
    install = module.signal

    @functools.wraps(install)
    def wrapper(*args: Any) -> Any:
        try:
            return install(*args)
        finally:
            count_signals()

    module.signal = wrapper  # type: ignore[attr-defined]
    count_signals()
