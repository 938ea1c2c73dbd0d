"""What went wrong, in the words of the command line, and the exit code that tells a shell about it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from .._errors import Frame, Trap, WasmtimeError

#: An error of the command: a missing file, an invalid module.
EXIT_FAILURE = 1
#: The command line itself was wrong.
EXIT_USAGE = 2
#: The program trapped: the code of a process that called abort(), which is also what the `wasmtime` command gives.
EXIT_TRAP = 134
#: What a shell reports for a process that Ctrl-C ended.
EXIT_INTERRUPTED = 130
#: What a shell reports for a process that wrote to a pipe nobody reads.
EXIT_BROKEN_PIPE = 141


class Failure(Exception):
    """A failure that is fully described by one line, lines of detail below it, and an exit code."""

    def __init__(self, message: str, exit_code: int = EXIT_FAILURE, details: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.exit_code = exit_code
        self.details = details


def failure_of(error: Exception) -> Failure:
    """How to report `error`."""
    match error:
        case Failure():
            return error
        case Trap():
            return Failure(f"trap: {trap_reason(error)}", EXIT_TRAP, list(backtrace(error.frames)))
        case WasmtimeError():
            summary, details = split_message(str(error))
            return Failure(summary, EXIT_FAILURE, details)
        case OSError() if error.filename is not None:
            return Failure(f"{error.filename}: {error.strerror}")
        case OSError():
            return Failure(error.strerror or str(error))
        case _:
            return Failure(f"{type(error).__name__}: {error}")


def split_message(message: str) -> tuple[str, list[str]]:
    """An engine's message as one line (what happened, and its causes) and the lines that only make sense below it, like an excerpt of the source."""
    head, _, causes = message.strip().partition("\n\nCaused by:\n")
    summary, *details = head.splitlines() or ["the engine gave no reason"]
    for line in causes.splitlines():
        # The engine indents a cause by four columns, numbers it if there are several, and indents its further lines more.
        if cause := re.fullmatch(r" {4}(?:\d+: )?(\S.*)", line):
            summary += f": {cause[1]}"
        else:
            details.append(line)
    return summary, [line for line in details if line.strip()]


def trap_reason(trap: Trap) -> str:
    """The reason alone; the engine's message begins with the backtrace, which is shown below it here."""
    found = re.search(r"wasm trap: (?:wasm )?(.*)", trap.message)
    return found[1] if found else trap.message.partition("\n")[0]


def backtrace(frames: Sequence[Frame]) -> Iterator[str]:
    """One line for each frame, innermost first: the function, where in the module, and where in the source if that is known."""
    if frames:
        yield "wasm backtrace:"
    for depth, frame in enumerate(frames):
        function = frame.func_name or f"<function {frame.func_index}>"
        where = frame.module_name or "<module>"
        offset = "" if frame.module_offset is None else f"+{frame.module_offset:#x}"
        source = "" if frame.file is None else f" at {frame.file}:{frame.line}"
        yield f"  {depth:3}: {function} ({where}{offset}){source}"
