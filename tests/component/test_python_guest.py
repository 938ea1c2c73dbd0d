"""A component that `componentize-py` made of Python sources: values, resources, imports, exports, and WASI.

`guests/python/guest.wit` says what the guest has, `app.py` what it does.
"""

from __future__ import annotations

import enum
import gc
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import toolchain

from ferrowasm import ComponentTrap, Engine, Store, StoreContext, WasiConfig, WasmtimeError
from ferrowasm.component import (
    Component,
    Err,
    HostResources,
    InstanceExports,
    Linker,
    Ok,
    Record,
    Variant,
    guest_class,
)

SOURCES = Path(__file__).parent / "guests" / "python"
PACKAGE = "tests:guest"
VERSION = "@1.0.0"


@dataclass
class Log:
    """What a `log` of the guest is on the host's side."""

    prefix: str
    lines: list[str] = field(default_factory=list)


@dataclass
class Host:
    """The interface `host`: what the guest calls."""

    table: dict[str, str] = field(default_factory=dict)
    #: What `shift` returns for a point.
    shift: Any = staticmethod(lambda point: point)
    shapes: list[Any] = field(default_factory=list)
    dropped: list[Log] = field(default_factory=list)
    made: int = 0

    def define(self, linker: Linker) -> None:
        logs: HostResources[Log] = HostResources(self.dropped.append)

        def construct(_context: StoreContext, prefix: str) -> Any:
            self.made += 1
            return logs.new(Log(prefix))

        def write(context: StoreContext, handle: Any, line: str) -> int:
            log = logs.get(context, handle)
            log.lines.append(f"{log.prefix}{line}")
            return len(log.lines)

        def describe(_context: StoreContext, shapes: list[Any]) -> list[str]:
            self.shapes = shapes
            return [type(shape).__name__ for shape in shapes]

        with linker.root() as root, root.add_instance(f"{PACKAGE}/host{VERSION}") as host:
            logs.define(host, "log")
            host.add_func("[constructor]log", construct)
            host.add_func("[method]log.write", write)
            host.add_func("[static]log.count", lambda _context: self.made)
            host.add_func("lookup", lambda _context, key: self.table.get(key))
            host.add_func("shift", lambda _context, point: self.shift(point))
            host.add_func("describe", describe)


@dataclass
class Guest:
    """An instance with its store and its host."""

    store: Store
    exports: InstanceExports
    host: Host

    def __call__(self, interface: str, function: str, *arguments: object) -> Any:
        return self.exports[f"{PACKAGE}/{interface}{VERSION}"][function](self.store, *arguments)


@dataclass(frozen=True)
class Built:
    """The compiled guest, and how instances of it are made."""

    engine: Engine
    component: Component

    def start(self, config: WasiConfig | None = None) -> Guest:
        store = Store(self.engine)
        store.set_wasi(config or WasiConfig())
        linker = Linker(self.engine)
        linker.add_wasip2()
        host = Host()
        host.define(linker)
        return Guest(store, linker.instantiate(store, self.component).exports(store), host)


@pytest.fixture(scope="session")
def built() -> Built:
    engine = Engine()
    wasm = toolchain.python_component(SOURCES, "app", "guest")
    return Built(engine, toolchain.compiled(engine, wasm))


@pytest.fixture
def guest(built: Built) -> Guest:
    return built.start()


# The first test builds and compiles the guest, unless an earlier run did.
pytestmark = pytest.mark.timeout(900)


def point(x: int, y: float, label: str) -> Record:
    return Record(**{"x": x, "y-axis": y, "label": label})


def test_numbers_pass_at_the_ends_of_their_ranges(guest: Guest) -> None:
    least = (0, -(2**7), 0, -(2**15), 0, -(2**31), 0, -(2**63))
    greatest = (2**8 - 1, 2**7 - 1, 2**16 - 1, 2**15 - 1, 2**32 - 1, 2**31 - 1, 2**64 - 1, 2**63 - 1)
    for values in (least, greatest):
        assert guest("values", "numbers", *values) == values


def test_a_number_out_of_range_is_refused_by_name_and_the_guest_lives_on(guest: Guest) -> None:
    with pytest.raises(OverflowError, match="^c: 65536 does not fit u16: expected an int from 0 to 65535$"):
        guest("values", "numbers", 0, 0, 65536, 0, 0, 0, 0, 0)
    assert guest("values", "floats", 0.1, 0.1) == (0.10000000149011612, 0.1)


def test_text_and_bytes_pass(guest: Guest) -> None:
    assert guest("values", "texts", "\U0001f600", "h\u00e9llo \u20ac\0", True) == ("\U0001f600", "h\u00e9llo \u20ac\0", True)
    data = bytes(range(256)) * 4000
    assert guest("values", "bytes-of", data) == data


def test_records_pass_in_every_form(guest: Guest) -> None:
    @dataclass
    class Point:
        x: int
        y_axis: float
        label: str

    for form in (Point(1, 2.5, "abc"), {"x": 1, "y-axis": 2.5, "label": "abc"}, point(1, 2.5, "abc")):
        assert guest("values", "mirror", form) == point(-1, -2.5, "cba")


def test_nested_records_pass(guest: Guest) -> None:
    lines = [Record(ends=(point(1, 1.0, "a"), point(2, 2.0, "b")), tags=["x", "y"], width=width) for width in (None, 7)]
    assert guest("values", "lines", lines) == lines[::-1]


def test_a_field_of_the_wrong_type_is_named_with_its_place(guest: Guest) -> None:
    line = Record(ends=(point(1, 1.0, "a"), point(2, 2.0, b"b")), tags=[], width=None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"^lines\[0\]\.ends\[1\]\.label: expected a str for string, got bytes$"):
        guest("values", "lines", [line])


def test_variants_enums_and_flags_pass(guest: Guest) -> None:
    class Color(enum.Enum):
        RED = enum.auto()
        DARK_GREEN = enum.auto()

    shapes = [None, 1.5, [point(1, 2.0, "p")], "name"]
    assert guest("values", "shapes", shapes) == shapes[::-1]
    assert guest("values", "shapes", [Variant("circle", 1)]) == [1.0]
    assert guest("values", "colors", ["blue", Color.DARK_GREEN]) == ["dark-green", "blue"]
    assert guest("values", "allow", {"read", "run-it"}) == {"write"}


def test_nested_options_are_told_apart(guest: Guest) -> None:
    for value in (Variant("none"), Variant("some", None), Variant("some", 3)):
        assert guest("values", "nested", value) == value


def test_results_are_values_or_tagged(guest: Guest) -> None:
    assert guest("values", "divide", 7, 2) == 3
    assert guest("values", "divide", 1, 0) == "division by zero"
    divide = guest.exports[f"{PACKAGE}/values{VERSION}"].divide.with_results(tagged=True)
    assert divide(guest.store, 7, 2) == Ok(3)
    assert divide(guest.store, 1, 0) == Err("division by zero")


def test_an_exception_in_the_guest_is_a_trap_that_prints_its_traceback(built: Built) -> None:
    config = WasiConfig()
    errors = config.capture_stderr()
    guest = built.start(config)
    with pytest.raises(ComponentTrap) as caught:
        guest("values", "divide-or-fail", 1, 0)
    assert caught.value.frames
    assert b"ZeroDivisionError" in errors.getvalue()
    with pytest.raises(ComponentTrap, match="cannot enter component instance"):
        guest("values", "divide", 4, 2)


def test_guest_resources_have_constructors_methods_and_static_functions(guest: Guest) -> None:
    counter = guest("counters", "[constructor]counter", 5)
    assert guest("counters", "[method]counter.increment", counter, 3) == 8
    assert guest("counters", "[method]counter.value", counter) == 8
    other = guest("counters", "[constructor]counter", 1)
    assert guest("counters", "[static]counter.larger", counter, other) is True
    merged = guest("counters", "[static]counter.merge", counter, other)
    assert guest("counters", "[method]counter.value", merged) == 9
    with pytest.raises(WasmtimeError, match="its ownership was passed on"):
        guest("counters", "[method]counter.value", counter)
    merged.drop(guest.store)
    with pytest.raises(WasmtimeError, match="it was dropped"):
        guest("counters", "[method]counter.value", merged)


def test_guest_resources_are_python_objects(guest: Guest) -> None:
    counter_class: Any = guest_class(guest.exports[f"{PACKAGE}/counters{VERSION}"], "counter")
    with counter_class(guest.store, 5) as counter:
        assert counter.increment(2) == 7
        assert counter.value() == 7
    with pytest.raises(WasmtimeError, match="it was dropped"):
        counter.value()


def test_the_guest_calls_host_functions(guest: Guest) -> None:
    guest.host.table = {"a": "1", "b": ""}
    assert guest("calls", "look-up-all", ["a", "b", "c"]) == ["1", "", None]


def test_records_and_results_cross_in_host_functions(guest: Guest) -> None:
    def shift(at: Record) -> object:
        return {"x": at.x + 10, "y_axis": at.y_axis / 2, "label": at.label + "'"} if at.x < 100 else "too far"

    guest.host.shift = shift
    assert guest("calls", "shift-twice", 1) == Variant("ok", "21 0.125 p''")
    assert guest("calls", "shift-twice", 95) == Variant("err", "the host says: too far")


def test_variants_cross_in_host_functions(guest: Guest) -> None:
    assert guest("calls", "describe-some") == ["NoneType", "float", "list", "str"]
    assert guest.host.shapes == [None, 1.5, [point(1, 2.0, "three")] * 2, "n"]


def test_an_exception_of_the_host_comes_out_through_the_guest(guest: Guest) -> None:
    error = LookupError("from the host")

    def shift(_at: Record) -> object:
        raise error

    guest.host.shift = shift
    with pytest.raises(LookupError) as caught:
        guest("calls", "shift-twice", 1)
    assert caught.value is error


def test_a_wrong_result_of_the_host_is_named(guest: Guest) -> None:
    guest.host.shift = lambda at: {"x": 2**31, "y_axis": 0.0, "label": ""}
    with pytest.raises(OverflowError, match=r"x: 2147483648 does not fit s32"):
        guest("calls", "shift-twice", 1)


def test_host_resources_are_dropped_by_the_guest(guest: Guest) -> None:
    assert guest("calls", "log-lines", "> ", ["a", "b"]) == [1, 2, 1]
    assert guest.host.dropped == [Log("> ", ["> a", "> b"])]


def test_files_are_read_written_and_listed(built: Built, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("h\u00e9llo")
    config = WasiConfig()
    config.preopen_dir(str(tmp_path), "/data")
    guest = built.start(config)
    assert guest("system", "read-file", "/data/in.txt") == Variant("ok", "h\u00e9llo")
    assert guest("system", "write-file", "/data/out.txt", "written") == 7
    assert (tmp_path / "out.txt").read_text() == "written"
    assert guest("system", "list-folder", "/data") == ["in.txt", "out.txt"]
    assert guest("system", "read-file", "/data/nothing") == Variant("err", "FileNotFoundError")


def test_what_is_not_granted_does_not_exist(guest: Guest) -> None:
    assert guest("system", "read-file", "/etc/passwd") == Variant("err", "FileNotFoundError")
    assert guest("system", "environment", "HOME") is None
    assert guest("system", "arguments") == []


def test_clocks_advance(guest: Guest) -> None:
    assert guest("system", "wall-clock") == pytest.approx(time.time(), abs=60)
    assert guest("system", "sleep", 0.05) >= 0.05


def test_environment_arguments_and_streams_are_those_of_the_configuration(built: Built) -> None:
    config = WasiConfig(env=[("NAME", "value")])
    out, err = config.capture_stdout(), config.capture_stderr()
    guest = built.start(config)
    guest("system", "print-to", "to stdout", "to stderr")
    assert (out.getvalue(), err.getvalue()) == (b"to stdout\n", b"to stderr\n")


def test_randomness_differs_between_instances(built: Built) -> None:
    drawn = [built.start()("system", "random", 16) for _ in range(3)]
    assert len(set(drawn)) == 3 and {len(one) for one in drawn} == {16}


def test_a_dropped_guest_frees_its_host_objects(built: Built) -> None:
    guest = built.start()
    guest("calls", "log-lines", "", ["x"])
    host = guest.host
    del guest
    gc.collect()
    assert [log.lines for log in host.dropped] == [["x"]]
