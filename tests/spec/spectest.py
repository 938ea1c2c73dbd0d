"""The host module `spectest`, which the scripts import from without defining it."""

from __future__ import annotations

from typing import Any

PRINT_FUNCTIONS = {
    "print": (),
    "print_i32": ("i32",),
    "print_i64": ("i64",),
    "print_f32": ("f32",),
    "print_f64": ("f64",),
    "print_i32_f32": ("i32", "f32"),
    "print_f64_f64": ("f64", "f64"),
}

GLOBALS: dict[str, tuple[str, int | float]] = {
    "global_i32": ("i32", 666),
    "global_i64": ("i64", 666),
    "global_f32": ("f32", 666.6),
    "global_f64": ("f64", 666.6),
}

# A table type made from Python has 32-bit indices, so this one comes from a module.
_TABLE64 = '(module (table (export "table64") i64 10 20 funcref))'


def define(api: Any, engine: Any, store: Any, linker: Any, *, table64: bool) -> None:
    """Defines `spectest` in the linker, with fresh state for the store."""

    def value_type(name: str) -> Any:
        return getattr(api.ValType, name)()

    for name, params in PRINT_FUNCTIONS.items():
        linker.define_func("spectest", name, api.FuncType([value_type(param) for param in params], []), _discard)
    for name, (type_, value) in GLOBALS.items():
        global_type = api.GlobalType(value_type(type_), False)
        linker.define(store, "spectest", name, api.Global(store, global_type, value))
    table_type = api.TableType(api.ValType.funcref(), api.Limits(10, 20))
    linker.define(store, "spectest", "table", api.Table(store, table_type, None))
    if table64:
        linker.define_instance(store, "spectest", api.Instance(store, api.Module(engine, _TABLE64), []))
    memory_type = api.MemoryType(api.Limits(1, 2))
    linker.define(store, "spectest", "memory", api.Memory(store, memory_type))
    shared_type = api.MemoryType(api.Limits(1, 2), shared=True)
    linker.define(store, "spectest", "shared_memory", api.SharedMemory(engine, shared_type))


def _discard(*_values: object) -> None:
    """What a script prints is not compared with anything."""
