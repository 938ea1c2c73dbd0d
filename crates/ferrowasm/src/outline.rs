//! What a module declares, read from the binary without compiling it: for tools that look at modules.

use std::collections::HashMap;

use pyo3::prelude::*;
use wasmparser::types::{EntityType, TypesRef};
use wasmparser::{
    Encoding, ExternalKind, MemoryType, Parser, Payload, TableType, TypeRef, ValidPayload, Validator, WasmFeatures,
};

use crate::code::bytes_of;
use crate::errors::wasmtime_error;
use crate::gil;

/// Module, name, kind and type.
type Import = (String, String, &'static str, String);
/// Name, kind and type.
type Export = (String, &'static str, String);
/// Name, whether it is imported, least and greatest size in pages, page size in bytes, whether addresses have 64 bits,
/// whether it is shared.
type Memory = (Option<String>, bool, u64, Option<u64>, u64, bool, bool);

/// What a module imports, exports and has for memories.
type Outline = (Vec<Import>, Vec<Export>, Vec<Memory>);

/// The imports, exports and memories of a core module in the binary format, in order.
///
/// Kinds are `func`, `global`, `memory`, `table` and `tag`, and types are in the words of the text format. The name of
/// a memory is the one under which it is imported (`module.name`) or first exported. Declarations are checked, function
/// bodies are not. Raises `WasmtimeError` when the binary is malformed or a component.
#[pyfunction]
pub(crate) fn module_outline(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Outline> {
    let bytes = bytes_of(data, "a module as bytes")?;
    let bytes = bytes.as_bytes();
    gil::released(py, || outline(bytes))?.map_err(|message| wasmtime_error(py, &message))
}

fn outline(binary: &[u8]) -> Result<Outline, String> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut memory_names = HashMap::new();
    let mut imported_memories = 0;
    for payload in Parser::new(0).parse_all(binary) {
        let payload = payload.map_err(text)?;
        match &payload {
            Payload::Version { encoding: Encoding::Component, .. } => {
                return Err("expected a core module, got a component".to_owned());
            }
            Payload::ImportSection(imports) => {
                for import in imports.clone().into_imports() {
                    let import = import.map_err(text)?;
                    if let TypeRef::Memory(_) = import.ty {
                        memory_names.insert(imported_memories, format!("{}.{}", import.module, import.name));
                        imported_memories += 1;
                    }
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports.clone() {
                    let export = export.map_err(text)?;
                    if export.kind == ExternalKind::Memory {
                        memory_names.entry(export.index).or_insert_with(|| export.name.to_owned());
                    }
                }
            }
            _ => {}
        }
        if let ValidPayload::End(types) = validator.payload(&payload).map_err(text)? {
            return Ok(describe(types.as_ref(), &memory_names, imported_memories));
        }
    }
    Err("the module is cut short".to_owned())
}

fn text(error: wasmparser::BinaryReaderError) -> String {
    error.to_string()
}

fn describe(types: TypesRef<'_>, memory_names: &HashMap<u32, String>, imported_memories: u32) -> Outline {
    let imports = types.core_imports().into_iter().flatten().map(|(module, name, ty)| {
        let (kind, ty) = entity(types, ty);
        (module.to_owned(), name.to_owned(), kind, ty)
    });
    let exports = types.core_exports().into_iter().flatten().map(|(name, ty)| {
        let (kind, ty) = entity(types, ty);
        (name.to_owned(), kind, ty)
    });
    let memories = (0..types.memory_count()).map(|index| {
        let ty = types.memory_at(index);
        let page_size = 1 << ty.page_size_log2.unwrap_or(16);
        let name = memory_names.get(&index).cloned();
        (name, index < imported_memories, ty.initial, ty.maximum, page_size, ty.memory64, ty.shared)
    });
    (imports.collect(), exports.collect(), memories.collect())
}

/// The kind of an import or export, and its type in the words of the text format.
fn entity(types: TypesRef<'_>, ty: EntityType) -> (&'static str, String) {
    match ty {
        EntityType::Func(id) | EntityType::FuncExact(id) => ("func", format!("(func{})", signature(types, id))),
        EntityType::Tag(id) => ("tag", format!("(tag{})", signature(types, id))),
        EntityType::Table(ty) => ("table", table(&ty)),
        EntityType::Memory(ty) => ("memory", memory(&ty)),
        EntityType::Global(ty) if ty.mutable => ("global", format!("(global (mut {}))", ty.content_type)),
        EntityType::Global(ty) => ("global", format!("(global {})", ty.content_type)),
    }
}

fn signature(types: TypesRef<'_>, id: wasmparser::types::CoreTypeId) -> String {
    let ty = types[id].unwrap_func();
    let list = |word: &str, types: &[wasmparser::ValType]| match types {
        [] => String::new(),
        types => format!(" ({word}{})", types.iter().map(|ty| format!(" {ty}")).collect::<String>()),
    };
    list("param", ty.params()) + &list("result", ty.results())
}

fn limits(is_64: bool, initial: u64, maximum: Option<u64>) -> String {
    let index = if is_64 { "i64 " } else { "" };
    let maximum = maximum.map(|maximum| format!(" {maximum}")).unwrap_or_default();
    format!("{index}{initial}{maximum}")
}

fn table(ty: &TableType) -> String {
    format!("(table {} {})", limits(ty.table64, ty.initial, ty.maximum), ty.element_type)
}

fn memory(ty: &MemoryType) -> String {
    let shared = if ty.shared { " shared" } else { "" };
    let page_size = match ty.page_size_log2 {
        Some(exponent) if exponent != 16 => format!(" (pagesize {})", 1_u64 << exponent),
        _ => String::new(),
    };
    format!("(memory {}{shared}{page_size})", limits(ty.memory64, ty.initial, ty.maximum))
}
