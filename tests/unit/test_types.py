"""The types of values, functions, globals, tables, memories, tags, imports and exports."""

from __future__ import annotations

import copy
import gc
import pickle
import re
from collections.abc import Callable
from typing import Any

import pytest

from ferrowasm import (
    ClosedError,
    Config,
    Engine,
    ExportType,
    Func,
    FuncType,
    Global,
    GlobalType,
    ImportType,
    Instance,
    Limits,
    MemoryType,
    Module,
    Store,
    Table,
    TableType,
    Tag,
    TagType,
    ValType,
    WasmtimeError,
    WrongEngineError,
)

I32, I64 = ValType.i32(), ValType.i64()

#: The static methods of `ValType`, and the heap types of those that are references.
NUMBERS = ["i32", "i64", "f32", "f64", "v128"]
REFERENCES = {
    "externref": "extern",
    "funcref": "func",
    "anyref": "any",
    "eqref": "eq",
    "i31ref": "i31",
    "structref": "struct",
    "arrayref": "array",
    "exnref": "exn",
    "contref": "cont",
    "nullref": "none",
    "nullfuncref": "nofunc",
    "nullexternref": "noextern",
    "nullexnref": "noexn",
    "nullcontref": "nocont",
}

#: One of each class, with its text.
SAMPLES: list[tuple[Any, str]] = [
    (ValType.i32(), "i32"),
    (ValType.funcref(), "funcref"),
    (ValType.ref("any", nullable=False), "(ref any)"),
    (FuncType([], []), "(func)"),
    (FuncType([I32, I64], [ValType.externref()]), "(func (param i32 i64) (result externref))"),
    (GlobalType(I32, True), "(global (mut i32))"),
    (GlobalType(ValType.v128(), False), "(global v128)"),
    (TableType(ValType.funcref(), Limits(1, None)), "(table 1 funcref)"),
    (TableType(ValType.ref("func", False), Limits(1, 1 << 40), is_64=True), "(table i64 1 1099511627776 (ref func))"),
    (MemoryType(Limits(1, 2)), "(memory 1 2)"),
    (MemoryType(Limits(1, None), is_64=True), "(memory i64 1)"),
    (MemoryType(Limits(1, 2), shared=True), "(memory 1 2 shared)"),
    (MemoryType(Limits(1, 2), page_size_log2=0), "(memory 1 2 (pagesize 1))"),
    (TagType(FuncType([I32], [])), "(tag (param i32))"),
]
SAMPLE_IDS = [text for _, text in SAMPLES]

#: A module whose types mention types that it defines.
CONCRETE = """(module
  (import "a\\22b" "\\n" (memory i64 1 2))
  (type $pair (struct (field i32 i32)))
  (type $f (func (param (ref null $pair))))
  (func (export "f") (type $f))
  (table (export "t") 1 (ref null $f))
  (global (export "g") (ref null $pair) (ref.null $pair))
  (tag (export "e") (param (ref $pair))))"""


# Values


@pytest.mark.parametrize("name", [*NUMBERS, *REFERENCES])
def test_a_value_type_is_called_as_in_the_text_format(name: str) -> None:
    ty = getattr(ValType, name)()
    assert (str(ty), repr(ty)) == (name, name)


def test_every_static_method_is_tested() -> None:
    static = {name for name, member in vars(ValType).items() if isinstance(member, staticmethod)}
    assert static == {*NUMBERS, *REFERENCES, "ref"}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_and_vectors_are_no_references(name: str) -> None:
    ty = getattr(ValType, name)()
    assert (ty.is_ref, ty.nullable, ty.heap_type) == (False, False, None)


@pytest.mark.parametrize(("name", "heap"), REFERENCES.items())
def test_a_reference_type_tells_its_heap_type_and_whether_it_includes_null(name: str, heap: str) -> None:
    nullable, strict = getattr(ValType, name)(), ValType.ref(heap, nullable=False)
    assert (nullable.is_ref, nullable.nullable, nullable.heap_type) == (True, True, heap)
    assert (strict.is_ref, strict.nullable, strict.heap_type) == (True, False, heap)
    assert str(strict) == f"(ref {heap})"
    assert ValType.ref(heap) == nullable != strict


def test_an_unknown_heap_type_is_a_value_error() -> None:
    message = f'unknown heap type "strukt": expected one of {", ".join(REFERENCES.values())}'
    with pytest.raises(ValueError, match=f"^{message}$"):
        ValType.ref("strukt")


def test_a_value_type_is_not_constructed_directly() -> None:
    with pytest.raises(WasmtimeError, match="^cannot construct directly: use a static method such as ValType.i32"):
        ValType()


@pytest.mark.parametrize("cls", [ImportType, ExportType])
def test_imports_and_exports_come_from_modules_only(cls: type) -> None:
    with pytest.raises(TypeError, match=f"^cannot create 'ferrowasm.{cls.__name__}' instances$"):
        cls()


# What all have in common


@pytest.mark.parametrize(("ty", "text"), SAMPLES, ids=SAMPLE_IDS)
def test_repr_is_the_text_format(ty: object, text: str) -> None:
    assert repr(ty) == text


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda ty: pickle.loads(pickle.dumps(ty))])
@pytest.mark.parametrize(("ty", "text"), SAMPLES, ids=SAMPLE_IDS)
def test_copies_and_pickles_are_equal_and_closed_on_their_own(
    ty: Any, text: str, duplicate: Callable[[Any], Any]
) -> None:
    other = duplicate(ty)
    assert other == ty and not other != ty and other is not ty
    assert hash(other) == hash(ty)
    other.close()
    assert repr(ty) == text


def test_different_types_are_different() -> None:
    types = [ty for ty, _ in SAMPLES] + [
        FuncType([I32], []),
        FuncType([], [I32]),
        GlobalType(I32, False),
        MemoryType(Limits(1, 3)),
        TableType(ValType.externref(), Limits(1, None)),
        TableType(ValType.funcref(), Limits(1, None), is_64=True),
    ]
    assert len(set(types)) == len(types)
    for i, a in enumerate(types):
        assert [j for j, b in enumerate(types) if a == b] == [i]


@pytest.mark.parametrize(("ty", "text"), SAMPLES, ids=SAMPLE_IDS)
def test_other_objects_are_never_equal(ty: object, text: str) -> None:
    assert ty != text and ty != 3 and ty is not None


@pytest.mark.parametrize(("ty", "text"), SAMPLES, ids=SAMPLE_IDS)
def test_a_closed_type_is_refused(ty: Any, text: str) -> None:
    with copy.copy(ty) as closed:
        assert repr(closed) == text
    closed.close()
    name = type(ty).__name__
    assert repr(closed) == f"<{name} (closed)>"
    properties = [attribute for attribute in dir(ty) if attribute in GETTERS]
    assert properties
    uses: list[Callable[[], object]] = [lambda a=a: getattr(closed, a) for a in properties]  # type: ignore[misc]
    uses += [lambda: closed == ty, lambda: ty == closed, lambda: hash(closed), lambda: copy.copy(closed)]
    uses += [lambda: pickle.dumps(closed)]
    for use in uses:
        with pytest.raises(ClosedError, match=f"^this {name} is already closed$"):
            use()


GETTERS = {
    *("is_ref", "nullable", "heap_type", "params", "results", "content", "mutable", "element", "limits", "is_64"),
    *("is_shared", "page_size", "page_size_log2", "functype"),
}


@pytest.mark.parametrize(("ty", "text"), SAMPLES, ids=SAMPLE_IDS)
def test_properties_cannot_be_assigned(ty: object, text: str) -> None:
    for attribute in GETTERS.intersection(dir(ty)):
        with pytest.raises(AttributeError):
            setattr(ty, attribute, None)


# Functions


def test_params_and_results_are_new_lists_that_can_be_closed() -> None:
    ty = FuncType([I32, I64], [I32])
    for param in ty.params:
        param.close()
    ty.params.clear()
    assert ([str(param) for param in ty.params], [str(result) for result in ty.results]) == (["i32", "i64"], ["i32"])


def test_params_may_be_any_iterable() -> None:
    assert FuncType((I32,), (ty for ty in (I64,))) == FuncType([I32], [I64])


@pytest.mark.parametrize(
    ("params", "error", "message"),
    [
        (3, TypeError, "'int' object is not iterable"),
        ([3], TypeError, "expected ValType, got int"),
        ("i", TypeError, "expected ValType, got str"),
        ([I32] * 1001, ValueError, "too many params: a function has at most 1000"),
    ],
)
def test_params_are_checked(params: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{message}$"):
        FuncType(params, [])


def test_a_function_type_may_be_as_long_as_the_engine_allows() -> None:
    ty = FuncType([I32] * 1000, [I64] * 1000)
    assert (len(ty.params), len(ty.results)) == (1000, 1000)
    store = Store()
    assert Func(store, ty, lambda *args: args).type(store) == ty


def test_a_closed_part_is_refused() -> None:
    closed = ValType.i32()
    closed.close()
    for use in (lambda: FuncType([closed], []), lambda: FuncType([], [closed]), lambda: GlobalType(closed, False)):
        with pytest.raises(ClosedError, match="^this ValType is already closed$"):
            use()


def test_closing_a_part_does_not_close_the_whole() -> None:
    part = ValType.i64()
    whole = FuncType([part], [])
    tag = TagType(whole)
    part.close()
    assert repr(whole) == "(func (param i64))"
    whole.close()
    assert repr(tag) == "(tag (param i64))"


# Globals, tables, memories, tags


def test_a_global_type_tells_its_parts() -> None:
    ty = GlobalType(I32, True)
    assert (ty.content, ty.mutable) == (I32, True)
    assert GlobalType(valtype=I32, mutable=False).mutable is False


def test_a_table_type_tells_its_parts() -> None:
    ty = TableType(ValType.externref(), Limits(1, 5))
    assert (ty.element, ty.limits, ty.is_64) == (ValType.externref(), Limits(1, 5), False)
    assert TableType(ValType.funcref(), Limits(0, 0xFFFFFFFF)).limits == Limits(0, 0xFFFFFFFF)


def test_a_memory_type_tells_its_parts() -> None:
    ty = MemoryType(Limits(1, 5))
    assert (ty.limits, ty.is_64, ty.is_shared) == (Limits(1, 5), False, False)
    assert (ty.page_size, ty.page_size_log2) == (65536, 16)
    ty = MemoryType(Limits(1 << 33, None), True, False, 0)
    assert (ty.limits, ty.is_64, ty.page_size, ty.page_size_log2) == (Limits(1 << 33, None), True, 1, 0)


def test_a_tag_type_leaves_its_function_type_usable() -> None:
    functype = FuncType([I32], [])
    tag = TagType(functype)
    assert tag.functype == functype and tag.functype is not functype


def test_a_tag_type_has_no_c_pointer() -> None:
    tag = TagType(FuncType([], []))
    with pytest.raises(NotImplementedError, match="^a TagType has no C pointer: "):
        tag.ptr()
    tag.close()
    with pytest.raises(ClosedError, match="^this TagType is already closed$"):
        tag.ptr()


BEYOND = "is out of range: expected an int from 0 to"


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: MemoryType(Limits(-1, None)), OverflowError, f"Limits.min {BEYOND} {2**64 - 1}"),
        (lambda: MemoryType(Limits(1, -1)), OverflowError, f"Limits.max {BEYOND} {2**64 - 1}"),
        (lambda: MemoryType(Limits(1 << 64, None)), OverflowError, f"Limits.min {BEYOND} {2**64 - 1}"),
        (lambda: MemoryType(Limits(1.5, None)), TypeError, "expected an int for Limits.min, got float"),  # type: ignore[arg-type]
        (lambda: MemoryType(Limits("1", None)), TypeError, "expected an int for Limits.min, got str"),  # type: ignore[arg-type]
        (lambda: MemoryType(Limits(1, "2")), TypeError, "expected an int for Limits.max, got str"),  # type: ignore[arg-type]
        (lambda: MemoryType(3), TypeError, "expected Limits, got int"),  # type: ignore[arg-type]
        (lambda: MemoryType(Limits(1 << 33, None)), WasmtimeError,
         "minimum size is too large for this memory type's index type"),
        (lambda: MemoryType(Limits(10, 1)), WasmtimeError,
         "maximum page size cannot be smaller than the minimum page size"),
        (lambda: MemoryType(Limits(1, None), shared=True), WasmtimeError,
         "shared memories must have a maximum size"),
        (lambda: MemoryType(Limits(1, 2), page_size_log2=7), WasmtimeError,
         "page size must be 2**16 or 2**0, but was given 2**7"),
        (lambda: MemoryType(Limits(1, 2), page_size_log2=256), OverflowError, f"page_size_log2 {BEYOND} 255"),
        (lambda: MemoryType(Limits(1, 2), page_size_log2="16"), TypeError,  # type: ignore[arg-type]
         "expected an int for page_size_log2, got str"),
        (lambda: TableType(ValType.funcref(), Limits(-1, None)), OverflowError, f"Limits.min {BEYOND} {2**32 - 1}"),
        (lambda: TableType(ValType.funcref(), Limits(1, 1 << 32)), OverflowError, f"Limits.max {BEYOND} {2**32 - 1}"),
        (lambda: TableType(ValType.funcref(), Limits(3, 2)), WasmtimeError,
         "maximum table size cannot be smaller than the minimum table size"),
        (lambda: TableType(I32, Limits(1, 2)), ValueError,
         "expected a reference type for the elements of a table, such as ValType.funcref(), got i32"),
        (lambda: TableType(3, Limits(1, 2)), TypeError, "expected ValType, got int"),  # type: ignore[arg-type]
        (lambda: TableType(ValType.funcref(), (1, 2)), TypeError, "expected Limits, got tuple"),  # type: ignore[arg-type]
        (lambda: GlobalType(3, True), TypeError, "expected ValType, got int"),  # type: ignore[arg-type]
        (lambda: TagType(3), TypeError, "expected a FuncType, got int"),  # type: ignore[arg-type]
    ],
)
def test_bad_arguments_are_refused(make: Callable[[], object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}"):
        make()


class Index:
    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


def test_limits_take_whatever_stands_for_an_int() -> None:
    limits = Limits(Index(1), Index(2))  # type: ignore[arg-type]
    assert MemoryType(limits).limits == Limits(1, 2)


def test_limits_are_a_plain_value() -> None:
    limits = Limits(1, 2)
    assert repr(limits) == "Limits(min=1, max=2)"
    assert limits == Limits(min=1, max=2) != Limits(1, None)
    assert hash(limits) == hash(Limits(1, 2))
    assert Limits(1) == Limits(1, None)
    limits.max = None
    assert MemoryType(limits).limits.max is None
    assert pickle.loads(pickle.dumps(limits)) == limits


# Types that a module defines


def test_types_outlive_their_module() -> None:
    module = Module(Engine(), CONCRETE)
    types: list[Any] = [*module.imports, *module.exports]
    module.close()
    del module
    gc.collect()
    assert [repr(ty) for ty in types] == [
        r'(import "a\"b" "\n" (memory i64 1 2))',
        '(export "f" (func (param (ref null $struct))))',
        '(export "t" (table 1 (ref null $func)))',
        '(export "g" (global (ref null $struct)))',
        '(export "e" (tag (param (ref $struct))))',
    ]
    assert [types[0].module, types[0].name, *(ty.name for ty in types[1:])] == ['a"b', "\n", "f", "t", "g", "e"]
    assert types[2].type.element.heap_type == "$func"
    assert types[4].type.functype.params[0].nullable is False


def test_import_and_export_types_are_values() -> None:
    engine = Engine()
    first, second = Module(engine, CONCRETE), Module(engine, CONCRETE)
    assert [*first.imports, *first.exports] == [*second.imports, *second.exports]
    assert {*first.imports, *first.exports} == {*second.imports, *second.exports}
    assert first.exports[0] != first.exports[1] and first.imports[0] != first.exports[0]
    other = copy.copy(first.exports[0])
    other.close()
    ty: Any = first.exports[0].type
    assert ty.params[0].is_ref
    with pytest.raises(ClosedError, match="^this ExportType is already closed$"):
        other.type  # noqa: B018


def test_types_of_a_module_equal_those_made_by_hand() -> None:
    wat = '(module (func (export "f") (param i32) (result i64) unreachable) (memory (export "m") 1 2))'
    module = Module(Engine(), wat)
    assert module.exports[0].type == FuncType([I32], [I64])
    assert module.exports[1].type == MemoryType(Limits(1, 2))
    assert {module.exports[0].type: 1}[FuncType([I32], [I64])] == 1


def test_defined_types_are_equal_within_their_engine_only() -> None:
    engine = Engine()
    types: list[Any] = [Module(e, CONCRETE).exports[0].type for e in (engine, engine, Engine())]
    here, also_here, there = types
    assert here == also_here and hash(here) == hash(also_here)
    assert here != there
    assert here.params[0] != ValType.structref()


def test_defined_types_are_refused_by_other_engines() -> None:
    exports: list[Any] = Module(Engine(), CONCRETE).exports
    store = Store()
    uses: list[tuple[str, Callable[[], object]]] = [
        ("FuncType", lambda: Func(store, exports[0].type, print)),
        ("FuncType", lambda: Func(store, FuncType(exports[0].type.params, []), print)),
        ("TableType", lambda: Table(store, exports[1].type, None)),
        ("GlobalType", lambda: Global(store, exports[2].type, None)),
        ("TagType", lambda: Tag(store, exports[3].type)),
    ]
    for name, use in uses:
        message = f"^this {name} belongs to another engine; make both with the same Engine$"
        with pytest.raises(WrongEngineError, match=message):
            use()


def test_defined_types_are_usable_in_their_engine() -> None:
    engine = Engine()
    exports: list[Any] = Module(engine, CONCRETE).exports
    store = Store(engine)
    assert Func(store, exports[0].type, print).type(store) == exports[0].type
    assert Func(store, FuncType(exports[0].type.params, []), print).type(store) == exports[0].type
    assert Table(store, exports[1].type, None).type(store) == exports[1].type
    assert Tag(store, exports[3].type).type(store) == exports[3].type


def test_a_type_with_a_supertype_keeps_it_within_its_engine() -> None:
    types = "(type $base (sub (func))) (type $derived (sub $base (func)))"
    engine = Engine()
    ty: Any = Module(engine, f'(module {types} (func (export "f") (type $derived)))').exports[0].type
    importer = Module(engine, f'(module {types} (import "" "i" (func (type $derived))))')
    store = Store(engine)
    Instance(store, importer, [Func(store, ty, lambda: None)])
    with pytest.raises(WasmtimeError, match="incompatible import type"):
        Instance(store, importer, [Func(store, FuncType([], []), lambda: None)])
    with pytest.raises(WrongEngineError, match="^this FuncType belongs to another engine"):
        Func(Store(), ty, print)


def test_defined_types_are_not_pickled() -> None:
    exports: list[Any] = Module(Engine(), CONCRETE).exports
    message = r"^cannot pickle \(ref null \$struct\): a type that a module defines exists only in its engine$"
    with pytest.raises(TypeError, match=message):
        pickle.dumps(exports[0].type)
    with pytest.raises(TypeError, match="^cannot pickle 'ferrowasm.ExportType' object$"):
        pickle.dumps(exports[0])
    assert copy.deepcopy(exports[0].type) == exports[0].type


def test_types_work_with_an_engine_without_garbage_collection() -> None:
    store = Store(Engine(Config(gc_support=False)))
    ty = FuncType([I32], [I64])
    assert Func(store, ty, lambda x: x).type(store) == ty
