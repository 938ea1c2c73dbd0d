//! `Module`: compiled core WebAssembly.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyString, PyType};

use crate::code::{self, Code, CodeClass, bytes_of};
use crate::engine::Engine;
use crate::errors::Misuse;
use crate::gil;
use crate::managed::{Managed, managed, two_phase};
use crate::private_memories;
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
    code: Managed<Code<wasmtime::Module>>,
}

impl CodeClass for Module {
    type Artifact = wasmtime::Module;

    fn code(&self) -> &Managed<Code<wasmtime::Module>> {
        &self.code
    }
}

impl Module {
    fn empty() -> Module {
        Module { code: Managed::empty("Module") }
    }

    pub(crate) fn get(&self) -> Result<&wasmtime::Module, Misuse> {
        Ok(&self.code.get()?.artifact)
    }

    /// The module, if it was compiled by `engine`.
    pub(crate) fn get_for(&self, engine: &wasmtime::Engine) -> Result<&wasmtime::Module, Misuse> {
        self.code.get()?.get_for(engine)
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.code.close();
        Ok(())
    }
}

#[pymethods]
impl Module {
    fn __init__(&self, engine: &Bound<'_, Engine>, wasm: &Bound<'_, PyAny>) -> PyResult<()> {
        self.code.initialise(Code::compile(engine, wasm)?)
    }

    /// Compile the file at `path`, which holds the binary or the text format. Raises `OSError` if it cannot be read,
    /// otherwise as the class.
    #[classmethod]
    fn from_file<'py>(
        cls: &Bound<'py, PyType>,
        engine: &Bound<'py, Engine>,
        path: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        code::wrap::<Module>(cls, Code::compile_file(engine, path)?)
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
        code::wrap::<Module>(cls, Code::deserialize(engine, encoded)?)
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
        code::wrap::<Module>(cls, Code::deserialize_file(engine, path, trusted)?)
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
        self.code.get()?.serialize(py)
    }

    /// The engine that the module was compiled by, for stores and linkers to use it in.
    #[getter]
    fn engine(&self) -> PyResult<Engine> {
        Ok(self.code.get()?.engine())
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
