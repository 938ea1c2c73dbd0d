//! `InstancePre`: a component whose imports are resolved, ready for many instances.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use wasmtime::StoreContextMut;

use super::compiled::Component;
use super::instance::Instance;
use super::operations::{self, Instantiation, Source};
use crate::asyncio::{self, Call, Outcome, Work};
use crate::errors::Misuse;
use crate::managed::{Managed, managed};
use crate::store::cell::Entry;
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

    /// Enters a store, which keeps what the instance will need.
    pub(super) fn enter<'a>(&self, store: &'a Bound<'_, PyAny>) -> PyResult<Entry<'a>> {
        let pre = self.pre.get()?;
        let mut entry = StoreArg::new(store)?.enter()?;
        if !wasmtime::Engine::same(pre.engine(), entry.ctx().engine()) {
            return Err(Misuse::WrongEngine("InstancePre").into());
        }
        entry.shared.objects.keep(self.hosts.bind(store.py()));
        Ok(entry)
    }

    /// The future of an instantiation.
    pub(super) fn begin<'c>(&self, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        let pre = self.pre.get()?.clone();
        Ok(Box::pin(async move { pre.instantiate_async(ctx).await.map(Outcome::ComponentInstance) }))
    }

    pub(super) fn engine_component(&self) -> PyResult<&wasmtime::component::Component> {
        Ok(self.pre.get()?.component())
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
        let mut entry = self.enter(store)?;
        let (pre, id) = (self.pre.get()?, entry.shared.id);
        let instance = if asyncio::needs_fiber(&mut entry) {
            drop(entry);
            operations::instantiate_blocking(store, self)?
        } else {
            super::run(py, &mut entry, |ctx| pre.instantiate(ctx))?
        };
        Ok(Instance::new(id, instance, pre.component()))
    }

    /// Make an instance asynchronously: `await pre.instantiate_async(store)`.
    ///
    /// Only code that runs meanwhile, such as start functions of core modules, ever has to wait. See `instantiate` for
    /// errors.
    fn instantiate_async(slf: &Bound<'_, Self>, store: &Bound<'_, PyAny>) -> PyResult<Call> {
        slf.get().pre.get()?;
        StoreArg::new(store)?;
        Ok(Call::new(Instantiation::new(store, Source::Pre(slf.clone().unbind()))))
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
