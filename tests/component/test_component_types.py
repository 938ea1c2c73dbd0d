"""Types of components can be looked at, and print as WIT."""

from __future__ import annotations

import pytest

from ferrowasm import ClosedError, Config, Engine, ImportType, Store, WrongEngineError
from ferrowasm import component as c
from wit_support import pair

# Every kind of value type, by its text in WAT and in WIT.
KINDS = {
    "bool": ("bool", c.Bool()),
    "s8": ("s8", c.S8()),
    "u8": ("u8", c.U8()),
    "s16": ("s16", c.S16()),
    "u16": ("u16", c.U16()),
    "s32": ("s32", c.S32()),
    "u32": ("u32", c.U32()),
    "s64": ("s64", c.S64()),
    "u64": ("u64", c.U64()),
    "f32": ("f32", c.F32()),
    "f64": ("f64", c.F64()),
    "char": ("char", c.Char()),
    "string": ("string", c.String()),
    "(list u8)": ("list<u8>", c.ListType(c.U8())),
    "(list u8 4)": ("list<u8, 4>", c.FixedLengthListType(c.U8(), 4)),
    "(map string u8)": ("map<string, u8>", c.MapType(c.String(), c.U8())),
    "(tuple u8 string)": ("tuple<u8, string>", c.TupleType([c.U8(), c.String()])),
    "(option u8)": ("option<u8>", c.OptionType(c.U8())),
    "(result)": ("result", c.ResultType(None, None)),
    "(result u8)": ("result<u8>", c.ResultType(c.U8(), None)),
    "(result (error u8))": ("result<_, u8>", c.ResultType(None, c.U8())),
    "(result u8 (error string))": ("result<u8, string>", c.ResultType(c.U8(), c.String())),
    '(record (field "a" u8) (field "b-c" string))': ("record {a: u8, b-c: string}", c.RecordType([("a", c.U8()), ("b-c", c.String())])),
    '(variant (case "a") (case "b" u8))': ("variant {a, b(u8)}", c.VariantType([("a", None), ("b", c.U8())])),
    '(enum "a" "b")': ("enum {a, b}", c.EnumType(["a", "b"])),
    '(flags "a" "b")': ("flags {a, b}", c.FlagsType(["a", "b"])),
    "(stream u8)": ("stream<u8>", c.StreamType(c.U8())),
    "(stream)": ("stream", c.StreamType(None)),
    "(future string)": ("future<string>", c.FutureType(c.String())),
    "(future)": ("future", c.FutureType(None)),
    "error-context": ("error-context", c.ErrorContext()),
}


@pytest.mark.parametrize("text", KINDS)
def test_every_kind_of_value_type_is_reflected(text: str) -> None:
    config = Config()
    config.wasm_component_model_map = True
    config.wasm_component_model_fixed_length_lists = True
    config.wasm_component_model_async = True
    config.wasm_component_model_error_context = True
    engine = Engine(config)
    wit, expected = KINDS[text]
    component = c.Component(engine, f'(component (type $t {text}) (export "t" (type $t)))')
    [(name, ty)] = component.type.exports(engine).items()
    assert name == "t"
    assert repr(ty) == wit
    assert ty == expected and hash(ty) == hash(expected) and ty.ty is ty
    assert all(ty != other for _, other in KINDS.values() if other is not expected)


def test_function_types_have_names_and_a_result() -> None:
    engine = Engine()
    store = Store(engine)
    instance = c.Linker(engine).instantiate(store, c.Component(engine, pair("(list u8)")))
    func = instance.get_func(store, "echo")
    assert func is not None
    ty = func.type(store)
    assert ty.params == [("x", c.ListType(c.U8()))] and ty.result == c.ListType(c.U8())
    assert repr(ty) == "func(x: list<u8>) -> list<u8>"


def test_imports_and_exports_of_components_instances_and_modules_are_listed() -> None:
    text = """(component
      (import "a:b/c" (instance (export "r" (type (sub resource))) (export "f" (func (param "x" u8)))))
      (import "m" (core module (import "x" "y" (func)) (export "z" (func)))))"""
    engine = Engine()
    ty = c.Component(engine, text).type
    imports = ty.imports(engine)
    assert list(imports) == ["a:b/c", "m"] and ty.exports(engine) == {}
    instance, module = imports["a:b/c"], imports["m"]
    assert isinstance(instance, c.ComponentInstanceType) and isinstance(module, c.ModuleType)
    items = instance.exports(engine)
    assert isinstance(items["r"], c.ResourceType) and repr(items["f"]) == "func(x: u8)"
    [imported] = module.imports(engine)
    assert isinstance(imported, ImportType) and (imported.module, imported.name) == ("x", "y")
    assert [export.name for export in module.exports(engine)] == ["z"]
    with pytest.raises(WrongEngineError):
        ty.imports(Engine())


def test_enum_names_are_found_by_index() -> None:
    ty = c.EnumType(["a", "b"])
    assert (ty.names_count, ty.name(1), ty.name(2), ty.name(-1)) == (2, "b", None, None)


def test_parts_are_given_as_new_lists() -> None:
    ty = c.RecordType([("a", c.U8())])
    ty.fields.clear()
    assert ty.fields == [("a", c.U8())]


def test_no_kind_of_value_type_is_forgotten() -> None:
    concrete = {item for item in vars(c).values() if isinstance(item, type) and issubclass(item, c.ValType) and not item.__name__.endswith("LikeType")}
    covered = {type(expected) for _, expected in KINDS.values()} | {c.OwnType, c.BorrowType}
    assert concrete - {c.ValType} == covered


def test_handles_name_their_resource_type() -> None:
    engine = Engine()
    text = """(component
      (import "r" (type $r (sub resource)))
      (import "f" (func (param "o" (own $r)) (param "b" (borrow $r)))))"""
    imports = c.Component(engine, text).type.imports(engine)
    func, resource = imports["f"], imports["r"]
    assert isinstance(func, c.FuncType) and isinstance(resource, c.ResourceType)
    own, borrow = (ty for _, ty in func.params)
    assert own == c.OwnType(resource)
    assert borrow == c.BorrowType(resource)
    assert len({own, borrow}) == 2
    assert hash(own) == hash(c.OwnType(resource))
    assert repr(own) == f"own<{resource!r}>"
    assert c.ResourceType.host(1) == c.ResourceType.host(1) != c.ResourceType.host(2)
    assert (c.ResourceType.host(1) == 1) is False


WORLD = """(component
  (import "log" (func (param "line" string)))
  (import "ns:pkg/host" (instance (export "now" (func (result u64)))))
  (import "lib" (core module (import "m" "f" (func (param i32))) (export "g" (global i64)))){extra}
  (type $point' (record (field "x" s32)))
  (export $point "point" (type $point')))"""


def test_types_of_whole_components_print_as_wit_and_compare_by_structure() -> None:
    engine = Engine()
    types = [c.Component(engine, WORLD.format(extra=extra)).type for extra in ("", "", '(import "more" (func))')]
    same, again, other = types
    assert repr(same) == (
        "component {import log: func(line: string); import ns:pkg/host: interface {now: func() -> u64}; "
        'import lib: (core module (import "m" "f" (func (param i32))) (export "g" (global i64))); export point: record {x: s32}}'
    )
    assert same == again
    assert hash(same) == hash(again)
    assert same != other
    imports, imports_again = same.imports(engine), again.imports(engine)
    for name, kind in (("ns:pkg/host", c.ComponentInstanceType), ("lib", c.ModuleType)):
        assert isinstance(imports[name], kind)
        assert imports[name] == imports_again[name]
        assert hash(imports[name]) == hash(imports_again[name])
    assert imports["lib"] != imports["ns:pkg/host"]
    same.close()
    assert repr(same) == "<ComponentType (closed)>"


def test_types_are_closed_like_other_objects() -> None:
    engine = Engine()
    ty = c.Component(engine, pair("(list u8)")).type
    with ty:
        assert list(ty.exports(engine)) == ["echo"]
    with pytest.raises(ClosedError, match="^this ComponentType is already closed$"):
        ty.exports(engine)
    with c.ListType(c.U8()) as plain:
        assert repr(plain) == "list<u8>"
