"""`WasmtimeError` and `ExitTrap`."""

from __future__ import annotations

import os
import pickle
from typing import Any

from .harness import Package, case
from .programs import raised_by


def _error(w: Package) -> Any:
    return raised_by(lambda: w.Module(w.Engine(), b"\0asm"))


def _exit(w: Package, code: int) -> Any:
    linker = w.Linker(w.Engine())
    linker.define_wasi()
    store = w.Store(linker.engine)
    store.set_wasi(w.WasiConfig())
    wat = f"""
        (module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (memory (export "memory") 1) (func (export "_start") (call $exit (i32.const {code}))))"""
    exports = linker.instantiate(store, w.Module(linker.engine, wat)).exports(store)
    return raised_by(lambda: exports["_start"](store))


@case
def the_text_is_the_message(w: Package) -> object:
    return str(w.WasmtimeError(message="by hand"))


@case(covers=["WasmtimeError.args"])
def its_arguments_are_the_message(w: Package) -> object:
    return w.WasmtimeError("by hand").args


@case
def an_engine_error_has_arguments(w: Package) -> object:
    """`len(error.args)` of an error of the engine"""
    return len(_error(w).args)


@case(message=True)
def its_text_has_no_native_backtrace(w: Package) -> object:
    os.environ["RUST_BACKTRACE"] = "1"
    return w.Module(w.Engine(), b"\0asm")


@case
def it_needs_a_message(w: Package) -> object:
    return w.WasmtimeError()


@case
def its_message_must_be_a_str(w: Package) -> object:
    """`WasmtimeError(5)`"""
    return w.WasmtimeError(5)


@case
def an_empty_message_is_empty(w: Package) -> object:
    return str(w.WasmtimeError(""))


@case
def it_is_an_exception(w: Package) -> object:
    return [
        issubclass(w.WasmtimeError, Exception),
        issubclass(w.ExitTrap, w.WasmtimeError),
        issubclass(w.Trap, w.WasmtimeError),
    ]


@case
def it_can_be_raised_and_caught(w: Package) -> None:
    raise w.WasmtimeError("x")


@case(covers=["WasmtimeError.with_traceback", "WasmtimeError.add_note"])
def notes_and_tracebacks_can_be_added(w: Package) -> object:
    error = _error(w)
    error.add_note("a note")
    return [error.__notes__, error.with_traceback(None) is error, error.__traceback__]


@case
def it_is_a_context_manager(w: Package) -> object:
    with w.WasmtimeError("x") as error:
        return str(error)


@case
def a_closed_error_keeps_its_text(w: Package) -> object:
    """`str(error)` of an error of the engine after `error.close()`"""
    error = _error(w)
    error.close()
    return type(str(error)).__name__


@case
def it_can_be_pickled(w: Package) -> object:
    """`pickle.loads(pickle.dumps(error))` of a `WasmtimeError`"""
    return type(pickle.loads(pickle.dumps(_error(w)))).__name__


@case(covers=["ExitTrap.code"])
def exits_have_codes(w: Package) -> object:
    return [[type(error).__name__, error.code] for error in (_exit(w, code) for code in (0, 1, 42, 125))]


@case
def exit_codes_that_are_too_large(w: Package) -> object:
    """The class of what `proc_exit(200)` raises, a code that WASI does not allow"""
    return type(_exit(w, 200)).__name__


@case
def the_text_of_an_exit(w: Package) -> object:
    """The first line of the text of an `ExitTrap`"""
    return str(_exit(w, 3)).splitlines()[0]


@case
def the_last_line_of_an_exit_names_the_code(w: Package) -> object:
    return str(_exit(w, 3)).splitlines()[-1].strip()


@case(covers=["ExitTrap.args"])
def arguments_of_an_exit(w: Package) -> object:
    """`len(error.args)` of an `ExitTrap`"""
    return len(_exit(w, 3).args)


@case
def an_exit_made_by_hand_has_its_message(w: Package) -> object:
    return str(w.ExitTrap(message="by hand"))


@case
def an_exit_made_by_hand_has_a_code(w: Package) -> object:
    """`ExitTrap("by hand").code`"""
    return w.ExitTrap("by hand").code


@case(covers=["ExitTrap.with_traceback", "ExitTrap.add_note"])
def notes_can_be_added_to_an_exit(w: Package) -> object:
    error = _exit(w, 3)
    error.add_note("a note")
    return [error.__notes__, error.with_traceback(None) is error]


@case
def an_exit_is_a_context_manager(w: Package) -> object:
    with _exit(w, 3) as error:
        pass
    return [error.code, error.close()]


@case
def an_exit_can_be_pickled(w: Package) -> object:
    """`pickle.loads(pickle.dumps(exit_trap)).code`"""
    return pickle.loads(pickle.dumps(_exit(w, 3))).code
