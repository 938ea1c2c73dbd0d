"""`Trap`, `TrapCode`, `Frame` and the other exceptions."""

from __future__ import annotations

import copy
import dataclasses
import json
import pathlib
import pickle
import re
import subprocess
import sys
from typing import Any

import pytest
from support import engine_with, host, instantiate, raises

import ferrowasm
from ferrowasm import (
    ClosedError,
    Engine,
    ExitTrap,
    ExpiredError,
    Frame,
    Instance,
    Managed,
    Module,
    SignatureError,
    Store,
    StoreBusyError,
    Trap,
    TrapCode,
    WasmtimeError,
    WrongEngineError,
    WrongStoreError,
    _native,
)

NAMES = """(module $outer_module
  (func $inner (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
  (func $middle (param i32) (result i32) (call $inner (local.get 0)))
  (func $outer (export "f") (param i32) (result i32) (call $middle (local.get 0))))"""


def trap_of(wat: str, *args: Any, store: Store | None = None) -> Trap:
    store, exports = instantiate(wat, (), store)
    with pytest.raises(Trap) as caught:
        exports.func("f")(store, *args)
    return caught.value


# --- codes ------------------------------------------------------------------------------------------------------------------


def snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).upper()


def test_there_is_a_code_for_every_trap_of_the_engine_with_its_number_and_name() -> None:
    engine = {number: snake_case(name) for number, name in _native.trap_codes()}
    assert len(engine) == 50
    # The one name that wasmtime-py, like the C API, has shortened.
    engine = {number: name.replace("UNREACHABLE_CODE_REACHED", "UNREACHABLE") for number, name in engine.items()}
    assert {code.value: code.name for code in TrapCode} == engine


CAUSES = {
    TrapCode.STACK_OVERFLOW: ('(func $f (export "f") (call $f))', "call stack exhausted"),
    TrapCode.MEMORY_OUT_OF_BOUNDS: ('(memory 1) (func (export "f") (drop (i32.load (i32.const 65536))))', "out of bounds memory access"),
    TrapCode.HEAP_MISALIGNED: ('(memory 1) (func (export "f") (drop (i32.atomic.load (i32.const 1))))', "unaligned atomic"),
    TrapCode.TABLE_OUT_OF_BOUNDS: ('(table 1 funcref) (func (export "f") (drop (table.get (i32.const 1))))', "out of bounds table access"),
    TrapCode.INDIRECT_CALL_TO_NULL: ('(table 1 funcref) (func (export "f") (call_indirect (i32.const 0)))', "uninitialized element"),
    TrapCode.BAD_SIGNATURE: (
        '(table funcref (elem $g)) (func $g (param i32)) (func (export "f") (call_indirect (i32.const 0)))',
        "indirect call type mismatch",
    ),
    TrapCode.INTEGER_OVERFLOW: (
        '(func (export "f") (drop (i32.div_s (i32.const 0x80000000) (i32.const -1))))',
        "integer overflow",
    ),
    TrapCode.INTEGER_DIVISION_BY_ZERO: ('(func (export "f") (drop (i32.div_u (i32.const 1) (i32.const 0))))', "integer divide by zero"),
    TrapCode.BAD_CONVERSION_TO_INTEGER: (
        '(func (export "f") (drop (i32.trunc_f32_s (f32.const nan))))',
        "invalid conversion to integer",
    ),
    TrapCode.UNREACHABLE: ('(func (export "f") unreachable)', "unreachable"),
    TrapCode.ATOMIC_WAIT_NON_SHARED_MEMORY: (
        '(memory 1) (func (export "f") (drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const 0))))',
        "atomic wait on non-shared memory",
    ),
    TrapCode.NULL_REFERENCE: ('(type $t (func)) (func (export "f") (call_ref $t (ref.null $t)))', "null reference"),
    TrapCode.ARRAY_OUT_OF_BOUNDS: (
        '(type $a (array i32)) (func (export "f") (drop (array.get $a (array.new_default $a (i32.const 1)) (i32.const 1))))',
        "out of bounds array access",
    ),
    TrapCode.ALLOCATION_TOO_LARGE: (
        '(type $a (array i64)) (func (export "f") (drop (array.new_default $a (i32.const -1))))',
        "allocation size too large",
    ),
    TrapCode.CAST_FAILURE: (
        '(type $s (struct)) (func (export "f") (drop (ref.cast (ref $s) (ref.i31 (i32.const 1)))))',
        "cast failure",
    ),
}


@pytest.mark.parametrize("code", CAUSES, ids=lambda code: code.name)
def test_webassembly_traps_with_the_code_of_the_cause(code: TrapCode) -> None:
    fields, text = CAUSES[code]
    trap = trap_of(f"(module {fields})")
    assert trap.trap_code is code
    assert text in trap.message


# --- contents ---------------------------------------------------------------------------------------------------------------


def test_the_message_tells_the_reason_and_the_backtrace() -> None:
    trap = trap_of(NAMES, 0)
    assert trap.message == str(trap) == trap.args[0]
    lines = trap.message.splitlines()
    assert lines[0] == "error while executing at wasm backtrace:"
    assert re.fullmatch(r" +0: +0x[0-9a-f]+ - outer_module!inner", lines[1])
    assert re.fullmatch(r" +1: +0x[0-9a-f]+ - outer_module!middle", lines[2])
    assert re.fullmatch(r" +2: +0x[0-9a-f]+ - outer_module!outer", lines[3])
    assert lines[-1].strip() == "wasm trap: integer divide by zero"


def test_frames_name_functions_and_modules_innermost_first() -> None:
    frames = trap_of(NAMES, 0).frames
    assert [(frame.func_index, frame.func_name, frame.module_name) for frame in frames] == [
        (0, "inner", "outer_module"),
        (1, "middle", "outer_module"),
        (2, "outer", "outer_module"),
    ]
    assert all(type(frame) is Frame for frame in frames)


def test_offsets_point_at_the_instruction() -> None:
    binary = ferrowasm.wat2wasm(NAMES)
    frame = trap_of(NAMES, 0).frames[0]
    assert frame.module_offset is not None and frame.func_offset is not None
    i32_div_s = 0x6D
    assert binary[frame.module_offset] == i32_div_s
    assert 0 < frame.func_offset < 10


def test_frames_without_names_have_none() -> None:
    frame = trap_of('(module (func (export "f") unreachable))').frames[0]
    assert (frame.func_index, frame.func_name, frame.module_name) == (0, None, None)
    assert (frame.file, frame.line, frame.column) == (None, None, None)


def test_frames_are_fresh_lists_and_frozen() -> None:
    trap = trap_of(NAMES, 0)
    trap.frames.clear()
    assert len(trap.frames) == 3
    with pytest.raises(dataclasses.FrozenInstanceError):
        trap.frames[0].func_index = 9  # type: ignore[misc]
    assert trap.frames[0] == copy.copy(trap.frames[0])
    assert hash(trap.frames[0]) == hash(copy.deepcopy(trap.frames[0]))


def test_backtraces_can_be_limited_and_turned_off() -> None:
    assert len(trap_of(NAMES, 0, store=Store(engine_with(wasm_backtrace_max_frames=2))).frames) == 2
    assert trap_of(NAMES, 0, store=Store(engine_with(wasm_backtrace_max_frames=None))).frames == []


def test_frames_of_callbacks_in_between_are_in_pythons_traceback() -> None:
    store = Store()
    _, inner = instantiate(NAMES, (), store)
    callback = host(store, lambda: inner.func("f")(store, 0))
    _, exports = instantiate('(module $relay (import "" "h" (func $h)) (func $call (export "f") (call $h)))', [callback], store)
    with pytest.raises(Trap) as caught:
        exports.func("f")(store)
    names = [frame.func_name for frame in caught.value.frames]
    assert names[:3] == ["inner", "middle", "outer"]


def test_a_trap_outlives_its_store() -> None:
    trap = trap_of(NAMES, 0)
    assert trap.frames[0].func_name == "inner"
    assert "divide by zero" in trap.message


C_SOURCE = """\
static int divide(int a, int b) {
    return a / b;
}

__attribute__((export_name("f"))) int f(int b) {
    return divide(10, b);
}
"""


@pytest.fixture(scope="module")
def with_debug_information(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A module with DWARF, compiled from C."""
    pytest.importorskip("ziglang", reason="the C compiler of the PyPI package ziglang is not installed")
    folder = tmp_path_factory.mktemp("dwarf")
    (folder / "divide.c").write_text(C_SOURCE)
    options = ["-target", "wasm32-freestanding", "-g", "-O0", "-fno-sanitize=all", "-nostdlib", "-Wl,--no-entry"]
    command = [sys.executable, "-m", "ziglang", "cc", *options, "-o", "divide.wasm", "divide.c"]
    subprocess.run(command, cwd=folder, check=True, timeout=300)
    return folder / "divide.wasm"


def dwarf_trap(path: pathlib.Path, engine: Engine) -> Trap:
    store = Store(engine)
    exports = Instance(store, Module.from_file(engine, path), []).exports(store)
    assert exports.func("f")(store, 5) == 2
    with pytest.raises(Trap) as caught:
        exports.func("f")(store, 0)
    return caught.value


def test_frames_have_file_line_and_column_with_debug_information(with_debug_information: pathlib.Path) -> None:
    frames = dwarf_trap(with_debug_information, engine_with(wasm_backtrace_details="enable")).frames
    assert [(frame.func_name, frame.line, frame.column) for frame in frames] == [("divide", 2, 14), ("f", 6, 12)]
    assert all(frame.file is not None and pathlib.Path(frame.file).name == "divide.c" for frame in frames)


def test_frames_have_no_lines_when_details_are_disabled(with_debug_information: pathlib.Path) -> None:
    frames = dwarf_trap(with_debug_information, engine_with(wasm_backtrace_details="disable")).frames
    assert [(frame.func_name, frame.file, frame.line) for frame in frames] == [("divide", None, None), ("f", None, None)]


# --- made by hand, copied, pickled ------------------------------------------------------------------------------------------


def test_a_trap_made_by_hand_has_a_message_and_nothing_else() -> None:
    trap = Trap("by hand")
    assert (trap.message, str(trap), trap.trap_code, trap.frames) == ("by hand", "by hand", None, [])
    assert repr(trap) == "Trap('by hand')"


@pytest.mark.parametrize("kind", [Trap, WasmtimeError, ExitTrap])
@pytest.mark.parametrize("message", [None, 1, b"bytes"])
def test_a_message_that_is_no_str_is_a_type_error(kind: Any, message: Any) -> None:
    with raises(TypeError, f"expected a str for the message, got {type(message).__name__}"):
        kind(message)


@pytest.mark.parametrize("how", ["pickle", "copy", "deepcopy"])
def test_traps_survive_pickling_and_copying(how: str) -> None:
    trap = trap_of(NAMES, 0)
    trap.add_note("a note")
    ways: dict[str, Any] = {"pickle": lambda value: pickle.loads(pickle.dumps(value)), "copy": copy.copy, "deepcopy": copy.deepcopy}
    other = ways[how](trap)
    assert type(other) is Trap
    assert (other.message, other.trap_code, other.frames) == (trap.message, trap.trap_code, trap.frames)
    assert other.__notes__ == ["a note"]


def test_a_trap_pickled_in_another_process_is_read_here() -> None:
    program = (
        "import ferrowasm as w, pickle, sys\n"
        "s = w.Store()\n"
        "f = w.Instance(s, w.Module(s.engine, '(module (func $x (export \"f\") unreachable))'), []).exports(s)['f']\n"
        "try: f(s)\n"
        "except w.Trap as trap: sys.stdout.buffer.write(pickle.dumps(trap))\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True, timeout=60)
    trap = pickle.loads(result.stdout)
    assert trap.trap_code is TrapCode.UNREACHABLE
    assert trap.frames[0].func_name == "x"


def test_exit_traps_and_other_errors_survive_pickling() -> None:
    exit_trap = ExitTrap("Exited with i32 exit status 3")
    exit_trap.code = 3
    other = pickle.loads(pickle.dumps(exit_trap))
    assert (type(other), str(other), other.code) == (ExitTrap, "Exited with i32 exit status 3", 3)
    for kind in (WasmtimeError, WrongStoreError, WrongEngineError, ClosedError, ExpiredError, StoreBusyError, SignatureError):
        error = pickle.loads(pickle.dumps(kind("text")))
        assert (type(error), str(error)) == (kind, "text")


def test_frames_are_plain_values() -> None:
    frame = trap_of(NAMES, 0).frames[0]
    assert json.loads(json.dumps(dataclasses.asdict(frame)))["func_name"] == "inner"
    assert pickle.loads(pickle.dumps(frame)) == frame


# --- classes ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "bases"),
    [
        (WasmtimeError, [Exception]),
        (Trap, [Exception]),
        (ExitTrap, [WasmtimeError]),
        (WrongStoreError, [WasmtimeError, ValueError]),
        (WrongEngineError, [WasmtimeError, ValueError]),
        (ClosedError, [WasmtimeError, ValueError]),
        (ExpiredError, [WasmtimeError, ValueError]),
        (StoreBusyError, [WasmtimeError, RuntimeError]),
        (SignatureError, [WasmtimeError, TypeError]),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_exceptions_are_what_programs_catch(kind: type[Exception], bases: list[type]) -> None:
    assert all(issubclass(kind, base) for base in bases)
    assert issubclass(kind, Managed)


def test_a_trap_is_no_wasmtime_error_as_in_wasmtime_py() -> None:
    assert not issubclass(Trap, WasmtimeError)
    assert not issubclass(WasmtimeError, Trap)


def test_exceptions_can_be_closed_and_used_in_with_as_everything_managed() -> None:
    with trap_of(NAMES, 0) as trap:
        pass
    trap.close()
    assert trap.frames[0].func_name == "inner"
    trap.frames[0].close()


def test_an_exit_trap_made_by_hand_has_code_zero() -> None:
    assert ExitTrap("x").code == 0


def test_an_uninitialised_trap_can_be_looked_at() -> None:
    trap = Trap.__new__(Trap)
    assert (str(trap), trap.message, trap.trap_code, trap.frames) == ("", "", None, [])
    assert str(WasmtimeError.__new__(WasmtimeError)) == ""
