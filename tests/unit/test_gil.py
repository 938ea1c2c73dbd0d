"""Calls and the interpreter lock: other threads run when they should, and nothing waits for itself, in every mode."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import textwrap
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import engine_with, func_type, host, instantiate, raises

from ferrowasm import (
    Config,
    Engine,
    Func,
    Instance,
    InstanceExports,
    Linker,
    Module,
    SharedMemory,
    Store,
    Trap,
    TrapCode,
    WasiConfig,
    WasmtimeError,
)

MODES = ["auto", "release", "hold"]

#: The function `h` of the host, called in various ways.
WAT = """(module
  (import "" "h" (func $h (param i32) (result i32)))
  (func (export "id") (param i32) (result i32) (local.get 0))
  (func (export "call") (param i32) (result i32) (call $h (local.get 0)))
  (func (export "until") (loop $again (br_if $again (i32.eqz (call $h (i32.const 0))))))
  (func (export "trap") unreachable)
  (func $spin (export "spin") (param i32)
    (loop $again (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "spin_call_spin") (param i32) (result i32)
    (call $spin (local.get 0)) (call $h (local.get 0)) (call $spin (local.get 0))))"""

#: Rounds of `spin` that take a few hundred milliseconds.
LONG = 500_000_000


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def make(mode: str, callback: Callable[[int], Any] = lambda x: x, **settings: Any) -> tuple[Store, InstanceExports]:
    store = Store(engine_with(gil=mode, **settings))
    return instantiate(WAT, [host(store, callback, "i", "i")], store)


@contextmanager
def counting() -> Iterator[list[int]]:
    """A list whose item another thread counts up, about every millisecond that it gets to run."""
    count = [0]
    over = threading.Event()

    def work() -> None:
        while not over.is_set():
            count[0] += 1
            time.sleep(0.001)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield count
    finally:
        over.set()
        thread.join()


def test_other_threads_run_during_a_long_call(mode: str) -> None:
    store, exports = make(mode)
    with counting() as count:
        before = count[0]
        exports.func("spin")(store, LONG)
        assert count[0] - before > 5


@pytest.mark.parametrize("short", [0, 1, 500])
def test_other_threads_run_during_a_long_call_after_short_ones(mode: str, short: int) -> None:
    store, exports = make(mode)
    spin = exports.func("spin")
    for _ in range(short):
        spin(store, 1)
    with counting() as count:
        before = count[0]
        spin(store, LONG)
        assert count[0] - before > 5


def test_other_threads_run_during_long_stretches_around_a_host_function(mode: str) -> None:
    seen: list[int] = []
    with counting() as count:

        def note(x: int) -> int:
            seen.append(count[0])
            return x

        store, exports = make(mode, note)
        before = count[0]
        exports.func("spin_call_spin")(store, LONG)
        assert seen[0] - before > 5
        assert count[0] - seen[0] > 5


def test_hold_without_ticks_lasts_to_the_end_of_the_call() -> None:
    store, exports = make("hold", interruptible=False)
    exports.func("id")(store, 1)
    spin = exports.func("spin")

    def counted_during_a_call() -> int:
        before = count[0]
        spin(store, LONG)
        return count[0] - before

    with counting() as count:
        # After a call the other thread has its turn, which lasts while the system keeps this one from running.
        assert min(counted_during_a_call() for _ in range(3)) <= 2


def test_auto_without_ticks_releases() -> None:
    store, exports = make("auto", interruptible=False)
    for _ in range(200):
        exports.func("spin")(store, 1)
    with counting() as count:
        before = count[0]
        exports.func("spin")(store, LONG)
        assert count[0] - before > 5


def test_a_host_function_waits_for_a_lock_that_another_thread_holds(mode: str) -> None:
    lock, wanted = threading.Lock(), threading.Event()

    def callback(x: int) -> int:
        wanted.set()
        with lock:
            return x + 1

    store, exports = make(mode, callback)
    for rounds in range(20):
        wanted.clear()
        held = threading.Event()

        def hold(held: threading.Event = held) -> None:
            with lock:
                held.set()
                assert wanted.wait(20)

        thread = threading.Thread(target=hold)
        thread.start()
        assert held.wait(20)
        assert exports.func("call")(store, rounds) == rounds + 1
        thread.join()


def test_a_loop_that_asks_the_host_ends_when_another_thread_says_so(mode: str) -> None:
    said = False
    store, exports = make(mode, lambda _: said)

    def say() -> None:
        nonlocal said
        time.sleep(0.03)
        said = True

    thread = threading.Thread(target=say)
    thread.start()
    exports.func("until")(store)
    thread.join()
    assert said


def test_two_threads_take_turns_through_a_condition(mode: str) -> None:
    condition = threading.Condition()
    turn = 0

    def player(me: int) -> Callable[[int], int]:
        def callback(x: int) -> int:
            nonlocal turn
            with condition:
                assert condition.wait_for(lambda: turn == me, 20)
                turn = 1 - me
                condition.notify_all()
            return x

        return callback

    def play(me: int, done: list[int]) -> None:
        store, exports = make(mode, player(me))
        done.extend(exports.func("call")(store, n) for n in range(300))

    results: list[list[int]] = [[], []]
    threads = [threading.Thread(target=play, args=(me, results[me])) for me in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [list(range(300))] * 2


def test_threads_with_many_short_calls_get_their_own_results(mode: str) -> None:
    engine = engine_with(gil=mode)
    module = Module(engine, WAT)
    wrong: list[tuple[int, int]] = []

    def work(base: int) -> None:
        store = Store(engine)
        exports = Instance(store, module, [host(store, lambda x: x + base, "i", "i")]).exports(store)
        call, same = exports.func("call"), exports.func("id")
        for n in range(20_000):
            if (got := call(store, n)) != n + base or same(store, n) != n:
                wrong.append((n, got))

    threads = [threading.Thread(target=work, args=(base,)) for base in (1000, 2000, 3000)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize("rounds", [1, LONG // 10])
def test_an_exception_of_a_callback_comes_out_and_the_next_calls_work(mode: str, rounds: int) -> None:
    error = KeyboardInterrupt("mine")

    def callback(x: int) -> int:
        if x == rounds:
            raise error
        return x

    store, exports = make(mode, callback)
    for _ in range(3):
        with pytest.raises(KeyboardInterrupt) as caught:
            exports.func("spin_call_spin")(store, rounds)
        assert caught.value is error
        assert exports.func("call")(store, 5) == 5
        with pytest.raises(Trap) as trapped:
            exports.func("trap")(store)
        assert trapped.value.trap_code == TrapCode.UNREACHABLE
    with counting() as count:
        before = count[0]
        exports.func("spin")(store, LONG)
        assert count[0] - before > 5


def test_calls_nest_with_short_and_long_stretches_in_between(mode: str) -> None:
    store = Store(engine_with(gil=mode))
    depths: list[int] = []

    def callback(x: int) -> int:
        depths.append(x)
        # Every other level runs for longer than a tick.
        exports.func("spin")(store, LONG // 20 if x % 2 else 1)
        return exports.func("call")(store, x - 1) if x else 0

    _, exports = instantiate(WAT, [host(store, callback, "i", "i")], store)
    with counting() as count:
        before = count[0]
        assert exports.func("call")(store, 6) == 0
        assert count[0] - before > 1
    assert depths == [6, 5, 4, 3, 2, 1, 0]


@pytest.mark.parametrize("other", MODES)
def test_calls_into_a_store_of_another_mode_nest(mode: str, other: str) -> None:
    inner_store, inner = make(other)
    store, exports = make(mode, lambda x: inner.func("id")(inner_store, x) + 1)
    assert [exports.func("call")(store, n) for n in range(200)] == list(range(1, 201))
    inner.func("spin")(inner_store, LONG // 20)
    assert exports.func("call")(store, 1) == 2


def test_objects_behind_references_are_freed_during_calls(mode: str) -> None:
    class Thing:
        pass

    alive: weakref.WeakSet[Thing] = weakref.WeakSet()

    def fresh() -> Thing:
        thing = Thing()
        alive.add(thing)
        return thing

    store = Store(engine_with(gil=mode))
    wat = """(module
      (import "" "h" (func $h (result externref)))
      (func (export "many") (param i32)
        (loop $again (drop (call $h)) (br_if $again (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
      (func (export "same") (param externref i32) (result i32 externref) (local.get 1) (local.get 0)))"""
    _, exports = instantiate(wat, [host(store, fresh, "", "e")], store)
    exports.func("many")(store, 30_000)
    thing = fresh()
    assert exports.func("same")(store, thing, 7) == [7, thing]
    store.gc()
    gc.collect()
    assert len(alive) < 10


def test_a_wait_for_standard_input_lets_other_threads_run(mode: str) -> None:
    wat = """(module
      (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
      (memory (export "memory") 1)
      (func (export "read") (result i32)
        (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 1))
        (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 32)))
        (i32.load8_u (i32.const 64))))"""
    reader, writer = os.pipe()
    with open(reader, "rb", buffering=0) as source, open(writer, "wb", buffering=0) as sink:
        engine = engine_with(gil=mode)
        linker = Linker(engine)
        linker.define_wasi()
        store = Store(engine)
        wasi = WasiConfig()
        wasi.stdin_file = f"/proc/self/fd/{source.fileno()}"
        store.set_wasi(wasi)
        read = linker.instantiate(store, Module(engine, wat)).exports(store).func("read")
        for byte in b"abc":
            thread = threading.Timer(0.02, sink.write, [bytes([byte])])
            thread.start()
            assert read(store) == byte
            thread.join()


def shared_engine(**settings: Any) -> Engine:
    return engine_with(shared_memory=True, wasm_threads=True, **settings)


@pytest.mark.parametrize("mode", ["auto", "release"])
def test_a_wait_for_another_thread_through_shared_memory_ends(mode: str) -> None:
    wat = """(module
      (import "" "m" (memory 1 1 shared))
      (func (export "wait") (result i32) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))"""
    engine = shared_engine(gil=mode)
    from ferrowasm import Limits, MemoryType

    memory = SharedMemory(engine, MemoryType(Limits(1, 1), shared=True))
    store = Store(engine)
    wait = Instance(store, Module(engine, wat), [memory]).exports(store).func("wait")
    woken: list[int] = []

    def wake() -> None:
        while not woken:
            time.sleep(0.005)
            if memory.atomic_notify(0, 1):
                woken.append(1)

    thread = threading.Thread(target=wake)
    thread.start()
    assert wait(store) == 0
    thread.join()


def test_hold_is_refused_with_shared_memory() -> None:
    message = (
        'gil = "hold" does not go with shared_memory: WebAssembly that waits for another thread would keep that thread '
        'waiting for the interpreter; expected "auto" or "release"'
    )
    with raises(WasmtimeError, message):
        shared_engine(gil="hold")


def test_the_policy_is_a_name_and_defaults_to_auto() -> None:
    config = Config()
    assert config.gil == "auto"
    with raises(WasmtimeError, "unknown policy: never (expected one of auto, release, hold)"):
        config.gil = "never"  # type: ignore[assignment]
    assert config.gil == "auto"


def test_a_daemon_thread_in_a_call_does_not_disturb_the_end_of_the_process(mode: str) -> None:
    program = f"""
        import threading, time
        from ferrowasm import *
        config = Config()
        config.gil = {mode!r}
        engine = Engine(config)
        wat = {WAT!r}
        def work(name, *args):
            store = Store(engine)
            i32 = ValType.i32()
            host = Func(store, FuncType([i32], [i32]), lambda x: x)
            f = Instance(store, Module(engine, wat), [host]).exports(store)[name]
            while True:
                try:
                    f(store, *args)
                except Trap:
                    pass
        for call in (("id", 1), ("call", 1), ("until",), ("spin", 1000), ("spin", 0), ("spin_call_spin", 100_000), ("trap",)):
            threading.Thread(target=work, args=call, daemon=True).start()
        time.sleep(0.3)
        print("done")
    """
    env = dict(os.environ, PYTHONPATH=str(Path(sys.modules["ferrowasm"].__file__ or "").parents[1]))
    for _ in range(3):
        command = [sys.executable, "-c", textwrap.dedent(program)]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60, env=env, check=False)
        assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


def test_a_function_object_made_in_each_mode_calls_back(mode: str) -> None:
    store = Store(engine_with(gil=mode))
    double = Func(store, func_type("i", "i"), lambda x: x * 2)
    assert [double(store, n) for n in range(100)] == [n * 2 for n in range(100)]
