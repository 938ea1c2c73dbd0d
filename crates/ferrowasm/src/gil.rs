//! The one doorway through which calls give up the interpreter lock, and the way back in.

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use wasmtime::StoreContextMut;

use crate::errors::{OrRaise, panicked, with_thrown};
use crate::stack;
use crate::store::Data;
use crate::store::cell::Entry;

/// Runs `work` with the interpreter detached, so that other Python threads run meanwhile. A panic becomes an exception.
pub(crate) fn released<R: Send>(py: Python<'_>, work: impl FnOnce() -> R + Send) -> PyResult<R> {
    py.detach(|| catch_unwind(AssertUnwindSafe(work))).map_err(|payload| panicked(&*payload))
}

/// The same for work of the engine, whose errors become exceptions too.
pub(crate) fn detached<R: Send>(py: Python<'_>, work: impl FnOnce() -> wasmtime::Result<R> + Send) -> PyResult<R> {
    released(py, work)?.or_raise(py)
}

/// Runs `work`, which may run WebAssembly code in a store that was entered and whose `room` this is.
pub(crate) fn execute<R: Send>(
    py: Python<'_>,
    room: Option<usize>,
    work: impl FnOnce() -> wasmtime::Result<R> + Send,
) -> PyResult<R> {
    match room {
        Some(wasm) => stack::with_room(wasm, || detached(py, work))?,
        None => detached(py, work),
    }
}

/// Runs `work`, which may run WebAssembly code, in a store that was entered.
pub(crate) fn run<R: Send>(
    py: Python<'_>,
    entry: &mut Entry<'_>,
    work: impl FnOnce(StoreContextMut<'_, Data>) -> wasmtime::Result<R> + Send,
) -> PyResult<R> {
    if entry.is_suspended() {
        let shared = entry.shared;
        let done = released(py, || shared.fibers.run(work))?;
        return done.unwrap_or_else(|| Err(wasmtime::Error::msg("the host function has returned"))).or_raise(py);
    }
    let room = entry.room();
    let ctx = entry.ctx();
    execute(py, room, || work(ctx)).map_err(|error| with_thrown(py, entry.ctx(), error))
}

/// To be called by the epoch callback, in the middle of WebAssembly.
pub(crate) fn tick() {}

/// Drops something with Python objects in it, in the middle of a call or not.
pub(crate) fn release<T>(objects: T) {
    // PyO3 puts them aside where the interpreter is detached.
    drop(objects);
}

/// Runs Python code in a host function, which the engine calls on the thread of the call with the interpreter detached.
pub(crate) fn attached<R>(work: impl for<'py> FnOnce(Python<'py>) -> PyResult<R>) -> wasmtime::Result<R> {
    // The interpreter may be shutting down while WebAssembly runs on a daemon thread: then there is no way back into
    // Python.
    match Python::try_attach(work) {
        Some(result) => result.map_err(crate::errors::raised),
        None => Err(wasmtime::Error::msg("the Python interpreter is shutting down")),
    }
}
