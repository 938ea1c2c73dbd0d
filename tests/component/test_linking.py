"""Components, linkers and host functions: what they do, and what misuse raises."""

from __future__ import annotations

import asyncio
import gc
import pathlib
import weakref
from collections.abc import Callable
from typing import Any

import pytest

import ferrowasm as core
from ferrowasm import (
    ClosedError,
    ComponentTrap,
    Engine,
    ExpiredError,
    Module,
    Store,
    StoreContext,
    Trap,
    TrapCode,
    WasiConfig,
    WasmtimeError,
    WrongEngineError,
    WrongStoreError,
    wat2wasm,
)
from ferrowasm import Instance as CoreInstance
from ferrowasm.component import Component, ExportIndex, Func, Instance, InstanceExports, Linker, ResourceType
from wit_support import instantiate, pair, scalar, through_host

ANSWER = """(component
  (core module $m (func (export "f") (result i32) (i32.const 42)))
  (core instance $m (instantiate $m))
  (func $f (result u32) (canon lift (core func $m "f")))
  (instance $inner (export "the-answer" (func $f)))
  (export "answer" (func $f))
  (export "pkg:name/iface" (instance $inner)))"""

# Imports `f: func(x: u32) -> u32` and exports `call`, which passes its argument on.
CALLING = """(component
  (import "f" (func $f (param "x" u32) (result u32)))
  (core func $f (canon lower (func $f)))
  (core module $m (import "" "f" (func $f (param i32) (result i32))) (func (export "call") (param i32) (result i32) (call $f (local.get 0))))
  (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
  (func (export "call") (param "x" u32) (result u32) (canon lift (core func $m "call"))))"""

NESTED = """(component
  (import "outer" (instance $outer (export "inner" (instance (export "f" (func (result u32)))))))
  (alias export $outer "inner" (instance $inner))
  (core func $f (canon lower (func $inner "f")))
  (core module $m (import "" "f" (func $f (result i32))) (func (export "call") (result i32) (call $f)))
  (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
  (func (export "call") (result u32) (canon lift (core func $m "call"))))"""

RANDOM = """(component
  (import "wasi:random/random@0.2.0" (instance $random (export "get-random-u64" (func (result u64)))))
  (core func $f (canon lower (func $random "get-random-u64")))
  (core module $m (import "" "f" (func $f (result i64))) (func (export "call") (result i64) (call $f)))
  (core instance $m (instantiate $m (with "" (instance (export "f" (func $f))))))
  (func (export "call") (result u64) (canon lift (core func $m "call"))))"""


def linked(text: str = ANSWER) -> tuple[Store, Instance]:
    engine = Engine()
    store = Store(engine)
    return store, Linker(engine).instantiate(store, Component(engine, text))


def test_components_are_compiled_from_text_bytes_and_files(tmp_path: pathlib.Path) -> None:
    engine = Engine()
    path = tmp_path / "answer.wat"
    path.write_text(ANSWER)
    for component in (Component(engine, ANSWER), Component(engine, bytes(wat2wasm(ANSWER))), Component.from_file(engine, path)):
        store = Store(engine)
        func = Linker(engine).instantiate(store, component).get_func(store, "answer")
        assert func is not None and func(store) == 42


def test_what_is_no_component_is_refused() -> None:
    with pytest.raises(WasmtimeError, match="attempted to parse a wasm module with a component parser"):
        Component(Engine(), "(module)")
    with pytest.raises(TypeError):
        Component(Engine(), 5)  # type: ignore[arg-type]


def test_serialized_components_are_checked(tmp_path: pathlib.Path) -> None:
    engine = Engine()
    code = Component(engine, ANSWER).serialize()
    path = tmp_path / "answer.cwasm"
    path.write_bytes(code)
    for loaded in (Component.deserialize(engine, code), Component.deserialize_file(engine, path), Component.deserialize_file(engine, path, trusted=True)):
        store = Store(engine)
        func = Linker(engine).instantiate(store, loaded).get_func(store, "answer")
        assert func is not None and func(store) == 42
    code[len(code) // 2] ^= 1
    with pytest.raises(WasmtimeError, match="^the compiled code does not match its checksum"):
        Component.deserialize(engine, code)
    module = Module(engine, "(module)").serialize()
    with pytest.raises(WasmtimeError):
        Component.deserialize(engine, module)


def test_subclasses_have_their_own_init_and_come_out_of_class_methods(tmp_path: pathlib.Path) -> None:
    class Named(Component):
        def __init__(self, name: str, engine: Engine) -> None:
            super().__init__(engine, ANSWER)
            self.name = name

    class Ready(Linker):
        def __init__(self, *, value: int) -> None:
            super().__init__(Engine())
            with self.root() as root:
                root.add_func("f", lambda _context, x: x + value)

    linker = Ready(value=5)
    component = Named("answer", linker.engine)
    assert component.name == "answer"
    path = tmp_path / "answer.cwasm"
    path.write_bytes(component.serialize())
    text = tmp_path / "answer.wat"
    text.write_text(ANSWER)
    loaded = [Named.deserialize(linker.engine, path.read_bytes()), Named.deserialize_file(linker.engine, path), Named.from_file(linker.engine, text)]
    assert [type(component) for component in loaded] == [Named] * 3
    store = Store(linker.engine)
    call = linker.instantiate(store, Component(linker.engine, CALLING)).get_func(store, "call")
    assert call is not None and call(store, 1) == 6


def test_what_was_never_initialised_says_so() -> None:
    for object, use in ((Component.__new__(Component), "type"), (Linker.__new__(Linker), "engine")):
        with pytest.raises(ClosedError, match="was never initialised: its __init__ has not run$"):
            getattr(object, use)
    linker = Linker(Engine())
    with pytest.raises(RuntimeError, match="^this Linker is initialised already$"):
        linker.__init__(Engine())  # type: ignore[misc]


def test_exports_are_found_by_name_index_item_and_attribute() -> None:
    store, instance = linked()
    exports = instance.exports(store)
    assert isinstance(exports, InstanceExports)
    assert list(exports) == ["answer", "pkg:name/iface"]
    assert exports.answer(store) == exports["answer"](store) == 42
    nested = exports["pkg:name/iface"]
    assert nested.the_answer(store) == nested["the-answer"](store) == 42
    assert "nothing" not in exports and exports.get("nothing") is None
    with pytest.raises(KeyError, match="nothing"):
        exports["nothing"]
    with pytest.raises(AttributeError, match="^the instance has no export 'nothing'$"):
        exports.nothing
    index = instance.get_export_index(store, "pkg:name/iface")
    assert isinstance(index, ExportIndex)
    inner = instance.get_export_index(store, "the-answer", index)
    assert inner is not None
    func = instance.get_func(store, inner)
    assert func is not None and func(store) == 42
    assert instance.get_func(store, index) is None, "an instance is no function"
    assert instance.get_func(store, "nothing") is None


def test_export_indexes_belong_to_their_component() -> None:
    engine = Engine()
    index = Component(engine, ANSWER).get_export_index("answer")
    store = Store(engine)
    other = Linker(engine).instantiate(store, Component(engine, scalar("u8", "i32")))
    assert index is not None
    with pytest.raises(WasmtimeError, match="^this ExportIndex belongs to another component"):
        other.get_func(store, index)


def test_post_return_is_accepted_and_harmless() -> None:
    store, function = instantiate(pair("string"))
    func = function("echo")
    assert func(store, "a") == "a"
    func.post_return(store)
    func.post_return(store)
    assert func(store, "b") == "b"
    with pytest.raises(WrongStoreError):
        func.post_return(Store())


def test_host_functions_get_a_context_that_expires() -> None:
    contexts: list[StoreContext] = []

    def host(context: StoreContext, x: int) -> int:
        contexts.append(context)
        return x + 1

    store, function = instantiate(CALLING, f=host)
    assert function("call")(store, 1) == 2
    with pytest.raises(ExpiredError, match="^this StoreContext has expired"):
        function("call")(contexts[0], 1)


def test_host_functions_can_call_other_components_of_the_store() -> None:
    engine = Engine()
    store = Store(engine)
    answer = Linker(engine).instantiate(store, Component(engine, ANSWER)).get_func(store, "answer")
    assert answer is not None
    found = answer

    def host(context: StoreContext, x: int) -> int:
        return int(found(context)) + int(found(store)) + x

    linker = Linker(engine)
    with linker.root() as root:
        root.add_func("f", host)
    call = linker.instantiate(store, Component(engine, CALLING)).get_func(store, "call")
    assert call is not None and call(store, 1) == 85


class Odd(BaseException):
    pass


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), Odd("y"), StopIteration(3)])
def test_exceptions_of_callbacks_come_out_as_the_same_object(error: BaseException) -> None:
    def host(_context: StoreContext, _x: int) -> int:
        raise error

    store, function = instantiate(CALLING, f=host)
    with pytest.raises(type(error)) as caught:
        function("call")(store, 1)
    assert caught.value is error
    with pytest.raises(Trap, match="instantiate the component in a new Store") as refused:
        function("call")(store, 1)
    assert refused.value.trap_code is TrapCode.CANNOT_ENTER_COMPONENT


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), Odd("y")])
@pytest.mark.parametrize("depth", [1, 5])
def test_exceptions_come_out_of_many_calls_as_the_same_object(error: BaseException, depth: int) -> None:
    engine = Engine()
    store = Store(engine)
    component = Component(engine, CALLING)
    passed: list[int] = []

    def instance(host: Callable[[StoreContext, int], int]) -> Func:
        linker = Linker(engine)
        with linker.root() as root:
            root.add_func("f", host)
        call = linker.instantiate(store, component).get_func(store, "call")
        assert call is not None
        return call

    def raising(_context: StoreContext, _x: int) -> int:
        raise error

    def through(inner: Func) -> Callable[[StoreContext, int], int]:
        def host(context: StoreContext, x: int) -> int:
            try:
                return int(inner(context, x + 1))
            except BaseException:
                passed.append(x)
                raise

        return host

    call = instance(raising)
    for _ in range(depth):
        call = instance(through(call))
    with pytest.raises(type(error)) as caught:
        call(store, 0)
    assert caught.value is error and error.__cause__ is None
    assert passed == list(reversed(range(depth)))


def test_an_exception_that_a_callback_handles_does_not_come_out() -> None:
    engine = Engine()
    component = Component(engine, CALLING)

    def failing(_context: StoreContext, _x: int) -> int:
        raise ValueError("inner")

    linker = Linker(engine)
    with linker.root() as root:
        root.add_func("f", failing)
    other = Store(engine)
    inner = linker.instantiate(other, component).get_func(other, "call")
    assert inner is not None

    def handling(_context: StoreContext, x: int) -> int:
        with pytest.raises(ValueError, match="^inner$"):
            inner(other, x)
        return x + 1

    store, function = instantiate(CALLING, f=handling)
    assert function("call")(store, 1) == 2, "a store of its own fails for itself"
    with pytest.raises(Trap, match="instantiate the component in a new Store"):
        inner(other, 1)


def test_a_failed_store_says_so_for_every_component_and_goes_on_with_core_modules() -> None:
    engine = Engine()
    store = Store(engine)
    linker = Linker(engine)
    with linker.root() as root:
        root.add_func("f", lambda _context, _x: 1 // 0)
    failing = linker.instantiate(store, Component(engine, CALLING)).get_func(store, "call")
    answer = linker.instantiate(store, Component(engine, ANSWER)).get_func(store, "answer")
    assert failing is not None and answer is not None
    with pytest.raises(ZeroDivisionError):
        failing(store, 1)
    with pytest.raises(Trap) as refused:
        answer(store)
    assert refused.value.trap_code is TrapCode.CANNOT_ENTER_COMPONENT
    assert "an earlier error (a trap, an exception of a callback, or the cancellation of a call) left the components of this store unusable" in str(refused.value)
    core = CoreInstance(store, Module(engine, '(module (func (export "f") (result i32) (i32.const 5)))'), [])
    assert core.exports(store)["f"](store) == 5  # type: ignore[operator]


def test_wrong_results_of_callbacks_are_named() -> None:
    results: list[Any] = [2**32, "1", None]
    store, function = instantiate(CALLING, f=lambda _context, _x: results.pop(0))
    with pytest.raises(OverflowError, match="^result: 4294967296 does not fit u32: expected an int from 0 to 4294967295$"):
        function("call")(store, 1)
    for kind in ("str", "NoneType"):
        store, function = instantiate(CALLING, f=lambda _context, _x: results.pop(0))
        with pytest.raises(TypeError, match=f"^result: expected an int for u32, got {kind}$"):
            function("call")(store, 1)


def test_components_are_called_in_a_store_that_has_made_asynchronous_calls() -> None:
    store, function = instantiate(CALLING, f=lambda _context, x: x)

    async def call() -> None:
        assert function("call")(store, 1) == 1
        await asyncio.sleep(0)
        assert await function("call").call_async(store, 2) == 2

    assert function("call")(store, 3) == 3
    asyncio.run(core.Func(store, core.FuncType([], []), call).call_async(store))
    assert function("call")(store, 4) == 4


def test_a_callback_cannot_call_back_into_its_component() -> None:
    functions: list[Func] = []

    def host(context: StoreContext, x: int) -> int:
        return int(functions[0](context, x))

    store, function = instantiate(CALLING, f=host)
    functions.append(function("call"))
    with pytest.raises(Trap, match="a callback calls back into the component instance that called it"):
        functions[0](store, 1)


def test_traps_have_code_and_frames() -> None:
    text = scalar("u32", "i32").replace("(local.get 0))", "unreachable)")
    store, function = instantiate(text)
    with pytest.raises(ComponentTrap) as caught:
        function("echo")(store, 1)
    assert isinstance(caught.value, Trap) and isinstance(caught.value, WasmtimeError)
    assert caught.value.trap_code is TrapCode.UNREACHABLE
    assert len(caught.value.frames) == 1


def test_nested_instances_are_defined_step_by_step_and_reopened() -> None:
    engine = Engine()
    store = Store(engine)
    linker = Linker(engine)
    with linker.root() as root, root.add_instance("outer") as outer, outer.add_instance("inner") as inner:
        inner.add_func("f", lambda _context: 7)
    with linker.root() as root, root.add_instance("outer") as outer:
        outer.add_func("another", lambda _context: None)
    call = linker.instantiate(store, Component(engine, NESTED)).get_func(store, "call")
    assert call is not None and call(store) == 7


def test_a_closed_linker_instance_is_refused() -> None:
    linker = Linker(Engine())
    with linker.root() as root:
        pass
    with pytest.raises(ClosedError, match="^this LinkerInstance is already closed$"):
        root.add_func("f", print)


def test_definitions_are_shadowed_only_when_that_is_allowed() -> None:
    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        root.add_func("f", lambda _context, _x: 1)
        with pytest.raises(WasmtimeError, match="map entry `f` defined twice"):
            root.add_func("f", lambda _context, _x: 2)
        assert linker.allow_shadowing is False
        linker.allow_shadowing = True
        root.add_func("f", lambda _context, _x: 3)
    store = Store(engine)
    call = linker.instantiate(store, Component(engine, CALLING)).get_func(store, "call")
    assert call is not None and call(store, 0) == 3


def test_unknown_imports_are_an_error_or_a_trap() -> None:
    engine = Engine()
    component = Component(engine, CALLING)
    linker = Linker(engine)
    with pytest.raises(WasmtimeError, match="component imports function `f`"):
        linker.instantiate(Store(engine), component)
    linker.define_unknown_imports_as_traps(component)
    store = Store(engine)
    call = linker.instantiate(store, component).get_func(store, "call")
    assert call is not None
    with pytest.raises(WasmtimeError, match="unknown import: `f` has not been defined"):
        call(store, 1)


def test_unknown_instances_and_resources_are_traps_too() -> None:
    engine = Engine()
    linker = Linker(engine)
    component = Component(engine, NESTED)
    linker.define_unknown_imports_as_traps(component)
    store = Store(engine)
    call = linker.instantiate(store, component).get_func(store, "call")
    assert call is not None
    with pytest.raises(WasmtimeError, match="unknown import: `outer#inner#f` has not been defined|unknown import"):
        call(store)
    resource = Component(engine, '(component (import "r" (type $r (sub resource))) (import "f" (func (result (own $r)))))')
    linker = Linker(engine)
    with pytest.raises(WasmtimeError, match="r"):
        linker.instantiate(Store(engine), resource)
    linker.define_unknown_imports_as_traps(resource)
    linker.instantiate(Store(engine), resource)


def test_defined_imports_stay_when_the_unknown_ones_become_traps() -> None:
    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        root.add_func("f", lambda _context, x: x + 1)
    component = Component(engine, CALLING)
    linker.define_unknown_imports_as_traps(component)
    store = Store(engine)
    call = linker.instantiate(store, component).get_func(store, "call")
    assert call is not None and call(store, 1) == 2


def test_resources_and_modules_are_shadowed_only_when_that_is_allowed() -> None:
    engine = Engine()
    linker = Linker(engine)
    module = Module(engine, "(module)")
    with linker.root() as root:
        root.add_resource("r", ResourceType.host(1), print)
        root.add_module("m", module)
        with pytest.raises(WasmtimeError, match="`r` defined twice"):
            root.add_resource("r", ResourceType.host(2), print)
        with pytest.raises(WasmtimeError, match="`m` defined twice"):
            root.add_module("m", module)
        linker.allow_shadowing = True
        root.add_resource("r", ResourceType.host(2), print)
        root.add_module("m", module)


@pytest.mark.parametrize("wrong", [None, 5, "print", object()])
def test_what_cannot_be_called_is_no_host_function(wrong: Any) -> None:
    with Linker(Engine()).root() as root:
        with pytest.raises(TypeError, match=f"^expected a callable, got {type(wrong).__name__}$"):
            root.add_func("f", wrong)
        with pytest.raises(TypeError, match=f"^expected a callable, got {type(wrong).__name__}$"):
            root.add_resource("r", ResourceType.host(1), wrong)


def test_a_linker_may_be_used_while_it_instantiates() -> None:
    engine = Engine()
    linker = Linker(engine)
    text = """(component
      (import "f" (func $f (param "x" u32) (result u32)))
      (core func $f (canon lower (func $f)))
      (core module $m (import "" "f" (func $f (param i32) (result i32))) (func $go (drop (call $f (i32.const 1)))) (start $go))
      (core instance $m (instantiate $m (with "" (instance (export "f" (func $f)))))))"""
    seen: list[int] = []

    def host(context: StoreContext, x: int) -> int:
        seen.append(x)
        with linker.root() as root:
            root.add_func(f"g{len(seen)}", print)
        linker.instantiate(context, Component(engine, ANSWER))
        return x

    with linker.root() as root:
        root.add_func("f", host)
    linker.instantiate(Store(engine), Component(engine, text))
    assert seen == [1]


def test_core_modules_are_imports_too() -> None:
    engine = Engine()
    text = """(component (import "m" (core module $m (export "f" (func (result i32)))))
      (core instance $m (instantiate $m)) (func (export "f") (result u32) (canon lift (core func $m "f"))))"""
    linker = Linker(engine)
    with linker.root() as root:
        root.add_module("m", Module(engine, '(module (func (export "f") (result i32) (i32.const 5)))'))
        with pytest.raises(WrongEngineError):
            root.add_module("n", Module(Engine(), "(module)"))
    store = Store(engine)
    func = linker.instantiate(store, Component(engine, text)).get_func(store, "f")
    assert func is not None and func(store) == 5


def test_imports_resolved_once_serve_many_stores() -> None:
    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        root.add_func("f", lambda _context, x: x * 2)
    pre = linker.instantiate_pre(Component(engine, CALLING))
    for value in range(3):
        store = Store(engine)
        call = pre.instantiate(store).get_func(store, "call")
        assert call is not None and call(store, value) == 2 * value
    with pytest.raises(WrongEngineError):
        pre.instantiate(Store())


def test_the_wrong_store_or_engine_is_refused() -> None:
    store, instance = linked()
    func = instance.get_func(store, "answer")
    assert func is not None
    other = Store(store.engine)
    for use in (lambda: func(other), lambda: func.type(other), lambda: instance.get_func(other, "answer"), lambda: instance.exports(other)):
        with pytest.raises(WrongStoreError):
            use()
    with pytest.raises(WrongEngineError):
        Linker(Engine()).instantiate(store, Component(store.engine, ANSWER))


def test_wasi_works_in_a_store_with_and_without_a_configuration() -> None:
    engine = Engine()
    linker = Linker(engine)
    linker.add_wasip2()
    linker.add_wasi_http()
    component = Component(engine, RANDOM)
    for configured in (False, True):
        store = Store(engine)
        if configured:
            store.set_wasi(WasiConfig())
        call = linker.instantiate(store, component).get_func(store, "call")
        assert call is not None and 0 <= call(store) < 2**64


def test_cycles_through_callbacks_are_collected() -> None:
    class Holder:
        store: Store
        linker: Linker

    holder = Holder()
    gone = weakref.ref(holder)

    def host(_context: StoreContext, x: str, holder: Holder = holder) -> str:
        return x if holder.store else ""

    engine = Engine()
    holder.store, holder.linker = Store(engine), Linker(engine)
    with holder.linker.root() as root:
        root.add_func("f", host)
    call = holder.linker.instantiate(holder.store, Component(engine, through_host("string"))).get_func(holder.store, "call")
    assert call is not None and call(holder.store, "text") == "text"
    del holder, host, root, call
    gc.collect()
    assert gone() is None
