"""`Memory`: reading, writing, views, growth."""

from __future__ import annotations

import array
import ctypes
import gc
import struct
import threading
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import engine_with, host, instantiate, raises

from ferrowasm import (
    ClosedError,
    Engine,
    InstanceExports,
    Limits,
    Memory,
    MemoryType,
    Store,
    WasmtimeError,
    WrongStoreError,
)

PAGE = 65536
WAT = """(module (memory (export "m") 1 100)
  (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
  (func (export "store") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
  (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))"""


def make(pages: int = 1, maximum: int | None = None, engine: Engine | None = None) -> tuple[Store, Memory]:
    store = Store(engine)
    return store, Memory(store, MemoryType(Limits(pages, maximum)))


def moving(**settings: Any) -> Engine:
    """An engine whose memories have to move when they grow, unless something is done about it."""
    return engine_with(memory_may_move=True, memory_reservation=0, memory_reservation_for_growth=0, memory_guard_size=0, **settings)


# --- sizes ------------------------------------------------------------------------------------------------------------------


def test_sizes_are_in_pages_and_bytes() -> None:
    store, memory = make(3, 5)
    assert (memory.size(store), memory.data_len(store)) == (3, 3 * PAGE)
    assert (memory.page_size(store), memory.page_size_log2(store)) == (PAGE, 16)
    assert memory.type(store) == MemoryType(Limits(3, 5))
    assert repr(memory) == "<Memory>"


def test_growing_gives_the_size_before() -> None:
    store, memory = make(1, 4)
    assert memory.grow(store, 2) == 1
    assert memory.grow(store, 0) == 3
    assert memory.size(store) == 3


def test_growing_beyond_the_maximum_is_a_wasmtime_error_and_changes_nothing() -> None:
    store, memory = make(1, 4)
    with raises(WasmtimeError, "failed to grow memory by `4`"):
        memory.grow(store, 4)
    with raises(WasmtimeError, f"failed to grow memory by `{2**64 - 1}`"):
        memory.grow(store, 2**64 - 1)
    assert memory.size(store) == 1


@pytest.mark.parametrize("delta", [-1, 2**64, -(2**70)])
def test_growing_by_what_no_64_bits_hold_is_an_overflow_error(delta: int) -> None:
    store, memory = make()
    with raises(OverflowError, f"delta is out of range: expected an int from 0 to {2**64 - 1}"):
        memory.grow(store, delta)


@pytest.mark.parametrize("delta", [1.0, "1", None])
def test_growing_by_what_is_no_int_is_a_type_error(delta: Any) -> None:
    store, memory = make()
    with raises(TypeError, f"expected an int for delta, got {type(delta).__name__}"):
        memory.grow(store, delta)


def test_a_memory_with_64_bit_addresses_works() -> None:
    store = Store()
    memory = Memory(store, MemoryType(Limits(1, 2**20), is_64=True))
    assert memory.type(store).is_64
    assert memory.write(store, b"abc", PAGE - 3) == 3
    assert memory.grow(store, 1) == 1


def test_a_memory_with_pages_of_one_byte_works() -> None:
    store = Store(engine_with(wasm_custom_page_sizes=True))
    memory = Memory(store, MemoryType(Limits(10, 20), page_size_log2=0))
    assert (memory.page_size(store), memory.page_size_log2(store)) == (1, 0)
    assert (memory.size(store), memory.data_len(store)) == (10, 10)
    assert memory.grow(store, 3) == 10
    assert memory.data_len(store) == 13


def test_a_shared_type_is_refused() -> None:
    store = Store(engine_with(shared_memory=True))
    with pytest.raises(WasmtimeError, match="shared"):
        Memory(store, MemoryType(Limits(1, 2), shared=True))


# --- reading and writing ----------------------------------------------------------------------------------------------------

CONTENT = bytes(index % 251 for index in range(PAGE))
SHARED_STORE, SHARED = make()
SHARED.write(SHARED_STORE, CONTENT)
BOUNDS = st.none() | st.integers(-2 * PAGE, 2 * PAGE) | st.integers(-(2**70), 2**70) | st.sampled_from([0, PAGE, -PAGE, PAGE - 1, -1])


@settings(max_examples=500, deadline=None)
@given(BOUNDS, BOUNDS)
def test_reading_means_what_a_slice_of_a_list_means(start: int | None, stop: int | None) -> None:
    result = SHARED.read(SHARED_STORE, start, stop)
    assert type(result) is bytearray
    assert result == CONTENT[start:stop]


def test_reading_without_bounds_gives_all_of_it() -> None:
    assert SHARED.read(SHARED_STORE) == CONTENT
    assert SHARED.read(SHARED_STORE, 5) == CONTENT[5:]
    assert SHARED.read(SHARED_STORE, stop=5, start=2) == CONTENT[2:5]
    assert SHARED.read(SHARED_STORE, numpy.int64(2), numpy.uint8(5)) == CONTENT[2:5]


def test_what_was_read_is_a_copy() -> None:
    store, memory = make()
    copy = memory.read(store, 0, 4)
    copy[0] = 255
    assert memory.read(store, 0, 4) == bytes(4)


@pytest.mark.parametrize("bound", [1.5, "1", b"", [1]], ids=lambda value: type(value).__name__)
def test_a_bound_that_is_no_int_is_a_type_error(bound: Any) -> None:
    with raises(TypeError, f"expected an int for start, got {type(bound).__name__}"):
        SHARED.read(SHARED_STORE, bound)
    with raises(TypeError, f"expected an int for stop, got {type(bound).__name__}"):
        SHARED.read(SHARED_STORE, 0, bound)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40), st.none() | st.integers(-PAGE - 50, PAGE + 50) | st.sampled_from([PAGE, PAGE - 40, -PAGE, -40, 2**70, -(2**70)]))
def test_writing_puts_all_bytes_there_or_raises_and_puts_none(value: bytes, start: int | None) -> None:
    store, memory = WRITES
    memory.write(store, CONTENT)
    first = 0 if start is None else start + PAGE if start < 0 else start
    # As in wasmtime-py, the place of an empty write has to exist, too.
    if 0 <= first < PAGE and first + len(value) <= PAGE:
        assert memory.write(store, value, start) == len(value)
        expected = CONTENT[:first] + value + CONTENT[first + len(value) :]
    else:
        with pytest.raises(IndexError) as caught:
            memory.write(store, value, start)
        shown = 2**127 - 1 if start is not None and abs(start) >= 2**127 else start
        assert str(caught.value) == f"cannot write {len(value)} bytes at {shown}: the memory has {PAGE} bytes"
        expected = CONTENT
    assert memory.read(store) == expected


WRITES = make()


@pytest.mark.parametrize(
    "value",
    [b"abcdefgh", bytearray(b"abcdefgh"), memoryview(b"abcdefgh"), array.array("B", b"abcdefgh"), numpy.frombuffer(b"abcdefgh", numpy.uint8)],
    ids=lambda value: type(value).__name__,
)
def test_any_bytes_like_object_can_be_written(value: Any) -> None:
    store, memory = make()
    assert memory.write(store, value, 10) == 8
    assert memory.read(store, 10, 18) == b"abcdefgh"


def test_strided_and_wide_views_are_written_as_their_bytes() -> None:
    store, memory = make()
    assert memory.write(store, memoryview(b"abcdef")[::2]) == 3
    assert memory.read(store, 0, 4) == b"ace\0"
    assert memory.write(store, array.array("H", [1, 2, 3])) == 6
    assert memory.read(store, 0, 6) == struct.pack("=3H", 1, 2, 3)


@pytest.mark.parametrize("value", ["abc", 5, True, None, 1.5], ids=lambda value: type(value).__name__)
def test_what_is_neither_bytes_nor_ints_is_a_type_error(value: Any) -> None:
    store, memory = make()
    with raises(TypeError, f"expected a bytes-like object or an iterable of ints, got {type(value).__name__}"):
        memory.write(store, value)


@pytest.mark.parametrize("value", [[None], ["a"], [1.5]], ids=repr)
def test_an_iterable_of_something_else_than_ints_is_a_type_error(value: Any) -> None:
    store, memory = make()
    with pytest.raises(TypeError):
        memory.write(store, value)


def test_ints_of_a_byte_can_be_written_from_any_iterable() -> None:
    store, memory = make()
    assert memory.write(store, [1, 2, 255], 5) == 3
    assert memory.write(store, range(3), 8) == 3
    assert memory.read(store, 5, 11) == b"\x01\x02\xff\x00\x01\x02"
    with pytest.raises(ValueError, match=r"bytes must be in range\(0, 256\)"):
        memory.write(store, [256])


def test_a_memory_can_be_written_to_itself_through_a_view() -> None:
    store, memory = make()
    memory.write(store, b"abcdef")
    view = memory.get_buffer_ptr(store, 6)
    assert memory.write(store, view, 2) == 6
    assert memory.read(store, 0, 8) == b"ababcdef"


def test_python_and_webassembly_see_each_others_writes() -> None:
    store, exports = instantiate(WAT)
    memory = exports.memory("m")
    memory.write(store, b"\x07", 100)
    assert exports.func("load")(store, 100) == 7
    exports.func("store")(store, 101, 8)
    assert memory.read(store, 100, 102) == b"\x07\x08"


def test_an_empty_memory_reads_empty_and_takes_nothing() -> None:
    store, memory = make(0)
    assert memory.read(store) == b""
    with raises(IndexError, "cannot write 0 bytes at 0: the memory has 0 bytes"):
        memory.write(store, b"")
    with raises(IndexError, "cannot write 1 bytes at 0: the memory has 0 bytes"):
        memory.write(store, b"a")
    assert bytes(memory.get_buffer_ptr(store)) == b""


def test_an_index_that_grows_the_memory_while_it_is_read_is_served() -> None:
    store, memory = make(1, 3)

    class Growing:
        def __index__(self) -> int:
            memory.grow(store, 1)
            return 3

    assert len(memory.read(store, 0, Growing())) == 3
    assert memory.write(store, b"x", Growing()) == 1
    assert memory.size(store) == 3


# --- views ------------------------------------------------------------------------------------------------------------------


def test_a_buffer_is_a_ctypes_array_that_shares_the_memory() -> None:
    store, exports = instantiate(WAT)
    view = exports.memory("m").get_buffer_ptr(store, 8, 100)
    assert isinstance(view, ctypes.Array)
    assert type(view) is ctypes.c_ubyte * 8
    assert len(view) == 8
    exports.func("store")(store, 101, 5)
    assert view[1] == 5
    view[2] = 6
    assert exports.func("load")(store, 102) == 6
    view[3:5] = [1, 2]
    assert exports.memory("m").read(store, 103, 105) == b"\x01\x02"


def test_without_arguments_a_buffer_is_all_of_the_memory() -> None:
    store, memory = make(2)
    assert len(memory.get_buffer_ptr(store)) == 2 * PAGE
    assert len(memory.get_buffer_ptr(store, offset=PAGE)) == PAGE
    assert len(memory.get_buffer_ptr(store, None, 2 * PAGE)) == 0
    assert len(memory.get_buffer_ptr(store, 0, 2 * PAGE)) == 0


@pytest.mark.parametrize(
    ("size", "offset"), [(PAGE + 1, 0), (16, PAGE), (1, PAGE), (16, -64), (-1, 0), (2**62, 0), (1, 2**62), (2**100, 0), (0, PAGE + 1)]
)
def test_a_buffer_outside_the_memory_is_an_index_error(size: int, offset: int) -> None:
    store, memory = make()
    with raises(IndexError, f"no buffer of {size} bytes at {offset}: the memory has {PAGE} bytes"):
        memory.get_buffer_ptr(store, size, offset)


@pytest.mark.parametrize("name", ["size", "offset"])
def test_a_buffer_with_bounds_that_are_no_ints_is_a_type_error(name: str) -> None:
    store, memory = make()
    with raises(TypeError, f"expected an int for {name}, got str"):
        memory.get_buffer_ptr(store, **{name: "1"})  # type: ignore[arg-type]


def test_a_data_pointer_is_a_ctypes_pointer_that_keeps_the_store() -> None:
    store, memory = make()
    memory.write(store, b"hello", 0)
    pointer = memory.data_ptr(store)
    assert isinstance(pointer, ctypes.POINTER(ctypes.c_ubyte))
    assert bytes(pointer[0:5]) == b"hello"
    pointer[0] = ord("j")
    assert memory.read(store, 0, 5) == b"jello"
    del store, memory
    gc.collect()
    assert bytes(pointer[0:5]) == b"jello"


def test_numpy_takes_a_buffer_without_a_copy() -> None:
    store, exports = instantiate(WAT)
    numbers = numpy.frombuffer(memoryview(exports.memory("m").get_buffer_ptr(store, 64, 64)), dtype=numpy.uint32)
    assert numbers.shape == (16,)
    numbers[:] = numpy.arange(16)
    assert exports.memory("m").read(store, 64, 128) == numpy.arange(16, dtype=numpy.uint32).tobytes()
    exports.func("store")(store, 64, 200)
    assert numbers[0] == 200


def test_a_view_outlives_every_other_reference() -> None:
    def make_view() -> Any:
        store, exports = instantiate('(module (memory (export "m") 1) (data (i32.const 0) "abcd"))')
        # NumPy takes the ctypes array as it is; its type hints do not say so.
        return numpy.frombuffer(exports.memory("m").get_buffer_ptr(store), dtype=numpy.uint8)  # type: ignore[call-overload]

    view = make_view()
    gc.collect()
    assert bytes(view[:4]) == b"abcd"


def test_a_closed_store_is_unusable_while_its_view_stays_readable() -> None:
    store, memory = make()
    view = memory.get_buffer_ptr(store, 4)
    view[0] = 65
    store.close()
    with raises(ClosedError, "this Store is already closed"):
        memory.read(store)
    view[1] = 66
    assert bytes(view) == b"AB\0\0"


def test_making_a_view_of_a_closed_store_is_refused() -> None:
    store, memory = make()
    store.close()
    for use in (memory.get_buffer_ptr, memory.data_ptr):
        with raises(ClosedError, "this Store is already closed"):
            use(store)


# --- growth under views -----------------------------------------------------------------------------------------------------


def grown(store: Store, exports: InstanceExports, by_guest: bool) -> bool:
    """Whether the memory grew by 60 pages."""
    if by_guest:
        return int(exports.func("grow")(store, 60)) != -1
    try:
        exports.memory("m").grow(store, 60)
    except BufferError as error:
        assert str(error) == "the memory would have to move, but a view of it is in use; release the view first"
        return False
    return True


@pytest.mark.parametrize("by_guest", [False, True], ids=["host", "guest"])
@pytest.mark.parametrize("engine", [Engine, moving], ids=["default", "moving"])
def test_a_view_never_shows_stale_memory_after_growth(engine: Any, by_guest: bool) -> None:
    store, exports = instantiate(WAT, (), Store(engine()))
    memory = exports.memory("m")
    view = memory.get_buffer_ptr(store)
    grown(store, exports, by_guest)
    memory.write(store, b"HELLO", 0)
    assert bytes(view[0:5]) == b"HELLO"
    view[0] = ord("J")
    assert exports.func("load")(store, 0) == ord("J")


@pytest.mark.parametrize("by_guest", [False, True], ids=["host", "guest"])
def test_a_memory_of_the_default_engine_grows_under_a_view(by_guest: bool) -> None:
    store, exports = instantiate(WAT)
    view = exports.memory("m").get_buffer_ptr(store)
    assert grown(store, exports, by_guest)
    assert len(view) == PAGE
    assert len(exports.memory("m").get_buffer_ptr(store)) == 61 * PAGE


# With 64-bit addresses and no maximum there is no room to reserve for all of it.
UNBOUNDED = """(module (memory (export "m") i64 1)
  (func (export "grow") (param i32) (result i32) (i32.wrap_i64 (memory.grow (i64.extend_i32_u (local.get 0))))))"""


@pytest.mark.parametrize("by_guest", [False, True], ids=["host", "guest"])
def test_growth_that_would_move_the_memory_is_refused_while_a_view_is_in_use(by_guest: bool) -> None:
    store, exports = instantiate(UNBOUNDED, (), Store(moving()))
    memory = exports.memory("m")
    view = memory.get_buffer_ptr(store)
    assert not grown(store, exports, by_guest)
    assert memory.size(store) == 1
    view[0] = 7
    del view
    assert grown(store, exports, by_guest)
    assert memory.size(store) == 61
    assert memory.read(store, 0, 1) == b"\x07"


@pytest.mark.parametrize("release", ["release the views", "drop the views"])
def test_growth_is_refused_until_the_last_view_is_gone(release: str) -> None:
    store, exports = instantiate(UNBOUNDED, (), Store(moving()))
    views = [memoryview(exports.memory("m").get_buffer_ptr(store)) for _ in range(3)]
    while views:
        assert not grown(store, exports, False)
        if release == "release the views":
            views[-1].release()
        views.pop()
    assert grown(store, exports, False)


def test_a_view_of_one_memory_does_not_block_another() -> None:
    store = Store(moving())
    _, first = instantiate(UNBOUNDED, (), store)
    _, second = instantiate(UNBOUNDED, (), store)
    view = first.memory("m").get_buffer_ptr(store)
    assert grown(store, second, False)
    assert not grown(store, first, False)
    assert len(view) == PAGE


def test_a_memory_that_says_its_maximum_grows_under_a_view_in_any_engine() -> None:
    store, exports = instantiate(WAT, (), Store(moving()))
    view = exports.memory("m").get_buffer_ptr(store)
    address = ctypes.addressof(view)
    assert grown(store, exports, False)
    assert ctypes.addressof(exports.memory("m").get_buffer_ptr(store)) == address


# --- stores -----------------------------------------------------------------------------------------------------------------


def test_a_memory_of_another_store_is_a_wrong_store_error() -> None:
    _, memory = make()
    other = Store()
    message = "this Memory belongs to another store; pass the store that it was made in"
    for use in (
        memory.read,
        memory.size,
        memory.data_len,
        memory.type,
        memory.data_ptr,
        memory.get_buffer_ptr,
        memory.page_size,
        memory.page_size_log2,
        lambda store: memory.write(store, b""),
        lambda store: memory.grow(store, 0),
    ):
        with raises(WrongStoreError, message):
            use(other)


def test_memories_are_used_inside_callbacks_with_store_and_caller() -> None:
    store = Store()
    seen: list[Any] = []

    def callback(caller: Any) -> None:
        memory = caller["m"]
        memory.write(caller, b"ab", 0)
        memory.write(store, b"cd", 2)
        seen.append(bytes(memory.get_buffer_ptr(caller, 4)))
        memory.grow(store, 1)

    func = host(store, callback, access_caller=True)
    _, exports = instantiate('(module (import "" "h" (func $h)) (memory (export "m") 1 5) (func (export "f") (call $h)))', [func], store)
    exports.func("f")(store)
    assert seen == [b"abcd"]
    assert exports.memory("m").size(store) == 2


def test_views_are_read_while_webassembly_runs_on_another_thread() -> None:
    engine = engine_with(epoch_interruption=True)
    store, exports = instantiate(
        '(module (memory (export "m") 1) (func (export "f") (loop $l (i32.store (i32.const 0) (i32.add (i32.load (i32.const 0)) (i32.const 1))) (br $l))))',
        (),
        Store(engine),
    )
    store.set_epoch_deadline(1)
    view = memoryview(exports.memory("m").get_buffer_ptr(store, 4)).cast("B").cast("I")
    outcome: list[BaseException] = []

    def run() -> None:
        try:
            exports.func("f")(store)
        except Exception as error:  # noqa: BLE001
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    first = view[0]
    while view[0] == first:
        pass
    engine.increment_epoch()
    thread.join()
    assert len(outcome) == 1


def test_a_memory_made_by_the_host_is_imported() -> None:
    store, memory = make(1, 4)
    memory.write(store, b"\x2a", 9)
    _, exports = instantiate(
        '(module (import "" "m" (memory 1 4)) (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0))))', [memory], store
    )
    assert exports.func("load")(store, 9) == 42
