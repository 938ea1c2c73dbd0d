"""`Store.deadline`: calls end in time, whatever the guest does."""

from __future__ import annotations

import pickle
import threading
import time
from typing import Any

import pytest
from support import engine_with, host, instantiate, raises

from ferrowasm import Deadline, DeadlineExceeded, Linker, Module, Store, Trap, TrapCode, WasiConfig

SPIN = """(module
  (import "" "h" (func $h))
  (func (export "spin") (loop $l (br $l)))
  (func (export "call") (call $h))
  (func (export "id") (param i32) (result i32) local.get 0))"""

#: poll_oneoff with one subscription to the monotonic clock, 10 seconds from now.
SLEEP = r"""(module
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "sleep") (result i32)
    (i32.store8 (i32.const 8) (i32.const 0))
    (i32.store (i32.const 16) (i32.const 1))
    (i64.store (i32.const 24) (i64.const 10000000000))
    (call $poll (i32.const 0) (i32.const 100) (i32.const 1) (i32.const 200))))"""

#: How late an interruption may come on a loaded machine, in seconds.
LATE = 2.0


def make(callback: Any = lambda: None) -> tuple[Store, Any]:
    store = Store()
    return instantiate(SPIN, [host(store, callback)], store)


def test_a_loop_ends_with_an_exception_that_is_a_trap_and_a_timeout() -> None:
    store, exports = make()
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught, store.deadline(0.05):
        exports.func("spin")(store)
    assert 0.05 <= time.monotonic() - start < 0.05 + LATE
    assert isinstance(caught.value, Trap)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.trap_code is TrapCode.INTERRUPT
    assert caught.value.seconds == 0.05
    assert [frame.func_index for frame in caught.value.frames] == [1]
    assert "the deadline of 0.05 seconds has passed" in str(caught.value)
    assert exports.func("id")(store, 7) == 7


def test_an_exceeded_deadline_survives_pickling() -> None:
    store, exports = make()
    with pytest.raises(DeadlineExceeded) as caught, store.deadline(0):
        exports.func("spin")(store)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert type(copy) is DeadlineExceeded
    assert (str(copy), copy.seconds, copy.trap_code, copy.frames) == (str(caught.value), 0.0, TrapCode.INTERRUPT, caught.value.frames)


def test_a_deadline_that_has_passed_ends_the_next_call_at_once() -> None:
    store, exports = make()
    with store.deadline(0):
        for _ in range(2):
            with pytest.raises(DeadlineExceeded):
                exports.func("id")(store, 1)
    assert exports.func("id")(store, 1) == 1


@pytest.mark.parametrize(("outer", "inner", "earlier"), [(0.03, 60, 0.03), (60, 0.03, 0.03)])
def test_of_nested_deadlines_the_earlier_counts(outer: float, inner: float, earlier: float) -> None:
    store, exports = make()
    with store.deadline(outer), store.deadline(inner), pytest.raises(DeadlineExceeded) as caught:
        exports.func("spin")(store)
    assert caught.value.seconds == earlier


def test_the_outer_deadline_holds_again_after_the_inner_block() -> None:
    store, exports = make()
    with store.deadline(60):
        with store.deadline(0), pytest.raises(DeadlineExceeded):
            exports.func("id")(store, 1)
        assert exports.func("id")(store, 1) == 1


def test_a_deadline_can_be_entered_again_and_starts_anew() -> None:
    store, exports = make()
    deadline = store.deadline(0.05)
    assert type(deadline) is Deadline
    assert deadline.seconds == 0.05
    for _ in range(2):
        with deadline as entered:
            assert entered is deadline
            assert exports.func("id")(store, 1) == 1
            with deadline, pytest.raises(DeadlineExceeded):
                exports.func("spin")(store)


def test_a_sleep_in_wasi_ends_in_time() -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define_wasi()
    store.set_wasi(WasiConfig())
    exports: Any = linker.instantiate(store, Module(store.engine, SLEEP)).exports(store)
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded), store.deadline(0.05):
        exports.func("sleep")(store)
    assert time.monotonic() - start < 0.05 + LATE


def test_the_call_ends_when_a_callback_returns_too_late() -> None:
    store, exports = make(lambda: time.sleep(0.05))
    with pytest.raises(DeadlineExceeded), store.deadline(0.01):
        exports.func("call")(store)


def test_the_exception_of_a_callback_goes_before_the_deadline() -> None:
    error = KeyError("mine")

    def callback() -> None:
        time.sleep(0.05)
        raise error

    store, exports = make(callback)
    with pytest.raises(KeyError) as caught, store.deadline(0.01):
        exports.func("call")(store)
    assert caught.value is error


def test_a_deadline_set_within_a_callback_limits_the_rest_of_the_block() -> None:
    seen: list[float] = []

    def callback() -> None:
        with store.deadline(0.03):
            try:
                exports.func("spin")(store)
            except DeadlineExceeded as exceeded:
                seen.append(exceeded.seconds)

    store, exports = make(callback)
    exports.func("call")(store)
    assert seen == [0.03]


def test_deadlines_of_other_stores_and_threads_do_not_disturb() -> None:
    results: dict[float, float] = {}

    def run(seconds: float) -> None:
        store, exports = make()
        try:
            with store.deadline(seconds):
                exports.func("spin")(store)
        except DeadlineExceeded as exceeded:
            results[seconds] = exceeded.seconds

    limits = [0.02, 0.04, 0.06, 0.08, 0.1, 0.12, 0.14, 0.16]
    threads = [threading.Thread(target=run, args=[seconds]) for seconds in limits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {seconds: seconds for seconds in limits}


def test_another_thread_can_set_a_deadline_for_a_store_that_runs() -> None:
    store, exports = make()
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            exports.func("spin")(store)
        except BaseException as error:  # noqa: BLE001
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.02)
    with store.deadline(0):
        thread.join(LATE)
    assert type(outcome[0]) is DeadlineExceeded


def test_infinity_is_no_deadline() -> None:
    store, exports = make()
    with store.deadline(float("inf")) as deadline:
        assert deadline.seconds == float("inf")
        assert exports.func("id")(store, 1) == 1


def test_what_is_no_number_of_seconds_is_refused() -> None:
    store = Store()
    for seconds in (-1, -0.5, float("nan")):
        with raises(ValueError, f"seconds is out of range: expected 0 seconds or more, got {float(seconds):g}".replace("nan", "NaN")):
            store.deadline(seconds)
    with raises(TypeError, "expected a number of seconds for seconds, got str"):
        store.deadline("1")  # type: ignore[arg-type]


def test_leaving_a_block_that_was_not_entered_is_an_error() -> None:
    with raises(RuntimeError, "this Deadline was not entered"):
        Store().deadline(1).__exit__()


def test_the_users_epoch_and_deadlines_hold_side_by_side() -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate('(module (func (export "f") (loop $l (br $l))))', (), _ready(Store(engine)))
    with pytest.raises(DeadlineExceeded), store.deadline(0.03):
        exports.func("f")(store)
    engine.increment_epoch()
    with pytest.raises(Trap) as caught, store.deadline(60):
        exports.func("f")(store)
    assert type(caught.value) is Trap


def _ready(store: Store) -> Store:
    store.set_epoch_deadline(1)
    return store
