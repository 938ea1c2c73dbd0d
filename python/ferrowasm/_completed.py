"""What `run` and `run_async` return, and the errors they raise: the outcome of a program."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

from ._errors import Trap, WasmtimeError

__all__ = ["CompletedRun", "RunError", "RunTimeout", "StopReason"]

#: The return code of a program that was stopped, or that trapped, before it could give one.
STOPPED = 134

#: How many bytes of an output the representation of a result shows.
SHOWN = 60


class StopReason(enum.Enum):
    """Why a program ended."""

    #: It returned, or called the exit function: `CompletedRun.returncode` is its own.
    EXITED = "exited"
    #: It trapped: `CompletedRun.trap` tells how.
    TRAPPED = "trapped"
    #: It ran, or was compiled, for longer than `timeout`.
    TIMEOUT = "timeout"
    #: It was refused memory beyond `memory_limit`, and then trapped or ended with another code than 0.
    MEMORY_LIMIT = "memory limit"
    #: It used up its `fuel`.
    FUEL = "fuel"
    #: It wrote more than `output_limit` bytes to standard output or to standard error.
    OUTPUT_LIMIT = "output limit"
    #: It was refused space beyond `disk_limit`, or what a `MemoryFolder` has, and then trapped or ended with another code than 0.
    DISK_LIMIT = "disk limit"


@dataclass(frozen=True, slots=True, repr=False)
class CompletedRun:
    """A program that has ended, as `subprocess.CompletedProcess` is one."""

    #: The arguments that the program was given, beginning with its own name.
    args: tuple[str, ...]
    #: The exit code of the program; 134 if it did not end by itself.
    returncode: int
    #: What the program wrote to standard output.
    stdout: bytes
    #: What the program wrote to standard error.
    stderr: bytes
    #: Why the program ended.
    reason: StopReason
    #: How long the program ran, in seconds, without the time it took to compile it.
    duration: float
    #: How much fuel the program used; `None` unless `fuel` was given.
    fuel_consumed: int | None
    #: The largest size of the program's memories together, in bytes.
    peak_memory: int
    #: The trap that ended the program, if one did.
    trap: Trap | None = None
    #: How many bytes the program took up in writable mounts, as `DiskQuota` counts; `None` unless `disk_limit` was given.
    disk_used: int | None = None

    def check_returncode(self) -> None:
        """Raise `RunError` if the program was stopped or its exit code is not 0."""
        if self.returncode != 0:
            raise RunError(self)

    def __repr__(self) -> str:
        fields = [
            f"args={list(self.args)}",
            f"returncode={self.returncode}",
            f"reason={self.reason.name}",
            f"stdout={shortened(self.stdout)}",
            f"stderr={shortened(self.stderr)}",
            f"duration={self.duration:.6f}",
            f"peak_memory={self.peak_memory}",
        ]
        if self.fuel_consumed is not None:
            fields.append(f"fuel_consumed={self.fuel_consumed}")
        if self.disk_used is not None:
            fields.append(f"disk_used={self.disk_used}")
        return f"CompletedRun({', '.join(fields)})"


def shortened(output: bytes) -> str:
    if len(output) <= SHOWN:
        return repr(output)
    return f"{output[:SHOWN]!r}... ({len(output)} bytes)"


class RunError(WasmtimeError):
    """A program failed, and `check=True` asked for an exception; like `subprocess.CalledProcessError`."""

    #: What the program did until then.
    result: CompletedRun

    def __init__(self, result: CompletedRun) -> None:
        super().__init__(description(result))
        self.result = result

    @property
    def returncode(self) -> int:
        """The exit code of the program; 134 if it did not end by itself."""
        return self.result.returncode

    @property
    def reason(self) -> StopReason:
        """Why the program ended."""
        return self.result.reason

    @property
    def stdout(self) -> bytes:
        """What the program wrote to standard output until then."""
        return self.result.stdout

    @property
    def stderr(self) -> bytes:
        """What the program wrote to standard error until then."""
        return self.result.stderr

    @property
    def duration(self) -> float:
        """How long the program ran, in seconds."""
        return self.result.duration

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.result,))


class RunTimeout(RunError, TimeoutError):
    """A program ran, or was compiled, for longer than its `timeout`; like `subprocess.TimeoutExpired`."""

    #: The limit, in seconds.
    timeout: float
    #: Whether the time was over before the program was compiled, so that it did not run at all.
    compiling: bool

    def __init__(self, result: CompletedRun, timeout: float, compiling: bool = False) -> None:
        super().__init__(result)
        self.timeout = timeout
        self.compiling = compiling

    def __str__(self) -> str:
        what = "was not compiled within" if self.compiling else "ran for longer than"
        return f"the program {self.result.args[0]!r} {what} its timeout of {self.timeout:g} s"

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.result, self.timeout, self.compiling))


def description(result: CompletedRun) -> str:
    """What went wrong, in one line, with the end of what the program said about it."""
    program = f"the program {result.args[0]!r}"
    match result.reason:
        case StopReason.EXITED:
            text = f"{program} ended with the exit code {result.returncode}"
        case StopReason.TRAPPED:
            code = result.trap.trap_code if result.trap is not None else None
            text = f"{program} trapped" if code is None else f"{program} trapped: {code.name}"
        case StopReason.MEMORY_LIMIT:
            text = f"{program} failed after it had reached its memory limit"
        case StopReason.DISK_LIMIT:
            text = f"{program} failed after it had reached its disk limit"
        case reason:
            text = f"{program} was stopped: {reason.value}"
    last = result.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
    return f"{text}; its last words: {last[-200:]}" if last else text
