//! Python code on behalf of what runs on a fiber: it is run by the driver, on the ordinary stack.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use wasmtime::Error;

use super::fibers::{self, Fiber};
use super::host::HostCall;
use crate::gil;
use crate::store::cell::Shared;

thread_local! {
    /// The store whose fibers this thread resumes, or unwinds, now.
    static RESUMED: Cell<Option<NonNull<Shared>>> = const { Cell::new(None) };
}

/// Runs `work`, which resumes or unwinds fibers of the store.
pub(super) fn resuming<R>(shared: &Shared, work: impl FnOnce() -> R) -> R {
    struct Restore(Option<NonNull<Shared>>);
    impl Drop for Restore {
        fn drop(&mut self) {
            RESUMED.set(self.0);
        }
    }
    let _restore = Restore(RESUMED.replace(Some(NonNull::from(shared))));
    work()
}

/// The store whose fibers this thread resumes now: what asks may be on one of them.
///
/// Never a part of its callers: a fiber may move to another thread in the middle of them.
#[inline(never)]
fn resumed<'a>() -> Option<&'a Shared> {
    // SAFETY: `resuming`, further down on the ordinary stack of this thread, borrows the store until it takes the
    // pointer away. Who asks is called by it, and forgets the answer before it returns: while a fiber is suspended the
    // driver keeps its store alive.
    RESUMED.get().map(|shared| unsafe { shared.as_ref() })
}

/// Runs Python code for a conversion, in the middle of the engine's work on a store. That code cannot use the store.
///
/// # Safety
///
/// On a fiber `work` may be run by another thread, while this one waits; what it captures has to bear that.
pub(crate) unsafe fn convert<R>(work: impl for<'py> FnOnce(Python<'py>) -> PyResult<R>) -> wasmtime::Result<R> {
    let Some(shared) = resumed().filter(|shared| shared.fibers.running()) else { return gil::attached(work) };
    // SAFETY: the contract.
    unsafe { aside(shared, false, || gil::attached(work)) }?
}

/// The same for what may be sent to another thread.
pub(crate) fn attached<R: Send>(work: impl for<'py> FnOnce(Python<'py>) -> PyResult<R> + Send) -> wasmtime::Result<R> {
    // SAFETY: it is `Send`.
    unsafe { convert(work) }
}

/// Lets go of something with Python objects in it, wherever the engine drops it. On a fiber the driver does so soon.
pub(crate) fn release<T: Send + 'static>(objects: T) {
    match resumed() {
        Some(shared) => shared.fibers.leave(Box::new(objects)),
        None => gil::release(objects),
    }
}

impl Fiber {
    /// Has `work`, which calls Python code, run by the driver, on the ordinary stack. It may use the store.
    pub(crate) fn aside<R: Send>(&self, work: impl FnOnce() -> R + Send) -> wasmtime::Result<R> {
        // SAFETY: both are `Send`.
        unsafe { aside(self.shared(), true, work) }
    }

    /// Has the driver make a call.
    pub(crate) fn request(&self, call: Arc<Mutex<dyn HostCall>>) -> wasmtime::Result<()> {
        fibers::request(self.shared(), call)
    }
}

/// Has `work`, which calls Python code, run by the driver. `at_rest`: it may use the store.
///
/// # Safety
///
/// What `work` captures and gives may be used by another thread, while this one waits.
unsafe fn aside<R>(shared: &Shared, at_rest: bool, work: impl FnOnce() -> R) -> wasmtime::Result<R> {
    let mut result = None;
    let slot = &mut result;
    let work: Box<dyn FnOnce() + '_> = Box::new(move || *slot = Some(work()));
    // SAFETY: the lifetime changes, and that it is `Send`, which is the contract. The driver runs the work at once while
    // this fiber waits, or never: the guard takes it back when the wait is over, in whatever way.
    let work = unsafe { std::mem::transmute::<Box<dyn FnOnce() + '_>, Box<dyn FnOnce() + Send + 'static>>(work) };
    struct Guard(Arc<Mutex<Aside>>);
    impl Drop for Guard {
        fn drop(&mut self) {
            let work = self.0.lock().unwrap_or_else(PoisonError::into_inner).work.take();
            drop(work);
        }
    }
    let guard = Guard(Arc::new(Mutex::new(Aside { work: Some(work), at_rest })));
    fibers::request(shared, guard.0.clone())?;
    drop(guard);
    result.ok_or_else(|| Error::msg("the host function was not run"))
}

/// Work that calls Python code by itself.
struct Aside {
    work: Option<Box<dyn FnOnce() + Send>>,
    at_rest: bool,
}

impl HostCall for Aside {
    fn at_rest(&self) -> bool {
        self.at_rest
    }

    fn call<'py>(&mut self, py: Python<'py>, _shared: &Arc<Shared>) -> PyResult<Bound<'py, PyAny>> {
        if let Some(work) = self.work.take() {
            work();
        }
        Ok(py.None().into_bound(py))
    }

    fn complete(&mut self, _result: Bound<'_, PyAny>, _shared: &Arc<Shared>) -> PyResult<()> {
        Ok(())
    }
}
