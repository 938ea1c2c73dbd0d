"""What `make run` shows: a C program run as WebAssembly over a real file, and functions of a module called from Python.

    python examples/run.py [FILE]

FILE is the text whose words are counted; unless told, the language reference that comes with Python.
"""

from __future__ import annotations

import platform
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from pydoc_data import topics
from typing import TypeVar

import ferrowasm
from ferrowasm import DirPerms, Engine, FilePerms, Func, FuncType, Instance, Linker, Memory, Module, Store, ValType, WasiConfig

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "examples" / "wordfreq" / "wordfreq.c"
PROGRAM = ROOT / "build" / "examples" / "wordfreq.wasm"
REFERENCE = ROOT / "build" / "examples" / "language-reference.txt"
SHOWN = 8

T = TypeVar("T")

LIBRARY = """
(module
  (import "host" "found" (func $found (param i32)))
  (memory (export "memory") 1)

  ;; The greatest common divisor, by Euclid.
  (func (export "gcd") (param $a i32) (param $b i32) (result i32)
    (local $rest i32)
    (block $done
      (loop $next
        (br_if $done (i32.eqz (local.get $b)))
        (local.set $rest (i32.rem_u (local.get $a) (local.get $b)))
        (local.set $a (local.get $b))
        (local.set $b (local.get $rest))
        (br $next)))
    (local.get $a))

  ;; Upper case for the ASCII letters among the $length bytes at $text, in place.
  (func (export "upper") (param $text i32) (param $length i32)
    (local $end i32) (local $byte i32)
    (local.set $end (i32.add (local.get $text) (local.get $length)))
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $text) (local.get $end)))
        (local.set $byte (i32.load8_u (local.get $text)))
        (if (i32.lt_u (i32.sub (local.get $byte) (i32.const 97)) (i32.const 26))
          (then (i32.store8 (local.get $text) (i32.sub (local.get $byte) (i32.const 32)))))
        (local.set $text (i32.add (local.get $text) (i32.const 1)))
        (br $next))))

  ;; Calls host.found with every prime below $limit.
  (func (export "primes") (param $limit i32)
    (local $n i32) (local $divisor i32)
    (local.set $n (i32.const 2))
    (block $done
      (loop $candidate
        (br_if $done (i32.ge_u (local.get $n) (local.get $limit)))
        (local.set $divisor (i32.const 2))
        (block $composite
          (block $prime
            (loop $try
              (br_if $prime (i32.gt_u (i32.mul (local.get $divisor) (local.get $divisor)) (local.get $n)))
              (br_if $composite (i32.eqz (i32.rem_u (local.get $n) (local.get $divisor))))
              (local.set $divisor (i32.add (local.get $divisor) (i32.const 1)))
              (br $try)))
          (call $found (local.get $n)))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br $candidate)))))
"""


def main() -> int:
    print(f"ferrowasm {ferrowasm.__version__} on wasmtime {ferrowasm.engine_version}, {platform.python_implementation()} {platform.python_version()}")
    run_wasi_program(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else language_reference())
    call_functions()
    return 0


def run_wasi_program(text: Path) -> None:
    """Compile the C program, let it count the words of `text`, and check its answer against a count in Python."""
    print("\n1. A WASI program over a real file")
    compile_c(SOURCE, PROGRAM)
    print(f"   {SOURCE.relative_to(ROOT)} -> {PROGRAM.relative_to(ROOT)}, {PROGRAM.stat().st_size / 1e3:.1f} kB")

    engine = Engine()
    module, seconds = timed(lambda: Module.from_file(engine, PROGRAM))
    print(f"   compiled to machine code in {seconds * 1e3:.1f} ms")

    # The program sees one folder, for reading only, and its output comes back as bytes.
    wasi = WasiConfig()
    wasi.argv = ["wordfreq", f"/text/{text.name}", str(SHOWN)]
    wasi.preopen_dir(str(text.parent), "/text", DirPerms.READ_ONLY, FilePerms.READ_ONLY)
    stdout = wasi.capture_stdout()
    store = Store(engine)
    store.set_wasi(wasi)
    linker = Linker(engine)
    linker.define_wasi()
    start = linker.instantiate(store, module).exports(store)["_start"]
    assert isinstance(start, Func)
    _, seconds = timed(lambda: start(store))
    output = stdout.getvalue().decode()
    print(f"   counted the words of {text.name} ({text.stat().st_size / 1e3:.1f} kB) in {seconds * 1e3:.1f} ms:")
    print("".join(f"   | {line}\n" for line in output.splitlines()), end="")

    expected, seconds = timed(lambda: word_frequencies(text.read_bytes()))
    if output != expected:
        raise SystemExit(f"the program and Python disagree; Python counted:\n{expected}")
    print(f"   Python counts the same, in {seconds * 1e3:.1f} ms")


def call_functions() -> None:
    """Numbers, text in memory and callbacks."""
    print("\n2. Functions of a module, called from Python")
    store = Store()
    found: list[int] = []
    callback = Func(store, FuncType([ValType.i32()], []), found.append)
    exports = Instance(store, Module(store.engine, LIBRARY), [callback]).exports(store)
    gcd, upper, primes, memory = exports["gcd"], exports["upper"], exports["primes"], exports["memory"]
    assert isinstance(gcd, Func) and isinstance(upper, Func) and isinstance(primes, Func) and isinstance(memory, Memory)

    calls = 100_000
    _, seconds = timed(lambda: [gcd(store, 1071, 462) for _ in range(calls)])
    report(f"gcd(1071, 462) = {gcd(store, 1071, 462)}", 21, gcd(store, 1071, 462))
    print(f"      {calls} calls, {seconds / calls * 1e9:.0f} ns each")

    text = "WebAssembly and Python share this text".encode()
    memory.write(store, text, 1024)
    upper(store, 1024, len(text))
    shared = bytes(memory.read(store, 1024, 1024 + len(text)))
    report(f"upper({text.decode()!r}) = {shared.decode()!r}", text.upper(), shared)

    limit = 100_000
    _, seconds = timed(lambda: primes(store, limit))
    report(f"primes below {limit}: {len(found)}, the last is {found[-1]}", (9592, 99991), (len(found), found[-1]))
    print(f"      {len(found)} calls of a Python function from WebAssembly, in {seconds * 1e3:.1f} ms with the search")


def report(line: str, expected: object, actual: object) -> None:
    if actual != expected:
        raise SystemExit(f"{line}: expected {expected!r}, got {actual!r}")
    print(f"   {line}")


def compile_c(source: Path, output: Path) -> None:
    """Compile for WASI with the C compiler of the `ziglang` package, unless that was done since `source` changed."""
    if output.exists() and output.stat().st_mtime > source.stat().st_mtime:
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([sys.executable, "-m", "ziglang", "cc", "--target=wasm32-wasi", "-O2", "-s", "-o", output, source], check=True)


def language_reference() -> Path:
    """The texts that `help()` shows about the language, as one file."""
    REFERENCE.parent.mkdir(parents=True, exist_ok=True)
    REFERENCE.write_text("\n".join(topics.topics.values()), encoding="utf-8")
    return REFERENCE


def word_frequencies(text: bytes) -> str:
    """What wordfreq prints, computed here."""
    words = Counter(word.lower()[:255].rstrip(b"'") for word in re.findall(rb"[A-Za-z][A-Za-z']*", text))
    frequent = sorted(words.items(), key=lambda item: (-item[1], item[0]))[:SHOWN]
    lines = [f"{count:7} {word.decode()}" for word, count in frequent]
    return "\n".join([*lines, f"{words.total()} words, {len(words)} distinct", ""])


def timed(action: Callable[[], T]) -> tuple[T, float]:
    begin = time.perf_counter()
    result = action()
    return result, time.perf_counter() - begin


if __name__ == "__main__":
    sys.exit(main())
