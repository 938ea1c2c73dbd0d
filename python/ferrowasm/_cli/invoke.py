"""WebAssembly values as words of a command line."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .. import FuncType
from .failure import EXIT_USAGE, Failure

Value = int | float | bytes


def parse_arguments(name: str, signature: FuncType, words: Sequence[str]) -> list[Value]:
    """The values that `words` stand for, by the parameters of the function called `name`. Raises `Failure` for what does not fit."""
    types = [str(param) for param in signature.params]
    if len(words) != len(types):
        wanted = f"{len(types)} argument{'' if len(types) == 1 else 's'}" + (f" ({', '.join(types)})" if types else "")
        raise Failure(f"{name} takes {wanted}, got {len(words)}", EXIT_USAGE)
    return [parse_value(name, position, kind, word) for position, (kind, word) in enumerate(zip(types, words, strict=True), start=1)]


def parse_value(name: str, position: int, kind: str, word: str) -> Value:
    parse = PARSERS.get(kind)
    if parse is None:
        raise Failure(f"{name}: argument {position} is of type {kind}, which has no form on the command line; call it from Python")
    try:
        return parse(word)
    except (ValueError, OverflowError) as error:
        raise Failure(f"{name}: argument {position} must be {DESCRIPTIONS[kind]}, got {word!r}", EXIT_USAGE) from error


def parse_integer(bits: int) -> Callable[[str], int]:
    """A parser of integers in the signed and the unsigned range of `bits`."""

    def parse(word: str) -> int:
        value = int(word, 0)
        if not -(1 << bits - 1) <= value < 1 << bits:
            raise OverflowError
        return value

    return parse


def parse_float(word: str) -> float:
    return float.fromhex(word) if "0x" in word.lower() else float(word)


def parse_v128(word: str) -> bytes:
    """The 128 bits as one number, whose lowest byte is lane 0 of an i8x16."""
    return int(word, 0).to_bytes(16, "little")


PARSERS: dict[str, Callable[[str], Value]] = {
    "i32": parse_integer(32),
    "i64": parse_integer(64),
    "f32": parse_float,
    "f64": parse_float,
    "v128": parse_v128,
}

DESCRIPTIONS = {
    "i32": "a 32-bit integer (like 42, -1 or 0xff)",
    "i64": "a 64-bit integer (like 42, -1 or 0xff)",
    "f32": "a number (like 1.5, -inf, nan or 0x1.8p3)",
    "f64": "a number (like 1.5, -inf, nan or 0x1.8p3)",
    "v128": "a 128-bit unsigned integer (like 0x10)",
}


def format_value(value: object) -> str:
    """A result as one word, in a form that `parse_value` reads where there is one."""
    match value:
        case None:
            return "null"
        case bytes():
            return f"{int.from_bytes(value, 'little'):#034x}"
        case _:
            return str(value)
