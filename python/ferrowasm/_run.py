"""`run`: a program, from its bytes to its output, with nothing of the host but what it is given."""

from __future__ import annotations

import contextlib
import inspect
import os
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ParamSpec, TypeAlias, TypeVar

from ._compiling import NotInTime, Patience
from ._completed import STOPPED, CompletedRun, RunTimeout, StopReason
from ._errors import ExitTrap, OutputLimitError, ResourceLimitError, Trap, TrapCode, WasmtimeError
from ._native import Store, WasiConfig

if TYPE_CHECKING:
    from _typeshed import StrPath
    from typing_extensions import Buffer

    from ._mounts import Mount, Mounts
    from ._native import _Reader
    from ._network import SocketAddr, SocketAddrUse
    from ._programs import Program, Runnable

    #: What may be passed as `input`.
    _Input: TypeAlias = Buffer | str | _Reader | None
    #: What may be passed as `network`.
    _Network: TypeAlias = bool | Callable[[SocketAddr, SocketAddrUse], object]
    #: An argument of a program.
    _Argument: TypeAlias = str | bytes | os.PathLike[str] | os.PathLike[bytes]

__all__ = ["run"]

_Parameters = ParamSpec("_Parameters")
_Result = TypeVar("_Result")


def ignore(store: Store) -> None:
    """Let a run go on."""


class Request:
    """What `run` and `run_async` are asked for. Their parameters are those of this class."""

    def __init__(
        self,
        program: Program,
        args: Iterable[_Argument] = (),
        *,
        input: _Input = None,
        env: Mapping[str, str] | None = None,
        mounts: Mapping[str, Mount] | None = None,
        timeout: float | None = None,
        memory_limit: int | None = None,
        fuel: int | None = None,
        output_limit: int | None = None,
        disk_limit: int | None = None,
        network: _Network = False,
        cache: bool | StrPath = False,
        check: bool = False,
    ) -> None:
        from ._mounts import Mounts
        from ._programs import code_cache, name_of

        self.program = program
        self.argv = (name_of(program), *(os.fsdecode(os.fspath(argument)) for argument in checked_arguments(args)))
        self.limits = Limits(timeout, memory_limit, fuel, output_limit, disk_limit)
        self.mounts = Mounts(mounts, disk_limit)
        self.config = WasiConfig(argv=self.argv, env={} if env is None else env, **standard_input(input))
        grant_network(self.config, network)
        self.cache = code_cache(cache)
        self.check = check

    def perform(self, started: Callable[[Store], None] = ignore, patience: Patience | None = None) -> CompletedRun:
        """Compile the program and run it; `started` is called in between, with its store. `patience` is its timeout, which begins here without."""
        if patience is None:
            patience = Patience(self.limits.timeout)
        prepared = self.compiled(patience)
        with self.mounts:
            self.mounts.add_to(self.config)
            execution = Execution(prepared, self.config, self.limits, self.mounts)
            started(execution.store)
            result = execution.result(patience)
        if result.reason is StopReason.TIMEOUT and self.limits.timeout is not None:
            raise RunTimeout(result, self.limits.timeout) from result.trap
        if self.check:
            result.check_returncode()
        return result

    def compiled(self, patience: Patience) -> Runnable:
        from ._programs import runnable

        try:
            return runnable(self.program, fuel=self.limits.fuel is not None, files=self.cache, patience=patience)
        except NotInTime:
            timeout = self.limits.timeout
            if timeout is None:
                raise
            result = CompletedRun(
                args=self.argv,
                returncode=STOPPED,
                stdout=b"",
                stderr=b"",
                reason=StopReason.TIMEOUT,
                duration=0.0,
                fuel_consumed=None if self.limits.fuel is None else 0,
                peak_memory=0,
                disk_used=None if self.limits.disk is None else 0,
            )
        raise RunTimeout(result, timeout, compiling=True)


def asking(request: Callable[_Parameters, Request]) -> Callable[[Callable[..., _Result]], Callable[_Parameters, _Result]]:
    """Gives a function the parameters of a request, for type checkers and for `inspect.signature`."""

    def give(function: Callable[..., _Result]) -> Callable[_Parameters, _Result]:
        signature = inspect.signature(request).replace(return_annotation=function.__annotations__["return"])
        function.__signature__ = signature  # type: ignore[attr-defined]  # pyright: ignore[reportFunctionMemberAccess]
        return function

    return give


@asking(Request)
def run(*args: Any, **kwargs: Any) -> CompletedRun:
    """Run a WASI program and return what became of it, as `subprocess.run` does for processes.

    `program` is the path of a file, a module or component as bytes or text, a `Module`, or a `Component`; WASI 0.1 modules that export `_start`
    and components that export `wasi:cli/run@0.2`. What is not compiled yet is compiled, once in a process.

    The program sees nothing of the host but the clock, random numbers, and what is passed:

    - `args`: its arguments, after its own name;
    - `input`: its standard input, as bytes-like, `str` (in UTF-8) or a binary file object; empty by default;
    - `env`: its environment variables; none by default;
    - `mounts`: its folders and files. Keys are the paths that the program uses. Values are folders of the host as path, which are read-only, or as
      `Folder(path, writable=True)`; folders in memory as `MemoryFolder` or, read-only, as a mapping from names to contents; or the bytes of a
      single file, which is read-only.
    - `network`: whether a component may use the network (sockets, names, HTTP), or a callable that decides about each address, as
      `WasiConfig.socket_addr_check` does; such a program looks up no names and sends no HTTP requests. Modules of WASI 0.1 have no sockets.

    Its limits, all of them absent by default:

    - `timeout`: how long it may take to compile and to run, in seconds;
    - `memory_limit`: how large its memories and tables may become together, in bytes; growth beyond that fails for the program;
    - `fuel`: how many units of fuel it may use, about one for each WebAssembly instruction;
    - `output_limit`: how many bytes it may write to each of standard output and standard error;
    - `disk_limit`: how many bytes it may take up in writable mounts together, as `DiskQuota` counts; beyond that it gets the error for a full disk.

    Compiled code is kept in memory, and with `cache` in files, too: `True` for the cache of this user, which the command `ferrowasm` uses, or the path
    of a folder.

    Whether it ended by itself, trapped or reached a limit is the `reason` of the result. Only two endings raise: `RunTimeout`, which is a
    `TimeoutError` and has the output until then, after `timeout` seconds, and, with `check=True`, `RunError` for all but the exit code 0.

    Raises `WasmtimeError` for an invalid program, one that imports what programs are not given, or no program at all, `OSError` for files and
    folders that cannot be opened, and `TypeError` and `ValueError` for arguments that cannot be. Exceptions that `input` raises come out as they are.
    """
    return Request(*args, **kwargs).perform()


def grant_network(config: WasiConfig, network: _Network) -> None:
    if callable(network):
        config.socket_addr_check = network
    elif network:
        config.inherit_network()
        # Every request is sent as it is.
        config.http_handler = lambda request: request


def checked_arguments(args: Iterable[_Argument]) -> Iterable[_Argument]:
    if isinstance(args, (str, bytes, os.PathLike)):
        raise TypeError(f"expected an iterable of arguments, got {type(args).__name__}; for a single argument pass a list of one")
    return args


def standard_input(input: _Input) -> dict[str, Any]:
    """The keyword argument of `WasiConfig` for what may be passed as `input`."""
    if input is None:
        return {}
    if isinstance(input, str):
        return {"stdin_bytes": input.encode()}
    if hasattr(input, "read"):
        return {"stdin": input}
    try:
        return {"stdin_bytes": bytes(memoryview(input))}  # pyright: ignore[reportArgumentType]
    except TypeError:
        raise TypeError(f"expected a bytes-like object, a str or a binary file for input, got {type(input).__name__}") from None


@dataclass(frozen=True, slots=True)
class Limits:
    """What a program may use; `None` for no limit."""

    timeout: float | None
    memory: int | None
    fuel: int | None
    output: int | None
    disk: int | None

    def __post_init__(self) -> None:
        if self.timeout is not None and not self.timeout >= 0:
            raise ValueError(f"expected a timeout of at least 0 seconds, got {self.timeout!r}")
        for name, limit in (("memory_limit", self.memory), ("output_limit", self.output), ("disk_limit", self.disk)):
            # `Store.set_limits` would take a negative number for no limit.
            if limit is not None and limit < 0:
                raise ValueError(f"expected at least 0 bytes for {name}, got {limit!r}")


class Execution:
    """One run of a program, in a store of its own."""

    def __init__(self, program: Runnable, config: WasiConfig, limits: Limits, mounts: Mounts) -> None:
        self.program = program
        self.limits = limits
        self.mounts = mounts
        self.args = tuple(config.argv)
        self.stdout = config.capture_stdout(limits.output, strict=limits.output is not None)
        self.stderr = config.capture_stderr(limits.output, strict=limits.output is not None)
        self.store = Store(program.engine)
        self.store.set_wasi(config)
        self.memory = None if limits.memory is None else MemoryLimit(limits.memory)
        self.store.set_limiter(self.memory)
        if limits.fuel is not None:
            self.store.set_fuel(limits.fuel)

    def result(self, patience: Patience) -> CompletedRun:
        """Run the program."""
        with self.store:
            begin = time.perf_counter()
            ending = self.ending(patience)
            duration = time.perf_counter() - begin
            return CompletedRun(
                args=self.args,
                returncode=ending.returncode,
                stdout=self.stdout.getvalue(),
                stderr=self.stderr.getvalue(),
                reason=ending.reason,
                duration=duration,
                fuel_consumed=None if self.limits.fuel is None else self.store.fuel_consumed,
                peak_memory=self.store.peak_memory,
                trap=ending.trap,
                disk_used=None if self.mounts.total is None else self.mounts.total.used,
            )

    def ending(self, patience: Patience) -> Ending:
        """Run the program until it ends or is stopped."""
        left = patience.left()
        try:
            with contextlib.nullcontext() if left is None else self.store.deadline(left):
                ending = Ending(StopReason.EXITED, self.program.start(self.store))
        except ExitTrap as exit:
            ending = Ending(StopReason.EXITED, exit.code)
        except OutputLimitError:
            return Ending(StopReason.OUTPUT_LIMIT)
        except Trap as trap:
            ending = Ending(reason_of(trap), trap=trap)
        except ResourceLimitError:
            # What the program has from the start is too large already.
            if self.memory is None or not self.memory.reached:
                raise
            return Ending(StopReason.MEMORY_LIMIT)
        except WasmtimeError as error:
            if not is_guests_fault(error):
                raise
            ending = Ending(StopReason.TRAPPED, trap=Trap(str(error)))
        if ending.returncode != 0 and ending.reason in BLAMES_LIMITS:
            if self.memory is not None and self.memory.reached:
                ending.reason = StopReason.MEMORY_LIMIT
            elif self.mounts.are_full:
                ending.reason = StopReason.DISK_LIMIT
        return ending


class MemoryLimit:
    """Lets the memories and tables of a store grow until they have reached a size, in bytes, together."""

    #: What an element of a table takes up: a pointer.
    ELEMENT = 8

    def __init__(self, limit: int) -> None:
        self.left = limit
        #: Whether growth was refused.
        self.reached = False

    def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        return self.take(desired - current)

    def table_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        return self.take((desired - current) * self.ELEMENT)

    def take(self, size: int) -> bool:
        # What is permitted here and fails all the same, for want of memory in the system, stays taken: the guest could
        # get more than its share out of a failure that is not the one of its last growth.
        if size > self.left:
            self.reached = True
            return False
        self.left -= size
        return True


#: The endings that are put down to a lack of memory or space if the program was refused some.
BLAMES_LIMITS = (StopReason.EXITED, StopReason.TRAPPED)


@dataclass(slots=True)
class Ending:
    """How a program ended."""

    reason: StopReason
    returncode: int = STOPPED
    trap: Trap | None = None


def is_guests_fault(error: WasmtimeError) -> bool:
    """Whether WebAssembly was running: calls of WASI with pointers that lead nowhere end so, without a trap."""
    return type(error) is WasmtimeError and str(error).startswith("error while executing at wasm backtrace")


def reason_of(trap: Trap) -> StopReason:
    if isinstance(trap, TimeoutError):
        return StopReason.TIMEOUT
    return StopReason.FUEL if trap.trap_code is TrapCode.OUT_OF_FUEL else StopReason.TRAPPED
