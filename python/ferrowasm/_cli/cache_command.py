"""`ferrowasm cache`: what compiled code is kept between runs."""

from __future__ import annotations

import argparse

from .._cache import CodeCache, Usage, default_directory, default_limit
from .command import Command
from .source import human_size

DESCRIPTION = """\
Show or remove the compiled code that `ferrowasm run` keeps between runs.

FERROWASM_CACHE_DIR names another folder for it, FERROWASM_CACHE_SIZE is the
most bytes that it may hold, and FERROWASM_CACHE=off keeps nothing.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", choices=("info", "clean"), help="info: show the folder and what it holds; clean: remove everything")


def execute(options: argparse.Namespace) -> int:
    cache = CodeCache(default_directory(), default_limit())
    if options.action == "clean":
        print(f"removed {shown(cache.clean())} from {cache.directory}")
    else:
        print(f"{cache.directory}: {shown(cache.usage())}, at most {human_size(cache.limit)}")
    return 0


def shown(usage: Usage) -> str:
    return f"{usage.files} file{'' if usage.files == 1 else 's'} ({human_size(usage.bytes)})"


COMMAND = Command("cache", "show or remove the compiled code that is kept between runs", configure, execute, DESCRIPTION)
