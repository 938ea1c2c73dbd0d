//! Room on the native stack for WebAssembly.
//!
//! The engine lets WebAssembly use `Config.max_wasm_stack` bytes below the stack pointer of the outermost call, without
//! a look at how much the thread has. Here we look: a thread with too small a stack runs the call on a fresh, larger
//! one.

use std::cell::Cell;

use pyo3::exceptions::PyRecursionError;
use pyo3::prelude::*;

use crate::errors::panicked;

/// What has to remain for host functions and the interpreter below the deepest WebAssembly frame, in bytes.
const HEADROOM: usize = 256 << 10;
/// What a fresh stack has on top of the WebAssembly limit, in bytes: as much as the usual stack of a main thread. Only
/// touched pages cost memory.
const FRESH: usize = 8 << 20;

thread_local!(static ACTIVE: Cell<usize> = const { Cell::new(0) });

/// Runs `work` with at least `wasm` bytes of stack for WebAssembly and some for the host.
///
/// Stacks are only switched when the thread is outside any store: the stack limit of a store that is running is an
/// address on the present stack, and means nothing on another one. Nested use of many stores that fills the stack is a
/// `RecursionError`.
pub(crate) fn with_room<R>(wasm: usize, work: impl FnOnce() -> R) -> PyResult<R> {
    let _active = Active::enter();
    match stacker::remaining_stack() {
        Some(remaining) if remaining < wasm.saturating_add(HEADROOM) => {
            if ACTIVE.get() > 1 {
                return Err(PyRecursionError::new_err(
                    "the native stack has no room for another WebAssembly call: calls into several stores are \
                    nested too deeply",
                ));
            }
            let grown = std::panic::AssertUnwindSafe(|| stacker::grow(wasm.saturating_add(FRESH), work));
            std::panic::catch_unwind(grown).map_err(|payload| panicked(&*payload))
        }
        _ => Ok(work()),
    }
}

/// Counts the outermost calls that are under way on this thread.
struct Active;

impl Active {
    fn enter() -> Active {
        ACTIVE.set(ACTIVE.get() + 1);
        Active
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        ACTIVE.set(ACTIVE.get() - 1);
    }
}
