//! `InstancePre`: a module whose imports are resolved, ready for many instances.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use smallvec::SmallVec;
use wasmtime::{Extern, SharedMemory, StoreContextMut};

use crate::asyncio::{self, Call, Imports, Instantiation, Source};
use crate::errors::Misuse;
use crate::gil;
use crate::instance::Instance;
use crate::managed::{Managed, managed};
use crate::module::Module;
use crate::store::cell::Shared;
use crate::store::{Data, StoreArg};

/// What the imports of a module have to do with stores.
#[derive(Default)]
pub(crate) struct Requirements {
    /// The stores that they belong to; an instance can only be made in the same store.
    stores: SmallVec<[(u64, &'static str); 2]>,
    /// The shared memories among them, which belong to no store, in which a start function may wait already.
    memories: Vec<Extern>,
}

impl Requirements {
    pub(crate) fn add_store(&mut self, id: u64, kind: &'static str) {
        if !self.stores.iter().any(|(other, _)| *other == id) {
            self.stores.push((id, kind));
        }
    }

    pub(crate) fn add_memory(&mut self, memory: SharedMemory) {
        self.memories.push(memory.into());
    }

    /// To be called before the imports are used in a store, which learns about the memories.
    pub(crate) fn check(&self, store: &Shared) -> Result<(), Misuse> {
        if let Some((_, kind)) = self.stores.iter().find(|(id, _)| *id != store.id) {
            return Err(Misuse::WrongStore(kind));
        }
        store.memories.add(&self.memories);
        Ok(())
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

    /// What is to be instantiated in the store of `ctx`, which is made to keep the host functions alive.
    fn prepared(&self, py: Python<'_>, ctx: &StoreContextMut<'_, Data>) -> PyResult<&wasmtime::InstancePre<Data>> {
        let pre = self.pre.get()?;
        if !wasmtime::Engine::same(pre.module().engine(), ctx.engine()) {
            return Err(Misuse::WrongEngine("InstancePre").into());
        }
        let shared = &ctx.data().shared;
        self.required.check(shared)?;
        shared.objects.keep(self.hosts.bind(py));
        Ok(pre)
    }

    /// The same for an asynchronous instantiation.
    pub(crate) fn imports(&self, py: Python<'_>, ctx: &StoreContextMut<'_, Data>) -> PyResult<Imports> {
        Ok(Imports::Pre(self.prepared(py, ctx)?.clone()))
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
        let mut entry = StoreArg::new(store)?.enter()?;
        let pre = self.prepared(py, &entry.ctx())?;
        let id = entry.shared.id;
        let instance = if asyncio::needs_fiber(&mut entry) {
            let imports = Imports::Pre(pre.clone());
            drop(entry);
            asyncio::instantiate_blocking(store, imports)?
        } else {
            gil::run(py, &mut entry, |ctx| pre.instantiate(ctx))?
        };
        Ok(Instance::wrap(id, instance))
    }

    /// Make an instance asynchronously: `await pre.instantiate_async(store)`.
    ///
    /// Only the start function of the module, if it has one, ever has to wait. See `instantiate` for errors.
    fn instantiate_async(slf: &Bound<'_, Self>, store: &Bound<'_, PyAny>) -> PyResult<Call> {
        slf.get().pre.get()?;
        StoreArg::new(store)?;
        Ok(Call::new(Instantiation::new(store, Source::Pre(slf.clone().unbind()))))
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
