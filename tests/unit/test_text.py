"""The text format, and a look at the sections of a binary."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import raises

from ferrowasm import Engine, Module, WasmtimeError, _native, wat2wasm

WAT = '(module $m (import "a" "b" (func)) (memory 1) (func $f (export "f") (result i32) i32.const 1) (data (i32.const 0) "abc"))'


def test_text_becomes_a_bytearray() -> None:
    binary = wat2wasm("(module)")
    assert type(binary) is bytearray
    assert binary == b"\0asm\x01\0\0\0"


def test_text_is_taken_as_str_and_bytes() -> None:
    assert wat2wasm(WAT) == wat2wasm(WAT.encode()) == wat2wasm(bytearray(WAT.encode())) == wat2wasm(memoryview(WAT.encode()))


def test_a_binary_is_given_back_as_it_is() -> None:
    binary = wat2wasm(WAT)
    assert wat2wasm(binary) == binary


def test_a_component_is_translated_too() -> None:
    assert _native.is_component(wat2wasm("(component)"))
    assert not _native.is_component(wat2wasm("(module)"))


def test_a_syntax_error_shows_its_place() -> None:
    with pytest.raises(WasmtimeError) as caught:
        wat2wasm("(module\n  (func $f (i32.const)))")
    lines = str(caught.value).splitlines()
    assert any("<anon>:2:" in line for line in lines)
    assert any("^" in line for line in lines)


def test_text_that_is_not_utf8_is_a_wasmtime_error() -> None:
    with pytest.raises(WasmtimeError, match="(?i)utf-8"):
        wat2wasm(b"(module \xff)")


def test_text_with_lone_surrogates_is_a_unicode_error() -> None:
    with pytest.raises(UnicodeEncodeError):
        wat2wasm("(module \ud800)")


@pytest.mark.parametrize("value", [None, 1, 1.5, ["(module)"]], ids=lambda value: type(value).__name__)
def test_what_is_neither_text_nor_bytes_is_a_type_error(value: Any) -> None:
    with raises(TypeError, f"expected the text format as str or bytes, got {type(value).__name__}"):
        wat2wasm(value)


def test_the_parameter_has_the_name_of_wasmtime_py() -> None:
    assert wat2wasm(wat="(module)") == wat2wasm("(module)")


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=60))
def test_any_text_is_translated_or_a_wasmtime_error(text: str) -> None:
    try:
        binary = wat2wasm(f"(module {text})")
    except WasmtimeError as error:
        assert str(error) != ""
    else:
        assert binary.startswith(b"\0asm")


def test_deeply_nested_text_is_an_error_and_no_crash() -> None:
    with pytest.raises(WasmtimeError):
        wat2wasm("(module (func " + "(block " * 100_000 + ")" * 100_000 + "))(")


def test_a_binary_is_printed_as_text_that_means_the_same() -> None:
    binary = wat2wasm(WAT)
    text = _native.print_wat(binary)
    assert text.startswith("(module $m")
    assert '(export "f"' in text
    assert wat2wasm(text) == binary


def test_printing_what_is_no_binary_is_a_wasmtime_error() -> None:
    for data in (b"", b"\0asm", bytes(wat2wasm(WAT))[:-3]):
        with pytest.raises(WasmtimeError):
            _native.print_wat(data)
    with raises(TypeError, "expected a module or component as bytes, got str"):
        _native.print_wat("(module)")  # type: ignore[arg-type]


def test_sections_are_listed_in_order_with_offsets_and_sizes() -> None:
    binary = bytes(wat2wasm(WAT))
    sections = _native.module_sections(binary)
    assert [(kind, name) for kind, name, _, _ in sections] == [
        ("type", None),
        ("import", None),
        ("function", None),
        ("memory", None),
        ("export", None),
        ("code", None),
        ("data", None),
        ("custom", "name"),
    ]
    end = 8
    for _, _, offset, size in sections:
        # One byte for the kind of the section, and in a module as small as this one for its size.
        assert offset == end + 2
        end = offset + size
    assert end == len(binary)


def test_sections_of_a_component_count_what_is_nested_in_it_once() -> None:
    binary = wat2wasm("(component (core module (func) (memory 1)) (core module))")
    assert [kind for kind, *_ in _native.module_sections(binary) if kind != "custom"] == ["core module", "core module"]


def test_sections_of_what_is_malformed_are_a_wasmtime_error() -> None:
    binary = bytes(wat2wasm(WAT))
    for data in (b"", b"\0asm", binary[:-3], b"(module)"):
        with pytest.raises(WasmtimeError):
            _native.module_sections(data)


def test_what_was_translated_compiles() -> None:
    assert Module(Engine(), wat2wasm(WAT)).name == "m"
