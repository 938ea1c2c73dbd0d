"""Finalisers run whenever Python likes, also in the middle of our own work, and may use the same objects again."""

from __future__ import annotations

import gc

import pytest

import ferrowasm
from ferrowasm import Engine, FuncType, Linker, Module, Store, WasmtimeError


class Callback:
    """A callable whose finaliser uses the linker that it was defined in."""

    def __init__(self, linker: Linker, outcomes: list[str]) -> None:
        self.linker = linker
        self.outcomes = outcomes

    def __call__(self) -> None:
        pass

    def __del__(self) -> None:
        try:
            self.linker.define_func("from", "finaliser", FuncType([], []), lambda: None)
            self.outcomes.append("defined")
        except WasmtimeError as error:
            self.outcomes.append(str(error))


BUSY = "the linker is busy: it cannot be used by code that runs while it defines something"


def test_a_finaliser_that_runs_inside_the_linker_gets_an_error_instead_of_a_deadlock() -> None:
    linker = Linker(Engine())
    linker.allow_shadowing = True
    outcomes: list[str] = []
    linker.define_func("m", "f", FuncType([], []), Callback(linker, outcomes))
    linker.define_func("m", "f", FuncType([], []), lambda: None)
    assert outcomes == [BUSY]
    linker.define_func("m", "g", FuncType([], []), lambda: None)


@pytest.mark.timeout(60)
def test_collections_at_every_allocation_do_not_stop_a_linker() -> None:
    engine = Engine()
    module = Module(engine, '(module (import "m" "f" (func $f)) (func (export "run") (call $f)))')
    threshold = gc.get_threshold()
    gc.set_threshold(1)
    try:
        for _ in range(200):
            linker = Linker(engine)
            linker.allow_shadowing = True
            outcomes: list[str] = []
            for _ in range(3):
                linker.define_func("m", "f", FuncType([], []), Callback(linker, outcomes))
            store = Store(engine)
            run = linker.instantiate(store, module).exports(store)["run"]
            assert isinstance(run, ferrowasm.Func)
            run(store)
            assert set(outcomes) <= {BUSY, "defined"}
    finally:
        gc.set_threshold(*threshold)
