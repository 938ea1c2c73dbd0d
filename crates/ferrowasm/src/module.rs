//! `Module`: compiled core WebAssembly.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyString, PyType};

use crate::artifact;
use crate::compile::compile;
use crate::engine::{Engine, EngineState};
use crate::errors::Misuse;
use crate::gil;
use crate::managed::{Managed, managed, two_phase};
use crate::paths;
use crate::private_memories;
use crate::text;
use crate::types::{ExportType, ImportType};

/// A compiled WebAssembly module. It belongs to no store: one module can be instantiated in any store of its engine, on
/// any thread.
///
/// `wasm` is the text format as `str`, or either format as a bytes-like object. Compiling runs with the interpreter
/// lock released.
///
/// Raises `WasmtimeError` when the module is malformed or invalid, or uses a proposal that the engine's `Config` does
/// not enable.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Module {
    module: Managed<Compiled>,
}

struct Compiled {
    module: wasmtime::Module,
    engine: Arc<EngineState>,
}

impl Module {
    fn empty() -> Module {
        Module { module: Managed::empty("Module") }
    }

    /// An object of `class`, which is `Module` or a subclass of it; the `__init__` of the subclass does not run.
    pub(crate) fn wrap<'py>(
        class: &Bound<'py, PyType>,
        module: wasmtime::Module,
        engine: &Arc<EngineState>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let object = class.call_method1("__new__", (class,))?;
        object.cast::<Module>()?.get().module.initialise(Compiled { module, engine: engine.clone() })?;
        Ok(object)
    }

    pub(crate) fn get(&self) -> Result<&wasmtime::Module, Misuse> {
        Ok(&self.module.get()?.module)
    }

    /// The module, if it was compiled by `engine`.
    pub(crate) fn get_for(&self, engine: &wasmtime::Engine) -> Result<&wasmtime::Module, Misuse> {
        let module = self.get()?;
        if wasmtime::Engine::same(module.engine(), engine) { Ok(module) } else { Err(Misuse::WrongEngine("Module")) }
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.module.close();
        Ok(())
    }
}

/// The bytes of a bytes-like object, copied unless they cannot change.
pub(crate) fn bytes_of<'py>(value: &Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let view = pyo3::types::PyMemoryView::from(value).map_err(|_| crate::errors::expected(what, value))?;
    Ok(view.call_method0("tobytes")?.cast_into()?)
}

/// The binary format of a module given as text or bytes.
pub(crate) fn binary_of<'py>(wasm: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if wasm.is_instance_of::<PyString>() {
        return text::to_binary(wasm).map(|binary| PyBytes::new(wasm.py(), &binary));
    }
    bytes_of(wasm, "the text format as str or a module as bytes")
}

#[pymethods]
impl Module {
    fn __init__(&self, engine: &Bound<'_, Engine>, wasm: &Bound<'_, PyAny>) -> PyResult<()> {
        let engine = engine.get().state()?;
        let binary = binary_of(wasm)?;
        let module = compile(wasm.py(), engine, binary.as_bytes(), None)?;
        self.module.initialise(Compiled { module, engine: engine.clone() })
    }

    /// Compile the file at `path`, which holds the binary or the text format. Raises `OSError` if it cannot be read,
    /// otherwise as the class.
    #[classmethod]
    fn from_file<'py>(
        cls: &Bound<'py, PyType>,
        engine: &Bound<'py, Engine>,
        path: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        let (engine, path) = (engine.get().state()?, paths::path(path)?);
        let bytes = gil::released(py, || std::fs::read(&path))?.map_err(|error| paths::os_error(py, &error, &path))?;
        let module = compile(py, engine, &bytes, Some(&path))?;
        Module::wrap(cls, module, engine)
    }

    /// Load what `serialize` returned, for the same settings and the same version of the engine.
    ///
    /// Raises `WasmtimeError` when the bytes are damaged, foreign, or made for another engine. **Compiled code is
    /// native code: load it only from where nobody whom you do not trust can write.** The checksum finds damage, not
    /// forgery.
    #[classmethod]
    fn deserialize<'py>(
        cls: &Bound<'py, PyType>,
        engine: &Bound<'py, Engine>,
        encoded: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let bytes = bytes_of(encoded, "compiled code as bytes")?;
        let engine = engine.get().state()?;
        Module::wrap(cls, artifact::load(cls.py(), &engine.engine, bytes.as_bytes())?, engine)
    }

    /// Load a file that holds what `serialize` returned; see `deserialize`.
    ///
    /// With `trusted=True` the file is mapped into memory as it is, without a look at the checksum: faster for large
    /// modules, and shared between processes. Damage to the file, then or later, is undefined behaviour.
    #[classmethod]
    #[pyo3(signature = (engine, path, *, trusted=false))]
    fn deserialize_file<'py>(
        cls: &Bound<'py, PyType>,
        engine: &Bound<'py, Engine>,
        path: &Bound<'py, PyAny>,
        trusted: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let engine = engine.get().state()?;
        let module = artifact::load_file(cls.py(), &engine.engine, &paths::path(path)?, trusted)?;
        Module::wrap(cls, module, engine)
    }

    /// Check that `wasm`, in the binary format, is a valid module for the engine, without compiling it. Raises
    /// `WasmtimeError` if it is not.
    #[staticmethod]
    fn validate(py: Python<'_>, engine: &Bound<'_, Engine>, wasm: &Bound<'_, PyAny>) -> PyResult<()> {
        let engine = engine.get().get()?;
        if wasm.is_instance_of::<PyString>() {
            return Err(PyTypeError::new_err("expected a module in the binary format as bytes, got str; see wat2wasm"));
        }
        let binary = bytes_of(wasm, "a module in the binary format as bytes")?;
        let bytes = binary.as_bytes();
        gil::detached(py, || wasmtime::Module::validate(engine, bytes))
    }

    /// The compiled code as bytes, for `deserialize`; the engine's format, followed by a checksum.
    fn serialize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        let module = self.get()?;
        let code = gil::detached(py, || module.serialize().map(artifact::seal))?;
        Ok(PyByteArray::new(py, &code))
    }

    /// The engine that the module was compiled by, for stores and linkers to use it in.
    #[getter]
    fn engine(&self) -> PyResult<Engine> {
        Ok(Engine::wrap(self.module.get()?.engine.clone()))
    }

    /// The name that the module's name section gives it, if any.
    #[getter]
    fn name(&self) -> PyResult<Option<&str>> {
        Ok(self.get()?.name())
    }

    /// What the module needs, in order.
    #[getter]
    fn imports(&self) -> PyResult<Vec<ImportType>> {
        Ok(self.get()?.imports().map(|import| ImportType::wrap(&import)).collect())
    }

    /// What an instance of the module offers, in order.
    #[getter]
    fn exports(&self) -> PyResult<Vec<ExportType>> {
        let exports = self.get()?.exports().filter(|export| !private_memories::is_ours(export.name()));
        Ok(exports.map(|export| ExportType::wrap(&export)).collect())
    }

    fn __repr__(&self) -> String {
        match self.get() {
            Ok(module) => match module.name() {
                Some(name) => format!("<Module {name:?}>"),
                None => "<Module>".to_owned(),
            },
            Err(_) => "<Module (closed)>".to_owned(),
        }
    }
}

managed!(Module);
two_phase!(Module, "(engine, wasm)");
