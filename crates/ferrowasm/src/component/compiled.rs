//! `Component`: a compiled component, and `ExportIndex`, a place among its exports.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyString, PyType};
use wasmtime::component::ComponentExportIndex;

use super::types::ComponentType;
use crate::artifact;
use crate::compile::compile;
use crate::engine::{Engine, EngineState};
use crate::errors::{Misuse, wasmtime_error};
use crate::gil;
use crate::managed::{Managed, managed, two_phase};
use crate::module::{binary_of, bytes_of};
use crate::paths;

/// A compiled component. It belongs to no store: one component can be instantiated in any store of its engine, on any
/// thread.
///
/// `wasm` is the text format as `str`, or either format as a bytes-like object. Compiling runs with the interpreter
/// lock released.
///
/// Raises `WasmtimeError` when the component is malformed or invalid, or uses a proposal that the engine's `Config`
/// does not enable.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm.component")]
pub(crate) struct Component {
    component: Managed<Compiled>,
}

struct Compiled {
    component: wasmtime::component::Component,
    engine: Arc<EngineState>,
}

impl Component {
    fn empty() -> Component {
        Component { component: Managed::empty("Component") }
    }

    /// An object of `class`, which is `Component` or a subclass of it; the `__init__` of the subclass does not run.
    fn wrap<'py>(
        class: &Bound<'py, PyType>,
        component: wasmtime::component::Component,
        engine: &Arc<EngineState>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let object = class.call_method1("__new__", (class,))?;
        object.cast::<Component>()?.get().component.initialise(Compiled { component, engine: engine.clone() })?;
        Ok(object)
    }

    pub(crate) fn get(&self) -> Result<&wasmtime::component::Component, Misuse> {
        Ok(&self.component.get()?.component)
    }

    /// The component, if it was compiled by `engine`.
    pub(crate) fn get_for(&self, engine: &wasmtime::Engine) -> Result<&wasmtime::component::Component, Misuse> {
        let component = self.get()?;
        if wasmtime::Engine::same(component.engine(), engine) {
            Ok(component)
        } else {
            Err(Misuse::WrongEngine("Component"))
        }
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.component.close();
        Ok(())
    }
}

#[pymethods]
impl Component {
    fn __init__(&self, engine: &Bound<'_, Engine>, wasm: &Bound<'_, PyAny>) -> PyResult<()> {
        let engine = engine.get().state()?;
        let binary = binary_of(wasm)?;
        let component = compile(wasm.py(), engine, binary.as_bytes(), None)?;
        self.component.initialise(Compiled { component, engine: engine.clone() })
    }

    /// Compile the file at `path` (a `str`, `bytes` or path-like object), which holds the binary or the text format.
    /// Raises `OSError` if it cannot be read, otherwise as the class.
    #[classmethod]
    fn from_file<'py>(
        cls: &Bound<'py, PyType>,
        engine: &Bound<'py, Engine>,
        path: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = cls.py();
        let (engine, path) = (engine.get().state()?, paths::path(path)?);
        let bytes = gil::released(py, || std::fs::read(&path))?.map_err(|error| paths::os_error(py, &error, &path))?;
        let component = compile(py, engine, &bytes, Some(&path))?;
        Component::wrap(cls, component, engine)
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
        Component::wrap(cls, artifact::load(cls.py(), &engine.engine, bytes.as_bytes())?, engine)
    }

    /// Load a file that holds what `serialize` returned; see `deserialize`.
    ///
    /// With `trusted=True` the file is mapped into memory as it is, without a look at the checksum: faster for large
    /// components, and shared between processes. Damage to the file, then or later, is undefined behaviour.
    #[classmethod]
    #[pyo3(signature = (engine, path, *, trusted=false))]
    fn deserialize_file<'py>(
        cls: &Bound<'py, PyType>,
        engine: &Bound<'py, Engine>,
        path: &Bound<'py, PyAny>,
        trusted: bool,
    ) -> PyResult<Bound<'py, PyAny>> {
        let engine = engine.get().state()?;
        let component = artifact::load_file(cls.py(), &engine.engine, &paths::path(path)?, trusted)?;
        Component::wrap(cls, component, engine)
    }

    /// The compiled code as bytes, for `deserialize`; the engine's format, followed by a checksum.
    fn serialize<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyByteArray>> {
        let component = self.get()?;
        let code = gil::detached(py, || component.serialize().map(artifact::seal))?;
        Ok(PyByteArray::new(py, &code))
    }

    /// The engine that the component was compiled by, for stores and linkers to use it in.
    #[getter]
    fn engine(&self) -> PyResult<Engine> {
        Ok(Engine::wrap(self.component.get()?.engine.clone()))
    }

    /// What the component imports and exports.
    #[getter]
    fn r#type(&self) -> PyResult<ComponentType> {
        let component = self.get()?;
        Ok(ComponentType::new(component.component_type(), component))
    }

    /// The index of an export, for quick look-ups in instances; `None` if there is no export of this name.
    ///
    /// With `instance`, the index of an exported instance, `name` is looked up in that. Raises `WasmtimeError` for an
    /// index of another component.
    #[pyo3(signature = (name, instance=None))]
    fn get_export_index(
        &self,
        py: Python<'_>,
        name: &str,
        instance: Option<&Bound<'_, ExportIndex>>,
    ) -> PyResult<Option<ExportIndex>> {
        let component = self.get()?;
        let instance = instance.map(|index| index.get().get_for(py, component)).transpose()?;
        let index = component.get_export_index(instance.as_ref(), name);
        Ok(index.map(|index| ExportIndex::new(component, index)))
    }

    fn __repr__(&self) -> &'static str {
        if self.get().is_ok() { "<Component>" } else { "<Component (closed)>" }
    }
}

managed!(Component);
two_phase!(Component, "(engine, wasm)");

/// A place among the exports of one component, valid for all of its instances.
#[pyclass(frozen, module = "ferrowasm.component")]
pub(crate) struct ExportIndex {
    index: Managed<ComponentExportIndex>,
    component: wasmtime::component::Component,
}

impl ExportIndex {
    pub(crate) fn new(component: &wasmtime::component::Component, index: ComponentExportIndex) -> ExportIndex {
        ExportIndex { index: Managed::new("ExportIndex", index), component: component.clone() }
    }

    /// The index, if it is one of `component`.
    pub(crate) fn get_for(
        &self,
        py: Python<'_>,
        component: &wasmtime::component::Component,
    ) -> PyResult<ComponentExportIndex> {
        let index = *self.index.get()?;
        // The range of the compiled code tells components apart.
        if self.component.image_range() == component.image_range() {
            Ok(index)
        } else {
            Err(wasmtime_error(
                py,
                "this ExportIndex belongs to another component; look it up in the component that was instantiated",
            ))
        }
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.index.close();
        Ok(())
    }
}

#[pymethods]
impl ExportIndex {
    fn __repr__(&self) -> &'static str {
        if self.index.get().is_ok() { "<ExportIndex>" } else { "<ExportIndex (closed)>" }
    }
}

managed!(ExportIndex);

/// What `get_func` and the like accept: the name of an export, or its index.
pub(crate) enum ExportName<'a> {
    Name(&'a str),
    Index(ComponentExportIndex),
}

impl<'a> ExportName<'a> {
    pub(crate) fn of(
        value: &'a Bound<'_, PyAny>,
        component: &wasmtime::component::Component,
    ) -> PyResult<ExportName<'a>> {
        if let Ok(index) = value.cast::<ExportIndex>() {
            return Ok(ExportName::Index(index.get().get_for(value.py(), component)?));
        }
        match value.cast::<PyString>() {
            Ok(name) => Ok(ExportName::Name(name.to_str()?)),
            Err(_) => Err(crate::errors::expected("an ExportIndex or a str", value)),
        }
    }

    /// The index of the export; `None` if there is none of this name.
    pub(crate) fn index(&self, component: &wasmtime::component::Component) -> Option<ComponentExportIndex> {
        match self {
            ExportName::Name(name) => component.get_export_index(None, name),
            ExportName::Index(index) => Some(*index),
        }
    }
}
