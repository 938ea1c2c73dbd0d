//! `Instance`: an instantiated component.

use std::sync::OnceLock;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::compiled::{ExportIndex, ExportName};
use super::exports::InstanceExports;
use super::func::Func;
use crate::store::StoreArg;

/// An instance of a component in a store. It lives as long as its store.
#[pyclass(frozen, weakref, module = "ferrowasm.component")]
pub(crate) struct Instance {
    store_id: u64,
    instance: wasmtime::component::Instance,
    component: wasmtime::component::Component,
    /// Made when they are first asked for.
    exports: OnceLock<Py<InstanceExports>>,
}

impl Instance {
    pub(crate) fn new(
        store_id: u64,
        instance: wasmtime::component::Instance,
        component: &wasmtime::component::Component,
    ) -> Instance {
        Instance { store_id, instance, component: component.clone(), exports: OnceLock::new() }
    }
}

#[pymethods]
impl Instance {
    /// The index of an export; `None` if there is no export of this name. See `Component.get_export_index`.
    #[pyo3(signature = (store, name, instance=None))]
    fn get_export_index(
        &self,
        store: &Bound<'_, PyAny>,
        name: &str,
        instance: Option<&Bound<'_, ExportIndex>>,
    ) -> PyResult<Option<ExportIndex>> {
        let _entry = StoreArg::new(store)?.enter_own(self.store_id, "Instance")?;
        let instance = instance.map(|index| index.get().get_for(store.py(), &self.component)).transpose()?;
        let index = self.component.get_export_index(instance.as_ref(), name);
        Ok(index.map(|index| ExportIndex::new(&self.component, index)))
    }

    /// The exported function of this name or index; `None` if there is no such export or it is no function.
    ///
    /// Raises `WasmtimeError` for an index of another component.
    fn get_func(&self, store: &Bound<'_, PyAny>, index: &Bound<'_, PyAny>) -> PyResult<Option<Func>> {
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Instance")?;
        let Some(index) = ExportName::of(index, &self.component)?.index(&self.component) else { return Ok(None) };
        let func = self.instance.get_func(entry.ctx(), index);
        func.map(|func| Func::new(store.py(), &mut entry, &self.component, func)).transpose()
    }

    /// What the instance exports: functions, nested instances, modules and resource types by name, as items and as
    /// attributes.
    fn exports<'py>(&self, store: &Bound<'py, PyAny>) -> PyResult<Bound<'py, InstanceExports>> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Instance")?;
        if let Some(exports) = self.exports.get() {
            return Ok(exports.bind(py).clone());
        }
        let exports = InstanceExports::new(py, &mut entry, self.instance, &self.component)?;
        Ok(self.exports.get_or_init(|| exports.unbind()).bind(py).clone())
    }

    fn __repr__(&self) -> &'static str {
        "<component Instance>"
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(self.exports.get())
    }
}
