//! The one doorway through which calls give up the interpreter lock, and the way back in.

mod count;
mod flight;
mod pace;

use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::prelude::*;
use wasmtime::StoreContextMut;

use crate::errors::{OrRaise, panicked, raised, to_python, with_thrown};
use crate::interrupt::waits;
use crate::stack;
use crate::store::Data;
use crate::store::cell::Entry;
use crate::thread::{self, Thread};
pub(crate) use count::counted;
pub(crate) use flight::Current;
use flight::IsCounted;
pub(crate) use pace::Pace;

/// Whether calls let other threads have the interpreter while WebAssembly runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Policy {
    /// Those that take long, and those that turn out to.
    Auto,
    /// All, from the start.
    Release,
    /// None from the start.
    Hold,
}

impl Policy {
    /// What the policy comes to on an engine, given whether compiled code looks at the epoch: without, a call that holds
    /// the interpreter could not be made to let go; and in a wait for another thread nothing can.
    pub(crate) fn effective(self, checks_epoch: bool, shared_memory: bool) -> Result<Policy, &'static str> {
        match self {
            Policy::Hold if shared_memory => {
                Err("gil = \"hold\" does not go with shared_memory: WebAssembly that waits \
                                                  for another thread would keep that thread waiting for the \
                                                  interpreter; expected \"auto\" or \"release\"")
            }
            Policy::Auto if shared_memory || !checks_epoch => Ok(Policy::Release),
            policy => Ok(policy),
        }
    }
}

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
    stack::with_room(room, || detached(py, work))?
}

/// Runs `work`, which may run WebAssembly code, in a store that was entered.
pub(crate) fn run<R: Send>(
    py: Python<'_>,
    entry: &mut Entry<'_>,
    work: impl FnOnce(StoreContextMut<'_, Data>) -> wasmtime::Result<R> + Send,
) -> PyResult<R> {
    if entry.is_suspended() {
        let shared = entry.shared;
        let done = released(py, || shared.run_on_fiber(work))?;
        return done.unwrap_or_else(|| Err(wasmtime::Error::msg("the host function has returned"))).or_raise(py);
    }
    let room = entry.room();
    let ctx = entry.ctx();
    let work = || {
        let result = work(ctx)?;
        waits::finish()?;
        Ok(result)
    };
    execute(py, room, work).map_err(|error| with_thrown(py, entry.ctx(), error))
}

/// Runs `work`, which calls WebAssembly code, with the interpreter held or released as `policy` and `pace` suggest.
///
/// `work` does not use Python, and neither does what it calls except through `attached` and `callback`. In particular
/// it drops no `Py`. The exception is in a box because it is large: what comes of most calls fits into registers.
#[inline]
pub(crate) fn call<R: Send>(
    py: Python<'_>,
    room: Option<usize>,
    policy: Policy,
    pace: &Pace,
    work: impl FnOnce() -> wasmtime::Result<R> + Send,
) -> Result<R, Box<PyErr>> {
    call_on(py, thread::current(py), room, policy, pace, work)
}

/// The same for who knows the running thread.
#[inline]
pub(crate) fn call_on<R: Send>(
    py: Python<'_>,
    thread: &Thread,
    room: Option<usize>,
    policy: Policy,
    pace: &Pace,
    work: impl FnOnce() -> wasmtime::Result<R> + Send,
) -> Result<R, Box<PyErr>> {
    match thread.stack.enter(room) {
        Ok(_active) => protected(py, thread, policy, pace, work),
        Err(lacking) => lacking.on_fresh_stack(move || protected(py, thread, policy, pace, work))?,
    }
}

/// The same for calls that PyO3 does not count as attached, on a stack that has enough room and with another policy than
/// `Release`. Errors and panics are left as they are.
#[inline(always)]
pub(crate) fn call_uncounted<R: Send>(
    py: Python<'_>,
    thread: &Thread,
    policy: Policy,
    pace: &Pace,
    work: impl FnOnce() -> wasmtime::Result<R> + Send,
) -> wasmtime::Result<R> {
    flight::fly(py, &thread.flight, policy, pace, IsCounted::No, work)
}

/// Errors and panics of `work` become exceptions.
// What it gives back fits into a register: the processor would wait for a pair that is written and copied.
#[inline]
fn protected<R: Send>(
    py: Python<'_>,
    thread: &Thread,
    policy: Policy,
    pace: &Pace,
    work: impl FnOnce() -> wasmtime::Result<R> + Send,
) -> Result<R, Box<PyErr>> {
    match catch_unwind(AssertUnwindSafe(move || flight::fly(py, &thread.flight, policy, pace, IsCounted::Yes, work))) {
        Ok(Ok(result)) if policy == Policy::Release => settled(py, result),
        Ok(Ok(result)) => Ok(result),
        Ok(Err(error)) => Err(failed(py, &error)),
        Err(payload) => Err(Box::new(panicked(&*payload))),
    }
}

/// The end of a call that may have waited for another thread.
fn settled<R>(py: Python<'_>, result: R) -> Result<R, Box<PyErr>> {
    waits::finish().or_raise(py).map(|()| result).map_err(Box::new)
}

#[cold]
fn failed(py: Python<'_>, error: &wasmtime::Error) -> Box<PyErr> {
    Box::new(to_python(py, error))
}

/// Drops something with Python objects in it, in the middle of a call or not.
pub(crate) fn release<T>(objects: T) {
    flight::release(objects);
}

/// Runs Python code on behalf of the engine, on the thread of the call.
pub(crate) fn attached<R>(work: impl for<'py> FnOnce(Python<'py>) -> PyResult<R>) -> wasmtime::Result<R> {
    landed(flight::attached(flight::Then::Resume, work))
}

/// Runs a host function that is written in Python, on the thread of the call.
#[inline]
pub(crate) fn callback<R>(work: impl for<'py> FnOnce(Python<'py>) -> PyResult<R>) -> wasmtime::Result<R> {
    landed(flight::attached(flight::Then::Continue, work))
}

#[inline]
fn landed<R>(outcome: Option<PyResult<R>>) -> wasmtime::Result<R> {
    match outcome {
        Some(result) => result.map_err(raised),
        None => Err(wasmtime::Error::msg("the Python interpreter is shutting down")),
    }
}

/// To be called by host functions that may block, and by the epoch callback: other threads get the interpreter until
/// this call ends or calls a Python function.
pub(crate) fn tick() {
    flight::let_go();
}
