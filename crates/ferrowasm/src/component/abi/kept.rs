//! Bytes of Python objects that are read while the interpreter is detached, and other looks at their memory.
#![allow(unsafe_code)]

use pyo3::buffer::{ElementType, PyUntypedBuffer};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

/// The bytes of an immutable object (`bytes`, or the UTF-8 form of a `str`), which is kept alive.
pub(super) struct Immutable {
    start: *const u8,
    len: usize,
    /// Keeps the bytes in place.
    _owner: Py<PyAny>,
}

// SAFETY: the bytes are never written after they were made, so any thread may read them.
unsafe impl Send for Immutable {}
// SAFETY: as for `Send`.
unsafe impl Sync for Immutable {}

impl Immutable {
    pub(super) fn bytes(bytes: &Bound<'_, PyBytes>) -> Immutable {
        Immutable::new(bytes.as_bytes(), bytes.as_any())
    }

    /// Fails with `UnicodeEncodeError` for a lone surrogate.
    pub(super) fn text(text: &Bound<'_, PyString>) -> PyResult<Immutable> {
        Ok(Immutable::new(text.to_str()?.as_bytes(), text.as_any()))
    }

    fn new(bytes: &[u8], owner: &Bound<'_, PyAny>) -> Immutable {
        Immutable { start: bytes.as_ptr(), len: bytes.len(), _owner: owner.clone().unbind() }
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        // SAFETY: the slice was borrowed from the owner, which is alive and immutable; a `str` keeps its UTF-8 form
        // until it dies.
        unsafe { std::slice::from_raw_parts(self.start, self.len) }
    }

    /// The bytes of an object made by `text`.
    pub(super) fn as_text(&self) -> &str {
        // SAFETY: they were borrowed from a `&str`, and have not changed.
        unsafe { std::str::from_utf8_unchecked(self.as_bytes()) }
    }
}

/// Whether the class of an object has items, as mappings and sequences do. Unlike a look at an attribute it costs nothing.
pub(super) fn has_items(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive and the interpreter attached; the function cannot fail.
    unsafe { ffi::PyMapping_Check(object.as_ptr()) != 0 }
}

/// The contiguous buffer of an object, exported for as long as this lives: its owner does not move or shrink it
/// meanwhile.
pub(super) struct Exported(PyUntypedBuffer);

impl Exported {
    /// The buffer of `object`, if it has one whose items are what `accept` asks for, without gaps and in the order of
    /// bytes that guests have.
    pub(super) fn of(
        object: &Bound<'_, PyAny>,
        accept: impl FnOnce(ElementType) -> bool,
    ) -> PyResult<Option<Exported>> {
        // SAFETY: the object is alive and the interpreter attached.
        if unsafe { ffi::PyObject_CheckBuffer(object.as_ptr()) } == 0 {
            return Ok(None);
        }
        let buffer = PyUntypedBuffer::get(object)?;
        let foreign_order = matches!(buffer.format().to_bytes().first(), Some(b'>' | b'!'));
        let fits = !foreign_order
            && buffer.dimensions() <= 1
            && buffer.is_c_contiguous()
            && accept(ElementType::from_format(buffer.format()));
        Ok(fits.then_some(Exported(buffer)))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len_bytes()
    }

    pub(super) fn copy_to(&self, target: &mut [u8]) {
        assert_eq!(target.len(), self.len());
        // SAFETY: an exported, contiguous buffer has `len_bytes` readable bytes until it is released, which the
        // exporter has promised by the buffer protocol. The target is a different allocation. Another thread that
        // writes to the buffer meanwhile makes the copied bytes arbitrary, as with every reader of a buffer; they are
        // not interpreted here.
        unsafe { std::ptr::copy(self.0.buf_ptr().cast::<u8>(), target.as_mut_ptr(), target.len()) };
    }
}

#[cfg(target_endian = "big")]
compile_error!("numeric buffers are copied as they are, which takes a little-endian host");
