"""Floats as bit patterns, and v128 as bytes.

An f32 travels through Python as a float, which has 64 bits. Hardware turns a signalling NaN into a quiet one when it
widens or narrows; `struct` does the same for the format `f`. So NaNs are widened here by moving their payload, which is
exact both ways, and the package under test is expected to do likewise.
"""

from __future__ import annotations

import math
import struct
from typing import Any

_PAYLOAD_SHIFT = 52 - 23


def f64_from_bits(bits: int) -> float:
    value: float = struct.unpack("<d", struct.pack("<Q", bits))[0]
    return value


def f64_to_bits(value: float) -> int:
    bits: int = struct.unpack("<Q", struct.pack("<d", value))[0]
    return bits


def f32_from_bits(bits: int) -> float:
    """The float of an f32's value, or the NaN with the same sign and payload."""
    payload = bits & 0x7F_FFFF
    if bits & 0x7F80_0000 == 0x7F80_0000 and payload:
        sign = bits >> 31
        return f64_from_bits(sign << 63 | 0x7FF << 52 | payload << _PAYLOAD_SHIFT)
    value: float = struct.unpack("<f", struct.pack("<I", bits))[0]
    return value


def f32_to_bits(value: float) -> int | None:
    """The f32 that a float stands for; None when no f32 has this value or NaN payload."""
    if math.isnan(value):
        bits = f64_to_bits(value)
        payload, lost = divmod(bits & (1 << 52) - 1, 1 << _PAYLOAD_SHIFT)
        return None if lost or not payload else bits >> 63 << 31 | 0x7F80_0000 | payload
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        return None
    if struct.unpack("<f", packed)[0] != value:
        return None
    narrow: int = struct.unpack("<I", packed)[0]
    return narrow


LANE_FORMATS = {"i8x16": "<16B", "i16x8": "<8H", "i32x4": "<4I", "i64x2": "<2Q", "f32x4": "<4I", "f64x2": "<2Q"}


def v128_from_lanes(shape: str, lanes: list[dict[str, Any]]) -> bytes:
    """Sixteen bytes, lane 0 first, each lane little-endian."""
    width = 128 // len(lanes)
    mask = (1 << width) - 1
    patterns = (lane["value"] & mask if "value" in lane else lane["bits"] for lane in lanes)
    return struct.pack(LANE_FORMATS[shape], *patterns)


def v128_to_lanes(shape: str, value: bytes) -> tuple[int, ...]:
    """The lanes as unsigned bit patterns."""
    return struct.unpack(LANE_FORMATS[shape], value)
