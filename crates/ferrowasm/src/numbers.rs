//! Python integers as sizes and counts: nothing wraps, nothing is truncated.
#![allow(unsafe_code)]

use std::sync::atomic::{AtomicUsize, Ordering};

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

/// How an int of CPython begins.
#[repr(C)]
struct Layout {
    object: ffi::PyObject,
    /// The number of digits: negative for negative ints, up to CPython 3.11; with the sign in the lowest bits from 3.12 on.
    size: usize,
    first_digit: u32,
}

/// Ints whose `size` is less than this have one digit or none. It is 0, so that none has, until `learn_layout` has found
/// the interpreter's ints to be as described.
static COMPACT: AtomicUsize = AtomicUsize::new(0);

/// The value of an int whose `size` is less than `compact`.
#[inline(always)]
fn one_digit(int: &Bound<'_, PyInt>, compact: usize) -> Option<i64> {
    let int = int.as_ptr().cast::<Layout>();
    // SAFETY: every int of CPython is at least as large, and its value does not change.
    let (size, digit) = unsafe { ((*int).size, i64::from((*int).first_digit)) };
    if cfg!(Py_3_12) {
        // The two lowest bits are 0 for positive ints, 1 for zero and 2 for negative ones; the third is of no concern.
        return (size < compact).then(|| (1 - (size & 3) as i64) * digit);
    }
    let count = size.cast_signed();
    // Zero has no digit.
    (count.unsigned_abs() < compact).then(|| if count == 0 { 0 } else { count as i64 * digit })
}

/// The number if it has one digit, which is less than 2**30: no function of the interpreter is called.
#[inline(always)]
pub(crate) fn compact(int: &Bound<'_, PyInt>) -> Option<i64> {
    one_digit(int, COMPACT.load(Ordering::Relaxed))
}

/// Looks whether the interpreter's ints are as described, which depends on how it was built: if not, none is `compact`.
pub(crate) fn learn_layout(py: Python<'_>) -> PyResult<()> {
    const DIGIT: i64 = 1 << 30;
    let compact = if cfg!(Py_3_12) { 2 << 3 } else { 2 };
    for number in [0, 1, 2, 255, 256, 257, 1 << 15, (1 << 16) + 1, DIGIT - 1, DIGIT, DIGIT + 1, 1 << 31, DIGIT << 30] {
        for number in [number, -number] {
            let expected = (number.abs() < DIGIT).then_some(number);
            if one_digit(&number.into_pyobject(py)?, compact) != expected {
                return Ok(());
            }
        }
    }
    COMPACT.store(compact, Ordering::Relaxed);
    Ok(())
}

/// The number if 64 bits hold it, signed.
// Not a function of its own: its end would read back what the call below has just written in part, and wait for it.
#[inline(always)]
pub(crate) fn small(int: &Bound<'_, PyInt>) -> Option<i64> {
    if let Some(number) = compact(int) {
        return Some(number);
    }
    let mut overflow = 0;
    // SAFETY: an int, of which the function reads the value; it sets `overflow` instead of an exception.
    let number = unsafe { ffi::PyLong_AsLongLongAndOverflow(int.as_ptr(), &raw mut overflow) };
    (overflow == 0).then_some(number)
}

/// The int for a number, without PyO3's function for it, which is not inlined.
#[inline]
pub(crate) fn int(py: Python<'_>, number: i32) -> Bound<'_, PyInt> {
    // SAFETY: a new reference to an int, or none if there is no memory for it: PyO3 panics then, too.
    unsafe { Bound::from_owned_ptr(py, ffi::PyLong_FromLong(number.into())).cast_into_unchecked() }
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
