"""What a callback raises comes out as the same object, where it belongs and nowhere else."""

from __future__ import annotations

import functools
import sys
import threading
import traceback
from collections.abc import Callable
from types import TracebackType
from typing import Any

import pytest
from support import func_type, host, instantiate

from ferrowasm import ExitTrap, Func, Instance, Linker, Module, Store, Trap, WasmtimeError


class Custom(Exception):
    def __init__(self, *args: object, extra: object = None) -> None:
        super().__init__(*args)
        self.extra = extra


class Base(BaseException):
    pass


EXCEPTIONS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("bad value"),
    "Custom": lambda: Custom("custom", extra=[1]),
    "BaseException": lambda: Base("base"),
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "StopIteration": lambda: StopIteration(5),
    "StopAsyncIteration": StopAsyncIteration,
    "GeneratorExit": GeneratorExit,
    "RecursionError": lambda: RecursionError("made up"),
    "MemoryError": MemoryError,
    "ExceptionGroup": lambda: ExceptionGroup("group", [ValueError(1), KeyError(2)]),
    "WasmtimeError": lambda: WasmtimeError("made by hand"),
    "Trap": lambda: Trap("made by hand"),
    "ExitTrap": lambda: ExitTrap("made by hand"),
}

RELAY = '(module (import "" "h" (func $h)) (func $inner (call $h)) (func (export "f") (call $inner)))'


@pytest.fixture(params=list(EXCEPTIONS))
def error(request: pytest.FixtureRequest) -> BaseException:
    return EXCEPTIONS[request.param]()


def raising(error: BaseException) -> Callable[[], None]:
    def callback() -> None:
        raise error

    return callback


def nested(store: Store, callback: Callable[[], None], depth: int) -> Func:
    """A function that reaches `callback` through `depth` calls from Python into WebAssembly."""
    func = instantiate(RELAY, [host(store, callback)], store)[1].func("f")
    for _ in range(depth - 1):
        func = instantiate(RELAY, [host(store, lambda func=func: func(store))], store)[1].func("f")
    return func


def function_names(trace: TracebackType | None) -> list[str]:
    return [frame.name for frame in traceback.extract_tb(trace)]


@pytest.mark.parametrize("depth", [1, 2, 3, 4, 5])
def test_the_same_object_comes_out_at_any_depth(error: BaseException, depth: int) -> None:
    store = Store()
    with pytest.raises(type(error)) as caught:
        nested(store, raising(error), depth)(store)
    assert caught.value is error


@pytest.mark.parametrize("depth", [1, 2, 5])
def test_the_traceback_has_the_frames_of_every_callback(depth: int) -> None:
    store = Store()
    func = nested(store, raising(Custom("x")), depth)
    with pytest.raises(Custom) as caught:
        func(store)
    names = function_names(caught.value.__traceback__)
    assert names.count("callback") == 1
    assert names[-1] == "callback"
    assert names.count("<lambda>") == depth - 1


def test_cause_context_and_notes_are_kept() -> None:
    store = Store()
    cause, error = KeyError("cause"), Custom("effect")
    error.add_note("a note")

    def callback() -> None:
        try:
            raise LookupError("context")
        except LookupError:
            raise error from cause

    with pytest.raises(Custom) as caught:
        nested(store, callback, 3)(store)
    assert caught.value is error
    assert caught.value.__cause__ is cause
    assert isinstance(caught.value.__context__, LookupError)
    assert caught.value.__suppress_context__
    assert caught.value.__notes__ == ["a note"]


def test_attributes_of_the_exception_are_kept() -> None:
    store = Store()
    extra = object()
    with pytest.raises(Custom) as caught:
        nested(store, raising(Custom("x", extra=extra)), 2)(store)
    assert caught.value.extra is extra


def test_locals_of_the_callback_can_be_inspected() -> None:
    store = Store()

    def callback() -> None:
        secret = 42
        raise Custom(secret)

    with pytest.raises(Custom) as caught:
        nested(store, callback, 1)(store)
    trace = caught.value.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    assert trace is not None and trace.tb_frame.f_locals["secret"] == 42


def test_an_exception_in_a_start_function_comes_out_of_instantiation(error: BaseException) -> None:
    store = Store()
    module = Module(store.engine, '(module (import "" "h" (func $h)) (start $h))')
    with pytest.raises(type(error)) as caught:
        Instance(store, module, [host(store, raising(error))])
    assert caught.value is error


def test_an_exception_in_a_start_function_comes_out_of_linkers(error: BaseException) -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define_func("", "h", func_type(), raising(error))
    module = Module(store.engine, '(module (import "" "h" (func $h)) (func $s (call $h)) (start $s))')
    pre = linker.instantiate_pre(module)
    for instantiate_in in (functools.partial(linker.instantiate, module=module), pre.instantiate):
        with pytest.raises(type(error)) as caught:
            instantiate_in(store)
        assert caught.value is error


def test_an_exception_in_the_initialisation_of_a_reactor_comes_out(error: BaseException) -> None:
    store = Store()
    linker = Linker(store.engine)
    linker.define_func("", "h", func_type(), raising(error))
    module = Module(store.engine, '(module (import "" "h" (func $h)) (func (export "_initialize") (call $h)))')
    with pytest.raises(type(error)) as caught:
        linker.define_module(store, "reactor", module)
    assert caught.value is error


def test_an_exception_in_a_command_comes_out_of_each_call() -> None:
    store = Store()
    linker = Linker(store.engine)
    errors: list[Custom] = []

    def callback() -> None:
        errors.append(Custom(len(errors)))
        raise errors[-1]

    linker.define_func("", "h", func_type(), callback)
    linker.define_module(store, "command", Module(store.engine, '(module (import "" "h" (func $h)) (func (export "_start") (call $h)))'))
    start = linker.get_default(store, "command")
    for _ in range(3):
        with pytest.raises(Custom) as caught:
            start(store)
        assert caught.value is errors[-1]
    assert len(errors) == 3


def test_an_exception_is_raised_once_and_never_in_a_later_call() -> None:
    store = Store()
    errors: list[BaseException | None] = [Custom("once"), None, None]

    def callback() -> None:
        error = errors.pop(0)
        if error is not None:
            raise error

    func = nested(store, callback, 2)
    with pytest.raises(Custom):
        func(store)
    assert func(store) is None
    with pytest.raises(Trap) as caught:
        instantiate('(module (func (export "f") unreachable))', (), store)[1].func("f")(store)
    assert caught.value.__context__ is None
    assert func(store) is None


def test_a_caught_exception_does_not_come_back() -> None:
    store = Store()
    func = nested(store, raising(Custom("inner")), 1)
    seen: list[BaseException] = []

    def outer() -> None:
        try:
            func(store)
        except Custom as error:
            seen.append(error)

    assert nested(store, outer, 1)(store) is None
    assert len(seen) == 1


def test_another_exception_replaces_the_first_and_has_it_as_context() -> None:
    store = Store()
    first, second = Custom("first"), Custom("second")
    func = nested(store, raising(first), 1)

    def outer() -> None:
        try:
            func(store)
        finally:
            raise second

    with pytest.raises(Custom) as caught:
        nested(store, outer, 1)(store)
    assert caught.value is second
    assert caught.value.__context__ is first


def test_a_trap_goes_through_python_frames_as_the_same_object() -> None:
    store, exports = instantiate('(module (func (export "f") unreachable))')
    seen: list[Trap] = []

    def callback() -> None:
        try:
            exports.func("f")(store)
        except Trap as trap:
            seen.append(trap)
            raise

    with pytest.raises(Trap) as caught:
        nested(store, callback, 2)(store)
    assert caught.value is seen[0]


def test_webassembly_cannot_catch_a_python_exception() -> None:
    store = Store()
    error = Custom("through")
    _, exports = instantiate(
        """(module (import "" "h" (func $h))
             (func (export "f") (result i32)
               (block $caught (try_table (catch_all $caught) (call $h)) (return (i32.const 0)))
               (i32.const 1)))""",
        [host(store, raising(error))],
        store,
    )
    with pytest.raises(Custom) as caught:
        exports.func("f")(store)
    assert caught.value is error


def test_code_after_the_call_does_not_run_when_the_callback_raises() -> None:
    store = Store()
    _, exports = instantiate(
        """(module (import "" "h" (func $h)) (global $g (export "g") (mut i32) (i32.const 0))
             (func (export "f") (call $h) (global.set $g (i32.const 1))))""",
        [host(store, raising(Custom()))],
        store,
    )
    with pytest.raises(Custom):
        exports.func("f")(store)
    assert exports.global_("g").value(store) == 0


def test_a_wrong_result_of_a_callback_is_the_conversion_error() -> None:
    store = Store()
    for result, kind, error in [("1", "i", TypeError), (2**32, "i", OverflowError), (b"", "v", ValueError), (1, "r", TypeError)]:
        with pytest.raises(error):
            host(store, lambda result=result: result, "", kind)(store)


def test_a_callback_with_the_wrong_parameters_is_pythons_own_type_error() -> None:
    store = Store()
    with pytest.raises(TypeError, match=r"takes 0 positional arguments but 1 was given"):
        host(store, lambda: None, "i")(store, 1)


def test_generators_and_contexts_see_stop_iteration_unchanged() -> None:
    store = Store()
    numbers = iter([1, 2])
    func = host(store, lambda: next(numbers), "", "i")
    assert [func(store), func(store)] == [1, 2]
    with pytest.raises(StopIteration):
        func(store)


def test_the_exception_being_handled_is_visible_inside_the_callback() -> None:
    store = Store()
    seen: list[Any] = []
    func = host(store, lambda: seen.append(sys.exc_info()[1]))
    error = Custom("handled")
    try:
        raise error
    except Custom:
        func(store)
    assert seen == [error]


def test_eight_threads_lose_and_swap_no_exception() -> None:
    rounds, workers = 500, 8
    problems: list[str] = []
    counts = [0] * workers

    def work(worker: int) -> None:
        store = Store()
        current: list[Custom | None] = [None]

        def callback() -> None:
            error = current[0]
            if error is not None:
                raise error

        func = nested(store, callback, 1 + worker % 3)
        for turn in range(rounds):
            expected = Custom(worker, turn) if turn % 2 else None
            current[0] = expected
            got: BaseException | None = None
            try:
                func(store)
            except BaseException as error:  # noqa: BLE001 - whatever comes out is compared
                got = error
            if got is not expected:
                problems.append(f"worker {worker}, turn {turn}: expected {expected!r}, got {got!r}")
            counts[worker] += 1

    threads = [threading.Thread(target=work, args=(worker,)) for worker in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert counts == [rounds] * workers
