"""The package as a whole: its names, the signatures of its functions, and habits of programs that use it."""

from __future__ import annotations

import copy
import functools
import inspect
import threading
import weakref
from operator import attrgetter
from typing import Any

from .harness import Package, attempt, case, register
from .programs import ADD, func_type, host_func, instantiate, load
from .trace import API

CALLING = """(module (import "" "callback" (func $callback)) (func (export "call") (call $callback))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1))))"""


def _register_signatures() -> None:
    for class_name, description in API.items():
        if description["kind"] == "function":
            register(f"signature_of_{class_name}", _signature(class_name))
            continue
        if "init" in description:
            register(f"signature_of_{class_name}", _signature(class_name))
        for member, details in description["members"].items():
            # Special methods of native classes have the interpreter's names for parameters; nobody uses those names.
            if "params" in details and not member.startswith("__"):
                register(f"signature_of_{class_name}.{member}", _signature(class_name, member))


def _signature(*path: str) -> Any:
    def parameters(w: Package) -> object:
        function = attrgetter(".".join(path))(w)
        shown = []
        for parameter in inspect.signature(function).parameters.values():
            # What a program can see: annotations are for type checkers, which have the stubs.
            shown.append(str(parameter.replace(annotation=inspect.Parameter.empty)))
        return ", ".join(name for name in shown if name != "self")

    parameters.__doc__ = f"The parameters of `{'.'.join(path)}`"
    return parameters


_register_signatures()


def _has_weak_references(thing: object) -> bool:
    return weakref.ref(thing)() is thing


def _has(w: Package, name: str) -> bool:
    try:
        attrgetter(name)(w)
    except AttributeError:
        return False
    return True


@case
def every_documented_name_is_there(w: Package) -> object:
    """The names of the documentation that the package does not have"""
    return [name for name in API if not _has(w, name)]


@case
def a_star_import_gives_the_documented_names(w: Package) -> object:
    """The names of the documentation that `from package import *` does not give"""
    names: dict[str, object] = {}
    exec(f"from {w.__name__} import *", names)
    return [name for name in API if "." not in name and name not in names]


@case
def a_star_import_of_the_components_gives_the_documented_names(w: Package) -> object:
    """The names of the documentation that `from package.component import *` does not give"""
    names: dict[str, object] = {}
    exec(f"from {w.__name__}.component import *", names)
    prefix = "component."
    return [name for name in API if name.startswith(prefix) and name.removeprefix(prefix) not in names]


@case
def it_has_a_version(w: Package) -> object:
    """The type of `__version__`"""
    return type(w.__version__).__name__


@case
def classes_can_be_used_in_annotations(w: Package) -> object:
    return [isinstance(w.Func | None, type(int | None)), isinstance(w.Store | w.Caller, type(int | None))]


@case
def exports_are_told_apart_by_isinstance(w: Package) -> object:
    _, exports = load(w, '(module (func (export "f")) (memory (export "m") 1))')
    return [isinstance(exports["f"], w.Func), isinstance(exports["m"], w.Func), isinstance(exports["m"], w.Memory)]


@case
def stores_can_be_subclassed(w: Package) -> object:
    class MyStore(w.Store):  # type: ignore[misc]
        def __init__(self, name: str) -> None:
            super().__init__(None, name)
            self.name = name

    store = MyStore("mine")
    return [store.name, store.data(), host_func(w, store, "", "i32", lambda: 3)(store)]


@case
def engines_and_configs_can_be_subclassed(w: Package) -> object:
    class MyConfig(w.Config):  # type: ignore[misc]
        def __init__(self, fuel: bool) -> None:
            super().__init__()
            self.consume_fuel = fuel

    class MyEngine(w.Engine):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__(MyConfig(True))

    return w.Store(MyEngine()).get_fuel()


@case
def linkers_can_be_subclassed(w: Package) -> object:
    class MyLinker(w.Linker):  # type: ignore[misc]
        def __init__(self, engine: Any) -> None:
            super().__init__(engine)
            self.define_func("host", "f", func_type(w, "", "i32"), lambda: 3)

    linker = MyLinker(w.Engine())
    store = w.Store(linker.engine)
    return linker.get(store, "host", "f")(store)


@case
def modules_can_be_subclassed(w: Package) -> object:
    class MyModule(w.Module):  # type: ignore[misc]
        def names(self) -> list[str]:
            return [export.name for export in self.exports]

    return MyModule(w.Engine(), ADD).names()


@case
def subclassed_modules_come_from_files_and_bytes(w: Package) -> object:
    """The class of what `deserialize` of a subclass of `Module` returns"""

    class MyModule(w.Module):  # type: ignore[misc]
        pass

    engine = w.Engine()
    return type(MyModule.deserialize(engine, w.Module(engine, ADD).serialize())).__name__


@case
def exceptions_can_be_subclassed(w: Package) -> None:
    class MyError(w.WasmtimeError):  # type: ignore[misc]
        pass

    raise MyError("mine")


@case
def wasi_configs_can_be_subclassed(w: Package) -> object:
    class MyWasi(w.WasiConfig):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.argv = ["mine"]

    return w.Store().set_wasi(MyWasi())


@case
def objects_take_attributes(w: Package) -> object:
    """`store.name = "x"`"""
    store = w.Store()
    store.name = "x"
    return store.name


@case
def funcs_take_attributes(w: Package) -> object:
    """`func.name = "x"`"""
    _, exports = load(w, ADD)
    exports["add"].name = "x"
    return exports["add"].name


@case
def objects_can_be_weakly_referenced(w: Package) -> object:
    """`weakref.ref` of a `Store`, `Module`, `Engine`, `Func` and `Memory`"""
    store, exports = load(w, '(module (func (export "f")) (memory (export "m") 1))')
    module = w.Module(store.engine, ADD)
    things = [store, module, store.engine, exports["f"], exports["m"]]
    return [attempt(functools.partial(_has_weak_references, thing)) for thing in things]


@case
def callbacks_may_be_partial_functions_and_methods(w: Package) -> object:
    store = w.Store()
    seen: list[int] = []
    host_func(w, store, "i32", "", seen.append)(store, 1)
    doubled = host_func(w, store, "i32", "i32", functools.partial(lambda factor, x: factor * x, 2))(store, 21)
    return [seen, doubled]


@case
def funcs_can_be_bound_to_their_store(w: Package) -> object:
    store, exports = load(w, ADD)
    add = functools.partial(exports["add"], store)
    return [add(n, n) for n in range(4)]


@case
def a_store_works_on_another_thread(w: Package) -> object:
    store, exports = load(w, ADD)
    results: list[object] = []
    thread = threading.Thread(target=lambda: results.append(exports["add"](store, 1, 2)))
    thread.start()
    thread.join()
    return results


@case
def each_thread_may_have_a_store(w: Package) -> object:
    engine = w.Engine()
    module = w.Module(engine, ADD)
    results: dict[int, object] = {}

    def work(number: int) -> None:
        store = w.Store(engine)
        results[number] = w.Instance(store, module, []).exports(store)["add"](store, number, number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [results[number] for number in range(4)]


@case
def a_second_thread_is_refused_during_a_call(w: Package) -> object:
    """`add(store, 1, 2)` on a second thread, while the first one is in a callback of the same store"""
    outcomes: list[object] = []

    def callback() -> None:
        thread = threading.Thread(target=lambda: outcomes.append(attempt(lambda: exports["add"](store, 1, 2))))
        thread.start()
        thread.join()

    store = w.Store()
    exports = instantiate(w, store, CALLING, [w.Func(store, func_type(w), callback)])
    exports["call"](store)
    return outcomes


@case
def a_running_call_can_be_interrupted_from_another_thread(w: Package) -> object:
    config = w.Config()
    config.epoch_interruption = True
    store = w.Store(w.Engine(config))
    store.set_epoch_deadline(1)
    module = w.Module(store.engine, '(module (func (export "f") (loop br 0)))')
    f = w.Instance(store, module, []).exports(store)["f"]
    timer = threading.Timer(0.1, store.engine.increment_epoch)
    timer.start()
    return f(store)


@case
def types_can_be_copied(w: Package) -> object:
    """`copy.copy` of a `ValType`, compared with the original"""
    ty = w.ValType.i32()
    return copy.copy(ty) == ty
