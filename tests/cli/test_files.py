"""`ferrowasm compile`, `inspect` and `wat`, and how every command treats the file that it is given."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from .conftest import Run

COMMANDS = ["run", "compile", "inspect", "wat"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_file_is_one_line(ferrowasm: Run, files: Path, command: str) -> None:
    result = ferrowasm(command, "absent.wasm")
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "ferrowasm: absent.wasm: No such file or directory\n")


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("contents", "start"),
    [(b"\x89PNG\r\n", "begins with 89 50 4e 47"), (b"", "is empty"), (b"#!/bin/sh\n", "begins with 23 21 2f 62"), (b"\0as", "begins with 00 61 73")],
)
def test_a_wrong_magic_number_is_one_line(ferrowasm: Run, files: Path, command: str, contents: bytes, start: str) -> None:
    (files / "wrong.wasm").write_bytes(contents)
    result = ferrowasm(command, "wrong.wasm")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == (
        f"ferrowasm: wrong.wasm: not a WebAssembly file: it {start}; a binary module begins with 00 61 73 6d, a text module with '('\n"
    )


@pytest.mark.parametrize("command", ["run", "compile", "inspect"])
def test_a_truncated_module_is_one_line(ferrowasm: Run, files: Path, command: str) -> None:
    (files / "short.wasm").write_bytes(b"\0asm\1\0\0\0\1\x7f")
    result = ferrowasm(command, "short.wasm")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr.startswith("ferrowasm: short.wasm: ") and result.stderr.count("\n") == 1


def test_a_mistake_in_the_text_form_is_shown_in_its_place(ferrowasm: Run, files: Path) -> None:
    (files / "typo.wat").write_text("(module\n  (fnuc))\n")
    result = ferrowasm("run", "typo.wat")
    assert result.returncode == 1
    assert result.stderr.startswith("ferrowasm: typo.wat: ")
    assert "(fnuc))" in result.stderr and "Traceback" not in result.stderr


def test_a_folder_is_no_file(ferrowasm: Run, files: Path) -> None:
    assert ferrowasm("inspect", "data").stderr == "ferrowasm: data: Is a directory\n"


def test_a_compiled_module_runs(ferrowasm: Run, files: Path) -> None:
    result = ferrowasm("compile", "functions.wat", "-o", "f.bin")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert ferrowasm("run", "f.bin", "--invoke", "add", "2", "3").stdout == "5\n"
    assert "compiled module" in ferrowasm("inspect", "f.bin").stdout


def test_the_output_of_compile_has_a_name_by_default(ferrowasm: Run, files: Path) -> None:
    assert ferrowasm("compile", "functions.wat").returncode == 0
    assert ferrowasm("run", "functions.cwasm", "--invoke", "nothing").returncode == 0


def test_a_compiled_module_is_not_compiled_or_printed_again(ferrowasm: Run, files: Path) -> None:
    ferrowasm("compile", "functions.wat")
    assert ferrowasm("compile", "functions.cwasm").stderr == "ferrowasm: functions.cwasm: this is a compiled module already\n"
    assert "has no text form" in ferrowasm("wat", "functions.cwasm").stderr


def test_a_damaged_compiled_module_is_refused(ferrowasm: Run, files: Path) -> None:
    ferrowasm("compile", "functions.wat")
    data = bytearray((files / "functions.cwasm").read_bytes())
    data[len(data) // 2] ^= 0xFF
    (files / "functions.cwasm").write_bytes(data)
    result = ferrowasm("run", "functions.cwasm", "--invoke", "nothing")
    assert result.returncode == 1
    assert result.stderr.startswith("ferrowasm: functions.cwasm: ") and result.stderr.count("\n") == 1


def test_an_output_that_cannot_be_written_leaves_nothing_behind(ferrowasm: Run, files: Path) -> None:
    before = sorted(path.name for path in files.iterdir())
    result = ferrowasm("compile", "functions.wat", "-o", "absent/f.bin")
    assert (result.returncode, result.stderr) == (1, "ferrowasm: absent/f.bin: No such file or directory\n")
    assert ferrowasm("compile", "functions.wat", "-o", "data").returncode == 1
    assert sorted(path.name for path in files.iterdir()) == before


def test_inspect_shows_a_table(ferrowasm: Run, files: Path) -> None:
    result = ferrowasm("inspect", "functions.wat")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[0].startswith("functions.wat: module, ")
    assert "imports (0)" in lines
    assert "exports (9)" in lines
    assert "  memory       (memory 2 16)" in lines
    assert "  add          (func (param i32 i32) (result i32))" in lines
    assert "  memory  2 pages (131.1 kB), at most 16 pages (1.0 MB)" in lines
    assert any(line.startswith("  code ") for line in lines)
    assert "custom sections (1)" in lines


def test_inspect_lists_memories_that_the_module_keeps_to_itself(ferrowasm: Run, files: Path) -> None:
    (files / "internal.wat").write_text('(module (import "env" "m" (memory 1 1 shared)) (memory 3) (memory (export "out") i64 1))')
    report = json.loads(ferrowasm("inspect", "--json", "internal.wat").stdout)
    assert [(memory["name"], memory["imported"], memory["minimum"], memory["is_64"], memory["is_shared"]) for memory in report["memories"]] == [
        ("env.m", True, 1, False, True),
        (None, False, 3, False, False),
        ("out", False, 1, True, False),
    ]


def test_inspect_json_tells_everything(ferrowasm: Run, files: Path) -> None:
    (files / "all.wat").write_text(
        """(module
             (import "env" "f" (func (param i64) (result f32 f64)))
             (import "env" "memory" (memory 1 4 shared))
             (import "env" "g" (global (mut i32)))
             (import "env" "t" (table 1 2 externref))
             (global (export "out") i64 (i64.const 1))
             (@custom "note" "hello"))"""
    )
    report = json.loads(ferrowasm("inspect", "--json", "all.wat").stdout)
    assert (report["file"], report["kind"]) == ("all.wat", "module")
    assert report["imports"] == [
        {"module": "env", "name": "f", "kind": "func", "type": "(func (param i64) (result f32 f64))"},
        {"module": "env", "name": "memory", "kind": "memory", "type": "(memory 1 4 shared)"},
        {"module": "env", "name": "g", "kind": "global", "type": "(global (mut i32))"},
        {"module": "env", "name": "t", "kind": "table", "type": "(table 1 2 externref)"},
    ]
    assert report["exports"] == [{"name": "out", "kind": "global", "type": "(global i64)"}]
    assert report["memories"] == [
        {"name": "env.memory", "imported": True, "minimum": 1, "maximum": 4, "page_size": 65536, "is_64": False, "is_shared": True}
    ]
    sections = {section["kind"]: section for section in report["sections"] if section["name"] is None}
    assert list(sections) == ["type", "import", "global", "export"]
    [custom] = [section for section in report["sections"] if section["name"] is not None]
    assert (custom["name"], custom["size"]) == ("note", len("\x04note") + len("hello"))
    assert report["size"] == custom["offset"] + custom["size"]


def test_wat_prints_text_that_compiles_to_the_same_module(ferrowasm: Run, files: Path) -> None:
    text = ferrowasm("wat", "functions.wat")
    assert (text.returncode, text.stderr) == (0, "")
    assert text.stdout.startswith("(module $functions\n")
    again = ferrowasm("wat", "-", stdin=text.stdout)
    assert again.stdout == text.stdout
    assert ferrowasm("wat", "functions.wat", "-o", "out.wat").stdout == ""
    assert (files / "out.wat").read_text() == text.stdout


def test_a_module_may_come_from_standard_input(ferrowasm: Run, files: Path) -> None:
    source = (files / "functions.wat").read_text()
    assert ferrowasm("run", "-", "--invoke", "add", "1", "2", stdin=source).stdout == "3\n"
    assert ferrowasm("inspect", "-", stdin=source).stdout.startswith("<stdin>: module, ")
    result = ferrowasm("compile", "-", stdin=source)
    assert result.returncode == 2
    assert result.stderr == (
        "ferrowasm: compile: a file from standard input has no name to derive the output's from; say where to write it with -o\n"
    )


def test_a_reader_that_goes_away_is_no_error(files: Path) -> None:
    exports = "".join(f'(export "name_{n}" (func $f))' for n in range(20_000))
    (files / "many.wat").write_text(f"(module (func $f) {exports})")
    command = [sys.executable, "-m", "ferrowasm", "inspect", "many.wat"]
    with subprocess.Popen(command, cwd=files, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        stderr = process.stderr.read()
        process.wait(timeout=60)
    assert (process.returncode, stderr) == (141, b"")


@pytest.mark.parametrize("arguments", [[], ["run"], ["fly", "x.wasm"], ["inspect", "--jsn", "x.wasm"], ["run", "--dir", "::x", "functions.wat"]])
def test_wrong_usage_is_exit_code_2(ferrowasm: Run, files: Path, arguments: list[str]) -> None:
    result = ferrowasm(*arguments)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("usage: ferrowasm")


def test_help_and_version_go_to_standard_output(ferrowasm: Run) -> None:
    import ferrowasm as package

    assert ferrowasm("--version").stdout == f"ferrowasm {package.__version__} (wasmtime {package.engine_version})\n"
    for arguments in (["--help"], ["run", "--help"], ["inspect", "--help"]):
        result = ferrowasm(*arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout.startswith("usage: ferrowasm")


def test_the_console_script_is_the_same_command(tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("ferrowasm")
    result = subprocess.run([script, "--version"], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("ferrowasm ")
