//! `BoundFunc`: a function together with its store.

use std::time::Duration;

use pyo3::exceptions::PyValueError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::Func;
use crate::errors::wasmtime_error;
use crate::gil::Policy;
use crate::interrupt::deadline::{self, Guard};
use crate::store::{Store, StoreArg};
use crate::thread;
use crate::vectorcall::{self, Callable, Pointer, ShortResult};

/// A function bound to its store, made by `Func.bind`: called with the arguments alone.
///
/// It keeps the store alive. Arguments, results and errors are those of the function; calling it after the store was
/// closed raises `ClosedError`.
#[pyclass(frozen, weakref, module = "ferrowasm")]
pub(crate) struct BoundFunc {
    vectorcall: Pointer,
    /// The function.
    #[pyo3(get)]
    func: Py<Func>,
    /// The store.
    #[pyo3(get)]
    store: Py<Store>,
    /// The engine's, or the one that was given instead.
    policy: Policy,
    /// How long a call may take.
    timeout: Option<Duration>,
}

impl BoundFunc {
    pub(super) fn new(
        func: &Bound<'_, Func>,
        store: &Bound<'_, PyAny>,
        gil: Option<&str>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<BoundFunc> {
        let py = func.py();
        let timeout = timeout.map_or(Ok(None), |timeout| deadline::seconds(timeout, "timeout"))?;
        let mut entry = StoreArg::new(store)?.enter_own(func.get().callee()?.store_id, "Func")?;
        let store = entry.shared.store_object(py)?;
        let ctx = entry.ctx();
        let data = ctx.data();
        let policy = match gil {
            Some(name) => policy(name)?
                .effective(data.engine.checks_epoch, data.engine.shared_memory)
                .map_err(|message| wasmtime_error(py, message))?,
            None => data.gil,
        };
        Ok(BoundFunc {
            vectorcall: Pointer::of::<BoundFunc>(),
            func: func.clone().unbind(),
            store: store.unbind(),
            policy,
            timeout,
        })
    }

    #[inline]
    fn invoke<'py>(&self, py: Python<'py>, args: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        if let Some(timeout) = self.timeout {
            return self.invoke_within(py, timeout, args);
        }
        let callee = self.func.get().callee()?;
        let thread = thread::current(py);
        let entry = self.store.get().cell.enter_attached(py, thread)?;
        callee.call_in(thread, self.store.bind(py).as_any(), entry, self.policy, args)
    }

    #[cold]
    fn invoke_within<'py>(
        &self,
        py: Python<'py>,
        timeout: Duration,
        args: &[Bound<'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let callee = self.func.get().callee()?;
        let cell = &self.store.get().cell;
        let thread = thread::current(py);
        let entry = cell.enter_attached(py, thread)?;
        // Set when the store is this call's, which no other call is to be ended for.
        let _deadline = Guard::new(&cell.shared.deadlines, timeout);
        callee.call_in(thread, self.store.bind(py).as_any(), entry, self.policy, args)
    }
}

fn policy(name: &str) -> PyResult<Policy> {
    match name {
        "auto" => Ok(Policy::Auto),
        "release" => Ok(Policy::Release),
        "hold" => Ok(Policy::Hold),
        _ => Err(PyValueError::new_err(format!("unknown gil policy {name:?}: expected 'auto', 'release' or 'hold'"))),
    }
}

#[pymethods]
impl BoundFunc {
    /// Call the function. See `Func` for arguments, results and errors.
    #[pyo3(signature = (*params))]
    fn __call__<'py>(slf: &Bound<'py, Self>, params: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        vectorcall::announce(slf);
        slf.get().invoke(slf.py(), params.as_slice())
    }

    fn __repr__(&self) -> String {
        match self.func.get().callee() {
            Ok(callee) => format!("<BoundFunc {}>", callee.signature),
            Err(_) => "<BoundFunc>".to_owned(),
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.func)?;
        visit.call(&self.store)
    }
}

impl Callable for BoundFunc {
    const OFFSET: usize = std::mem::offset_of!(BoundFunc, vectorcall);

    #[inline]
    fn call_short<'py>(slf: &Bound<'py, Self>, args: &[Bound<'py, PyAny>]) -> Option<ShortResult<'py>> {
        // First of all, when nothing has to be put aside for the call that finds it.
        let thread = thread::current(slf.py());
        let this = slf.get();
        if this.timeout.is_some() {
            return None;
        }
        let callee = this.func.get().callee().ok()?;
        callee.call_short::<Self>(slf.py(), thread, &this.store.get().cell, Some(this.policy), args)
    }

    #[inline]
    fn call<'py>(slf: &Bound<'py, Self>, args: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        slf.get().invoke(slf.py(), args)
    }
}
