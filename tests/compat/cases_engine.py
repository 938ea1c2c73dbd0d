"""`Engine`."""

from __future__ import annotations

from .harness import Package, case
from .programs import engine_with


@case
def a_default_engine_is_native(w: Package) -> object:
    return w.Engine().is_pulley()


@case
def a_pulley_engine_says_so(w: Package) -> object:
    return engine_with(w, target="pulley64").is_pulley()


@case
def none_means_the_default_configuration(w: Package) -> object:
    return w.Engine(None).is_pulley()


@case
def the_configuration_can_be_named(w: Package) -> object:
    return w.Engine(config=w.Config()).is_pulley()


@case
def other_types_are_refused(w: Package) -> object:
    return w.Engine(3)


@case
def increment_epoch_returns_none(w: Package) -> object:
    return w.Engine().increment_epoch()


@case
def close_returns_none_and_may_be_repeated(w: Package) -> object:
    engine = w.Engine()
    return [engine.close(), engine.close()]


@case
def with_gives_the_engine(w: Package) -> object:
    engine = w.Engine()
    with engine as same:
        return same is engine


@case
def a_closed_engine_is_refused(w: Package) -> object:
    engine = w.Engine()
    engine.close()
    return w.Store(engine)


@case
def a_closed_engine_has_no_epoch(w: Package) -> object:
    engine = w.Engine()
    engine.close()
    return engine.increment_epoch()


@case
def with_closes_it(w: Package) -> object:
    with w.Engine() as engine:
        pass
    return engine.is_pulley()


@case
def a_closed_engine_keeps_its_stores_alive(w: Package) -> object:
    engine = w.Engine()
    store = w.Store(engine)
    module = w.Module(engine, '(module (func (export "f") (result i32) (i32.const 1)))')
    engine.close()
    return w.Instance(store, module, []).exports(store)["f"](store)
