"""What the checks of `Config.interruptible` cost: `python -m benches.interruptible [ROUNDS]`.

Compiles C programs with `zig cc -O2`, runs each with and without the checks in turn, and prints the best CPU times and their ratio.
"""

from __future__ import annotations

import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from ferrowasm import Config, Engine, Linker, Module, Store, WasiConfig

HERE = Path(__file__).parent

#: How often each program does its work in one run.
PROGRAMS = {
    "count": 300_000_000,
    "tight": 100_000_000,
    "sumbytes": 150,
    "fib": 32,
    "sha256": 100,
    "string": 20,
    "mandel": 15,
    "sort": 10,
    "matrix": 12,
}


def wasm_of(program: str, folder: Path) -> Path:
    """The compiled program, or its text."""
    text = HERE / f"{program}.wat"
    if text.exists():
        return text
    output = folder / f"{program}.wasm"
    compiler = [sys.executable, "-m", "ziglang", "cc", "--target=wasm32-wasi", "-O2", "-mexec-model=reactor"]
    subprocess.run([*compiler, "-o", output, HERE / f"{program}.c"], check=True)
    return output


def prepare(wasm: Path, work: int, *, interruptible: bool) -> Callable[[], object]:
    """The program, ready to run."""
    engine = Engine(Config(interruptible=interruptible))
    linker = Linker(engine)
    linker.define_wasi()
    store = Store(engine)
    store.set_wasi(WasiConfig())
    exports = linker.instantiate(store, Module.from_file(engine, wasm)).exports(store)
    if "_initialize" in exports:
        exports.func("_initialize")(store)
    run = exports.func("run")
    return lambda: run(store, work)


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 7
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        for program, work in PROGRAMS.items():
            wasm = wasm_of(program, Path(folder))
            runs = {on: prepare(wasm, work, interruptible=on) for on in (True, False)}
            best = dict.fromkeys(runs, math.inf)
            for _ in range(rounds):
                for on, run in runs.items():
                    start = time.thread_time()
                    run()
                    best[on] = min(best[on], time.thread_time() - start)
            ratios.append(best[True] / best[False])
            print(f"{program:10} with {best[True] * 1e3:8.1f} ms  without {best[False] * 1e3:8.1f} ms  {100 * (ratios[-1] - 1):+6.1f} %", flush=True)
    print(f"geometric mean {100 * (math.prod(ratios) ** (1 / len(ratios)) - 1):+.1f} %")


if __name__ == "__main__":
    main()
