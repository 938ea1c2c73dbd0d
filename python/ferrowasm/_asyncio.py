"""What asynchronous calls need from asyncio, beside the event loop itself."""

from __future__ import annotations

import asyncio


def finish(future: asyncio.Future[None]) -> None:
    """Let whoever awaits `future` go on, unless that is over."""
    if not future.done():
        future.set_result(None)
