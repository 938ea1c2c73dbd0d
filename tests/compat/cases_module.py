"""`Module`, `ImportType` and `ExportType`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .harness import Package, case
from .programs import ADD, ONE_OF_EACH, engine_with

IMPORTS = """
(module
  (import "" "f" (func (param i32) (result i64)))
  (import "a" "" (global (mut f32)))
  (import "a" "m" (memory 1 2))
  (import "ü" "t" (table 3 4 externref))
  (import "a" "e" (tag (param i32))))
"""


def _module(w: Package, wat: str = ADD) -> Any:
    return w.Module(w.Engine(), wat)


@case
def text_compiles(w: Package) -> object:
    return _module(w)


@case
def text_as_bytes_compiles(w: Package) -> object:
    return w.Module(w.Engine(), ADD.encode())


@case
def a_binary_compiles(w: Package) -> object:
    return w.Module(w.Engine(), w.wat2wasm(ADD))


@case
def a_binary_as_bytes_compiles(w: Package) -> object:
    return w.Module(w.Engine(), bytes(w.wat2wasm(ADD)))


@case
def arguments_can_be_named(w: Package) -> object:
    return w.Module(engine=w.Engine(), wasm=ADD)


@case
def a_bytearray_of_text_is_accepted(w: Package) -> object:
    """`Module(engine, bytearray(b"(module)"))`"""
    return w.Module(w.Engine(), bytearray(b"(module)"))


@case
def a_memoryview_is_accepted(w: Package) -> object:
    """`Module(engine, memoryview(binary))`"""
    return w.Module(w.Engine(), memoryview(w.wat2wasm(ADD)))


@case
def a_list_of_ints_is_refused(w: Package) -> object:
    return w.Module(w.Engine(), [0, 97, 115, 109])


@case
def another_engine_type_is_refused(w: Package) -> object:
    return w.Module("engine", ADD)


@case
def a_store_is_no_engine(w: Package) -> object:
    return w.Module(w.Store(), ADD)


@case
def nonsense_text_is_refused(w: Package) -> object:
    return _module(w, "hello")


@case
def an_empty_str_is_refused(w: Package) -> object:
    """`Module(engine, "")`"""
    return _module(w, "")


@case
def empty_bytes_are_refused(w: Package) -> object:
    return w.Module(w.Engine(), b"")


@case
def a_truncated_binary_is_refused(w: Package) -> object:
    return w.Module(w.Engine(), bytes(w.wat2wasm(ADD))[:-3])


@case(message=True)
def an_invalid_module_is_explained(w: Package) -> object:
    """The text of a validation error of `Module`"""
    return _module(w, '(module (func (export "f") (result i32)))')


@case(message=True)
def bad_bytes_are_explained(w: Package) -> object:
    """The text of the error for a binary of an unknown version"""
    return w.Module(w.Engine(), b"\0asm\xff\0\0\0")


@case
def a_file_compiles(w: Package, tmp: Path) -> object:
    file = tmp / "add.wat"
    file.write_text(ADD)
    return w.Module.from_file(w.Engine(), str(file))


@case
def a_path_object_names_a_file(w: Package, tmp: Path) -> object:
    file = tmp / "add.wasm"
    file.write_bytes(w.wat2wasm(ADD))
    return w.Module.from_file(w.Engine(), file)


@case
def bytes_name_a_file(w: Package, tmp: Path) -> object:
    file = tmp / "add.wasm"
    file.write_bytes(w.wat2wasm(ADD))
    return w.Module.from_file(w.Engine(), str(file).encode())


@case
def from_file_arguments_can_be_named(w: Package, tmp: Path) -> object:
    file = tmp / "add.wasm"
    file.write_bytes(w.wat2wasm(ADD))
    return w.Module.from_file(engine=w.Engine(), path=file)


@case
def a_missing_file_is_reported_as_such(w: Package, tmp: Path) -> object:
    return w.Module.from_file(w.Engine(), tmp / "missing")


@case
def a_directory_is_no_file(w: Package, tmp: Path) -> object:
    return w.Module.from_file(w.Engine(), tmp)


@case
def an_invalid_file_is_refused(w: Package, tmp: Path) -> object:
    file = tmp / "bad.wasm"
    file.write_bytes(b"\0asm")
    return w.Module.from_file(w.Engine(), file)


@case
def validate_returns_none(w: Package) -> object:
    return w.Module.validate(w.Engine(), w.wat2wasm(ADD))


@case
def validate_accepts_bytes(w: Package) -> object:
    return w.Module.validate(w.Engine(), bytes(w.wat2wasm(ADD)))


@case
def validate_refuses_invalid_bytes(w: Package) -> object:
    return w.Module.validate(w.Engine(), b"\0asm")


@case
def validate_refuses_text(w: Package) -> object:
    """`Module.validate(engine, "(module)")`"""
    return w.Module.validate(w.Engine(), "(module)")


@case
def validate_refuses_none(w: Package) -> object:
    return w.Module.validate(w.Engine(), None)


@case
def validate_refuses_text_as_bytes(w: Package) -> object:
    """`Module.validate(engine, b"(module)")`"""
    return w.Module.validate(w.Engine(), b"(module)")


@case
def imports_are_a_list_of_types(w: Package) -> object:
    return [[item.module, item.name, item.type] for item in _module(w, IMPORTS).imports]


@case
def import_types_are_import_types(w: Package) -> object:
    return [type(item).__name__ for item in _module(w, IMPORTS).imports]


@case
def a_module_without_imports_has_an_empty_list(w: Package) -> object:
    return _module(w).imports


@case
def exports_are_a_list_of_types(w: Package) -> object:
    return [[item.name, item.type] for item in _module(w, ONE_OF_EACH).exports]


@case
def export_types_are_export_types(w: Package) -> object:
    return [type(item).__name__ for item in _module(w, ONE_OF_EACH).exports]


@case
def exports_have_the_types_of_the_text(w: Package) -> object:
    wat = """
        (module
          (func (export "f") (param i32 f64 externref) (result i64 funcref) unreachable)
          (memory (export "m64") i64 1 3)
          (memory (export "shared") 1 2 shared)
          (global (export "g") (mut f64) (f64.const 0))
          (table (export "t") 0 externref)
          (tag (export "e") (param i64)))"""
    return _module(w, wat).exports


@case
def import_types_outlive_their_module(w: Package) -> object:
    module = _module(w, IMPORTS)
    kept = module.imports
    module.close()
    return kept


@case
def an_import_type_closes(w: Package) -> None:
    with _module(w, IMPORTS).imports[0] as kept:
        kept.close()


@case
def an_export_type_closes(w: Package) -> None:
    with _module(w).exports[0] as kept:
        kept.close()


@case
def an_import_type_is_not_made_by_hand(w: Package) -> object:
    """`ImportType()`"""
    return type(w.ImportType()).__name__


@case
def an_export_type_is_not_made_by_hand(w: Package) -> object:
    """`ExportType()`"""
    return type(w.ExportType()).__name__


@case
def serialize_gives_a_bytearray(w: Package) -> object:
    return type(_module(w).serialize()).__name__


@case
def serialized_modules_deserialize(w: Package) -> object:
    engine = w.Engine()
    module = w.Module.deserialize(engine, w.Module(engine, ADD).serialize())
    store = w.Store(engine)
    return w.Instance(store, module, []).exports(store)["add"](store, 2, 3)


@case
def bytes_deserialize(w: Package) -> object:
    engine = w.Engine()
    return w.Module.deserialize(engine=engine, encoded=bytes(w.Module(engine, ADD).serialize())).exports


@case
def deserialize_refuses_garbage(w: Package) -> object:
    return w.Module.deserialize(w.Engine(), b"garbage")


@case
def deserialize_refuses_empty_bytes(w: Package) -> object:
    return w.Module.deserialize(w.Engine(), b"")


@case
def deserialize_refuses_a_wasm_binary(w: Package) -> object:
    return w.Module.deserialize(w.Engine(), w.wat2wasm(ADD))


@case
def deserialize_refuses_a_str(w: Package) -> object:
    return w.Module.deserialize(w.Engine(), "garbage")


@case
def deserialize_refuses_another_configuration(w: Package) -> object:
    encoded = _module(w).serialize()
    return w.Module.deserialize(engine_with(w, consume_fuel=True), encoded)


@case
def deserialize_refuses_a_flipped_byte(w: Package) -> object:
    """`Module.deserialize` of bytes one of which was changed"""
    encoded = bytearray(_module(w).serialize())
    encoded[len(encoded) // 2] ^= 0xFF
    return w.Module.deserialize(w.Engine(), encoded)


@case
def deserialize_refuses_truncated_bytes(w: Package) -> object:
    encoded = _module(w).serialize()
    return w.Module.deserialize(w.Engine(), encoded[: len(encoded) // 2])


@case
def a_file_deserializes(w: Package, tmp: Path) -> object:
    engine = w.Engine()
    file = tmp / "add.cwasm"
    file.write_bytes(w.Module(engine, ADD).serialize())
    return w.Module.deserialize_file(engine, str(file)).exports


@case
def a_path_object_names_a_serialized_file(w: Package, tmp: Path) -> object:
    """`Module.deserialize_file(engine, pathlib.Path(…))`"""
    engine = w.Engine()
    file = tmp / "add.cwasm"
    file.write_bytes(w.Module(engine, ADD).serialize())
    return w.Module.deserialize_file(engine=engine, path=file).exports


@case
def a_missing_serialized_file_is_reported(w: Package, tmp: Path) -> object:
    """`Module.deserialize_file(engine, "missing")`"""
    return w.Module.deserialize_file(w.Engine(), str(tmp / "missing"))


@case
def a_garbage_file_is_refused(w: Package, tmp: Path) -> object:
    file = tmp / "garbage"
    file.write_bytes(b"garbage")
    return w.Module.deserialize_file(w.Engine(), str(file))


@case
def a_closed_module_is_refused(w: Package) -> object:
    store = w.Store()
    module = w.Module(store.engine, ADD)
    module.close()
    return w.Instance(store, module, [])


@case
def a_closed_module_has_no_exports(w: Package) -> object:
    module = _module(w)
    module.close()
    return module.exports


@case
def with_closes_it(w: Package) -> object:
    with _module(w) as module:
        pass
    return module.serialize()


@case
def a_module_runs_after_its_module_object_is_closed(w: Package) -> object:
    store = w.Store()
    with w.Module(store.engine, ADD) as module:
        exports = w.Instance(store, module, []).exports(store)
    return exports["add"](store, 1, 1)
