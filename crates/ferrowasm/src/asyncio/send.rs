//! How the interpreter goes on with a call that is awaited: `am_send` (`PyAsyncMethods`), which PyO3 does not offer.
//!
//! Without it the end of a call is a `StopIteration`, which is made only to be taken apart.
#![allow(unsafe_code)]

use pyo3::prelude::*;
use pyo3::{Borrowed, ffi};

use super::call::Call;
use super::drive::{Input, Progress};

/// Adds the function to the class. To be called when the module is imported, before there are objects of it.
pub(crate) fn announce(py: Python<'_>) {
    let class = py.get_type::<Call>().as_type_ptr();
    // SAFETY: the interpreter is attached, and nobody else has the class yet. It lives on the heap, and so has the
    // structure behind `tp_as_async`, which is there because the class has an `__await__`; but who knows.
    unsafe {
        if let Some(methods) = (*class).tp_as_async.as_mut() {
            methods.am_send = Some(send);
        }
    }
}

/// What the interpreter calls.
unsafe extern "C" fn send(
    call: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    result: *mut *mut ffi::PyObject,
) -> ffi::PySendResult {
    use pyo3::impl_::trampoline::{MethodDef, ternaryfunc};
    struct Send;
    impl MethodDef<ternaryfunc::Func> for Send {
        const METH: ternaryfunc::Func = go;
    }
    let mut is_suspended = false;
    // SAFETY: the interpreter calls this attached, with an object of the class, a value, and where the result goes. The
    // trampoline, which PyO3's own methods use, only passes its arguments on, and turns errors and panics into exceptions.
    unsafe {
        *result = ternaryfunc::<Send>(call, value, (&raw mut is_suspended).cast());
        match (*result).is_null() {
            true => ffi::PySendResult::PYGEN_ERROR,
            false if is_suspended => ffi::PySendResult::PYGEN_NEXT,
            false => ffi::PySendResult::PYGEN_RETURN,
        }
    }
}

/// # Safety
///
/// `call` is an object of the class, `value` one of any, and `is_suspended` points to a `bool`.
unsafe fn go(
    py: Python<'_>,
    call: *mut ffi::PyObject,
    value: *mut ffi::PyObject,
    is_suspended: *mut ffi::PyObject,
) -> PyResult<*mut ffi::PyObject> {
    // SAFETY: by contract; the references are borrowed for the call.
    let (call, value) = unsafe { (Borrowed::from_ptr(py, call), Borrowed::from_ptr(py, value)) };
    // SAFETY: by contract.
    let call = unsafe { call.cast_unchecked::<Call>() };
    Ok(match call.get().go(py, Input::Send(value.to_owned()))? {
        Progress::Finished(value) => value.into_ptr(),
        Progress::Suspended(value) => {
            // SAFETY: by contract.
            unsafe { *is_suspended.cast::<bool>() = true };
            value.into_ptr()
        }
    })
}
