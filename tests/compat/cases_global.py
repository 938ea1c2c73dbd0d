"""`Global`."""

from __future__ import annotations

from typing import Any

from .harness import Package, attempt, case
from .programs import host_func, instantiate, load


def _global(w: Package, type_name: str, value: object, mutable: bool = True) -> tuple[Any, Any]:
    store = w.Store()
    return store, w.Global(store, w.GlobalType(getattr(w.ValType, type_name)(), mutable), value)


@case
def it_keeps_its_value(w: Package) -> object:
    """The value of a global of each type, the last a null funcref"""
    results = []
    for type_name, value in (
        ("i32", -1),
        ("i64", 2**62),
        ("f32", 0.5),
        ("f64", 0.1),
        ("externref", "x"),
        ("funcref", None),
    ):
        store, item = _global(w, type_name, value)
        results.append(item.value(store=store))
    return results


@case
def arguments_can_be_named(w: Package) -> object:
    store = w.Store()
    return w.Global(store=store, ty=w.GlobalType(w.ValType.i32(), False), val=3).value(store)


@case
def its_type_is_the_given_one(w: Package) -> object:
    store, item = _global(w, "f64", 1.0, mutable=False)
    return item.type(store=store)


@case
def set_value_changes_it(w: Package) -> object:
    store, item = _global(w, "i32", 1)
    return [item.set_value(store=store, val=2), item.value(store)]


@case
def an_immutable_one_is_refused(w: Package) -> None:
    store, item = _global(w, "i32", 1, mutable=False)
    item.set_value(store, 2)


@case(message=True)
def an_immutable_one_is_explained(w: Package) -> None:
    """The text of the error for setting an immutable global"""
    store, item = _global(w, "i32", 1, mutable=False)
    item.set_value(store, 2)


@case
def a_value_of_the_wrong_type_is_refused(w: Package) -> object:
    return _global(w, "i32", 1.5)


@case
def setting_the_wrong_type_is_refused(w: Package) -> object:
    store, item = _global(w, "i32", 1)
    return [attempt(lambda: item.set_value(store, "2")), attempt(lambda: item.set_value(store, 1.5)), item.value(store)]


@case
def a_value_out_of_range_is_refused(w: Package) -> object:
    """`Global(store, ty, 2**32)` for an i32"""
    store, item = _global(w, "i32", 2**32)
    return item.value(store)


@case
def an_unsigned_value_becomes_signed(w: Package) -> object:
    store, item = _global(w, "i64", 2**64 - 1)
    return item.value(store)


@case
def a_val_is_accepted(w: Package) -> object:
    store, item = _global(w, "i32", w.Val.i32(6))
    item.set_value(store, w.Val.i32(7))
    return item.value(store)


@case
def a_val_of_another_type_is_refused(w: Package) -> object:
    return _global(w, "i32", w.Val.i64(6))


@case
def a_global_type_is_needed(w: Package) -> object:
    """`Global(store, "i32", 1)`"""
    return w.Global(w.Store(), "i32", 1)


@case
def externref_keeps_identity(w: Package) -> object:
    value = object()
    store, item = _global(w, "externref", value)
    return item.value(store) is value


@case
def funcref_comes_back_as_a_func(w: Package) -> object:
    store, item = _global(w, "funcref", None)
    item.set_value(store, host_func(w, store, "", "i32", lambda: 3))
    return item.value(store)(store)


@case
def the_guest_sees_changes(w: Package) -> object:
    store, exports = load(
        w, '(module (global (export "n") (mut i64) (i64.const 1)) (func (export "f") (result i64) (global.get 0)))'
    )
    exports["n"].set_value(store, 12)
    return exports["f"](store)


@case
def the_host_sees_changes(w: Package) -> object:
    store, exports = load(
        w, '(module (global (export "n") (mut i32) (i32.const 1)) (func (export "f") (global.set 0 (i32.const 8))))'
    )
    exports["f"](store)
    return exports["n"].value(store)


@case
def it_links(w: Package) -> object:
    store, item = _global(w, "i32", 5, mutable=False)
    return instantiate(
        w, store, '(module (import "" "g" (global i32)) (func (export "f") (result i32) (global.get 0)))', [item]
    )["f"](store)


@case
def v128_is_sixteen_bytes(w: Package) -> object:
    """`value` of a global of type v128"""
    store, exports = load(w, '(module (global (export "g") v128 (v128.const i64x2 1 2)))')
    return exports["g"].value(store)


@case
def another_store_is_refused(w: Package) -> object:
    """`global_.value(store)` with a store that is not the global's"""
    _, item = _global(w, "i32", 1)
    return item.value(w.Store())


@case
def something_that_is_no_store_is_refused(w: Package) -> object:
    """`global_.value(None)`"""
    _, item = _global(w, "i32", 1)
    return item.value(None)


@case
def a_closed_store_is_refused(w: Package) -> object:
    store, item = _global(w, "i32", 1)
    store.close()
    return item.value(store)
