//! `Capture`: what a guest wrote, kept in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyMemoryError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::errors::output_limit_error;
use crate::gil;

/// Bytes that a guest wrote, up to a limit.
pub(crate) struct Captured {
    limit: usize,
    /// Whether a guest that writes more is stopped, instead of its output being dropped.
    strict: bool,
    kept: Mutex<Kept>,
}

/// Why bytes could not be kept.
pub(crate) enum Full {
    /// There were more than a strict limit of this many bytes.
    Limit(usize),
    /// The host has no memory for them.
    Memory,
}

#[derive(Default)]
struct Kept {
    bytes: Vec<u8>,
    truncated: bool,
}

impl Full {
    /// The exception that ends the guest's call.
    pub(crate) fn raise(self) -> wasmtime::Error {
        let raised = gil::attached(|py| -> PyResult<()> {
            Err(match self {
                Full::Limit(limit) => output_limit_error(py, limit),
                Full::Memory => PyMemoryError::new_err("out of memory for the captured output of a WASI program"),
            })
        });
        raised.expect_err("the closure always fails")
    }
}

impl Captured {
    pub(crate) fn new(limit: usize, strict: bool) -> Captured {
        Captured { limit, strict, kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps what there is room for. To drop the rest is an error where the limit is strict.
    pub(crate) fn write(&self, bytes: &[u8]) -> Result<(), Full> {
        let mut kept = self.lock();
        let room = self.limit - kept.bytes.len();
        let fitting = &bytes[..bytes.len().min(room)];
        kept.bytes.try_reserve(fitting.len()).map_err(|_| Full::Memory)?;
        kept.bytes.extend_from_slice(fitting);
        kept.truncated |= bytes.len() > room;
        if self.strict && bytes.len() > room { Err(Full::Limit(self.limit)) } else { Ok(()) }
    }
}

/// What WASI programs wrote to a captured output; made by `WasiConfig.capture_stdout` and `WasiConfig.capture_stderr`.
///
/// It can be read at any time: after the run, from another thread during it, and after it ended in an exception.
/// Programs in several stores that were given the same configuration write to the same capture.
#[pyclass(frozen, weakref, module = "ferrowasm")]
pub(crate) struct Capture {
    pub(crate) captured: Arc<Captured>,
}

#[pymethods]
impl Capture {
    /// All bytes written so far.
    fn getvalue<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.captured.lock().bytes)
    }

    fn __bytes__<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        self.getvalue(py)
    }

    fn __len__(&self) -> usize {
        self.captured.lock().bytes.len()
    }

    /// A capture is true even while it is empty.
    fn __bool__(&self) -> bool {
        true
    }

    /// All text written so far. Raises `UnicodeDecodeError` for bytes that are not in the encoding, unless `errors`
    /// says otherwise (as for `bytes.decode`).
    #[pyo3(signature = (encoding="utf-8", errors="strict"))]
    fn text<'py>(&self, py: Python<'py>, encoding: &str, errors: &str) -> PyResult<Bound<'py, PyAny>> {
        self.getvalue(py).call_method1("decode", (encoding, errors))
    }

    /// Whether bytes were dropped because the capture had reached its limit.
    #[getter]
    fn truncated(&self) -> bool {
        self.captured.lock().truncated
    }

    /// The largest number of bytes that are kept; `None` if there is no limit.
    #[getter]
    fn limit(&self) -> Option<usize> {
        (self.captured.limit != usize::MAX).then_some(self.captured.limit)
    }

    fn __repr__(&self) -> String {
        let kept = self.captured.lock();
        let truncated = if kept.truncated { ", truncated" } else { "" };
        format!("<Capture of {} bytes{truncated}>", kept.bytes.len())
    }
}
