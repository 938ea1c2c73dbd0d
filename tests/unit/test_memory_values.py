"""Numbers, strings and buffers of memories: the typed ways in and out, for `Memory` and `SharedMemory`."""

from __future__ import annotations

import array
import gc
import math
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import engine_with, instantiate, raises

from ferrowasm import ClosedError, Config, Engine, Limits, Memory, MemoryType, SharedMemory, Store, WasmtimeError, WrongStoreError

PAGE = 65536
FORMATS = {"u8": "B", "i8": "b", "u16": "H", "i16": "h", "u32": "I", "i32": "i", "u64": "Q", "i64": "q", "f32": "f", "f64": "d"}


class Subject:
    """A memory of one page, with the store bound where there is one."""

    def __init__(self, shared: bool) -> None:
        if shared:
            self.memory: Any = SharedMemory(engine_with(shared_memory=True), MemoryType(Limits(1, 2), shared=True))
            self.store: tuple[Any, ...] = ()
        else:
            store = Store()
            self.memory, self.store = Memory(store, MemoryType(Limits(1, 2))), (store,)

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self.memory, name)
        return lambda *args, **kwargs: method(*self.store, *args, **kwargs)

    def content(self, start: int, size: int) -> bytes:
        return bytes(self.read(start, size)) if isinstance(self.memory, SharedMemory) else bytes(self.read(start, start + size))


@pytest.fixture(params=[False, True], ids=["memory", "shared"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.param)


# --- numbers ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in FORMATS if name[0] != "f"])
def test_integers_of_the_whole_range_come_back_and_lie_in_little_endian_order(subject: Subject, name: str) -> None:
    bits = int(name[1:])
    least, greatest = (0, 2**bits - 1) if name[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    for value in (least, greatest, 1, 0x5A):
        assert getattr(subject, f"write_{name}")(13, value) is None
        assert getattr(subject, f"read_{name}")(13) == value
        assert subject.content(13, bits // 8) == struct.pack("<" + FORMATS[name], value)
    for value in (least - 1, greatest + 1, 2**200, -(2**200)):
        with raises(OverflowError, f"value is out of range for {name}: expected an int from {least} to {greatest}"):
            getattr(subject, f"write_{name}")(13, value)


@pytest.mark.parametrize("name", ["f32", "f64"])
def test_floats_come_back(subject: Subject, name: str) -> None:
    write, read = getattr(subject, f"write_{name}"), getattr(subject, f"read_{name}")
    for value in (0.5, -0.0, math.inf, -math.inf, 2**-20, 3, numpy.float32(1.25)):
        write(3, value)
        assert (read(3), math.copysign(1, read(3))) == (value, math.copysign(1, value))
    write(3, math.nan)
    assert math.isnan(read(3))
    write(3, 0.1)
    assert read(3) == (0.1 if name == "f64" else float(numpy.float32(0.1)))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("addr", [-1, PAGE, PAGE + 1, 2**63, 2**64, -(2**63), 2**126])
def test_a_number_outside_the_memory_is_an_index_error_that_names_the_range(subject: Subject, name: str, addr: int) -> None:
    size = int(name[1:]) // 8
    with raises(IndexError, f"cannot read {size} bytes at {addr}: the memory has {PAGE} bytes"):
        getattr(subject, f"read_{name}")(addr)
    with raises(IndexError, f"cannot write {size} bytes at {addr}: the memory has {PAGE} bytes"):
        getattr(subject, f"write_{name}")(addr, 1)


@pytest.mark.parametrize("name", [name for name in FORMATS if name[1:] != "8"])
def test_a_number_that_lies_across_the_end_is_refused_and_changes_nothing(subject: Subject, name: str) -> None:
    size = int(name[1:]) // 8
    last = PAGE - size
    getattr(subject, f"write_{name}")(last, 1)
    assert getattr(subject, f"read_{name}")(last) == 1
    before = subject.content(PAGE - 8, 8)
    with raises(IndexError, f"cannot write {size} bytes at {last + 1}: the memory has {PAGE} bytes"):
        getattr(subject, f"write_{name}")(last + 1, 0)
    assert subject.content(PAGE - 8, 8) == before


def test_numbers_of_the_wrong_type_are_type_errors(subject: Subject) -> None:
    with raises(TypeError, "expected an int for addr, got str"):
        subject.read_u32("0")
    with raises(TypeError, "expected an int for addr, got float"):
        subject.write_u32(1.0, 0)
    with raises(TypeError, "expected an int for value, got float"):
        subject.write_u32(0, 1.0)
    with raises(TypeError, "expected a number for value, got str"):
        subject.write_f64(0, "1")
    assert subject.content(0, 16) == bytes(16)


def test_an_exception_of_an_index_comes_out(subject: Subject) -> None:
    class Broken:
        def __index__(self) -> int:
            raise LookupError("broken")

    with raises(LookupError, "broken"):
        subject.read_u8(Broken())
    with raises(LookupError, "broken"):
        subject.write_u8(0, Broken())


def test_webassembly_sees_the_numbers() -> None:
    store, exports = instantiate('(module (memory (export "m") 1) (func (export "f") (param i32) (result f64) (f64.load (local.get 0))))')
    exports.memory("m").write_f64(store, 24, 2.5)
    assert exports.func("f")(store, 24) == 2.5


# --- strings ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-32-le", "latin-1", "utf-16", "ascii"])
def test_strings_come_back_by_size_and_up_to_the_nul(subject: Subject, encoding: str) -> None:
    text = "plain" if encoding == "ascii" else "größe" if encoding == "latin-1" else "größe → 𝄞"
    encoded = text.encode(encoding)
    subject.write(b"\xff" * 200, 0)
    assert subject.write_str(8, text, encoding=encoding) == len(encoded)
    assert subject.content(8, len(encoded) + 1) == encoded + b"\xff"
    assert subject.read_str(8, len(encoded), encoding=encoding) == text
    width = {"utf-16-le": 2, "utf-16": 2, "utf-32-le": 4}.get(encoding, 1)
    assert subject.write_str(8, text, nul=True, encoding=encoding) == len(encoded) + width
    assert subject.read_str(8, encoding=encoding) == text


def test_a_nul_across_two_characters_does_not_end_a_wide_string(subject: Subject) -> None:
    # 61 00 | 00 62: the zeros in the middle belong to two characters.
    text = "a\u6200"
    subject.write_str(0, text, nul=True, encoding="utf-16-le")
    assert subject.content(0, 4) == b"a\0\0b"
    assert subject.read_str(0, encoding="utf-16-le") == text


def test_an_empty_string_is_read(subject: Subject) -> None:
    assert subject.read_str(10) == ""
    assert subject.read_str(PAGE, 0) == ""
    assert subject.write_str(PAGE, "") == 0


def test_a_string_outside_the_memory_is_an_index_error(subject: Subject) -> None:
    with raises(IndexError, f"cannot read 10 bytes at {PAGE - 9}: the memory has {PAGE} bytes"):
        subject.read_str(PAGE - 9, 10)
    with raises(IndexError, f"cannot read 0 bytes at {PAGE + 1}: the memory has {PAGE} bytes"):
        subject.read_str(PAGE + 1)
    with raises(IndexError, f"cannot write 4 bytes at {PAGE - 3}: the memory has {PAGE} bytes"):
        subject.write_str(PAGE - 3, "abc", nul=True)
    subject.write(b"abc", PAGE - 3)
    with raises(IndexError, f"cannot read a string at {PAGE - 3}: no NUL follows, and the memory has {PAGE} bytes"):
        subject.read_str(PAGE - 3)
    assert subject.read_str(PAGE - 3, 3) == "abc"


def test_encoding_errors_are_those_of_python(subject: Subject) -> None:
    subject.write(b"a\xffb\0", 0)
    with pytest.raises(UnicodeDecodeError, match="invalid start byte"):
        subject.read_str(0)
    assert subject.read_str(0, errors="replace") == "a\ufffdb"
    with pytest.raises(UnicodeEncodeError, match="surrogates not allowed"):
        subject.write_str(0, "\ud800")
    assert subject.write_str(0, "é", encoding="ascii", errors="ignore") == 0
    with pytest.raises(LookupError, match="unknown encoding: nonsense"):
        subject.read_str(0, encoding="nonsense")


# --- copies into buffers ----------------------------------------------------------------------------------------------------


def test_a_buffer_is_filled(subject: Subject) -> None:
    subject.write(bytes(range(64)), 0)
    target = bytearray(8)
    assert subject.read_into(target, 4) == 8
    assert target == bytes(range(4, 12))
    numbers = array.array("I", [0] * 4)
    assert subject.read_into(numbers) == 16
    assert numbers.tobytes() == bytes(range(16))


def test_a_strided_buffer_is_filled_item_by_item(subject: Subject) -> None:
    subject.write(bytes(range(64)), 0)
    target = bytearray(8)
    assert subject.read_into(memoryview(target)[::2], 1) == 4
    assert target == b"\x01\0\x02\0\x03\0\x04\0"
    grid = numpy.zeros((4, 4), dtype=numpy.uint8)
    assert subject.read_into(grid.T[1:3], 0) == 8
    assert grid.T[1:3].tobytes() == bytes(range(8))
    assert grid.T[0].tobytes() == bytes(4)


def test_a_strided_array_is_written_item_by_item(subject: Subject) -> None:
    values = numpy.arange(24, dtype=numpy.int32).reshape(4, 6)
    assert subject.write(values[::2, ::-1], 100) == 48
    assert subject.content(100, 48) == values[::2, ::-1].tobytes()
    fortran = numpy.asfortranarray(values)
    assert subject.write(fortran, 100) == 96
    assert subject.content(100, 96) == values.tobytes()


def test_filling_a_read_only_buffer_is_a_buffer_error_or_type_error(subject: Subject) -> None:
    with pytest.raises((BufferError, TypeError)):
        subject.read_into(b"1234")
    with pytest.raises(TypeError, match="a bytes-like object is required"):
        subject.read_into("1234")


def test_filling_more_than_there_is_is_an_index_error_and_fills_nothing(subject: Subject) -> None:
    target = bytearray(b"x" * 8)
    with pytest.raises(IndexError, match=f"8 bytes at {PAGE - 7}: the memory has {PAGE} bytes"):
        subject.read_into(target, PAGE - 7)
    assert target == b"x" * 8


def test_a_negative_start_counts_from_the_end_as_it_does_for_read() -> None:
    subject = Subject(shared=False)
    subject.write(b"tail", -4)
    target = bytearray(4)
    assert subject.read_into(target, -4) == 4
    assert target == b"tail"
    with raises(IndexError, f"cannot read 4 bytes at -{PAGE + 1}: the memory has {PAGE} bytes"):
        subject.read_into(target, -PAGE - 1)


def test_a_view_of_the_memory_itself_can_be_filled_and_written(subject: Subject) -> None:
    subject.write(bytes(range(16)), 0)
    view = subject.buffer(shape=8, offset=4)
    assert subject.read_into(view, 0) == 8
    assert subject.content(0, 12) == bytes(range(4)) + bytes(range(8))
    assert subject.write(view, 6) == 8
    assert subject.content(6, 8) == bytes(range(8))
    assert subject.write(memoryview(subject.buffer(shape=8))[::2], 1) == 4


# --- typed buffers ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FORMATS)
def test_a_typed_buffer_shares_the_memory(subject: Subject, name: str) -> None:
    code = FORMATS[name]
    view = subject.buffer(format=code, shape=4, offset=16)
    assert isinstance(view, memoryview)
    assert (view.format, view.shape, view.itemsize, view.readonly) == (code, (4,), int(name[1:]) // 8, False)
    view[2] = 5
    assert getattr(subject, f"read_{name}")(16 + 2 * view.itemsize) == 5
    getattr(subject, f"write_{name}")(16, 7)
    assert view.tolist() == [7, 0, 5, 0]


def test_without_a_shape_a_buffer_holds_as_many_items_as_there_are(subject: Subject) -> None:
    assert subject.buffer().shape == (PAGE,)
    assert subject.buffer(format="d").shape == (PAGE // 8,)
    assert subject.buffer(format="d", offset=4).shape == (PAGE // 8 - 1,)
    assert subject.buffer(format="i", offset=PAGE).shape == (0,)
    assert subject.buffer(format="i", shape=0).tolist() == []


def test_a_buffer_of_several_dimensions(subject: Subject) -> None:
    view = subject.buffer(format="h", shape=(2, 3), offset=2)
    view[1, 2] = -4
    assert subject.read_i16(2 + 2 * 5) == -4
    assert view.tolist() == [[0, 0, 0], [0, 0, -4]]


def test_numpy_takes_a_buffer_without_a_copy(subject: Subject) -> None:
    numbers = numpy.asarray(subject.buffer(format="d", shape=[3, 2], offset=8))
    assert (str(numbers.dtype), numbers.shape, numbers.flags.writeable, numbers.flags.owndata) == ("float64", (3, 2), True, False)
    numbers[2, 1] = 2.5
    assert subject.read_f64(8 + 5 * 8) == 2.5
    subject.write_f64(8, 1.5)
    assert numbers[0, 0] == 1.5


@pytest.mark.parametrize(
    ("layout", "shown"),
    [
        ({"shape": PAGE + 1}, f"{PAGE + 1} bytes at 0"),
        ({"shape": (2, 3), "format": "q", "offset": PAGE - 47}, f"48 bytes at {PAGE - 47}"),
        ({"offset": PAGE + 1}, f"0 bytes at {PAGE + 1}"),
        ({"offset": -1, "shape": 1}, "1 bytes at -1"),
        ({"offset": 2**70}, f"0 bytes at {2**70}"),
        ({"shape": (2**40, 2**40)}, "so many items at 0"),
    ],
)
def test_a_buffer_outside_the_memory_is_an_index_error(subject: Subject, layout: dict[str, Any], shown: str) -> None:
    with raises(IndexError, f"no buffer of {shown}: the memory has {PAGE} bytes"):
        subject.buffer(**layout)


def test_formats_shapes_and_offsets_are_checked(subject: Subject) -> None:
    known = "b, B, h, H, i, I, l, L, q, Q, n, N, f, d, c, ? and P"
    for format in ("x", "", "ii", "<i", "e", "é"):
        with raises(ValueError, f'expected one of the formats {known}, got "{format}"'):
            subject.buffer(format=format)
    with raises(TypeError, "expected a str for format, got int"):
        subject.buffer(format=1)
    with raises(TypeError, "expected an int for the items of shape, got float"):
        subject.buffer(shape=(1.5,))
    with raises(OverflowError, f"the items of shape is out of range: expected an int from 0 to {sys.maxsize}"):
        subject.buffer(shape=-1)
    with raises(TypeError, "expected an int for offset, got str"):
        subject.buffer(offset="0")


def test_a_buffer_keeps_its_store_until_it_is_released() -> None:
    store = Store()
    memory = Memory(store, MemoryType(Limits(1)))
    memory.write(store, b"kept")
    with memory.buffer(store, shape=4) as view:
        store.close()
        with raises(ClosedError, "this Store is already closed"):
            memory.buffer(store)
        del store, memory
        gc.collect()
        assert bytes(view) == b"kept"
    with raises(ValueError, "operation forbidden on released memoryview object"):
        view[0]


def test_growth_that_would_move_the_memory_waits_for_the_buffer() -> None:
    config = Config(memory_may_move=True, memory_reservation=0, memory_reservation_for_growth=0, memory_guard_size=0)
    store = Store(Engine(config))
    memory = Memory(store, MemoryType(Limits(1), is_64=True))
    with memory.buffer(store, format="I") as view:
        view[0] = 7
        array = numpy.asarray(view)
        with raises(BufferError, "the memory would have to move, but a view of it is in use; release the view first"):
            memory.grow(store, 1)
        assert array[0] == 7
        del array
    memory.grow(store, 1)
    assert memory.read_u32(store, 0) == 7


def test_the_store_is_checked() -> None:
    store, other = Store(), Store()
    memory = Memory(store, MemoryType(Limits(1)))
    uses: list[Callable[[Store], Any]] = [
        memory.buffer,
        lambda store: memory.read_u32(store, 0),
        lambda store: memory.write_f64(store, 0, 1),
        lambda store: memory.read_str(store, 0),
        lambda store: memory.write_str(store, 0, "a"),
        lambda store: memory.read_into(store, bytearray(1)),
    ]
    for use in uses:
        with pytest.raises(WrongStoreError):
            use(other)
    store.close()
    for use in uses:
        with raises(ClosedError, "this Store is already closed"):
            use(store)


MODEL_STORE = Store()
MODEL = Memory(MODEL_STORE, MemoryType(Limits(1)))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(sorted(FORMATS)), st.integers(-4, 68), st.integers(0, 100)), max_size=20))
def test_any_sequence_of_writes_does_what_struct_does(writes: list[tuple[str, int, int]]) -> None:
    MODEL.write(MODEL_STORE, bytes(PAGE))
    model = bytearray(PAGE)
    for name, addr, value in writes:
        try:
            getattr(MODEL, f"write_{name}")(MODEL_STORE, addr, value)
        except IndexError:
            assert addr < 0
        else:
            struct.pack_into("<" + FORMATS[name], model, addr, value)
    assert MODEL.read(MODEL_STORE) == model


def test_growing_needs_a_maximum_that_allows_it(subject: Subject) -> None:
    assert subject.grow(1) == 1
    subject.write_u8(PAGE, 9)
    assert subject.buffer(offset=PAGE, shape=1)[0] == 9
    with pytest.raises(WasmtimeError, match="failed to grow memory"):
        subject.grow(1)
