"""The command line `ferrowasm`: run, compile and look into WebAssembly files.

`docs/cli.md` describes it for users. Each command is a module of its own; this one parses the arguments and turns what happens into an exit code.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from collections.abc import Sequence

from .. import __version__, engine_version
from . import cache_command, compile_command, inspect_command, run_command, wat_command
from .failure import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, EXIT_USAGE, Failure, failure_of

__all__ = ["main"]

COMMANDS = (run_command.COMMAND, compile_command.COMMAND, inspect_command.COMMAND, wat_command.COMMAND, cache_command.COMMAND)

EXIT_CODES = """\
exit codes:
  0    success; `run` gives whatever code the program ended with
  1    an error: a missing file, an invalid module, a refused operation
  2    wrong usage
  130  interrupted with Ctrl-C
  134  the program trapped
  141  the reader of the output went away
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line with `argv` (the arguments of the process by default) and return its exit code.

    Errors are reported on standard error, in one line that begins with `ferrowasm:`; with `--debug` a Python traceback follows.
    """
    try:
        options = argument_parser().parse_args(argv)
    except SystemExit as stop:
        # argparse has printed the help, or what is wrong.
        return stop.code if isinstance(stop.code, int) else EXIT_USAGE
    try:
        code: int = options.execute(options)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return report(Failure("interrupted", EXIT_INTERRUPTED), options.debug)
    except BrokenPipeError:
        # As quiet as the programs that SIGPIPE ends. The interpreter flushes standard output once more when it exits.
        discard_output()
        return EXIT_BROKEN_PIPE
    except Exception as error:
        return report(failure_of(error), options.debug)


def argument_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ferrowasm",
        description="Run, compile and look into WebAssembly files.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"ferrowasm {__version__} (wasmtime {engine_version})")
    parser.add_argument("--debug", action="store_true", help="when a command fails, print the Python traceback too")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = commands.add_parser(
            command.name,
            help=command.summary,
            description=command.description or f"{command.summary.capitalize()}.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        # Without a default of its own, so that it does not undo a --debug before the command.
        subparser.add_argument("--debug", action="store_true", default=argparse.SUPPRESS, help="on failure, print the Python traceback too")
        command.configure(subparser)
        subparser.set_defaults(execute=command.execute)
    return parser


def report(failure: Failure, debug: bool) -> int:
    """Print what went wrong and return the exit code for it."""
    print(f"ferrowasm: {failure}", *failure.details, sep="\n", file=sys.stderr)
    if debug:
        traceback.print_exc()
    return failure.exit_code


def discard_output() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
