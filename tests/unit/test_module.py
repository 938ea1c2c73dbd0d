"""`Module`: compiling, looking inside, serializing."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import engine_with, func_type, raises

from ferrowasm import (
    ClosedError,
    Engine,
    ExportType,
    GlobalType,
    ImportType,
    Instance,
    Limits,
    MemoryType,
    Module,
    Store,
    TableType,
    TagType,
    ValType,
    WasmtimeError,
    wat2wasm,
)

ENGINE = Engine()
WAT = '(module $named (func (export "f") (result i32) (i32.const 42)))'
BINARY = bytes(wat2wasm(WAT))
FOREIGN = (
    "these bytes are no compiled code of ferrowasm, or they are cut short: expected what `serialize` returned (the checksum at the end is missing)"
)
DAMAGED = "the compiled code does not match its checksum: it was damaged, or made by another version of ferrowasm; compile it again"


def runs(module: Module, engine: Engine = ENGINE) -> bool:
    store = Store(engine)
    return bool(Instance(store, module, []).exports(store).func("f")(store) == 42)


# --- compiling --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [WAT, WAT.encode(), BINARY, bytearray(BINARY), memoryview(BINARY), memoryview(bytearray(BINARY * 2))[: len(BINARY)]],
    ids=["text", "text as bytes", "bytes", "bytearray", "memoryview", "part of a view"],
)
def test_modules_are_compiled_from_text_and_bytes(source: Any) -> None:
    assert runs(Module(ENGINE, source))


@pytest.mark.parametrize("source", [None, 1, [0], object()], ids=lambda value: type(value).__name__)
def test_what_is_neither_text_nor_bytes_is_a_type_error(source: Any) -> None:
    with raises(TypeError, f"expected the text format as str or a module as bytes, got {type(source).__name__}"):
        Module(ENGINE, source)


def test_text_that_cannot_be_parsed_is_a_wasmtime_error_with_its_place() -> None:
    with pytest.raises(WasmtimeError) as caught:
        Module(ENGINE, "(module\n  (funk))")
    assert "<anon>:2:4" in str(caught.value)
    assert "unexpected token" in str(caught.value) or "expected" in str(caught.value)


def test_an_invalid_module_is_a_wasmtime_error_with_its_reason() -> None:
    with pytest.raises(WasmtimeError, match="type mismatch"):
        Module(ENGINE, "(module (func (result i32) (i64.const 1)))")


@pytest.mark.parametrize("length", range(0, 8))
def test_a_cut_header_is_a_wasmtime_error(length: int) -> None:
    with pytest.raises(WasmtimeError):
        Module(ENGINE, BINARY[:length] if length else b"\0")


def test_a_component_is_a_wasmtime_error() -> None:
    with pytest.raises(WasmtimeError, match="component"):
        Module(ENGINE, "(component)")


def test_a_proposal_that_is_off_is_a_wasmtime_error() -> None:
    with pytest.raises(WasmtimeError, match="SIMD support is not enabled"):
        Module(
            engine_with(wasm_simd=False, wasm_relaxed_simd=False), '(module (func (result v128) (v128.const i64x2 0 0)))'
        )


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_compile_or_are_a_wasmtime_error(data: bytes) -> None:
    for source in (data, b"\0asm\x01\0\0\0" + data):
        try:
            Module(ENGINE, source)
        except WasmtimeError as error:
            assert str(error) != ""


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(BINARY) - 1), st.integers(0, 255))
def test_changed_binaries_compile_or_are_a_wasmtime_error(place: int, value: int) -> None:
    changed = bytearray(BINARY)
    changed[place] = value
    try:
        Module(ENGINE, changed)
    except WasmtimeError as error:
        assert str(error) != ""


def test_other_threads_run_while_a_module_compiles() -> None:
    body = "(i32.add " * 300 + "(local.get 0)" + " (i32.const 1))" * 300
    source = "(module " + "".join(f"(func (param i32) (result i32) {body})" for _ in range(200)) + ")"
    binary = wat2wasm(source)
    ticks, stop = [0], threading.Event()

    def tick() -> None:
        while not stop.wait(0.001):
            ticks[0] += 1

    thread = threading.Thread(target=tick)
    thread.start()
    Module(ENGINE, binary)
    stop.set()
    thread.join()
    assert ticks[0] > 3


def test_a_closed_engine_compiles_nothing() -> None:
    engine = Engine()
    engine.close()
    for use in (
        lambda: Module(engine, WAT),
        lambda: Module.validate(engine, BINARY),
        lambda: Module.deserialize(engine, b""),
        lambda: Module.from_file(engine, __file__),
        lambda: Module.deserialize_file(engine, __file__),
    ):
        with raises(ClosedError, "this Engine is already closed"):
            use()


# --- files ------------------------------------------------------------------------------------------------------------------

PATHS: dict[str, Callable[[pathlib.Path], Any]] = {"str": str, "bytes": os.fsencode, "PathLike": lambda path: path}


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("content", [WAT.encode(), BINARY], ids=["text", "binary"])
def test_files_are_named_by_str_bytes_and_path(tmp_path: pathlib.Path, kind: str, content: bytes) -> None:
    file = tmp_path / "módule"
    file.write_bytes(content)
    assert runs(Module.from_file(ENGINE, PATHS[kind](file)))


@pytest.mark.parametrize("load", [Module.from_file, Module.deserialize_file])
def test_a_missing_file_is_a_file_not_found_error_with_its_name(tmp_path: pathlib.Path, load: Any) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        load(ENGINE, tmp_path / "missing")
    assert caught.value.filename == str(tmp_path / "missing")
    assert caught.value.strerror == "No such file or directory"


@pytest.mark.parametrize("load", [Module.from_file, Module.deserialize_file])
def test_a_folder_is_an_is_a_directory_error(tmp_path: pathlib.Path, load: Any) -> None:
    with pytest.raises(IsADirectoryError):
        load(ENGINE, tmp_path)


@pytest.mark.parametrize("path", [None, 1, 1.5])
def test_what_is_no_path_is_a_type_error(path: Any) -> None:
    with pytest.raises(TypeError, match="expected str, bytes or os.PathLike object"):
        Module.from_file(ENGINE, path)


def test_an_error_in_a_text_file_names_the_file(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "wrong.wat"
    file.write_text("(module (funk))")
    with pytest.raises(WasmtimeError, match=r"wrong\.wat:1:10"):
        Module.from_file(ENGINE, file)


# --- validating -------------------------------------------------------------------------------------------------------------


def test_a_valid_module_validates_without_being_compiled() -> None:
    assert Module.validate(ENGINE, BINARY) is None
    assert Module.validate(ENGINE, bytearray(BINARY)) is None


def test_an_invalid_module_does_not_validate() -> None:
    with pytest.raises(WasmtimeError, match="type mismatch"):
        Module.validate(ENGINE, wat2wasm("(module (func (result i32)))"))
    with pytest.raises(WasmtimeError):
        Module.validate(ENGINE, b"")


def test_validating_text_is_a_type_error_that_says_what_to_do() -> None:
    with raises(TypeError, "expected a module in the binary format as bytes, got str; see wat2wasm"):
        Module.validate(ENGINE, WAT)  # type: ignore[arg-type]


# --- looking inside ---------------------------------------------------------------------------------------------------------


def test_imports_and_exports_are_listed_in_order_with_their_types() -> None:
    module = Module(
        ENGINE,
        """(module (import "a" "f" (func (param i32) (result i64))) (import "a" "g" (global (mut f32))) (import "b" "t" (table 1 2 funcref))
             (import "b" "m" (memory 1)) (import "b" "e" (tag (param i32))) (export "x" (func 0)) (export "y" (memory 0)))""",
    )
    imports = module.imports
    assert all(type(item) is ImportType for item in imports)
    assert [(item.module, item.name, item.type) for item in imports] == [
        ("a", "f", func_type("i", "I")),
        ("a", "g", GlobalType(ValType.f32(), True)),
        ("b", "t", TableType(ValType.funcref(), Limits(1, 2))),
        ("b", "m", MemoryType(Limits(1, None))),
        ("b", "e", TagType(func_type("i"))),
    ]
    exports = module.exports
    assert all(type(item) is ExportType for item in exports)
    assert [(item.name, item.type) for item in exports] == [("x", func_type("i", "I")), ("y", MemoryType(Limits(1, None)))]


def test_the_name_is_that_of_the_name_section() -> None:
    assert Module(ENGINE, WAT).name == "named"
    assert Module(ENGINE, "(module)").name is None
    assert repr(Module(ENGINE, WAT)) == '<Module "named">'
    assert repr(Module(ENGINE, "(module)")) == "<Module>"


def test_types_outlive_their_module() -> None:
    module = Module(ENGINE, WAT)
    exports = module.exports
    module.close()
    assert exports[0].name == "f"
    assert exports[0].type == func_type("", "i")


def test_a_closed_module_refuses_every_use() -> None:
    module = Module(ENGINE, WAT)
    with module:
        assert runs(module)
    module.close()
    for use in (
        lambda: module.imports,
        lambda: module.exports,
        lambda: module.name,
        lambda: module.serialize(),
        lambda: Instance(Store(ENGINE), module, []),
    ):
        with raises(ClosedError, "this Module is already closed"):
            use()
    assert repr(module) == "<Module (closed)>"


# --- serializing ------------------------------------------------------------------------------------------------------------

CODE = bytes(Module(ENGINE, WAT).serialize())


def test_a_module_survives_serializing() -> None:
    assert type(Module(ENGINE, WAT).serialize()) is bytearray
    for code in (CODE, bytearray(CODE), memoryview(CODE)):
        module = Module.deserialize(ENGINE, code)
        assert runs(module)
        assert module.name == "named"
        assert module.serialize() == CODE


def test_another_engine_with_the_same_settings_takes_the_code() -> None:
    engine = Engine()
    assert runs(Module.deserialize(engine, CODE), engine)


def test_an_engine_with_other_settings_refuses_the_code() -> None:
    with pytest.raises(WasmtimeError, match="epoch"):
        Module.deserialize(engine_with(interruptible=False), CODE)


def test_code_that_is_cut_short_anywhere_is_refused() -> None:
    step = max(1, len(CODE) // 300)
    for length in sorted({*range(80), *range(0, len(CODE), step), *range(len(CODE) - 80, len(CODE))}):
        with pytest.raises(WasmtimeError) as caught:
            Module.deserialize(ENGINE, CODE[:length])
        assert str(caught.value) == FOREIGN, length


@settings(max_examples=400, deadline=None)
@given(st.integers(0, len(CODE) - 1), st.integers(1, 255))
def test_code_with_a_changed_byte_is_refused(place: int, change: int) -> None:
    changed = bytearray(CODE)
    changed[place] ^= change
    with pytest.raises(WasmtimeError) as caught:
        Module.deserialize(ENGINE, changed)
    assert str(caught.value) in (FOREIGN, DAMAGED)


def test_every_bit_of_the_trailer_and_of_the_header_counts() -> None:
    for place in [*range(64), *range(len(CODE) - 48, len(CODE))]:
        for bit in range(8):
            changed = bytearray(CODE)
            changed[place] ^= 1 << bit
            with pytest.raises(WasmtimeError):
                Module.deserialize(ENGINE, changed)


@pytest.mark.parametrize(
    "code",
    [b"", b"\0" * 1000, BINARY, WAT.encode(), b"\x7fELF" + bytes(2000), CODE[:-48], CODE + b"\0", CODE + CODE],
    ids=["empty", "zeros", "a wasm module", "text", "an ELF header", "the engine's bare artefact", "a byte more", "twice"],
)
def test_foreign_bytes_are_refused(code: bytes) -> None:
    with pytest.raises(WasmtimeError) as caught:
        Module.deserialize(ENGINE, code)
    assert str(caught.value) in (FOREIGN, DAMAGED)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_random_bytes_are_refused(code: bytes) -> None:
    with pytest.raises(WasmtimeError) as caught:
        Module.deserialize(ENGINE, code)
    assert str(caught.value) == FOREIGN


@pytest.mark.parametrize("code", ["text", None, 1], ids=lambda value: type(value).__name__)
def test_code_that_is_not_bytes_is_a_type_error(code: Any) -> None:
    with raises(TypeError, f"expected compiled code as bytes, got {type(code).__name__}"):
        Module.deserialize(ENGINE, code)


@pytest.mark.parametrize("kind", PATHS)
@pytest.mark.parametrize("trusted", [False, True])
def test_compiled_files_are_loaded_checked_and_trusted(tmp_path: pathlib.Path, kind: str, trusted: bool) -> None:
    file = tmp_path / "code"
    file.write_bytes(CODE)
    assert runs(Module.deserialize_file(ENGINE, PATHS[kind](file), trusted=trusted))


def test_a_damaged_file_is_refused_unless_it_is_trusted(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "code"
    changed = bytearray(CODE)
    changed[-1] ^= 1
    file.write_bytes(changed)
    with raises(WasmtimeError, FOREIGN):
        Module.deserialize_file(ENGINE, file)
    # Only the trailer is damaged, so that mapping it without the check is harmless here.
    assert runs(Module.deserialize_file(ENGINE, file, trusted=True))


def test_trust_is_given_by_name_only(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "code"
    file.write_bytes(CODE)
    with pytest.raises(TypeError):
        Module.deserialize_file(ENGINE, file, True)  # type: ignore[call-arg]


def test_code_is_loaded_in_another_process(tmp_path: pathlib.Path) -> None:
    file = tmp_path / "code"
    file.write_bytes(CODE)
    program = (
        "import ferrowasm as w, sys\n"
        "s = w.Store()\n"
        "m = w.Module.deserialize_file(s.engine, sys.argv[1])\n"
        "print(w.Instance(s, m, []).exports(s)['f'](s))\n"
    )
    result = subprocess.run([sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stdout) == (0, "42\n"), result.stderr
