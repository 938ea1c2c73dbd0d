"""`ferrowasm wat FILE`: the text form of a module or component."""

from __future__ import annotations

import argparse

from .. import _native
from .command import Command
from .failure import Failure
from .output import add_output_argument, write_output
from .source import Kind, add_file_argument, blaming, read_source


def configure(parser: argparse.ArgumentParser) -> None:
    add_file_argument(parser)
    add_output_argument(parser, default="standard output")


def execute(options: argparse.Namespace) -> int:
    source = read_source(options.file)
    if source.kind is Kind.COMPILED:
        raise Failure(f"{source.name}: a compiled module holds machine code and has no text form; give the module that it was made from")
    with blaming(source.name):
        text = _native.print_wat(source.data)
    write_output(options.output or "-", (text.rstrip("\n") + "\n").encode())
    return 0


COMMAND = Command("wat", "print the text form of a module or component", configure, execute)
