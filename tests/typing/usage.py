# pyright: strict, reportUnusedExpression=false
"""A program that uses the types as users do: the type checkers read it, nothing runs it.

Each `assert_type` says what a checker has to infer; a wrong stub makes the check fail.
"""

from __future__ import annotations

import asyncio
import ctypes
import io
import os
import sys
from pathlib import Path
from typing import Any, assert_type

import ferrowasm
from ferrowasm import (
    Caller,
    Capture,
    Config,
    DirPerms,
    Engine,
    ExportType,
    FilePerms,
    Frame,
    Func,
    FuncType,
    Global,
    GlobalType,
    ImportType,
    Instance,
    InstanceExports,
    InstancePre,
    Limits,
    Linker,
    Memory,
    MemoryType,
    Module,
    SharedMemory,
    Store,
    Storelike,
    Table,
    TableType,
    Tag,
    TagType,
    Trap,
    TrapCode,
    Val,
    ValType,
    WasiConfig,
    wat2wasm,
)

AnyExport = Func | Table | Memory | SharedMemory | Global | Tag
AnyType = FuncType | TableType | MemoryType | GlobalType | TagType


def configuration() -> Engine:
    config = Config(consume_fuel=True)
    config.epoch_interruption = True
    config.max_wasm_stack = 1 << 20
    config.strategy = "cranelift"
    assert_type(config.consume_fuel, bool)
    assert_type(config.target, str | None)
    del config.consume_fuel
    return Engine(config)


def modules(engine: Engine, path: Path) -> None:
    assert_type(wat2wasm("(module)"), bytearray)
    module = Module(engine, "(module)")
    for other in (Module.from_file(engine, path), Module.from_file(engine, str(path)), Module.deserialize_file(engine, path, trusted=True)):
        assert_type(other, Module)
    assert_type(Module.deserialize(engine, module.serialize()), Module)
    assert_type(Module.deserialize(engine, memoryview(b"")), Module)
    assert_type(module.name, str | None)
    assert_type(module.imports, list[ImportType])
    assert_type(module.exports, list[ExportType])
    assert_type(module.exports[0].type, AnyType)
    with module as same:
        assert_type(same, Module)


def exports_of(store: Store, module: Module) -> None:
    instance = Instance(store, module, [])
    exports = instance.exports(store)
    assert_type(exports, InstanceExports)
    assert_type(exports["f"], AnyExport)
    assert_type(exports[0], AnyExport)
    assert_type(exports.get("f"), AnyExport | None)
    assert_type(exports.get("f", 0), AnyExport | int)
    assert_type(exports.by_index, tuple[AnyExport, ...])
    assert_type(exports.func("f"), Func)
    assert_type(exports.memory("m"), Memory)
    assert_type(exports.shared_memory("m"), SharedMemory)
    assert_type(exports.table(0), Table)
    assert_type(exports.global_("g"), Global)
    assert_type(exports.tag("t"), Tag)
    for name, item in exports.items():
        assert_type(name, str)
        assert_type(item, AnyExport)
    f = exports["f"]
    assert isinstance(f, Func)
    assert_type(f(store, 1, 2.0, b"", None), Any)


def memory_of(memory: Memory, store: Storelike) -> None:
    assert_type(memory.read(store), bytearray)
    assert_type(memory.read(store, None, -1), bytearray)
    assert_type(memory.write(store, bytearray(b"abc"), -3), int)
    assert_type(memory.get_buffer_ptr(store), ctypes.Array[ctypes.c_ubyte])
    assert_type(memory.get_buffer_ptr(store, None, offset=8), ctypes.Array[ctypes.c_ubyte])
    assert_type(memory.data_ptr(store).contents, ctypes.c_ubyte)


def linking(engine: Engine, store: Store, module: Module) -> None:
    linker = Linker(engine)
    linker.allow_shadowing = True

    def callback(caller: Caller, number: int) -> int:
        assert_type(caller["memory"], AnyExport)
        assert_type(caller.get("memory"), AnyExport | None)
        memory = caller["memory"]
        assert isinstance(memory, Memory)
        return number + len(memory.read(caller))

    i32 = ValType.i32()
    linker.define_func("env", "f", FuncType([i32], [i32]), callback, access_caller=True)
    linker.define(store, "env", "g", Global(store, GlobalType(i32, True), 1))
    assert_type(linker.instantiate(store, module), Instance)
    assert_type(linker.instantiate_pre(module), InstancePre)
    assert_type(linker.get(store, "env", "f"), AnyExport)
    assert_type(linker.get_default(store, ""), Func)


async def awaiting(engine: Engine, store: Store, module: Module, f: Func) -> None:
    async def callback(number: int) -> int:
        return number

    i32 = ValType.i32()
    linker = Linker(engine)
    linker.define_func("env", "f", FuncType([i32], [i32]), callback)
    assert_type(await linker.instantiate_async(store, module), Instance)
    assert_type(await linker.instantiate_pre(module).instantiate_async(store), Instance)
    assert_type(await f.call_async(store, 1), Any)
    assert_type(await asyncio.create_task(f.call_async(store, 1, in_thread=True)), Any)
    store.epoch_deadline_async_yield_and_update(1)
    store.fuel_async_yield_interval(None)


def values(store: Store) -> None:
    assert_type(Val.i32(1), Val)
    assert_type(Val.i32(1).as_i32(), int | None)
    assert_type(Val.f64(1).as_f64(), float | None)
    assert_type(Val.funcref(None).as_funcref(), Func | None)
    table = Table(store, TableType(ValType.funcref(), Limits(1, None)), None)
    assert_type(table.size(store), int)
    memory_type = MemoryType(Limits(1), shared=False, is_64=False)
    assert_type(memory_type.limits, Limits)
    assert_type(hash(memory_type), int)
    store.set_limits(memory_size=1 << 20, tables=3)


def wasi(store: Store, path: Path) -> None:
    config = WasiConfig(argv=("program", "-v"), env=os.environ, stdin=io.BytesIO(b"in"), stdout=sys.stdout.buffer)
    config.env = [("NAME", "value")]
    config.argv = iter(["program"])
    assert_type(config.env, dict[str, str])
    assert_type(config.argv, list[str])
    config.stdin_bytes = bytearray(b"in")
    assert_type(config.stdin_bytes, bytes | None)
    config.stdout_file = path
    config.stderr_custom = lambda data: len(data)
    config.preopen_dir(path, "/data", DirPerms.READ_ONLY, FilePerms.READ_ONLY)
    capture = config.capture_stdout(limit=1 << 20)
    assert_type(capture, Capture)
    assert_type(capture.text(), str)
    store.set_wasi(config)


def errors(trap: Trap) -> None:
    assert_type(trap.trap_code, TrapCode | None)
    assert_type(trap.frames, list[Frame])
    assert_type(trap.frames[0].func_name, str | None)
    assert_type(trap.frames[0].line, int | None)
    assert_type(ferrowasm.ExitTrap("").code, int)
