"""Arguments and results that misbehave: a snapshot or an exception, never damage."""

from __future__ import annotations

import array
import collections
import enum
import gc
import re
import sys
import threading
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy
import pytest

from ferrowasm import StoreBusyError, WasmtimeError
from ferrowasm.component import Func, Variant
from wit_support import MEMORY, OPTIONS, echo, echoing, instantiate, pair, scalar, through_host

ITEM = '(type $item_ (record (field "id" u8) (field "full-name" string))) (export $item "item" (type $item_))'
MODE = '(type $mode_ (flags "read" "write")) (export $mode "mode" (type $mode_))'
COLOR = '(type $color_ (enum "red" "dark-green")) (export $color "color" (type $color_))'


def two(first: str, second: str, types: str = "") -> tuple[Any, Func]:
    """A component with `last: func(a: first, b: second) -> second`, where both types are two core values, and its store."""
    text = f"""(component {types} {MEMORY}
      (core module $code
        (import "" "memory" (memory 1))
        (func (export "last") (param i32 i32 i32 i32) (result i32)
          (i32.store (i32.const 16) (local.get 2)) (i32.store (i32.const 20) (local.get 3)) (i32.const 16)))
      (core instance $c (instantiate $code (with "" (instance (export "memory" (memory $m "memory"))))))
      (func (export "last") (param "a" {first}) (param "b" {second}) (result {second})
        (canon lift (core func $c "last") {OPTIONS})))"""
    store, function = instantiate(text)
    return store, function("last")


# ---- values that change while they are converted ----


def test_a_list_that_a_property_empties_is_lowered_as_it_was() -> None:
    items: list[Any] = []

    class Emptying:
        full_name = "n"

        @property
        def id(self) -> int:
            items.clear()
            gc.collect()
            return 7

    items += [Emptying(), {"id": 8, "full-name": "m"}]
    result = echoing(pair("(list $item)", ITEM))(items)
    assert [item.id for item in result] == [7, 8] and items == []


def test_a_list_that_an_index_method_grows_is_lowered_as_it_was() -> None:
    items: list[Any] = []

    class Growing:
        def __index__(self) -> int:
            items.extend([1] * 1000)
            return 5

    items += [Growing(), 6]
    assert echoing(pair("(list u32)"))(items) == [5, 6]


def test_a_dict_that_changes_while_its_fields_are_read_keeps_what_was_read() -> None:
    record: dict[str, Any] = {}

    class Index:
        def __index__(self) -> int:
            record.clear()
            return 1

    record.update({"id": Index(), "full-name": "n"})
    with pytest.raises(TypeError, match=r"^x\[0\]: missing field 'full-name' of record \{id, full-name\} in dict$"):
        echoing(pair("(list $item)", ITEM))([record])


def test_a_set_of_flags_that_changes_while_it_is_read_is_an_error() -> None:
    flags: set[str] = set()

    class Growing(str):
        def __hash__(self) -> int:
            return 1

    class Name(enum.Enum):
        @property
        def value(self) -> str:
            flags.add("other")
            flags.discard("other")
            flags.update(map(str, range(100)))
            return "read"

        READ = enum.auto()

    flags.add(Name.READ)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="^Set changed size during iteration$"):
        echoing(pair("(list $mode)", MODE))([flags])


def test_lists_that_another_thread_changes_are_snapshots() -> None:
    call = echoing(pair("(list string)"))
    shared = ["a"] * 100
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            shared.clear()
            shared.extend(["b"] * 1000)
            del shared[10:]

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(300):
            assert set(call(shared)) <= {"a", "b"}
    finally:
        stop.set()
        thread.join()


def test_bytes_that_another_thread_writes_are_some_bytes_of_the_right_length() -> None:
    call = echoing(pair("(list u8)"))
    shared = bytearray(100_000)
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            shared[:] = b"\x01" * len(shared)
            shared[:] = bytes(len(shared))

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(100):
            result = call(shared)
            assert len(result) == 100_000 and set(result) <= {0, 1}
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(("ty", "buffer"), [("u8", bytearray(b"abc")), ("u16", array.array("H", [1, 2]))])
def test_a_buffer_cannot_shrink_while_it_is_an_argument(ty: str, buffer: bytearray | array.array[int]) -> None:
    store, last = two(f"(list {ty})", "(list $item)", ITEM)

    class Shrinking:
        full_name = "n"

        @property
        def id(self) -> int:
            del buffer[:]
            return 1

    with pytest.raises(BufferError):
        last(store, buffer, [Shrinking()])
    assert len(buffer) > 0
    assert last(store, buffer, []) == []
    del buffer[:]
    assert len(buffer) == 0, "the call has let go of the buffer"


def test_a_released_view_is_refused() -> None:
    view = memoryview(b"abc")
    view.release()
    with pytest.raises(ValueError, match="released memoryview"):
        echoing(pair("(list u8)"))(view)


def test_conversion_cannot_reach_into_the_store() -> None:
    store, function = instantiate(pair("(list u32)"))

    class Reentrant:
        def __index__(self) -> int:
            return len(function("echo")(store, [1]))

    with pytest.raises(StoreBusyError, match="while arguments are converted"):
        function("echo")(store, [Reentrant()])
    assert function("echo")(store, [1]) == [1]


# ---- classes that lie ----


class Liar(list):  # type: ignore[type-arg]
    """A list that says it is of another length, and iterates over other items."""

    def __init__(self, length: int, items: Callable[[], Iterator[Any]]) -> None:
        super().__init__([1, 2, 3])
        self.length = length
        self.items = items

    def __len__(self) -> int:
        return self.length

    def __iter__(self) -> Iterator[Any]:
        return self.items()


@pytest.mark.parametrize("length", [0, 1, 3, 1000])
def test_what_a_list_iterates_over_counts_and_not_what_it_says_its_length_is(length: int) -> None:
    call = echoing(pair("(list u32)"))
    assert call(Liar(length, lambda: iter([7, 8]))) == [7, 8]
    assert call(Liar(length, lambda: iter([]))) == []


def test_a_length_that_is_none_is_an_exception() -> None:
    with pytest.raises(ValueError, match="should return >= 0"):
        echoing(pair("(list u32)"))(Liar(-1, lambda: iter([1])))


def test_what_an_iterator_raises_passes_unchanged() -> None:
    error = KeyboardInterrupt("from the iterator")

    def items() -> Iterator[Any]:
        yield 1
        raise error

    with pytest.raises(KeyboardInterrupt) as caught:
        echoing(pair("(list u32)"))(Liar(2, items))
    assert caught.value is error


def test_an_index_that_is_no_int_is_refused() -> None:
    class Wrong:
        def __index__(self) -> Any:
            return "7"

    with pytest.raises(TypeError, match="__index__ returned non-int"):
        echoing(scalar("u8", "i32"))(Wrong())


def test_a_float_method_that_raises_passes_its_exception() -> None:
    error = RuntimeError("no float")

    class Raising:
        def __float__(self) -> float:
            raise error

    with pytest.raises(RuntimeError) as caught:
        echoing(scalar("f64", "f64"))(Raising())
    assert caught.value is error


def test_an_int_subclass_is_the_int_that_it_holds() -> None:
    class Strange(int):
        def __index__(self) -> int:
            return 1

        def __int__(self) -> int:
            return 2

    assert echoing(scalar("u8", "i32"))(Strange(200)) == 200
    with pytest.raises(OverflowError, match="^x: 300 does not fit u8"):
        echoing(scalar("u8", "i32"))(Strange(300))


def test_huge_ints_are_refused_without_a_limit_on_their_digits() -> None:
    with pytest.raises(OverflowError, match="^x: .* does not fit u64: expected an int from 0 to 18446744073709551615$"):
        echoing(scalar("u64", "i64"))(10**10_000)


def test_a_str_subclass_is_the_text_that_it_holds() -> None:
    class Loud(str):
        def __str__(self) -> str:
            return "LOUD"

        def encode(self, encoding: str = "utf-8", errors: str = "strict") -> bytes:
            return b"\xff"

    assert echoing(pair("string"))(Loud("quiet")) == "quiet"


def test_a_mapping_that_denies_its_keys_misses_a_field() -> None:
    class Denying(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise KeyError(key)

        def __iter__(self) -> Iterator[str]:
            return iter(["id", "full-name"])

        def __len__(self) -> int:
            return 2

    with pytest.raises(TypeError, match=r"^x\[0\]: missing field 'id' of record \{id, full-name\} in Denying$"):
        echoing(pair("(list $item)", ITEM))([Denying()])


def test_a_variant_with_a_strange_tag_is_refused() -> None:
    call = echoing(pair("(list (result u8 (error u8)))"))
    with pytest.raises(TypeError, match=r"^x\[0\]: expected a str as tag, got int$"):
        call([Variant(1, 2)])  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^x\[0\]: expected a str as tag, got NoneType$"):
        call([Variant.__new__(Variant)])
    with pytest.raises(UnicodeEncodeError):
        call([Variant("\ud800", 2)])
    variant = Variant("ok")
    variant.payload = variant
    with pytest.raises(TypeError, match=r"^x\[0\]\.ok: expected an int for u8, got Variant$"):
        call([variant])


def test_flags_want_a_collection_and_not_a_stream_without_end() -> None:
    def endless() -> Iterator[str]:
        while True:
            yield "read"

    with pytest.raises(TypeError, match=r"^x\[0\]: expected a set of str for flags, got generator$"):
        echoing(pair("(list $mode)", MODE))([endless()])


@pytest.mark.parametrize("wrong", ["abc", {"a": 1}, {1, 2}, 5, None, object(), iter([1]), (x for x in [1])])
def test_what_is_no_sequence_is_no_list(wrong: object) -> None:
    with pytest.raises(TypeError, match=f"^x: expected a sequence for list, got {type(wrong).__name__}$"):
        echoing(pair("(list u32)"))(wrong)


# ---- everything that is a sequence or a mapping is accepted ----


@pytest.mark.parametrize(
    "sequence",
    [[1, 2], (1, 2), range(1, 3), collections.deque([1, 2]), collections.UserList([1, 2]), numpy.array([1, 2], "<u4"), numpy.array([1, 2], ">u4"),
     numpy.array([1, 2], "u1"), numpy.array([1, 9, 2, 9], "u4")[::2], array.array("q", [1, 2]), memoryview(array.array("I", [1, 2]))],
    ids=lambda value: f"{type(value).__name__}-{getattr(value, 'dtype', '')}",
)  # fmt: skip
def test_every_sequence_is_a_list(sequence: Any) -> None:
    assert echoing(pair("(list u32)"))(sequence) == [1, 2]


@pytest.mark.parametrize(
    "mapping",
    [types.MappingProxyType({"id": 1, "full-name": "n"}), collections.ChainMap[str, Any]({"id": 1}, {"full_name": "n"}), collections.OrderedDict(id=1, full_name="n")],
    ids=lambda value: type(value).__name__,
)
def test_every_mapping_is_a_record(mapping: Any) -> None:
    [record] = echoing(pair("(list $item)", ITEM))([mapping])
    assert (record.id, record.full_name) == (1, "n")


def test_named_tuples_and_slots_are_records() -> None:
    class Slots:
        __slots__ = ("full_name", "id")

        def __init__(self) -> None:
            self.id, self.full_name = 1, "n"

    slots = Slots()
    named = collections.namedtuple("named", ["id", "full_name"])
    assert [item.id for item in echoing(pair("(list $item)", ITEM))([slots, named(2, "m")])] == [1, 2]


def test_members_of_every_kind_of_enum_are_cases() -> None:
    class Text(enum.StrEnum):
        GREEN = "dark-green"

    class Number(enum.IntEnum):
        RED = 1
        DARK_GREEN = 2

    assert echoing(pair("(list $color)", COLOR))([Text.GREEN, Number.RED, Number.DARK_GREEN]) == ["dark-green", "red", "dark-green"]

    class Mode(enum.IntFlag):
        READ = 1
        WRITE = 2

    assert echoing(pair("(list $mode)", MODE))([Mode.READ | Mode.WRITE, Mode(0), ["read"], ("write",)]) == [{"read", "write"}, set(), {"read"}, {"write"}]


def test_nested_options_are_told_apart_at_any_depth() -> None:
    call = echoing(pair("(list (option (option (option u8))))"))
    # Whether a value is bare or a `Variant` is told by its type alone, level by level.
    values = [None, Variant("none"), Variant("some", None), Variant("some", 5)]
    assert call(values) == values
    assert len({repr(value) for value in call(values)}) == 4


# ---- what guests give is checked ----


def giving(ty: str, body: str, types: str = "", core: str = "i32") -> Callable[[], Any]:
    """A function without parameters whose core function has this body; memory holds fe ff fe ff from 64 on."""
    text = f"""(component {types} {MEMORY}
      (core module $code (import "" "memory" (memory 1)) (data (i32.const 64) "\\fe\\ff\\fe\\ff\\00\\d8\\00\\d8")
        (func (export "give") (result {core}) {body}))
      (core instance $c (instantiate $code (with "" (instance (export "memory" (memory $m "memory"))))))
      (func (export "give") (result {ty}) (canon lift (core func $c "give") {OPTIONS})))"""
    store, function = instantiate(text)
    func = function("give")
    return lambda: func(store)


def at(address: int, length: int) -> str:
    return f"(i32.store (i32.const 16) (i32.const {address})) (i32.store (i32.const 20) (i32.const {length})) (i32.const 16)"


@pytest.mark.parametrize(
    ("ty", "body", "message"),
    [
        ("string", at(-8, 100), "the range of 100 bytes at 0xfffffff8 is out of bounds of memory"),
        ("string", at(0, 0x7FFFFFFF), "is out of bounds of memory"),
        ("string", at(64, 4), "invalid utf-8 sequence"),
        ("(list u8)", at(65535, 2), "the range of 2 bytes at 0xffff is out of bounds of memory"),
        ("(list u64)", at(4, 1), "the pointer 0x4 is not aligned to 8 bytes"),
        ("(list u64)", at(0, -1), "is out of bounds of memory"),
        ("(list (tuple u64 u64 u64))", at(0, -1), "is out of bounds of memory"),
        ("(list char)", "(i32.store (i32.const 0) (i32.const 0xd800))" + at(0, 1), "0xd800 is no Unicode scalar value"),
        ("(list char)", "(i32.store (i32.const 0) (i32.const 0x110000))" + at(0, 1), "0x110000 is no Unicode scalar value"),
        ("char", "(i32.const 0xdfff)", "0xdfff is no Unicode scalar value"),
        ("$color", "(i32.const 2)", "the discriminant 2 is out of range: the type has 2 cases"),
        ("(tuple u8 u8)", "(i32.const -4)", "is out of bounds of memory"),
        ("(tuple u32 u32)", "(i32.const 2)", "the pointer 0x2 is not aligned to 4 bytes"),
        ("(list (result))", at(64, 1), "the discriminant 254 is out of range: the type has 2 cases"),
        ("(list (option u8))", at(64, 1), "the discriminant 254 is out of range: the type has 2 cases"),
    ],
)
def test_what_a_guest_gives_is_checked(ty: str, body: str, message: str) -> None:
    with pytest.raises(WasmtimeError, match=re.escape(message)):
        giving(ty, body, COLOR)()


def test_what_a_guest_leaves_in_the_upper_bits_is_dropped() -> None:
    assert giving("u8", "(i32.const 0xffff)")() == 255
    assert giving("s8", "(i32.const 0xff80)")() == -128
    assert giving("bool", "(i32.const 0x100)")() is True
    assert giving("$mode", "(i32.const 0xff)", MODE)() == {"read", "write"}


def test_a_guest_cannot_make_its_host_allocate_without_end() -> None:
    # Every item takes a byte in the guest, and a Python object here.
    with pytest.raises(WasmtimeError, match="too much data is being copied|fuel"):
        giving("(list bool)", f"(drop (memory.grow (i32.const 8000))) {at(1024, 500_000_000)}")()


# ---- results of host functions are checked like arguments ----


@pytest.mark.parametrize(
    ("ty", "result", "error", "message"),
    [
        ("string", 5, TypeError, "result: expected a str for string, got int"),
        ("string", "\ud800", UnicodeEncodeError, "result: a lone surrogate is no Unicode scalar value"),
        ("(list u8)", [1, 256], OverflowError, "result[1]: 256 does not fit u8: expected an int from 0 to 255"),
        ("(list string)", ["a", None], TypeError, "result[1]: expected a str for string, got NoneType"),
        ("(tuple u32 s32)", (1,), TypeError, "result: expected a tuple of 2 items, got 1"),
        ("(option u32)", "x", TypeError, "result: expected an int for u32, got str"),
    ],
)
def test_what_a_host_function_returns_is_checked(ty: str, result: object, error: type[Exception], message: str) -> None:
    store, function = instantiate(through_host(ty), f=lambda _context, _x: result)
    values: dict[str, object] = {"string": "", "(list u8)": b"", "(list string)": [], "(tuple u32 s32)": (0, 0), "(option u32)": None}
    with pytest.raises(error, match=re.escape(message)):
        function("call")(store, values[ty])


def test_host_functions_may_return_buffers() -> None:
    store, function = instantiate(through_host("(list f64)"), f=lambda _context, x: numpy.array(x) * 2)
    assert function("call")(store, array.array("d", [1.5, 2.5])) == [3.0, 5.0]
    store, function = instantiate(through_host("(list u8)"), f=lambda _context, x: memoryview(x)[::-1])
    assert function("call")(store, b"abc") == b"cba"


# ---- nothing is kept ----


def test_failed_and_finished_calls_keep_nothing() -> None:
    call = echoing(pair("(list string)"))
    texts = ["text" * 100, "other" * 100]
    before = [sys.getrefcount(text) for text in texts]
    assert call(texts) == texts
    with pytest.raises(TypeError):
        call([*texts, 5])
    assert [sys.getrefcount(text) for text in texts] == before


def test_flat_records_of_strings_survive_a_collection_in_the_middle() -> None:
    class Collecting:
        id = 1

        @property
        def full_name(self) -> str:
            gc.collect()
            return "name" + str(id(self))

    call = echoing(echo("$item", "(param i32 i32 i32)", "(result i32)",
        "(i32.store8 (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1)) (i32.store (i32.const 24) (local.get 2)) (i32.const 16)",
        ITEM))  # fmt: skip
    value = Collecting()
    assert call(value).full_name == f"name{id(value)}"
