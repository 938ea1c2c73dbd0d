//! `Caller`: the store and the calling instance, as a host function sees them.
#![allow(unsafe_code)]

use std::sync::Arc;

use pyo3::exceptions::PyKeyError;
use pyo3::prelude::*;

use crate::externs;
use crate::store::cell::{CallerPtr, Shared};
use crate::store::context::Frame;

/// The instance that called a host function, and a handle to its store; given to callbacks made with
/// `access_caller=True`.
///
/// A `Caller` can be passed wherever a `Store` is expected, until the callback returns; then it raises `ExpiredError`.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct Caller {
    frame: Frame,
    caller: CallerPtr,
}

impl Caller {
    pub(crate) fn new(shared: Arc<Shared>, caller: CallerPtr) -> Caller {
        Caller { frame: Frame::new(shared, "Caller"), caller }
    }

    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }

    fn export<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        let mut entry = self.frame.enter()?;
        // SAFETY: `Frame::enter` succeeds only while the host function has not returned, and on the thread that runs
        // it.
        let export = unsafe { self.caller.get_export(&mut entry, name) };
        export.map(|export| externs::to_python(py, &mut entry, export)).transpose()
    }
}

#[pymethods]
impl Caller {
    /// The export of the calling instance with this name, or `None` if there is none, the caller has expired, or the
    /// host was the caller.
    fn get<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Option<Bound<'py, PyAny>>> {
        if self.frame.is_alive() { self.export(py, name) } else { Ok(None) }
    }

    /// The export of the calling instance with this name; `KeyError` if there is none, `ExpiredError` after the
    /// callback returned.
    fn __getitem__<'py>(&self, py: Python<'py>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        self.export(py, name)?.ok_or_else(|| PyKeyError::new_err(name.to_owned()))
    }

    fn __contains__(&self, py: Python<'_>, name: &str) -> PyResult<bool> {
        Ok(self.export(py, name)?.is_some())
    }

    fn __repr__(&self) -> &'static str {
        if self.frame.is_alive() { "<Caller>" } else { "<Caller (expired)>" }
    }
}
