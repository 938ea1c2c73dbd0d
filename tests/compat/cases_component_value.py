"""The Python values of interface types, as arguments and results of exports and of imports."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace
from typing import Any

from .component_programs import echo, function, through_host
from .harness import CaseFunction, Package, attempt, case, register

POINT = ("point", '(record (field "x" s32) (field "y-axis" f64) (field "label" string))')
SHAPE = ("shape", '(variant (case "nothing") (case "circle" f64) (case "named" string))')
AMBIGUOUS = ("size", '(variant (case "width" u32) (case "height" u32) (case "none"))')
COLOR = ("color", '(enum "red" "dark-green" "blue")')
RIGHTS = ("rights", '(flags "read" "write" "run-it")')


@dataclass(frozen=True)
class Kind:
    """A type, and a list of values of it."""

    text: str
    values: Callable[[Package], Any]
    definitions: tuple[tuple[str, str], ...] = ()


def _record(w: Package, **fields: object) -> Any:
    """A record made as wasmtime-py has it: without arguments, then field by field."""
    record = w.component.Record()
    for name, value in fields.items():
        setattr(record, name.replace("_", "-"), value)
    return record


KINDS = {
    "bool": Kind("bool", lambda w: [True, False]),
    "u8": Kind("u8", lambda w: b"\0\x7f\xff"),
    "s8": Kind("s8", lambda w: [-128, 0, 127]),
    "u16": Kind("u16", lambda w: [0, 65535]),
    "s16": Kind("s16", lambda w: [-32768, 32767]),
    "u32": Kind("u32", lambda w: [0, 2**32 - 1]),
    "s32": Kind("s32", lambda w: [-(2**31), 2**31 - 1]),
    "u64": Kind("u64", lambda w: [0, 2**64 - 1]),
    "s64": Kind("s64", lambda w: [-(2**63), 2**63 - 1]),
    "f32": Kind("f32", lambda w: [0.5, -0.0, float("inf")]),
    "f64": Kind("f64", lambda w: [0.1, 1e308, float("-inf")]),
    "f32_rounded": Kind("f32", lambda w: [0.1]),
    "f64_nan": Kind("f64", lambda w: [float("nan")]),
    "char": Kind("char", lambda w: ["a", "é", "\U0001f600", "\0"]),
    "string": Kind("string", lambda w: ["", "abc", "h\0i", "é€\U0001f600"]),
    "list": Kind("(list u32)", lambda w: [[], [1, 2]]),
    "list_of_bytes": Kind("(list u8)", lambda w: [b"", b"abc"]),
    "list_of_lists": Kind("(list (list string))", lambda w: [[["a"], []], []]),
    "tuple": Kind("(tuple u8 string)", lambda w: [(1, "a"), (2, "b")]),
    "tuple_of_one": Kind("(tuple f64)", lambda w: [(1.0,)]),
    "record": Kind("$point", lambda w: [_record(w, x=1, y_axis=2.5, label="three")], (POINT,)),
    "variant": Kind("$shape", lambda w: [None, 1.5, "text"], (SHAPE,)),
    "ambiguous_variant": Kind(
        "$size",
        lambda w: [
            w.component.Variant("width", 1),
            w.component.Variant("height", 2),
            w.component.Variant("none"),
        ],
        (AMBIGUOUS,),
    ),
    "enum": Kind("$color", lambda w: ["red", "dark-green", "blue"], (COLOR,)),
    "flags": Kind("$rights", lambda w: [set(), {"read"}, {"read", "write", "run-it"}], (RIGHTS,)),
    "option": Kind("(option u32)", lambda w: [None, 0, 5]),
    "option_of_string": Kind("(option string)", lambda w: [None, "", "a"]),
    "option_of_option": Kind(
        "(option (option u32))",
        lambda w: [w.component.Variant("none"), w.component.Variant("some", None), w.component.Variant("some", 3)],
    ),
    "option_of_list": Kind("(option (list u32))", lambda w: [None, [], [1]]),
    "result": Kind("(result u32 (error string))", lambda w: [1, "bad"]),
    "result_of_one_class": Kind(
        "(result u32 (error u32))", lambda w: [w.component.Variant("ok", 1), w.component.Variant("err", 2)]
    ),
    "result_without_payloads": Kind("(result)", lambda w: [w.component.Variant("ok"), w.component.Variant("err")]),
    "result_without_error": Kind("(result u32)", lambda w: [5, None]),
    "result_without_ok": Kind("(result (error u32))", lambda w: [None, 5]),
    "result_of_result": Kind(
        "(result (result u32 (error string)) (error f64))",
        lambda w: [1, "inner", 1.5],
    ),
    "option_of_record": Kind("(option $point)", lambda w: [None, _record(w, x=0, y_axis=0.0, label="")], (POINT,)),
    "tuple_of_everything": Kind(
        "(tuple bool u64 f32 char string (list u8) $color $rights)",
        lambda w: [(True, 7, 0.25, "c", "s", b"b", "blue", {"write"})],
        (COLOR, RIGHTS),
    ),
}


def _passes_through_a_guest(kind: Kind) -> CaseFunction:
    return lambda w: function(w, echo(kind.text, kind.definitions), "echo")(kind.values(w))


def _passes_through_the_host(kind: Kind) -> CaseFunction:
    def run(w: Package) -> object:
        seen: list[object] = []

        def host(_context: object, values: object) -> object:
            seen.append(values)
            return kind.values(w)

        call = function(w, through_host(kind.text, kind.definitions), "echo", f=host)
        return [call(kind.values(w)), seen]

    return run


for _name, _kind in KINDS.items():
    register(f"{_name}_passes_through_a_guest", _passes_through_a_guest(_kind))
    register(f"{_name}_passes_through_the_host", _passes_through_the_host(_kind))

# What is no value of a type, or is one by a stretch: name of the case → kind, and the list that is passed.
STRANGE: dict[str, tuple[str, Callable[[Package], Any]]] = {
    "u8_of_an_int_in_a_list": ("u8", lambda w: [1, 2]),
    "u8_of_a_bytearray": ("u8", lambda w: bytearray(b"ab")),
    "u8_of_a_memoryview": ("u8", lambda w: memoryview(b"ab")),
    "u8_of_a_str": ("u8", lambda w: "ab"),
    "s8_out_of_range": ("s8", lambda w: [300]),
    "u16_out_of_range": ("u16", lambda w: [-1]),
    "s16_out_of_range": ("s16", lambda w: [2**15]),
    "u32_out_of_range": ("u32", lambda w: [2**32 + 5]),
    "s32_out_of_range": ("s32", lambda w: [2**31]),
    "u64_out_of_range": ("u64", lambda w: [2**64 + 1]),
    "s64_out_of_range": ("s64", lambda w: [2**63]),
    "u32_of_a_float": ("u32", lambda w: [1.0]),
    "u32_of_a_bool": ("u32", lambda w: [True]),
    "u32_of_none": ("u32", lambda w: [None]),
    "f64_of_an_int": ("f64", lambda w: [1]),
    "f64_of_a_str": ("f64", lambda w: ["1"]),
    "f32_too_large": ("f32", lambda w: [1e300]),
    "bool_of_an_int": ("bool", lambda w: [1]),
    "char_of_two": ("char", lambda w: ["ab"]),
    "char_of_nothing": ("char", lambda w: [""]),
    "char_of_an_int": ("char", lambda w: [65]),
    "string_of_bytes": ("string", lambda w: [b"ab"]),
    "string_with_a_lone_surrogate": ("string", lambda w: ["\ud800"]),
    "list_of_a_tuple": ("list", lambda w: [(1, 2)]),
    "list_of_none": ("list", lambda w: [None]),
    "list_of_a_wrong_item": ("list", lambda w: [[1, "2"]]),
    "tuple_too_short": ("tuple", lambda w: [(1,)]),
    "tuple_too_long": ("tuple", lambda w: [(1, "a", 2)]),
    "tuple_of_a_list": ("tuple", lambda w: [[1, "a"]]),
    "record_of_another_class": (
        "record",
        lambda w: [SimpleNamespace(**{"x": 1, "y-axis": 2.0, "label": "l"})],
    ),
    "record_of_a_dict": ("record", lambda w: [{"x": 1, "y-axis": 2.0, "label": "l"}]),
    "record_with_a_missing_field": ("record", lambda w: [_record(w, x=1, label="l")]),
    "record_with_a_wrong_field": ("record", lambda w: [_record(w, x="1", y_axis=2.0, label="l")]),
    "record_with_a_field_too_many": ("record", lambda w: [_record(w, x=1, y_axis=2.0, label="l", z=4)]),
    "record_of_snake_case": ("record", lambda w: [SimpleNamespace(x=1, y_axis=2.0, label="l")]),
    "variant_of_no_case": ("variant", lambda w: [b"bytes"]),
    "variant_tagged_without_need": ("variant", lambda w: [w.component.Variant("circle", 1.0)]),
    "ambiguous_variant_untagged": ("ambiguous_variant", lambda w: [5]),
    "ambiguous_variant_of_an_unknown_tag": ("ambiguous_variant", lambda w: [w.component.Variant("depth", 1)]),
    "ambiguous_variant_of_a_wrong_payload": ("ambiguous_variant", lambda w: [w.component.Variant("width", "1")]),
    "ambiguous_variant_with_a_needless_payload": ("ambiguous_variant", lambda w: [w.component.Variant("none", 1)]),
    "enum_of_an_unknown_name": ("enum", lambda w: ["pink"]),
    "enum_of_an_int": ("enum", lambda w: [0]),
    "flags_of_an_unknown_name": ("flags", lambda w: [{"admin"}]),
    "flags_of_a_list": ("flags", lambda w: [["read"]]),
    "flags_of_a_frozenset": ("flags", lambda w: [frozenset({"read"})]),
    "flags_of_ints": ("flags", lambda w: [{1}]),
    "option_of_a_wrong_class": ("option", lambda w: ["5"]),
    "option_out_of_range": ("option", lambda w: [-1]),
    "option_tagged_without_need": ("option", lambda w: [w.component.Variant("some", 5)]),
    "option_of_option_untagged": ("option_of_option", lambda w: [5]),
    "result_of_no_case": ("result", lambda w: [1.5]),
    "result_of_one_class_untagged": ("result_of_one_class", lambda w: [1]),
    "result_without_payloads_untagged": ("result_without_payloads", lambda w: [None]),
}


def _as_argument(kind: Kind, values: Callable[[Package], Any]) -> CaseFunction:
    return lambda w: function(w, echo(kind.text, kind.definitions), "echo")(values(w))


def _as_result(kind: Kind, values: Callable[[Package], Any]) -> CaseFunction:
    def run(w: Package) -> object:
        call = function(w, through_host(kind.text, kind.definitions), "echo", f=lambda _context, _values: values(w))
        return call(kind.values(w))

    return run


for _name, (_kind_name, _values) in STRANGE.items():
    _words = _name.replace("_", " ")
    for _form, _make in (("as_an_argument", _as_argument), ("as_a_result_of_the_host", _as_result)):
        _function = _make(KINDS[_kind_name], _values)
        _function.__doc__ = f"A list with `{_words}`, {_form.replace('_', ' ')}"
        register(f"{_name}_{_form}", _function)


@case
def a_list_that_is_no_list_is_refused(w: Package) -> object:
    """`echo(store, value)` for a `list<u32>` and a number, a dict, a set, a generator, `None`"""
    call = function(w, echo("u32"), "echo")
    return [attempt(partial(call, value)) for value in (1, {1: 2}, {1}, (n for n in (1, 2)), None)]


@case
def a_range_is_accepted_or_not(w: Package) -> object:
    """`echo(store, range(3))` for a `list<u32>`"""
    return function(w, echo("u32"), "echo")(range(3))


@case
def a_refused_argument_leaves_the_instance_usable(w: Package) -> object:
    call = function(w, echo("string"), "echo")
    return [attempt(lambda: call(["a", 1])), call(["b"])]


@case
def records_are_equal_by_their_fields(w: Package) -> object:
    first, second = _record(w, x=1, label="l"), _record(w, x=1, label="l")
    return [first == second, first == _record(w, x=2, label="l"), first != second]


@case
def a_record_equals_another_object_with_its_fields(w: Package) -> object:
    """`Record == SimpleNamespace` with the same attributes"""
    return _record(w, x=1) == SimpleNamespace(x=1)


@case
def a_record_equals_one_with_more_fields(w: Package) -> object:
    """`Record(x=1) == Record(x=1, y=2)`"""
    return _record(w, x=1) == _record(w, x=1, y=2)


@case
def the_fields_of_a_record_are_attributes(w: Package) -> object:
    [record] = function(w, echo("$point", (POINT,)), "echo")([_record(w, x=1, y_axis=2.0, label="l")])
    return [record.x, getattr(record, "y-axis"), record.label, attempt(lambda: record.z)]


@case
def the_fields_of_a_record_can_be_assigned(w: Package) -> object:
    call = function(w, echo("$point", (POINT,)), "echo")
    [record] = call([_record(w, x=1, y_axis=2.0, label="l")])
    record.x = 5
    return call([record])


@case(covers=["component.Variant.payload"])
def variants_are_equal_by_tag_and_payload(w: Package) -> object:
    variant = w.component.Variant("a", 1)
    return [
        variant == w.component.Variant(tag="a", payload=1),
        variant == w.component.Variant("a", 2),
        variant == w.component.Variant("b", 1),
        variant == ("a", 1),
        [variant.tag, variant.payload, w.component.Variant("c").payload],
    ]


@case
def a_variant_has_a_readable_repr(w: Package) -> object:
    return repr(w.component.Variant("a", [1, "x"]))


@case
def a_variant_can_be_changed(w: Package) -> object:
    variant = w.component.Variant("a", 1)
    variant.tag, variant.payload = "b", 2
    return variant


@case
def a_variant_cannot_be_hashed(w: Package) -> object:
    return hash(w.component.Variant("a", 1))


@case
def a_variant_can_be_matched(w: Package) -> object:
    match w.component.Variant("a", 1):
        case w.component.Variant(tag, payload):
            return [tag, payload]
        case _:
            return None
