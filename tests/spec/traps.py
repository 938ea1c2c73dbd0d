"""Which trap code answers to a script's wording.

The wording of the scripts is not normative, and older ones are less exact. Each text is listed with the codes that mean
it, so that a trap for another reason does not pass; a text that is not listed is a failure, not a guess.
"""

from __future__ import annotations

CODES: dict[str, frozenset[str]] = {
    text: frozenset(codes)
    for text, *codes in (
        ("call stack exhausted", "STACK_OVERFLOW"),
        ("cast failure", "CAST_FAILURE"),
        ("indirect call type mismatch", "BAD_SIGNATURE"),
        ("indirect call", "BAD_SIGNATURE"),
        ("integer divide by zero", "INTEGER_DIVISION_BY_ZERO"),
        ("integer overflow", "INTEGER_OVERFLOW"),
        ("invalid conversion to integer", "BAD_CONVERSION_TO_INTEGER"),
        ("null array reference", "NULL_REFERENCE"),
        ("null function reference", "NULL_REFERENCE"),
        ("null i31 reference", "NULL_REFERENCE"),
        ("null reference", "NULL_REFERENCE"),
        ("null structure reference", "NULL_REFERENCE"),
        ("out of bounds", "MEMORY_OUT_OF_BOUNDS", "TABLE_OUT_OF_BOUNDS"),
        ("out of bounds array access", "ARRAY_OUT_OF_BOUNDS"),
        ("out of bounds memory access", "MEMORY_OUT_OF_BOUNDS"),
        ("out of bounds table access", "TABLE_OUT_OF_BOUNDS"),
        ("unaligned atomic", "HEAP_MISALIGNED"),
        ("undefined", "TABLE_OUT_OF_BOUNDS"),
        ("undefined element", "TABLE_OUT_OF_BOUNDS"),
        ("uninitialized", "INDIRECT_CALL_TO_NULL"),
        ("uninitialized element", "INDIRECT_CALL_TO_NULL"),
        ("uninitialized element 2", "INDIRECT_CALL_TO_NULL"),
        ("unreachable", "UNREACHABLE"),
    )
}
