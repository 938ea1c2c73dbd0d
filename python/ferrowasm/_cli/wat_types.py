"""Types in the words of the WebAssembly text format."""

from __future__ import annotations

from collections.abc import Sequence

from .. import FuncType, GlobalType, Limits, MemoryType, TableType, TagType, ValType

ExternType = FuncType | GlobalType | MemoryType | TableType | TagType


def kind_of(ty: object) -> str:
    """`func`, `global`, `memory`, `table` or `tag`."""
    return type(ty).__name__.removesuffix("Type").lower()


def wat_type(ty: object) -> str:
    """The type as the text format writes it in an import, without the parentheses: `func (param i32) (result i32)`, `memory 1 2`."""
    match ty:
        case FuncType():
            return "func" + signature(ty)
        case GlobalType():
            content = str(ty.content)
            return f"global (mut {content})" if ty.mutable else f"global {content}"
        case MemoryType():
            words = ["memory", *(["i64"] if ty.is_64 else []), limits(ty.limits), *(["shared"] if ty.is_shared else [])]
            if ty.page_size_log2 != 16:
                words.append(f"(pagesize {ty.page_size:#x})")
            return " ".join(words)
        case TableType():
            return f"table {limits(ty.limits)} {ty.element}"
        case TagType():
            return "tag" + signature(ty.functype)
        case _:
            raise TypeError(f"expected the type of an import or export, got {type(ty).__name__}")


def signature(ty: FuncType) -> str:
    return group("param", ty.params) + group("result", ty.results)


def group(word: str, types: Sequence[ValType]) -> str:
    return f" ({word} {' '.join(map(str, types))})" if types else ""


def limits(bounds: Limits) -> str:
    return str(bounds.min) if bounds.max is None else f"{bounds.min} {bounds.max}"
