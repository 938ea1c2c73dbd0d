"""A JavaScript interpreter that starts with its library loaded: a snapshot of QuickJS.

`data/quickjs-wasi-3.6.2` is the interpreter of the npm package `quickjs-wasi`, as published, with its license.
"""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from ferrowasm import Engine, InstanceExports, InstancePre, Linker, Module, Store, WasiConfig, snapshot

QUICKJS = Path(__file__).parent / "data" / "quickjs-wasi-3.6.2" / "quickjs.wasm"

#: What takes a script a while at each start: a library that computes tables.
LIBRARY = """
var primes = [];
for (let n = 2; primes.length < 2000; n++) if (primes.every(p => n % p)) primes.push(n);
function greet(name) { return `hello, ${name}, the last prime is ${primes.at(-1)}`; }
"""


class JavaScript:
    """An instance of the interpreter."""

    def __init__(self, prepared: InstancePre, engine: Engine) -> None:
        self.store = Store(engine)
        self.store.set_wasi(WasiConfig())
        self.exports = prepared.instantiate(self.store).exports(self.store)

    def evaluate(self, code: str) -> str:
        return evaluate(self.store, self.exports, code)


def evaluate(store: Store, exports: InstanceExports, code: str) -> str:
    memory, allocate = exports.memory("memory"), exports.func("wasm_malloc")

    def place(text: str) -> int:
        data = text.encode() + b"\0"
        address: int = allocate(store, len(data))
        memory.write(store, data, address)
        return address

    value = exports.func("qjs_eval")(store, place(code), len(code.encode()), place("<eval>"), 0)
    text = exports.func("qjs_get_string")(store, value)
    return bytes(memory.read(store, text, text + 1000)).partition(b"\0")[0].decode()


def initialise(store: Store, exports: InstanceExports) -> None:
    assert exports.func("qjs_init")(store) == 0
    evaluate(store, exports, LIBRARY)


def prepare(engine: Engine, wasm: bytes) -> InstancePre:
    module = Module(engine, wasm)
    linker = Linker(engine)
    linker.define_wasi()
    linker.define_unknown_imports_as_traps(module)
    return linker.instantiate_pre(module)


# Compiling the interpreter takes a while on a busy machine.
@pytest.mark.timeout(600)
def test_an_interpreter_starts_with_its_library_loaded() -> None:
    engine = Engine()
    original = prepare(engine, QUICKJS.read_bytes())
    begin = time.perf_counter()
    slow = JavaScript(original, engine)
    slow.exports.func("_initialize")(slow.store)
    initialise(slow.store, slow.exports)
    without = time.perf_counter() - begin

    wasm = snapshot(QUICKJS, initialise)
    prepared = prepare(engine, wasm)
    begin = time.perf_counter()
    fast = JavaScript(prepared, engine)
    with_snapshot = time.perf_counter() - begin

    assert slow.evaluate("greet('you')") == fast.evaluate("greet('you')") == "hello, you, the last prime is 17389"
    print(f"start of QuickJS with a library: {without * 1e3:.2f} ms, from a snapshot {with_snapshot * 1e3:.2f} ms")
    # Every instance has a state of its own.
    fast.evaluate("primes.length = 0")
    assert JavaScript(prepared, engine).evaluate("primes.length") == "2000"
    # It works as before: new code, new objects, errors.
    assert fast.evaluate("JSON.stringify({a: [1, 2, 3].map(n => n ** 2)})") == '{"a":[1,4,9]}'
