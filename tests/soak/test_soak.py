"""The short form of `make soak`."""

from __future__ import annotations

import gc

from ferrowasm import Engine, Func, FuncType, Instance, Module, Store

from .run import NOISE, private_kib, raise_exceptions, soak
from .work import KINDS


def test_mixed_work_on_eight_threads_leaves_memory_flat() -> None:
    result = soak(duration=9, threads=8)
    assert result.failures == []
    assert result.done.keys() == KINDS.keys(), "every kind of work was done"
    assert result.growth <= NOISE


def test_no_exception_of_eight_threads_is_lost_or_swapped() -> None:
    assert raise_exceptions(80_000) == 0


def test_stores_in_circles_leave_nothing_behind() -> None:
    engine = Engine()
    module = Module(engine, '(module (import "" "h" (func $h)) (memory 1) (data (i32.const 0) "x") (func (export "f") call $h))')

    def circle() -> None:
        store = Store(engine)
        f = Instance(store, module, [Func(store, FuncType([], []), lambda: store.gc())]).exports(store)["f"]
        assert isinstance(f, Func)
        f(store)

    used = []
    for _ in range(4):
        for _ in range(2000):
            circle()
        gc.collect()
        used.append(private_kib())
    # The first rounds set the peak. What is left of 2,000 more stores is less than 64 bytes for each.
    assert min(used[2:]) - used[1] < 125, used
