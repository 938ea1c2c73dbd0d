"""`Memory`."""

from __future__ import annotations

import ctypes
from typing import Any

from .harness import Package, attempt, case
from .programs import engine_with, instantiate, load

GREETING = '(module (memory (export "m") 1 3) (data (i32.const 0) "hello world") (data (i32.const 65531) "tail!"))'
PAGE = 65536


def _greeting(w: Package) -> tuple[Any, Any]:
    store, exports = load(w, GREETING)
    return store, exports["m"]


def _memory_type(w: Package, minimum: int = 1, maximum: int | None = None, **options: object) -> Any:
    return w.MemoryType(w.Limits(minimum, maximum), **options)


@case
def size_is_in_pages(w: Package) -> object:
    store, memory = _greeting(w)
    return [memory.size(store), memory.data_len(store=store)]


@case
def a_host_memory_is_zeroed(w: Package) -> object:
    store = w.Store()
    memory = w.Memory(store=store, ty=_memory_type(w, 2))
    return [memory.size(store), bytes(memory.read(store)) == bytes(2 * PAGE)]


@case
def a_host_memory_links(w: Package) -> object:
    store = w.Store()
    memory = w.Memory(store, _memory_type(w))
    memory.write(store, b"\x2a")
    wat = '(module (import "" "m" (memory 1)) (func (export "f") (result i32) (i32.load8_u (i32.const 0))))'
    return instantiate(w, store, wat, [memory])["f"](store)


@case
def a_memory_type_is_needed(w: Package) -> object:
    """`Memory(store, 1)`"""
    return w.Memory(w.Store(), 1)


@case
def a_shared_type_makes_no_memory(w: Package) -> object:
    """`Memory(store, ty)` with a shared memory type"""
    return w.Memory(w.Store(), _memory_type(w, 1, 1, shared=True))


@case
def the_type_has_the_limits(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.type(store=store)


@case
def the_type_of_a_grown_memory_keeps_its_minimum(w: Package) -> object:
    store, memory = _greeting(w)
    memory.grow(store, 1)
    return memory.type(store).limits


@case
def page_size_is_64_kib(w: Package) -> object:
    store, memory = _greeting(w)
    return [memory.page_size(store=store), memory.page_size_log2(store=store)]


@case
def small_pages_are_bytes(w: Package) -> object:
    store = w.Store(engine_with(w, wasm_custom_page_sizes=True))
    memory = instantiate(w, store, '(module (memory (export "m") 5 9 (pagesize 1)))')["m"]
    return [
        memory.page_size(store),
        memory.page_size_log2(store),
        memory.size(store),
        memory.data_len(store),
        memory.grow(store, 2),
    ]


@case
def growth_gives_the_previous_size(w: Package) -> object:
    store, memory = _greeting(w)
    return [memory.grow(store=store, delta=1), memory.size(store)]


@case
def growth_by_zero_is_allowed(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.grow(store, 0)


@case
def growth_beyond_the_maximum_is_refused(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.grow(store, 3)


@case(message=True)
def failed_growth_is_explained(w: Package) -> object:
    """The text of the error for growth beyond the maximum"""
    store, memory = _greeting(w)
    return memory.grow(store, 3)


@case
def a_failed_growth_changes_nothing(w: Package) -> object:
    store, memory = _greeting(w)
    return [attempt(lambda: memory.grow(store, 3)), memory.size(store)]


@case
def negative_growth_is_refused(w: Package) -> object:
    """`memory.grow(store, -1)`"""
    store, memory = _greeting(w)
    return memory.grow(store, -1)


@case
def growth_of_more_than_64_bits_is_refused(w: Package) -> object:
    """`memory.grow(store, 1 << 64)`"""
    store, memory = _greeting(w)
    return memory.grow(store, 1 << 64)


@case
def growth_by_a_float_is_refused(w: Package) -> object:
    """`memory.grow(store, 1.5)`"""
    store, memory = _greeting(w)
    return memory.grow(store, 1.5)


@case
def growth_by_a_str_is_a_type_error(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.grow(store, "1")


@case
def read_gives_a_bytearray(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.read(store, 0, 5)


@case
def read_arguments_can_be_named(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.read(store=store, start=6, stop=11)


@case
def read_without_bounds_reads_all(w: Package) -> object:
    store, memory = _greeting(w)
    everything = memory.read(store)
    return [len(everything), everything[:5], everything[-5:]]


@case
def read_to_the_end(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.read(store, PAGE - 5)


@case
def read_from_a_negative_start(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.read(store, -5)


@case
def read_to_a_negative_stop(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.read(store, -5, -1)


@case
def read_from_none(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.read(store, None, 5)


@case
def read_beyond_the_end_is_clipped(w: Package) -> object:
    store, memory = _greeting(w)
    return [memory.read(store, PAGE - 2, PAGE + 100), memory.read(store, PAGE, PAGE + 1), memory.read(store, 10**9)]


@case
def read_backwards_is_empty(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.read(store, 5, 3)


@case
def read_with_huge_bounds_is_clipped(w: Package) -> object:
    store, memory = _greeting(w)
    return [len(memory.read(store, -(10**30), 10**30)), memory.read(store, 10**30)]


@case
def read_from_a_float_is_a_type_error(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.read(store, 1.5)


@case
def read_is_a_copy(w: Package) -> object:
    store, memory = _greeting(w)
    copy = memory.read(store, 0, 5)
    copy[0] = 0
    return memory.read(store, 0, 5)


@case
def write_gives_the_number_of_bytes(w: Package) -> object:
    store, memory = _greeting(w)
    return [memory.write(store, b"HELLO"), memory.read(store, 0, 11)]


@case
def write_arguments_can_be_named(w: Package) -> object:
    store, memory = _greeting(w)
    memory.write(store=store, value=bytearray(b"W"), start=6)
    return memory.read(store, 0, 11)


@case
def write_at_a_negative_start(w: Package) -> object:
    store, memory = _greeting(w)
    return [memory.write(store, b"ab", -2), memory.read(store, -5)]


@case
def write_of_nothing_is_zero_bytes(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.write(store, b"", 5)


@case
def write_of_nothing_at_the_end_is_refused(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.write(store, b"", PAGE)


@case
def write_up_to_the_end(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.write(store, b"ab", PAGE - 2)


@case
def write_beyond_the_end_is_refused(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.write(store, b"ab", PAGE - 1)


@case
def write_starting_beyond_the_end_is_refused(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.write(store, b"a", PAGE)


@case
def write_starting_far_beyond_the_end_is_refused(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.write(store, b"a", 10**30)


@case
def write_at_a_start_before_the_memory_is_refused(w: Package) -> object:
    """`memory.write(store, b"a", -(10**9))`, far before the first byte"""
    store, memory = _greeting(w)
    return [memory.write(store, b"a", -(10**9)), memory.read(store, 0, 3)]


@case
def a_refused_write_changes_nothing(w: Package) -> object:
    store, memory = _greeting(w)
    return [attempt(lambda: memory.write(store, b"123456", PAGE - 5)), memory.read(store, -5)]


@case
def write_takes_a_memoryview(w: Package) -> object:
    store, memory = _greeting(w)
    return [memory.write(store, memoryview(b"xyz")), memory.read(store, 0, 3)]


@case
def write_takes_a_list_of_ints(w: Package) -> object:
    """`memory.write(store, [1, 2, 3])`"""
    store, memory = _greeting(w)
    return [memory.write(store, [1, 2, 3]), memory.read(store, 0, 4)]


@case
def write_of_an_int_is_refused(w: Package) -> object:
    """`memory.write(store, 3)`"""
    store, memory = _greeting(w)
    return [memory.write(store, 3), memory.read(store, 0, 5)]


@case
def write_of_a_str_is_a_type_error(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.write(store, "text")


@case
def data_ptr_points_to_the_bytes(w: Package) -> object:
    store, memory = _greeting(w)
    pointer = memory.data_ptr(store=store)
    return [pointer, pointer[0], bytes(pointer[:5])]


@case
def data_ptr_writes_through(w: Package) -> object:
    store, memory = _greeting(w)
    memory.data_ptr(store)[0] = 72
    return memory.read(store, 0, 5)


@case
def data_ptr_casts(w: Package) -> object:
    store, memory = _greeting(w)
    return ctypes.cast(memory.data_ptr(store), ctypes.POINTER(ctypes.c_char))[:5]


@case
def the_buffer_is_a_ctypes_array(w: Package) -> object:
    store, memory = _greeting(w)
    buffer = memory.get_buffer_ptr(store)
    return [buffer, bytes(buffer[:5])]


@case
def the_buffer_has_the_given_size_and_offset(w: Package) -> object:
    store, memory = _greeting(w)
    buffer = memory.get_buffer_ptr(store=store, size=5, offset=6)
    return [buffer, bytes(buffer)]


@case
def the_buffer_writes_through(w: Package) -> object:
    store, memory = _greeting(w)
    memory.get_buffer_ptr(store, 5)[0] = 72
    return memory.read(store, 0, 5)


@case
def the_buffer_serves_memoryviews(w: Package) -> object:
    store, memory = _greeting(w)
    view = memoryview(memory.get_buffer_ptr(store, 5))
    return [view.nbytes, view.readonly, view.format, bytes(view)]


@case
def a_buffer_of_no_bytes_is_empty(w: Package) -> object:
    store, memory = _greeting(w)
    return memory.get_buffer_ptr(store, 0)


@case
def a_buffer_beyond_the_end_is_refused(w: Package) -> object:
    """`memory.get_buffer_ptr(store, 10, 65530)` of a memory of 65536 bytes"""
    store, memory = _greeting(w)
    return memory.get_buffer_ptr(store, 10, PAGE - 6)


@case
def a_buffer_before_the_start_is_refused(w: Package) -> object:
    """`memory.get_buffer_ptr(store, 1, -1)`"""
    store, memory = _greeting(w)
    return memory.get_buffer_ptr(store, 1, -1)


@case
def a_buffer_with_an_offset_and_no_size(w: Package) -> object:
    """`memory.get_buffer_ptr(store, offset=6)` without a size"""
    store, memory = _greeting(w)
    return memory.get_buffer_ptr(store, offset=6)


@case
def a_buffer_of_negative_size_is_refused(w: Package) -> object:
    """`memory.get_buffer_ptr(store, -1)`"""
    store, memory = _greeting(w)
    return memory.get_buffer_ptr(store, -1)


@case
def an_empty_memory_reads_empty(w: Package) -> object:
    store, exports = load(w, '(module (memory (export "m") 0))')
    return [exports["m"].read(store), exports["m"].data_len(store), attempt(lambda: exports["m"].write(store, b"a"))]


@case
def memory64_grows(w: Package) -> object:
    store, exports = load(w, '(module (memory (export "m") i64 1))')
    return [exports["m"].type(store).is_64, exports["m"].grow(store, 1), exports["m"].size(store)]


@case
def the_guest_sees_writes(w: Package) -> object:
    wat = """
        (module (memory (export "m") 1) (func (export "load") (param i32) (result i32) (i32.load (local.get 0))))"""
    store, exports = load(w, wat)
    exports["m"].write(store, (0x12345678).to_bytes(4, "little"), 100)
    return exports["load"](store, 100)


@case
def the_host_sees_growth_by_the_guest(w: Package) -> object:
    wat = '(module (memory (export "m") 1) (func (export "g") (result i32) (memory.grow (i32.const 2))))'
    store, exports = load(w, wat)
    return [exports["g"](store), exports["m"].size(store), len(exports["m"].read(store))]


@case
def another_store_is_refused(w: Package) -> object:
    """`memory.size(store)` with a store that is not the memory's"""
    _, memory = _greeting(w)
    return memory.size(w.Store())


@case
def reading_with_another_store_is_refused(w: Package) -> object:
    """`memory.read(store)` with a store that is not the memory's"""
    _, memory = _greeting(w)
    return memory.read(w.Store(), 0, 5)


@case
def something_that_is_no_store_is_refused(w: Package) -> object:
    """`memory.size(5)`"""
    _, memory = _greeting(w)
    return memory.size(5)


@case
def a_closed_store_is_refused(w: Package) -> object:
    store, memory = _greeting(w)
    store.close()
    return memory.read(store, 0, 5)


@case
def a_memory_has_no_length(w: Package) -> object:
    """`len(memory)`"""
    _, memory = _greeting(w)
    return len(memory)
