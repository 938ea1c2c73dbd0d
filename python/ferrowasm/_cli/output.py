"""Writing a result to a file or to standard output."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path


def add_output_argument(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("-o", "--output", metavar="OUT", help=f"where to write the result; - is standard output (default: {default})")


def write_output(name: str, data: bytes) -> None:
    """Write `data` to the file called `name` (`-`: standard output).

    A regular file appears under its name when it is complete, so that an interruption leaves what was there before.
    """
    if name == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()
        return
    path = Path(name)
    if path.exists() and not path.is_file():
        # A device or a pipe is written to, never replaced; a directory raises.
        path.write_bytes(data)
        return
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        partial.write_bytes(data)
        partial.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror, name) from error
    finally:
        partial.unlink(missing_ok=True)
