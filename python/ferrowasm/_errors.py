"""The exceptions of the package, and what they carry.

They are declared here and looked up by the native part, so that they are ordinary Python classes: they can be subclassed, pickled and given
notes.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ._managed import Managed

if TYPE_CHECKING:
    from ._native import ExnRef

__all__ = [
    "ClosedError",
    "ComponentTrap",
    "DeadlineExceeded",
    "ExitTrap",
    "ExpiredError",
    "Frame",
    "OutOfBoundsError",
    "OutputLimitError",
    "ResourceLimitError",
    "SignatureError",
    "StoreBusyError",
    "Trap",
    "TrapCode",
    "WasmtimeError",
    "WrongEngineError",
    "WrongStoreError",
]


class TrapCode(enum.Enum):
    """Why WebAssembly trapped: one member for each code of the engine's `wasmtime::Trap`, with the engine's number."""

    #: The call stack was exhausted (`Config.max_wasm_stack`).
    STACK_OVERFLOW = 0
    #: A load or store outside the bounds of a memory.
    MEMORY_OUT_OF_BOUNDS = 1
    #: An atomic access to an address that is not naturally aligned.
    HEAP_MISALIGNED = 2
    #: An access outside the bounds of a table.
    TABLE_OUT_OF_BOUNDS = 3
    #: An indirect call through a null table element.
    INDIRECT_CALL_TO_NULL = 4
    #: An indirect call to a function of another type.
    BAD_SIGNATURE = 5
    #: An integer operation whose result does not fit (`i32.div_s` of the smallest value by -1).
    INTEGER_OVERFLOW = 6
    #: An integer division or remainder by zero.
    INTEGER_DIVISION_BY_ZERO = 7
    #: A float that has no integer value (NaN, or out of range) was truncated.
    BAD_CONVERSION_TO_INTEGER = 8
    #: The `unreachable` instruction ran.
    UNREACHABLE = 9
    #: The epoch deadline passed (`Store.set_epoch_deadline`).
    INTERRUPT = 10
    #: The fuel of the store ran out (`Store.set_fuel`).
    OUT_OF_FUEL = 11
    #: `memory.atomic.wait` on a memory that is not shared.
    ATOMIC_WAIT_NON_SHARED_MEMORY = 12
    #: A null reference where a value was needed.
    NULL_REFERENCE = 13
    #: An access outside the bounds of a GC array.
    ARRAY_OUT_OF_BOUNDS = 14
    #: An allocation of a size that the engine does not support.
    ALLOCATION_TOO_LARGE = 15
    #: A `ref.cast` to a type that the reference does not have.
    CAST_FAILURE = 16
    #: A component instance was entered that may not be entered (again).
    CANNOT_ENTER_COMPONENT = 17
    #: An async-lifted export ended without a result.
    NO_ASYNC_RESULT = 18
    #: A suspension had no handler for its tag.
    UNHANDLED_TAG = 19
    #: A continuation was resumed twice.
    CONTINUATION_ALREADY_CONSUMED = 20
    #: A Pulley opcode ran that was disabled when the code was compiled.
    DISABLED_OPCODE = 21
    #: Every task waits for another one.
    ASYNC_DEADLOCK = 22
    #: A component instance called out where it may not.
    CANNOT_LEAVE_COMPONENT = 23
    #: A synchronous task blocked before it returned.
    CANNOT_BLOCK_SYNC_TASK = 24
    #: A bit pattern that is no Unicode scalar value was lifted as a `char`.
    INVALID_CHAR = 25
    #: An internal assertion of string transcoding.
    DEBUG_ASSERT_STRING_ENCODING_FINISHED = 26
    #: An internal assertion of string transcoding.
    DEBUG_ASSERT_EQUAL_CODE_UNITS = 27
    #: An internal assertion of the canonical ABI.
    DEBUG_ASSERT_POINTER_ALIGNED = 28
    #: An internal assertion of the canonical ABI.
    DEBUG_ASSERT_UPPER_BITS_UNSET = 29
    #: A lifted string lies outside the guest's memory.
    STRING_OUT_OF_BOUNDS = 30
    #: A lifted list lies outside the guest's memory.
    LIST_OUT_OF_BOUNDS = 31
    #: A discriminant that no case of the variant has.
    INVALID_DISCRIMINANT = 32
    #: A pointer that is not aligned for its type.
    UNALIGNED_POINTER = 33
    #: `task.cancel` in a task that was not cancelled.
    TASK_CANCEL_NOT_CANCELLED = 34
    #: `task.return` or `task.cancel` more than once.
    TASK_CANCEL_OR_RETURN_TWICE = 35
    #: `subtask.cancel` after the subtask ended.
    SUBTASK_CANCEL_AFTER_TERMINAL = 36
    #: `task.return` with a signature or options that the task does not have.
    TASK_RETURN_INVALID = 37
    #: A waitable set was dropped while something waits for it.
    WAITABLE_SET_DROP_HAS_WAITERS = 38
    #: A subtask was dropped before it was resolved.
    SUBTASK_DROP_NOT_RESOLVED = 39
    #: `thread.new-indirect` with a start function of the wrong type.
    THREAD_NEW_INDIRECT_INVALID_TYPE = 40
    #: `thread.new-indirect` with an uninitialised table element.
    THREAD_NEW_INDIRECT_UNINITIALIZED = 41
    #: The backpressure counter overflowed.
    BACKPRESSURE_OVERFLOW = 42
    #: A callback returned a code that is not defined.
    UNSUPPORTED_CALLBACK_CODE = 43
    #: A thread was resumed that is not suspended.
    CANNOT_RESUME_THREAD = 44
    #: Two operations at once on one stream or future.
    CONCURRENT_FUTURE_STREAM_OP = 45
    #: A reference count overflowed.
    REFERENCE_COUNT_OVERFLOW = 46
    #: The count of a stream read or write is too large.
    STREAM_OP_TOO_BIG = 47
    #: A waitable was used synchronously while it is in a waitable set.
    WAITABLE_SYNC_AND_ASYNC = 48
    #: An exception left the component that threw it.
    UNCAUGHT_EXCEPTION = 49


@dataclass(frozen=True, slots=True)
class Frame(Managed):
    """One WebAssembly function activation of a trap's backtrace; the innermost comes first.

    Offsets are in bytes. `file`, `line` and `column` are known when the module was compiled with `Config.debug_info` or
    `Config.wasm_backtrace_details` and carries DWARF debug information; they are `None` otherwise.
    """

    func_index: int
    func_name: str | None
    func_offset: int | None
    module_name: str | None
    module_offset: int | None
    file: str | None = None
    line: int | None = None
    column: int | None = None


class WasmtimeError(Managed, Exception):
    """An error reported by the engine that is not a trap: invalid modules, failed linking, bad configuration, exhausted limits."""

    def __init__(self, message: str) -> None:
        if not isinstance(message, str):
            raise TypeError(f"expected a str for the message, got {type(message).__name__}")
        super().__init__(message)

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ExitTrap(WasmtimeError):
    """A WASI program ended through `proc_exit`.

    `code` is the exit code that the program gave. An `ExitTrap` made by hand has the code 0 until it is set.
    """

    code: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), self.args, self.__dict__)

    @classmethod
    def _from_engine(cls, message: str, code: int) -> ExitTrap:
        trap = cls(message)
        trap.code = code
        return trap


class Trap(Managed, Exception):
    """WebAssembly trapped.

    `message` is the engine's text with the WebAssembly backtrace, `trap_code` tells the reason, and `frames` is the backtrace, innermost frame first.
    A WebAssembly exception that nobody catches is a trap without a code: `exception` refers to it.
    """

    #: The element at which `Func.map` was, if the trap ended one.
    map_index: int | None = None

    def __init__(self, message: str) -> None:
        if not isinstance(message, str):
            raise TypeError(f"expected a str for the message, got {type(message).__name__}")
        super().__init__(message)
        self._trap_code: TrapCode | None = None
        self._frames: list[Frame] = []
        self._exception: ExnRef | None = None

    @classmethod
    def _from_engine(cls, message: str, code: int | None, frames: list[tuple[Any, ...]]) -> Trap:
        trap = cls(message)
        # A number that this package does not know yet is a trap all the same.
        trap._trap_code = TrapCode(code) if code in TrapCode._value2member_map_ else None
        trap._frames = [Frame(*frame) for frame in frames]
        return trap

    @property
    def message(self) -> str:
        """The text of the trap."""
        return str(self)

    @property
    def trap_code(self) -> TrapCode | None:
        """Why the trap happened; `None` if it was made by hand."""
        return getattr(self, "_trap_code", None)

    @property
    def frames(self) -> list[Frame]:
        """The WebAssembly frames that were active, innermost first; empty for a trap made by hand."""
        return list(getattr(self, "_frames", ()))

    @property
    def exception(self) -> ExnRef | None:
        """The WebAssembly exception that nobody caught, if that is what ended the call; it keeps its store alive."""
        return getattr(self, "_exception", None)

    def _set_exception(self, exception: ExnRef) -> None:
        self._exception = exception

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""

    def __reduce__(self) -> tuple[Any, ...]:
        # A reference into a store means nothing in another process.
        state = {name: value for name, value in self.__dict__.items() if name != "_exception"}
        return (type(self), self.args, state)


class ComponentTrap(Trap, WasmtimeError):
    """A component trapped.

    It is a `WasmtimeError` too, because programs written for `wasmtime` catch that around calls of components.
    """


class DeadlineExceeded(Trap, TimeoutError):
    """A call took longer than the store's deadline (`Store.deadline`) or its own `timeout` allowed.

    It is a `Trap` with the code `INTERRUPT` and a `TimeoutError`. `seconds` is the limit that was exceeded; an exception made by hand has 0.0.
    """

    seconds: float = 0.0

    @classmethod
    def _from_deadline(cls, message: str, code: int, frames: list[tuple[Any, ...]], seconds: float) -> DeadlineExceeded:
        error = cls(message)
        error._trap_code = TrapCode(code)
        error._frames = [Frame(*frame) for frame in frames]
        error.seconds = seconds
        return error


class ResourceLimitError(WasmtimeError):
    """A limit of the store (`Store.set_limits`, `Store.set_limiter`) is in the way."""


class WrongStoreError(WasmtimeError, ValueError):
    """An object of one store was used with another store."""


class WrongEngineError(WasmtimeError, ValueError):
    """An object of one engine was used with another engine."""


class ClosedError(WasmtimeError, ValueError):
    """An object was used after it was closed, or before it was initialised."""


class ExpiredError(WasmtimeError, ValueError):
    """A `Caller` or `StoreContext` was used after the callback that it was made for had returned."""


class StoreBusyError(WasmtimeError, RuntimeError):
    """The store cannot be entered now: it runs on another thread, or the engine is in the middle of an operation on it."""


class SignatureError(WasmtimeError, TypeError):
    """A function was called with the wrong number of arguments, or a callback returned the wrong number of results."""


class OutOfBoundsError(WasmtimeError, IndexError):
    """An index that a table does not have."""


class OutputLimitError(WasmtimeError):
    """A WASI program wrote more than a strict limit of its output permits (`WasiConfig.capture_stdout`)."""
