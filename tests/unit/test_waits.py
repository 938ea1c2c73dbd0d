"""`memory.atomic.wait` ends: with signals, deadlines and cancellation."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from support import LATE, Arrange, Stop, check_that_a_signal_ends, engine_with, host, instantiate, stop

from ferrowasm import (
    DeadlineExceeded,
    Instance,
    InstanceExports,
    Limits,
    Linker,
    MemoryType,
    Module,
    SharedMemory,
    Store,
    Trap,
    TrapCode,
    WasmtimeError,
    wat2wasm,
)

ENGINE = engine_with(shared_memory=True)

BODY = """
  (func (export "wait") (result i32) (memory.atomic.wait32 (i32.const 4096) (i32.const 0) (i64.const -1)))
  (func (export "wait64") (result i32) (memory.atomic.wait64 (i32.const 65528) (i64.const 0) (i64.const -1)))
  (func (export "for") (param i64) (result i32) (memory.atomic.wait32 (i32.const 0) (i32.const 0) (local.get 0)))
  (func (export "again") (loop $l (drop (memory.atomic.wait32 (i32.const 8) (i32.const 0) (i64.const -1))) (br $l)))
  (func (export "trap") (drop (i32.load (i32.const -4))))
  (func (export "id") (param i32) (result i32) local.get 0)"""

#: Where the memory comes from: nobody else can reach it, it is exported, or it is imported (and exported or not).
PRIVATE = f"(module (memory 1 4 shared) {BODY})"
EXPORTED = f'(module (memory (export "memory") 1 4 shared) {BODY})'
IMPORTED = f'(module (import "" "m" (memory 1 4 shared)) {BODY})'
SECOND = f'(module (import "" "m" (memory $other 1 4 shared)) (memory $own 1 1 shared) (export "other" (memory $other)) {BODY.replace("(memory.atomic.wait32", "(memory.atomic.wait32 $own").replace("(memory.atomic.wait64", "(memory.atomic.wait64 $own")})'
SOURCES = {"private": PRIVATE, "exported": EXPORTED, "imported": IMPORTED, "second": SECOND}


@pytest.fixture(autouse=True)
def no_signals() -> Iterator[None]:
    """A wait that begins right after a signal may end early, as if it had been notified: the test before may have sent one."""
    time.sleep(0.01)
    yield


def shared() -> SharedMemory:
    return SharedMemory(ENGINE, MemoryType(Limits(1, 4), shared=True))


def make(source: str = "private", memory: SharedMemory | None = None) -> tuple[Store, InstanceExports]:
    store = Store(ENGINE)
    imports = [memory or shared()] if source in ("imported", "second") else []
    return instantiate(SOURCES[source], imports, store)


@pytest.mark.parametrize("name", ["wait", "wait64", "again"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_signal_handlers_exception_ends_a_wait(source: str, name: str, on_alarm: Arrange) -> None:
    store, exports = make(source)
    check_that_a_signal_ends(lambda: exports.func(name)(store), on_alarm)
    assert exports.func("id")(store, 7) == 7


def test_ctrl_c_ends_a_wait_with_a_keyboard_interrupt(interrupt: Callable[[float], None]) -> None:
    store, exports = make()
    interrupt(0.05)
    with pytest.raises(KeyboardInterrupt):
        exports.func("again")(store)


def test_a_signal_that_came_shortly_before_a_wait_ends_it(on_alarm: Arrange) -> None:
    for delay in (0.0005, 0.001, 0.002, 0.005):
        store, exports = make()
        exports.func("id")(store, 1)
        on_alarm(stop, delay)
        with pytest.raises(Stop):
            exports.func("again")(store)


def test_a_signal_that_comes_while_the_guest_computes_ends_the_wait_after_it(on_alarm: Arrange) -> None:
    wat = """(module (memory 1 1 shared) (func (export "f") (param i32) (result i32)
      (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1))))"""
    store, exports = instantiate(wat, (), Store(ENGINE))
    on_alarm(stop, 0.001)
    with pytest.raises(Stop):
        exports.func("f")(store, 3_000_000)


def test_a_handler_that_returns_is_run_once_for_each_signal(on_alarm: Arrange) -> None:
    store, exports = make()
    seen: list[int] = []

    def handler() -> None:
        seen.append(exports.func("id")(store, len(seen)))
        if len(seen) == 3:
            raise Stop
        signal.setitimer(signal.ITIMER_REAL, 0.03)

    on_alarm(handler, 0.03)
    with pytest.raises(Stop):
        exports.func("again")(store)
    assert seen == [0, 1, 2]


@pytest.mark.parametrize("name", ["wait", "wait64", "again"])
@pytest.mark.parametrize("source", SOURCES)
def test_a_deadline_ends_a_wait(source: str, name: str) -> None:
    store, exports = make(source)
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught, store.deadline(0.05):
        exports.func(name)(store)
    assert 0.05 <= time.monotonic() - start < LATE
    assert caught.value.trap_code is TrapCode.INTERRUPT
    assert exports.func("id")(store, 7) == 7


STARTING = """(module (import "" "m" (memory 1 4 shared))
  (func $start (drop (memory.atomic.wait32 (i32.const 4096) (i32.const 0) (i64.const -1)))) (start $start))"""


def linker_with_memory() -> Linker:
    linker = Linker(ENGINE)
    linker.define(Store(ENGINE), "", "m", shared())
    return linker


def starting_async(store: Store) -> None:
    async def main() -> None:
        await linker_with_memory().instantiate_async(store, Module(ENGINE, STARTING))

    asyncio.run(main())


#: The ways to an instance whose start function waits in a memory that was defined in another store than that of the instance, if in any.
STARTS: dict[str, Callable[[Store], object]] = {
    "Instance": lambda store: Instance(store, Module(ENGINE, STARTING), [shared()]),
    "Linker": lambda store: linker_with_memory().instantiate(store, Module(ENGINE, STARTING)),
    "InstancePre": lambda store: linker_with_memory().instantiate_pre(Module(ENGINE, STARTING)).instantiate(store),
    "define_module": lambda store: linker_with_memory().define_module(store, "x", Module(ENGINE, STARTING)),
    "asyncio": starting_async,
}


@pytest.mark.parametrize("way", STARTS)
def test_a_deadline_ends_a_wait_of_a_start_function_in_an_imported_memory(way: str) -> None:
    store = Store(ENGINE)
    start = time.monotonic()
    with pytest.raises(DeadlineExceeded), store.deadline(0.05):
        STARTS[way](store)
    assert 0.05 <= time.monotonic() - start < LATE


@pytest.mark.parametrize("way", [way for way in STARTS if way != "asyncio"])
def test_a_signal_ends_a_wait_of_a_start_function_in_an_imported_memory(way: str, on_alarm: Arrange) -> None:
    check_that_a_signal_ends(lambda: STARTS[way](Store(ENGINE)), on_alarm)


def test_a_deadline_of_another_thread_ends_a_wait() -> None:
    store, exports = make()
    deadline = store.deadline(0)
    timer = threading.Timer(0.3, deadline.__enter__)
    timer.start()
    with pytest.raises(DeadlineExceeded):
        exports.func("again")(store)
    timer.join()
    deadline.__exit__()


def test_a_deadline_ends_a_wait_on_another_thread() -> None:
    store, exports = make()
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            with store.deadline(0.05):
                exports.func("wait")(store)
        except BaseException as error:  # noqa: BLE001
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(LATE)
    assert not thread.is_alive()
    assert isinstance(outcome[0], DeadlineExceeded)


def test_a_wait_on_another_thread_leaves_signals_to_the_main_thread(on_alarm: Arrange) -> None:
    store, exports = make()
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(exports.func("for")(store, 500_000_000)))
    thread.start()
    on_alarm(stop, 0.05)
    with pytest.raises(Stop):
        time.sleep(LATE)
    thread.join()
    # Not woken: the time was up.
    assert results == [2]


def test_a_wait_whose_time_is_up_or_that_is_notified_goes_on_as_before() -> None:
    memory = shared()
    store, exports = make("imported", memory)
    with store.deadline(60):
        assert exports.func("for")(store, 1_000_000) == 2
        memory.write(b"\1", 0)
        assert exports.func("for")(store, 1_000_000) == 1
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(exports.func("wait")(store)))
    thread.start()
    while not memory.atomic_notify(4096, 1):
        time.sleep(0.001)
    thread.join()
    assert results == [0]


def test_threads_that_wait_at_other_addresses_are_not_woken() -> None:
    memory = shared()
    (one, ones), (other, others) = make("imported", memory), make("imported", memory)
    results: list[int] = []
    thread = threading.Thread(target=lambda: results.append(others.func("wait64")(other)))
    thread.start()
    with pytest.raises(DeadlineExceeded), one.deadline(0.1):
        ones.func("again")(one)
    assert thread.is_alive()
    while not memory.atomic_notify(65528, 1):
        time.sleep(0.001)
    thread.join()
    assert results == [0]


def test_a_wait_inside_of_a_callback_of_another_store_ends_the_call_that_waits() -> None:
    inner, exports = make()
    errors: list[BaseException] = []

    def callback() -> None:
        try:
            with inner.deadline(0.05):
                exports.func("again")(inner)
        except DeadlineExceeded as error:
            errors.append(error)

    store = Store(ENGINE)
    wat = '(module (import "" "h" (func $h)) (func (export "f") (call $h)))'
    instantiate(wat, [host(store, callback)], store)[1].func("f")(store)
    assert len(errors) == 1


def test_a_wait_in_an_instance_of_a_linker_ends() -> None:
    store, linker = Store(ENGINE), Linker(ENGINE)
    linker.define_instance(store, "other", Instance(store, Module(ENGINE, PRIVATE), []))
    module = Module(ENGINE, '(module (import "other" "again" (func $again)) (func (export "f") (call $again)))')
    exports = linker.instantiate(store, module).exports(store)
    with pytest.raises(DeadlineExceeded), store.deadline(0.05):
        exports.func("f")(store)


@pytest.mark.parametrize("name", ["wait", "again"])
@pytest.mark.parametrize("in_thread", [False, True])
def test_a_deadline_ends_a_wait_in_an_asynchronous_call(name: str, in_thread: bool) -> None:
    store, exports = make()

    async def main() -> None:
        with pytest.raises(DeadlineExceeded), store.deadline(0.05):
            await exports.func(name).call_async(store, in_thread=in_thread)

    asyncio.run(main())
    assert exports.func("id")(store, 7) == 7


def test_calls_on_one_thread_know_nothing_of_each_others_waits() -> None:
    store, exports = make()

    async def main() -> None:
        # The same thread runs them, one after the other. The first ends without a look at the epoch after its wait.
        for name in ["wait", "again"] * 3:
            with pytest.raises(DeadlineExceeded), store.deadline(0.02):
                await exports.func(name).call_async(store, in_thread=True)

    asyncio.run(main())
    assert exports.func("id")(store, 7) == 7


def test_a_wait_on_a_thread_of_its_own_can_be_cancelled() -> None:
    store, exports = make()

    async def main() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await exports.func("again").call_async(store, in_thread=True)

    asyncio.run(main())
    assert exports.func("id")(store, 7) == 7


def test_ctrl_c_ends_a_wait_in_an_asynchronous_call(interrupt: Callable[[float], None]) -> None:
    store, exports = make()

    async def main() -> None:
        await exports.func("again").call_async(store)

    interrupt(0.1)
    with pytest.raises(KeyboardInterrupt):
        asyncio.run(main())


def test_a_signal_handlers_exception_ends_a_wait_of_the_host(on_alarm: Arrange) -> None:
    memory = shared()
    on_alarm(stop, 0.05)
    with pytest.raises(Stop):
        memory.atomic_wait32(0, 0)
    on_alarm(stop, 0.05)
    with pytest.raises(Stop):
        memory.atomic_wait64(8, 0, 60)
    assert memory.atomic_wait32(0, 0, 0.01) == "timed-out"


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_wait_in_a_forked_child_ends() -> None:
    store, exports = make()
    with pytest.raises(DeadlineExceeded), store.deadline(0.01):
        exports.func("again")(store)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGALRM, lambda number, frame: stop())
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            exports.func("again")(store)
        except Stop:
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.parametrize("source", SOURCES)
def test_nothing_is_seen_of_how_a_memory_is_reached(source: str) -> None:
    wat = SOURCES[source]
    module = Module(ENGINE, wat)
    plain = Module(engine_with(wasm_threads=True), wat) if source == "imported" else None
    names = [export.name for export in module.exports]
    assert names == (["other"] if source == "second" else []) + (["memory"] if source == "exported" else []) + ["wait", "wait64", "for", "again", "trap", "id"]
    store, exports = make(source)
    assert list(exports) == names
    assert len(exports.by_index) == len(names)
    copy = Module.deserialize(ENGINE, module.serialize())
    assert [export.name for export in copy.exports] == names
    if plain is not None:
        assert [export.name for export in plain.exports] == names


def test_traps_tell_places_in_the_module_as_it_was_given() -> None:
    other = engine_with(shared_memory=False, wasm_threads=True)
    text = PRIVATE.replace("1 4 shared", "1 4").split('(func (export "wait")')[0] + '(func (export "trap") (drop (i32.load (i32.const -4)))))'
    offsets = []
    for engine, wat in ((ENGINE, text.replace("1 4", "1 4 shared")), (other, text)):
        store, exports = instantiate(wat, (), Store(engine))
        with pytest.raises(Trap) as caught:
            exports.func("trap")(store)
        offsets.append([(frame.module_offset, frame.func_offset) for frame in caught.value.frames])
    assert offsets[0] == offsets[1]


def test_errors_of_modules_tell_places_in_the_module_as_it_was_given() -> None:
    binary = wat2wasm("(module (memory 1 1 shared) (func (result i32) i64.const 0))")
    messages = []
    for engine in (ENGINE, engine_with(shared_memory=False, wasm_threads=True)):
        with pytest.raises(WasmtimeError) as caught:
            Module(engine, binary)
        messages.append(str(caught.value))
    assert messages[0] == messages[1]
