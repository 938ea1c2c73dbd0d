//! Python integers as sizes and counts: nothing wraps, nothing is truncated.
#![allow(unsafe_code)]

use pyo3::exceptions::{PyOverflowError, PyTypeError};
use pyo3::ffi;
use pyo3::prelude::*;
use pyo3::types::PyInt;

/// The integer that `value` is or, through `__index__`, stands for.
pub(crate) fn index<'py>(value: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyInt>> {
    if let Ok(int) = value.cast::<PyInt>() {
        return Ok(int.clone());
    }
    let index = value.py().import("operator")?.getattr("index")?;
    match index.call1((value,)) {
        Ok(int) => Ok(int.cast_into()?),
        Err(error) if error.is_instance_of::<PyTypeError>(value.py()) && !value.hasattr("__index__")? => {
            Err(PyTypeError::new_err(format!("expected an int for {name}, got {}", value.get_type().name()?)))
        }
        Err(error) => Err(error),
    }
}

/// An integer as wide as any position in memory can be: what is even wider becomes the nearest number that is not.
pub(crate) fn wide(value: &Bound<'_, PyAny>, name: &str) -> PyResult<i128> {
    let int = index(value, name)?;
    match int.extract::<i64>() {
        Ok(number) => Ok(number.into()),
        Err(_) => match int.extract::<i128>() {
            Ok(number) => Ok(number),
            Err(_) => Ok(if int.lt(0)? { i128::MIN } else { i128::MAX }),
        },
    }
}

/// The number if 64 bits hold it, signed.
// Not a function of its own: its end would read back what the call below has just written in part, and wait for it.
#[inline(always)]
pub(crate) fn small(int: &Bound<'_, PyInt>) -> Option<i64> {
    let mut overflow = 0;
    // SAFETY: an int, of which the function reads the value; it sets `overflow` instead of an exception.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(int.as_ptr(), &raw mut overflow) };
    (overflow == 0).then_some(number)
}

pub(crate) fn too_large(name: &str, max: u64) -> PyErr {
    PyOverflowError::new_err(format!("{name} is out of range: expected an int from 0 to {max}"))
}

/// An integer from 0 to `max`; `TypeError` for anything that is no integer, `OverflowError` outside the range.
pub(crate) fn unsigned(value: &Bound<'_, PyAny>, name: &str, max: u64) -> PyResult<u64> {
    let int = index(value, name)?;
    match int.extract::<u64>() {
        Ok(number) if number <= max => Ok(number),
        _ => Err(too_large(name, max)),
    }
}

/// An argument of `Store.set_limits`: `None` for "leave it", which a missing or negative number says.
pub(crate) fn limit(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<usize>> {
    let Some(value) = value else { return Ok(None) };
    let int = index(value, name)?;
    if int.lt(0)? {
        return Ok(None);
    }
    unsigned(&int, name, usize::MAX as u64).map(|number| Some(number as usize))
}
