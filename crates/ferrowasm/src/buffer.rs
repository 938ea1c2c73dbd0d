//! Views of a linear memory through Python's buffer protocol.
//!
//! While a view is exported its store is not freed and the memory does not move, so the address in the view stays good.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use pyo3::exceptions::PyBufferError;
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

use crate::store::Store;

/// A part of a memory that can be exported as a buffer.
#[pyclass(frozen, module = "ferrowasm._native")]
pub(crate) struct MemoryBuffer {
    store: Py<Store>,
    memory: wasmtime::Memory,
    offset: usize,
    size: usize,
}

impl MemoryBuffer {
    /// `memory` belongs to `store`.
    pub(crate) fn new(store: Py<Store>, memory: wasmtime::Memory, offset: usize, size: usize) -> MemoryBuffer {
        MemoryBuffer { store, memory, offset, size }
    }
}

#[pymethods]
impl MemoryBuffer {
    /// # Safety
    ///
    /// To be called by the interpreter, with a `view` to fill in.
    unsafe fn __getbuffer__(slf: Bound<'_, Self>, view: *mut ffi::Py_buffer, flags: c_int) -> PyResult<()> {
        let this = slf.get();
        let mut entry = this.store.get().cell.enter()?;
        let ctx = entry.ctx();
        let len = this.memory.data_size(&ctx);
        if this.offset.checked_add(this.size).is_none_or(|end| end > len) {
            return Err(PyBufferError::new_err("the memory is smaller than the buffer"));
        }
        // SAFETY: the range was checked; with an empty range at the end the address is one past it.
        let start = unsafe { this.memory.data_ptr(&ctx).add(this.offset) };
        // SAFETY: `view` is valid by contract. The bytes stay valid until `__releasebuffer__`: `views` is counted up
        // below, which keeps the memory in place, and the view holds a reference to this object and so to the store.
        let result =
            unsafe { ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start.cast::<c_void>(), this.size as isize, 0, flags) };
        if result != 0 {
            return Err(PyErr::fetch(slf.py()));
        }
        #[cfg(unix)]
        crate::linear_memory::pin(start as usize - this.offset);
        entry.shared.views.add();
        Ok(())
    }

    /// # Safety
    ///
    /// To be called by the interpreter, once for each successful `__getbuffer__`.
    unsafe fn __releasebuffer__(&self, view: *mut ffi::Py_buffer) {
        #[cfg(unix)]
        // SAFETY: `view` is the one that `__getbuffer__` filled in, so the start of the memory is `offset` bytes before
        // its address.
        crate::linear_memory::unpin(unsafe { (*view).buf } as usize - self.offset);
        let _ = view;
        let cell = &self.store.get().cell;
        cell.shared.views.remove();
        cell.reap();
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.store)
    }
}
