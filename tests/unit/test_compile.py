"""Compiling: bounds on what is compiled, signals, threads and forked children."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import pytest
from bombs import functions
from support import engine_with, raises

from ferrowasm import Engine, Module, WasmtimeError
from ferrowasm.component import Component

ENGINE = Engine()


def module(*bodies: bytes) -> bytes:
    return functions(list(bodies))


def calls(number: int) -> bytes:
    return b"\0" + b"\x10\0" * number + b"\x0b"


def loops(depth: int) -> bytes:
    return b"\0" + b"\x03\x40" * depth + b"\x0b" * depth + b"\x0b"


COMPLEX = (
    "defined function {} has more than {} branches, calls and blocks, which would take too long to compile: "
    "raise Config.max_function_complexity to compile it all the same"
)
NESTED = (
    "defined function {} has more than {} loops within each other, which would take too long to compile: "
    "raise Config.max_loop_nesting to compile it all the same"
)


MANY = "more than {} functions are defined, which would take too long to compile: raise Config.max_functions to compile it all the same"


def test_a_function_that_is_too_complex_is_refused() -> None:
    with raises(WasmtimeError, COMPLEX.format(1, 100_000)):
        Module(ENGINE, module(calls(1), calls(100_001)))


def test_loops_that_are_nested_too_deeply_are_refused() -> None:
    with raises(WasmtimeError, NESTED.format(2, 256)):
        Module(ENGINE, module(calls(1), loops(256), loops(257)))


def test_bounds_hold_for_components_and_the_text_format() -> None:
    engine = engine_with(max_function_complexity=3)
    Component(engine, "(component (core module (func nop nop nop nop nop)))")
    with raises(WasmtimeError, COMPLEX.format(0, 3)):
        Component(engine, "(component (core module (func return return return return)))")
    with raises(WasmtimeError, COMPLEX.format(0, 3)):
        Module(engine, b"(module (func return return return return))")


@pytest.mark.parametrize(
    "body",
    [
        "block end block end block end block end",
        "(if (i32.const 1) (then)) (if (i32.const 1) (then)) br 0 return",
        "call 0 call 0 call 0 call 0",
        "block (br_table 0 0 0 (i32.const 1)) end",
        "loop end loop end loop end loop end",
    ],
)
def test_each_kind_of_branch_call_and_block_counts(body: str) -> None:
    with raises(WasmtimeError, COMPLEX.format(0, 3)):
        Module(engine_with(max_function_complexity=3), f"(module (func {body}))")


def test_loops_side_by_side_are_not_nested() -> None:
    engine = engine_with(max_loop_nesting=2)
    Module(engine, module(b"\0" + b"\x03\x40\x03\x40\x0b\x0b" * 5 + b"\x0b"))
    with raises(WasmtimeError, NESTED.format(0, 2)):
        Module(engine, module(loops(3)))


def test_more_functions_than_permitted_are_refused() -> None:
    many = module(*[b"\0\x0b"] * 4)
    Module(engine_with(max_functions=4), many)
    with raises(WasmtimeError, MANY.format(3)):
        Module(engine_with(max_functions=3), many)
    one = "(core module (func))"
    Component(engine_with(max_functions=3), f"(component {one * 3})")
    with raises(WasmtimeError, MANY.format(3)):
        Component(engine_with(max_functions=3), f"(component {one * 4})")


def test_half_a_million_functions_are_permitted_and_no_more() -> None:
    with raises(WasmtimeError, MANY.format(500_000)):
        Module(ENGINE, module(*[b"\0\x0b"] * 500_001))


def test_bounds_can_be_raised_and_lifted() -> None:
    wasm = module(loops(300), calls(200))
    Module(engine_with(max_loop_nesting=300), wasm)
    Module(engine_with(max_loop_nesting=None, max_function_complexity=None), wasm)
    with raises(WasmtimeError, COMPLEX.format(0, 200)):
        Module(engine_with(max_loop_nesting=None, max_function_complexity=200), wasm)


#: Takes seconds to compile.
LONG = module(*[b"\1\1\x7f" + b"\x20\0\x41\1\x6a\x21\0" * 20_000 + b"\x0b"] * 200)


def test_a_signal_ends_a_long_compilation() -> None:
    program = f"""
import os, signal, sys, time
sys.path.insert(0, {os.path.dirname(__file__)!r})
from test_compile import LONG, Engine, Module
def stop(*_): raise KeyError("stop")
signal.signal(signal.SIGALRM, stop)
engine = Engine()
signal.setitimer(signal.ITIMER_REAL, 0.1)
start = time.monotonic()
try:
    Module(engine, LONG)
except KeyError:
    print(time.monotonic() - start)
Module(engine, "(module)")
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=False)
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    assert 0.1 <= float(run.stdout) < 3


FORKED = """
import os, sys, threading
from ferrowasm import Engine, Instance, Module, Store
BIG = "(module " + " ".join(f'(func (export "f{n}") (result i32) (i32.const {n}))' for n in range(300)) + ")"
engine = Engine()
Module(engine, BIG)
child = os.fork()
if child == 0:
    for used in (engine, Engine()):
        store = Store(used)
        assert Instance(store, Module(used, BIG), []).exports(store)["f7"](store) == 7
    os._exit(0)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_child_compiles() -> None:
    run = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0, run.stderr


def test_threads_compile_at_the_same_time() -> None:
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                Module(ENGINE, module(*[calls(3)] * 50))
        except BaseException as error:  # noqa: BLE001
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
