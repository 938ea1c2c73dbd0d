"""Keeps `faulthandler` from taking traps of WebAssembly for crashes.

The engine handles the signals of hardware faults and hands on those that are not its own. `faulthandler` enabled, or disabled, after the first
engine would take its place; the native part looks for that from time to time, and here it is told at once.
"""

from __future__ import annotations

import faulthandler
import functools
from collections.abc import Callable
from typing import Any

from ._native import reassert_fault_handlers

__all__ = ["watch"]


def _then_reassert(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        finally:
            reassert_fault_handlers()

    return wrapper


def watch() -> None:
    """Wrap the two functions of `faulthandler` that install and remove its handlers; called once, with the first engine."""
    for name in ("enable", "disable"):
        setattr(faulthandler, name, _then_reassert(getattr(faulthandler, name)))
