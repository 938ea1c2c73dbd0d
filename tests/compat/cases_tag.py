"""`Tag`, and exceptions that the guest throws."""

from __future__ import annotations

from typing import Any

from .harness import Package, case
from .programs import func_type, instantiate, load


def _tag(w: Package, params: str = "i32") -> tuple[Any, Any]:
    store = w.Store()
    return store, w.Tag(store, w.TagType(func_type(w, params)))


@case
def its_type_is_the_given_one(w: Package) -> object:
    store, tag = _tag(w, "i32 f64")
    return tag.type(store=store)


@case
def arguments_can_be_named(w: Package) -> object:
    store = w.Store()
    return w.Tag(store=store, ty=w.TagType(func_type(w)))


@case
def a_tag_equals_itself(w: Package) -> object:
    store, tag = _tag(w)
    return tag.eq(store=store, other=tag)


@case
def two_tags_of_one_type_differ(w: Package) -> object:
    store, tag = _tag(w)
    return tag.eq(store, w.Tag(store, w.TagType(func_type(w, "i32"))))


@case
def two_exports_of_one_tag_are_equal(w: Package) -> object:
    store, exports = load(w, '(module (tag $e (export "a") (export "b")))')
    return exports["a"].eq(store, exports["b"])


@case
def a_tag_compares_only_with_tags(w: Package) -> object:
    """`tag.eq(store, 5)`"""
    store, tag = _tag(w)
    return tag.eq(store, 5)


@case
def a_tag_type_is_needed(w: Package) -> object:
    """`Tag(store, func_type)`"""
    return w.Tag(w.Store(), func_type(w))


@case
def a_tag_with_results_is_refused(w: Package) -> object:
    """`Tag(store, TagType(FuncType([], [i32])))`"""
    return w.Tag(w.Store(), w.TagType(func_type(w, "", "i32")))


@case
def it_links(w: Package) -> object:
    store, tag = _tag(w)
    wat = """
        (module (import "" "e" (tag $e (param i32)))
          (func (export "f") (result i32)
            (block $caught (result i32) (try_table (catch $e $caught) (throw $e (i32.const 6))) (i32.const 0))))"""
    return instantiate(w, store, wat, [tag])["f"](store)


@case
def an_exception_that_nobody_catches_is_an_error(w: Package) -> object:
    store, exports = load(w, '(module (tag $e) (func (export "f") (throw $e)))')
    return exports["f"](store)


@case
def another_store_is_refused(w: Package) -> object:
    """`tag.type(store)` with a store that is not the tag's"""
    _, tag = _tag(w)
    return tag.type(w.Store())


@case
def a_closed_store_is_refused(w: Package) -> object:
    store, tag = _tag(w)
    store.close()
    return tag.type(store)
