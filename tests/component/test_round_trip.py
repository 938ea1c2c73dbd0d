"""Random types and values come back as they went in, through the guest's memory and through a host function."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ferrowasm import Engine
from ferrowasm.component import Record, Variant
from wit_support import instantiate, pair, through_host

ENGINE = Engine()
SCALARS: list[tuple[str, st.SearchStrategy[Any], str]] = [
    ("bool", st.booleans(), "bool"),
    *[(f"u{bits}", st.integers(0, 2**bits - 1), "int") for bits in (8, 16, 32, 64)],
    *[(f"s{bits}", st.integers(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1), "int") for bits in (8, 16, 32, 64)],
    ("f32", st.floats(width=32, allow_nan=False), "float"),
    ("f64", st.floats(allow_nan=False), "float"),
    ("char", st.characters(exclude_categories=["Cs"]), "str"),
    ("string", st.text(st.characters(exclude_categories=["Cs"])), "str"),
]


@dataclass
class Shape:
    """A type: its text, its values, and the Python classes they have, by which untagged variants are told apart."""

    text: str
    values: st.SearchStrategy[Any]
    classes: frozenset[str]
    #: The named types that it mentions, in order, as `(definition)`s.
    named: list[tuple[str, str]] = field(default_factory=list)


_names: Iterator[int] = itertools.count()


def listed(element: Shape) -> Shape:
    if element.text == "u8":
        return Shape("(list u8)", st.binary(), frozenset({"bytes"}))
    return Shape(f"(list {element.text})", st.lists(element.values, max_size=4), frozenset({"list"}), element.named)


def tupled(parts: list[Shape]) -> Shape:
    text = " ".join(part.text for part in parts)
    named = [name for part in parts for name in part.named]
    return Shape(f"(tuple {text})", st.tuples(*(part.values for part in parts)), frozenset({"tuple"}), named)


def name(definition: str, values: st.SearchStrategy[Any], classes: frozenset[str], parts: list[Shape]) -> Shape:
    """A type that has to have a name."""
    number = next(_names)
    named = [inner for part in parts for inner in part.named]
    return Shape(f"$t{number}", values, classes, [*named, (f"t{number}", definition)])


def record(parts: list[Shape]) -> Shape:
    fields = [f"field-{index}" for index in range(len(parts))]
    definition = " ".join(f'(field "{key}" {part.text})' for key, part in zip(fields, parts, strict=True))
    values = st.fixed_dictionaries({key: part.values for key, part in zip(fields, parts, strict=True)}).map(lambda items: Record(**items))
    return name(f"(record {definition})", values, frozenset({"record"}), parts)


def cased(cases: list[tuple[str, Shape | None]]) -> tuple[st.SearchStrategy[Any], frozenset[str]]:
    """The values of a variant, option or result: bare where no two cases have values of one class, else `Variant`s."""
    seen: set[str] = set()
    tagged = False
    for _, part in cases:
        classes = part.classes if part else {"nothing"}
        tagged = tagged or bool(seen & classes)
        seen |= classes

    def value(tag: str, tagged: bool = tagged) -> Callable[[Any], Any]:
        return lambda payload: Variant(tag, payload) if tagged else payload

    strategies = [(part.values if part else st.none()).map(value(tag)) for tag, part in cases]
    return st.one_of(strategies), frozenset({"variant"} if tagged else seen)


def variant(parts: list[Shape | None]) -> Shape:
    cases = [(f"case-{index}", part) for index, part in enumerate(parts)]
    values, classes = cased(cases)
    definition = " ".join(f'(case "{tag}" {part.text})' if part else f'(case "{tag}")' for tag, part in cases)
    return name(f"(variant {definition})", values, classes, [part for part in parts if part])


def option(part: Shape) -> Shape:
    values, classes = cased([("none", None), ("some", part)])
    return Shape(f"(option {part.text})", values, classes, part.named)


def result(parts: tuple[Shape | None, Shape | None]) -> Shape:
    ok, err = parts
    values, classes = cased([("ok", ok), ("err", err)])
    text = f"(result{f' {ok.text}' if ok else ''}{f' (error {err.text})' if err else ''})"
    return Shape(text, values, classes, [name for part in parts if part for name in part.named])


def enumeration(count: int) -> Shape:
    cases = [f"case-{index}" for index in range(count)]
    definition = " ".join(f'"{case}"' for case in cases)
    return name(f"(enum {definition})", st.sampled_from(cases), frozenset({"str"}), [])


def flags(count: int) -> Shape:
    names = [f"flag-{index}" for index in range(count)]
    definition = " ".join(f'"{flag}"' for flag in names)
    return name(f"(flags {definition})", st.sets(st.sampled_from(names)), frozenset({"set"}), [])


LEAVES = st.one_of(
    st.sampled_from(SCALARS).map(lambda scalar: Shape(scalar[0], scalar[1], frozenset({scalar[2]}))),
    st.integers(1, 300).map(enumeration),
    st.integers(1, 32).map(flags),
)


def compound(inner: st.SearchStrategy[Shape]) -> st.SearchStrategy[Shape]:
    return st.one_of(
        inner.map(listed),
        inner.map(option),
        st.lists(inner, min_size=1, max_size=4).map(tupled),
        st.lists(inner, min_size=1, max_size=4).map(record),
        st.lists(st.one_of(st.none(), inner), min_size=1, max_size=4).map(variant),
        st.tuples(st.one_of(st.none(), inner), st.one_of(st.none(), inner)).map(result),
    )


SHAPES = st.recursive(LEAVES, compound, max_leaves=8)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_random_values_of_random_types_come_back_unchanged(data: st.DataObject) -> None:
    shape = data.draw(SHAPES)
    values = data.draw(st.lists(shape.values, max_size=4))
    if shape.text == "u8":
        values = bytes(values)  # type: ignore[assignment]  # what a list of u8 is
    ty = f"(list {shape.text})"
    exported = " ".join(f'(type ${key}-type {definition}) (export ${key} "{key}" (type ${key}-type))' for key, definition in shape.named)
    store, function = instantiate(pair(ty, exported), ENGINE)
    assert function("echo")(store, values) == values

    imported = " ".join(f'(type ${key}-type {definition}) (import "{key}" (type ${key} (eq ${key}-type)))' for key, definition in shape.named)
    seen: list[Any] = []

    def host(_context: object, x: object) -> object:
        seen.append(x)
        return x

    store, function = instantiate(through_host(ty, imported), ENGINE, f=host)
    assert function("call")(store, values) == values
    assert seen == [values]
