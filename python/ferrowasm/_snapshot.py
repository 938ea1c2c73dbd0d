"""`snapshot`: a module that begins where another one is after its initialisation."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, TypeAlias

from . import _native
from ._errors import WasmtimeError
from ._native import Engine, InstanceExports, Linker, Module, Store, WasiConfig

if TYPE_CHECKING:
    from _typeshed import StrPath
    from typing_extensions import Buffer

__all__ = ["snapshot"]

#: What may be passed as `init`.
Initialiser: TypeAlias = str | Callable[[Store, InstanceExports], object]


def snapshot(
    wasm: StrPath | Buffer,
    init: Initialiser = "wizer-initialize",
    *,
    wasi: WasiConfig | None = None,
    linker: Linker | None = None,
    rename: Mapping[str, str] | None = None,
) -> bytes:
    """Initialise a module, and return a module whose instances are in the state that it is in then.

    What takes an interpreter long at every start (setting up its objects, importing libraries, parsing a script) is done once, here: the new
    module holds the contents of the memories and the values of the globals. It is an ordinary module, in the binary format, for any engine and
    any process.

    `wasm` is the path of a file, or a module as bytes or text. `init` is the name of an exported function without parameters or results, which the
    new module does not export any more, or a callable that gets the store and the exports of the instance and may do with them what it wants.
    A function `_initialize` (of a WASI "reactor") is called before, and not exported any more either.

    `wasi` is what the initialisation sees of the host (nothing, by default), and `linker` resolves imports; by default it offers WASI, and
    functions that fail for everything else. `rename` gives exported functions new names, `{"new": "old"}`, for example to
    provide the `_start` of a program.

    What the initialisation opened or was told of the host does not come back: files are closed, while what it read from the clock, the environment or
    the random number generator stays as it was. **A snapshot of a program that has drawn random numbers repeats them.**

    Raises `WasmtimeError` for modules with what cannot be kept: instructions that change tables or drop segments, mutable globals with references,
    shared memories, imported memories, tables, globals or tags. What the initialisation raises comes out as it is.
    """
    binary = binary_of(wasm)
    if _native.is_component(binary):
        raise WasmtimeError("expected a module, got a component: a snapshot can be taken of a module only")
    exported = what_can_be_kept(binary)
    if isinstance(init, str) and init not in exported:
        raise WasmtimeError(f"the module exports no function {init!r} to initialise it with")
    engine = Engine() if linker is None else linker.engine
    module = Module(engine, _native.instrument(binary))
    if linker is None:
        linker = Linker(engine)
        linker.define_wasi()
        linker.define_unknown_imports_as_traps(module)
    with Store(engine) as store:
        store.set_wasi(WasiConfig() if wasi is None else wasi)
        instance = linker.instantiate(store, module)
        exports = instance.exports(store)
        if "_initialize" in exports:
            exports.func("_initialize")(store)
        name = init if isinstance(init, str) else None
        if not isinstance(init, str):
            init(store, exports)
        elif init != "_initialize":
            exports.func(init)(store)
        return _native.snapshot(store, instance, binary, name, list((rename or {}).items()))


def binary_of(wasm: StrPath | Buffer) -> bytes:
    """The binary format of a module, whichever way it is given."""
    from ._programs import is_text, read

    match wasm:
        case str() if is_text(wasm):
            return bytes(_native.wat2wasm(wasm))
        case str() | os.PathLike():
            data = read(wasm)
        case _:
            try:
                data = bytes(memoryview(wasm))
            except TypeError:
                raise TypeError(f"expected a path or a module as bytes or text, got {type(wasm).__name__}") from None
    return data if data.startswith(b"\0asm") else bytes(_native.wat2wasm(data))


def what_can_be_kept(binary: bytes) -> set[str]:
    """The names of a module's exports. Raises `WasmtimeError` for what the rewriting does not expect."""
    imports, exports, memories = _native.module_outline(binary)
    for module, name, kind, _ in imports:
        if kind == "tag":
            raise WasmtimeError(f"no snapshot can be taken of a module that imports a tag: {module}.{name}")
    if any(is_shared for *_, is_shared in memories):
        raise WasmtimeError("no snapshot can be taken of a shared memory")
    return {name for name, _, _ in exports}
