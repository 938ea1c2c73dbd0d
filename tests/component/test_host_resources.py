"""Objects behind resources of the host: they live as long as the resource, and are dropped exactly once."""

from __future__ import annotations

import gc
import sys
import weakref
from typing import Any

import pytest

from ferrowasm import Engine, Store, StoreContext, Trap, WasmtimeError, WrongStoreError
from ferrowasm.component import Component, HostResources, InstanceExports, Linker, ResourceAny, ResourceHost, ResourceType
from test_resources import USING

# Takes owned files: in a list beside a number, and one beside a number.
TAKING = """(component
  (import "file" (type $file (sub resource)))
  (core func $drop (canon resource.drop $file))
  (core module $m (import "" "drop" (func $drop (param i32)))
    (memory (export "memory") 1)
    (func (export "realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
    (func (export "all") (param i32 i32 i32) (result i32) (local.get 1))
    (func (export "drop-all") (param $at i32) (param $count i32)
      (block $done (loop $next
        (br_if $done (i32.eqz (local.get $count)))
        (call $drop (i32.load (local.get $at)))
        (local.set $at (i32.add (local.get $at) (i32.const 4)))
        (local.set $count (i32.sub (local.get $count) (i32.const 1)))
        (br $next)))))
  (core instance $m (instantiate $m (with "" (instance (export "drop" (func $drop))))))
  (func (export "all") (param "files" (list (own $file))) (param "level" u8) (result u32)
    (canon lift (core func $m "all") (memory (core memory $m "memory")) (realloc (core func $m "realloc"))))
  (func (export "drop-all") (param "files" (list (own $file)))
    (canon lift (core func $m "drop-all") (memory (core memory $m "memory")) (realloc (core func $m "realloc")))))"""


class Guests:
    """A store with an instance of `TAKING` or `USING`, and files that are strings."""

    def __init__(self, text: str, files: HostResources[Any] | None = None, **imports: Any) -> None:
        self.dropped: list[Any] = []
        self.files: HostResources[Any] = HostResources(self.dropped.append) if files is None else files
        engine = Engine()
        linker = Linker(engine)
        with linker.root() as root:
            self.files.define(root, "file")
            for name, func in imports.items():
                root.add_func(name, func)
        self.store = Store(engine)
        self.exports: InstanceExports = linker.instantiate(self.store, Component(engine, text)).exports(self.store)


def keeping() -> Guests:
    """A guest that owns a file now."""
    guests = Guests(TAKING)
    assert guests.exports.all(guests.store, [guests.files.new("kept")], 0) == 1
    assert guests.dropped == [] and len(guests.files) == 1
    return guests


def test_what_a_guest_owns_is_dropped_when_the_store_is_closed() -> None:
    guests = keeping()
    guests.store.close()
    assert guests.dropped == ["kept"] and len(guests.files) == 0
    guests.files.close()
    gc.collect()
    assert guests.dropped == ["kept"]


def test_what_a_guest_owns_is_dropped_when_the_store_is_collected() -> None:
    guests = keeping()
    del guests.store, guests.exports
    gc.collect()
    assert guests.dropped == ["kept"]


def test_a_handle_that_no_guest_got_is_dropped_with_the_handle() -> None:
    dropped: list[str] = []
    files: HostResources[str] = HostResources(dropped.append)
    handle = files.new("a")
    assert dropped == []
    del handle
    assert dropped == ["a"]
    handle = files.new("b")
    handle.close()
    assert dropped == ["a", "b"]


def test_objects_that_lead_back_to_the_store_are_collected_with_it() -> None:
    class Holder:
        guests: Guests

    holder = Holder()
    holder.guests = keeping()
    assert holder.guests.exports.all(holder.guests.store, [holder.guests.files.new(holder)], 0) == 1
    holder.guests.files._drop = None
    gone = weakref.ref(holder)
    del holder
    gc.collect()
    assert gone() is None


def test_a_guest_drops_each_of_its_resources_once() -> None:
    guests = Guests(TAKING)
    handles = [guests.files.new(name) for name in "abc"]
    guests.exports.drop_all(guests.store, handles)
    assert guests.dropped == ["a", "b", "c"] and len(guests.files) == 0
    with pytest.raises(WasmtimeError, match="its ownership was passed on"):
        guests.exports.drop_all(guests.store, handles[:1])
    guests.store.close()
    assert guests.dropped == ["a", "b", "c"]


def test_resources_in_a_list_are_not_lost_when_a_later_argument_does_not_fit() -> None:
    guests = Guests(TAKING)
    handles: list[Any] = [guests.files.new(name) for name in "abc"]
    with pytest.raises(OverflowError, match="^level: 256 does not fit u8"):
        guests.exports.all(guests.store, handles, 256)
    with pytest.raises(TypeError, match=r"^files\[3\]: expected a ResourceAny or ResourceHost for own, got str$"):
        guests.exports.all(guests.store, [*handles, "d"], 0)
    with pytest.raises(WasmtimeError, match="its ownership was passed on"):
        guests.exports.all(guests.store, [handles[0], handles[0]], 0)
    assert guests.dropped == []
    assert guests.exports.all(guests.store, handles, 0) == 3, "they are still the caller's"


def test_a_borrowed_handle_is_no_owned_one() -> None:
    guests = Guests(TAKING)
    with pytest.raises(TypeError, match=r"^files\[0\]: expected an owned resource for own, got a borrowed one$"):
        guests.exports.all(guests.store, [ResourceHost.borrow(1, guests.files.new("a").type)], 0)


def test_an_owned_resource_that_comes_back_is_the_hosts_again() -> None:
    guests: Guests = Guests(USING, open=lambda _context, _x: guests.files.new("made"), size=lambda _context, _file: 0)
    handle = guests.exports.make(guests.store, 1)
    assert isinstance(handle, ResourceAny) and handle.owned
    assert guests.files.take(guests.store, handle) == "made"
    assert len(guests.files) == 0
    with pytest.raises(WasmtimeError, match="its ownership was passed on"):
        guests.files.get(guests.store, handle)
    guests.store.close()
    assert guests.dropped == [], "who takes an object drops it"


def test_a_resource_that_is_got_with_its_ownership_is_dropped_by_the_host() -> None:
    guests: Guests = Guests(USING, open=lambda _context, _x: guests.files.new("made"), size=lambda _context, _file: 0)
    assert guests.files.get(guests.store, guests.exports.make(guests.store, 1)) == "made"
    assert guests.dropped == ["made"]


def test_a_handle_that_python_drops_is_dropped_once() -> None:
    guests: Guests = Guests(USING, open=lambda _context, _x: guests.files.new("made"), size=lambda _context, _file: 0)
    handle = guests.exports.make(guests.store, 1)
    handle.drop(guests.store)
    assert guests.dropped == ["made"]
    with pytest.raises(WasmtimeError, match="it was dropped"):
        handle.drop(guests.store)
    anew = guests.files.new("direct").to_any(guests.store)
    anew.drop(guests.store)
    assert guests.dropped == ["made", "direct"]


def test_what_is_behind_a_resource_is_found_while_it_is_lent() -> None:
    seen: list[str] = []

    def size(context: StoreContext, file: ResourceAny) -> int:
        seen.append(guests.files.get(context, file))
        return 3

    guests: Guests = Guests(USING, open=lambda _context, _x: guests.files.new("lent"), size=size)
    assert guests.exports.measure(guests.store, 1) == 3
    assert (seen, guests.dropped) == (["lent"], ["lent"])


def test_handles_of_other_types_and_of_dropped_objects_are_refused() -> None:
    files: HostResources[str] = HostResources()
    others: HostResources[str] = HostResources()
    store = Store()
    handle = files.new("a")
    with pytest.raises(TypeError, match="^the handle is of another resource type$"):
        others.get(store, handle)
    with pytest.raises(TypeError, match="^expected an owned handle, got a borrowed one$"):
        files.take(store, ResourceHost.borrow(handle.rep, handle.type))
    assert files.get(store, ResourceHost.borrow(handle.rep, handle.type)) == "a"
    number = handle.rep
    handle.close()
    with pytest.raises(LookupError, match=f"^there is no object behind resource {number}: it was dropped$"):
        files.get(store, ResourceHost.borrow(number, handle.type))


def test_what_drop_raises_at_the_end_of_a_store_is_reported() -> None:
    error = ValueError("from drop")

    def drop(_value: object) -> None:
        raise error

    guests = Guests(TAKING, HostResources(drop))
    guests.exports.all(guests.store, [guests.files.new("kept")], 0)
    reported: list[Any] = []
    before, sys.unraisablehook = sys.unraisablehook, reported.append
    try:
        guests.store.close()
    finally:
        sys.unraisablehook = before
    assert [report.exc_value for report in reported] == [error]


def test_an_object_is_kept_for_a_handle_made_by_hand() -> None:
    class Kept:
        pass

    kept = Kept()
    gone = weakref.ref(kept)
    dropped: list[int] = []
    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        root.add_resource("file", ResourceType.host(7), lambda _context, rep: dropped.append(rep))
    store = Store(engine)
    exports = linker.instantiate(store, Component(engine, TAKING)).exports(store)
    exports.all(store, [ResourceHost.own(1, 7, keep=kept)], 0)
    del kept
    gc.collect()
    assert gone() is not None
    store.close()
    assert gone() is None and dropped == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(3), ValueError("x")])
def test_exceptions_of_destructors_come_out_as_the_same_object(error: BaseException) -> None:
    def drop(_value: object) -> None:
        raise error

    guests = Guests(TAKING, HostResources(drop))
    with pytest.raises(type(error)) as caught:
        guests.exports.drop_all(guests.store, [guests.files.new("a")])
    assert caught.value is error
    with pytest.raises(Trap, match="instantiate the component in a new Store"):
        guests.exports.drop_all(guests.store, [])


def test_a_borrow_ends_with_a_callback_that_raises() -> None:
    lent: list[ResourceAny] = []

    def size(_context: StoreContext, file: ResourceAny) -> int:
        lent.append(file)
        raise ValueError("no size")

    guests: Guests = Guests(USING, open=lambda _context, _x: guests.files.new("lent"), size=size)
    with pytest.raises(ValueError, match="^no size$"):
        guests.exports.measure(guests.store, 1)
    with pytest.raises(WasmtimeError, match="it was lent to a callback, which has returned"):
        lent[0].to_host(guests.store)


def test_a_borrow_cannot_be_used_in_another_store_or_kept_as_owned() -> None:
    problems: list[str] = []

    def size(context: StoreContext, file: ResourceAny) -> int:
        for use in (lambda: file.to_host(Store()), lambda: guests.exports.keep(context, file)):
            try:
                use()
            except Exception as error:
                problems.append(f"{type(error).__name__}: {error}")
        return 0

    guests: Guests = Guests(USING, open=lambda _context, _x: guests.files.new("lent"), size=size)
    guests.exports.measure(guests.store, 1)
    assert [problem.split(":")[0] for problem in problems] == [WrongStoreError.__name__, "TypeError"]
    assert "expected an owned resource for own, got a borrowed one" in problems[1]
