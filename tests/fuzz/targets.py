"""What is fuzzed: each target does one random thing a call, and knows what may come of it.

Anything that is not expected (another exception, a wrong value, the death of the process) is a finding.
"""

from __future__ import annotations

import math
import random
import struct
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from canonical_abi import ENCODINGS
from reference_support import Comparison, component_text
from reference_support import engine as component_engine

from ferrowasm import (
    Config,
    Engine,
    Func,
    FuncType,
    Instance,
    Module,
    Store,
    Trap,
    ValType,
    WasmtimeError,
    wat2wasm,
)
from ferrowasm import _native
from ferrowasm.component import Component, Linker

#: A target is made once, and then called with a source of randomness.
Execution = Callable[[random.Random], None]

# --- core values ---

_TYPES: dict[str, Callable[[], ValType]] = {
    "i32": ValType.i32,
    "i64": ValType.i64,
    "f32": ValType.f32,
    "f64": ValType.f64,
    "externref": ValType.externref,
    "funcref": ValType.funcref,
}

#: What is passed where a number is wanted, beside numbers.
_STRANGE: tuple[Any, ...] = (None, "1", b"1", 1.5, math.nan, 2**31, 2**32, -(2**31) - 1, 2**63, 2**64, 10**400, [], object())


def _is_fit(type_name: str, value: Any) -> bool:
    """Whether a value is one of a type, by the rules of the documentation."""
    match type_name:
        case "i32" | "i64":
            bits = int(type_name[1:])
            return isinstance(value, int) and -(2 ** (bits - 1)) <= value < 2**bits
        case "f32" | "f64":
            return isinstance(value, float) or isinstance(value, int) and abs(value) < 2**1000
        case "funcref":
            return value is None or isinstance(value, Func)
        case _:
            return True


def _expected(type_name: str, value: Any) -> Any:
    """What a value of a type comes back as."""
    match type_name:
        case "i32" | "i64":
            bits = int(type_name[1:])
            return (value + 2 ** (bits - 1)) % 2**bits - 2 ** (bits - 1)
        case "f32":
            try:
                return struct.unpack("<f", struct.pack("<f", value))[0]
            except OverflowError:
                return math.copysign(math.inf, value)
        case "f64":
            return float(value)
        case _:
            return value


def _same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or math.isnan(left) and math.isnan(right)
    return type(left) is type(right) and (left is right or left == right)


class CoreValues:
    """Functions of random types are called with random arguments, through WebAssembly and through a Python callable."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.renew()

    def renew(self) -> None:
        self.store = Store(self.engine)
        self.pairs: list[tuple[list[str], Func]] = []
        self.calls = 0
        self.answer: Any = None

    def __call__(self, rng: random.Random) -> None:
        if self.calls == 500:
            self.renew()
        self.calls += 1
        if len(self.pairs) < 20:
            self.pairs.append(self._pair(rng))
        names, function = rng.choice(self.pairs)
        arguments = [self._value(rng, name) for name in names]
        self.answer = [self._value(rng, name) for name in names]
        if not all(map(_is_fit, names, arguments)) or not all(map(_is_fit, names, self.answer)):
            try:
                function(self.store, *arguments)
            except (TypeError, OverflowError):
                return
            raise AssertionError(f"{arguments} and {self.answer} were accepted as {names}")
        result = function(self.store, *arguments)
        results = [None] if not names and result is None else [result] if len(names) == 1 else result
        wanted = [_expected(name, value) for name, value in zip(names, self.answer, strict=True)] or [None]
        assert all(map(_same_reference, results, wanted)), f"{results} instead of {wanted} as {names}"

    def _pair(self, rng: random.Random) -> tuple[list[str], Func]:
        """A function of WebAssembly that passes its arguments to a Python callable, which checks them and answers."""
        names = [rng.choice(list(_TYPES)) for _ in range(rng.randint(0, 6))]
        types = [_TYPES[name]() for name in names]

        def host(*values: Any) -> Any:
            return self.answer[0] if len(names) == 1 else self.answer if names else None

        text = " ".join(names)
        module = Module(
            self.engine,
            f"""(module (import "" "host" (func $host (param {text}) (result {text})))
            (func (export "f") (param {text}) (result {text})
              {" ".join(f"(local.get {index})" for index in range(len(names)))} call $host))""",
        )
        imported = Func(self.store, FuncType(types, types), host)
        function = Instance(self.store, module, [imported]).exports(self.store)["f"]
        assert isinstance(function, Func)
        return names, function

    def _value(self, rng: random.Random, name: str) -> Any:
        if rng.random() < 0.02:
            return rng.choice(_STRANGE)
        match name:
            case "i32" | "i64":
                bits = int(name[1:])
                return rng.choice([-(2 ** (bits - 1)), 2**bits - 1, 0, rng.getrandbits(bits)])
            case "f32" | "f64":
                return rng.choice([0.0, -0.0, math.inf, rng.uniform(-1e30, 1e30), rng.getrandbits(60)])
            case "funcref":
                return rng.choice([None, *(function for _, function in self.pairs)])
            case _:
                return rng.choice([None, 1, "text", object(), self])


def _same_reference(left: Any, right: Any) -> bool:
    # A funcref comes as another `Func` for the same function.
    return isinstance(left, Func) and isinstance(right, Func) or _same(left, right)


# --- interface types ---


class InterfaceValues:
    """Values of random interface types cross, compared with the reference of the canonical ABI."""

    def __init__(self) -> None:
        self.engine = component_engine()
        self.comparison: Comparison | None = None
        self.rounds = 0

    def __call__(self, rng: random.Random) -> None:
        if self.comparison is None or self.rounds == 10:
            self.comparison, self.rounds = Comparison(self.engine, rng, rng.choice(ENCODINGS), rng.randint(1, 4)), 0
        self.comparison.rng = rng
        self.rounds += 1
        self.comparison.check()


# --- binaries and text ---

_MODULES = (
    '(module (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))',
    '(module (memory (export "m") 1 4) (data (i32.const 8) "hello") (func (export "g") (result i32) (memory.grow (i32.const 1))))',
    """(module (table (export "t") 4 funcref) (elem (i32.const 0) $f $g) (type $t (func (param i64) (result i64)))
      (func $f (type $t) (local.get 0)) (func $g (type $t) (i64.div_s (i64.const 1) (local.get 0)))
      (func (export "f") (param i32 i64) (result i64) (call_indirect (type $t) (local.get 1) (local.get 0))))""",
    """(module (global $g (mut f64) (f64.const 1.5)) (tag $t (param i32)) (memory 1)
      (func (export "f") (result i32) (block $b (result i32)
        (try_table (catch $t $b) (throw $t (i32.const 7))) (i32.const 0)))
      (func (export "loop") (loop $l (global.set $g (f64.mul (global.get $g) (f64.const 1.1))) (br $l)))
      (func (export "v") (result v128) (i32x4.splat (i32.const 3))))""",
    """(module (type $s (struct (field (mut i32)) (field externref))) (type $a (array (mut i8)))
      (func (export "new") (result anyref) (struct.new $s (i32.const 1) (ref.null extern)))
      (func (export "a") (param i32) (result i32) (array.len (array.new_default $a (local.get 0)))))""",
)


def _limited_engine() -> Engine:
    config = Config()
    config.consume_fuel = True
    config.wasm_gc = True
    config.wasm_exceptions = True
    return Engine(config)


def mutated(rng: random.Random, data: bytes) -> bytes:
    """The bytes with a few changes: bits, numbers that matter, pieces taken out, doubled or moved."""
    changed = bytearray(data)
    for _ in range(rng.choice([1, 1, 2, 4, 16])):
        if not changed:
            break
        at = rng.randrange(len(changed))
        size = min(rng.choice([1, 2, 4, 16, 64]), len(changed) - at)
        match rng.randrange(6):
            case 0:
                changed[at] ^= 1 << rng.randrange(8)
            case 1:
                changed[at] = rng.choice([0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)])
            case 2:
                del changed[at : at + size]
            case 3:
                changed[at:at] = changed[at : at + size]
            case 4:
                changed[at : at + size] = rng.randbytes(size)
            case _:
                other = rng.randrange(len(changed))
                changed[at:at] = changed[other : other + size]
    return bytes(changed)


class Modules:
    """Changed modules are compiled and, if they are still valid, instantiated and run with limits."""

    def __init__(self) -> None:
        self.engine = _limited_engine()
        self.binaries = [bytes(wat2wasm(text)) for text in _MODULES]

    def __call__(self, rng: random.Random) -> None:
        self.check(mutated(rng, rng.choice(self.binaries)), lambda: rng.choice([0, 1, -1, 7]))

    def check(self, binary: bytes, argument: Callable[[], int] = lambda: 1) -> None:
        try:
            module = Module(self.engine, binary)
        except WasmtimeError:
            return
        store = Store(self.engine)
        store.set_limits(memory_size=1 << 22, table_elements=10_000, instances=10)
        store.set_fuel(10_000)
        try:
            exports = Instance(store, module, []).exports(store)
        except (WasmtimeError, Trap):
            return
        for item in exports.values():
            if isinstance(item, Func):
                params = item.type(store).params
                if all(str(param) in ("i32", "i64", "f32", "f64") for param in params):
                    try:
                        item(store, *(argument() for _ in params))
                    except (WasmtimeError, Trap):
                        pass


class Components:
    """Changed components are compiled and, if they are still valid, instantiated."""

    def __init__(self) -> None:
        self.engine = component_engine()
        self.binaries: list[bytes] = []

    def __call__(self, rng: random.Random) -> None:
        if len(self.binaries) < 30:
            ty = Comparison(self.engine, rng, "utf8").type
            self.binaries.append(bytes(wat2wasm(component_text(ty, rng.choice(ENCODINGS)))))
        self.check(mutated(rng, rng.choice(self.binaries)))

    def check(self, binary: bytes) -> None:
        try:
            component = Component(self.engine, binary)
            for items in (component.type.imports(self.engine), component.type.exports(self.engine)):
                repr(items)
            linker = Linker(self.engine)
            linker.define_unknown_imports_as_traps(component)
            store = Store(self.engine)
            store.set_limits(memory_size=1 << 24)
            linker.instantiate(store, component)
        except (WasmtimeError, Trap):
            pass


class Text:
    """Changed text is parsed."""

    def __init__(self) -> None:
        self.texts = [text.encode() for text in _MODULES]

    def __call__(self, rng: random.Random) -> None:
        self.check(mutated(rng, rng.choice(self.texts)))

    def check(self, text: bytes) -> None:
        try:
            wat2wasm(text.decode(errors="replace"))
        except WasmtimeError:
            pass


class Outlines:
    """Changed modules and components are looked at without being compiled: outline, sections, text and WIT."""

    def __init__(self) -> None:
        self.binaries = [bytes(wat2wasm(text)) for text in (*_MODULES, "(component (core module) (import \"f\" (func (param \"x\" (list u8)))))")]

    def __call__(self, rng: random.Random) -> None:
        self.check(mutated(rng, rng.choice(self.binaries)))

    def check(self, binary: bytes) -> None:
        _native.is_component(binary)
        _native.is_compiled_component(binary)
        for look in (_native.module_outline, _native.module_sections, _native.print_wat, _native.component_wit, _native.instrument):
            try:
                look(binary)
            except WasmtimeError:
                pass


class SerializedBytes:
    """Changed compiled code is refused, whatever the change."""

    def __init__(self) -> None:
        self.engine = Engine()
        self.modules = [bytes(Module(self.engine, text).serialize()) for text in _MODULES[:3]]
        self.components = [bytes(Component(self.engine, "(component)").serialize())]
        self.path = Path(tempfile.mkdtemp(prefix="fuzz-"), "code.cwasm")

    def __call__(self, rng: random.Random) -> None:
        kind: Any = rng.choice([Module, Component])
        code = rng.choice(self.modules if kind is Module else self.components)
        changed = mutated(rng, code)
        if changed == code:
            kind.deserialize(self.engine, changed)
            return
        self.check(changed, kind, in_file=rng.random() < 0.2)

    def check(self, changed: bytes, kind: Any = Module, in_file: bool = False) -> None:
        try:
            if in_file:
                self.path.write_bytes(changed)
                kind.deserialize_file(self.engine, self.path)
            else:
                kind.deserialize(self.engine, changed)
        except WasmtimeError:
            return
        raise AssertionError("changed code was loaded")


TARGETS: dict[str, Callable[[], Execution]] = {
    "core-values": CoreValues,
    "interface-values": InterfaceValues,
    "modules": Modules,
    "components": Components,
    "text": Text,
    "outlines": Outlines,
    "serialized-bytes": SerializedBytes,
}
