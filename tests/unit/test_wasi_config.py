"""WASI preview 1: the configuration object, stores without one, exits."""

from __future__ import annotations

import gc
import os
import pathlib
import struct
import weakref
from typing import Any

import pytest
from wasi_support import ENGINE, PERM, READ, SUCCESS, WRITE, Guest, guest_wat

import ferrowasm
from ferrowasm import Config, DirPerms, Engine, ExitTrap, FilePerms, Linker, Module, Store, WasiConfig, WasmtimeError


@pytest.mark.parametrize("code", [0, 1, 125, 126, 255, 256, -1, 2**31 - 1])
def test_proc_exit_is_an_exit_trap_with_the_exact_code(code: int) -> None:
    with pytest.raises(ExitTrap) as info:
        Guest(WasiConfig()).call("proc_exit", code)
    assert info.value.code == code


def test_wasi_without_a_configuration_says_what_to_do() -> None:
    guest = Guest()
    for name, args in (("random_get", (0, 4)), ("fd_write", (1, 0, 0, 0)), ("sched_yield", ()), ("proc_exit", (0,))):
        with pytest.raises(WasmtimeError, match=r"call Store\.set_wasi\(WasiConfig\(\)\) first"):
            guest.call(name, *args)


def test_wasi_without_a_memory_is_an_error() -> None:
    module = Module(ENGINE, guest_wat(memory=""))
    linker = Linker(ENGINE)
    linker.define_wasi()
    store = Store(ENGINE)
    store.set_wasi(WasiConfig())
    yields: Any = linker.instantiate(store, module).exports(store)["sched_yield"]
    with pytest.raises(WasmtimeError, match='WASI needs the calling instance to export its memory as "memory"'):
        yields(store)


# The configuration object


def test_a_configuration_serves_many_stores_and_can_be_changed_in_between() -> None:
    config = WasiConfig(argv=["one"])
    first = Guest(config)
    config.argv = ["two"]
    second = Guest(config)
    assert (first.strings("args"), second.strings("args")) == (["one"], ["two"])


def test_a_closed_configuration_raises_and_releases_what_it_held() -> None:
    class Writer:
        def write(self, data: bytes) -> None: ...

    writer = Writer()
    alive = weakref.ref(writer)
    with WasiConfig(stdout=writer) as config:
        del writer
        assert alive() is not None
    assert alive() is None
    for use in (lambda: config.argv, lambda: config.inherit_env(), lambda: Store(ENGINE).set_wasi(config)):
        with pytest.raises(ferrowasm.ClosedError, match="^this WasiConfig is already closed$"):
            use()
    config.close()
    assert repr(config) == "<WasiConfig (closed)>"


def test_a_configuration_without_init_raises() -> None:
    config = WasiConfig.__new__(WasiConfig)
    with pytest.raises(
        ferrowasm.ClosedError, match="^this WasiConfig was never initialised: its __init__ has not run$"
    ):
        config.argv = ["a"]
    assert repr(config) == "<WasiConfig (not initialised)>"


def test_a_second_init_is_refused() -> None:
    config = WasiConfig(argv=["a"])
    with pytest.raises(RuntimeError, match="^this WasiConfig is initialised already$"):
        config.__init__(argv=["b"])  # type: ignore[misc]
    assert config.argv == ["a"]


def test_a_configuration_can_be_subclassed() -> None:
    class Sandbox(WasiConfig):
        def __init__(self, name: str) -> None:
            super().__init__(argv=[name])
            self.out = self.capture_stdout()

    config = Sandbox("prog")
    guest = Guest(config)
    assert guest.write(1, b"x") == SUCCESS
    assert (guest.strings("args"), config.out.getvalue()) == (["prog"], b"x")


class Node:
    """Something that a cycle goes through, and a file-like object."""

    held: Any = None

    def write(self, data: bytes) -> None: ...

    def read(self, size: int) -> bytes:
        return b""


@pytest.mark.parametrize("stream", ["stdin", "stdout", "stderr", "stdout_custom", "stderr_custom"])
def test_cycles_through_streams_are_collected(stream: str) -> None:
    def cycle() -> weakref.ref[Node]:
        node = Node()
        stream_object: Any = (lambda data: node and None) if stream.endswith("custom") else node
        config = WasiConfig()
        setattr(config, stream, stream_object)
        guest = Guest(config)
        guest.write(1, b"x")
        node.held = (guest, config)
        return weakref.ref(node)

    alive = [cycle() for _ in range(20)]
    gc.collect()
    assert [ref() for ref in alive if ref() is not None] == []


def test_a_replaced_configuration_releases_its_objects_at_once() -> None:
    store = Store(ENGINE)
    writer = Node()
    alive = weakref.ref(writer)
    store.set_wasi(WasiConfig(stdout=writer))
    del writer
    assert alive() is not None
    store.set_wasi(WasiConfig())
    assert alive() is None


def test_closing_a_store_releases_its_streams() -> None:
    writer = Node()
    alive = weakref.ref(writer)
    guest = Guest(WasiConfig(stdout=writer))
    del writer
    guest.store.close()
    assert alive() is None


def test_no_file_descriptor_leaks(tree: pathlib.Path) -> None:
    def use() -> None:
        config = WasiConfig(stdin_file=tree / "file", stdout_file=tree / "out")
        config.preopen_dir(tree, "/")
        guest = Guest(config)
        assert guest.open("file")[0] == SUCCESS
        guest.sleep(1)

    use()
    before = len(os.listdir("/dev/fd"))
    for _ in range(50):
        use()
    assert len(os.listdir("/dev/fd")) == before


def test_wasi_works_on_a_shared_memory(tree: pathlib.Path) -> None:
    config = Config()
    config.wasm_threads = True
    config.shared_memory = True
    engine = Engine(config)
    module = Module(engine, guest_wat('(memory (export "memory") 64 64 shared)'))
    linker = Linker(engine)
    linker.define_wasi()
    store = Store(engine)
    wasi = WasiConfig(stdin_bytes=b"input")
    capture = wasi.capture_stdout()
    wasi.preopen_dir(tree, "/", DirPerms.READ_WRITE, FilePerms.READ_ONLY)
    store.set_wasi(wasi)
    exports = linker.instantiate(store, module).exports(store)
    memory: Any = exports["memory"]
    address = memory.data_ptr()

    def call(name: str, *args: int) -> Any:
        function: Any = exports[name]
        return function(store, *args)

    def put(data: bytes, at: int) -> None:
        for index, byte in enumerate(data):
            address[at + index] = byte

    put(struct.pack("<II", 1000, 5), 0)
    assert call("fd_read", 0, 0, 1, 16) == SUCCESS
    assert call("fd_write", 1, 0, 1, 16) == SUCCESS
    assert capture.getvalue() == b"input"
    put(b"file", 2000)
    assert call("path_open", 3, 0, 2000, 4, 0, WRITE, 0, 0, 16) == PERM
    assert call("path_open", 3, 0, 2000, 4, 0, READ, 0, 0, 16) == SUCCESS


COUNT_PREOPENS = """
(component
  (import "wasi:filesystem/types@0.2.0" (instance $types (export "descriptor" (type (sub resource)))))
  (alias export $types "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $outer))
    (export "descriptor" (type $own (eq $outer)))
    (export "get-directories" (func (result (list (tuple (own $own) string)))))))
  (core module $libc
    (memory (export "memory") 1)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $top)
      (global.set $top (i32.add (global.get $top) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (core func $get (canon lower (func $preopens "get-directories")
    (memory (core memory $libc "memory")) (realloc (core func $libc "realloc"))))
  (core module $main
    (import "" "get" (func $get (param i32)))
    (import "" "memory" (memory 1))
    (func (export "count") (result i32) (call $get (i32.const 16)) (i32.load (i32.const 20))))
  (core instance $main (instantiate $main
    (with "" (instance (export "get" (func $get)) (export "memory" (memory $memory))))))
  (func (export "count") (result u32) (canon lift (core func $main "count"))))
"""


def test_components_do_not_see_directories_whose_permissions_the_engine_cannot_enforce(tree: pathlib.Path) -> None:
    from ferrowasm import component

    config = WasiConfig()
    config.preopen_dir(tree, "/rw")
    config.preopen_dir(tree, "/ro", False)
    linker = component.Linker(ENGINE)
    linker.add_wasip2()
    counter = component.Component(ENGINE, COUNT_PREOPENS)

    def count() -> Any:
        store = Store(ENGINE)
        store.set_wasi(config)
        function: Any = linker.instantiate(store, counter).get_func(store, "count")
        return function(store)

    assert count() == 2
    config.preopen_dir(tree, "/inbox", DirPerms.WRITE_ONLY, FilePerms.READ_WRITE)
    assert count() == 2
    config.preopen_dir(tree, "/narrowed", DirPerms.READ_WRITE, FilePerms.READ_ONLY)
    assert count() == 3
