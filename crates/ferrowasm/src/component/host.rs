//! Python callables that components call: host functions and destructors of resources.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyInt;
use smallvec::SmallVec;
use wasmtime::StoreContextMut;

use super::abi::{HostParams, HostResult};
use crate::errors::{self, OrRaise};
use crate::gil;
use crate::host::slot::Slot;
use crate::store::Data;
use crate::store::cell::Shared;
use crate::store::context::StoreContext;
use crate::vectorcall;

/// The owner of a callable. The linker or the store in which it is defined keeps it alive, visibly to Python's
/// collector.
#[pyclass(frozen, module = "ferrowasm._native")]
pub(crate) struct CallbackOwner {
    callable: Mutex<Option<Py<PyAny>>>,
    callback: Arc<Callback>,
}

impl CallbackOwner {
    pub(crate) fn new(callable: &Bound<'_, PyAny>) -> PyResult<CallbackOwner> {
        if !callable.is_callable() {
            return Err(errors::expected("a callable", callable));
        }
        let callback = Arc::new(Callback { callable: Slot::new(callable) });
        Ok(CallbackOwner { callable: Mutex::new(Some(callable.clone().unbind())), callback })
    }

    pub(crate) fn callback(&self) -> Arc<Callback> {
        self.callback.clone()
    }

    fn release(&self) {
        self.callback.callable.empty();
        let callable = self.callable.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(callable);
    }
}

impl Drop for CallbackOwner {
    fn drop(&mut self) {
        self.release();
    }
}

#[pymethods]
impl CallbackOwner {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        match self.callable.try_lock() {
            Ok(callable) => visit.call(&*callable),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.release();
    }
}

/// What the engine holds of a callable: the way to it.
pub(crate) struct Callback {
    callable: Slot,
}

impl Callback {
    /// Calls the callable for a component, with a `StoreContext` and the arguments.
    pub(crate) fn call(&self, mut ctx: StoreContextMut<'_, Data>, params: HostParams) -> wasmtime::Result<HostResult> {
        let shared = ctx.data().shared.clone();
        gil::attached(|py| {
            for resource in &params.resources {
                resource.get().set_store(ctx.data());
            }
            let args = params.values.into_iter().map(|value| value.into_bound(py));
            let result = {
                let _parking = shared.park_context(&mut ctx);
                self.invoke(py, &shared, args)
            };
            let result = result?;
            for resource in &params.resources {
                if let Some(borrow) = resource.get().take_borrow(py) {
                    borrow.resource_drop(&mut ctx).or_raise(py)?;
                }
            }
            Ok(HostResult::new(shared.id, result.unbind()))
        })
    }

    /// Calls the callable as the destructor of a resource.
    pub(crate) fn destroy(&self, mut ctx: StoreContextMut<'_, Data>, rep: u32) -> wasmtime::Result<()> {
        let shared = ctx.data().shared.clone();
        gil::attached(|py| {
            let _parking = shared.park_context(&mut ctx);
            self.invoke(py, &shared, [PyInt::new(py, rep).into_any()]).map(drop)
        })
    }

    fn invoke<'py>(
        &self,
        py: Python<'py>,
        shared: &Arc<Shared>,
        args: impl IntoIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let callable = self.callable.get(py);
        let callable = callable
            .ok_or_else(|| errors::wasmtime_error(py, "this host function's callable has been garbage collected"))?;
        let context = Bound::new(py, StoreContext::new(shared.clone()))?;
        let args: SmallVec<[_; 8]> = std::iter::once(context.clone().into_any()).chain(args).collect();
        let result = vectorcall::call_python(&callable, &args);
        context.get().frame().expire();
        result
    }
}
