"""`ferrowasm compile FILE`: compile a module or component ahead of time."""

from __future__ import annotations

import argparse
from pathlib import Path

from .. import Engine
from .command import Command
from .failure import EXIT_USAGE, Failure
from .output import add_output_argument, write_output
from .source import add_file_argument, read_source

DESCRIPTION = """\
Compile a module or component to machine code for this machine, so that
`ferrowasm run` (or deserialize_file of Module and Component in Python) starts
it without compiling. The result works with this version of ferrowasm only;
anything else is refused when it is loaded.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    add_file_argument(parser)
    add_output_argument(parser, default="FILE with the suffix .cwasm, in the current directory")


def execute(options: argparse.Namespace) -> int:
    if options.output is None and options.file == "-":
        raise Failure("compile: a file from standard input has no name to derive the output's from; say where to write it with -o", EXIT_USAGE)
    source = read_source(options.file)
    if source.kind.is_compiled:
        raise Failure(f"{source.name}: this is a {source.kind.value} already")
    compiled = source.component(Engine()) if source.kind.is_component else source.module(Engine())
    write_output(options.output or f"{Path(options.file).stem}.cwasm", bytes(compiled.serialize()))
    return 0


COMMAND = Command("compile", "compile a module or component ahead of time", configure, execute, DESCRIPTION)
