//! `InstancePre`: a component whose imports are resolved, ready for many instances.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::compiled::Component;
use super::instance::Instance;
use crate::errors::Misuse;
use crate::managed::{Managed, managed};
use crate::store::{Data, StoreArg};

/// A component with its imports resolved by `Linker.instantiate_pre`: the quick way to many instances of one component.
#[pyclass(frozen, weakref, module = "ferrowasm.component")]
pub(crate) struct InstancePre {
    pre: Managed<wasmtime::component::InstancePre<Data>>,
    component: Py<Component>,
    /// The callables of the linker.
    hosts: Py<PyTuple>,
}

impl InstancePre {
    pub(super) fn new(
        pre: wasmtime::component::InstancePre<Data>,
        component: Py<Component>,
        hosts: Py<PyTuple>,
    ) -> InstancePre {
        InstancePre { pre: Managed::new("InstancePre", pre), component, hosts }
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.pre.close();
        Ok(())
    }
}

#[pymethods]
impl InstancePre {
    /// Make an instance in `store`. Raises `Trap` if code that runs meanwhile traps, and `WasmtimeError` when a limit
    /// is reached.
    pub(super) fn instantiate(&self, store: &Bound<'_, PyAny>) -> PyResult<Instance> {
        let py = store.py();
        let pre = self.pre.get()?;
        let mut entry = StoreArg::new(store)?.enter()?;
        if !wasmtime::Engine::same(pre.engine(), entry.ctx().engine()) {
            return Err(Misuse::WrongEngine("InstancePre").into());
        }
        entry.shared.objects.keep(self.hosts.bind(py));
        let instance = super::run(py, &mut entry, |ctx| pre.instantiate(ctx))?;
        Ok(Instance::new(entry.shared.id, instance, pre.component()))
    }

    /// The component.
    #[getter]
    fn component(&self, py: Python<'_>) -> PyResult<Py<Component>> {
        self.pre.get()?;
        Ok(self.component.clone_ref(py))
    }

    fn __repr__(&self) -> &'static str {
        "<component InstancePre>"
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.component)?;
        visit.call(&self.hosts)
    }
}

managed!(InstancePre);
