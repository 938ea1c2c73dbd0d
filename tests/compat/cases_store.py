"""`Store` and `StoreContext`."""

from __future__ import annotations

from typing import Any

from .harness import Package, attempt, case
from .programs import ADD, engine_with, instantiate, load, raised_by, trap_code_of

LOOP = '(module (func (export "f") (loop br 0)))'
GROWER = '(module (memory (export "m") 1) (func (export "grow") (param i32) (result i32) (memory.grow (local.get 0))))'


def _fuelled(w: Package) -> Any:
    return w.Store(engine_with(w, consume_fuel=True))


@case
def without_arguments_it_has_an_engine(w: Package) -> object:
    return w.Store().engine


@case
def it_keeps_the_engine_it_was_given(w: Package) -> object:
    engine = w.Engine()
    return w.Store(engine).engine is engine


@case
def other_types_of_engine_are_refused(w: Package) -> object:
    return w.Store("engine")


@case
def arguments_can_be_named(w: Package) -> object:
    return w.Store(engine=None, data=3).data()


@case
def data_is_none_by_default(w: Package) -> object:
    return w.Store().data()


@case
def data_comes_back_as_the_same_object(w: Package) -> object:
    data = object()
    return w.Store(w.Engine(), data).data() is data


@case
def falsy_data_comes_back(w: Package) -> object:
    """`Store(engine, data=0).data()`"""
    return w.Store(w.Engine(), 0).data()


@case
def an_empty_list_comes_back_as_the_same_object(w: Package) -> object:
    """`Store(engine, data=[]).data()`"""
    return w.Store(w.Engine(), []).data()


@case
def gc_returns_none(w: Package) -> object:
    return w.Store().gc()


@case
def fuel_is_zero_at_first(w: Package) -> object:
    return _fuelled(w).get_fuel()


@case
def fuel_is_what_was_set(w: Package) -> object:
    store = _fuelled(w)
    return [store.set_fuel(12345), store.get_fuel()]


@case
def the_largest_fuel_is_64_bits(w: Package) -> object:
    store = _fuelled(w)
    store.set_fuel((1 << 64) - 1)
    return store.get_fuel()


@case
def fuel_without_the_switch_is_refused(w: Package) -> None:
    w.Store().set_fuel(1)


@case(message=True)
def reading_fuel_without_the_switch_is_refused(w: Package) -> None:
    w.Store().get_fuel()


@case
def negative_fuel_is_refused(w: Package) -> object:
    """`store.set_fuel(-1)`"""
    store = _fuelled(w)
    store.set_fuel(-1)
    return store.get_fuel()


@case
def fuel_of_more_than_64_bits_is_refused(w: Package) -> object:
    """`store.set_fuel(1 << 64)`"""
    store = _fuelled(w)
    store.set_fuel(1 << 64)
    return store.get_fuel()


@case
def fuel_that_is_a_float_is_refused(w: Package) -> None:
    """`store.set_fuel(1.5)`"""
    _fuelled(w).set_fuel(1.5)


@case
def a_run_consumes_the_same_fuel(w: Package) -> object:
    store = _fuelled(w)
    store.set_fuel(1000)
    instantiate(w, store, ADD)["add"](store, 1, 2)
    return store.get_fuel()


@case
def running_out_of_fuel_traps(w: Package) -> object:
    store = _fuelled(w)
    store.set_fuel(1000)
    return trap_code_of(lambda: instantiate(w, store, LOOP)["f"](store))


@case
def the_epoch_deadline_traps(w: Package) -> object:
    store = w.Store(engine_with(w, epoch_interruption=True))
    f = instantiate(w, store, LOOP)["f"]
    store.set_epoch_deadline(1)
    store.engine.increment_epoch()
    return trap_code_of(lambda: f(store))


@case
def the_epoch_deadline_starts_at_zero(w: Package) -> object:
    store = w.Store(engine_with(w, epoch_interruption=True))
    return trap_code_of(lambda: instantiate(w, store, LOOP)["f"](store))


@case
def the_epoch_deadline_is_not_reached_early(w: Package) -> object:
    store = w.Store(engine_with(w, epoch_interruption=True))
    store.set_epoch_deadline(2)
    store.engine.increment_epoch()
    return instantiate(w, store, ADD)["add"](store, 1, 2)


@case
def a_deadline_that_is_a_str_is_refused(w: Package) -> None:
    """`store.set_epoch_deadline("1")`"""
    w.Store().set_epoch_deadline("1")


@case
def a_negative_deadline_is_refused(w: Package) -> None:
    """`store.set_epoch_deadline(-1)`"""
    w.Store().set_epoch_deadline(-1)


@case
def a_memory_limit_holds(w: Package) -> object:
    store = w.Store()
    store.set_limits(memory_size=2 * 65536)
    exports = instantiate(w, store, GROWER)
    grow = exports["grow"]
    return [grow(store, 1), grow(store, 1), attempt(lambda: exports["m"].grow(store, 1))]


@case
def a_memory_limit_refuses_instances(w: Package) -> object:
    store = w.Store()
    store.set_limits(memory_size=100)
    return instantiate(w, store, GROWER)


@case
def a_table_limit_holds(w: Package) -> object:
    store = w.Store()
    store.set_limits(table_elements=3)
    table = instantiate(w, store, '(module (table (export "t") 2 funcref))')["t"]
    return [table.grow(store, 1, None), attempt(lambda: table.grow(store, 1, None))]


@case
def an_instance_limit_holds(w: Package) -> object:
    store = w.Store()
    store.set_limits(instances=1)
    instantiate(w, store, "(module)")
    return instantiate(w, store, "(module)")


@case
def a_tables_limit_holds(w: Package) -> object:
    store = w.Store()
    store.set_limits(tables=1)
    return instantiate(w, store, "(module (table 1 funcref) (table 1 funcref))")


@case
def a_memories_limit_holds(w: Package) -> object:
    store = w.Store()
    store.set_limits(memories=0)
    return instantiate(w, store, "(module (memory 1))")


@case
def limits_are_positional_in_the_documented_order(w: Package) -> object:
    store = w.Store()
    store.set_limits(65536, 10, 1, 1, 1)
    instantiate(w, store, "(module (memory 1) (table 10 funcref))")
    return instantiate(w, store, "(module)")


@case
def negative_limits_mean_no_limit(w: Package) -> object:
    store = w.Store()
    store.set_limits(-1, -1, -1, -1, -1)
    return instantiate(w, store, GROWER)["grow"](store, 10)


@case
def a_later_call_lifts_the_limits_that_it_does_not_give(w: Package) -> object:
    store = w.Store()
    store.set_limits(memory_size=65536)
    store.set_limits(table_elements=5)
    return instantiate(w, store, GROWER)["grow"](store, 10)


@case
def a_limit_that_is_a_float_is_refused(w: Package) -> None:
    """`store.set_limits(memory_size=1.5)`"""
    w.Store().set_limits(memory_size=1.5)


@case
def a_limit_of_more_than_64_bits_is_refused(w: Package) -> object:
    """`store.set_limits(memory_size=1 << 64)`, then a memory of one page"""
    store = w.Store()
    store.set_limits(memory_size=1 << 64)
    return len(instantiate(w, store, GROWER))


@case
def set_wasi_returns_none(w: Package) -> object:
    return w.Store().set_wasi(w.WasiConfig())


@case
def set_wasi_refuses_other_types(w: Package) -> None:
    """`store.set_wasi({})`"""
    w.Store().set_wasi({})


@case
def set_wasi_http_returns_none(w: Package) -> object:
    store = w.Store()
    store.set_wasi(w.WasiConfig())
    return store.set_wasi_http()


@case
def set_wasi_http_without_wasi(w: Package) -> object:
    """`Store().set_wasi_http()` without `set_wasi` before it"""
    return w.Store().set_wasi_http()


@case
def close_returns_none_and_may_be_repeated(w: Package) -> object:
    store = w.Store()
    return [store.close(), store.close()]


@case
def with_gives_the_store_and_closes_it(w: Package) -> object:
    store = w.Store()
    with store as same:
        same.gc()
    return [same is store, isinstance(raised_by(store.gc), ValueError)]


@case
def a_closed_store_has_no_data(w: Package) -> object:
    store = w.Store(None, "data")
    store.close()
    return store.data()


@case
def a_closed_store_cannot_be_called_into(w: Package) -> object:
    store, exports = load(w, ADD)
    store.close()
    return exports["add"](store, 1, 2)


@case
def a_closed_store_has_no_fuel(w: Package) -> object:
    store = _fuelled(w)
    store.close()
    return store.get_fuel()


@case
def a_closed_store_takes_no_limits(w: Package) -> object:
    store = w.Store()
    store.close()
    return store.set_limits(memories=1)


@case
def a_closed_store_takes_no_instances(w: Package) -> object:
    store = w.Store()
    module = w.Module(store.engine, "(module)")
    store.close()
    return w.Instance(store, module, [])


@case(covers=["StoreContext"])
def a_context_is_not_made_by_hand(w: Package) -> object:
    return w.StoreContext()
