"""What Python code raises anywhere below WebAssembly comes out as the same object, with its traceback, wherever WebAssembly was entered."""

from __future__ import annotations

import array
import asyncio
import signal
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from support import func_type, host, instantiate
from wit_support import echoing, pair, scalar
from wit_support import instantiate as instantiate_component

from ferrowasm import (
    Engine,
    Func,
    Instance,
    Linker,
    Module,
    SignatureError,
    Store,
    Trap,
    WasiConfig,
    WasmtimeError,
)
from ferrowasm.component import Component, ResourceHost, ResourceType
from ferrowasm.component import Linker as ComponentLinker


class Plain(Exception):
    """An ordinary class of an application."""


class Base(BaseException):
    """A class that `except Exception` does not catch."""


class Unprintable(Exception):
    """Nobody can tell what it is."""

    def __str__(self) -> str:
        raise RuntimeError("no text")

    __repr__ = __str__


class Incomparable(Exception):
    """Equality and truth are not defined."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        raise RuntimeError("no comparison")

    def __bool__(self) -> bool:
        raise RuntimeError("no truth")


class Slotted(Exception):
    """Its attributes are fixed."""

    __slots__ = ("value",)

    def __init__(self) -> None:
        super().__init__("slots")
        self.value = [self]


class Stubborn(Exception):
    """Refuses to be changed."""

    def __setattr__(self, name: str, value: object) -> None:
        raise RuntimeError("no change")


class Deep(Exception):
    """Has a long chain of causes."""

    def __init__(self) -> None:
        super().__init__("deep")
        last: BaseException = self
        for number in range(500):
            last.__cause__ = ValueError(number)
            last = last.__cause__


def circular() -> BaseException:
    """Is its own context, by a detour."""
    error, other = ValueError("one"), KeyError("other")
    error.__context__, other.__context__ = other, error
    return error


def noted() -> BaseException:
    error = ValueError("with notes")
    error.add_note("first")
    error.add_note("second")
    return error


#: What makes the exceptions, by name.
ERRORS: dict[str, Callable[[], BaseException]] = {
    "ValueError": lambda: ValueError("x"),
    "Plain": lambda: Plain("x", 1),
    "Base": lambda: Base("x"),
    "KeyboardInterrupt": KeyboardInterrupt,
    "SystemExit": lambda: SystemExit(3),
    "GeneratorExit": GeneratorExit,
    "StopIteration": lambda: StopIteration(5),
    "StopAsyncIteration": lambda: StopAsyncIteration(5),
    "CancelledError": asyncio.CancelledError,
    "TimeoutError": lambda: TimeoutError("x"),
    "MemoryError": MemoryError,
    "RecursionError": lambda: RecursionError("x"),
    "OSError": lambda: OSError(2, "nothing there", "name"),
    "UnicodeDecodeError": lambda: UnicodeDecodeError("utf-8", b"\xff", 0, 1, "reason"),
    "SyntaxError": lambda: SyntaxError("x", ("file", 1, 2, "text")),
    "ImportError": lambda: ImportError("x", name="n"),
    "Group": lambda: BaseExceptionGroup("several", [ValueError(1), KeyboardInterrupt()]),
    "Trap": lambda: Trap("mine"),
    "WasmtimeError": lambda: WasmtimeError("mine"),
    "Warning": lambda: UserWarning("x"),
    "Unprintable": Unprintable,
    "Incomparable": Incomparable,
    "Slotted": Slotted,
    "Stubborn": lambda: Stubborn("x"),
    "Deep": Deep,
    "circular": circular,
    "noted": noted,
    "empty": BaseException,
}


class Raiser:
    """Raises an exception when it is called, and knows which one."""

    def __init__(self, make: Callable[[], BaseException]) -> None:
        self.error = make()
        self.cause = self.error.__cause__
        self.context = self.error.__context__
        self.calls = 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        raise self.error

    def check(self, run: Callable[[], Any]) -> None:
        """`run` has to raise the exception as it was."""
        try:
            run()
        except BaseException as error:  # noqa: BLE001
            caught = error
        else:
            raise AssertionError("nothing was raised")
        assert caught is self.error, f"{type(caught)}: {caught!r}"
        assert self.calls == 1
        names = []
        traceback = caught.__traceback__
        while traceback is not None:
            names.append(traceback.tb_frame.f_code.co_name)
            traceback = traceback.tb_next
        assert names[0] == "check" and names[-1] == "__call__", names
        assert caught.__cause__ is self.cause
        assert caught.__context__ is self.context


@pytest.fixture(params=ERRORS)
def raiser(request: pytest.FixtureRequest) -> Raiser:
    return Raiser(ERRORS[request.param])


# ---- wherever WebAssembly was entered ----

WAT = """(module
  (import "" "h" (func $h (param i32) (result i32)))
  (memory (export "memory") 1)
  (table 1 funcref) (elem (i32.const 0) $h)
  (func (export "f") (param i32) (result i32) (call $h (local.get 0)))
  (func (export "indirect") (result i32) (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0)))
  (func $deep (export "deep") (param i32) (result i32)
    (if (result i32) (local.get 0) (then (call $deep (i32.sub (local.get 0) (i32.const 1)))) (else (call $h (i32.const 0)))))
  (func (export "caught") (result i32)
    (block $b (result exnref) (try_table (result i32) (catch_all_ref $b) (call $h (i32.const 0))) (return)) (drop) (i32.const 5)))"""

START = '(module (import "" "h" (func $h (param i32) (result i32))) (func $s (drop (call $h (i32.const 1)))) (start $s))'
REFERENCES = '(module (import "" "h" (func $h (param externref) (result externref))) (func (export "f") (param externref) (result externref) (call $h (local.get 0))))'

Entry = Callable[[Raiser], Callable[[], Any]]


def exports_of(raiser: Raiser, name: str, *args: Any) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    return lambda: exports.func(name)(store, *args)


def bound(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    function = exports.func("f").bind(store)
    return lambda: function(1)


def bound_with_timeout(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    function = exports.func("f").bind(store, timeout=60)
    return lambda: function(1)


def within_deadline(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)

    def run() -> None:
        with store.deadline(60):
            exports.func("f")(store, 1)

    return run


def directly(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    return lambda: host(store, raiser, "i", "i")(store, 1)


def with_caller(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i", access_caller=True)], store)
    return lambda: exports.func("f")(store, 1)


def with_references(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(REFERENCES, [host(store, raiser, "e", "e")], store)
    return lambda: exports.func("f")(store, object())


def nested(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    inner = host(store, raiser, "i", "i")
    _, first = instantiate(WAT, [inner], store)
    _, second = instantiate(WAT, [host(store, lambda number: first.func("f")(store, number), "i", "i")], store)
    return lambda: second.func("f")(store, 1)


def in_another_store(raiser: Raiser) -> Callable[[], Any]:
    inner, outer = Store(), Store()
    _, first = instantiate(WAT, [host(inner, raiser, "i", "i")], inner)
    _, second = instantiate(WAT, [host(outer, lambda number: first.func("f")(inner, number), "i", "i")], outer)
    return lambda: second.func("f")(outer, 1)


def start(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    module = Module(store.engine, START)
    return lambda: Instance(store, module, [host(store, raiser, "i", "i")])


def linked(raiser: Raiser, wat: str) -> tuple[Store, Linker, Module]:
    engine = Engine()
    linker = Linker(engine)
    linker.define_func("", "h", func_type("i", "i"), raiser)
    return Store(engine), linker, Module(engine, wat)


def linker_start(raiser: Raiser) -> Callable[[], Any]:
    store, linker, module = linked(raiser, START)
    return lambda: linker.instantiate(store, module)


def pre_start(raiser: Raiser) -> Callable[[], Any]:
    store, linker, module = linked(raiser, START)
    pre = linker.instantiate_pre(module)
    return lambda: pre.instantiate(store)


def linker_module_start(raiser: Raiser) -> Callable[[], Any]:
    store, linker, module = linked(raiser, START)
    return lambda: linker.define_module(store, "m", module)


def linker_call(raiser: Raiser) -> Callable[[], Any]:
    store, linker, module = linked(raiser, WAT)
    return lambda: linker.instantiate(store, module).exports(store).func("f")(store, 1)


def mapped(raiser: Raiser) -> Callable[[], Any]:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    return lambda: exports.func("f").map(store, array.array("i", [1, 2, 3]))


COMPONENT = """(component
  (import "h" (func $h (param "x" u32) (result u32)))
  (core func $lowered (canon lower (func $h)))
  (core module $code (import "" "h" (func $h (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $h (local.get 0))))
  (core instance $c (instantiate $code (with "" (instance (export "h" (func $lowered))))))
  (func (export "f") (param "x" u32) (result u32) (canon lift (core func $c "f"))))"""


def component(raiser: Raiser) -> Callable[[], Any]:
    store, function = instantiate_component(COMPONENT, h=raiser)
    return lambda: function("f")(store, 1)


def component_start(raiser: Raiser) -> Callable[[], Any]:
    text = """(component (import "h" (func $h)) (core func $lowered (canon lower (func $h)))
      (core module $code (import "" "h" (func $h)) (start $h))
      (core instance (instantiate $code (with "" (instance (export "h" (func $lowered)))))))"""
    engine = Engine()
    linker = ComponentLinker(engine)
    with linker.root() as root:
        root.add_func("h", raiser)
    made = Component(engine, text)
    return lambda: linker.instantiate(Store(engine), made)


def component_in_a_callback(raiser: Raiser) -> Callable[[], Any]:
    inner, function = instantiate_component(COMPONENT, h=raiser)
    store = Store()
    _, exports = instantiate(WAT, [host(store, lambda number: function("f")(inner, number), "i", "i")], store)
    return lambda: exports.func("f")(store, 1)


ENTRIES: dict[str, Entry] = {
    "call": lambda raiser: exports_of(raiser, "f", 1),
    "indirect": lambda raiser: exports_of(raiser, "indirect"),
    "deep": lambda raiser: exports_of(raiser, "deep", 1000),
    # WebAssembly cannot catch what Python raises.
    "caught": lambda raiser: exports_of(raiser, "caught"),
    "bound": bound,
    "bound-with-timeout": bound_with_timeout,
    "within-deadline": within_deadline,
    "directly": directly,
    "with-caller": with_caller,
    "with-references": with_references,
    "nested": nested,
    "in-another-store": in_another_store,
    "start": start,
    "linker-start": linker_start,
    "pre-start": pre_start,
    "linker-module-start": linker_module_start,
    "linker-call": linker_call,
    "map": mapped,
    "component": component,
    "component-start": component_start,
    "component-in-a-callback": component_in_a_callback,
}


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_exception_comes_out_of_every_entry(entry: str, raiser: Raiser) -> None:
    raiser.check(ENTRIES[entry](raiser))


# ---- asynchronous calls ----


def drive(awaitable: Any) -> Any:
    """Runs what can be awaited, without an event loop."""
    iterator = awaitable.__await__()
    try:
        while True:
            next(iterator)
    except StopIteration as end:
        return end.value


def asynchronous(raiser: Raiser) -> Any:
    store = Store()
    _, exports = instantiate(WAT, [host(store, raiser, "i", "i")], store)
    return exports.func("f").call_async(store, 1)


def asynchronous_start(raiser: Raiser) -> Any:
    store, linker, module = linked(raiser, START)
    return linker.instantiate_async(store, module)


def asynchronous_pre_start(raiser: Raiser) -> Any:
    store, linker, module = linked(raiser, START)
    return linker.instantiate_pre(module).instantiate_async(store)


def coroutine(raiser: Raiser) -> Any:
    async def callback(number: int) -> int:
        return int(raiser(number))

    store = Store()
    _, exports = instantiate(WAT, [host(store, callback, "i", "i")], store)
    return exports.func("f").call_async(store, 1)


ASYNCHRONOUS = {"call": asynchronous, "start": asynchronous_start, "pre-start": asynchronous_pre_start, "coroutine": coroutine}


@pytest.mark.parametrize("entry", ASYNCHRONOUS)
def test_an_exception_comes_out_of_what_is_awaited(entry: str, raiser: Raiser) -> None:
    def run() -> None:
        drive(ASYNCHRONOUS[entry](raiser))

    if isinstance(raiser.error, StopIteration):
        # As for every coroutine (PEP 479).
        with pytest.raises(RuntimeError) as caught:
            run()
        assert caught.value.__cause__ is raiser.error
    else:
        raiser.check(run)


# ---- every kind of Python code below WebAssembly ----


class Index:
    """A number that raises when it is asked for its value."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __index__(self) -> int:
        result: int = self.raiser()
        return result


class Items:
    """An iterable that raises when it is asked for its items."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __iter__(self) -> Iterator[int]:
        result: Iterator[int] = self.raiser()
        return result


class Broken:
    """An iterator that raises at its second item."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser
        self.first = True

    def __iter__(self) -> Broken:
        return self

    def __next__(self) -> int:
        if self.first:
            self.first = False
            return 1
        result: int = self.raiser()
        return result


class Sized(Sequence[int]):
    """A sequence that raises when it is asked for its length, or for its second item."""

    def __init__(self, raiser: Raiser, length: int | None) -> None:
        self.raiser, self.length = raiser, length

    def __len__(self) -> int:
        return self.raiser() if self.length is None else self.length

    def __getitem__(self, index: Any) -> Any:
        return index if index == 0 else self.raiser()


class Limiter:
    """Asks the raiser about one of the things that it is asked."""

    def __init__(self, raiser: Raiser, which: str) -> None:
        self.raiser, self.which = raiser, which

    def ask(self, which: str) -> bool:
        if which == self.which:
            self.raiser()
        return True

    def memory_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        return self.ask("memory" if current else "new-memory")

    def table_growing(self, current: int, desired: int, maximum: int | None) -> bool:
        return self.ask("table" if current else "new-table")

    def memory_grow_failed(self, error: str) -> None:
        self.ask("failed")


GROWING = """(module (memory i64 1) (table 1 funcref)
  (func (export "memory") (drop (memory.grow (i64.const 1)))) (func (export "table") (drop (table.grow (ref.null func) (i32.const 1))))
  (func (export "failed") (drop (memory.grow (i64.const 0x100000000)))))"""


def limited(which: str) -> Entry:
    def make(raiser: Raiser) -> Callable[[], Any]:
        store = Store()
        store.set_limiter(Limiter(raiser, which))
        if which.startswith("new"):
            return lambda: instantiate(GROWING, (), store)
        _, exports = instantiate(GROWING, (), store)
        return lambda: exports.func(which)(store)

    return make


def argument(raiser: Raiser) -> Callable[[], Any]:
    store, exports = instantiate('(module (func (export "f") (param i32)))')
    return lambda: exports.func("f")(store, Index(raiser))


def result_of(results: str, value: Callable[[Raiser], Any]) -> Entry:
    def make(raiser: Raiser) -> Callable[[], Any]:
        store = Store()
        kinds = " ".join("i32" for _ in results)
        wat = f'(module (import "" "h" (func $h (result {kinds}))) (func (export "f") (result {kinds}) (call $h)))'
        _, exports = instantiate(wat, [host(store, lambda: value(raiser), "", results)], store)
        return lambda: exports.func("f")(store)

    return make


WRITING = r"""(module
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "out") (result i32) (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 64)))
  (func (export "err") (result i32) (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 64)))
  (func (export "in") (result i32) (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 64))))"""


class File:
    """A binary file object whose one method raises."""

    def __init__(self, raiser: Raiser) -> None:
        self.write = self.read = self.readinto = self.flush = raiser


def stream(name: str, config: Callable[[Raiser], WasiConfig]) -> Entry:
    def make(raiser: Raiser) -> Callable[[], Any]:
        engine = Engine()
        linker = Linker(engine)
        linker.define_wasi()
        store = Store(engine)
        store.set_wasi(config(raiser))
        exports = linker.instantiate(store, Module(engine, WRITING)).exports(store)
        exports.memory("memory").write(store, struct.pack("<II", 128, 5), 0)
        return lambda: exports.func(name)(store)

    return make


def destructor(raiser: Raiser) -> Callable[[], Any]:
    text = """(component (import "r" (type $r (sub resource)))
      (core func $drop (canon resource.drop $r))
      (core module $code (import "" "drop" (func $drop (param i32))) (func (export "f") (param i32) (call $drop (local.get 0))))
      (core instance $c (instantiate $code (with "" (instance (export "drop" (func $drop))))))
      (func (export "f") (param "x" (own $r)) (canon lift (core func $c "f"))))"""
    engine = Engine()
    linker = ComponentLinker(engine)
    with linker.root() as root:
        root.add_resource("r", ResourceType.host(7), raiser)
    store = Store(engine)
    instance = linker.instantiate(store, Component(engine, text))
    function = instance.get_func(store, "f")
    assert function is not None
    return lambda: function(store, ResourceHost.own(1, 7))


def component_argument(raiser: Raiser) -> Callable[[], Any]:
    function = echoing(scalar("u32", "i32"))
    return lambda: function(Index(raiser))


def component_list(make_items: Callable[[Raiser], Any]) -> Entry:
    def make(raiser: Raiser) -> Callable[[], Any]:
        function = echoing(pair("(list u32)"))
        return lambda: function(make_items(raiser))

    return make


class Fields:
    """A record whose one field raises."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    @property
    def a(self) -> Any:
        return self.raiser()


def component_record(raiser: Raiser) -> Callable[[], Any]:
    types = '(type $r_ (record (field "a" string))) (export $r "r" (type $r_))'
    function = echoing(pair("$r", types))
    return lambda: function(Fields(raiser))


def component_result(raiser: Raiser) -> Callable[[], Any]:
    store, function = instantiate_component(COMPONENT, h=lambda _store, _number: Index(raiser))
    return lambda: function("f")(store, 1)


def signal_handler(raiser: Raiser) -> Callable[[], Any]:
    store, exports = instantiate('(module (func (export "f") (loop $l (br $l))))')

    def run() -> None:
        before = signal.signal(signal.SIGALRM, raiser)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.03)
            exports.func("f")(store)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)

    return run


def memory_view(raiser: Raiser) -> Callable[[], Any]:
    store, exports = instantiate('(module (memory (export "m") 1))')
    return lambda: exports.memory("m").write(store, b"x", Index(raiser))


SOURCES: dict[str, Entry] = {
    "limiter-memory": limited("memory"),
    "limiter-table": limited("table"),
    "limiter-new-memory": limited("new-memory"),
    "limiter-new-table": limited("new-table"),
    "limiter-failed": limited("failed"),
    "argument-index": argument,
    "result-index": result_of("i", Index),
    "results-iterable": result_of("ii", Items),
    "results-iterator": result_of("ii", Broken),
    "results-index": result_of("ii", lambda raiser: (1, Index(raiser))),
    "stdout-custom": stream("out", lambda raiser: WasiConfig(stdout_custom=raiser)),
    "stderr-custom": stream("err", lambda raiser: WasiConfig(stderr_custom=raiser)),
    "stdout-object": stream("out", lambda raiser: WasiConfig(stdout=File(raiser))),
    "stderr-object": stream("err", lambda raiser: WasiConfig(stderr=File(raiser))),
    "stdin-object": stream("in", lambda raiser: WasiConfig(stdin=File(raiser))),
    "destructor": destructor,
    "component-argument-index": component_argument,
    "component-list-length": component_list(lambda raiser: Sized(raiser, None)),
    "component-list-item": component_list(lambda raiser: Sized(raiser, 2)),
    "component-list-index": component_list(lambda raiser: [1, Index(raiser)]),
    "component-record-field": component_record,
    "component-result-index": component_result,
    "signal-handler": signal_handler,
    "memory-index": memory_view,
}


@pytest.mark.parametrize("source", SOURCES)
def test_an_exception_of_every_kind_of_code_comes_out(source: str, raiser: Raiser) -> None:
    run = SOURCES[source](raiser)
    if isinstance(raiser.error, StopIteration) and source == "results-iterator":
        # To an iterator that is its end, which comes too early here.
        with pytest.raises(SignatureError, match="^the callback returned 1 values, but its type has 2 results$"):
            run()
    elif isinstance(raiser.error, StopIteration) and source == "component-list-item":
        # Python's own iteration over sequences is a generator (PEP 479).
        with pytest.raises(RuntimeError) as caught:
            run()
        assert caught.value.__cause__ is raiser.error
    else:
        raiser.check(run)


# ---- classes that raise when they are made ----


class Unmakeable(Exception):
    """Cannot be made."""

    def __init__(self) -> None:
        raise LookupError("no exception")


@pytest.mark.parametrize("entry", ENTRIES)
def test_an_exception_that_cannot_be_made_is_replaced_by_the_reason(entry: str) -> None:
    class Making(Raiser):
        def __init__(self) -> None:
            self.calls = 0

        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            raise Unmakeable

    with pytest.raises(LookupError, match="^no exception"):
        ENTRIES[entry](Making())()


# ---- finalisers ----


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_finaliser_raises_in_a_callback_is_reported_and_ends_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ERRORS[name]()
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(report.exc_value))

    class Final:
        def __del__(self) -> None:
            raise error

    def callback(number: int) -> int:
        Final()
        return number + 1

    store = Store()
    _, exports = instantiate(WAT, [host(store, callback, "i", "i")], store)
    assert exports.func("f")(store, 1) == 2
    assert len(reported) == 1 and reported[0] is error


@pytest.mark.parametrize("name", ERRORS)
def test_what_a_finaliser_of_a_reference_raises_is_reported_and_ends_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    error = ERRORS[name]()
    reported: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda report: reported.append(report.exc_value))

    class Final:
        def __del__(self) -> None:
            raise error

    store, exports = instantiate('(module (func (export "f") (param externref)))')
    exports.func("f")(store, Final())
    store.gc()
    store.close()
    assert len(reported) == 1 and reported[0] is error


# ---- one after the other ----


def test_exceptions_do_not_get_mixed_up_between_calls_of_a_store() -> None:
    errors = [make() for make in ERRORS.values()]
    queue = iter(errors)

    def callback(number: int) -> int:
        raise next(queue)

    store = Store()
    _, exports = instantiate(WAT, [host(store, callback, "i", "i")], store)
    for error in errors:
        try:
            exports.func("f")(store, 1)
        except BaseException as caught:  # noqa: BLE001
            assert caught is error
        else:
            raise AssertionError("nothing was raised")


def test_a_host_function_that_handles_an_exception_goes_on(raiser: Raiser) -> None:
    store = Store()
    _, first = instantiate(WAT, [host(store, raiser, "i", "i")], store)

    def callback(number: int) -> int:
        try:
            first.func("f")(store, number)
        except BaseException as caught:  # noqa: BLE001
            assert caught is raiser.error
        return number + 1

    _, second = instantiate(WAT, [host(store, callback, "i", "i")], store)
    assert second.func("f")(store, 1) == 2


def test_a_func_object_of_the_host_raises_as_a_table_element_does(raiser: Raiser) -> None:
    store = Store()
    function = host(store, raiser, "i", "i")
    wat = '(module (table (export "t") 1 funcref) (func (export "f") (result i32) (call_indirect (param i32) (result i32) (i32.const 1) (i32.const 0))))'
    _, exports = instantiate(wat, (), store)
    exports.table("t").set(store, 0, function)
    assert isinstance(exports.table("t").get(store, 0), Func)
    raiser.check(lambda: exports.func("f")(store))
