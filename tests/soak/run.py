"""`python -m tests.soak.run [--duration SECONDS] [--threads N] [--exceptions N]`: mixed work, with flat memory.

Every thread does every kind of work in random order. Memory is measured all the while; after the first third of the
time it must not grow. Then 8 threads, each with a store, raise `--exceptions` exceptions: none may be lost or swapped.
"""

from __future__ import annotations

import argparse
import gc
import random
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
# What the tests of components share.
sys.path.insert(0, str(ROOT / "tests" / "component"))

#: Growth, in KiB, between the second and the last third of the time that counts as noise: arenas of the allocators.
NOISE = 12 * 1024


def private_kib() -> int:
    """The memory of this process that is its own."""
    for line in Path("/proc/self/smaps_rollup").read_text().splitlines():
        if line.startswith("Anonymous:"):
            return int(line.split()[1])
    raise RuntimeError("the kernel does not say how much memory is used")


@dataclass
class Soak:
    """What was done and measured."""

    done: Counter[str] = field(default_factory=Counter)
    failures: list[BaseException] = field(default_factory=list)
    #: KiB in use, at even intervals.
    samples: list[int] = field(default_factory=list)

    @property
    def growth(self) -> int:
        """KiB by which the least use in the last third exceeds the least in the second."""
        third = len(self.samples) // 3
        return min(self.samples[-third:]) - min(self.samples[third : 2 * third])


def soak(duration: float, threads: int) -> Soak:
    """Mixed work on several threads for some seconds."""
    from tests.soak.work import KINDS

    result = Soak()
    stop = threading.Event()

    def worker(seed: int) -> None:
        rng = random.Random(seed)
        done: Counter[str] = Counter()
        try:
            works = {name: make() for name, make in KINDS.items()}
            names = list(works)
            while not stop.is_set():
                name = rng.choice(names)
                works[name]()
                done[name] += 1
        except BaseException as error:
            result.failures.append(error)
            stop.set()
        result.done.update(done)

    workers = [threading.Thread(target=worker, args=(seed,)) for seed in range(threads)]
    for thread in workers:
        thread.start()
    samples = 30
    for _ in range(samples):
        if stop.wait(duration / samples):
            break
        gc.collect()
        result.samples.append(private_kib())
    stop.set()
    for thread in workers:
        thread.join()
    return result


def raise_exceptions(count: int, threads: int = 8) -> int:
    """Raises so many exceptions from callbacks, spread over threads with a store each; how many came out wrong."""
    from ferrowasm import Engine, Func, FuncType, Instance, Module, Store

    engine = Engine()
    module = Module(engine, '(module (import "" "h" (func $h)) (func (export "f") call $h))')
    wrong: list[object] = []

    def worker(mine: int) -> None:
        store = Store(engine)
        current: Exception = Exception()

        def host() -> None:
            raise current

        f = Instance(store, module, [Func(store, FuncType([], []), host)]).exports(store)["f"]
        assert isinstance(f, Func)
        for number in range(mine):
            current = LookupError(number)
            try:
                f(store)
            except BaseException as error:
                if error is not current:
                    wrong.append(error)
            else:
                wrong.append(current)

    workers = [threading.Thread(target=worker, args=(count // threads,)) for _ in range(threads)]
    for thread in workers:
        thread.start()
    for thread in workers:
        thread.join()
    return len(wrong)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak.run", description="Mixed work, with flat memory.")
    parser.add_argument("--duration", type=float, default=600.0, help="seconds of mixed work; 600 by default")
    parser.add_argument("--threads", type=int, default=8, help="8 by default")
    parser.add_argument("--exceptions", type=int, default=1_000_000, help="a million by default")
    arguments = parser.parse_args()
    result = soak(arguments.duration, arguments.threads)
    for error in result.failures:
        sys.excepthook(type(error), error, error.__traceback__)
    if result.failures:
        return 1
    for name, count in sorted(result.done.items()):
        print(f"{name:14} {count:>10,} times")
    print(f"memory {result.samples[0]:,} KiB after the first interval, {result.samples[-1]:,} at the end, growth {result.growth:,}")
    start = time.monotonic()
    wrong = raise_exceptions(arguments.exceptions)
    print(f"{arguments.exceptions:,} exceptions on 8 threads in {time.monotonic() - start:.0f} s: {wrong} lost or swapped")
    return int(result.growth > NOISE or wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
