"""`ValType`, `FuncType`, `GlobalType`, `TableType`, `MemoryType`, `TagType` and `Limits`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .harness import Package, case, register
from .programs import func_type, load

NUMBERS = ("i32", "i64", "f32", "f64")
ALL = (*NUMBERS, "externref", "funcref")

#: For each class of types, two equal examples and one that differs from them.
EXAMPLES: dict[str, tuple[Callable[[Package], Any], Callable[[Package], Any]]] = {
    "ValType": (lambda w: w.ValType.i32(), lambda w: w.ValType.i64()),
    "FuncType": (lambda w: func_type(w, "i32", "i64"), lambda w: func_type(w, "i32", "i32")),
    "GlobalType": (lambda w: w.GlobalType(w.ValType.i32(), True), lambda w: w.GlobalType(w.ValType.i32(), False)),
    "TableType": (
        lambda w: w.TableType(w.ValType.funcref(), w.Limits(1, 2)),
        lambda w: w.TableType(w.ValType.funcref(), w.Limits(1, 3)),
    ),
    "MemoryType": (lambda w: w.MemoryType(w.Limits(1, 2)), lambda w: w.MemoryType(w.Limits(1, 2), is_64=True)),
    "TagType": (lambda w: w.TagType(func_type(w, "i32")), lambda w: w.TagType(func_type(w, "i64"))),
    "Limits": (lambda w: w.Limits(1, 2), lambda w: w.Limits(1, None)),
}


def _register_common_cases() -> None:
    for name, (make, make_other) in EXAMPLES.items():
        register(f"{name}_equality_is_by_structure", _compares(name, make, make_other))
        register(f"{name}_is_hashable", _hashes(name, make))
        register(f"{name}_differs_from_other_objects", _compares_with_others(make))
        if name != "Limits":
            register(f"{name}_closes", _closes(make))
            register(f"{name}_is_a_context_manager", _is_a_context_manager(make))


def _compares(
    name: str, make: Callable[[Package], Any], make_other: Callable[[Package], Any]
) -> Callable[[Package], object]:
    def compare(w: Package) -> object:
        return [make(w) == make(w), make(w) != make(w), make(w) == make_other(w), make(w) != make_other(w)]

    compare.__doc__ = f"`==` and `!=` of two equal `{name}`, then of two that differ"
    return compare


def _hashes(name: str, make: Callable[[Package], Any]) -> Callable[[Package], object]:
    def hash_both(w: Package) -> object:
        a, b = make(w), make(w)
        return hash(a) == hash(b)

    hash_both.__doc__ = f"Whether two equal `{name}` have the same `hash`"
    return hash_both


def _compares_with_others(make: Callable[[Package], Any]) -> Callable[[Package], object]:
    def compare(w: Package) -> object:
        return [make(w) == other for other in (None, 5, "i32")]

    return compare


def _closes(make: Callable[[Package], Any]) -> Callable[[Package], object]:
    def close_twice(w: Package) -> object:
        ty = make(w)
        return [ty.close(), ty.close()]

    return close_twice


def _is_a_context_manager(make: Callable[[Package], Any]) -> Callable[[Package], object]:
    def enter(w: Package) -> object:
        ty = make(w)
        with ty as same:
            return same is ty

    return enter


_register_common_cases()


@case
def value_types_print_as_in_the_text_format(w: Package) -> object:
    return [[str(getattr(w.ValType, name)()), repr(getattr(w.ValType, name)())] for name in (*NUMBERS, "funcref")]


@case
def externref_prints_as_in_the_text_format(w: Package) -> object:
    """`str(ValType.externref())`"""
    return str(w.ValType.externref())


@case
def v128_prints_as_in_the_text_format(w: Package) -> object:
    """`str` of the type of a v128 parameter"""
    store, exports = load(w, '(module (func (export "f") (param v128)))')
    return str(exports["f"].type(store).params[0])


@case
def value_types_differ_from_each_other(w: Package) -> object:
    return [[getattr(w.ValType, a)() == getattr(w.ValType, b)() for b in ALL] for a in ALL]


@case
def a_value_type_is_not_made_by_hand(w: Package) -> object:
    """`ValType()`"""
    return w.ValType()


@case
def a_closed_value_type_is_refused(w: Package) -> object:
    """`FuncType([ty], [])` after `ty.close()`"""
    ty = w.ValType.i32()
    ty.close()
    return w.FuncType([ty], [])


@case
def func_types_have_lists(w: Package) -> object:
    ty = w.FuncType(params=[w.ValType.i32(), w.ValType.externref()], results=[w.ValType.f64()])
    return [ty.params, ty.results]


@case
def func_types_take_tuples(w: Package) -> object:
    return w.FuncType((w.ValType.i32(),), ())


@case
def func_types_take_generators(w: Package) -> object:
    """`FuncType(iter([ValType.i32()]), [])`"""
    return w.FuncType(iter([w.ValType.i32()]), [])


@case
def func_types_refuse_other_params(w: Package) -> object:
    return w.FuncType(["i32"], [])


@case
def func_types_refuse_other_results(w: Package) -> object:
    return w.FuncType([], [5])


@case
def func_types_refuse_what_is_no_list(w: Package) -> object:
    return w.FuncType(None, [])


@case
def func_types_keep_their_own_lists(w: Package) -> object:
    ty = func_type(w, "i32")
    ty.params.clear()
    return ty.params


@case
def a_closed_func_type_has_no_params(w: Package) -> object:
    ty = func_type(w, "i32")
    ty.close()
    return ty.params


@case
def parameter_types_outlive_their_func_type(w: Package) -> object:
    return func_type(w, "i32 funcref").params


@case
def global_types_have_content_and_mutability(w: Package) -> object:
    ty = w.GlobalType(valtype=w.ValType.f32(), mutable=True)
    return [ty.content, ty.mutable, w.GlobalType(w.ValType.f32(), False).mutable]


@case
def global_types_take_truthy_mutability(w: Package) -> object:
    """`GlobalType(ValType.i32(), 1)`"""
    return w.GlobalType(w.ValType.i32(), 1).mutable


@case
def global_types_need_a_value_type(w: Package) -> object:
    return w.GlobalType("i32", True)


@case
def table_types_have_element_and_limits(w: Package) -> object:
    ty = w.TableType(valtype=w.ValType.externref(), limits=w.Limits(3, None))
    return [ty.element, ty.limits]


@case
def table_types_need_limits(w: Package) -> object:
    return w.TableType(w.ValType.funcref(), 1)


@case
def table_types_need_a_value_type(w: Package) -> object:
    return w.TableType("funcref", w.Limits(1, 2))


@case
def table_types_refuse_limits_out_of_range(w: Package) -> object:
    """`TableType(ty, Limits(1 << 32, None))`"""
    return w.TableType(w.ValType.funcref(), w.Limits(1 << 32, None))


@case
def table_types_refuse_negative_limits(w: Package) -> object:
    """`TableType(ty, Limits(-1, None))`"""
    return w.TableType(w.ValType.funcref(), w.Limits(-1, None))


@case
def a_maximum_of_32_bits_is_a_maximum(w: Package) -> object:
    """`TableType(ty, Limits(0, 0xFFFFFFFF)).limits`"""
    return w.TableType(w.ValType.funcref(), w.Limits(0, 0xFFFFFFFF)).limits


@case
def memory_types_have_defaults(w: Package) -> object:
    ty = w.MemoryType(w.Limits(1, 2))
    return [ty.limits, ty.is_64, ty.is_shared, ty.page_size, ty.page_size_log2]


@case
def memory_types_take_every_option(w: Package) -> object:
    ty = w.MemoryType(limits=w.Limits(1, 2), is_64=True, shared=True, page_size_log2=0)
    return [ty.limits, ty.is_64, ty.is_shared, ty.page_size, ty.page_size_log2]


@case
def memory_types_without_a_maximum(w: Package) -> object:
    return w.MemoryType(w.Limits(0, None)).limits


@case
def memory_types_with_a_maximum_of_zero(w: Package) -> object:
    return w.MemoryType(w.Limits(0, 0)).limits


@case
def memory_types_need_limits(w: Package) -> object:
    return w.MemoryType(1)


@case
def memory_types_refuse_a_minimum_out_of_range(w: Package) -> object:
    """`MemoryType(Limits(1 << 32, None))`"""
    return w.MemoryType(w.Limits(1 << 32, None))


@case
def memory_types_refuse_more_pages_than_fit(w: Package) -> object:
    """`MemoryType(Limits(65537, None))`, one page more than 4 GiB"""
    return w.MemoryType(w.Limits(65537, None))


@case
def memory_types_refuse_a_maximum_out_of_range(w: Package) -> object:
    """`MemoryType(Limits(1, 1 << 32))`"""
    return w.MemoryType(w.Limits(1, 1 << 32))


@case
def memory_types_refuse_a_negative_minimum(w: Package) -> object:
    """`MemoryType(Limits(-1, None))`"""
    return w.MemoryType(w.Limits(-1, None))


@case
def memory_types_refuse_a_maximum_below_the_minimum(w: Package) -> object:
    """`Memory(store, MemoryType(Limits(2, 1)))`"""
    store = w.Store()
    return w.Memory(store, w.MemoryType(w.Limits(2, 1)))


@case
def memory_types_refuse_other_page_sizes(w: Package) -> object:
    """`MemoryType(…, page_size_log2=5)`"""
    return w.MemoryType(w.Limits(1, 2), page_size_log2=5)


@case
def memory_types_of_64_bits_hold_large_limits(w: Package) -> object:
    return w.MemoryType(w.Limits(1 << 33, 1 << 40), is_64=True).limits


@case
def memory_types_refuse_a_float(w: Package) -> object:
    """`MemoryType(Limits(1.5, None))`"""
    return w.MemoryType(w.Limits(1.5, None))


@case
def tag_types_have_a_func_type(w: Package) -> object:
    return w.TagType(functype=func_type(w, "i32 i64")).functype


@case
def tag_types_need_a_func_type(w: Package) -> object:
    return w.TagType("(func)")


@case
def tag_types_leave_the_func_type_usable(w: Package) -> object:
    """`ty.params` after `TagType(ty)`"""
    ty = func_type(w, "i32")
    w.TagType(ty)
    return ty.params


@case
def tag_types_have_a_pointer(w: Package) -> object:
    """`TagType.ptr()`"""
    return type(w.TagType(func_type(w, "i32")).ptr()).__name__


@case
def limits_have_attributes(w: Package) -> object:
    limits = w.Limits(min=1, max=2)
    return [limits.min, limits.max]


@case
def limits_need_both(w: Package) -> object:
    """`Limits(1)` without a maximum"""
    return w.Limits(1)


@case
def limits_can_be_changed(w: Package) -> object:
    """`limits.max = 5`"""
    limits = w.Limits(1, 2)
    limits.max = 5
    return limits


@case
def limits_of_other_types(w: Package) -> object:
    """`Limits("1", None)`"""
    return type(w.Limits("1", None)).__name__


@case
def types_print_in_text_format(w: Package) -> object:
    """`repr(FuncType([ValType.i32()], []))` names the types"""
    return "i32" in repr(func_type(w, "i32"))


@case
def a_closed_table_type_is_refused(w: Package) -> object:
    ty = EXAMPLES["TableType"][0](w)
    ty.close()
    return ty.limits


@case
def a_closed_memory_type_is_refused(w: Package) -> object:
    ty = EXAMPLES["MemoryType"][0](w)
    ty.close()
    return ty.is_64


@case
def a_closed_global_type_is_refused(w: Package) -> object:
    ty = EXAMPLES["GlobalType"][0](w)
    ty.close()
    return ty.content
