//! Who keeps the Python callables alive that WebAssembly calls.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use super::slot::Slot;
use crate::errors;

/// The owner of a host function's callable. The linker or the store in which the function is defined keeps it alive,
/// visibly to Python's collector. What the engine holds is the slot.
#[pyclass(frozen, module = "ferrowasm._native")]
pub(crate) struct CallableOwner {
    callable: Mutex<Option<Py<PyAny>>>,
    slot: Arc<Slot>,
}

impl CallableOwner {
    /// Refuses what cannot be called.
    pub(crate) fn new<'py>(callable: &Bound<'py, PyAny>) -> PyResult<Bound<'py, CallableOwner>> {
        if !callable.is_callable() {
            return Err(errors::expected("a callable", callable));
        }
        let slot = Arc::new(Slot::new(callable));
        Bound::new(callable.py(), CallableOwner { callable: Mutex::new(Some(callable.clone().unbind())), slot })
    }

    /// The way to the callable for as long as it is owned.
    pub(crate) fn slot(&self) -> Arc<Slot> {
        self.slot.clone()
    }

    fn release(&self) {
        self.slot.empty();
        let callable = self.callable.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(callable);
    }
}

impl Drop for CallableOwner {
    fn drop(&mut self) {
        self.release();
    }
}

#[pymethods]
impl CallableOwner {
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
