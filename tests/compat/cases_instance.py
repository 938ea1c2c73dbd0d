"""`Instance` and the mapping of its exports."""

from __future__ import annotations

from .harness import Package, case
from .programs import ADD, ONE_OF_EACH, host_func, instantiate, load, trap_code_of


@case
def exports_are_of_the_classes_of_their_kinds(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return [exports[name] for name in "fmgt"]


@case
def a_tag_export_is_a_tag(w: Package) -> object:
    _, exports = load(w, '(module (tag (export "e")))')
    return exports["e"]


@case
def exports_are_a_mapping_with_a_length(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return len(exports)


@case
def iteration_gives_the_names_in_order(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return list(exports)


@case
def keys_values_and_items_agree(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return [list(exports.keys()), list(exports.values()), [list(item) for item in exports.items()]]


@case
def in_looks_for_names(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return ["f" in exports, "x" in exports]


@case
def get_gives_none_for_a_missing_name(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return [exports.get("x"), exports.get("x", 5), exports.get("f")]


@case
def a_missing_name_is_a_key_error(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return exports["x"]


@case
def an_index_gives_the_export_at_that_place(w: Package) -> object:
    """`instance.exports(store)[0]`: an index instead of a name"""
    _, exports = load(w, ONE_OF_EACH)
    return exports[0]


@case
def an_index_out_of_range_is_an_error(w: Package) -> object:
    """`instance.exports(store)[4]` of an instance with 4 exports"""
    _, exports = load(w, ONE_OF_EACH)
    return exports[4]


@case
def by_index_is_a_tuple(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return exports.by_index


@case
def by_index_out_of_range_is_an_index_error(w: Package) -> object:
    _, exports = load(w, ONE_OF_EACH)
    return exports.by_index[4]


@case
def another_type_of_key_is_a_key_error(w: Package) -> object:
    """`instance.exports(store)[1.5]`"""
    _, exports = load(w, ONE_OF_EACH)
    return exports[1.5]


@case
def exports_cannot_be_assigned(w: Package) -> None:
    _, exports = load(w, ONE_OF_EACH)
    exports["f"] = None


@case
def exports_are_a_collections_mapping(w: Package) -> object:
    from collections.abc import Mapping

    _, exports = load(w, ONE_OF_EACH)
    return isinstance(exports, Mapping)


@case
def an_instance_without_exports_has_an_empty_mapping(w: Package) -> object:
    _, exports = load(w, "(module)")
    return [len(exports), list(exports), bool(exports)]


@case
def the_mapping_is_made_once(w: Package) -> object:
    store = w.Store()
    instance = w.Instance(store, w.Module(store.engine, ADD), [])
    return instance.exports(store) is instance.exports(store)


@case
def arguments_can_be_named(w: Package) -> object:
    store = w.Store()
    instance = w.Instance(store=store, module=w.Module(store.engine, ADD), imports=[])
    return list(instance.exports(store=store))


@case
def imports_are_taken_in_order(w: Package) -> object:
    store = w.Store()
    one = host_func(w, store, "", "i32", lambda: 1)
    two = host_func(w, store, "", "i32", lambda: 2)
    wat = """
        (module
          (import "" "one" (func $one (result i32))) (import "" "two" (func $two (result i32)))
          (func (export "f") (result i32 i32) call $one call $two))"""
    return instantiate(w, store, wat, [one, two])["f"](store)


@case
def imports_of_every_kind_link(w: Package) -> object:
    store, exports = load(w, ONE_OF_EACH)
    wat = """
        (module
          (import "" "f" (func)) (import "" "m" (memory 1))
          (import "" "g" (global i32)) (import "" "t" (table 2 funcref))
          (export "f2" (func 0)) (func (export "g") (result i32) (global.get 0)))"""
    again = instantiate(w, store, wat, exports.by_index)
    return [again["g"](store), again["f2"](store)]


@case
def a_tuple_of_imports_is_accepted(w: Package) -> object:
    store = w.Store()
    wat = '(module (import "" "f" (func)))'
    return w.Instance(store, w.Module(store.engine, wat), (host_func(w, store, "", "", lambda: None),))


@case
def too_few_imports_are_refused(w: Package) -> object:
    return load(w, '(module (import "" "f" (func)))')


@case
def too_many_imports_are_refused(w: Package) -> object:
    store = w.Store()
    return instantiate(w, store, "(module)", [host_func(w, store, "", "", lambda: None)])


@case
def an_import_of_the_wrong_kind_is_refused(w: Package) -> object:
    store, exports = load(w, ONE_OF_EACH)
    return instantiate(w, store, '(module (import "" "f" (func)))', [exports["m"]])


@case
def an_import_of_the_wrong_type_is_refused(w: Package) -> object:
    store = w.Store()
    return instantiate(
        w, store, '(module (import "" "f" (func (param i32))))', [host_func(w, store, "", "", lambda: None)]
    )


@case
def an_import_that_is_no_extern_is_a_type_error(w: Package) -> object:
    return load(w, '(module (import "" "f" (func)))', [lambda: None])


@case
def a_module_that_is_none_is_refused(w: Package) -> object:
    """`Instance(store, None, [])`"""
    return w.Instance(w.Store(), None, [])


@case
def a_store_that_is_none_is_refused(w: Package) -> object:
    """`Instance(None, module, [])`"""
    return w.Instance(None, w.Module(w.Engine(), ADD), [])


@case
def imports_that_are_none_are_refused(w: Package) -> object:
    store = w.Store()
    return w.Instance(store, w.Module(store.engine, ADD), None)


@case
def a_module_of_another_engine_is_refused(w: Package) -> object:
    """`Instance(store, module, [])` where the module was compiled by another engine"""
    return w.Instance(w.Store(), w.Module(w.Engine(), ADD), [])


@case
def an_import_of_another_store_is_refused(w: Package) -> object:
    """`Instance(store, module, [func])` where the function belongs to another store"""
    engine = w.Engine()
    store, other = w.Store(engine), w.Store(engine)
    return instantiate(w, store, '(module (import "" "f" (func)))', [host_func(w, other, "", "", lambda: None)])


@case
def exports_with_another_store_are_refused(w: Package) -> object:
    """`instance.exports(store)` with a store that is not the instance's"""
    engine = w.Engine()
    store, other = w.Store(engine), w.Store(engine)
    return list(w.Instance(store, w.Module(engine, ADD), []).exports(other))


@case
def a_trap_of_the_start_function_is_raised(w: Package) -> object:
    return trap_code_of(lambda: load(w, "(module (func $f unreachable) (start $f))"))


@case
def a_data_segment_out_of_bounds_traps(w: Package) -> object:
    return trap_code_of(lambda: load(w, '(module (memory 1) (data (i32.const 65536) "x"))'))


@case
def the_start_function_runs_once(w: Package) -> object:
    store = w.Store()
    calls: list[int] = []
    note = host_func(w, store, "", "", lambda: calls.append(1))
    instantiate(w, store, '(module (import "" "f" (func $f)) (start $f))', [note])
    return len(calls)


@case
def an_exception_of_a_callback_leaves_the_start_function(w: Package) -> None:
    store = w.Store()

    def fail() -> None:
        raise LookupError("from the callback")

    instantiate(w, store, '(module (import "" "f" (func $f)) (start $f))', [host_func(w, store, "", "", fail)])


@case
def names_need_not_be_ascii(w: Package) -> object:
    _, exports = load(w, '(module (func (export "ü🦀")) (func (export "")))')
    return list(exports)


@case
def exports_survive_their_instance_object(w: Package) -> object:
    store = w.Store()
    f = w.Instance(store, w.Module(store.engine, ADD), []).exports(store)["add"]
    return f(store, 20, 22)


@case
def one_extern_under_two_names_is_listed_twice(w: Package) -> object:
    _, exports = load(w, '(module (func $f (export "a") (export "b")))')
    return [list(exports), len(exports)]
