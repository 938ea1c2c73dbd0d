"""Resources of guests and of the host: ownership is followed, misuse is named."""

from __future__ import annotations

import pytest

from ferrowasm import Engine, Store, StoreContext, WasmtimeError, WrongStoreError
from ferrowasm.component import Component, HostResources, InstanceExports, Linker, ResourceAny, ResourceHost, ResourceType, guest_class

# A counter that a guest defines, with a constructor, methods and a static function; its destructor counts.
COUNTER = """(component
  (core module $state
    (global $drops (mut i32) (i32.const 0))
    (func (export "drop") (param i32) (global.set $drops (i32.add (global.get $drops) (i32.const 1))))
    (func (export "drops") (result i32) (global.get $drops)))
  (core instance $state (instantiate $state))
  (type $counter' (resource (rep i32) (dtor (core func $state "drop"))))
  (core func $new (canon resource.new $counter'))
  (core func $destroy (canon resource.drop $counter'))
  (core module $code
    (import "" "new" (func $new (param i32) (result i32)))
    (import "" "destroy" (func $destroy (param i32)))
    (func (export "new") (param i32) (result i32) (call $new (local.get 0)))
    (func (export "get") (param i32) (result i32) (local.get 0))
    (func (export "plus") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
    (func (export "pass") (param i32) (result i32) (local.get 0))
    (func (export "eat") (param i32 i32) (call $destroy (local.get 0))))
  (core instance $code (instantiate $code
    (with "" (instance (export "new" (func $new)) (export "destroy" (func $destroy))))))
  (func $new-f (param "start" u32) (result (own $counter')) (canon lift (core func $code "new")))
  (func $get (param "self" (borrow $counter')) (result u32) (canon lift (core func $code "get")))
  (func $plus (param "self" (borrow $counter')) (param "by" u32) (result u32) (canon lift (core func $code "plus")))
  (func $drops (result u32) (canon lift (core func $state "drops")))
  (func $pass (param "c" (own $counter')) (result (own $counter')) (canon lift (core func $code "pass")))
  (func $eat (param "c" (own $counter')) (param "level" u8) (canon lift (core func $code "eat")))
  (component $face
    (import "counter'" (type $c' (sub resource)))
    (import "new" (func $new (param "start" u32) (result (own $c'))))
    (import "get" (func $get (param "self" (borrow $c')) (result u32)))
    (import "plus" (func $plus (param "self" (borrow $c')) (param "by" u32) (result u32)))
    (import "drops" (func $drops (result u32)))
    (import "pass" (func $pass (param "c" (own $c')) (result (own $c'))))
    (import "eat" (func $eat (param "c" (own $c')) (param "level" u8)))
    (export $c "counter" (type $c'))
    (export "[constructor]counter" (func $new) (func (param "start" u32) (result (own $c))))
    (export "[method]counter.get" (func $get) (func (param "self" (borrow $c)) (result u32)))
    (export "[method]counter.plus-some" (func $plus) (func (param "self" (borrow $c)) (param "by" u32) (result u32)))
    (export "[static]counter.drops" (func $drops))
    (export "pass" (func $pass) (func (param "c" (own $c)) (result (own $c))))
    (export "eat" (func $eat) (func (param "c" (own $c)) (param "level" u8))))
  (instance $face (instantiate $face
    (with "counter'" (type $counter')) (with "new" (func $new-f)) (with "get" (func $get)) (with "plus" (func $plus))
    (with "drops" (func $drops)) (with "pass" (func $pass)) (with "eat" (func $eat))))
  (export "test:counter/api" (instance $face)))""".replace("counter'", "hidden").replace("$c'", "$c-hidden")

# Uses a resource of the host: makes one, lends it, drops it.
USING = """(component
  (import "file" (type $file (sub resource)))
  (import "open" (func $open (param "x" u32) (result (own $file))))
  (import "size" (func $size (param "f" (borrow $file)) (result u32)))
  (core func $open (canon lower (func $open)))
  (core func $size (canon lower (func $size)))
  (core func $drop (canon resource.drop $file))
  (core module $m
    (import "" "open" (func $open (param i32) (result i32)))
    (import "" "size" (func $size (param i32) (result i32)))
    (import "" "drop" (func $drop (param i32)))
    (func (export "measure") (param i32) (result i32) (local $f i32) (local $size i32)
      (local.set $f (call $open (local.get 0)))
      (local.set $size (call $size (local.get $f)))
      (call $drop (local.get $f))
      (local.get $size))
    (func (export "make") (param i32) (result i32) (call $open (local.get 0)))
    (func (export "keep") (param i32))
    (func (export "twice") (param i32) (call $drop (local.get 0)) (call $drop (local.get 0))))
  (core instance $m (instantiate $m
    (with "" (instance (export "open" (func $open)) (export "size" (func $size)) (export "drop" (func $drop))))))
  (func (export "measure") (param "x" u32) (result u32) (canon lift (core func $m "measure")))
  (func (export "make") (param "x" u32) (result (own $file)) (canon lift (core func $m "make")))
  (func (export "keep") (param "f" (own $file)) (canon lift (core func $m "keep")))
  (func (export "twice") (param "f" (own $file)) (canon lift (core func $m "twice"))))"""


def counters(store: Store | None = None) -> tuple[Store, InstanceExports]:
    store = store or Store()
    instance = Linker(store.engine).instantiate(store, Component(store.engine, COUNTER))
    api = instance.exports(store)["test:counter/api"]
    assert isinstance(api, InstanceExports)
    return store, api


def test_guest_resources_are_python_objects() -> None:
    store, api = counters()
    counter_class = guest_class(api, "counter")
    with counter_class(store, 40) as counter:
        assert counter.get() == 40  # type: ignore[attr-defined]
        assert counter.plus_some(2) == 42  # type: ignore[attr-defined]
        assert api["[method]counter.get"](store, counter) == 40, "the object can be passed to functions"
        assert counter_class.drops(store) == 0  # type: ignore[attr-defined]
    assert counter_class.drops(store) == 1  # type: ignore[attr-defined]
    with pytest.raises(WasmtimeError, match="^this resource cannot be used any more: it was dropped$"):
        counter.drop()
    with pytest.raises(KeyError, match="nothing"):
        guest_class(api, "nothing")


def test_ownership_goes_along_with_an_argument() -> None:
    store, api = counters()
    handle = api["[constructor]counter"](store, 1)
    assert isinstance(handle, ResourceAny) and handle.owned and handle.type == api["counter"]
    passed = api["pass"](store, handle)
    with pytest.raises(WasmtimeError, match="^this resource cannot be used any more: its ownership was passed on$"):
        api["pass"](store, handle)
    passed.drop(store)
    assert api["[static]counter.drops"](store) == 1


def test_an_owned_argument_is_not_lost_when_another_one_does_not_fit() -> None:
    store, api = counters()
    handle = api["[constructor]counter"](store, 1)
    with pytest.raises(OverflowError, match="^level: 256 does not fit u8"):
        api["eat"](store, handle, 256)
    api["eat"](store, handle, 1)
    assert api["[static]counter.drops"](store) == 1


def test_what_python_lets_go_of_is_dropped_by_the_next_call() -> None:
    store, api = counters()
    for _ in range(3):
        api["[constructor]counter"](store, 1)
    handle = api["[constructor]counter"](store, 2)
    assert api["[static]counter.drops"](store) == 3
    assert api["[method]counter.get"](store, handle) == 2
    handle.close()
    assert api["[static]counter.drops"](store) == 4
    with pytest.raises(WasmtimeError, match="^this resource cannot be used any more: it was closed$"):
        handle.drop(store)


def test_resources_of_another_store_instance_or_type_are_refused() -> None:
    store, api = counters()
    handle = api["[constructor]counter"](store, 1)
    get = api["[method]counter.get"]
    other_store, other_api = counters(Store(store.engine))
    with pytest.raises(WrongStoreError, match="^this ResourceAny belongs to another store"):
        other_api["[method]counter.get"](other_store, handle)
    with pytest.raises(WrongStoreError, match="^this ResourceAny belongs to another store"):
        handle.drop(other_store)
    _, sibling = counters(store)
    for wrong in (sibling["[constructor]counter"](store, 1), ResourceHost.own(1, 1)):
        with pytest.raises(TypeError, match="^self: the resource is of another type than the one of this borrow$"):
            get(store, wrong)
    with pytest.raises(TypeError, match="^self: expected a ResourceAny or ResourceHost for borrow, got int$"):
        get(store, 1)
    assert get(store, handle) == 1


def using() -> tuple[Store, InstanceExports, HostResources[bytes], list[bytes], list[ResourceAny]]:
    dropped: list[bytes] = []
    lent: list[ResourceAny] = []
    files: HostResources[bytes] = HostResources(dropped.append)

    def size(context: StoreContext, file: ResourceAny) -> int:
        lent.append(file)
        return len(files.get(context, file))

    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        files.define(root, "file")
        root.add_func("open", lambda _context, x: files.new(b"x" * x))
        root.add_func("size", size)
    store = Store(engine)
    return store, linker.instantiate(store, Component(engine, USING)).exports(store), files, dropped, lent


def test_host_resources_stand_for_python_objects_and_are_dropped_once() -> None:
    store, exports, files, dropped, _ = using()
    assert exports.measure(store, 3) == 3
    assert dropped == [b"xxx"] and len(files) == 0
    kept = exports.make(store, 2)
    exports.keep(store, kept)
    assert len(files) == 1
    store.close()
    files.close()
    files.close()
    assert dropped == [b"xxx", b"xx"]


def test_a_borrow_ends_with_the_callback() -> None:
    dropped: list[int] = []
    lent: list[ResourceAny] = []

    def size(_context: StoreContext, file: ResourceAny) -> int:
        lent.append(file)
        return 5

    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        root.add_resource("file", ResourceType.host(1), lambda _context, rep: dropped.append(rep))
        root.add_func("open", lambda _context, x: ResourceHost.own(x, 1))
        root.add_func("size", size)
    store = Store(engine)
    exports = linker.instantiate(store, Component(engine, USING)).exports(store)
    assert exports.measure(store, 9) == 5 and dropped == [9]
    assert not lent[0].owned
    with pytest.raises(WasmtimeError, match="^this resource cannot be used any more: it was lent to a callback, which has returned$"):
        lent[0].drop(store)
    with pytest.raises(WasmtimeError, match="it was lent to a callback"):
        lent[0].to_host(store)


def test_a_guest_that_drops_twice_is_stopped() -> None:
    store, exports, *_ = using()
    with pytest.raises(WasmtimeError, match="unknown handle index"):
        exports.twice(store, exports.make(store, 1))


def test_exceptions_of_destructors_come_out() -> None:
    error = ValueError("from the destructor")

    def destroy(_value: object) -> None:
        raise error

    files: HostResources[int] = HostResources(destroy)
    engine = Engine()
    linker = Linker(engine)
    with linker.root() as root:
        files.define(root, "file")
        root.add_func("open", lambda _context, x: files.new(x))
        root.add_func("size", lambda _context, _file: 0)
    store = Store(engine)
    exports = linker.instantiate(store, Component(engine, USING)).exports(store)
    with pytest.raises(ValueError) as caught:
        exports.measure(store, 1)
    assert caught.value is error


def test_an_owned_host_handle_is_given_away_once() -> None:
    store = Store()
    handle = ResourceHost.own(5, 1)
    resource = handle.to_any(store)
    assert resource.owned and resource.type == ResourceType.host(1)
    with pytest.raises(WasmtimeError, match="its ownership was passed on"):
        handle.to_any(store)
    back = resource.to_host(store)
    assert (back.rep, back.type, back.owned) == (5, 1, True)
    with pytest.raises(OverflowError, match="^rep is out of range"):
        ResourceHost.own(2**32, 1)
