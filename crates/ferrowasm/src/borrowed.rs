//! Buffers of other objects (PEP 3118): bytes to be read or written, wherever and however they lie.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_int};

use pyo3::ffi;
use pyo3::prelude::*;

/// The buffer of an object, borrowed until this is dropped.
pub(crate) struct Borrowed<'py> {
    /// In a box, because an exporter may let parts of it point to one another.
    view: Box<ffi::Py_buffer>,
    py: Python<'py>,
}

impl<'py> Borrowed<'py> {
    /// The buffer of `object` for reading; `None` if it has none.
    pub(crate) fn readable(object: &Bound<'py, PyAny>) -> PyResult<Option<Borrowed<'py>>> {
        // SAFETY: the object is alive and the interpreter attached.
        if unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) } == 0 {
            return Ok(None);
        }
        Borrowed::get(object, ffi::PyBUF_FULL_RO).map(Some)
    }

    /// The buffer of `object` for writing. `BufferError` if it is read-only, `TypeError` if it has none.
    pub(crate) fn writable(object: &Bound<'py, PyAny>) -> PyResult<Borrowed<'py>> {
        Borrowed::get(object, ffi::PyBUF_FULL)
    }

    fn get(object: &Bound<'py, PyAny>, flags: c_int) -> PyResult<Borrowed<'py>> {
        let py = object.py();
        let mut view = Box::new(ffi::Py_buffer::new());
        // SAFETY: the object is alive, and the structure, which is empty, stays where it is until it is released.
        if unsafe { ffi::PyObject_GetBuffer(object.as_ptr(), &raw mut *view, flags) } != 0 {
            return Err(PyErr::fetch(py));
        }
        Ok(Borrowed { view, py })
    }

    /// The size of all items together, in bytes.
    pub(crate) fn len(&self) -> usize {
        self.view.len as usize
    }

    pub(crate) fn item_size(&self) -> usize {
        self.view.itemsize as usize
    }

    /// The type of the items, in the notation of the module `struct`.
    pub(crate) fn format(&self) -> &CStr {
        if self.view.format.is_null() {
            return c"B";
        }
        // SAFETY: a format is a C string that is valid as long as the buffer is.
        unsafe { CStr::from_ptr(self.view.format) }
    }

    /// The number of items along each dimension; none for a single item.
    pub(crate) fn shape(&self) -> &[isize] {
        if self.view.ndim == 0 {
            return &[];
        }
        // SAFETY: a shape was asked for, and has as many elements as there are dimensions.
        unsafe { std::slice::from_raw_parts(self.view.shape, self.view.ndim as usize) }
    }

    /// The address of the first byte, if all of them follow one another in the order of the items.
    pub(crate) fn contiguous(&self) -> Option<*mut u8> {
        // SAFETY: the buffer is valid.
        let contiguous = unsafe { ffi::PyBuffer_IsContiguous(&raw const *self.view, b'C' as _) } != 0;
        contiguous.then_some(self.view.buf.cast())
    }

    /// The bytes of the items, one after the other.
    pub(crate) fn to_vec(&self) -> PyResult<Vec<u8>> {
        let mut bytes = vec![0; self.len()];
        // SAFETY: there is room for all of the buffer, which is valid, behind `bytes`.
        let failed = unsafe {
            ffi::PyBuffer_ToContiguous(bytes.as_mut_ptr().cast(), &raw const *self.view, self.len() as isize, b'C' as _)
        };
        if failed == 0 { Ok(bytes) } else { Err(PyErr::fetch(self.py)) }
    }

    /// Copies all bytes into `target`, which is as large as the buffer and may be a part of it.
    pub(crate) fn copy_to(&self, target: &mut [u8]) -> PyResult<()> {
        assert_eq!(target.len(), self.len());
        match self.contiguous() {
            // SAFETY: both are as long, and do not overlap. No Python code runs meanwhile that could change either.
            Some(start) if !overlap(start, target) => unsafe {
                std::ptr::copy_nonoverlapping(start, target.as_mut_ptr(), target.len());
            },
            _ => target.copy_from_slice(&self.to_vec()?),
        }
        Ok(())
    }

    /// Copies `source`, which is as large as the buffer and may be a part of it, into a writable buffer.
    pub(crate) fn copy_from(&self, source: &[u8]) -> PyResult<()> {
        assert!(self.view.readonly == 0);
        assert_eq!(source.len(), self.len());
        if let Some(start) = self.contiguous().filter(|start| !overlap(*start, source)) {
            // SAFETY: as in `copy_to`; the buffer is writable.
            unsafe { std::ptr::copy_nonoverlapping(source.as_ptr(), start, source.len()) };
            return Ok(());
        }
        let source = source.to_vec();
        // SAFETY: the buffer is valid and writable, and `source` as large.
        let failed = unsafe {
            ffi::PyBuffer_FromContiguous(
                &raw const *self.view,
                source.as_ptr().cast(),
                source.len() as isize,
                b'C' as _,
            )
        };
        if failed == 0 { Ok(()) } else { Err(PyErr::fetch(self.py)) }
    }
}

/// Whether a buffer that begins at `start` and is as large as `bytes` has some of them. A copy has to make a detour then: in
/// Rust nothing else refers to what a slice does.
fn overlap(start: *const u8, bytes: &[u8]) -> bool {
    start.addr().abs_diff(bytes.as_ptr().addr()) < bytes.len()
}

impl Drop for Borrowed<'_> {
    fn drop(&mut self) {
        // SAFETY: the buffer was obtained, is released once, and the interpreter is attached.
        unsafe { ffi::PyBuffer_Release(&raw mut *self.view) };
    }
}
