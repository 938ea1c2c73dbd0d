//! Where the engine catches faults by other means, or Python's handlers are not known to get in its way.

use pyo3::prelude::*;

pub(crate) fn remember(_py: Python<'_>) -> PyResult<()> {
    Ok(())
}

pub(crate) fn reassert() {}

/// Not known here.
pub(super) fn is_interpreters(_handler: usize) -> bool {
    false
}

pub(super) fn handles(_signal: i32) -> bool {
    false
}

/// For Python: called after something may have changed the handlers.
#[pyfunction]
pub(crate) fn reassert_fault_handlers() {}
