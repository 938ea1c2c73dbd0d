"""Compares the conversions of the package with the reference in `canonical_abi`, through components made for the purpose."""

from __future__ import annotations

import itertools
import random
from typing import Any

from canonical_abi import BASE, Memory, Type, definitions, random_type
from wit_support import MEMORY

from ferrowasm import Config, Engine, Store
from ferrowasm.component import Component, Linker, Record, Variant

#: How much of guest memory `lower` shows. The allocator of these components starts above its own data, at 1024.
SHOWN = 60_000


class OurValues:
    """The spelling of records and variants."""

    def record(self, fields: dict[str, Any]) -> Any:
        return Record(**fields)

    def variant(self, tag: str, payload: Any) -> Any:
        return Variant(tag, payload)


VALUES = OurValues()


def engine() -> Engine:
    config = Config()
    config.wasm_component_model_map = True
    config.wasm_component_model_fixed_length_lists = True
    return Engine(config)


def component_text(ty: Type, encoding: str) -> str:
    """A component about `list<T>`.

    - `lower: func(x: list<T>) -> list<u8>` shows the first bytes of memory, with the list at 16;
    - `lift: func(image: list<u8>, start: u32, length: u32) -> list<T>` puts the image at `BASE`, and takes a list from it;
    - `call: func(x: list<T>) -> list<T>` passes its argument to the import `f`, and returns what that returns.
    """
    types = "".join(f'(type ${name}-type {text}) (import "{name}" (type ${name} (eq ${name}-type)))' for name, text in definitions(ty).items())
    values = f"(list {ty.text})"
    options = f'(memory (core memory $m "memory")) (realloc (core func $m "realloc")) string-encoding={encoding}'
    reset = '(post-return (core func $m "reset"))'
    return f"""(component {types}
      (import "f" (func $f (param "x" {values}) (result {values})))
      {MEMORY}
      (core func $f_ (canon lower (func $f) {options}))
      (core module $code
        (import "" "memory" (memory 1))
        (import "" "f" (func $f (param i32 i32 i32)))
        (func (export "lower") (param i32 i32) (result i32)
          (i32.store (i32.const 16) (local.get 0)) (i32.store (i32.const 20) (local.get 1))
          (i32.store (i32.const 32) (i32.const 0)) (i32.store (i32.const 36) (i32.const {SHOWN}))
          (i32.const 32))
        (func (export "lift") (param $image i32) (param $size i32) (param $start i32) (param $length i32) (result i32)
          (drop (memory.grow (i32.const 4)))
          (memory.copy (i32.const {BASE}) (local.get $image) (local.get $size))
          (i32.store (i32.const 16) (local.get $start)) (i32.store (i32.const 20) (local.get $length))
          (i32.const 16))
        (func (export "call") (param i32 i32) (result i32)
          (call $f (local.get 0) (local.get 1) (i32.const 16)) (i32.const 16)))
      (core instance $c (instantiate $code
        (with "" (instance (export "memory" (memory $m "memory")) (export "f" (func $f_))))))
      (func (export "lower") (param "x" {values}) (result (list u8)) (canon lift (core func $c "lower") {options} {reset}))
      (func (export "lift") (param "image" (list u8)) (param "start" u32) (param "length" u32) (result {values})
        (canon lift (core func $c "lift") {options} {reset}))
      (func (export "call") (param "x" {values}) (result {values}) (canon lift (core func $c "call") {options} {reset})))"""


class Comparison:
    """One type, a random one unless it is given, with a component about it."""

    def __init__(self, engine: Engine, rng: random.Random, encoding: str, depth: int = 3, ty: Type | None = None) -> None:
        self.rng, self.encoding = rng, encoding
        self.type = ty or random_type(rng, depth, itertools.count())
        self.answer: Any = None
        self.seen: Any = None
        linker = Linker(engine)
        with linker.root() as root:
            root.add_func("f", self._host)
        self.store = Store(engine)
        component = Component(engine, component_text(self.type, encoding))
        self.exports = linker.instantiate(self.store, component).exports(self.store)

    def _host(self, _context: object, x: Any) -> Any:
        self.seen = x
        return self.answer

    def values(self) -> Any:
        """A random `list<T>`; of bytes where T is u8."""
        items = [self.type.random(self.rng, VALUES) for _ in range(self.rng.choice([0, 1, 2, 4]))]
        return bytes(items) if self.type.text == "u8" else items

    def lowered(self, values: Any) -> Any:
        """What the reference reads in guest memory after the package has written the values there."""
        image = self.exports.lower(self.store, values)
        memory = Memory(bytearray(image), self.encoding, VALUES)
        start, length = memory.read(16, "I"), memory.read(20, "I")
        assert start % self.type.align == 0
        items = [self.type.load(memory, start + index * self.type.size) for index in range(length)]
        return bytes(items) if self.type.text == "u8" else items

    def lifted(self, values: Any) -> Any:
        """What the package reads in guest memory after the reference has written the values there."""
        memory = Memory(bytearray(), self.encoding, VALUES, BASE)
        start = memory.allocate(self.type.size * len(values), self.type.align)
        for index, value in enumerate(values):
            self.type.store(memory, start + index * self.type.size, value)
        return self.exports.lift(self.store, memory.image, start, len(values))

    def through_host(self, values: Any, answer: Any) -> tuple[Any, Any]:
        """What a host function gets, and what comes back from it."""
        self.answer = answer
        returned = self.exports.call(self.store, values)
        return self.seen, returned

    def check(self) -> None:
        """One round: random values in every direction, and one that has to be refused."""
        values, answer = self.values(), self.values()
        assert self.lowered(values) == values
        assert self.lifted(values) == values
        assert self.through_host(values, answer) == (values, answer)
        self.check_refusal()

    def check_refusal(self) -> None:
        items = list(self.values())
        at = self.rng.randint(0, len(items))
        wrong = self.type.wrong(self.rng, VALUES)
        items.insert(at, wrong.value)
        try:
            self.exports.lower(self.store, items)
        except Exception as error:
            assert isinstance(error, wrong.error), f"{type(error).__name__} instead of {wrong.error.__name__}: {error}"
            place = f"x[{at}]{wrong.path}"
            text = error.reason if isinstance(error, UnicodeEncodeError) else str(error)
            assert text.startswith(place), f"{place!r} is not named first by {text!r}"
        else:
            raise AssertionError(f"{wrong.value!r} was accepted")
