"""Modules and components that are made to take long, or much memory, to compile: what each of them costs.

`python tests/unit/bombs.py` compiles each in a process of its own and prints the table of docs/interrupts.md; with a name, it
compiles that one and prints how that ended, the seconds of CPU time and the peak of memory in MiB.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from ferrowasm import Engine, Module, WasmtimeError
from ferrowasm.component import Component

HEADER = b"\0asm\1\0\0\0"
EMPTY = b"\x60\0\0"


def leb(number: int) -> bytes:
    encoded = b""
    while number >= 0x80:
        encoded += bytes([number & 0x7F | 0x80])
        number >>= 7
    return encoded + bytes([number])


def section(number: int, content: bytes) -> bytes:
    return bytes([number]) + leb(len(content)) + content


def vector(items: list[bytes]) -> bytes:
    return leb(len(items)) + b"".join(items)


def functions(bodies: list[bytes], exports: bytes = b"") -> bytes:
    """A module of functions without parameters and results."""
    code = vector([leb(len(body)) + body for body in bodies])
    return HEADER + section(1, vector([EMPTY])) + section(3, vector([b"\0"] * len(bodies))) + exports + section(10, code)


def nested(opening: bytes, depth: int) -> bytes:
    return functions([b"\0" + opening * depth + b"\x0b" * depth + b"\x0b"])


def table_of_branches(targets: int) -> bytes:
    return functions([b"\0\x02\x40\x41\0\x0e" + leb(targets) + b"\0" * (targets + 1) + b"\x0b\x0b"])


def tuples(depth: int, width: int) -> str:
    """A function of a type that has `width` to the power of `depth` leaves, made of `depth` types."""
    steps = "".join(f"(type $t{level + 1} (tuple {f'$t{level} ' * width}))" for level in range(depth))
    return f'(component (type $t0 (list u8)) {steps} (import "f" (func (param "x" $t{depth}))))'


@dataclass(frozen=True)
class Bomb:
    """Something to compile."""

    make: Callable[[], bytes | str]
    #: Whether it is refused, or else compiled.
    refused: bool
    #: More CPU time, in seconds, and more memory, in MiB, than this is a bug; several times what was measured.
    seconds: float
    memory: int
    #: Takes too long for a test; measured for the table only.
    slow: bool = False


BOMBS: dict[str, Bomb] = {
    "the largest function, without branches (7.0 MB)": Bomb(
        lambda: functions([b"\1\1\x7f" + b"\x20\0\x41\1\x6a\x21\0" * 1_000_000 + b"\x0b"]), False, 120, 6000
    ),
    "a function of 3,000,000 calls (6.0 MB)": Bomb(lambda: functions([b"\0" + b"\x10\0" * 3_000_000 + b"\x0b"]), True, 5, 500),
    "100,000 calls in a function": Bomb(lambda: functions([b"\0" + b"\x10\0" * 99_999 + b"\x0b"]), False, 60, 2000),
    "1,000,000 blocks within each other": Bomb(lambda: nested(b"\x02\x40", 1_000_000), True, 5, 500),
    "99,999 blocks within each other": Bomb(lambda: nested(b"\x02\x40", 99_999), False, 60, 2000),
    "256 loops within each other": Bomb(lambda: nested(b"\x03\x40", 256), False, 20, 500),
    "1,000,000 operands on the stack": Bomb(
        lambda: functions([b"\0" + b"\x41\1" * 1_000_000 + b"\x6a" * 999_999 + b"\x1a\x0b"]), False, 120, 4000
    ),
    "100,000 functions": Bomb(lambda: functions([b"\0\x0b"] * 100_000), False, 120, 2000),
    "500,000 functions": Bomb(lambda: functions([b"\0\x0b"] * 500_000), False, 600, 6_000, slow=True),
    "1,000,000 functions": Bomb(lambda: functions([b"\0\x0b"] * 1_000_000), True, 5, 500),
    "50,000 locals in a function": Bomb(lambda: functions([b"\1" + leb(50_000) + b"\x7f\x0b"]), False, 20, 500),
    "1,000,000 locals in a function": Bomb(lambda: functions([b"\1" + leb(1_000_000) + b"\x7f\x0b"]), True, 5, 500),
    "50,000 locals in each of 100 functions": Bomb(lambda: functions([b"\1" + leb(50_000) + b"\x7f\x0b"] * 100), False, 60, 2000),
    "1,000,000 types": Bomb(lambda: HEADER + section(1, vector([b"\x60\1\x7f\0"] * 1_000_000)), False, 60, 3000),
    "1,000,001 types": Bomb(lambda: HEADER + section(1, vector([b"\x60\1\x7f\0"] * 1_000_001)), True, 5, 500),
    "1,000,000 globals": Bomb(lambda: HEADER + section(6, vector([b"\x7f\0\x41\0\x0b"] * 1_000_000)), False, 60, 3000),
    "100,000 exports": Bomb(
        lambda: HEADER
        + section(1, vector([EMPTY]))
        + section(3, vector([b"\0"]))
        + section(7, vector([leb(len(name)) + name + b"\0\0" for name in (b"e%d" % number for number in range(100_000))]))
        + section(10, vector([b"\2\0\x0b"])),
        False,
        60,
        1000,
    ),
    "a br_table with 1,000,000 targets": Bomb(lambda: table_of_branches(1_000_000), True, 5, 500),
    "a br_table with 65,520 targets": Bomb(lambda: table_of_branches(65_520), False, 60, 1000),
    "100,000 data segments": Bomb(
        lambda: HEADER + section(5, vector([b"\0\x10"])) + section(11, vector([b"\0\x41\0\x0b\1x"] * 100_000)), False, 30, 1000
    ),
    "a data segment of 100 MB": Bomb(
        lambda: HEADER + section(5, vector([b"\0" + leb(2000)])) + section(11, vector([b"\0\x41\0\x0b" + leb(100_000_000) + bytes(100_000_000)])),
        False,
        60,
        3000,
    ),
    "an element segment of 1,000,000 functions": Bomb(
        lambda: HEADER
        + section(1, vector([EMPTY]))
        + section(3, vector([b"\0"]))
        + section(4, vector([b"\x70\0" + leb(1_000_000)]))
        + section(9, vector([b"\0\x41\0\x0b" + vector([b"\0"] * 1_000_000)]))
        + section(10, vector([b"\2\0\x0b"])),
        False,
        60,
        2000,
    ),
    "20,000 components within each other": Bomb(lambda: "(component " * 20_000 + ")" * 20_000, True, 10, 1000),
    "a type with 4²⁵ leaves": Bomb(lambda: tuples(25, 4), True, 10, 1000),
    "a type with 2¹⁶ leaves": Bomb(lambda: tuples(16, 2), False, 30, 2000),
    "a component of 1,000 modules": Bomb(lambda: "(component " + '(core module (func (export "f")))' * 1000 + ")", False, 120, 3000),
    "1,000,000 types of a component": Bomb(lambda: "(component " + "(type u8)" * 1_000_000 + ")", False, 60, 3000),
}


def memory() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024


def compile_one(name: str) -> None:
    wasm = BOMBS[name].make()
    engine = Engine()
    before, begin, wall = memory(), time.process_time(), time.monotonic()
    component = isinstance(wasm, str)
    try:
        (Component if component else Module)(engine, wasm)
        outcome = "compiled"
    except WasmtimeError as error:
        outcome = str(error).partition("\n")[0]
    seconds = time.process_time() - begin
    print(json.dumps({"outcome": outcome, "seconds": seconds, "wall": time.monotonic() - wall, "memory": memory() - before, "size": len(wasm)}))


def measured(name: str) -> dict[str, object]:
    """Compiles a bomb in a process of its own."""
    child = subprocess.run([sys.executable, __file__, name], capture_output=True, text=True, timeout=1200, check=False)
    if child.returncode != 0:
        raise AssertionError(f"{name}: exit code {child.returncode}\n{child.stderr[-2000:]}")
    found: dict[str, object] = json.loads(child.stdout)
    return found


def main() -> None:
    if len(sys.argv) > 1:
        compile_one(sys.argv[1])
        return
    print("| what | CPU time | memory | outcome |\n|---|---|---|---|")
    for name in BOMBS:
        found = measured(name)
        outcome = "compiled" if found["outcome"] == "compiled" else "refused"
        print(f"| {name} | {found['seconds']:.2f} s | {found['memory']} MiB | {outcome} |", flush=True)
        print(found, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
