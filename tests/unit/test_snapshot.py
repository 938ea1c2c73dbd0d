"""`snapshot`: modules that begin where the initialisation of another one ended."""

from __future__ import annotations

import pathlib
from typing import Any

import pytest
from support import raises

from ferrowasm import (
    Engine,
    ExitTrap,
    FuncType,
    Instance,
    Linker,
    Module,
    Store,
    ValType,
    WasiConfig,
    WasmtimeError,
    _native,
    snapshot,
    wat2wasm,
)

#: Counts how often it was initialised, in a global that is not exported, and writes to its memory.
COUNTER = """
(module
  (memory (export "memory") 1)
  (global $count (mut i32) (i32.const 0))
  (global $wide (mut i64) (i64.const 1))
  (global $float (mut f64) (f64.const 0.5))
  (global $vector (mut v128) (v128.const i64x2 1 2))
  (func (export "init")
    (global.set $count (i32.add (global.get $count) (i32.const 1)))
    (global.set $wide (i64.const -2))
    (global.set $float (f64.const -0.25))
    (global.set $vector (v128.const i64x2 3 4))
    (i32.store (i32.const 100_000) (i32.const 7)))
  (func (export "grow") (drop (memory.grow (i32.const 2))))
  (func (export "count") (result i32) (global.get $count))
  (func (export "wide") (result i64) (global.get $wide))
  (func (export "float") (result f64) (global.get $float))
  (func (export "lane") (result i64) (i64x2.extract_lane 1 (global.get $vector)))
  (func (export "load") (param i32) (result i32) (i32.load (local.get 0)))
  (func (export "start") (export "other")))
"""


def exports_of(wasm: bytes) -> tuple[Store, Any]:
    store = Store()
    linker = Linker(store.engine)
    linker.define_wasi()
    store.set_wasi(WasiConfig())
    return store, linker.instantiate(store, Module(store.engine, wasm)).exports(store)


def grow_and_init(store: Store, exports: Any) -> None:
    exports["grow"](store)
    exports["init"](store)


def test_memories_and_globals_have_the_values_of_the_initialised_instance() -> None:
    store, exports = exports_of(snapshot(COUNTER, grow_and_init))
    assert exports["memory"].size(store) == 3
    assert exports["load"](store, 100_000) == 7
    assert exports["load"](store, 0) == 0
    assert [exports[name](store) for name in ("count", "wide", "float", "lane")] == [1, -2, -0.25, 4]


def test_the_named_function_initialises_and_is_gone() -> None:
    text = COUNTER.replace("100_000", "1000")
    store, exports = exports_of(snapshot(text, "init"))
    assert exports["count"](store) == 1
    assert exports["load"](store, 1000) == 7
    assert list(exports) == ["memory", "grow", "count", "wide", "float", "lane", "load", "start", "other"]


def test_a_snapshot_can_be_taken_of_a_snapshot() -> None:
    once = snapshot(COUNTER, grow_and_init)
    store, exports = exports_of(snapshot(once, lambda store, exports: exports.func("init")(store)))
    assert exports["count"](store) == 2


def test_the_start_function_runs_once() -> None:
    text = COUNTER.replace("(memory (export", "(start $begin) (func $begin (global.set $count (i32.const 40))) (memory (export")
    store, exports = exports_of(snapshot(text, grow_and_init))
    assert exports["count"](store) == 41


def test_the_initialiser_of_a_reactor_runs_before_and_is_gone() -> None:
    text = COUNTER.replace("(memory (export", '(func (export "_initialize") (global.set $count (i32.const 10))) (memory (export')
    wasm = snapshot(text, grow_and_init)
    store, exports = exports_of(wasm)
    assert exports["count"](store) == 11
    assert "_initialize" not in exports
    store, exports = exports_of(snapshot(text, "_initialize"))
    assert exports["count"](store) == 10


def test_functions_can_get_new_names() -> None:
    store, exports = exports_of(snapshot(COUNTER, grow_and_init, rename={"_start": "start", "count": "load"}))
    assert list(exports) == ["memory", "init", "grow", "wide", "float", "lane", "count", "_start", "other"]
    assert exports["count"](store, 100_000) == 7


@pytest.mark.parametrize("kind", ["text", "text as bytes", "binary", "bytearray", "path", "path of text", "str path"])
def test_a_module_can_be_given_in_any_form(tmp_path: pathlib.Path, kind: str) -> None:
    (tmp_path / "a.wasm").write_bytes(wat2wasm(COUNTER))
    (tmp_path / "a.wat").write_text(COUNTER)
    given: Any = {
        "text": COUNTER,
        "text as bytes": COUNTER.encode(),
        "binary": bytes(wat2wasm(COUNTER)),
        "bytearray": wat2wasm(COUNTER),
        "path": tmp_path / "a.wasm",
        "path of text": tmp_path / "a.wat",
        "str path": str(tmp_path / "a.wasm"),
    }[kind]
    store, exports = exports_of(snapshot(given, grow_and_init))
    assert exports["count"](store) == 1


def test_wasi_is_what_the_configuration_gives() -> None:
    text = """
    (module
      (import "wasi_snapshot_preview1" "environ_sizes_get" (func $sizes (param i32 i32) (result i32)))
      (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 1)
      (func (export "init") (drop (call $sizes (i32.const 0) (i32.const 4))))
      (func (export "leave") (call $exit (i32.const 3)))
      (func (export "variables") (result i32) (i32.load (i32.const 0))))
    """
    for config, count in [(None, 0), (WasiConfig(env={"A": "1", "B": "2"}), 2)]:
        store, exports = exports_of(snapshot(text, "init", wasi=config))
        assert exports["variables"](store) == count
    with pytest.raises(ExitTrap) as caught:
        snapshot(text, "leave")
    assert caught.value.code == 3


def test_other_imports_fail_unless_a_linker_offers_them() -> None:
    text = """
    (module
      (import "host" "answer" (func $answer (result i32)))
      (global $it (mut i32) (i32.const 0))
      (func (export "init") (global.set $it (call $answer)))
      (func (export "it") (result i32) (global.get $it)))
    """
    with pytest.raises(WasmtimeError, match="unknown import: `host::answer` has not been defined"):
        snapshot(text, "init")
    engine = Engine()
    linker = Linker(engine)
    linker.define_func("host", "answer", FuncType([], [ValType.i32()]), lambda: 42)
    wasm = snapshot(text, "init", linker=linker)
    store = Store(engine)
    exports = linker.instantiate(store, Module(engine, wasm)).exports(store)
    assert exports.func("it")(store) == 42


def test_what_the_initialiser_raises_comes_out_as_it_is() -> None:
    error = KeyError("mine")

    def fail(store: Store, exports: Any) -> None:
        raise error

    with pytest.raises(KeyError) as caught:
        snapshot(COUNTER, fail)
    assert caught.value is error


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("(component)", "expected a module, got a component: a snapshot can be taken of a module only"),
        ("(module)", "the module exports no function 'wizer-initialize' to initialise it with"),
        ('(module (import "a" "b" (tag)))', "no snapshot can be taken of a module that imports a tag: a.b"),
        ("(module (memory 1 1 shared))", "no snapshot can be taken of a shared memory"),
        ('(module (import "a" "b" (memory 1)) (func (export "wizer-initialize")))', "imported memories are not supported"),
        ('(module (import "a" "b" (table 1 funcref)) (func (export "wizer-initialize")))', "imported tables are not supported"),
        ('(module (import "a" "b" (global i32)) (func (export "wizer-initialize")))', "imported globals are not supported"),
        (
            '(module (table 1 funcref) (func (export "wizer-initialize") (table.set (i32.const 0) (ref.null func))))',
            "unsupported `table.set` instruction",
        ),
        (
            '(module (global (mut funcref) (ref.null func)) (func (export "wizer-initialize")))',
            "unsupported mutable global containing a reference type",
        ),
    ],
)
def test_what_cannot_be_kept_is_refused(text: str, message: str) -> None:
    with raises(WasmtimeError, message):
        snapshot(text)


def test_a_function_with_parameters_does_not_initialise() -> None:
    with pytest.raises(WasmtimeError, match="too few parameters"):
        snapshot(COUNTER, "load")
    with raises(TypeError, "the export 'memory' is a Memory, not a Func"):
        snapshot(COUNTER, "memory")


def test_what_is_no_module_is_a_type_error() -> None:
    with raises(TypeError, "expected a path or a module as bytes or text, got int"):
        snapshot(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def test_the_instance_of_another_module_is_refused() -> None:
    store = Store()
    other = Instance(store, Module(store.engine, "(module)"), [])
    with raises(WasmtimeError, "the instance is not one of the module to take a snapshot of"):
        _native.snapshot(store, other, bytes(wat2wasm(COUNTER)), None, [])


def test_a_module_without_state_is_fine() -> None:
    store, exports = exports_of(snapshot('(module (func (export "wizer-initialize")) (func (export "f") (result i32) (i32.const 5)))'))
    assert exports["f"](store) == 5
