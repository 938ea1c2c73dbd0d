"""The types of components: what they import and export, and the types of values."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from .component_programs import EXPORTING, GUEST_RESOURCE, HOST_RESOURCE, NESTED, component_engine, start
from .harness import CaseFunction, Package, attempt, case, register

#: The types of values by the name of their class, as text.
VALUE_TYPES = {
    "Bool": "bool",
    "S8": "s8",
    "S16": "s16",
    "S32": "s32",
    "S64": "s64",
    "U8": "u8",
    "U16": "u16",
    "U32": "u32",
    "U64": "u64",
    "F32": "f32",
    "F64": "f64",
    "Char": "char",
    "String": "string",
    "ListType": "(list (list string))",
    "TupleType": "(tuple u8 (tuple bool))",
    "RecordType": '(record (field "a" u8) (field "b-c" string))',
    "VariantType": '(variant (case "a") (case "b" u8))',
    "EnumType": '(enum "a" "b-c")',
    "OptionType": "(option (option u8))",
    "ResultType": "(result u8 (error string))",
    "FlagsType": '(flags "a" "b-c")',
}

#: Classes of types without parts: they can be made without arguments.
PLAIN = tuple(name for name, text in VALUE_TYPES.items() if text.isalnum()) + ("ErrorContext",)


def type_of(w: Package, text: str) -> Any:
    """The type of values with this text."""
    engine = component_engine(w)
    component = w.component.Component(engine, f'(component (type $t {text}) (export "t" (type $t)))')
    return component.type.exports(engine=engine)["t"]


def _reflected(text: str) -> CaseFunction:
    return lambda w: type_of(w, text)


def _compared(text: str) -> CaseFunction:
    def run(w: Package) -> object:
        one, same = type_of(w, text), type_of(w, text)
        others = [type_of(w, other) for other in VALUE_TYPES.values() if other != text]
        return [one == same, one != same, any(one == other for other in others), one == 5]

    return run


def _closed(text: str, use: Callable[[Any], object]) -> CaseFunction:
    def run(w: Package) -> object:
        with type_of(w, text) as closed:
            pass
        return [closed.close(), use(closed)]

    return run


for _name, _text in VALUE_TYPES.items():
    register(f"{_name}_is_reflected", _reflected(_text))
    _function = _compared(_text)
    _function.__doc__ = f"`==` of the type `{_text}` with itself from another component, with others, and with `5`"
    register(f"{_name}_is_compared", _function)

for _name, _attribute in {
    "ListType": "element",
    "TupleType": "elements",
    "RecordType": "fields",
    "VariantType": "cases",
    "EnumType": "names",
    "OptionType": "payload",
    "ResultType": "ok",
    "FlagsType": "names",
}.items():
    _function = _closed(VALUE_TYPES[_name], attrgetter(_attribute))
    _function.__doc__ = f"`ty.{_attribute}` of a closed `{_name}`"
    register(f"the_{_attribute}_of_a_closed_{_name}", _function)


@case
def a_type_without_parts_is_made(w: Package) -> object:
    return [getattr(w.component, name)() for name in PLAIN]


@case
def types_without_parts_are_compared(w: Package) -> object:
    classes = [getattr(w.component, name) for name in PLAIN]
    return [[left() == right() for right in classes] for left in classes]


@case
def types_without_parts_have_a_repr(w: Package) -> object:
    """`repr(Bool())`"""
    return repr(w.component.Bool())


@case
def a_type_without_parts_cannot_be_hashed(w: Package) -> object:
    """`hash(Bool())`"""
    return isinstance(hash(w.component.Bool()), int)


@case
def results_may_lack_payloads(w: Package) -> object:
    return [type_of(w, text) for text in ("(result)", "(result u8)", "(result (error u8))")]


@case
def maps_are_reflected(w: Package) -> object:
    """The type `map<string, u8>`"""
    return type_of(w, "(map string u8)")


def _parameter(w: Package, text: str) -> Any:
    """The type of a parameter of an imported function."""
    engine = w.Engine()
    component = w.component.Component(engine, f'(component (import "f" (func (param "x" {text}))))')
    return component.type.imports(engine)["f"].params[0][1]


@case
def streams_are_reflected(w: Package) -> object:
    return _parameter(w, "(stream u8)")


@case
def futures_are_reflected(w: Package) -> object:
    return _parameter(w, "(future string)")


@case
def streams_and_futures_are_compared(w: Package) -> object:
    stream, future = _parameter(w, "(stream u8)"), _parameter(w, "(future u8)")
    return [
        [stream == _parameter(w, "(stream u8)"), stream == _parameter(w, "(stream u16)"), stream == future],
        [future == _parameter(w, "(future u8)"), future == _parameter(w, "(future u16)"), future == stream],
    ]


@case
def streams_and_futures_can_be_closed(w: Package) -> object:
    with _parameter(w, "(stream u8)") as stream, _parameter(w, "(future u8)") as future:
        pass
    return [stream.close(), future.close()]


@case
def error_contexts_need_a_switch(w: Package) -> object:
    return _parameter(w, "error-context")


@case(covers=["component.ValType"])
def values_of_all_types_are_valtypes(w: Package) -> object:
    return [issubclass(getattr(w.component, name), w.component.ValType) for name in VALUE_TYPES]


@case
def enums_find_names_by_index(w: Package) -> object:
    enum = type_of(w, VALUE_TYPES["EnumType"])
    return [enum.names_count, enum.name(0), enum.name(n=1), enum.name(2)]


@case
def enums_have_no_names_before_the_first(w: Package) -> object:
    """`enum.name(-1)`"""
    return type_of(w, VALUE_TYPES["EnumType"]).name(-1)


@case
def functions_are_reflected(w: Package) -> object:
    store, instance = start(w, EXPORTING)
    return [instance.get_func(store, name).type(store=store) for name in ("add", "answer", "trap")]


@case
def component_items_are_reflected(w: Package) -> object:
    engine = component_engine(w)
    return w.component.Component(engine, EXPORTING).type.exports(engine)


@case
def imports_are_reflected(w: Package) -> object:
    engine = component_engine(w)
    return w.component.Component(engine, HOST_RESOURCE).type.imports(engine=engine)


@case
def nested_instances_are_reflected(w: Package) -> object:
    engine = component_engine(w)
    imports = w.component.Component(engine, NESTED).type.imports(engine)
    return imports["a:b/outer"].exports(engine=engine)


def _module(w: Package, items: str) -> tuple[Any, Any]:
    """An engine, and the type of a core module that a component imports."""
    engine = w.Engine()
    component = w.component.Component(engine, f'(component (import "m" (core module {items})))')
    return engine, component.type.imports(engine)["m"]


@case
def the_imports_of_modules_are_reflected(w: Package) -> object:
    """The imports of a core module that a component imports"""
    engine, module = _module(w, '(import "a" "f" (func (param i32) (result i64))) (import "a" "m" (memory 1 2))')
    return [(item.module, item.name, type(item.type)) for item in module.imports(engine=engine)]


@case
def the_exports_of_modules_are_reflected(w: Package) -> object:
    """The exports of a core module that a component imports"""
    engine, module = _module(w, '(export "f" (func (param i32))) (export "g" (global i64)) (export "m" (memory 1))')
    return [(item.name, type(item.type)) for item in module.exports(engine=engine)]


@case
def modules_without_imports_and_exports_are_reflected(w: Package) -> object:
    engine, module = _module(w, "")
    return [module.imports(engine), module.exports(engine)]


@case
def own_and_borrow_are_reflected(w: Package) -> object:
    store, instance = start(w, GUEST_RESOURCE)
    make, rep = (instance.get_func(store, name).type(store) for name in ("make", "rep"))
    own, borrow = make.result, rep.params[0][1]
    return [own, borrow, own.ty == borrow.ty, own == borrow, own == make.result]


@case
def own_and_borrow_are_made(w: Package) -> object:
    c = w.component
    kind = c.ResourceType.host(1)
    return [
        c.OwnType(ty=kind) == c.OwnType(c.ResourceType.host(1)),
        c.OwnType(kind) == c.OwnType(c.ResourceType.host(2)),
        c.BorrowType(ty=kind) == c.BorrowType(kind),
        c.BorrowType(kind) == c.OwnType(kind),
    ]


@case
def types_with_parts_cannot_be_made_without(w: Package) -> object:
    """`ComponentType()`, `ComponentInstanceType()`, `ModuleType()` and `FuncType()`"""
    names = ("ComponentType", "ComponentInstanceType", "ModuleType", "FuncType")
    return {attempt(getattr(w.component, name)) for name in names}


@case
def another_engine_is_refused(w: Package) -> object:
    """`component.type.exports(other_engine)`"""
    return list(w.component.Component(w.Engine(), EXPORTING).type.exports(w.Engine()))


@case
def something_that_is_no_engine_is_refused(w: Package) -> object:
    """`component.type.imports(None)`"""
    return w.component.Component(w.Engine(), EXPORTING).type.imports(None)


@case
def types_of_items_can_be_closed(w: Package) -> object:
    engine = component_engine(w)
    store, instance = start(w, EXPORTING)
    results = []
    with w.component.Component(engine, EXPORTING).type as kind:
        items = kind.exports(engine)
        for name in ("a:b/inner", "core", "add"):
            with items[name] as item:
                results.append(type(item))
            results.append(item.close())
    return [results, kind.close()]


@case
def the_exports_of_a_closed_type_are_refused(w: Package) -> object:
    engine = component_engine(w)
    kind = w.component.Component(engine, EXPORTING).type
    kind.close()
    return kind.exports(engine)
