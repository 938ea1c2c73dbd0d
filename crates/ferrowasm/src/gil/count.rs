//! PyO3's count of how often the running thread is attached.
//!
//! PyO3 raises it around every method. Where it is zero a `Py` that is dropped is put aside until the next method, and
//! `Python::attach` asks the interpreter. Ordinary calls into WebAssembly need neither and go without (see
//! `vectorcall`); the few things in them that may drop a `Py` are run through here.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr;

use pyo3::ffi;
use pyo3::impl_::trampoline::{MethodDef, noargs};
use pyo3::prelude::*;

/// Runs `work` as PyO3 runs methods.
pub(crate) fn counted<R, F>(_py: Python<'_>, work: F) -> R
where
    F: for<'py> FnOnce(Python<'py>) -> R,
{
    struct Job<F, R> {
        work: Option<F>,
        done: Option<std::thread::Result<R>>,
    }
    struct Method<F, R>(PhantomData<(F, R)>);
    impl<R, F: for<'py> FnOnce(Python<'py>) -> R> MethodDef<noargs::Func> for Method<F, R> {
        const METH: noargs::Func = run::<F, R>;
    }
    /// # Safety
    ///
    /// `job` is the address of a `Job<F, R>` that nobody else uses.
    unsafe fn run<F, R>(py: Python<'_>, job: *mut ffi::PyObject) -> PyResult<*mut ffi::PyObject>
    where
        F: for<'py> FnOnce(Python<'py>) -> R,
    {
        // SAFETY: by contract.
        let job = unsafe { &mut *job.cast::<Job<F, R>>() };
        job.done = job.work.take().map(|work| catch_unwind(AssertUnwindSafe(|| work(py))));
        Ok(ptr::null_mut())
    }
    let mut job = Job { work: Some(work), done: None };
    // SAFETY: the interpreter is attached, as the token says. The trampoline, which PyO3's own methods use, passes the
    // address on as it is, and what comes back: no object in either case.
    unsafe { noargs::<Method<F, R>>((&raw mut job).cast(), ptr::null_mut()) };
    match job.done {
        Some(Ok(result)) => result,
        Some(Err(payload)) => resume_unwind(payload),
        None => unreachable!("the trampoline calls the method"),
    }
}
