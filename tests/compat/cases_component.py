"""`component.Component`, `Instance`, `Func` and `ExportIndex`."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from .component_programs import CALLING, CALLING_NOTHING, EXPORTING, component_engine, function, start
from .harness import Package, attempt, case
from .programs import raised_by

EMPTY = "(component)"


def _compiled(w: Package, wat: str = EXPORTING) -> Any:
    return w.component.Component(component_engine(w), wat)


@case
def text_is_accepted(w: Package) -> object:
    return _compiled(w)


@case
def binaries_are_accepted(w: Package) -> object:
    binary = bytes(w.wat2wasm(EMPTY))
    return [w.component.Component(w.Engine(), kind(binary)) for kind in (bytes, bytearray)]


@case
def the_arguments_can_be_named(w: Package) -> object:
    return w.component.Component(engine=w.Engine(), wasm=EMPTY)


@case
def an_engine_is_needed(w: Package) -> object:
    return w.component.Component("engine", EMPTY)


@case
def other_types_are_refused(w: Package) -> object:
    """`Component(engine, value)` for a number, `None` and a list"""
    return [attempt(partial(w.component.Component, w.Engine(), value)) for value in (1, None, [0])]


@case
def a_module_is_refused(w: Package) -> object:
    return w.component.Component(w.Engine(), "(module)")


@case
def broken_bytes_are_refused(w: Package) -> object:
    return w.component.Component(w.Engine(), b"\0asm\x0d\0\1\0\xff")


@case(message=True)
def an_error_in_the_text_is_explained(w: Package) -> object:
    """The text of the error for a mistake in the text format"""
    return w.component.Component(w.Engine(), "(component\n  (wrong))")


@case
def an_engine_without_the_component_model_refuses(w: Package) -> object:
    config = w.Config()
    config.wasm_component_model = False
    return w.component.Component(w.Engine(config), EMPTY)


@case
def a_closed_engine_is_refused(w: Package) -> object:
    engine = w.Engine()
    engine.close()
    return w.component.Component(engine, EMPTY)


@case
def it_is_read_from_a_file(w: Package, tmp: Path) -> object:
    path = tmp / "component.wat"
    path.write_text(EMPTY)
    from_file = w.component.Component.from_file
    return [from_file(w.Engine(), kind) for kind in (path, str(path), bytes(path))]


@case
def the_arguments_of_from_file_can_be_named(w: Package, tmp: Path) -> object:
    path = tmp / "component.wat"
    path.write_text(EMPTY)
    return w.component.Component.from_file(engine=w.Engine(), path=path)


@case
def a_missing_file_is_reported(w: Package, tmp: Path) -> object:
    return w.component.Component.from_file(w.Engine(), tmp / "nothing")


@case
def a_subclass_is_made_from_a_file(w: Package, tmp: Path) -> object:
    """`Subclass.from_file(…)`"""
    path = tmp / "component.wat"
    path.write_text(EMPTY)

    class Subclass(w.component.Component):  # type: ignore[misc]
        pass

    return Subclass.from_file(w.Engine(), path)


def _answer(w: Package, component: Any, engine: Any) -> object:
    store = w.Store(engine)
    return w.component.Linker(engine).instantiate(store, component).get_func(store, "answer")(store)


@case
def it_is_serialized_and_loaded(w: Package) -> object:
    engine = w.Engine()
    code = w.component.Component(engine, EXPORTING).serialize()
    return [type(code), _answer(w, w.component.Component.deserialize(engine, code), engine)]


@case
def it_is_loaded_from_bytes_by_another_engine(w: Package) -> object:
    code = bytes(w.component.Component(w.Engine(), EXPORTING).serialize())
    engine = w.Engine()
    return _answer(w, w.component.Component.deserialize(engine=engine, encoded=code), engine)


@case
def it_is_loaded_from_a_file(w: Package, tmp: Path) -> object:
    engine = w.Engine()
    path = tmp / "component.cwasm"
    path.write_bytes(w.component.Component(engine, EXPORTING).serialize())
    return _answer(w, w.component.Component.deserialize_file(engine=engine, path=str(path)), engine)


@case
def a_missing_serialized_file_is_reported(w: Package, tmp: Path) -> object:
    """`Component.deserialize_file(engine, "nothing")`"""
    return w.component.Component.deserialize_file(w.Engine(), str(tmp / "nothing"))


@case
def a_pathlib_path_to_serialized_code_is_accepted(w: Package, tmp: Path) -> object:
    """`Component.deserialize_file(engine, pathlib.Path(…))`"""
    path = tmp / "component.cwasm"
    path.write_bytes(_compiled(w).serialize())
    return w.component.Component.deserialize_file(component_engine(w), path)


@case
def deserialize_refuses_webassembly(w: Package) -> object:
    return w.component.Component.deserialize(w.Engine(), w.wat2wasm(EMPTY))


@case
def deserialize_refuses_a_serialized_module(w: Package) -> object:
    engine = w.Engine()
    return w.component.Component.deserialize(engine, w.Module(engine, "(module)").serialize())


@case
def deserialize_refuses_text(w: Package) -> object:
    return w.component.Component.deserialize(w.Engine(), EMPTY)


@case
def deserialize_refuses_a_flipped_byte(w: Package) -> object:
    """`Component.deserialize` of code with one bit changed in the middle"""
    engine = w.Engine()
    code = w.component.Component(engine, EXPORTING).serialize()
    code[len(code) // 2] ^= 1
    return w.component.Component.deserialize(engine, code)


@case
def exports_are_found_by_name(w: Package) -> object:
    component = _compiled(w)
    return [component.get_export_index(name) for name in ("answer", "a:b/inner", "core", "nothing")]


@case
def nested_exports_are_found(w: Package) -> object:
    component = _compiled(w)
    inner = component.get_export_index(name="a:b/inner", instance=None)
    return [component.get_export_index(name, inner) for name in ("answer", "add")]


@case
def an_export_index_cannot_be_constructed(w: Package) -> object:
    """`ExportIndex()`"""
    return w.component.ExportIndex()


@case
def a_name_that_is_no_str_is_refused(w: Package) -> object:
    """`component.get_export_index(1)`"""
    return _compiled(w).get_export_index(1)


@case
def an_index_that_is_none_of_ours_is_refused(w: Package) -> object:
    """`component.get_export_index("answer", "inner")`"""
    return _compiled(w).get_export_index("answer", "inner")


@case
def a_closed_component_is_refused(w: Package) -> object:
    component = _compiled(w)
    component.close()
    return component.serialize()


@case
def the_exports_of_a_closed_component_are_refused(w: Package) -> object:
    component = _compiled(w)
    component.close()
    return component.get_export_index("answer")


@case
def they_are_context_managers(w: Package) -> object:
    with _compiled(w) as component, component.get_export_index("answer") as index:
        used = index
    return [component.close(), used.close()]


@case
def an_export_index_can_be_closed(w: Package) -> object:
    index = _compiled(w).get_export_index("answer")
    return [index.close(), index.close()]


@case
def closing_twice_does_nothing(w: Package) -> object:
    component = _compiled(w)
    return [component.close(), component.close()]


@case
def instances_find_functions(w: Package) -> object:
    store, instance = start(w, EXPORTING)
    names = ("answer", "a:b/inner", "core", "nothing")
    return [instance.get_func(store=store, index=name) for name in names]


@case
def instances_find_indexes(w: Package) -> object:
    store, instance = start(w, EXPORTING)
    inner = instance.get_export_index(store=store, name="a:b/inner", instance=None)
    index = instance.get_export_index(store, "answer", inner)
    return [instance.get_func(store, index)(store), instance.get_export_index(store, "nothing")]


@case
def an_index_of_the_component_serves_its_instances(w: Package) -> object:
    engine = w.Engine()
    component = w.component.Component(engine, EXPORTING)
    index = component.get_export_index("add")
    store = w.Store(engine)
    return w.component.Linker(engine).instantiate(store, component).get_func(store, index)(store, 20, 22)


@case
def an_index_that_is_no_function_gives_none(w: Package) -> object:
    store, instance = start(w, EXPORTING)
    return instance.get_func(store, instance.get_export_index(store, "a:b/inner"))


@case
def get_func_refuses_other_types(w: Package) -> object:
    """`instance.get_func(store, 1)`"""
    store, instance = start(w, EXPORTING)
    return instance.get_func(store, 1)


@case
def get_func_of_another_store_is_refused(w: Package) -> object:
    """`instance.get_func(other_store, …)`"""
    _, instance = start(w, EXPORTING)
    return instance.get_func(w.Store(), "answer")


@case
def get_export_index_of_another_store_is_refused(w: Package) -> object:
    """`instance.get_export_index(other_store, …)`"""
    _, instance = start(w, EXPORTING)
    return instance.get_export_index(w.Store(), "answer")


@case
def instances_and_functions_cannot_be_constructed(w: Package) -> object:
    """`Instance()` and `Func()`"""
    return [attempt(w.component.Instance), attempt(w.component.Func)]


@case
def functions_are_called_with_arguments(w: Package) -> object:
    return function(w, EXPORTING, "add")(-2, 44)


@case
def a_function_without_result_returns_none(w: Package) -> object:
    return function(w, CALLING_NOTHING, "call", f=lambda _context: None)()


@case
def too_few_arguments_are_refused(w: Package) -> object:
    return function(w, EXPORTING, "add")(1)


@case
def too_many_arguments_are_refused(w: Package) -> object:
    return function(w, EXPORTING, "add")(1, 2, 3)


@case
def named_arguments_are_refused(w: Package) -> object:
    """`add(store, a=1, b=2)`"""
    store, instance = start(w, EXPORTING)
    return instance.get_func(store, "add")(store, a=1, b=2)


@case
def a_store_is_needed(w: Package) -> object:
    """`add(None, 1, 2)`"""
    store, instance = start(w, EXPORTING)
    return instance.get_func(store, "add")(None, 1, 2)


@case
def calls_with_another_store_are_refused(w: Package) -> object:
    """`func(other_store)`"""
    store, instance = start(w, EXPORTING)
    return instance.get_func(store, "answer")(w.Store())


@case
def the_type_with_another_store_is_refused(w: Package) -> object:
    """`func.type(other_store)`"""
    store, instance = start(w, EXPORTING)
    return instance.get_func(store, "answer").type(w.Store())


@case
def a_closed_store_is_refused(w: Package) -> object:
    store, instance = start(w, EXPORTING)
    func = instance.get_func(store, "answer")
    store.close()
    return func(store)


@case
def post_return_does_nothing(w: Package) -> object:
    store, instance = start(w, EXPORTING)
    func = instance.get_func(store, "answer")
    return [func(store), func.post_return(store=store), func(store)]


@case
def a_trap_is_an_error(w: Package) -> object:
    return function(w, EXPORTING, "trap")()


@case
def a_trap_says_where(w: Package) -> object:
    error = str(raised_by(function(w, EXPORTING, "trap")))
    return ["wasm `unreachable` instruction executed" in error, "wasm backtrace" in error]


@case
def a_component_that_trapped_cannot_be_entered_again(w: Package) -> object:
    store, instance = start(w, EXPORTING)
    trap, answer = (instance.get_func(store, name) for name in ("trap", "answer"))
    attempt(lambda: trap(store))
    return answer(store)


def _raise_lookup_error(*_: object) -> int:
    raise LookupError("from the host")


@case
def an_exception_of_the_host_comes_out(w: Package) -> object:
    error = raised_by(lambda: function(w, CALLING, "call", f=_raise_lookup_error)(1))
    return [type(error), str(error)]


@case
def a_component_whose_host_raised_cannot_be_entered_again(w: Package) -> object:
    """A function that does not call the host, after another one of the instance has failed in the host"""
    store, instance = start(w, CALLING, f=_raise_lookup_error)
    call, quiet = (instance.get_func(store, name) for name in ("call", "quiet"))
    attempt(lambda: call(store, 1))
    return quiet(store)


@case
def the_exception_is_the_same_object(w: Package) -> object:
    error = LookupError("from the host")

    def host(*_: object) -> int:
        raise error

    return raised_by(lambda: function(w, CALLING, "call", f=host)(1)) is error


@case
def a_keyboard_interrupt_of_the_host_comes_out(w: Package) -> object:
    """`KeyboardInterrupt` raised by a host function"""

    def host(*_: object) -> int:
        raise KeyboardInterrupt

    return type(raised_by(lambda: function(w, CALLING, "call", f=host)(1)))


@case
def a_system_exit_of_the_host_comes_out(w: Package) -> object:
    """`SystemExit` raised by a host function"""

    def host(*_: object) -> int:
        raise SystemExit(3)

    return type(raised_by(lambda: function(w, CALLING, "call", f=host)(1)))


@case
def a_wasmtime_error_of_the_host_comes_out(w: Package) -> object:
    """`WasmtimeError("mine")` raised by a host function"""

    def host(*_: object) -> int:
        raise w.WasmtimeError("mine")

    error = raised_by(lambda: function(w, CALLING, "call", f=host)(1))
    return [type(error).__name__, "mine" in str(error)]


@case
def the_host_gets_a_context_and_the_arguments(w: Package) -> object:
    seen: list[object] = []

    def host(*arguments: Any) -> int:
        seen.extend(arguments)
        return 5

    return [function(w, CALLING, "call", f=host)(3), seen]


@case
def the_context_of_a_callback_expires(w: Package) -> object:
    contexts: list[Any] = []

    def host(context: object, x: int) -> int:
        contexts.append(context)
        return x

    store, instance = start(w, CALLING, f=host)
    instance.get_func(store, "call")(store, 1)
    return instance.get_func(contexts[0], "call")


@case
def a_callback_without_result_must_return_none(w: Package) -> object:
    """A host function without a result that returns 5"""
    return function(w, CALLING_NOTHING, "call", f=lambda _context: 5)()


@case
def a_callback_with_a_result_must_return_one(w: Package) -> object:
    return function(w, CALLING, "call", f=lambda _context, _x: None)(1)


@case
def a_callback_with_the_wrong_parameters_raises(w: Package) -> object:
    return function(w, CALLING, "call", f=lambda: 1)(1)


@case
def a_callback_may_use_another_instance(w: Package) -> object:
    engine = component_engine(w)
    store = w.Store(engine)
    linker = w.component.Linker(engine)
    other = linker.instantiate(store, w.component.Component(engine, EXPORTING)).get_func(store, "add")
    with linker.root() as root:
        root.add_func("f", lambda context, x: other(context, x, 1))
    instance = linker.instantiate(store, w.component.Component(engine, CALLING))
    return instance.get_func(store, "call")(store, 41)


@case
def a_callback_may_not_call_its_own_instance(w: Package) -> object:
    store, instance = start(w, CALLING, f=lambda context, x: quiet(context))
    quiet = instance.get_func(store, "quiet")
    return instance.get_func(store, "call")(store, 1)
