"""`ferrowasm inspect FILE`: what a module imports, exports and consists of, and the world of a component."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field

from .. import Engine, MemoryType, _native
from .command import Command
from .failure import Failure
from .source import Kind, Source, add_file_argument, blaming, human_size, read_source

DESCRIPTION = """\
Show the imports, exports, memories and sections of a module, or the world of a
component as WIT. Nothing of it is run.
"""


@dataclass(frozen=True)
class Import:
    """`kind` is one of `func`, `global`, `memory`, `table` and `tag`; `type` is in the words of the text format, here and in `Export`."""

    module: str
    name: str | None
    kind: str
    type: str


@dataclass(frozen=True)
class Export:
    name: str
    kind: str
    type: str


@dataclass(frozen=True)
class Memory:
    """A memory of the module; `name` is `None` if it is neither imported nor exported. Sizes are in pages of `page_size` bytes."""

    name: str | None
    imported: bool
    minimum: int
    maximum: int | None
    page_size: int
    is_64: bool
    is_shared: bool


@dataclass(frozen=True)
class Section:
    """A section of the binary; `size` and `offset` are in bytes and are those of its contents."""

    kind: str
    name: str | None
    offset: int
    size: int


@dataclass(frozen=True)
class Report:
    """What `inspect` shows, and the keys of what `inspect --json` prints."""

    file: str
    kind: str
    size: int
    imports: list[Import]
    exports: list[Export]
    memories: list[Memory]
    sections: list[Section] = field(default_factory=list)


@dataclass(frozen=True)
class ComponentReport:
    """The same for a component. `wit` is its world and the interfaces that it refers to, but for those of WASI."""

    file: str
    kind: str
    size: int
    wit: str


def configure(parser: argparse.ArgumentParser) -> None:
    add_file_argument(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object, for programs to read")


def execute(options: argparse.Namespace) -> int:
    source = read_source(options.file)
    report = examine_component(source) if source.kind.is_component else examine(source)
    if options.json:
        print(json.dumps(asdict(report), indent=2))
    elif isinstance(report, ComponentReport):
        print(f"// {heading(report)}", "", report.wit, sep="\n", end="")
    else:
        print("\n".join(table(report)))
    return 0


def examine_component(source: Source) -> ComponentReport:
    if source.kind is Kind.COMPILED_COMPONENT:
        raise Failure(f"{source.name}: a compiled component does not tell its world any more; inspect what it was compiled from")
    with blaming(source.name):
        return ComponentReport(source.name, source.kind.value, len(source.data), _native.component_wit(source.data))


def examine(source: Source) -> Report:
    if source.kind is Kind.COMPILED:
        return examine_compiled(source)
    with blaming(source.name):
        imports, exports, memories = _native.module_outline(source.data)
    return Report(
        file=source.name,
        kind=source.kind.value,
        size=len(source.data),
        imports=[Import(*item) for item in imports],
        exports=[Export(*item) for item in exports],
        memories=[Memory(*item) for item in memories],
        sections=[Section(*section) for section in _native.module_sections(source.data)],
    )


def examine_compiled(source: Source) -> Report:
    """Compiled code has no sections any more, and does not tell the memories that it keeps to itself."""
    module = source.module(Engine())
    return Report(
        file=source.name,
        kind=source.kind.value,
        size=len(source.data),
        imports=[Import(item.module, item.name, kind_of(item.type), str(item.type)) for item in module.imports],
        exports=[Export(item.name, kind_of(item.type), str(item.type)) for item in module.exports],
        memories=[
            *(memory(f"{item.module}.{item.name}", True, item.type) for item in module.imports if isinstance(item.type, MemoryType)),
            *(memory(item.name, False, item.type) for item in module.exports if isinstance(item.type, MemoryType)),
        ],
    )


def kind_of(ty: object) -> str:
    """`func`, `global`, `memory`, `table` or `tag`."""
    return type(ty).__name__.removesuffix("Type").lower()


def memory(name: str, imported: bool, ty: MemoryType) -> Memory:
    return Memory(name, imported, ty.limits.min, ty.limits.max, ty.page_size, ty.is_64, ty.is_shared)


def table(report: Report) -> Iterable[str]:
    """The report for a person to read."""
    yield heading(report)
    yield from block("imports", [(f"{item.module}.{item.name}", item.type) for item in report.imports])
    yield from block("exports", [(item.name, item.type) for item in report.exports])
    yield from block("memories", [(item.name or "(internal)", describe_memory(item)) for item in report.memories])
    yield from block("sections", [(section.kind, human_size(section.size)) for section in report.sections if section.name is None])
    yield from block("custom sections", [(section.name, human_size(section.size)) for section in report.sections if section.name is not None])


def heading(report: Report | ComponentReport) -> str:
    return f"{report.file}: {report.kind}, {human_size(report.size)}"


def block(title: str, rows: Sequence[tuple[str, str]]) -> Iterable[str]:
    """A heading with the number of rows, and the rows in two columns."""
    yield ""
    yield f"{title} ({len(rows)})"
    width = max((len(left) for left, _ in rows), default=0)
    for left, right in rows:
        yield f"  {left:<{width}}  {right}"


def describe_memory(item: Memory) -> str:
    """`2 pages (131.1 kB), at most 16 pages (1.0 MB), imported`"""
    words = [pages(item.minimum, item.page_size)]
    words.append("no maximum" if item.maximum is None else f"at most {pages(item.maximum, item.page_size)}")
    words += [word for word, holds in [("64-bit", item.is_64), ("shared", item.is_shared), ("imported", item.imported)] if holds]
    return ", ".join(words)


def pages(count: int, page_size: int) -> str:
    return f"{count} page{'' if count == 1 else 's'} ({human_size(count * page_size)})"


COMMAND = Command("inspect", "show what a module consists of, or the world of a component", configure, execute, DESCRIPTION)
