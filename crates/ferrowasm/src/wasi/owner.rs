//! Python objects that streams call: owned where Python's collector sees it, reached from inside the engine.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::errors::wasmtime_error;

/// Leads from a stream to its Python object.
///
/// The slot holds the one strong reference, and its `StreamOwner`, which the store keeps, shows it to the collector. A
/// stream whose slot has been emptied belongs to a store that is garbage.
pub(crate) struct Slot(Mutex<Option<Py<PyAny>>>);

impl Slot {
    pub(crate) fn new(object: Py<PyAny>) -> Arc<Slot> {
        Arc::new(Slot(Mutex::new(Some(object))))
    }

    pub(crate) fn get<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let object =
            self.0.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|object| object.bind(py).clone());
        object.ok_or_else(|| wasmtime_error(py, "this WASI stream belongs to a store that is gone"))
    }

    /// Lets go of the object, whose finaliser may run.
    pub(crate) fn empty(&self) {
        let object = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        drop(object);
    }
}

/// Owns the object in a slot on behalf of the store.
#[pyclass(frozen, module = "ferrowasm._native")]
pub(crate) struct StreamOwner(Arc<Slot>);

impl StreamOwner {
    pub(crate) fn new(slot: &Arc<Slot>) -> StreamOwner {
        StreamOwner(slot.clone())
    }
}

impl Drop for StreamOwner {
    fn drop(&mut self) {
        self.0.empty();
    }
}

#[pymethods]
impl StreamOwner {
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // A slot that another thread is reading is skipped, which keeps its object alive until the next collection.
        match self.0.0.try_lock() {
            Ok(slot) => visit.call(&*slot),
            Err(_) => Ok(()),
        }
    }

    fn __clear__(&self) {
        self.0.empty();
    }
}
