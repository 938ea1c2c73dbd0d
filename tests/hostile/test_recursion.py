"""Endless recursion through WebAssembly ends in an exception, on every stack, and leaves the process as it was."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = '''
import asyncio, sys, threading
from ferrowasm import *
from ferrowasm.component import Component, Linker as ComponentLinker
i32 = ValType.i32()
if "stores" in sys.argv[1] or "component-" in sys.argv[1]:
    # Each level has a store, and each of these exceptions tells all frames below it.
    sys.setrecursionlimit(400)
ENGINE = Engine()

def exports_of(module, callback=None):
    store = Store(ENGINE)
    imports = [] if callback is None else [Func(store, FuncType([i32], [i32]), callback)]
    return store, Instance(store, module, imports).exports(store)

SELF = Module(ENGINE, """(module (func $f (export "f") (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1)))
  (func (export "one") (result i32) i32.const 1))""")
BACK = Module(ENGINE, """(module (import "" "h" (func $h (param i32) (result i32)))
  (func (export "f") (param i32) (result i32) (i32.add (call $h (local.get 0)) (i32.const 1)))
  (func (export "one") (result i32) i32.const 1))""")
SELF_COMPONENT = Component(ENGINE, """(component
  (core module $m (func $f (export "f") (param i32) (result i32) (i32.add (call $f (local.get 0)) (i32.const 1))))
  (core instance $i (instantiate $m)) (func (export "f") (param "x" u32) (result u32) (canon lift (core func $i "f"))))""")
BACK_COMPONENT = Component(ENGINE, """(component (import "h" (func $h (param "x" u32) (result u32))) (core func $lowered (canon lower (func $h)))
  (core module $m (import "" "h" (func $h (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $h (local.get 0))))
  (core instance $i (instantiate $m (with "" (instance (export "h" (func $lowered))))))
  (func (export "f") (param "x" u32) (result u32) (canon lift (core func $i "f"))))""")

def wasm():
    store, exports = exports_of(SELF)
    return lambda: exports["f"](store, 1)

def python():
    store, exports = exports_of(BACK, lambda number: exports["f"](store, number))
    return lambda: exports["f"](store, 1)

def bound():
    store, exports = exports_of(BACK, lambda number: function(number))
    function = exports["f"].bind(store)
    return lambda: function(1)

def stores():
    def callback(number):
        store, exports = exports_of(BACK, callback)
        return exports["f"](store, number)
    return lambda: callback(1)

def component():
    store = Store(ENGINE)
    function = ComponentLinker(ENGINE).instantiate(store, SELF_COMPONENT).get_func(store, "f")
    return lambda: function(store, 1)

def component_python():
    """An instance cannot be entered again, so each level has one of its own, in a store of its own."""
    linker = ComponentLinker(ENGINE)
    def callback(context, number):
        store = Store(ENGINE)
        return linker.instantiate(store, BACK_COMPONENT).get_func(store, "f")(store, number)
    with linker.root() as root:
        root.add_func("h", callback)
    return lambda: callback(None, 1)

def component_again():
    """The instance that called is entered again, which the component model does not allow."""
    linker, store = ComponentLinker(ENGINE), Store(ENGINE)
    with linker.root() as root:
        root.add_func("h", lambda context, number: function(store, number))
    function = linker.instantiate(store, BACK_COMPONENT).get_func(store, "f")
    return lambda: function(store, 1)

def component_and_module():
    """A component calls Python, which calls a module, which calls Python, which calls a component."""
    linker = ComponentLinker(ENGINE)
    def callback(number):
        store = Store(ENGINE)
        return linker.instantiate(store, BACK_COMPONENT).get_func(store, "f")(store, number)
    def other(context, number):
        store, exports = exports_of(BACK, callback)
        return exports["f"](store, number)
    with linker.root() as root:
        root.add_func("h", other)
    return lambda: callback(1)

def asynchronous(module, callback=None, **options):
    def make():
        store, exports = exports_of(module, callback and (lambda number: callback(exports, store, number)))
        async def main():
            await exports["f"].call_async(store, 1, **options)
        return lambda: asyncio.run(main())
    return make

async def awaiting(exports, store, number):
    return await exports["f"].call_async(store, number)

async def awaiting_another(number):
    store, exports = exports_of(BACK, awaiting_another)
    return await exports["f"].call_async(store, number)

def async_stores():
    return lambda: asyncio.run(awaiting_another(1))

KINDS = {
    "wasm": wasm,
    "python": python,
    "bound": bound,
    "stores": stores,
    "component": component,
    "component-python": component_python,
    "component-again": component_again,
    "component-and-module": component_and_module,
    "async": asynchronous(SELF),
    "async-in-thread": asynchronous(SELF, in_thread=True),
    "async-python": asynchronous(BACK, lambda exports, store, number: exports["f"](store, number)),
    "async-await": asynchronous(BACK, awaiting),
    "async-stores": async_stores,
}

def check():
    for _ in range(2):
        # A component cannot be entered again after a trap.
        run = KINDS[sys.argv[1]]()
        try:
            run()
        except RecursionError:
            print("RecursionError")
        except Trap as trap:
            print(trap.trap_code.name)
    store, exports = exports_of(SELF)
    print("alive", exports["one"](store))

if len(sys.argv) > 2:
    threading.stack_size(int(sys.argv[2]) << 10)
    thread = threading.Thread(target=check)
    thread.start()
    thread.join()
else:
    check()
'''

KINDS = [
    "wasm",
    "python",
    "bound",
    "stores",
    "component",
    "component-python",
    "component-again",
    "component-and-module",
    "async",
    "async-in-thread",
    "async-python",
    "async-await",
    "async-stores",
]

#: How Python is started, and the size of the stack of the thread, in KiB; none for the main thread.
PLACES: dict[str, tuple[str, str]] = {
    "main": ("", ""),
    "main-with-512-KiB": ("ulimit -s 512;", ""),
    "thread-with-256-KiB": ("", "256"),
    "thread-with-512-KiB": ("", "512"),
    "thread-with-1-MiB": ("", "1024"),
    "thread-with-1-MiB-of-a-process-with-512-KiB": ("ulimit -s 512;", "1024"),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("kind", KINDS)
def test_endless_recursion_ends_in_an_exception(kind: str, place: str) -> None:
    limit, size = PLACES[place]
    command = f'{limit} exec "$0" -c "$1" {kind} {size}'
    finished = subprocess.run(["bash", "-c", command, sys.executable, PROGRAM], capture_output=True, text=True, timeout=60, check=False)
    *outcomes, alive = finished.stdout.splitlines() or [""]
    assert (finished.returncode, alive) == (0, "alive 1"), finished.stderr[-2000:]
    expected = {"CANNOT_ENTER_COMPONENT"} if kind == "component-again" else {"STACK_OVERFLOW", "RecursionError"}
    assert len(outcomes) == 2 and set(outcomes) <= expected, outcomes
