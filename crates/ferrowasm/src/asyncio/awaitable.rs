//! What Python code can await, and how it is driven.
#![allow(unsafe_code)]

use pyo3::exceptions::PyStopIteration;
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyIterator;
use pyo3::types::iterator::PySendResult;

use crate::errors::wasmtime_error;

/// The flag of a code object whose generator `types.coroutine` has made awaitable.
const CO_ITERABLE_COROUTINE: u32 = 0x100;

/// Whether `object` can be awaited. A host function that returns such an object is asynchronous.
pub(crate) fn is_awaitable(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: types live as long as their objects, and the interpreter is attached.
    let awaits = unsafe {
        let methods = (*ffi::Py_TYPE(object.as_ptr())).tp_as_async;
        !methods.is_null() && (*methods).am_await.is_some()
    };
    awaits || is_generator_coroutine(object)
}

fn is_generator_coroutine(object: &Bound<'_, PyAny>) -> bool {
    // SAFETY: the object is alive.
    let is_generator = unsafe { ffi::PyGen_CheckExact(object.as_ptr()) } != 0;
    is_generator
        && object
            .getattr("gi_code")
            .and_then(|code| code.getattr("co_flags")?.extract::<u32>())
            .is_ok_and(|flags| flags & CO_ITERABLE_COROUTINE != 0)
}

/// What `await` would step: a coroutine itself, or the iterator that `__await__` gives.
pub(super) fn iterator<'py>(object: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    // SAFETY: the object is alive.
    let is_coroutine = unsafe { ffi::PyCoro_CheckExact(object.as_ptr()) } != 0;
    if is_coroutine || is_generator_coroutine(&object) { Ok(object) } else { object.call_method0("__await__") }
}

/// What came of a step.
pub(super) enum Stepped<'py> {
    Yielded(Bound<'py, PyAny>),
    Returned(Bound<'py, PyAny>),
}

/// Steps a coroutine or the iterator of an awaitable.
pub(super) fn send<'py>(iterator: &Bound<'py, PyAny>, value: &Bound<'py, PyAny>) -> PyResult<Stepped<'py>> {
    // SAFETY: the cast serves to call `PyIter_Send`, which takes objects of any type: those without the protocol of
    // generators are used through `__next__` and `send`.
    let iterator = unsafe { iterator.cast_unchecked::<PyIterator>() };
    match iterator.send(value)? {
        PySendResult::Next(value) => Ok(Stepped::Yielded(value)),
        PySendResult::Return(value) => Ok(Stepped::Returned(value)),
    }
}

/// Raises an exception where the iterator waits.
pub(super) fn throw<'py>(iterator: &Bound<'py, PyAny>, error: PyErr) -> PyResult<Stepped<'py>> {
    let py = iterator.py();
    let Some(throw) = iterator.getattr_opt("throw")? else { return Err(error) };
    match throw.call1((error.into_value(py),)) {
        Ok(value) => Ok(Stepped::Yielded(value)),
        Err(error) if error.is_instance_of::<PyStopIteration>(py) => {
            Ok(Stepped::Returned(error.value(py).getattr("value")?))
        }
        Err(error) => Err(error),
    }
}

/// Ends the iterator where it waits.
pub(super) fn close(iterator: &Bound<'_, PyAny>) -> PyResult<()> {
    match iterator.getattr_opt("close")? {
        Some(close) => close.call0().map(drop),
        None => Ok(()),
    }
}

/// What to do about an asynchronous host function that a synchronous call reaches.
pub(crate) const USE_CALL_ASYNC: &str = "an asynchronous host function was called by a synchronous call: use call_async \
    (or instantiate_async), and await it";

/// The error for a result of a host function that would have to be awaited. The coroutine ends before it starts.
pub(crate) fn refuse(awaitable: &Bound<'_, PyAny>, why: &str) -> PyErr {
    let py = awaitable.py();
    // An object that is no coroutine, such as a future, may be of use to others.
    if awaitable.hasattr("cr_frame").unwrap_or(false)
        && let Err(error) = close(awaitable)
    {
        return error;
    }
    wasmtime_error(py, why)
}
