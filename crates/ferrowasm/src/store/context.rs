//! Handles to a store that are valid during one callback: `StoreContext`, and what it has in common with `Caller`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::prelude::*;

use super::cell::{Entry, Shared};
use crate::errors::Misuse;

/// One activation of a host function.
pub(crate) struct Frame {
    shared: Arc<Shared>,
    alive: AtomicBool,
    kind: &'static str,
}

impl Frame {
    pub(crate) fn new(shared: Arc<Shared>, kind: &'static str) -> Frame {
        Frame { shared, alive: AtomicBool::new(true), kind }
    }

    /// To be called when the host function returns.
    pub(crate) fn expire(&self) {
        self.alive.store(false, Ordering::Release);
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    /// Enters the store of the host function, which must not have returned.
    pub(crate) fn enter(&self) -> PyResult<Entry<'_>> {
        if !self.is_alive() {
            return Err(Misuse::Expired(self.kind).into());
        }
        if !self.shared.runs_here() {
            return Err(self.shared.obstacle().into());
        }
        // On this thread the host function cannot return while we are here.
        Ok(self.shared.enter_nested()?)
    }
}

/// A handle to the store that a callback runs in, valid until the callback returns.
///
/// It can be passed wherever a `Store` is expected. Afterwards every use raises `ExpiredError`.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct StoreContext {
    frame: Frame,
}

impl StoreContext {
    pub(crate) fn new(shared: Arc<Shared>) -> StoreContext {
        StoreContext { frame: Frame::new(shared, "StoreContext") }
    }

    pub(crate) fn frame(&self) -> &Frame {
        &self.frame
    }
}
