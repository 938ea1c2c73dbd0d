"""`Linker` and `InstancePre`."""

from __future__ import annotations

from typing import Any

from .harness import Package, attempt, case
from .programs import ADD, ONE_OF_EACH, engine_with, func_type, host_func, instantiate, load, trap_code_of

NEEDS_F = '(module (import "host" "f" (func $f (result i32))) (func (export "g") (result i32) call $f))'

STARTS_WITH_F = '(module (import "host" "f" (func $f)) (start $f))'


def _linker(w: Package) -> tuple[Any, Any]:
    store = w.Store()
    return store, w.Linker(store.engine)


def _defined(w: Package) -> tuple[Any, Any]:
    store, linker = _linker(w)
    linker.define_func("host", "f", func_type(w, "", "i32"), lambda: 42)
    return store, linker


def _raise_lookup_error() -> None:
    raise LookupError("from the callback")


@case(covers=["Linker.engine"])
def it_keeps_its_engine(w: Package) -> object:
    engine = w.Engine()
    return w.Linker(engine).engine is engine


@case
def the_engine_can_be_named(w: Package) -> object:
    return w.Linker(engine=w.Engine())


@case
def an_engine_is_needed(w: Package) -> object:
    return w.Linker()


@case
def another_type_is_no_engine(w: Package) -> object:
    """`Linker(Store())`"""
    return w.Linker("engine")


@case
def a_closed_engine_is_refused(w: Package) -> object:
    engine = w.Engine()
    engine.close()
    return w.Linker(engine)


@case
def define_returns_none(w: Package) -> object:
    store, linker = _linker(w)
    return linker.define(store, "host", "f", host_func(w, store, "", "", lambda: None))


@case
def define_arguments_can_be_named(w: Package) -> object:
    store, linker = _linker(w)
    return linker.define(store=store, module="host", name="f", item=host_func(w, store, "", "", lambda: None))


@case
def every_kind_of_extern_can_be_defined(w: Package) -> object:
    store, exports = load(w, ONE_OF_EACH)
    linker = w.Linker(store.engine)
    for name, item in exports.items():
        linker.define(store, "host", name, item)
    linker.define(store, "host", "tag", w.Tag(store, w.TagType(func_type(w, "i32"))))
    return [linker.get(store, "host", name) for name in ("f", "m", "g", "t", "tag")]


@case
def a_defined_function_links(w: Package) -> object:
    store, linker = _linker(w)
    linker.define(store, "host", "f", host_func(w, store, "", "i32", lambda: 7))
    return linker.instantiate(store, w.Module(store.engine, NEEDS_F)).exports(store)["g"](store)


@case
def define_refuses_other_types(w: Package) -> None:
    store, linker = _linker(w)
    linker.define(store, "host", "f", lambda: None)


@case
def define_refuses_names_that_are_no_str(w: Package) -> None:
    """`linker.define(store, 1, "f", func)`"""
    store, linker = _linker(w)
    linker.define(store, 1, "f", host_func(w, store, "", "", lambda: None))


@case
def define_refuses_an_item_of_another_store(w: Package) -> None:
    """`linker.define(store, …, func)` where the function belongs to another store"""
    engine = w.Engine()
    store, other = w.Store(engine), w.Store(engine)
    w.Linker(engine).define(store, "host", "f", host_func(w, other, "", "", lambda: None))


@case
def defining_twice_is_refused(w: Package) -> None:
    store, linker = _linker(w)
    item = host_func(w, store, "", "", lambda: None)
    linker.define(store, "host", "f", item)
    linker.define(store, "host", "f", item)


@case(message=True)
def defining_twice_is_explained(w: Package) -> None:
    """The text of the error for a name that is defined twice"""
    _, linker = _defined(w)
    linker.define_func("host", "f", func_type(w), lambda: None)


@case
def shadowing_can_be_allowed(w: Package) -> object:
    store, linker = _defined(w)
    linker.allow_shadowing = True
    linker.define_func("host", "f", func_type(w, "", "i32"), lambda: 43)
    return linker.get(store, "host", "f")(store)


@case
def shadowing_can_be_forbidden_again(w: Package) -> None:
    _, linker = _defined(w)
    linker.allow_shadowing = True
    linker.allow_shadowing = False
    linker.define_func("host", "f", func_type(w), lambda: None)


@case
def allow_shadowing_can_be_read(w: Package) -> object:
    """`linker.allow_shadowing`"""
    return _linker(w)[1].allow_shadowing


@case
def define_func_returns_none(w: Package) -> object:
    _, linker = _linker(w)
    return linker.define_func("host", "f", func_type(w), lambda: None)


@case
def define_func_arguments_can_be_named(w: Package) -> object:
    store, linker = _linker(w)
    linker.define_func(module="m", name="f", ty=func_type(w, "", "i32"), func=lambda caller: 5, access_caller=True)
    return linker.get(store, "m", "f")(store)


@case
def define_func_needs_a_func_type(w: Package) -> object:
    _, linker = _linker(w)
    return linker.define_func("host", "f", "(func)", lambda: None)


@case
def define_func_serves_several_stores(w: Package) -> object:
    store, linker = _defined(w)
    module = w.Module(store.engine, NEEDS_F)
    stores = [w.Store(store.engine) for _ in range(3)]
    return [linker.instantiate(each, module).exports(each)["g"](each) for each in stores]


@case
def define_func_gives_the_caller_on_request(w: Package) -> object:
    store, linker = _linker(w)
    seen: list[str] = []
    linker.define_func(
        "host", "f", func_type(w, "i32"), lambda caller, x: seen.append(type(caller).__name__ + str(x)), True
    )
    wat = '(module (import "host" "f" (func $f (param i32))) (func (export "g") (call $f (i32.const 3))))'
    linker.instantiate(store, w.Module(store.engine, wat)).exports(store)["g"](store)
    return seen


@case
def an_exception_of_a_defined_function_comes_out(w: Package) -> object:
    store, linker = _linker(w)
    linker.define_func("host", "f", func_type(w, "", "i32"), _raise_lookup_error)
    return linker.instantiate(store, w.Module(store.engine, NEEDS_F)).exports(store)["g"](store)


@case
def define_instance_defines_its_exports(w: Package) -> object:
    store, linker = _linker(w)
    instance = w.Instance(store, w.Module(store.engine, ONE_OF_EACH), [])
    linker.define_instance(store=store, name="host", instance=instance)
    return [linker.get(store, "host", name) for name in "fmgt"]


@case
def define_instance_refuses_other_types(w: Package) -> None:
    store, linker = _linker(w)
    linker.define_instance(store, "host", w.Module(store.engine, ADD))


@case
def define_instance_refuses_another_store(w: Package) -> None:
    """`linker.define_instance(store, name, instance)` where the instance belongs to another store"""
    engine = w.Engine()
    store, other = w.Store(engine), w.Store(engine)
    w.Linker(engine).define_instance(store, "host", w.Instance(other, w.Module(engine, ADD), []))


@case
def define_instance_twice_is_refused(w: Package) -> None:
    store, linker = _linker(w)
    instance = w.Instance(store, w.Module(store.engine, ADD), [])
    linker.define_instance(store, "host", instance)
    linker.define_instance(store, "host", instance)


@case
def define_module_instantiates_on_its_own(w: Package) -> object:
    store, linker = _linker(w)
    linker.define_module(store=store, name="lib", module=w.Module(store.engine, ADD))
    return linker.get(store, "lib", "add")(store, 2, 3)


@case
def define_module_refuses_other_types(w: Package) -> None:
    store, linker = _linker(w)
    linker.define_module(store, "lib", ADD)


@case
def define_module_of_another_engine_is_refused(w: Package) -> None:
    """`linker.define_module(store, name, module)` where the module was compiled by another engine"""
    store, linker = _linker(w)
    linker.define_module(store, "lib", w.Module(w.Engine(), ADD))


@case
def define_wasi_defines_the_imports(w: Package) -> object:
    store, linker = _linker(w)
    linker.define_wasi()
    return linker.get(store, "wasi_snapshot_preview1", "fd_write")


@case
def define_wasi_twice_is_refused(w: Package) -> None:
    _, linker = _linker(w)
    linker.define_wasi()
    linker.define_wasi()


@case
def instantiate_gives_an_instance(w: Package) -> object:
    store, linker = _defined(w)
    instance = linker.instantiate(store=store, module=w.Module(store.engine, NEEDS_F))
    return [instance, instance.exports(store)["g"](store)]


@case(message=True)
def an_unknown_import_is_explained(w: Package) -> None:
    """The text of the error for an import that the linker does not know"""
    store, linker = _linker(w)
    linker.instantiate(store, w.Module(store.engine, NEEDS_F))


@case
def an_import_of_another_type_is_refused(w: Package) -> None:
    store, linker = _linker(w)
    linker.define_func("host", "f", func_type(w, "i32"), lambda x: None)
    linker.instantiate(store, w.Module(store.engine, NEEDS_F))


@case
def instantiate_needs_a_module(w: Package) -> None:
    """`linker.instantiate(store, None)`"""
    store, linker = _linker(w)
    linker.instantiate(store, None)


@case
def instantiate_needs_a_store(w: Package) -> None:
    """`linker.instantiate(None, module)`"""
    store, linker = _linker(w)
    linker.instantiate(None, w.Module(store.engine, ADD))


@case
def a_trap_of_the_start_function_is_raised(w: Package) -> object:
    store, linker = _linker(w)
    return trap_code_of(
        lambda: linker.instantiate(store, w.Module(store.engine, "(module (func $f unreachable) (start $f))"))
    )


@case
def an_exception_of_a_callback_leaves_the_start_function(w: Package) -> None:
    store, linker = _linker(w)
    linker.define_func("host", "f", func_type(w), _raise_lookup_error)
    linker.instantiate(store, w.Module(store.engine, STARTS_WITH_F))


@case
def an_exception_of_a_callback_leaves_instance_pre(w: Package) -> None:
    store, linker = _linker(w)
    linker.define_func("host", "f", func_type(w), _raise_lookup_error)
    linker.instantiate_pre(w.Module(store.engine, STARTS_WITH_F)).instantiate(store)


@case
def an_exception_of_a_callback_leaves_define_module(w: Package) -> None:
    """`linker.define_module` of a module whose start function calls a callback that raises `LookupError`"""
    store, linker = _linker(w)
    linker.define_func("host", "f", func_type(w), _raise_lookup_error)
    linker.define_module(store, "lib", w.Module(store.engine, STARTS_WITH_F))


@case
def an_exception_does_not_appear_in_a_later_call(w: Package) -> object:
    """A call that traps, after `define_module` has failed with the `LookupError` of a callback"""
    store, linker = _linker(w)
    linker.define_func("host", "f", func_type(w), _raise_lookup_error)
    attempt(lambda: linker.define_module(store, "lib", w.Module(store.engine, STARTS_WITH_F)))
    traps = instantiate(w, store, '(module (func (export "f") unreachable))')["f"]
    return traps(store)


@case
def a_store_of_another_engine_is_refused(w: Package) -> None:
    """`linker.instantiate(store, module)` with the store of another engine"""
    linker = w.Linker(w.Engine())
    linker.instantiate(w.Store(), w.Module(linker.engine, "(module)"))


@case
def a_defined_function_with_a_store_of_another_engine_is_refused(w: Package) -> object:
    """`linker.get(store, …)` of a `define_func` with the store of another engine"""
    _, linker = _defined(w)
    return linker.get(w.Store(), "host", "f")


@case
def get_finds_what_was_defined(w: Package) -> object:
    store, linker = _defined(w)
    return linker.get(store=store, module="host", name="f")(store)


@case
def get_of_an_unknown_name_is_an_error(w: Package) -> object:
    store, linker = _linker(w)
    return linker.get(store, "host", "f")


@case
def get_default_of_a_command_is_its_start(w: Package) -> object:
    store, linker = _linker(w)
    linker.define_module(store, "", w.Module(store.engine, '(module (func (export "_start")))'))
    return linker.get_default(store=store, name="")(store)


@case
def get_default_of_an_unknown_name_does_nothing(w: Package) -> object:
    store, linker = _linker(w)
    f = linker.get_default(store, "nothing")
    return [f, attempt(lambda: f(store))]


@case
def get_default_of_an_instance_is_its_default_export(w: Package) -> object:
    store, linker = _linker(w)
    module = w.Module(store.engine, '(module (func (export "") (result i32) (i32.const 3)))')
    linker.define_instance(store, "lib", w.Instance(store, module, []))
    return linker.get_default(store, "lib")(store)


@case
def unknown_imports_can_be_traps(w: Package) -> object:
    store, linker = _linker(w)
    module = w.Module(store.engine, NEEDS_F)
    linker.define_unknown_imports_as_traps(module=module)
    return linker.instantiate(store, module).exports(store)["g"](store)


@case
def unknown_imports_as_traps_need_a_module(w: Package) -> None:
    _linker(w)[1].define_unknown_imports_as_traps(None)


@case
def unknown_imports_can_be_default_values(w: Package) -> object:
    store, linker = _linker(w)
    wat = """
        (module
          (import "a" "f" (func $f (result i32 i64 f32 f64 externref)))
          (func (export "g") (result i32 i64 f32 f64 externref) call $f))"""
    module = w.Module(store.engine, wat)
    linker.define_unknown_imports_as_default_values(store=store, module=module)
    return linker.instantiate(store, module).exports(store)["g"](store)


@case
def unknown_memories_and_globals_get_defaults(w: Package) -> object:
    store, linker = _linker(w)
    wat = """
        (module (import "a" "m" (memory 2)) (import "a" "g" (global i32))
          (export "m" (memory 0)) (export "g" (global 0)))"""
    module = w.Module(store.engine, wat)
    linker.define_unknown_imports_as_default_values(store, module)
    exports = linker.instantiate(store, module).exports(store)
    return [exports["m"].size(store), exports["g"].value(store)]


@case
def unknown_imports_as_default_values_need_a_module(w: Package) -> None:
    store, linker = _linker(w)
    linker.define_unknown_imports_as_default_values(store, None)


@case
def known_imports_are_kept(w: Package) -> object:
    store, linker = _defined(w)
    module = w.Module(store.engine, NEEDS_F)
    linker.define_unknown_imports_as_default_values(store, module)
    return linker.instantiate(store, module).exports(store)["g"](store)


@case
def instantiate_pre_resolves_imports(w: Package) -> object:
    store, linker = _defined(w)
    pre = linker.instantiate_pre(module=w.Module(store.engine, NEEDS_F))
    return [pre, pre.instantiate(store=store).exports(store)["g"](store)]


@case
def instantiate_pre_serves_several_stores(w: Package) -> object:
    store, linker = _defined(w)
    pre = linker.instantiate_pre(w.Module(store.engine, NEEDS_F))
    stores = [w.Store(store.engine) for _ in range(3)]
    return [pre.instantiate(each).exports(each)["g"](each) for each in stores]


@case
def instantiate_pre_knows_its_module(w: Package) -> object:
    store, linker = _defined(w)
    module = linker.instantiate_pre(w.Module(store.engine, NEEDS_F)).module
    return [module, module.exports]


@case
def instantiate_pre_refuses_unknown_imports(w: Package) -> None:
    store, linker = _linker(w)
    linker.instantiate_pre(w.Module(store.engine, NEEDS_F))


@case
def instantiate_pre_needs_a_module(w: Package) -> None:
    _linker(w)[1].instantiate_pre(NEEDS_F)


@case
def instantiate_pre_refuses_the_store_of_another_engine(w: Package) -> object:
    """`instance_pre.instantiate(store)` with the store of another engine"""
    store, linker = _defined(w)
    return linker.instantiate_pre(w.Module(store.engine, NEEDS_F)).instantiate(w.Store())


@case
def instantiate_pre_raises_traps(w: Package) -> object:
    store, linker = _linker(w)
    pre = linker.instantiate_pre(w.Module(store.engine, "(module (func $f unreachable) (start $f))"))
    return trap_code_of(lambda: pre.instantiate(store))


@case
def instance_pre_closes(w: Package) -> object:
    store, linker = _defined(w)
    with linker.instantiate_pre(w.Module(store.engine, NEEDS_F)) as pre:
        pre.instantiate(store)
    return pre.instantiate(store)


@case
def instance_pre_close_may_be_repeated(w: Package) -> object:
    store, linker = _defined(w)
    pre = linker.instantiate_pre(w.Module(store.engine, NEEDS_F))
    return [pre.close(), pre.close()]


@case
def instance_pre_is_not_made_by_hand(w: Package) -> object:
    """`InstancePre()`"""
    return type(w.InstancePre()).__name__


@case
def a_closed_linker_is_refused(w: Package) -> object:
    store, linker = _defined(w)
    linker.close()
    return linker.get(store, "host", "f")


@case
def with_closes_it(w: Package) -> None:
    with w.Linker(w.Engine()) as linker:
        linker.define_wasi()
    linker.define_wasi()


@case
def an_instance_survives_its_linker(w: Package) -> object:
    store, linker = _defined(w)
    exports = linker.instantiate(store, w.Module(store.engine, NEEDS_F)).exports(store)
    linker.close()
    return exports["g"](store)


@case
def linked_instances_share_state(w: Package) -> object:
    store, linker = _linker(w)
    counter = instantiate(w, store, '(module (global (export "n") (mut i32) (i32.const 0)))')["n"]
    linker.define(store, "host", "n", counter)
    wat = """
        (module (import "host" "n" (global $n (mut i32)))
          (func (export "up") (global.set $n (i32.add (global.get $n) (i32.const 1)))))"""
    module = w.Module(store.engine, wat)
    for _ in range(3):
        linker.instantiate(store, module).exports(store)["up"](store)
    return counter.value(store)


@case
def fuel_is_consumed_through_a_linker(w: Package) -> object:
    store = w.Store(engine_with(w, consume_fuel=True))
    store.set_fuel(100)
    linker = w.Linker(store.engine)
    f = linker.instantiate(store, w.Module(store.engine, ADD)).exports(store)["add"]
    f(store, 1, 2)
    return store.get_fuel()
