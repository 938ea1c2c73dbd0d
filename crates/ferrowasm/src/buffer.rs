//! Views of a linear memory through Python's buffer protocol.
//!
//! While a view is exported its store is not freed and the memory does not move, so the address in the view stays good.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use pyo3::exceptions::{PyBufferError, PyIndexError, PyValueError};
use pyo3::ffi;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PyString};

use crate::errors::expected;
use crate::numbers;
use crate::store::Store;

/// What `buffer(format=…, shape=…, offset=…)` asks for.
pub(crate) struct Layout<'py> {
    format: Bound<'py, PyString>,
    item_size: usize,
    /// Items along each dimension; `None` for as many as there are.
    shape: Option<Vec<usize>>,
    offset: i128,
}

impl<'py> Layout<'py> {
    pub(crate) fn new(
        py: Python<'py>,
        format: Option<&Bound<'py, PyAny>>,
        shape: Option<&Bound<'py, PyAny>>,
        offset: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Layout<'py>> {
        let format = match format {
            Some(format) => format.cast::<PyString>().map_err(|_| expected("a str for format", format))?.clone(),
            None => PyString::new(py, "B"),
        };
        let item_size = item_size(format.to_str()?)?;
        let extent = |value: &Bound<'_, PyAny>| {
            numbers::unsigned(value, "the items of shape", isize::MAX as u64).map(|extent| extent as usize)
        };
        let shape = match shape {
            Some(shape) if !shape.is_none() => Some(match shape.try_iter() {
                Ok(items) => items.map(|item| extent(&item?)).collect::<PyResult<Vec<_>>>()?,
                Err(_) => vec![extent(shape)?],
            }),
            _ => None,
        };
        let offset = offset.map_or(Ok(0), |offset| numbers::wide(offset, "offset"))?;
        Ok(Layout { format, item_size, shape, offset })
    }

    /// The place and the size of the items, in bytes, in a memory of `len` bytes; `IndexError` if they do not lie in it.
    pub(crate) fn place(&self, len: usize) -> PyResult<(usize, usize)> {
        let size = match &self.shape {
            Some(shape) => shape.iter().try_fold(self.item_size, |size, extent| size.checked_mul(*extent)),
            None => {
                let rest = usize::try_from(self.offset).map_or(0, |offset| len.saturating_sub(offset));
                Some(rest - rest % self.item_size)
            }
        };
        match (usize::try_from(self.offset), size) {
            (Ok(offset), Some(size)) if offset <= len && size <= len - offset => Ok((offset, size)),
            (_, size) => Err(PyIndexError::new_err(format!(
                "no buffer of {} at {}: the memory has {len} bytes",
                size.map_or("so many items".to_owned(), |size| format!("{size} bytes")),
                self.offset
            ))),
        }
    }

    /// Gives a view of as many bytes the format and the shape.
    pub(crate) fn cast(&self, bytes: Bound<'py, PyMemoryView>) -> PyResult<Bound<'py, PyAny>> {
        match &self.shape {
            // A single dimension needs no shape, and then may be empty.
            Some(shape) if shape.len() != 1 => bytes.call_method1("cast", (&self.format, shape)),
            _ => bytes.call_method1("cast", (&self.format,)),
        }
    }
}

/// The size of an item of the `format`, of those that a `memoryview` can index.
fn item_size(format: &str) -> PyResult<usize> {
    Ok(match format.strip_prefix('@').unwrap_or(format) {
        "b" | "B" | "c" | "?" => 1,
        "h" | "H" => 2,
        "i" | "I" | "f" => 4,
        "l" | "L" => size_of::<std::ffi::c_long>(),
        "q" | "Q" | "d" => 8,
        "n" | "N" | "P" => size_of::<usize>(),
        _ => {
            return Err(PyValueError::new_err(format!(
                "expected one of the formats b, B, h, H, i, I, l, L, q, Q, n, N, f, d, c, ? and P, got {format:?}"
            )));
        }
    })
}

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
