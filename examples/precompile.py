"""Compiling once and loading often: the machine code of a module, kept in a file."""

import tempfile
from pathlib import Path

from ferrowasm import Engine, Func, Instance, Module, Store, WasmtimeError

WAT = '(module (func (export "answer") (result i32) (i32.const 42)))'

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "answer.cwasm"
    path.write_bytes(Module(Engine(), WAT).serialize())

    store = Store()
    module = Module.deserialize_file(store.engine, str(path))
    answer = Instance(store, module, []).exports(store)["answer"]
    assert isinstance(answer, Func)
    print(answer(store))

    # A damaged file is refused before any of it runs.
    damaged = bytearray(path.read_bytes())
    damaged[len(damaged) // 2] ^= 1
    try:
        Module.deserialize(store.engine, damaged)
    except WasmtimeError:
        print("refused")

# Output:
# 42
# refused
