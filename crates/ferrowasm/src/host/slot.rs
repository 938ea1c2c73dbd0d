//! A borrowed pointer to a Python object whose owner says when it goes.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicPtr, Ordering};

use pyo3::ffi;
use pyo3::prelude::*;

use crate::errors::wasmtime_error;

/// Leads from WebAssembly to a Python object without owning it, so that Python's garbage collector sees every strong
/// reference.
///
/// The owner is a Python object that the store keeps for as long as it may run (`Objects::keep`). It empties the slot
/// before it lets go of its reference.
pub(crate) struct Slot(AtomicPtr<ffi::PyObject>);

impl Slot {
    /// The caller becomes the owner: it holds a strong reference to `object` until it has called `empty`.
    pub(crate) fn new(object: &Bound<'_, PyAny>) -> Slot {
        Slot(AtomicPtr::new(object.as_ptr()))
    }

    pub(crate) fn empty(&self) {
        self.0.store(std::ptr::null_mut(), Ordering::Release);
    }

    /// The object; raises `WasmtimeError` if its owner has let go of it.
    pub(crate) fn get_owned<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let gone = || wasmtime_error(py, "this host function's callable has been garbage collected");
        self.get(py).ok_or_else(gone)
    }

    /// The object, unless its owner has let go of it.
    fn get<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        let pointer = self.0.load(Ordering::Acquire);
        // SAFETY: a pointer that is not null is one whose owner still holds a strong reference: it empties the slot
        // first, and with the interpreter attached nothing runs between the load and the new reference. In a
        // free-threaded interpreter the owner is kept by the store, which this thread is running.
        (!pointer.is_null()).then(|| unsafe { Bound::from_borrowed_ptr(py, pointer) })
    }
}
