//! What the engine's store carries for the binding: `wasmtime::Store<Data>`.

use std::sync::Arc;

use super::cell::Shared;
use super::limits::StoreLimits;
use crate::wasi::Wasi;

pub(crate) struct Data {
    pub(crate) shared: Arc<Shared>,
    pub(crate) limits: StoreLimits,
    /// WASI; `None` until `Store.set_wasi`.
    pub(crate) wasi: Option<Box<Wasi>>,
    /// The engine's epoch at which the store's deadline passes, for waits that happen on the host's side; `None` without a deadline.
    pub(crate) epoch_deadline: Option<u64>,
    /// `Config.max_wasm_stack` of the engine, in bytes.
    pub(crate) max_wasm_stack: usize,
}

impl Data {
    pub(crate) fn new(shared: Arc<Shared>, max_wasm_stack: usize) -> Data {
        Data { shared, limits: StoreLimits::default(), wasi: None, epoch_deadline: None, max_wasm_stack }
    }
}
