"""What a guest waits for in WASI does not hold up the event loop."""

from __future__ import annotations

import asyncio
import io
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Coroutine
from typing import Any

import pytest
from async_support import ADD, exports_of
from wasi_support import SUCCESS, Guest

from ferrowasm import WasiConfig


class AsyncGuest(Guest):
    """The same with asynchronous calls."""

    def start(self, name: str, *args: int) -> Coroutine[Any, Any, Any]:
        return self.exports.func(name).call_async(self.store, *args)

    def sleep_async(self, seconds: float) -> Coroutine[Any, Any, int]:
        self.put(struct.pack("<QB7xIxxxxQQHxxxxxx", 7, 0, 1, int(seconds * 1e9), 0, 0), self.PATH)
        return self.start("poll_oneoff", self.PATH, self.PATH2, 1, self.OUT)

    def read_async(self, size: int) -> Coroutine[Any, Any, int]:
        self.put(struct.pack("<II", self.DATA, size), self.IOVS)
        return self.start("fd_read", 0, self.IOVS, 1, self.OUT)

    def write_async(self, data: bytes) -> Coroutine[Any, Any, int]:
        self.put(struct.pack("<II", self.DATA, len(data)), self.IOVS)
        self.put(data, self.DATA)
        return self.start("fd_write", 1, self.IOVS, 1, self.OUT)


async def turns_during(call: Coroutine[Any, Any, Any]) -> tuple[Any, int]:
    """The result of the call, and how often another task had its turn meanwhile."""
    task = asyncio.create_task(call)
    turns = 0
    while not task.done():
        await asyncio.sleep(0.005)
        turns += 1
    return await task, turns


def test_a_sleep_lets_other_tasks_run(run: Any) -> None:
    guest = AsyncGuest(WasiConfig())
    result, turns = run(turns_during(guest.sleep_async(0.2)))
    assert (result, guest.word(guest.OUT), guest.word(guest.PATH2)) == (SUCCESS, 1, 7)
    assert turns >= 5


def test_guests_sleep_at_the_same_time(run: Any) -> None:
    async def main() -> float:
        guests = [AsyncGuest(WasiConfig()) for _ in range(20)]
        start = time.monotonic()
        assert await asyncio.gather(*(guest.sleep_async(0.2) for guest in guests)) == [SUCCESS] * 20
        return time.monotonic() - start

    assert 0.2 <= run(main()) < 3


def test_a_wait_for_several_clocks_lets_other_tasks_run() -> None:
    guest = AsyncGuest(WasiConfig())
    clocks = b"".join(struct.pack("<QB7xIxxxxQQHxxxxxx", data, 0, 1, time, 0, 0) for data, time in ((1, 10**15), (2, 10**8)))
    guest.put(clocks, guest.PATH)
    result, turns = asyncio.run(turns_during(guest.start("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT)))
    assert (result, guest.word(guest.PATH2)) == (SUCCESS, 2)
    assert turns >= 3


@pytest.mark.parametrize("kind", ["sleep", "read"])
def test_a_wait_can_be_cancelled(run: Any, kind: str, tmp_path: Any) -> None:
    reader, writer = os.pipe()
    try:
        config = WasiConfig(stdin_file=f"/dev/fd/{reader}")
        guest = AsyncGuest(config)

        async def main() -> None:
            start = time.monotonic()
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await (guest.sleep_async(100) if kind == "sleep" else guest.read_async(10))
            assert time.monotonic() - start < 5

        run(main())
        assert exports_of(ADD, guest.store).func("add")(guest.store, 1, 2) == 3
        assert guest.sleep(1) == SUCCESS
    finally:
        os.close(reader)
        os.close(writer)


def test_reading_a_pipe_lets_other_tasks_run(run: Any) -> None:
    reader, writer = os.pipe()
    try:
        guest = AsyncGuest(WasiConfig(stdin_file=f"/dev/fd/{reader}"))
        timer = threading.Timer(0.15, os.write, (writer, b"hello"))
        timer.start()
        result, turns = run(turns_during(guest.read_async(100)))
        timer.join()
        assert (result, guest.get(guest.DATA, guest.word(guest.OUT))) == (SUCCESS, b"hello")
        assert turns >= 3
    finally:
        os.close(reader)
        os.close(writer)


def test_two_guests_wait_for_the_same_pipe() -> None:
    reader, writer = os.pipe()
    try:
        guests = [AsyncGuest(WasiConfig(stdin_file=f"/dev/fd/{reader}")) for _ in range(2)]
        timer = threading.Timer(0.1, os.write, (writer, b"ab"))
        timer.start()

        async def main() -> None:
            assert await asyncio.gather(*(guest.read_async(1) for guest in guests)) == [SUCCESS, SUCCESS]

        asyncio.run(main())
        timer.join()
        assert sorted(guest.get(guest.DATA, 1) for guest in guests) == [b"a", b"b"]
    finally:
        os.close(reader)
        os.close(writer)


def test_writing_to_a_full_pipe_lets_other_tasks_run(run: Any) -> None:
    reader, writer = os.pipe()
    try:
        guest = AsyncGuest(WasiConfig(stdout_file=f"/dev/fd/{writer}"))
        received: list[bytes] = []

        def drain() -> None:
            time.sleep(0.15)
            while sum(map(len, received)) < 300_000:
                received.append(os.read(reader, 65536))

        thread = threading.Thread(target=drain)
        thread.start()
        result, turns = run(turns_during(guest.write_async(b"x" * 300_000)))
        thread.join()
        assert (result, guest.word(guest.OUT)) == (SUCCESS, 300_000)
        assert turns >= 3
    finally:
        os.close(reader)
        os.close(writer)


def test_python_streams_are_called_on_the_thread_of_the_event_loop_and_may_use_the_store(run: Any) -> None:
    seen: list[tuple[bytes, int, Any]] = []

    def write(data: bytes) -> None:
        seen.append((data, threading.get_ident(), asyncio.get_running_loop()))
        assert guest.get(guest.DATA, len(data)) == data

    guest = AsyncGuest(WasiConfig(stdout_custom=write))

    async def main() -> None:
        assert await guest.write_async(b"hello") == SUCCESS
        assert seen == [(b"hello", threading.get_ident(), asyncio.get_running_loop())]

    run(main())


def test_an_exception_of_a_python_stream_comes_out_of_the_call() -> None:
    error = ConnectionError("gone")

    def write(data: bytes) -> None:
        raise error

    guest = AsyncGuest(WasiConfig(stdout_custom=write))
    with pytest.raises(ConnectionError) as caught:
        asyncio.run(guest.write_async(b"hello"))
    assert caught.value is error


def test_input_from_bytes_is_read() -> None:
    guest = AsyncGuest(WasiConfig(stdin_bytes=b"some input"))
    assert asyncio.run(guest.read_async(4)) == SUCCESS
    assert guest.get(guest.DATA, guest.word(guest.OUT)) == b"some"


def test_a_python_stream_is_read() -> None:
    guest = AsyncGuest(WasiConfig(stdin=io.BytesIO(b"some input")))
    assert asyncio.run(guest.read_async(4)) == SUCCESS
    assert guest.get(guest.DATA, guest.word(guest.OUT)) == b"some"


def test_a_guest_that_only_yields_lets_other_tasks_run_and_can_be_cancelled(run: Any) -> None:
    guest = AsyncGuest(WasiConfig())

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(guest.start("yield_forever"), 0.05)

    run(main())


def test_a_forked_child_waits_too() -> None:
    code = """
import asyncio, os, sys, warnings
sys.path.insert(0, "tests/unit")
from test_asyncio_wasi import AsyncGuest, SUCCESS
from ferrowasm import WasiConfig
warnings.simplefilter("ignore", DeprecationWarning)
guest = AsyncGuest(WasiConfig())
assert asyncio.run(guest.sleep_async(0.01)) == SUCCESS
child = os.fork()
if not child:
    ok = asyncio.run(asyncio.wait_for(AsyncGuest(WasiConfig()).sleep_async(0.01), 20)) == SUCCESS
    os._exit(0 if ok else 1)
assert asyncio.run(guest.sleep_async(0.01)) == SUCCESS
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100)
    assert (run.stdout, run.stderr, run.returncode) == ("0\n", "", 0)


def test_the_interpreter_exits_with_suspended_guests() -> None:
    code = """
import asyncio, sys
sys.path.insert(0, "tests/unit")
from test_asyncio_wasi import AsyncGuest
from async_support import relay, SPIN, exports_of
from ferrowasm import WasiConfig, Store

guest = AsyncGuest(WasiConfig())
async def forever(number):
    await asyncio.get_running_loop().create_future()
store, f = relay(forever)
other = Store()
spin = exports_of(SPIN, other).func("spin")
left = []
async def main():
    for call in guest.sleep_async(1000), f.call_async(store, 1), spin.call_async(other):
        left.append(call)
        call.send(None)
    print("suspended", flush=True)
asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-X", "dev", "-W", "error", "-c", code], capture_output=True, text=True, timeout=100)
    assert (run.stdout, run.stderr, run.returncode) == ("suspended\n", "", 0)
