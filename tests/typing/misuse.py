"""Misuse that a type checker has to find: each `type: ignore` here is an error if there is nothing to ignore (`warn_unused_ignores`).

Nothing runs this file.
"""

from __future__ import annotations

from ferrowasm import Config, Engine, Func, FuncType, Instance, Memory, Module, Store, Val, ValType


def calls(store: Store, engine: Engine, module: Module, memory: Memory) -> None:
    Store(module)  # type: ignore[arg-type]
    Module(engine, 1)  # type: ignore[arg-type]
    Module(engine)  # type: ignore[call-arg]
    Module.validate(engine, "(module)")  # type: ignore[arg-type]
    Instance(engine, module, [])  # type: ignore[arg-type]
    Instance(store, module, [print])  # type: ignore[list-item]
    FuncType(ValType.i32(), [])  # type: ignore[arg-type]
    Func(store, FuncType([], []), None)  # type: ignore[arg-type]
    memory.read(store, 1.5)  # type: ignore[arg-type]
    memory.write(store, "text")  # type: ignore[arg-type]
    Val.i32(1.5)  # type: ignore[arg-type]
    Config(consume_fuel=1)  # type: ignore[arg-type]
    Config(consume_feul=True)  # type: ignore[call-arg]
    Config().consume_fuel = 1  # type: ignore[assignment]
    Config().strategy = "fast"  # type: ignore[assignment]
    store.set_limits(1, 2, 3, 4, 5, 6)  # type: ignore[call-arg]


class Sub(Val):  # type: ignore[misc]
    """`Val` is final."""
