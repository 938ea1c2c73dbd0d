"""WASI preview 1: sleeps and other waits, and what ends them."""

from __future__ import annotations

import pathlib
import signal
import struct
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from wasi_support import SUCCESS, Guest, guest_wat, run_python

from ferrowasm import Config, Engine, Module, Trap, TrapCode, WasiConfig


def test_a_sleep_lasts_as_long_as_asked() -> None:
    guest = Guest(WasiConfig())
    start = time.monotonic()
    assert guest.sleep(60_000_000) == SUCCESS
    assert 0.06 <= time.monotonic() - start < 1
    assert (guest.word(guest.OUT), guest.word(guest.PATH2)) == (1, 7)


def test_a_sleep_lets_other_threads_run() -> None:
    guest = Guest(WasiConfig())
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.wait(0.01):
            ticks += 1

    thread = threading.Thread(target=count)
    thread.start()
    guest.sleep(300_000_000)
    done.set()
    thread.join()
    assert ticks >= 5


def test_ctrl_c_ends_a_sleep(interrupt: Callable[[float], None]) -> None:
    guest = Guest(WasiConfig())
    start = time.monotonic()
    interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        guest.sleep(3600 * 10**9)
    assert time.monotonic() - start < 5
    assert guest.sleep(1) == SUCCESS


def test_ctrl_c_ends_a_wait_for_several_clocks(interrupt: Callable[[float], None]) -> None:
    guest = Guest(WasiConfig())
    clock = struct.pack("<QB7xIxxxxQQHxxxxxx", 7, 0, 1, 3600 * 10**9, 0, 0)
    guest.put(clock + clock, guest.PATH)
    interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        guest.call("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT)


def test_a_wait_for_several_clocks_ends_with_the_first() -> None:
    guest = Guest(WasiConfig())
    clocks = b"".join(
        struct.pack("<QB7xIxxxxQQHxxxxxx", data, 0, 1, nanoseconds, 0, 0)
        for data, nanoseconds in ((1, 10**15), (2, 10**7))
    )
    guest.put(clocks, guest.PATH)
    assert guest.call("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT) == SUCCESS
    assert (guest.word(guest.OUT), guest.word(guest.PATH2)) == (1, 2)


def test_the_exception_of_a_signal_handler_ends_a_sleep() -> None:
    class Alarm(Exception):
        pass

    def handler(number: int, frame: Any) -> None:
        raise Alarm

    previous = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.1)
        with pytest.raises(Alarm):
            Guest(WasiConfig()).sleep(3600 * 10**9)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)


def test_a_signal_handler_that_returns_lets_the_sleep_go_on() -> None:
    seen: list[int] = []
    previous = signal.signal(signal.SIGALRM, lambda number, frame: seen.append(Guest(WasiConfig()).sleep(1)))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        start = time.monotonic()
        assert Guest(WasiConfig()).sleep(200_000_000) == SUCCESS
        assert time.monotonic() - start >= 0.2
    finally:
        signal.signal(signal.SIGALRM, previous)
    assert seen == [SUCCESS]


def test_ctrl_c_ends_a_guest_that_calls_wasi_forever(interrupt: Callable[[float], None]) -> None:
    guest = Guest(WasiConfig())
    interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        guest.call("yield_forever")


def test_a_passed_epoch_deadline_ends_a_sleep() -> None:
    config = Config()
    config.epoch_interruption = True
    engine = Engine(config)
    guest = Guest(WasiConfig(), engine, Module(engine, guest_wat()))
    guest.store.set_epoch_deadline(2)
    for seconds in (0.05, 0.15):
        threading.Timer(seconds, engine.increment_epoch).start()
    start = time.monotonic()
    with pytest.raises(Trap) as info:
        guest.sleep(3600 * 10**9)
    assert info.value.trap_code is TrapCode.INTERRUPT
    assert 0.15 <= time.monotonic() - start < 5


def test_a_thread_can_sleep_and_end() -> None:
    results: list[int] = []

    def work() -> None:
        guest = Guest(WasiConfig())
        clock = struct.pack("<QB7xIxxxxQQHxxxxxx", 7, 0, 1, 10**6, 0, 0)
        guest.put(clock + clock, guest.PATH)
        results.append(guest.call("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [SUCCESS] * 4


def test_a_forked_child_can_wait_write_and_use_files(tree: pathlib.Path) -> None:
    code = """
config = WasiConfig(); config.inherit_stdout(); config.preopen_dir(sys.argv[1], "/")
guest = Guest(config)
clock = struct.pack("<QB7xIxxxxQQHxxxxxx", 7, 0, 1, 10**6, 0, 0)
def use():
    guest.put(clock + clock, guest.PATH)
    assert guest.call("poll_oneoff", guest.PATH, guest.PATH2, 2, guest.OUT) == 0
    errno, fd = guest.open("file")
    assert errno == 0 and guest.read(fd) == b"inside"
    assert guest.write(1, b"done\\n") == 0
use()
# CPython 3.12 and later warns of forking while the engine's compilation threads are there; they are not needed here.
import warnings; warnings.filterwarnings("ignore", "This process", DeprecationWarning)
child = os.fork()
use()
if child == 0:
    os._exit(7)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""
    run = run_python(code, str(tree))
    assert (run.stdout, run.stderr, run.returncode) == ("done\n" * 3, "", 0)
