//! Synchronous calls that have to run on a fiber all the same.

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::drive::{Drive, Mode, Progress};
use super::operation::Operation;

/// Runs an operation to its end, and blocks the thread where it waits.
///
/// For calls inside of asynchronous ones, and for stores of which the engine demands it. Asynchronous host functions
/// are errors.
pub(crate) fn complete<'py>(py: Python<'py>, operation: &dyn Operation) -> PyResult<Bound<'py, PyAny>> {
    match Drive::start(py, operation)?.go(py, operation, Mode::Block, None)? {
        Progress::Finished(value) => Ok(value),
        Progress::Suspended(_) => {
            Err(PyRuntimeError::new_err("a synchronous call was suspended; this is a bug in ferrowasm"))
        }
    }
}
