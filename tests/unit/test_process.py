"""What a process has besides WebAssembly: handlers of fault signals, sub-interpreters."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


FAULTS = """
import faulthandler, signal, sys
from ferrowasm import Engine, Instance, Module, Store, Trap
store = Store()
exports = Instance(store, Module(store.engine, '''(module (memory 1)
  (func (export "memory") (drop (i32.load (i32.const 0x7fff0000))))
  (func (export "unreachable") unreachable)
  (func (export "divide") (drop (i32.div_s (i32.const 1) (i32.const 0)))))'''), []).exports(store)
def traps():
    for name in ("memory", "unreachable", "divide"):
        try:
            exports[name](store)
        except Trap as trap:
            print(trap.trap_code.name)
"""
TRAPPED = "MEMORY_OUT_OF_BOUNDS\nUNREACHABLE\nINTEGER_DIVISION_BY_ZERO\n"
CHANGES = {
    "faulthandler": "faulthandler.enable()",
    "faulthandler twice": "faulthandler.enable(); faulthandler.disable(); faulthandler.enable()",
    "faulthandler off": "faulthandler.enable(); faulthandler.disable()",
    "SIGSEGV": "signal.signal(signal.SIGSEGV, lambda *_: None)",
    "SIGILL": "signal.signal(signal.SIGILL, lambda *_: None)",
    "SIGFPE": "signal.signal(signal.SIGFPE, lambda *_: None)",
    "SIGSEGV default": "signal.signal(signal.SIGSEGV, signal.SIG_DFL)",
}


@pytest.mark.parametrize("change", CHANGES)
def test_traps_are_traps_whatever_python_does_with_the_signals(change: str) -> None:
    # Here nobody tells the package, which then notices by itself.
    pause = "import time; time.sleep(0.5)\n" if "default" in change else ""
    program = f"{FAULTS}traps()\n{CHANGES[change]}\n{pause}traps()\n"
    finished = run(program)
    assert finished.stdout == TRAPPED * 2, finished.stderr
    assert finished.returncode == 0


def test_a_real_crash_is_still_reported_by_faulthandler() -> None:
    program = f"{FAULTS}faulthandler.enable()\ntraps()\nimport ctypes\nctypes.string_at(0)\n"
    finished = run(program)
    assert finished.returncode == -signal.SIGSEGV
    assert finished.stdout == TRAPPED
    assert "Fatal Python error: Segmentation fault" in finished.stderr
    assert "ctypes" in finished.stderr


def test_a_sub_interpreter_is_refused_politely() -> None:
    program = """
try:
    import _interpreters as interpreters
except ImportError:
    import _xxsubinterpreters as interpreters
import ferrowasm
sub = interpreters.create()
try:
    failure = interpreters.run_string(sub, "import ferrowasm")
except Exception as error:
    failure = error
print("ImportError" in str(failure))
interpreters.run_string(sub, "print('alive', flush=True)")
interpreters.destroy(sub)
"""
    finished = run(program)
    assert (finished.returncode, finished.stdout) == (0, "True\nalive\n"), finished.stderr
