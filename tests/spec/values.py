"""Values of the scripts: made for a call, and compared, bit for bit, with what comes back."""

from __future__ import annotations

from typing import Any

from . import bits
from .package import Package

Value = dict[str, Any]
"""A value or a pattern; `crates/wast-json/src/value.rs` lists the members of each type."""

_BRIDGE = """
(module
  (func (export "to_any") (param externref) (result anyref) (any.convert_extern (local.get 0)))
  (func (export "to_extern") (param anyref) (result externref) (extern.convert_any (local.get 0))))
"""


class HostObject:
    """What a script means by `(ref.extern n)` and `(ref.host n)`: an object of the host, known by its identity."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __repr__(self) -> str:
        return f"HostObject({self.number})"


class Values:
    """Makes and matches the values of one script, whose host objects and references live in one store."""

    def __init__(self, package: Package, engine: Any, store: Any) -> None:
        self._package = package
        self._engine = engine
        self._store = store
        self._host_objects: dict[int, HostObject] = {}
        self._bridge: Any = None

    def argument(self, value: Value) -> Any:
        """The Python object to pass for a script's argument."""
        match value["type"]:
            case "i32" | "i64":
                return value["value"]
            case "f32":
                return bits.f32_from_bits(value["bits"])
            case "f64":
                return bits.f64_from_bits(value["bits"])
            case "v128":
                return bits.v128_from_lanes(value["shape"], value["lanes"])
            case "ref.null":
                return None
            case "ref.extern":
                return self._host_object(value["value"])
            case "ref.host":
                return self._convert("to_any", self._host_object(value["value"]))
            case other:
                raise ValueError(f"no argument of type {other!r}")

    def matches(self, pattern: Value, actual: Any) -> bool:
        """Whether a result is what the script expects."""
        match pattern["type"]:
            case "i32" | "i64":
                return type(actual) is int and actual == pattern["value"]
            case "f32":
                return type(actual) is float and float_matches(pattern, bits.f32_to_bits(actual))
            case "f64":
                return type(actual) is float and float_matches(pattern, bits.f64_to_bits(actual))
            case "v128":
                return type(actual) is bytes and v128_matches(pattern, actual)
            case "ref.null":
                return actual is None
            case "ref.extern":
                return self._is_host_object(pattern["value"], actual)
            case "ref.host":
                any_ref = isinstance(actual, self._package.reference_classes("ref.any"))
                return any_ref and self._is_host_object(pattern["value"], self._convert("to_extern", actual))
            case "either":
                return any(self.matches(choice, actual) for choice in pattern["values"])
            case kind:
                return isinstance(actual, self._package.reference_classes(kind))

    def _host_object(self, number: int) -> HostObject:
        return self._host_objects.setdefault(number, HostObject(number))

    def _is_host_object(self, number: int | None, actual: Any) -> bool:
        return actual is not None if number is None else actual is self._host_object(number)

    def _convert(self, direction: str, value: Any) -> Any:
        """Turns an externref into an anyref or back, which only wasm instructions can do."""
        if self._bridge is None:
            module = self._package.api.Module(self._engine, _BRIDGE)
            self._bridge = self._package.api.Instance(self._store, module, []).exports(self._store)
        return self._bridge[direction](self._store, value)


_QUIET_BIT = {"f32": 1 << 22, "f64": 1 << 51}
_SIGN_BIT = {"f32": 1 << 31, "f64": 1 << 63}
_INFINITY = {"f32": 0x7F80_0000, "f64": 0x7FF0_0000_0000_0000}


def float_matches(pattern: Value, actual: int | None) -> bool:
    """Compares bit patterns; a canonical NaN has only the quiet bit set, an arithmetic one at least that."""
    if actual is None:
        return False
    type_, nan = pattern["type"], pattern.get("nan")
    quiet_nan = _INFINITY[type_] | _QUIET_BIT[type_]
    if nan == "canonical":
        return actual & ~_SIGN_BIT[type_] == quiet_nan
    if nan == "arithmetic":
        return actual & quiet_nan == quiet_nan
    return bool(actual == pattern["bits"])


def v128_matches(pattern: Value, actual: bytes) -> bool:
    """Compares lane by lane, because a lane may expect any NaN of a class."""
    if len(actual) != 16:
        return False
    if not any("nan" in lane for lane in pattern["lanes"]):
        return actual == bits.v128_from_lanes(pattern["shape"], pattern["lanes"])
    return all(map(float_matches, pattern["lanes"], bits.v128_to_lanes(pattern["shape"], actual)))


def describe(value: Value) -> str:
    """A value in the words of a script, for reports."""
    type_ = value["type"]
    if type_ == "v128":
        return f"(v128.const {value['shape']} {' '.join(_describe_lane(lane) for lane in value['lanes'])})"
    if type_ == "either":
        return f"(either {' '.join(map(describe, value['values']))})"
    if type_ == "ref.null":
        return f"(ref.null {value['heap'] or ''})"
    if "value" in value or "bits" in value or "nan" in value:
        operator = type_ if type_.startswith("ref.") else f"{type_}.const"
        return f"({operator} {_describe_lane(value)})"
    return f"({type_})"


def _describe_lane(lane: Value) -> str:
    if "nan" in lane:
        return f"nan:{lane['nan']}"
    return hex(lane["bits"]) if "bits" in lane else str(lane["value"])
