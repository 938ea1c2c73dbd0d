"""Python's garbage collector may run at any allocation, even between the allocation of an object and its construction."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import gc
import ferrowasm

class Subclass(ferrowasm.WasiConfig):
    pass

engine = ferrowasm.Engine()
store, module = ferrowasm.Store(engine), ferrowasm.Module(engine, '(module (func (export "f")))')
makers = [
    ferrowasm.Config, ferrowasm.Engine, ferrowasm.WasiConfig, Subclass,
    lambda: ferrowasm.Store(engine), lambda: ferrowasm.Linker(engine),
    lambda: ferrowasm.Instance(store, module, []), lambda: ferrowasm.Instance(store, module, []).exports(store),
    lambda: ferrowasm.Func(store, ferrowasm.FuncType([], []), print), lambda: ferrowasm.Linker(engine).instantiate_pre(module),
]
for threshold in range(1, 20):
    gc.set_threshold(threshold)
    for make in makers:
        kept = []
        for index in range(60):
            kept.append(make())
            # Out of step with the objects, so that over the rounds a collection begins at each of their allocations.
            if index % 3 == 0:
                kept.append([])
print("survived")
"""


def test_objects_may_be_visited_before_they_are_constructed() -> None:
    # In a process of its own: a failure is a crash.
    run = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=60, check=False)
    assert (run.returncode, run.stdout, run.stderr) == (0, "survived\n", "")
