//! What `Module` and `Component` have in common: compiled code, where it comes from, and the engine that it belongs to.

use std::sync::Arc;

use pyo3::PyClass;
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::{PyByteArray, PyBytes, PyString, PyType};

use crate::artifact::{self, Artifact};
use crate::borrowed::Borrowed;
use crate::compile::compile;
use crate::engine::{Engine, EngineState};
use crate::errors::{Misuse, expected};
use crate::gil;
use crate::managed::Managed;
use crate::{paths, text};

/// A module or component of the engine, with its engine.
pub(crate) struct Code<A> {
    pub(crate) artifact: A,
    engine: Arc<EngineState>,
}

impl<A: Artifact + 'static> Code<A> {
    pub(crate) fn new(artifact: A, engine: &Arc<EngineState>) -> Code<A> {
        Code { artifact, engine: engine.clone() }
    }

    /// Compiles the text format, given as `str`, or either format as a bytes-like object.
    pub(crate) fn compile(engine: &Bound<'_, Engine>, wasm: &Bound<'_, PyAny>) -> PyResult<Code<A>> {
        let engine = engine.get().state()?;
        let binary = binary_of(wasm)?;
        Ok(Code::new(compile(wasm.py(), engine, binary.as_bytes(), None)?, engine))
    }

    /// Compiles a file, which holds the binary or the text format.
    pub(crate) fn compile_file(engine: &Bound<'_, Engine>, path: &Bound<'_, PyAny>) -> PyResult<Code<A>> {
        let py = engine.py();
        let (engine, path) = (engine.get().state()?, paths::path(path)?);
        let bytes = gil::released(py, || std::fs::read(&path))?.map_err(|error| paths::os_error(py, &error, &path))?;
        Ok(Code::new(compile(py, engine, &bytes, Some(&path))?, engine))
    }

    /// Loads what `serialize` returned.
    pub(crate) fn deserialize(engine: &Bound<'_, Engine>, encoded: &Bound<'_, PyAny>) -> PyResult<Code<A>> {
        let bytes = bytes_of(encoded, "compiled code as bytes")?;
        let engine = engine.get().state()?;
        Ok(Code::new(artifact::load(encoded.py(), &engine.engine, bytes.as_bytes())?, engine))
    }

    /// Loads a file that holds what `serialize` returned.
    pub(crate) fn deserialize_file(
        engine: &Bound<'_, Engine>,
        path: &Bound<'_, PyAny>,
        trusted: bool,
    ) -> PyResult<Code<A>> {
        let py = engine.py();
        let engine = engine.get().state()?;
        Ok(Code::new(artifact::load_file(py, &engine.engine, &paths::path(path)?, trusted)?, engine))
    }

    pub(crate) fn serialize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        let code = gil::detached(py, || self.artifact.serialize().map(artifact::seal))?;
        Ok(PyByteArray::new(py, &code))
    }

    pub(crate) fn engine(&self) -> Engine {
        Engine::wrap(self.engine.clone())
    }

    /// The engine's module or component, if it was compiled by `engine`.
    pub(crate) fn get_for(&self, engine: &wasmtime::Engine) -> Result<&A, Misuse> {
        if wasmtime::Engine::same(self.artifact.engine(), engine) {
            Ok(&self.artifact)
        } else {
            Err(Misuse::WrongEngine(A::KIND))
        }
    }
}

/// `Module` or `Component`.
pub(crate) trait CodeClass: PyClass<Frozen = True> + Sync {
    type Artifact: Artifact + 'static;

    fn code(&self) -> &Managed<Code<Self::Artifact>>;
}

/// An object of `class`, which is `C` or a subclass of it; the `__init__` of the subclass does not run.
pub(crate) fn wrap<'py, C: CodeClass>(
    class: &Bound<'py, PyType>,
    code: Code<C::Artifact>,
) -> PyResult<Bound<'py, PyAny>> {
    let object = class.call_method1("__new__", (class,))?;
    object.cast::<C>()?.get().code().initialise(code)?;
    Ok(object)
}

/// The bytes of a bytes-like object, copied unless they cannot change.
pub(crate) fn bytes_of<'py>(value: &Bound<'py, PyAny>, what: &str) -> PyResult<Bound<'py, PyBytes>> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.clone());
    }
    let buffer = Borrowed::readable(value)?.ok_or_else(|| expected(what, value))?;
    Ok(PyBytes::new(value.py(), &buffer.to_vec()?))
}

/// The binary format of a module or component given as text or bytes.
fn binary_of<'py>(wasm: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyBytes>> {
    if wasm.is_instance_of::<PyString>() {
        return text::to_binary(wasm).map(|binary| PyBytes::new(wasm.py(), &binary));
    }
    bytes_of(wasm, "the text format as str or a module as bytes")
}
