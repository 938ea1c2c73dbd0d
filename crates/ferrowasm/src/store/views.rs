//! How many views of a store's memories Python code holds.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[derive(Default)]
pub(crate) struct Views {
    count: AtomicUsize,
    /// Growth of a memory was refused because of a view.
    refused: AtomicBool,
}

impl Views {
    pub(crate) fn add(&self) {
        self.count.fetch_add(1, Ordering::AcqRel);
    }

    pub(crate) fn remove(&self) {
        self.count.fetch_sub(1, Ordering::AcqRel);
    }

    pub(crate) fn any(&self) -> bool {
        self.count.load(Ordering::Acquire) > 0
    }

    /// To be called when growth is refused because of a view.
    pub(crate) fn refuse(&self) {
        self.refused.store(true, Ordering::Release);
    }

    /// Whether growth was refused because of a view since the last call.
    pub(crate) fn take_refusal(&self) -> bool {
        self.refused.swap(false, Ordering::AcqRel)
    }
}
