"""`SharedMemory`: one memory in several stores, on several threads."""

from __future__ import annotations

import ctypes
import gc
import threading
import time
from typing import Any

import numpy
import pytest
from support import engine_with, instantiate, raises

from ferrowasm import (
    ClosedError,
    Engine,
    Instance,
    InstanceExports,
    Limits,
    MemoryType,
    Module,
    SharedMemory,
    Store,
    Trap,
    TrapCode,
    WasmtimeError,
    WrongEngineError,
)

PAGE = 65536
ENGINE = engine_with(shared_memory=True)
TYPE = MemoryType(Limits(1, 4), shared=True)
WAT = """(module (import "" "m" (memory 1 4 shared))
  (func (export "load") (param i32) (result i32) (i32.atomic.load (local.get 0)))
  (func (export "store") (param i32 i32) (i32.atomic.store (local.get 0) (local.get 1)))
  (func (export "add") (param i32 i32) (loop $l
    (drop (i32.atomic.rmw.add (local.get 0) (i32.const 1)))
    (br_if $l (local.tee 1 (i32.sub (local.get 1) (i32.const 1))))))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0)))
  (func (export "wait") (param i32 i32 i64) (result i32) (memory.atomic.wait32 (local.get 0) (local.get 1) (local.get 2)))
  (func (export "notify") (param i32 i32) (result i32) (memory.atomic.notify (local.get 0) (local.get 1))))"""
MODULE = Module(ENGINE, WAT)


def importer(memory: SharedMemory) -> tuple[Store, InstanceExports]:
    store = Store(ENGINE)
    return store, Instance(store, MODULE, [memory]).exports(store)


def waiting(thread: threading.Thread, notify: Any) -> int:
    """Calls `notify` until it wakes the thread's wait, and gives the number that were woken."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if woken := notify():
            return int(woken)
        assert thread.is_alive()
        time.sleep(0.001)
    raise AssertionError("nobody waits")


def test_a_shared_memory_has_a_size_and_type() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    assert (memory.size(), memory.data_len()) == (1, PAGE)
    assert memory.type() == TYPE
    assert memory.type().is_shared
    assert repr(memory) == "<SharedMemory>"


def test_growing_gives_the_size_before_and_stops_at_the_maximum() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    assert memory.grow(2) == 1
    assert memory.grow(0) == 3
    with raises(WasmtimeError, "failed to grow memory by `2`"):
        memory.grow(2)
    assert memory.size() == 3
    with raises(OverflowError, f"delta is out of range: expected an int from 0 to {2**64 - 1}"):
        memory.grow(-1)


def test_a_type_that_is_not_shared_is_refused() -> None:
    with pytest.raises(WasmtimeError, match="shared memory must have the `shared` flag enabled"):
        SharedMemory(ENGINE, MemoryType(Limits(1, 2)))


def test_an_engine_without_shared_memories_refuses() -> None:
    with pytest.raises(WasmtimeError, match="shared"):
        SharedMemory(Engine(), TYPE)


def test_two_stores_see_one_memory() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    one, one_exports = importer(memory)
    two, two_exports = importer(memory)
    one_exports.func("store")(one, 100, 1234)
    assert two_exports.func("load")(two, 100) == 1234
    assert memory.read(100, 4) == (1234).to_bytes(4, "little")
    memory.write(b"\x01\0\0\0", 100)
    assert one_exports.func("load")(one, 100) == 1
    assert two_exports.func("grow")(two, 1) == 1
    assert one_exports.func("grow")(one, 0) == 2
    assert memory.size() == 2


def test_an_exported_shared_memory_can_be_imported_elsewhere() -> None:
    one = Store(ENGINE)
    exports = instantiate('(module (memory (export "m") 1 4 shared))', (), one)[1]
    memory = exports["m"]
    assert type(memory) is SharedMemory
    assert exports.shared_memory("m") is memory
    two, two_exports = importer(memory)
    memory.write(b"\x05\0\0\0", 8)
    one.close()
    del one, exports
    gc.collect()
    assert two_exports.func("load")(two, 8) == 5


def test_atomic_additions_of_two_threads_are_all_counted() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    count = 200_000

    def work() -> None:
        store, exports = importer(memory)
        exports.func("add")(store, 16, count)

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert int.from_bytes(memory.read(16, 4), "little") == 2 * count


def test_webassembly_waits_until_another_thread_notifies() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    results: list[int] = []

    def wait() -> None:
        store, exports = importer(memory)
        results.append(exports.func("wait")(store, 32, 0, -1))

    thread = threading.Thread(target=wait)
    thread.start()
    store, exports = importer(memory)
    assert waiting(thread, lambda: exports.func("notify")(store, 32, 10)) == 1
    thread.join(30)
    assert results == [0]


def test_python_notifies_webassembly_and_webassembly_python() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    results: list[Any] = []
    store, exports = importer(memory)
    thread = threading.Thread(target=lambda: results.append(exports.func("wait")(store, 32, 0, -1)))
    thread.start()
    assert waiting(thread, lambda: memory.atomic_notify(32, 1)) == 1
    thread.join(30)
    thread = threading.Thread(target=lambda: results.append(memory.atomic_wait32(32, 0)))
    thread.start()
    assert waiting(thread, lambda: exports.func("notify")(store, 32, 1)) == 1
    thread.join(30)
    assert results == [0, "ok"]


def test_a_wait_for_another_value_returns_at_once() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    store, exports = importer(memory)
    assert exports.func("wait")(store, 32, 1, -1) == 1
    assert memory.atomic_wait32(32, 1) == "mismatch"
    assert memory.atomic_wait64(32, 1) == "mismatch"


def test_a_wait_ends_with_its_timeout() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    store, exports = importer(memory)
    assert exports.func("wait")(store, 32, 0, 1_000_000) == 2
    before = time.monotonic()
    assert memory.atomic_wait32(32, 0, 0.05) == "timed-out"
    assert memory.atomic_wait64(32, 0, timeout=0.0) == "timed-out"
    assert time.monotonic() - before >= 0.05


def test_notifying_nobody_wakes_nobody() -> None:
    assert SharedMemory(ENGINE, TYPE).atomic_notify(0, 2**32 - 1) == 0


@pytest.mark.parametrize(("address", "code"), [(1, TrapCode.HEAP_MISALIGNED), (PAGE, TrapCode.MEMORY_OUT_OF_BOUNDS)])
def test_atomics_at_impossible_addresses_trap(address: int, code: TrapCode) -> None:
    memory = SharedMemory(ENGINE, TYPE)
    for use in (lambda: memory.atomic_notify(address, 1), lambda: memory.atomic_wait32(address, 0, 0.0)):
        with pytest.raises(Trap) as caught:
            use()
        assert caught.value.trap_code is code


@pytest.mark.parametrize("timeout", [-1.0, float("nan"), float("inf")])
def test_an_impossible_timeout_is_a_value_error(timeout: float) -> None:
    with pytest.raises(ValueError, match="^timeout must be a number of seconds from 0 on, got "):
        SharedMemory(ENGINE, TYPE).atomic_wait32(0, 0, timeout)


@pytest.mark.parametrize(("address", "value"), [(-1, 0), (2**64, 0), (0, -1), (0, 2**32)])
def test_addresses_and_values_out_of_range_are_an_overflow_error(address: int, value: int) -> None:
    with pytest.raises(OverflowError):
        SharedMemory(ENGINE, TYPE).atomic_wait32(address, value, 0.0)


def test_reading_and_writing_outside_is_an_index_error() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    assert memory.write(b"end", PAGE - 3) == 3
    assert memory.read(PAGE - 3, 3) == b"end"
    assert memory.read(PAGE, 0) == b""
    for start, count in [(PAGE - 3, 4), (PAGE + 1, 0), (0, PAGE + 1), (2**64 - 1, 2**64 - 1)]:
        with raises(IndexError, f"no {count} bytes at {start}: the memory has {PAGE} bytes"):
            memory.read(start, count)
    with raises(IndexError, f"no 4 bytes at {PAGE - 3}: the memory has {PAGE} bytes"):
        memory.write(b"long", PAGE - 3)
    assert memory.read(PAGE - 3, 3) == b"end"


def test_python_views_share_the_memory() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    store, exports = importer(memory)
    view = memoryview(memory)
    assert len(view) == PAGE
    view[40:44] = b"\x07\0\0\0"
    assert exports.func("load")(store, 40) == 7
    numbers = numpy.frombuffer(memoryview(memory), dtype=numpy.uint32)
    numbers[10] = 8
    assert exports.func("load")(store, 40) == 8


def test_a_data_pointer_keeps_the_memory_alive() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    memory.write(b"hello", 0)
    pointer = memory.data_ptr()
    assert isinstance(pointer, ctypes.POINTER(ctypes.c_ubyte))
    del memory
    gc.collect()
    assert bytes(pointer[0:5]) == b"hello"


def test_a_closed_shared_memory_refuses_every_use() -> None:
    memory = SharedMemory(ENGINE, TYPE)
    with memory:
        view = memoryview(memory)
    memory.close()
    for use in (
        memory.size,
        memory.data_len,
        memory.type,
        memory.data_ptr,
        lambda: memory.grow(1),
        lambda: memory.read(0, 1),
        lambda: memory.write(b"", 0),
        lambda: memory.atomic_notify(0, 1),
        lambda: memory.atomic_wait32(0, 0, 0.0),
        lambda: memoryview(memory),
        lambda: importer(memory),
    ):
        with raises(ClosedError, "this SharedMemory is already closed"):
            use()
    assert view[0] == 0


def test_a_shared_memory_of_another_engine_is_a_wrong_engine_error() -> None:
    other = SharedMemory(engine_with(shared_memory=True), TYPE)
    with raises(WrongEngineError, "this SharedMemory belongs to another engine; make both with the same Engine"):
        importer(other)


def test_an_import_with_another_type_is_a_wasmtime_error() -> None:
    store = Store(ENGINE)
    memory = SharedMemory(ENGINE, TYPE)
    module = Module(ENGINE, '(module (import "" "m" (memory 2 4 shared)))')
    with pytest.raises(WasmtimeError, match="incompatible"):
        Instance(store, module, [memory])
