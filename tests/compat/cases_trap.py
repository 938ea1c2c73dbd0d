"""`Trap`, `TrapCode` and `Frame`."""

from __future__ import annotations

import pickle
from typing import Any

from .harness import Package, case, register
from .programs import TRAPS, engine_with, load, raised_by

#: For each trap that core WebAssembly can cause without further configuration, a module whose `f` causes it.
CAUSES = {
    "UNREACHABLE": '(module (func (export "f") unreachable))',
    "INTEGER_DIVISION_BY_ZERO": '(module (func (export "f") (drop (i32.div_s (i32.const 1) (i32.const 0)))))',
    "INTEGER_OVERFLOW": '(module (func (export "f") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))))',
    "BAD_CONVERSION_TO_INTEGER": '(module (func (export "f") (drop (i32.trunc_f32_s (f32.const nan)))))',
    "MEMORY_OUT_OF_BOUNDS": '(module (memory 1) (func (export "f") (drop (i32.load (i32.const 0x10000)))))',
    "TABLE_OUT_OF_BOUNDS": '(module (table 1 funcref) (func (export "f") (drop (table.get (i32.const 1)))))',
    "INDIRECT_CALL_TO_NULL": '(module (table 1 funcref) (func (export "f") (call_indirect (i32.const 0))))',
    "BAD_SIGNATURE": """(module (table funcref (elem $g)) (func $g (param i32))
        (func (export "f") (call_indirect (i32.const 0))))""",
    "STACK_OVERFLOW": '(module (func $f (export "f") (call $f)))',
    "HEAP_MISALIGNED": '(module (memory 1 1 shared) (func (export "f") (drop (i32.atomic.load (i32.const 1)))))',
    "ATOMIC_WAIT_NON_SHARED_MEMORY": """(module (memory 1)
        (func (export "f") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0)))))""",
    "NULL_REFERENCE": '(module (type $t (func)) (func (export "f") (call_ref $t (ref.null $t))))',
    "ARRAY_OUT_OF_BOUNDS": """(module (type $a (array i32))
        (func (export "f") (drop (array.get $a (array.new_default $a (i32.const 1)) (i32.const 1)))))""",
    "CAST_FAILURE": """(module (type $s (struct))
        (func (export "f") (drop (ref.cast (ref $s) (ref.i31 (i32.const 1))))))""",
    "ALLOCATION_TOO_LARGE": """(module (type $a (array i64))
        (func (export "f") (drop (array.new_default $a (i32.const -1)))))""",
}


def _register_causes() -> None:
    for code, wat in CAUSES.items():
        register(f"{code.lower()}_is_told", _told(wat))


def _told(wat: str) -> Any:
    def tell(w: Package) -> object:
        store = w.Store(engine_with(w, wasm_threads=True, shared_memory=True))
        f = w.Instance(store, w.Module(store.engine, wat), []).exports(store)["f"]
        error: Any = raised_by(lambda: f(store))
        return [type(error).__name__, error.trap_code, error.message.splitlines()[0]]

    return tell


_register_causes()


def _trap(w: Package, wat: str = TRAPS) -> Any:
    store, exports = load(w, wat)
    return raised_by(lambda: exports["f"](store))


@case
def the_documented_codes_have_their_numbers(w: Package) -> object:
    return {name: getattr(w.TrapCode, name).value for name in CAUSES}


@case(covers=["TrapCode.*"])
def every_code_has_a_name_and_a_number(w: Package) -> object:
    """The members of `TrapCode`"""
    return [[code.name, code.value] for code in w.TrapCode]


@case
def codes_can_be_looked_up(w: Package) -> object:
    return [w.TrapCode(9), w.TrapCode["UNREACHABLE"]]


@case
def a_trap_is_an_exception(w: Package) -> object:
    trap = _trap(w)
    return [isinstance(trap, w.Trap), isinstance(trap, Exception), isinstance(trap, w.WasmtimeError)]


@case
def the_message_shows_the_backtrace(w: Package) -> object:
    """The lines of `Trap.message`, with the trap in the first instruction of a function"""
    return _trap(w).message.splitlines()


@case
def the_text_is_the_message(w: Package) -> object:
    trap = _trap(w)
    return str(trap) == trap.message


@case
def frames_are_listed_from_the_innermost(w: Package) -> object:
    return [[frame.func_index, frame.func_name] for frame in _trap(w).frames]


@case
def frames_have_offsets(w: Package) -> object:
    """`Frame.func_offset` and `Frame.module_offset`, with the trap in the first instruction of a function"""
    return [[frame.func_offset, frame.module_offset] for frame in _trap(w).frames]


@case
def frames_name_the_module(w: Package) -> object:
    named = _trap(w, '(module $lib (func (export "f") unreachable))').frames[0].module_name
    unnamed = _trap(w).frames[0].module_name
    return [named, unnamed]


@case
def frames_of_nameless_functions_have_no_name(w: Package) -> object:
    return _trap(w, '(module (func (export "f") unreachable))').frames[0].func_name


@case
def frames_close(w: Package) -> object:
    with _trap(w).frames[0] as frame:
        index = frame.func_index
    return [index, frame.close()]


@case
def a_frame_is_not_made_by_hand(w: Package) -> object:
    """`Frame()`"""
    return type(w.Frame()).__name__


@case
def frames_are_of_their_class(w: Package) -> object:
    return _trap(w).frames


@case(covers=["Trap.args"])
def arguments_of_an_engine_trap(w: Package) -> object:
    """`len(trap.args)` of a trap that the engine made"""
    return len(_trap(w).args)


@case
def a_trap_made_by_hand_has_its_message(w: Package) -> object:
    trap = w.Trap(message="by hand")
    return [trap.message, str(trap)]


@case
def a_trap_made_by_hand_has_no_code_and_no_frames(w: Package) -> object:
    trap = w.Trap("by hand")
    return [trap.trap_code, trap.frames]


@case
def arguments_of_a_trap_made_by_hand(w: Package) -> object:
    return w.Trap("by hand").args


@case
def the_message_of_a_trap_must_be_a_str(w: Package) -> object:
    """`Trap(5)`"""
    return w.Trap(5)


@case
def a_trap_needs_a_message(w: Package) -> object:
    return w.Trap()


@case
def the_message_may_be_any_text(w: Package) -> object:
    return w.Trap("ü🦀").message


@case
def a_message_with_a_nul_survives(w: Package) -> object:
    return w.Trap("a\0b").message


@case
def a_trap_can_be_raised_from_a_callback(w: Package) -> object:
    store = w.Store()

    def fail() -> None:
        raise w.Trap("from the callback")

    return raised_by(lambda: w.Func(store, w.FuncType([], []), fail)(store))


@case(covers=["Trap.with_traceback", "Trap.add_note"])
def notes_and_tracebacks_can_be_added(w: Package) -> object:
    trap = _trap(w)
    trap.add_note("a note")
    return [trap.__notes__, trap.with_traceback(None) is trap, trap.__traceback__]


@case
def a_trap_is_a_context_manager(w: Package) -> object:
    with w.Trap("x") as trap:
        return trap.message


@case
def a_closed_trap_keeps_its_message(w: Package) -> object:
    """`trap.message` after `trap.close()`"""
    trap = w.Trap("x")
    trap.close()
    return trap.message


@case
def a_trap_can_be_pickled(w: Package) -> object:
    """`pickle.loads(pickle.dumps(trap))`"""
    copy = pickle.loads(pickle.dumps(_trap(w)))
    return [type(copy).__name__, copy.trap_code]


@case
def frames_outlive_their_trap(w: Package) -> object:
    frames = _trap(w).frames
    return [frame.func_name for frame in frames]


@case
def frames_know_the_functions_of_several_modules(w: Package) -> object:
    store, exports = load(w, '(module $inner (func $bad (export "f") unreachable))')
    wat = '(module $outer (import "" "f" (func $f)) (func $go (export "go") (call $f)))'
    outer = w.Instance(store, w.Module(store.engine, wat), [exports["f"]]).exports(store)
    trap: Any = raised_by(lambda: outer["go"](store))
    return [[frame.module_name, frame.func_name, frame.func_index] for frame in trap.frames]


@case
def a_trap_chains_no_other_exception(w: Package) -> object:
    """`trap.__context__` and `trap.__cause__` of a trap that the engine made"""
    trap = _trap(w)
    return [trap.__cause__, trap.__context__]
