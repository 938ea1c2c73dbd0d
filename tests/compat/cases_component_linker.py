"""`component.Linker` and `LinkerInstance`."""

from __future__ import annotations

from typing import Any

from .component_programs import (
    CALLING,
    CALLING_NOTHING,
    EXPORTING,
    HOST_RESOURCE,
    IMPORTING_A_MODULE,
    NESTED,
    component_engine,
    link,
)
from .harness import Package, attempt, case

NEEDS_WASI = """(component
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
  (core func $f (canon lower (func $random "get-random-u64")))
  (core module $m (import "" "f" (func $f (result i64))) (func (export "call") (result i64) (call $f)))
  (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
  (func (export "call") (result u64) (canon lift (core func $m "call"))))"""


def _linker(w: Package) -> Any:
    return w.component.Linker(component_engine(w))


def _call(w: Package, linker: Any, wat: str, name: str, *arguments: object) -> object:
    store, instance = link(w, linker, wat)
    return instance.get_func(store, name)(store, *arguments)


@case
def it_keeps_its_engine(w: Package) -> object:
    engine = w.Engine()
    return w.component.Linker(engine=engine).engine is engine


@case
def an_engine_is_needed(w: Package) -> object:
    """`Linker("engine")`"""
    return w.component.Linker("engine")


@case
def a_closed_engine_is_refused(w: Package) -> object:
    engine = w.Engine()
    engine.close()
    return w.component.Linker(engine)


@case
def functions_are_defined_at_the_root(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root:
        defined = root.add_func(name="f", func=lambda _context, x: x + 1)
    return [defined, _call(w, linker, CALLING, "call", 4)]


@case
def instances_are_defined(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root, root.add_instance(name="a:b/outer") as outer:
        outer.add_func("f", lambda _context: 1)
        with outer.add_instance("inner") as inner:
            inner.add_func("g", lambda _context: 2)
    return [_call(w, linker, NESTED, name) for name in ("call-f", "call-g")]


@case
def modules_are_defined(w: Package) -> object:
    linker = _linker(w)
    module = w.Module(linker.engine, '(module (func (export "answer") (result i32) (i32.const 42)))')
    with linker.root() as root:
        defined = root.add_module(name="module", module=module)
    return [defined, _call(w, linker, IMPORTING_A_MODULE, "answer")]


@case
def a_module_of_another_type_is_refused(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root:
        root.add_module("module", w.Module(linker.engine, "(module)"))
    return _call(w, linker, IMPORTING_A_MODULE, "answer")


@case
def resources_are_defined(w: Package) -> object:
    linker = _linker(w)
    dropped: list[object] = []
    with linker.root() as root:
        defined = root.add_resource(
            name="file", ty=w.component.ResourceType.host(1), dtor=lambda context, rep: dropped.append((context, rep))
        )
        root.add_func("open", lambda _context, x: w.component.ResourceHost.own(x, 1))
        root.add_func("size", lambda context, file: file.to_host(context).rep * 10)
    return [defined, _call(w, linker, HOST_RESOURCE, "measure", 7), dropped]


@case
def an_import_must_be_defined(w: Package) -> object:
    return link(w, _linker(w), CALLING)


@case(message=True)
def a_missing_import_is_explained(w: Package) -> object:
    """The text of the error for an import that nothing defines"""
    return link(w, _linker(w), CALLING)


@case
def an_import_of_another_kind_is_refused(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root, root.add_instance("f"):
        pass
    return link(w, linker, CALLING)


@case
def unused_definitions_do_no_harm(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root:
        root.add_func("unused", lambda _context: None)
    return _call(w, linker, EXPORTING, "answer")


@case
def defining_a_function_twice_is_refused(w: Package) -> object:
    with _linker(w).root() as root:
        root.add_func("f", lambda _context: None)
        return root.add_func("f", lambda _context: None)


@case(message=True)
def defining_twice_is_explained(w: Package) -> object:
    """The text of the error for a name that is defined twice"""
    with _linker(w).root() as root:
        root.add_func("f", lambda _context: None)
        return root.add_func("f", lambda _context: None)


@case
def an_instance_is_opened_again(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root:
        with root.add_instance("a:b/outer") as outer:
            outer.add_func("f", lambda _context: 1)
        with root.add_instance("a:b/outer") as outer, outer.add_instance("inner") as inner:
            inner.add_func("g", lambda _context: 2)
    return [_call(w, linker, NESTED, name) for name in ("call-f", "call-g")]


@case
def shadowing_can_be_allowed(w: Package) -> object:
    linker = _linker(w)
    linker.allow_shadowing = True
    with linker.root() as root:
        root.add_func("f", lambda _context, x: x)
        root.add_func("f", lambda _context, x: x * 2)
    return _call(w, linker, CALLING, "call", 4)


@case
def shadowing_can_be_forbidden_again(w: Package) -> object:
    linker = _linker(w)
    linker.allow_shadowing = True
    linker.allow_shadowing = False
    with linker.root() as root:
        root.add_func("f", lambda _context: None)
        return root.add_func("f", lambda _context: None)


@case
def allow_shadowing_can_be_read(w: Package) -> object:
    """`linker.allow_shadowing`"""
    return _linker(w).allow_shadowing


@case
def unknown_imports_become_traps(w: Package) -> object:
    linker = _linker(w)
    component = w.component.Component(linker.engine, CALLING)
    defined = linker.define_unknown_imports_as_traps(component=component)
    store = w.Store(linker.engine)
    instance = linker.instantiate(store=store, component=component)
    quiet, call = (instance.get_func(store, name) for name in ("quiet", "call"))
    return [defined, quiet(store), attempt(lambda: call(store, 1))]


@case
def known_imports_are_left_alone(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root:
        root.add_func("f", lambda _context, x: x + 1)
    linker.define_unknown_imports_as_traps(w.component.Component(linker.engine, CALLING))
    return _call(w, linker, CALLING, "call", 1)


@case
def unknown_instances_become_traps(w: Package) -> object:
    linker = _linker(w)
    linker.define_unknown_imports_as_traps(w.component.Component(linker.engine, NESTED))
    return _call(w, linker, NESTED, "call-g")


@case
def wasi_is_added(w: Package) -> object:
    linker = _linker(w)
    added = linker.add_wasip2()
    store = w.Store(linker.engine)
    store.set_wasi(w.WasiConfig())
    instance = linker.instantiate(store, w.component.Component(linker.engine, NEEDS_WASI))
    return [added, isinstance(instance.get_func(store, "call")(store), int)]


@case
def wasi_cannot_be_added_twice(w: Package) -> object:
    linker = _linker(w)
    linker.add_wasip2()
    return linker.add_wasip2()


@case
def wasi_http_is_added(w: Package) -> object:
    linker = _linker(w)
    linker.add_wasip2()
    return linker.add_wasi_http()


@case
def wasi_without_a_configuration(w: Package) -> object:
    """A WASI 0.2 call in a store without `set_wasi`"""
    linker = _linker(w)
    linker.add_wasip2()
    return isinstance(_call(w, linker, NEEDS_WASI, "call"), int)


@case
def a_store_is_needed(w: Package) -> object:
    """`linker.instantiate(None, component)`"""
    linker = _linker(w)
    return linker.instantiate(None, w.component.Component(linker.engine, EXPORTING))


@case
def a_component_is_needed(w: Package) -> object:
    """`linker.instantiate(store, Module(…))`"""
    linker = _linker(w)
    return linker.instantiate(w.Store(linker.engine), w.Module(linker.engine, "(module)"))


@case
def a_store_of_another_engine_is_refused(w: Package) -> object:
    """`linker.instantiate(store, component)` with the store of another engine"""
    linker = _linker(w)
    return linker.instantiate(w.Store(), w.component.Component(linker.engine, EXPORTING))


@case
def a_component_of_another_engine_is_refused(w: Package) -> object:
    """`linker.instantiate(store, component)` with the component of another engine"""
    linker = _linker(w)
    return linker.instantiate(w.Store(linker.engine), w.component.Component(w.Engine(), EXPORTING))


@case
def a_module_of_another_engine_is_refused(w: Package) -> object:
    """`root.add_module("module", module)` with the module of another engine"""
    with _linker(w).root() as root:
        return root.add_module("module", w.Module(w.Engine(), "(module)"))


@case
def a_closed_store_is_refused(w: Package) -> object:
    linker = _linker(w)
    store = w.Store(linker.engine)
    component = w.component.Component(linker.engine, EXPORTING)
    store.close()
    return linker.instantiate(store, component)


@case
def a_closed_component_is_refused(w: Package) -> object:
    linker = _linker(w)
    component = w.component.Component(linker.engine, EXPORTING)
    component.close()
    return linker.instantiate(w.Store(linker.engine), component)


@case
def names_must_be_str(w: Package) -> object:
    """`root.add_func(1, …)`, `add_instance(1)`"""
    with _linker(w).root() as root:
        return [attempt(lambda: root.add_func(1, lambda _context: None)), attempt(lambda: root.add_instance(1))]


@case
def names_may_be_anything(w: Package) -> object:
    """`root.add_func("not a name!", …)` and an empty name"""
    with _linker(w).root() as root:
        function = lambda _context: None  # noqa: E731
        return [attempt(lambda: root.add_func("not a name!", function)), attempt(lambda: root.add_func("", function))]


@case
def a_function_must_be_callable(w: Package) -> object:
    """`root.add_func("f", 5)`"""
    linker = _linker(w)
    with linker.root() as root:
        root.add_func("f", 5)
    return _call(w, linker, CALLING_NOTHING, "call")


@case
def a_module_must_be_one(w: Package) -> None:
    """`root.add_module("m", component)`"""
    linker = _linker(w)
    with linker.root() as root:
        root.add_module("m", w.component.Component(linker.engine, EXPORTING))


@case
def a_resource_type_must_be_one(w: Package) -> None:
    """`root.add_resource("r", 1, …)`"""
    with _linker(w).root() as root:
        root.add_resource("r", 1, lambda _context, _rep: None)


@case
def a_linker_instance_cannot_be_constructed(w: Package) -> object:
    """`LinkerInstance()`"""
    return w.component.LinkerInstance()


@case
def a_closed_linker_instance_is_refused(w: Package) -> object:
    with _linker(w).root() as root:
        used = root
    return used.add_func("f", lambda _context: None)


@case
def a_linker_in_use_is_locked(w: Package) -> object:
    """`linker.root()` while another root is open"""
    linker = _linker(w)
    with linker.root():
        return isinstance(linker.root(), w.component.LinkerInstance)


@case
def instantiating_while_a_root_is_open(w: Package) -> object:
    """`linker.instantiate(…)` while a root is open"""
    linker = _linker(w)
    with linker.root():
        return _call(w, linker, EXPORTING, "answer")


@case
def a_linker_instance_in_use_is_locked(w: Package) -> object:
    """`root.add_func(…)` while an instance of the root is open"""
    with _linker(w).root() as root, root.add_instance("a"):
        return root.add_func("f", lambda _context: None)


@case
def the_linker_is_usable_after_its_root(w: Package) -> object:
    linker = _linker(w)
    linker.root().close()
    with linker.root() as root:
        root.add_func("f", lambda _context, x: x)
    return _call(w, linker, CALLING, "call", 3)


@case
def a_linker_serves_many_stores(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root:
        root.add_func("f", lambda _context, x: x)
    return [_call(w, linker, CALLING, "call", x) for x in range(3)]


@case
def an_instance_outlives_its_linker(w: Package) -> object:
    linker = _linker(w)
    with linker.root() as root:
        root.add_func("f", lambda _context, x: x)
    store, instance = link(w, linker, CALLING)
    linker.close()
    return instance.get_func(store, "call")(store, 3)


@case
def it_is_a_context_manager(w: Package) -> object:
    with _linker(w) as linker:
        used = linker
    return used.root()


@case
def a_closed_linker_is_refused(w: Package) -> object:
    linker = _linker(w)
    linker.close()
    return linker.root()


@case
def a_closed_linker_refuses_wasi(w: Package) -> object:
    linker = _linker(w)
    linker.close()
    return linker.add_wasip2()


@case
def a_linker_can_be_closed_twice(w: Package) -> object:
    linker = _linker(w)
    return [linker.close(), linker.close()]
