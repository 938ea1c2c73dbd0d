"""What a process has besides WebAssembly: handlers of fault signals, sub-interpreters, forked children."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import pytest


def run(program: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | variables
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, env=environment)


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
            print(trap.trap_code.name, flush=True)
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
print("ImportError" in str(failure), flush=True)
interpreters.run_string(sub, "print('alive', flush=True)")
interpreters.destroy(sub)
"""
    finished = run(program)
    assert (finished.returncode, finished.stdout) == (0, "True\nalive\n"), finished.stderr


FORKS = """
import os, signal, sys, threading, time, warnings
warnings.simplefilter("ignore")
from ferrowasm import Config, Engine, Instance, Module, Store, Trap
from ferrowasm.component import Component
SMALL = "(module (func (export \\"f\\") (result i32) i32.const 1))"
LARGE = "(module " + " ".join(f"(func (param i32) (result i32) (i32.add (local.get 0) (i32.const {k})))" for k in range(300)) + ")"

COMPONENT = "(component " + LARGE.replace("module", "core module") + ")"

def forked(work):
    '''Whether `work` ends in a forked child.'''
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)
        os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

def while_another_thread(loop, work, times):
    stop = []
    def run():
        while not stop:
            loop()
    thread = threading.Thread(target=run)
    thread.start()
    outcomes = [forked(work) for _ in range(times)]
    stop.append(True)
    thread.join()
    return outcomes
"""

#: What another thread does when the process is forked, with an engine that the child uses, and what the child does.
WORK = {
    "compiles": ("lambda: Module(engine, LARGE)", "lambda: (Module(engine, SMALL), Module(Engine(), LARGE))"),
    "compiles components": ("lambda: Component(engine, COMPONENT)", "lambda: (Component(engine, '(component)'), Module(engine, LARGE))"),
    "loads": ("lambda: Module.deserialize(engine, code)", "lambda: (Module.deserialize(engine, code), Module(engine, SMALL))"),
    "makes engines": ("lambda: Engine()", "lambda: Module(Engine(), SMALL)"),
    "instantiates": ("lambda: Instance(Store(engine), module, [])", "lambda: Instance(Store(engine), Module(engine, LARGE), [])"),
}


@pytest.mark.parametrize("name", WORK)
def test_a_child_that_was_forked_while_another_thread_works_with_its_engine_compiles(name: str) -> None:
    loop, work = WORK[name]
    program = f"{FORKS}engine = Engine()\nmodule = Module(engine, LARGE)\ncode = module.serialize()\nprint(set(while_another_thread({loop}, {work}, 40)))\n"
    finished = run(program)
    assert (finished.returncode, finished.stdout) == (0, "{True}\n"), finished.stderr


@pytest.mark.parametrize("backtrace", ["0", "1"])
def test_a_child_that_was_forked_while_another_thread_traps_can_trap(backtrace: str) -> None:
    program = f"""{FORKS}
engine = Engine()
module = Module(engine, '(module (func (export "f") unreachable))')
def trapping():
    store = Store(engine)
    f = Instance(store, module, []).exports(store)["f"]
    def trap():
        try:
            f(store)
        except Trap:
            return
        raise AssertionError("no trap")
    return trap
print(while_another_thread(trapping(), lambda: (trapping()(), Module(engine, LARGE)), 40).count(False))
"""
    finished = run(program, RUST_BACKTRACE=backtrace)
    assert (finished.returncode, finished.stdout) == (0, "0\n"), finished.stderr


def test_a_child_goes_on_with_the_compilation_cache_of_its_engine(tmp_path: pathlib.Path) -> None:
    (tmp_path / "cache.toml").write_text(f'[cache]\ndirectory = "{tmp_path / "cache"}"\n')
    program = f"""{FORKS}
config = Config()
config.cache = {str(tmp_path / "cache.toml")!r}
engine = Engine(config)
Module(engine, LARGE)
print(forked(lambda: Module(engine, LARGE)), forked(lambda: Module(engine, SMALL)))
"""
    finished = run(program)
    assert (finished.returncode, finished.stdout) == (0, "True True\n"), finished.stderr


def test_a_child_makes_the_helpers_of_map_anew() -> None:
    program = f"""{FORKS}
import array
store = Store()
both = '''(module (func (export "one") (param i32) (result i32) local.get 0) (func (export "two") (param f64) (result f64) local.get 0))'''
exports = Instance(store, Module(store.engine, both), []).exports(store)
print(list(exports.func("one").map(store, array.array("i", [1, 2]))))
print(forked(lambda: exports.func("two").map(store, array.array("d", [1, 2]))))
"""
    finished = run(program)
    assert (finished.returncode, finished.stdout) == (0, "[1, 2]\nTrue\n"), finished.stderr


def test_a_fork_does_not_wait_for_a_long_compilation() -> None:
    program = f"""{FORKS}
engine = Engine()
body = " ".join(f"(local.set 0 (i32.mul (local.get 0) (i32.const {{k}})))" for k in range(3000))
wat = "(module " + f"(func (param i32) {{body}})" * 40 + ")"
done = []
thread = threading.Thread(target=lambda: (Module(engine, wat), done.append(True)))
thread.start()
time.sleep(0.05)
start = time.monotonic()
ok = forked(lambda: Module(engine, SMALL))
print(ok, bool(done) or time.monotonic() - start < 5)
thread.join()
"""
    finished = run(program)
    assert (finished.returncode, finished.stdout) == (0, "True True\n"), finished.stderr
