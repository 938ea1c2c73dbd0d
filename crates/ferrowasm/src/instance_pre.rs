//! `InstancePre`: a module whose imports are resolved, ready for many instances.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use smallvec::SmallVec;

use crate::errors::Misuse;
use crate::gil;
use crate::instance::Instance;
use crate::managed::{Managed, managed};
use crate::module::Module;
use crate::store::{Data, StoreArg};

/// The stores that imports belong to; an instance can only be made in the same store.
#[derive(Default)]
pub(crate) struct Requirements(SmallVec<[(u64, &'static str); 2]>);

impl Requirements {
    pub(crate) fn new(stores: impl IntoIterator<Item = (u64, &'static str)>) -> Requirements {
        let mut found = SmallVec::new();
        for (id, kind) in stores {
            if !found.iter().any(|(other, _)| *other == id) {
                found.push((id, kind));
            }
        }
        Requirements(found)
    }

    pub(crate) fn check(&self, store_id: u64) -> Result<(), Misuse> {
        match self.0.iter().find(|(id, _)| *id != store_id) {
            Some((_, kind)) => Err(Misuse::WrongStore(kind)),
            None => Ok(()),
        }
    }
}

/// A module with its imports resolved by `Linker.instantiate_pre`: the quick way to many instances of one module.
#[pyclass(frozen, weakref, module = "ferrowasm")]
pub(crate) struct InstancePre {
    pre: Managed<wasmtime::InstancePre<Data>>,
    module: Py<Module>,
    required: Requirements,
    /// The host functions of the linker.
    hosts: Py<PyTuple>,
}

impl InstancePre {
    pub(crate) fn new(
        pre: wasmtime::InstancePre<Data>,
        module: Py<Module>,
        required: Requirements,
        hosts: Py<PyTuple>,
    ) -> InstancePre {
        InstancePre { pre: Managed::new("InstancePre", pre), module, required, hosts }
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.pre.close();
        Ok(())
    }
}

#[pymethods]
impl InstancePre {
    /// Make an instance in `store` and run its start function. Raises `Trap` if that traps, and `WasmtimeError` when a
    /// limit is reached.
    fn instantiate(&self, store: &Bound<'_, PyAny>) -> PyResult<Instance> {
        let py = store.py();
        let pre = self.pre.get()?;
        let mut entry = StoreArg::new(store)?.enter()?;
        if !wasmtime::Engine::same(pre.module().engine(), entry.ctx().engine()) {
            return Err(Misuse::WrongEngine("InstancePre").into());
        }
        self.required.check(entry.shared.id)?;
        entry.shared.objects.keep(self.hosts.bind(py));
        let instance = gil::run(py, &mut entry, |ctx| pre.instantiate(ctx))?;
        Ok(Instance::wrap(entry.shared.id, instance))
    }

    /// The module.
    #[getter]
    fn module(&self, py: Python<'_>) -> PyResult<Py<Module>> {
        self.pre.get()?;
        Ok(self.module.clone_ref(py))
    }

    fn __repr__(&self) -> &'static str {
        if self.pre.get().is_ok() { "<InstancePre>" } else { "<InstancePre (closed)>" }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.module)?;
        visit.call(&self.hosts)
    }
}

managed!(InstancePre);
