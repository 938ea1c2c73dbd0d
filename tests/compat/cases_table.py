"""`Table`."""

from __future__ import annotations

from typing import Any

from .harness import Package, case
from .programs import host_func, instantiate, load


def _table(
    w: Package, element: str = "funcref", size: int = 2, maximum: int | None = 4, init: object = None
) -> tuple[Any, Any]:
    store = w.Store()
    return store, w.Table(store, w.TableType(getattr(w.ValType, element)(), w.Limits(size, maximum)), init)


@case
def it_has_the_minimum_size(w: Package) -> object:
    store, table = _table(w)
    return table.size(store=store)


@case
def arguments_can_be_named(w: Package) -> object:
    store = w.Store()
    return w.Table(store=store, ty=w.TableType(w.ValType.externref(), w.Limits(1, None)), init="x").get(store, 0)


@case
def its_type_is_the_given_one(w: Package) -> object:
    store, table = _table(w, "externref", 3, 7)
    return table.type(store=store)


@case
def the_initial_value_fills_it(w: Package) -> object:
    store, table = _table(w, "externref", init="fill")
    return [table.get(store, 0), table.get(store, 1)]


@case
def null_elements_are_none(w: Package) -> object:
    """`table.get(store, 0)` of a null element"""
    store, table = _table(w)
    return table.get(store=store, idx=0)


@case
def set_changes_an_element(w: Package) -> object:
    """`table.set(store, 1, func)`, then the elements 1 and 0, the latter null"""
    store, table = _table(w)
    result = table.set(store=store, idx=1, val=host_func(w, store, "", "i32", lambda: 4))
    return [result, table.get(store, 1)(store), table.get(store, 0)]


@case
def set_to_none_is_null(w: Package) -> object:
    """`table.set(store, 0, None)`, then both elements"""
    store, table = _table(w, "externref", init="x")
    table.set(store, 0, None)
    return [table.get(store, 0), table.get(store, 1)]


@case
def externref_keeps_identity(w: Package) -> object:
    store, table = _table(w, "externref")
    value = object()
    table.set(store, 0, value)
    return table.get(store, 0) is value


@case
def falsy_elements_come_back(w: Package) -> object:
    """The elements `0`, `""`, `False` and `[]` of an externref table"""
    store, table = _table(w, "externref", 4)
    for index, value in enumerate((0, "", False, [])):
        table.set(store, index, value)
    return [table.get(store, index) for index in range(4)]


@case
def get_out_of_bounds_is_none(w: Package) -> object:
    store, table = _table(w)
    return [table.get(store, 2), table.get(store, 10**6)]


@case
def get_at_a_negative_index(w: Package) -> object:
    """`table.get(store, -1)`"""
    store, table = _table(w)
    return table.get(store, -1)


@case
def get_at_an_index_of_more_than_64_bits(w: Package) -> object:
    """`table.get(store, 1 << 64)`, where element 0 is not null"""
    store, table = _table(w, "externref", init="element 0")
    return table.get(store, 1 << 64)


@case
def get_at_a_float_is_refused(w: Package) -> object:
    """`table.get(store, 1.5)`"""
    store, table = _table(w)
    return table.get(store, 1.5)


@case
def set_out_of_bounds_is_refused(w: Package) -> None:
    store, table = _table(w)
    table.set(store, 2, None)


@case
def set_at_a_negative_index_is_refused(w: Package) -> None:
    """`table.set(store, -1, None)`"""
    store, table = _table(w)
    table.set(store, -1, None)


@case
def set_at_an_index_of_more_than_64_bits_is_refused(w: Package) -> object:
    """`table.set(store, 1 << 64, value)`"""
    store, table = _table(w, "externref")
    table.set(store, 1 << 64, "element 0")
    return table.get(store, 0)


@case
def set_to_the_wrong_type_is_refused(w: Package) -> None:
    store, table = _table(w)
    table.set(store, 0, 5)


@case
def set_to_a_python_function_is_refused(w: Package) -> None:
    store, table = _table(w)
    table.set(store, 0, lambda: None)


@case
def a_wrong_initial_value_is_refused(w: Package) -> object:
    return _table(w, init=5)


@case
def a_val_is_accepted(w: Package) -> object:
    store, table = _table(w, "externref", init=w.Val.externref("x"))
    return table.get(store, 0)


@case
def growth_gives_the_previous_size(w: Package) -> object:
    """`table.grow(store, 2, "new")`, then the size, a new element and an old one that is null"""
    store, table = _table(w, "externref")
    return [table.grow(store=store, amt=2, init="new"), table.size(store), table.get(store, 3), table.get(store, 0)]


@case
def growth_by_zero_is_allowed(w: Package) -> object:
    store, table = _table(w)
    return table.grow(store, 0, None)


@case
def growth_beyond_the_maximum_is_refused(w: Package) -> None:
    store, table = _table(w)
    table.grow(store, 3, None)


@case(message=True)
def failed_growth_is_explained(w: Package) -> None:
    """The text of the error for growth of a table beyond its maximum"""
    store, table = _table(w)
    table.grow(store, 3, None)


@case
def negative_growth_is_refused(w: Package) -> object:
    """`table.grow(store, -1, None)`"""
    store, table = _table(w)
    return table.grow(store, -1, None)


@case
def growth_of_more_than_64_bits_is_refused(w: Package) -> object:
    """`table.grow(store, 1 << 64, None)`"""
    store, table = _table(w)
    return [table.grow(store, 1 << 64, None), table.size(store)]


@case
def growth_with_the_wrong_type_is_refused(w: Package) -> None:
    store, table = _table(w)
    table.grow(store, 1, 5)


@case
def a_table_type_is_needed(w: Package) -> object:
    """`Table(store, 1, None)`"""
    return w.Table(w.Store(), 1, None)


@case
def a_number_table_is_refused(w: Package) -> object:
    """`Table(store, TableType(ValType.i32(), …), 0)`"""
    return _table(w, "i32", init=0)


@case
def the_guest_calls_what_was_set(w: Package) -> object:
    wat = """
        (module (type $t (func (result i32))) (table (export "t") 2 funcref)
          (func (export "f") (param i32) (result i32) (call_indirect (type $t) (local.get 0))))"""
    store, exports = load(w, wat)
    exports["t"].set(store, 0, host_func(w, store, "", "i32", lambda: 11))
    return exports["f"](store, 0)


@case
def the_host_calls_what_the_guest_set(w: Package) -> object:
    store, exports = load(w, '(module (table (export "t") funcref (elem $f)) (func $f (result i32) (i32.const 12)))')
    return exports["t"].get(store, 0)(store)


@case
def it_links(w: Package) -> object:
    store, table = _table(w, "externref", init="x")
    wat = (
        '(module (import "" "t" (table 2 externref)) (func (export "f") (result externref) (table.get (i32.const 1))))'
    )
    return instantiate(w, store, wat, [table])["f"](store)


@case
def another_store_is_refused(w: Package) -> object:
    """`table.size(store)` with a store that is not the table's"""
    _, table = _table(w)
    return table.size(w.Store())


@case
def a_func_of_another_store_is_refused(w: Package) -> None:
    """`table.set(store, 0, func)` where the function belongs to another store"""
    store, table = _table(w)
    other = w.Store(store.engine)
    table.set(store, 0, host_func(w, other, "", "", lambda: None))


@case
def something_that_is_no_store_is_refused(w: Package) -> object:
    """`table.size("store")`"""
    _, table = _table(w)
    return table.size("store")


@case
def a_closed_store_is_refused(w: Package) -> object:
    store, table = _table(w)
    store.close()
    return table.size(store)
