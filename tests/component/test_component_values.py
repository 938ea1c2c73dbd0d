"""Values of every interface type cross both ways, and what does not fit is named exactly."""

from __future__ import annotations

import array
import enum
import math
import os
import pathlib
import re
import subprocess
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest

from wit_support import echo, echoing, instantiate, pair, scalar, through_host
from ferrowasm import Config, Engine
from ferrowasm.component import Err, Ok, Record, Variant

INTEGERS = [(f"{sign}{bits}", sign == "s", bits) for sign in "su" for bits in (8, 16, 32, 64)]

ITEM = '(type $item_ (record (field "id" u8) (field "full-name" string))) (export $item "item" (type $item_))'


@pytest.mark.parametrize(("ty", "signed", "bits"), INTEGERS)
def test_integers_pass_in_their_whole_range_and_not_beyond(ty: str, signed: bool, bits: int) -> None:
    call = echoing(scalar(ty, "i64" if bits == 64 else "i32"))
    least, greatest = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    for value in (least, greatest, 0, 1):
        assert call(value) == value
    for value in (least - 1, greatest + 1, 2**100, -(2**100)):
        message = f"x: {value} does not fit {ty}: expected an int from {least} to {greatest}"
        with pytest.raises(OverflowError, match=f"^{re.escape(message)}$"):
            call(value)
    for wrong in ("1", 1.0, None):
        with pytest.raises(TypeError, match=f"^x: expected an int for {ty}, got {type(wrong).__name__}$"):
            call(wrong)
    assert call(1) == 1, "a refused argument leaves the instance usable"


def test_integers_accept_whatever_has_an_index() -> None:
    class Index:
        def __index__(self) -> int:
            return 7

    assert echoing(scalar("u8", "i32"))(Index()) == 7


@pytest.mark.parametrize(("ty", "core"), [("f32", "f32"), ("f64", "f64")])
def test_floats_pass(ty: str, core: str) -> None:
    call = echoing(scalar(ty, core))
    for value in (0.0, 1.5, -2.25, math.inf, -math.inf):
        assert call(value) == value
    assert math.isnan(call(math.nan))
    assert math.copysign(1, call(-0.0)) == -1
    assert call(3) == 3.0 and type(call(3)) is float
    with pytest.raises(TypeError, match=f"^x: expected a number for {ty}, got str$"):
        call("1.5")


def test_bools_are_bools_only() -> None:
    call = echoing(scalar("bool", "i32"))
    assert call(True) is True and call(False) is False
    with pytest.raises(TypeError, match="^x: expected a bool, got int$"):
        call(1)


def test_chars_are_one_unicode_scalar_value() -> None:
    call = echoing(scalar("char", "i32"))
    for value in ("a", "é", "\U0001f600", "\0", "\uffff"):
        assert call(value) == value
    with pytest.raises(TypeError, match="^x: expected a str of one character for char, got one of 2$"):
        call("ab")
    with pytest.raises(UnicodeEncodeError, match="x: a lone surrogate is no Unicode scalar value"):
        call("\ud800")


@pytest.mark.parametrize("encoding", ["utf8", "utf16", "latin1+utf16"])
def test_strings_pass_in_every_encoding_of_the_canonical_abi(encoding: str) -> None:
    text = pair("string").replace('(realloc (core func $m "realloc"))', f'(realloc (core func $m "realloc")) string-encoding={encoding}')
    call = echoing(text)
    for value in ("", "hello", "h\u00e9llo", "\u20ac \U0001f600", "\0", "a" * 100_000):
        assert call(value) == value


def test_a_lone_surrogate_in_a_string_is_named_with_its_place() -> None:
    call = echoing(pair("(list string)"))
    with pytest.raises(UnicodeEncodeError, match=r"x\[1\]: a lone surrogate is no Unicode scalar value"):
        call(["fine", "a\udfff"])


def test_lists_pass() -> None:
    assert echoing(pair("(list string)"))(["a", "", "bc"]) == ["a", "", "bc"]
    assert echoing(pair("(list (list u16))"))([[1], [], [2, 3]]) == [[1], [], [2, 3]]
    assert echoing(pair("(list bool)"))((True, False)) == [True, False]
    assert echoing(pair("(list s64)"))(range(3)) == [0, 1, 2]


def test_bytes_are_lists_of_u8() -> None:
    call = echoing(pair("(list u8)"))
    for value in (b"abc", bytearray(b"abc"), memoryview(b"abc"), memoryview(b"a-b-c")[::2], array.array("B", b"abc"), [97, 98, 99]):
        assert call(value) == b"abc"
    assert type(call(bytearray(b"abc"))) is bytes
    with pytest.raises(TypeError, match="^x: expected bytes or a sequence of int for list<u8>, got str$"):
        call("abc")
    with pytest.raises(OverflowError, match=r"^x\[2\]: 300 does not fit u8"):
        call([1, 2, 300])


@pytest.mark.parametrize(
    ("ty", "code"), [("s8", "b"), ("s16", "h"), ("u16", "H"), ("s32", "i"), ("u32", "I"), ("s64", "q"), ("u64", "Q"), ("f32", "f"), ("f64", "d")]
)
def test_numeric_lists_pass_from_buffers_and_back_into_them(ty: str, code: str) -> None:
    store, function = instantiate(pair(f"(list {ty})"))
    values = array.array(code, [1, 2, 3])
    assert function("echo")(store, values) == [1, 2, 3]
    view = function("echo").with_results(buffers=True)(store, values)
    assert type(view) is memoryview and view.readonly
    assert (view.format, view.tolist()) == (code, [1, 2, 3])


def test_buffers_of_other_items_are_converted_one_by_one() -> None:
    call = echoing(pair("(list u32)"))
    assert call(array.array("q", [1, 2**32 - 1])) == [1, 2**32 - 1]
    with pytest.raises(OverflowError, match=r"^x\[1\]: -1 does not fit u32"):
        call(array.array("q", [1, -1]))
    with pytest.raises(TypeError, match=r"^x\[0\]: expected an int for u32, got float$"):
        call(array.array("d", [1.0]))


def test_64_mib_pass_both_ways_with_default_settings() -> None:
    value = bytes(64 << 20)
    assert echoing(pair("(list u8)"))(value) == value


MEMORY_USE = """
import pathlib
from wit_support import echoing, pair

def used(kind):
    [line] = [line for line in pathlib.Path("/proc/self/status").read_text().splitlines() if line.startswith(kind)]
    return int(line.split()[1]) * 1024

call = echoing(pair("(list u8)"))
value = b"x" * (64 << 20)
call(b"warm")
pathlib.Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
before = used("VmRSS")
result = call(value)
assert len(result) == len(value)
print((used("VmHWM") - before) / len(value))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of memory from /proc")
def test_64_mib_take_at_most_2_2_times_as_much_extra_memory() -> None:
    here = os.pathsep.join([*sys.path, str(pathlib.Path(__file__).parent)])
    run = subprocess.run([sys.executable, "-c", MEMORY_USE], env={**os.environ, "PYTHONPATH": here}, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    # One copy in the guest, one as the result.
    assert 1.9 < float(run.stdout) <= 2.2


@dataclass
class Item:
    id: int
    full_name: str


def test_records_are_accepted_in_every_form_and_come_as_records() -> None:
    call = echoing(pair("(list $item)", ITEM))
    named = SimpleNamespace(id=1, full_name="n")
    forms: list[Any] = [named, Item(1, "n"), {"id": 1, "full_name": "n"}, {"id": 1, "full-name": "n"}, Record(**{"id": 1, "full-name": "n"})]
    results = call(forms)
    assert results == [Record(**{"id": 1, "full-name": "n"})] * 5
    assert (results[0].id, results[0].full_name, results[0]["full-name"]) == (1, "n", "n")
    assert repr(results[0]) == "Record(id=1, full-name='n')"


def test_errors_name_the_place_in_the_value() -> None:
    call = echoing(pair("(list $item)", ITEM))
    fine = {"id": 1, "full_name": "n"}
    with pytest.raises(OverflowError, match=r"^x\[3\]\.id: 300 does not fit u8: expected an int from 0 to 255$"):
        call([fine, fine, fine, {"id": 300, "full_name": "n"}])
    with pytest.raises(TypeError, match=r"^x\[0\]\.full-name: expected a str for string, got bytes$"):
        call([{"id": 1, "full_name": b"n"}])
    with pytest.raises(TypeError, match=r"^x\[0\]: missing field 'full-name' of record \{id, full-name\} in dict$"):
        call([{"id": 1}])
    with pytest.raises(AttributeError, match=r"^x\[0\]: missing field 'full-name' of record \{id, full-name\} in SimpleNamespace$"):
        call([SimpleNamespace(id=1)])


def test_what_an_attribute_raises_passes_unchanged() -> None:
    error = RuntimeError("from the property")

    class Raising:
        @property
        def id(self) -> int:
            raise error

    with pytest.raises(RuntimeError) as caught:
        echoing(pair("(list $item)", ITEM))([Raising()])
    assert caught.value is error


def test_tuples_pass() -> None:
    call = echoing(pair("(list (tuple u8 string))"))
    assert call([(1, "a"), [2, "b"]]) == [(1, "a"), (2, "b")]
    with pytest.raises(TypeError, match=r"^x\[0\]: expected a tuple of 2 items, got 1$"):
        call([(1,)])


COLOR = '(type $color_ (enum "red" "dark-green")) (export $color "color" (type $color_))'


def test_enums_are_str_and_members_are_accepted() -> None:
    class ByValue(enum.Enum):
        GREEN = "dark-green"

    class ByName(enum.Enum):
        DARK_GREEN = 7

    call = echoing(pair("(list $color)", COLOR))
    assert call(["red", "dark-green", ByValue.GREEN, ByName.DARK_GREEN]) == ["red", "dark-green", "dark-green", "dark-green"]
    with pytest.raises(ValueError, match=r"^x\[0\]: 'blue' is no case of enum \{red, dark-green\}$"):
        call(["blue"])
    with pytest.raises(TypeError, match=r"^x\[0\]: expected a str or an enum member for enum, got int$"):
        call([0])


@pytest.mark.parametrize("count", [1, 8, 9, 16, 17, 32])
def test_flags_of_every_size_are_sets_of_str(count: int) -> None:
    names = [f"f{index}" for index in range(count)]
    types = f"(type $fl_ (flags {' '.join(map(repr, names))})) (export $fl \"fl\" (type $fl_))".replace("'", '"')
    call = echoing(pair("(list $fl)", types))
    values = [set(), {names[0]}, {names[-1]}, set(names)]
    assert call(values) == values


def test_flags_accept_members_of_flag_classes_and_refuse_other_names() -> None:
    class Mode(enum.Flag):
        READ = enum.auto()
        WRITE = enum.auto()

    types = '(type $mode_ (flags "read" "write")) (export $mode "mode" (type $mode_))'
    call = echoing(pair("(list $mode)", types))
    assert call([Mode.READ | Mode.WRITE, frozenset({"write"})]) == [{"read", "write"}, {"write"}]
    with pytest.raises(ValueError, match=r"^x\[0\]: 'exec' is none of the flags \{read, write\}$"):
        call([{"exec"}])
    with pytest.raises(TypeError, match=r"^x\[0\]: expected a set of str for flags, got str$"):
        call(["read"])


def test_options_are_none_or_the_value() -> None:
    call = echoing(pair("(option u32)"))
    assert call(None) is None and call(5) == 5 and call(0) == 0
    with pytest.raises(TypeError, match="^x: expected an int for u32, got str$"):
        call("5")


def test_options_of_options_are_told_apart() -> None:
    call = echoing(pair("(list (option (option u8)))"))
    values = [Variant("none"), Variant("some", None), Variant("some", 5)]
    assert call(values) == values
    with pytest.raises(TypeError, match=r"^x\[0\]: expected a Variant for option \{none, some\}, got int$"):
        call([5])


def test_results_are_bare_where_the_class_tells_and_tagged_where_it_does_not() -> None:
    assert echoing(pair("(list (result u8 (error string)))"))([1, "bad", Ok(2), Err("worse")]) == [1, "bad", 2, "worse"]
    same = echoing(pair("(list (result u8 (error u8)))"))
    assert same([Ok(1), Err(2), Variant("ok", 3)]) == [Variant("ok", 1), Variant("err", 2), Variant("ok", 3)]


def test_results_are_ok_and_err_on_request() -> None:
    store, function = instantiate(pair("(list (result u8 (error string)))"))
    results = function("echo").with_results(tagged=True)(store, [1, "bad"])
    assert results == [Ok(1), Err("bad")]
    assert [type(result) for result in results] == [Ok, Err]
    assert repr(results) == "[Ok(1), Err('bad')]"


def test_subclasses_of_variants_have_their_own_init() -> None:
    class Code(Err):
        def __init__(self, *, code: int) -> None:
            super().__init__(code)

    class Side(Variant):
        def __init__(self) -> None:
            super().__init__("ok", 7)

    assert (Code(code=5), repr(Code(code=5)), Side().payload) == (Err(5), "Code(5)", 7)
    assert echoing(pair("(list (result u8 (error u8)))"))([Code(code=5), Side()]) == [Err(5), Ok(7)]


SHAPE = '(type $shape_ (variant (case "side" u32) (case "name" string) (case "none"))) (export $shape "shape" (type $shape_))'


def test_variants_are_bare_where_the_class_tells() -> None:
    call = echoing(pair("(list $shape)", SHAPE))
    assert call([7, "n", None, Variant("side", 8), Variant("none")]) == [7, "n", None, 8, None]
    with pytest.raises(ValueError, match=r"^x\[0\]: float is no value of variant \{side, name, none\}$"):
        call([1.5])
    with pytest.raises(ValueError, match=r"^x\[0\]: 'circle' is no case of variant \{side, name, none\}$"):
        call([Variant("circle", 1)])
    with pytest.raises(OverflowError, match=r"^x\[0\]\.side: -1 does not fit u32"):
        call([Variant("side", -1)])
    with pytest.raises(TypeError, match=r"^x\[0\]: case 'none' has no payload, got int$"):
        call([Variant("none", 1)])


def test_a_bool_is_no_int_where_a_variant_has_both() -> None:
    types = '(type $v_ (variant (case "num" u32) (case "flag" bool))) (export $v "v" (type $v_))'
    store, function = instantiate(pair("(list $v)", types))
    results = function("echo")(store, [1, True])
    assert results == [1, True] and [type(result) for result in results] == [int, bool]


def test_flat_variants_fill_the_registers_that_a_case_does_not_use() -> None:
    types = '(type $v_ (variant (case "word" u64) (case "float" f32) (case "text" string))) (export $v "v" (type $v_))'
    # Discriminant, then i64 (which carries u64, f32 and an address), then i32.
    body = """(i32.store8 (i32.const 16) (local.get 0)) (i64.store (i32.const 24) (local.get 1))
      (if (i32.eq (local.get 0) (i32.const 2)) (then (i32.store (i32.const 28) (local.get 2)))) (i32.const 16)"""
    call = echoing(echo("$v", "(param i32 i64 i32)", "(result i32)", body, types))
    for value in (2**64 - 1, 1.5, "some text", ""):
        assert call(value) == value


def test_maps_are_dicts() -> None:
    config = Config()
    config.wasm_component_model_map = True
    call = echoing(pair("(map string u32)"), Engine(config))
    assert call({"a": 1, "b": 2}) == {"a": 1, "b": 2}
    assert call({}) == {}
    with pytest.raises(OverflowError, match=r"^x\['b'\]: -1 does not fit u32"):
        call({"a": 1, "b": -1})
    with pytest.raises(TypeError, match="^x: expected a mapping for map, got list$"):
        call([("a", 1)])


def test_fixed_length_lists_have_their_length() -> None:
    config = Config()
    config.wasm_component_model_fixed_length_lists = True
    call = echoing(pair("(list (list u16 3))"), Engine(config))
    assert call([[1, 2, 3], (4, 5, 6)]) == [[1, 2, 3], [4, 5, 6]]
    with pytest.raises(ValueError, match=r"^x\[0\]: expected 3 items, got 2$"):
        call([[1, 2]])


def test_more_parameters_than_registers_are_passed_in_memory() -> None:
    params = " ".join(f'(param "p{index}" u32)' for index in range(20))
    text = f"""(component
      (core module $m (memory (export "memory") 1)
        (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
        (func (export "last") (param i32) (result i32) (i32.load offset=76 (local.get 0))))
      (core instance $m (instantiate $m))
      (func (export "last") {params} (result u32)
        (canon lift (core func $m "last") (memory (core memory $m "memory")) (realloc (core func $m "realloc")))))"""
    store, function = instantiate(text)
    assert function("last")(store, *range(20)) == 19
    with pytest.raises(OverflowError, match="^p7: -1 does not fit u32"):
        function("last")(store, *range(7), -1, *range(12))
    with pytest.raises(TypeError, match="^wrong number of parameters provided: given 1, expected 20$"):
        function("last")(store, 1)


@pytest.mark.parametrize(
    ("ty", "value"),
    [
        ("string", "h\u00e9llo"),
        ("(list u8)", b"bytes"),
        ("(list f64)", [1.5, 2.5]),
        ("(list string)", ["a", "b"]),
        ("(option u32)", 7),
        ("(tuple u32 s32)", (1, -2)),
    ],
)
def test_values_pass_through_host_functions(ty: str, value: object) -> None:
    seen = []

    def host(_store: object, x: object) -> object:
        seen.append(x)
        return x

    store, function = instantiate(through_host(ty), f=host)
    assert function("call")(store, value) == value
    assert seen == [value]


class Changing(list[Any]):
    """Claims another length than it has."""

    def __len__(self) -> int:
        return 1_000_000


def test_a_list_that_lies_about_its_length_gives_what_it_yields() -> None:
    assert echoing(pair("(list u32)"))(Changing([1, 2])) == [1, 2]


def test_a_list_that_changes_while_it_is_converted_is_passed_as_it_was() -> None:
    items: list[Any] = []

    class Clearing:
        def __index__(self) -> int:
            items.clear()
            return 1

    items.extend([Clearing(), 2, 3])
    assert echoing(pair("(list u32)"))(items) == [1, 2, 3]


def test_a_conversion_cannot_enter_the_store_that_it_is_for() -> None:
    store, function = instantiate(pair("(list u32)"))
    func = function("echo")

    class Entering:
        def __index__(self) -> int:
            func(store, [1])
            return 1

    with pytest.raises(RuntimeError, match="^the store is busy"):
        func(store, [Entering()])
    assert func(store, [1]) == [1]
