"""Calls that are under way are interrupted: by signals, and by deadlines."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support import LATE, Arrange, Stop, check_that_a_signal_ends, engine_with, host, instantiate, stop

from ferrowasm import DeadlineExceeded, Instance, Module, Store, Trap, TrapCode

SPIN = """(module
  (import "" "h" (func $h))
  (func (export "spin") (loop $l (br $l)))
  (func (export "call") (loop $l (call $h) (br $l)))
  (func (export "id") (param i32) (result i32) local.get 0))"""


def make() -> tuple[Store, Any]:
    store = Store()
    return instantiate(SPIN, [host(store, lambda: None)], store)


@pytest.mark.parametrize("name", ["spin", "call"])
def test_a_signal_handlers_exception_ends_an_endless_loop(name: str, on_alarm: Arrange) -> None:
    store, exports = make()
    check_that_a_signal_ends(lambda: exports.func(name)(store), on_alarm)
    assert exports.func("id")(store, 7) == 7


def test_ctrl_c_ends_an_endless_loop_with_a_keyboard_interrupt(interrupt: Callable[[float], None]) -> None:
    store, exports = make()
    interrupt(0.05)
    with pytest.raises(KeyboardInterrupt):
        exports.func("spin")(store)


def test_ctrl_c_ends_an_endless_start_function(on_alarm: Arrange) -> None:
    store = Store()
    module = Module(store.engine, "(module (func $f (loop $l (br $l))) (start $f))")
    on_alarm(stop, 0.05)
    with pytest.raises(Stop):
        Instance(store, module, [])


def test_signal_handlers_run_while_webassembly_goes_on(on_alarm: Arrange) -> None:
    seen: list[int] = []
    store = Store()
    counter = '(module (global $g (export "g") (mut i32) (i32.const 0)) (func (export "f") (loop $l (br_if $l (i32.eqz (global.get $g))))))'
    store, exports = instantiate(counter, (), store)

    def handler() -> None:
        seen.append(1)
        if len(seen) < 3:
            signal.setitimer(signal.ITIMER_REAL, 0.02)
        else:
            exports.global_("g").set_value(store, 1)

    on_alarm(handler, 0.02)
    exports.func("f")(store)
    assert len(seen) == 3


def test_a_signal_handler_may_call_into_the_store_that_was_interrupted(on_alarm: Arrange) -> None:
    store, exports = make()
    seen: list[int] = []

    def handler() -> None:
        seen.append(exports.func("id")(store, len(seen)))
        if len(seen) == 3:
            raise Stop
        # The nested call is interrupted like any other.
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        exports.func("spin")(store)

    on_alarm(handler, 0.05)
    with pytest.raises(Stop):
        exports.func("spin")(store)
    assert seen == [0, 1, 2]


def test_a_loop_on_another_thread_leaves_signals_to_the_main_thread(on_alarm: Arrange) -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate('(module (func (export "f") (loop $l (br $l))))', (), Store(engine))
    store.set_epoch_deadline(1)
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            exports.func("f")(store)
        except BaseException as error:  # noqa: BLE001
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    on_alarm(stop, 0.05)
    with pytest.raises(Stop):
        time.sleep(LATE)
    assert thread.is_alive()
    engine.increment_epoch()
    thread.join()
    assert isinstance(outcome[0], Trap)
    assert outcome[0].trap_code is TrapCode.INTERRUPT


def test_time_alone_does_not_advance_the_epoch_of_users(on_alarm: Arrange) -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate('(module (func (export "f") (loop $l (br $l))))', (), Store(engine))
    store.set_epoch_deadline(1)
    on_alarm(stop, 0.2)
    with pytest.raises(Stop):
        exports.func("f")(store)


def test_a_store_with_epochs_and_no_deadline_is_interrupted_at_once() -> None:
    store = Store(engine_with(epoch_interruption=True))
    module = Module(store.engine, '(module (func $f (export "f")) (start $f))')
    with pytest.raises(Trap) as caught:
        Instance(store, module, [])
    assert caught.value.trap_code is TrapCode.INTERRUPT


def test_signals_interrupt_a_loop_after_a_long_pause(on_alarm: Arrange) -> None:
    store, exports = make()
    for _ in range(2):
        on_alarm(stop, 0.03)
        with pytest.raises(Stop):
            exports.func("spin")(store)
        # The clock has stopped by then.
        time.sleep(0.3)


def test_signals_interrupt_a_loop_after_a_long_callback(on_alarm: Arrange) -> None:
    def callback() -> None:
        time.sleep(0.3)
        on_alarm(stop, 0.05)

    store = Store()
    wat = '(module (import "" "h" (func $h)) (func (export "f") (call $h) (loop $l (br $l))))'
    store, exports = instantiate(wat, [host(store, callback)], store)
    with pytest.raises(Stop):
        exports.func("f")(store)


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_the_clock_starts_again_in_a_forked_child() -> None:
    store, exports = make()
    signal.signal(signal.SIGALRM, lambda number, frame: stop())
    signal.setitimer(signal.ITIMER_REAL, 0.05)
    with pytest.raises(Stop):
        exports.func("spin")(store)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            exports.func("spin")(store)
        except Stop:
            status = 0
        finally:
            os._exit(status)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_code_that_is_not_interruptible_runs_on_while_signals_come(on_alarm: Arrange) -> None:
    seen: list[int] = []
    count = '(module (func (export "f") (param i64) (loop $l (local.set 0 (i64.sub (local.get 0) (i64.const 1))) (br_if $l (i64.ne (local.get 0) (i64.const 0))))))'
    store, exports = instantiate(count, (), Store(engine_with(interruptible=False)))
    on_alarm(lambda: seen.append(1), 0.01)
    start = time.monotonic()
    rounds = 50_000_000
    while time.monotonic() - start < 0.03:
        exports.func("f")(store, rounds)
    assert seen == [1]


@pytest.mark.parametrize("end", ["deadline", "signal"])
def test_a_signal_handler_that_takes_long_leaves_the_call_interruptible(end: str, on_alarm: Arrange) -> None:
    handled: list[float] = []

    def handler() -> None:
        handled.append(time.monotonic())
        if len(handled) > 1:
            stop()
        # Longer than the clock ticks for an engine that is not used.
        time.sleep(1.5)
        if end == "signal":
            signal.setitimer(signal.ITIMER_REAL, 0.1)

    store, exports = make()
    on_alarm(handler, 0.05)
    with pytest.raises(Stop if end == "signal" else DeadlineExceeded), store.deadline(60 if end == "signal" else 1.7):
        exports.func("spin")(store)
    assert len(handled) == (2 if end == "signal" else 1)
