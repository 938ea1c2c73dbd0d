"""The command line on components: commands of WASI 0.2, single functions, their worlds, and compiling them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from toolchain import ROOT, c_command, c_guest, component

from .conftest import Run

COMMAND = ROOT / "tests" / "component" / "guests" / "c" / "command.c"

# Every parameter is lowered to an address and a length, or to nothing but itself.
LIBRARY = """
(module
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 1024))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (local.get 3))))
  (func $pair (param i32 i32) (result i32)
    (i32.store (i32.const 16) (local.get 0))
    (i32.store (i32.const 20) (local.get 1))
    (i32.const 16))
  (func (export "test:cli/api#same-text") (param i32 i32) (result i32) (call $pair (local.get 0) (local.get 1)))
  (func (export "test:cli/api#same-points") (param i32 i32) (result i32) (call $pair (local.get 0) (local.get 1)))
  (func (export "next") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func (export "attempt") (param i32) (result i32)
    (i32.store8 (i32.const 16) (i32.eqz (local.get 0)))
    (i32.store8 (i32.const 17) (local.get 0))
    (i32.const 16))
  (func (export "fail") unreachable))
"""

WIT = """\
package test:cli;

interface api {
  record point { x: s32, y-axis: option<s16> }
  same-text: func(text: string) -> string;
  same-points: func(points: list<point>) -> list<point>;
}

world library {
  export api;
  export next: func(number: u32) -> u32;
  export attempt: func(number: u8) -> result<u8, u8>;
  export fail: func();
}
"""


@pytest.fixture
def components(tmp_path: Path) -> Path:
    """The folder in which the command line runs, with components in it."""
    shutil.copy(c_command("command", COMMAND.read_text(encoding="utf-8")), tmp_path / "command.wasm")
    shutil.copy(component("library", LIBRARY, wit=WIT), tmp_path / "library.wasm")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "f").write_text("contents")
    return tmp_path


def test_a_command_gets_its_arguments_and_variables(ferrowasm: Run, components: Path) -> None:
    result = ferrowasm("run", "--env", "A=1", "command.wasm", "show", "-x", "--", "--dir")
    assert (result.stdout.splitlines(), result.stderr, result.returncode) == (["command.wasm", "show", "-x", "--dir", "A=1"], "", 0)


def test_a_command_uses_the_standard_streams(ferrowasm: Run, components: Path) -> None:
    result = ferrowasm("run", "command.wasm", "copy", stdin="some text\n")
    assert (result.stdout, result.stderr) == ("some text\n", "")
    assert ferrowasm("run", "command.wasm", "complain", "oh").stderr == "oh"


def test_a_command_uses_the_folders_that_it_is_given(ferrowasm: Run, components: Path) -> None:
    assert ferrowasm("run", "--dir", "data::/d", "command.wasm", "read", "/d/f").stdout == "contents"
    assert ferrowasm("run", "command.wasm", "read", "/d/f").returncode == 1
    assert ferrowasm("run", "--dir", "data::/d:ro", "command.wasm", "write", "/d/f", stdin="new").returncode == 1
    assert ferrowasm("run", "--dir", "data::/d", "command.wasm", "write", "/d/f", stdin="new").returncode == 0
    assert (components / "data" / "f").read_text() == "new"


@pytest.mark.parametrize(("word", "code"), [("succeed", 0), ("fail", 1), ("abort", 134)])
def test_the_exit_code_of_a_command_is_ours(ferrowasm: Run, components: Path, word: str, code: int) -> None:
    assert ferrowasm("run", "command.wasm", word).returncode == code


def test_a_result_of_err_is_exit_code_1(ferrowasm: Run, tmp_path: Path) -> None:
    # The program of a component that was not made from a WASI 0.1 program, as short as it can be.
    for name, result, code in [("good", 0, 0), ("bad", 1, 1)]:
        (tmp_path / f"{name}.wat").write_text(f"""
            (component
              (core module $m (func (export "run") (result i32) (i32.const {result})))
              (core instance $i (instantiate $m))
              (func $run (result (result)) (canon lift (core func $i "run")))
              (instance $run (export "run" (func $run)))
              (export "wasi:cli/run@0.2.0" (instance $run)))""")
        outcome = ferrowasm("run", f"{name}.wat")
        assert (outcome.returncode, outcome.stdout, outcome.stderr) == (code, "", "")


def test_a_command_is_not_given_the_network(ferrowasm: Run, tmp_path: Path) -> None:
    shutil.copy(c_guest(COMMAND.with_name("sockets.c")), tmp_path / "sockets.wasm")
    shutil.copy(c_guest(COMMAND.with_name("http.c")), tmp_path / "http.wasm")
    assert ferrowasm("run", "sockets.wasm", "connect", "127.0.0.1", "1").stdout == "create: access-denied\n"
    assert ferrowasm("run", "http.wasm", "GET", "http", "127.0.0.1:1", "/").stdout == "error 15\n"


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (["next", "41"], "42\n"),
        (["test:cli/api@same-text", "ä b"], "ä b\n"),
        (["test:cli/api@same-points", '[{"x": -1, "y-axis": null}, {"x": 2, "y-axis": 3}]'], '[{"x": -1, "y-axis": null}, {"x": 2, "y-axis": 3}]\n'),
        (["attempt", "7"], '{"ok": 7}\n'),
        (["attempt", "0"], '{"err": 0}\n'),
    ],
)
def test_a_function_is_called_with_strings_and_json(ferrowasm: Run, components: Path, words: list[str], printed: str) -> None:
    name, *arguments = words
    result = ferrowasm("run", "library.wasm", "--invoke", name.replace("@", "."), "--", *arguments)
    assert (result.stdout, result.stderr, result.returncode) == (printed, "", 0)


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["absent"], 1, "library.wasm exports no function 'absent'; its functions are: next, attempt, fail, test:cli/api.same-text, test:cli/api.same-points"),
        (["next"], 2, "next takes 1 arguments (number: u32), got 0"),
        (["next", "x"], 2, "next: number must be a u32 in JSON, got 'x'"),
        (["next", "-1"], 2, "next: number: -1 does not fit u32: expected an int from 0 to 4294967295"),
        (["test:cli/api.same-points", '[{"x": 1}]'], 2, "test:cli/api.same-points: points[0]: missing field 'y-axis' of record {x, y-axis} in dict"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_in_one_line(ferrowasm: Run, components: Path, words: list[str], code: int, message: str) -> None:
    name, *arguments = words
    result = ferrowasm("run", "library.wasm", "--invoke", name, "--", *arguments)
    assert (result.stderr, result.returncode) == (f"ferrowasm: {message}\n", code)


def test_a_trap_of_a_component_is_one_line_and_the_backtrace(ferrowasm: Run, components: Path) -> None:
    result = ferrowasm("run", "library.wasm", "--invoke", "fail")
    first, *backtrace = result.stderr.splitlines()
    assert (first, result.returncode) == ("ferrowasm: trap: `unreachable` instruction executed", 134)
    assert backtrace[0] == "wasm backtrace:"


def test_a_component_that_is_no_program_says_what_can_be_called(ferrowasm: Run, components: Path) -> None:
    result = ferrowasm("run", "library.wasm")
    assert result.returncode == 1
    assert result.stderr.startswith("ferrowasm: library.wasm is no program (it has no wasi:cli/run); call one of its functions with --invoke: ")


def test_inspect_prints_the_world_as_wit(ferrowasm: Run, components: Path) -> None:
    result = ferrowasm("inspect", "library.wasm")
    heading, blank, *wit = result.stdout.splitlines()
    assert heading.startswith("// library.wasm: component, ")
    assert blank == ""
    assert "\n".join(wit) == """\
package root:component;

world root {
  export next: func(number: u32) -> u32;
  export attempt: func(number: u8) -> result<u8, u8>;
  export fail: func();
  export test:cli/api;
}

package test:cli {
  interface api {
    record point {
      x: s32,
      y-axis: option<s16>,
    }

    same-text: func(text: string) -> string;

    same-points: func(points: list<point>) -> list<point>;
  }
}"""


def test_inspect_leaves_out_what_wasi_defines(ferrowasm: Run, components: Path) -> None:
    report = json.loads(ferrowasm("inspect", "--json", "command.wasm").stdout)
    assert (report["file"], report["kind"], report["size"]) == ("command.wasm", "component", (components / "command.wasm").stat().st_size)
    assert "  import wasi:cli/environment@0.2.12;\n" in report["wit"]
    assert "  export wasi:cli/run@0.2.12;\n" in report["wit"]
    assert "package wasi:" not in report["wit"]


def test_a_compiled_component_runs_and_does_not_tell_its_world(ferrowasm: Run, components: Path) -> None:
    assert ferrowasm("compile", "library.wasm").returncode == 0
    assert ferrowasm("run", "library.cwasm", "--invoke", "next", "1").stdout == "2\n"
    result = ferrowasm("inspect", "library.cwasm")
    assert result.stderr == "ferrowasm: library.cwasm: a compiled component does not tell its world any more; inspect what it was compiled from\n"
    assert result.returncode == 1
    assert ferrowasm("compile", "library.cwasm").stderr == "ferrowasm: library.cwasm: this is a compiled component already\n"


def test_a_damaged_component_is_refused_in_one_line(ferrowasm: Run, components: Path) -> None:
    (components / "damaged.wasm").write_bytes((components / "library.wasm").read_bytes()[:200])
    for command in ("run", "inspect", "compile"):
        result = ferrowasm(command, "damaged.wasm")
        assert result.returncode == 1
        assert result.stderr.startswith("ferrowasm: damaged.wasm: ")
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("words", [("sleep", "60000"), ("spin",)])
def test_control_c_ends_a_command(components: Path, words: tuple[str, ...]) -> None:
    # Says "go" before it starts what takes long.
    source = COMMAND.read_text(encoding="utf-8").replace('const char *what', 'puts("go"); fflush(stdout); const char *what', 1)
    shutil.copy(c_command("command", source), components / "slow.wasm")
    command = [sys.executable, "-m", "ferrowasm", "run", "slow.wasm", *words]
    with subprocess.Popen(command, cwd=components, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.read(2) == "go"
        process.send_signal(signal.SIGINT)
        try:
            _, stderr = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, stderr) == (-signal.SIGINT, "")
