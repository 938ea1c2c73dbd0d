"""What every kind of Python code below WebAssembly raises comes out as the same object, with its traceback."""

from __future__ import annotations

import signal
import struct
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from support import host, instantiate
from wit_support import echoing, pair, scalar
from wit_support import instantiate as instantiate_component

from ferrowasm import Engine, Linker, Module, SignatureError, Store, WasiConfig
from ferrowasm.component import Component, ResourceHost, ResourceType
from ferrowasm.component import Linker as ComponentLinker
from tests.hostile.raising import COMPONENT, Entry, Index, Items, Raiser
from tests.hostile.wasi_sources import WASI_SOURCES


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


class Number:
    """A number that raises when it is asked for its value as a float."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __float__(self) -> float:
        result: float = self.raiser()
        return result


class Whole(int):
    """An int that raises when it is asked for its value as a float."""

    raiser: Raiser

    def __float__(self) -> float:
        result: float = self.raiser()
        return result


def whole(raiser: Raiser) -> Whole:
    number = Whole(1)
    number.raiser = raiser
    return number


class Members:
    """Has a length, and raises when it is asked for its members."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        result: Iterator[str] = self.raiser()
        return result


class Buffer:
    """Bytes-like, from CPython 3.12 on; raises when it is asked for its bytes."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __buffer__(self, flags: int) -> memoryview:
        result: memoryview = self.raiser()
        return result


class Untold:
    """Raises when it is asked for an attribute that it does not have."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        return index

    def __getattr__(self, name: str) -> Any:
        return self.raiser()


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


class Chunks:
    """A binary file object that gives something bytes-like which raises."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def read(self, size: int) -> Buffer:
        return Buffer(self.raiser)


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


def component_value(kind: str, make: Callable[[Raiser], Any], types: str = "") -> Entry:
    """Passes a value of a type that is one core value."""

    def entry(raiser: Raiser) -> Callable[[], Any]:
        function = echoing(scalar(kind, "f64" if kind == "f64" else "i32", types))
        return lambda: function(make(raiser))

    return entry


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


def float_argument(raiser: Raiser) -> Callable[[], Any]:
    store, exports = instantiate('(module (func (export "f") (param f64)))')
    return lambda: exports.func("f")(store, Number(raiser))


def vector(raiser: Raiser) -> Callable[[], Any]:
    store, exports = instantiate('(module (func (export "f") (param v128)))')
    return lambda: exports.func("f")(store, Buffer(raiser))


def binary(raiser: Raiser) -> Callable[[], Any]:
    return lambda: Module(Engine(), Buffer(raiser))


def float_in_memory(raiser: Raiser) -> Callable[[], Any]:
    store, exports = instantiate('(module (memory (export "m") 1))')
    return lambda: exports.memory("m").write_f64(store, 0, Number(raiser))


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
    "memory-float": float_in_memory,
    "argument-float": float_argument,
    "component-float": component_value("f64", Number),
    "component-float-of-an-int": component_value("f64", whole),
    "component-flags-members": component_value("$f", Members, '(type $f_ (flags "a")) (export $f "f" (type $f_))'),
    "component-list-attribute": component_list(Untold),
    **WASI_SOURCES,
}

if sys.version_info >= (3, 12):
    SOURCES |= {
        "buffer-vector": vector,
        "buffer-module": binary,
        "buffer-component-list": component_list(Buffer),
        "buffer-stdin": stream("in", lambda raiser: WasiConfig(stdin=Chunks(raiser))),
    }

#: Where a `StopIteration` becomes the cause of a `RuntimeError`: Python's own iteration over a sequence, and the items of a mapping, are
#: generators (PEP 479).
GENERATORS = {"component-list-item", "setting-env"}


@pytest.mark.parametrize("source", SOURCES)
def test_an_exception_of_every_kind_of_code_comes_out(source: str, raiser: Raiser) -> None:
    run = SOURCES[source](raiser)
    if isinstance(raiser.error, StopIteration) and source == "results-iterator":
        # To an iterator that is its end, which comes too early here.
        with pytest.raises(SignatureError, match="^the callback returned 1 values, but its type has 2 results$"):
            run()
    elif isinstance(raiser.error, StopIteration) and (source in GENERATORS or source.startswith("awaited-")):
        # A call that is awaited is a coroutine, to which the same applies.
        with pytest.raises(RuntimeError) as caught:
            run()
        assert caught.value.__cause__ is raiser.error
    elif isinstance(raiser.error, TypeError) and source == "component-list-length":
        # To Python's own iteration that says that the length is not known. The second item raises it again.
        with pytest.raises(TypeError) as raised:
            run()
        assert raised.value is raiser.error and raiser.calls == 2
    else:
        raiser.check(run)
