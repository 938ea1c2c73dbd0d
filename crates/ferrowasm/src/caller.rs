//! `Caller`: the store and the calling instance, as a host function sees them.

use pyo3::prelude::*;

use crate::store::context::Frame;

/// The instance that called a host function, and a handle to its store; given to callbacks made with `access_caller=True`.
///
/// A `Caller` can be passed wherever a `Store` is expected, until the callback returns; then it raises `ExpiredError`.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct Caller {
    frame: Frame,
}

impl Caller {
    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }
}
