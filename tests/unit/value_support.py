"""The ways of values into WebAssembly and out of it."""

from __future__ import annotations

from typing import Any

from support import TYPES, host, instantiate

from ferrowasm import Global, GlobalType, Store, Val

NAMES = {"i": "i32", "I": "i64", "f": "f32", "F": "f64", "v": "v128", "e": "externref", "r": "funcref"}
ZEROS = {
    "i": "i32.const 0",
    "I": "i64.const 0",
    "f": "f32.const 0",
    "F": "f64.const 0",
    "v": "v128.const i64x2 0 0",
    "e": "ref.null extern",
    "r": "ref.null func",
}
NEUTRAL: dict[str, Any] = {"i": 0, "I": 0, "f": 0.0, "F": 0.0, "v": bytes(16)}
VECTOR = bytes(range(16))
WAYS = ["argument and result", "host argument", "host result", "global", "new global"]


class Route:
    """A way for a value of one type through WebAssembly and back."""

    def __init__(self, letter: str, way: str, store: Store | None = None) -> None:
        name = NAMES[letter]
        self.store = store or Store()
        self.letter = letter
        self.way = way
        self.seen: Any = None
        self.answer: Any = None
        imported = host(self.store, self.callback, letter, letter)
        self.exports = instantiate(
            f"""(module (import "" "h" (func $h (param {name}) (result {name})))
              (global (export "g") (mut {name}) ({ZEROS[letter]}))
              (func (export "id") (param {name}) (result {name}) (local.get 0))
              (func (export "host") (param {name}) (result {name}) (call $h (local.get 0))))""",
            [imported],
            self.store,
        )[1]

    def callback(self, value: Any) -> Any:
        self.seen = value
        return self.answer

    def __call__(self, value: Any) -> Any:
        if self.way == "argument and result":
            return self.exports.func("id")(self.store, value)
        if self.way == "host argument":
            self.answer = Val.ref_null(TYPES[self.letter]) if TYPES[self.letter].is_ref else NEUTRAL[self.letter]
            self.exports.func("host")(self.store, value)
            return self.seen
        if self.way == "host result":
            self.answer = value
            neutral = None if TYPES[self.letter].is_ref else NEUTRAL[self.letter]
            return self.exports.func("host")(self.store, neutral)
        if self.way == "global":
            variable = self.exports.global_("g")
            variable.set_value(self.store, value)
            return variable.value(self.store)
        return Global(self.store, GlobalType(TYPES[self.letter], False), value).value(self.store)


class Thing:
    pass
