//! The text format, and a look at the sections of a binary.

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyString};

use crate::code::bytes_of;
use crate::errors::wasmtime_error;
use crate::gil;

/// Translates the text format, given as `str` or bytes; binary input is returned as it is.
pub(crate) fn to_binary(wat: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let py = wat.py();
    let bytes;
    let source = match wat.cast::<PyString>() {
        Ok(text) => text.to_str()?.as_bytes(),
        Err(_) => {
            bytes = bytes_of(wat, "the text format as str or bytes")?;
            bytes.as_bytes()
        }
    };
    gil::released(py, || wat::parse_bytes(source).map(|binary| binary.into_owned()).map_err(|error| error.to_string()))?
        .map_err(|message| wasmtime_error(py, &message))
}

/// Translate a module or component from the text format to the binary format.
///
/// Raises `WasmtimeError`, with the place of the error, when the text cannot be parsed.
#[pyfunction]
pub(crate) fn wat2wasm<'py>(wat: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyByteArray>> {
    Ok(PyByteArray::new(wat.py(), &to_binary(wat)?))
}

/// The text format of a binary module or component.
///
/// Raises `WasmtimeError` when the binary is malformed.
#[pyfunction]
pub(crate) fn print_wat(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<String> {
    let bytes = bytes_of(data, "a module or component as bytes")?;
    let bytes = bytes.as_bytes();
    gil::released(py, || wasmprinter::print_bytes(bytes).map_err(|error| error.to_string()))?
        .map_err(|message| wasmtime_error(py, &message))
}

/// Whether a binary is a component; `False` for a core module.
#[pyfunction]
pub(crate) fn is_component(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    let bytes = bytes_of(data, "a module or component as bytes")?;
    Ok(wasmparser::Parser::is_component(bytes.as_bytes()))
}

/// Whether compiled code is that of a component; `False` for that of a module, and for anything else.
#[pyfunction]
pub(crate) fn is_compiled_component(data: &Bound<'_, PyAny>) -> PyResult<bool> {
    let bytes = bytes_of(data, "compiled code as bytes")?;
    Ok(wasmtime::Engine::detect_precompiled(bytes.as_bytes()) == Some(wasmtime::Precompiled::Component))
}

/// Kind, name of a custom section, offset and size.
type Section = (String, Option<String>, usize, usize);

/// The sections of a binary module or component, in order: kind, name of a custom section or `None`, offset of the
/// content and its size, in bytes.
///
/// Raises `WasmtimeError` when the binary is malformed.
#[pyfunction]
pub(crate) fn module_sections(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<Vec<Section>> {
    let bytes = bytes_of(data, "a module or component as bytes")?;
    sections(bytes.as_bytes()).map_err(|message| wasmtime_error(py, &message))
}

/// Sections of the outermost module or component; what is nested in it counts as one section.
fn sections(binary: &[u8]) -> Result<Vec<Section>, String> {
    let mut found = Vec::new();
    let mut skip_until = 0;
    for payload in wasmparser::Parser::new(0).parse_all(binary) {
        let payload = payload.map_err(|error| error.to_string())?;
        let Some((id, range)) = payload.as_section() else { continue };
        if range.start < skip_until {
            continue;
        }
        let name = match &payload {
            wasmparser::Payload::CustomSection(section) => Some(section.name().to_owned()),
            wasmparser::Payload::ModuleSection { .. } | wasmparser::Payload::ComponentSection { .. } => {
                skip_until = range.end;
                None
            }
            _ => None,
        };
        found.push((
            section_name(id, wasmparser::Parser::is_component(binary)),
            name,
            range.start,
            range.end - range.start,
        ));
    }
    Ok(found)
}

/// The names that the specifications give the sections.
fn section_name(id: u8, component: bool) -> String {
    const CORE: [&str; 14] = [
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
        "tag",
    ];
    const COMPONENT: [&str; 13] = [
        "custom",
        "core module",
        "core instance",
        "core type",
        "component",
        "instance",
        "alias",
        "type",
        "canonical function",
        "start",
        "import",
        "export",
        "value",
    ];
    let names: &[&str] = if component { &COMPONENT } else { &CORE };
    names.get(usize::from(id)).map_or_else(|| format!("section {id}"), |name| (*name).to_owned())
}
