//! What `ferrowasm._cache` needs of the engine: names for compiled code, and its way into files and back.

use std::fs::OpenOptions;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;

use pyo3::prelude::*;
use sha2::{Digest, Sha256};

use crate::artifact;
use crate::code::bytes_of;
use crate::component::compiled::Component;
use crate::engine::Engine;
use crate::errors::expected;
use crate::gil;
use crate::module::Module;
use crate::paths;

/// A name for what `engine` makes of `wasm`: it differs when the bytes, the settings that matter for compiled code, the
/// processor or the versions do.
#[pyfunction]
pub(crate) fn cache_key(
    py: Python<'_>,
    engine: &Bound<'_, Engine>,
    wasm: &Bound<'_, PyAny>,
    component: bool,
) -> PyResult<String> {
    let engine = engine.get().get()?;
    let binary = bytes_of(wasm, "WebAssembly as bytes")?;
    let bytes = binary.as_bytes();
    let mut settings = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut settings);
    let digest = gil::released(py, || {
        let mut hasher = Sha256::new();
        hasher.update(env!("CARGO_PKG_VERSION"));
        hasher.update(crate::ENGINE_VERSION);
        hasher.update([u8::from(component)]);
        hasher.update(settings.finish().to_le_bytes());
        hasher.update(bytes);
        hasher.finalize()
    })?;
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Looks at the checksum of a file of compiled code, after which it can be mapped if nobody else can change it.
///
/// Raises `OSError` if the file cannot be read, and `WasmtimeError` if it is damaged.
#[pyfunction]
pub(crate) fn cache_check(py: Python<'_>, path: &Bound<'_, PyAny>) -> PyResult<()> {
    artifact::check_file(py, &paths::path(path)?)
}

/// Writes a `Module` or `Component` to a new file, and returns its size in bytes. Raises `OSError`.
#[pyfunction]
pub(crate) fn cache_save(py: Python<'_>, compiled: &Bound<'_, PyAny>, path: &Bound<'_, PyAny>) -> PyResult<usize> {
    let path = paths::path(path)?;
    let code = if let Ok(module) = compiled.cast::<Module>() {
        let module = module.get().get()?;
        gil::detached(py, || module.serialize())?
    } else if let Ok(component) = compiled.cast::<Component>() {
        let component = component.get().get()?;
        gil::detached(py, || component.serialize())?
    } else {
        return Err(expected("a Module or Component", compiled));
    };
    gil::released(py, || {
        let sealed = artifact::seal(code);
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        file.write_all(&sealed).map(|()| sealed.len())
    })?
    .map_err(|error| paths::os_error(py, &error, &path))
}
