"""`wat2wasm`."""

from __future__ import annotations

from .harness import Package, case

EMPTY = b"\0asm\x01\0\0\0"


@case
def text_becomes_a_bytearray(w: Package) -> object:
    return w.wat2wasm("(module)")


@case
def bytes_are_accepted_as_text(w: Package) -> object:
    return w.wat2wasm(b"(module)")


@case
def keyword_is_called_wat(w: Package) -> object:
    return w.wat2wasm(wat="(module)")


@case
def a_binary_stays_as_it_is(w: Package) -> object:
    """`wat2wasm` of a module in the binary format"""
    return w.wat2wasm(EMPTY)


@case
def non_ascii_names_survive(w: Package) -> object:
    return w.wat2wasm('(module (func (export "ü")))')


@case
def empty_text_is_refused(w: Package) -> object:
    return w.wat2wasm("")


@case
def a_syntax_error_is_refused(w: Package) -> object:
    return w.wat2wasm("___")


@case(message=True)
def a_syntax_error_is_shown_with_its_line(w: Package) -> object:
    """The text of a syntax error of `wat2wasm`."""
    return w.wat2wasm("(module (func (i32.what)))")


@case
def an_unknown_name_is_refused(w: Package) -> object:
    return w.wat2wasm("(module (func call $nowhere))")


@case
def an_int_is_a_type_error(w: Package) -> object:
    return w.wat2wasm(1)


@case
def none_is_a_type_error(w: Package) -> object:
    return w.wat2wasm(None)


@case
def a_bytearray_is_accepted(w: Package) -> object:
    """`wat2wasm(bytearray(b"(module)"))`"""
    return w.wat2wasm(bytearray(b"(module)"))


@case
def text_with_a_nul_is_refused(w: Package) -> object:
    return w.wat2wasm("(module)\0")
