//! `close()` and `with` for the classes that wasmtime-py derives from its `Managed`.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::errors::Misuse;

/// The native value behind a Python object, with the two ways in which it can be missing: `__init__` did not run (yet),
/// and `close()` did.
///
/// The value itself stays where it is when the object is closed: what was made from it earlier may still use it. It is
/// freed with the object.
pub(crate) struct Managed<T> {
    value: OnceLock<T>,
    /// Whether there is a value. See `peek` for why `value` is not enough.
    present: AtomicBool,
    closed: AtomicBool,
    kind: &'static str,
}

impl<T> Managed<T> {
    /// A value that `__init__` will set.
    pub(crate) fn empty(kind: &'static str) -> Managed<T> {
        Managed { value: OnceLock::new(), present: AtomicBool::new(false), closed: AtomicBool::new(false), kind }
    }

    pub(crate) fn new(kind: &'static str, value: T) -> Managed<T> {
        Managed { value: OnceLock::from(value), present: AtomicBool::new(true), closed: AtomicBool::new(false), kind }
    }

    /// Sets the value; `__init__` of an object that has one already is refused.
    pub(crate) fn initialise(&self, value: T) -> pyo3::PyResult<()> {
        self.value.set(value).map_err(|_| {
            pyo3::exceptions::PyRuntimeError::new_err(format!("this {} is initialised already", self.kind))
        })?;
        self.present.store(true, Ordering::Release);
        Ok(())
    }

    pub(crate) fn get(&self) -> Result<&T, Misuse> {
        if self.closed.load(Ordering::Acquire) {
            return Err(Misuse::Closed(self.kind));
        }
        self.value.get().ok_or(Misuse::Uninitialised(self.kind))
    }

    /// The value, even if the object is closed.
    ///
    /// Fit for `__traverse__`: Python's collector may visit an object that is allocated but not constructed yet, whose
    /// memory is all zero. `present` is false there, while a `OnceLock` of zeros passes for one that is set.
    pub(crate) fn peek(&self) -> Option<&T> {
        if self.present.load(Ordering::Acquire) { self.value.get() } else { None }
    }

    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }
}

/// Gives a class `close()`, `__enter__` and `__exit__`. The class has a method `fn close_native(&self, py) ->
/// PyResult<()>`.
macro_rules! managed {
    ($class:ty) => {
        #[pyo3::pymethods]
        impl $class {
            /// Release the object. Later uses raise `ClosedError`; closing again does nothing.
            fn close(&self, py: pyo3::Python<'_>) -> pyo3::PyResult<()> {
                self.close_native(py)
            }

            fn __enter__(slf: pyo3::Bound<'_, Self>) -> pyo3::Bound<'_, Self> {
                slf
            }

            #[pyo3(signature = (exc_type=None, exc=None, traceback=None))]
            fn __exit__(
                &self,
                py: pyo3::Python<'_>,
                exc_type: Option<pyo3::Py<pyo3::PyAny>>,
                exc: Option<pyo3::Py<pyo3::PyAny>>,
                traceback: Option<pyo3::Py<pyo3::PyAny>>,
            ) -> pyo3::PyResult<()> {
                let _ = (exc_type, exc, traceback);
                self.close_native(py)
            }
        }
    };
}

/// Gives a class a `__new__` that takes anything and makes an object without a value, which `__init__` sets. So
/// subclasses may have an `__init__` with other parameters, which calls `super().__init__` as usual. The class has a
/// function `fn empty() -> Self`.
macro_rules! two_phase {
    ($class:ty, $signature:literal) => {
        #[pyo3::pymethods]
        impl $class {
            #[new]
            #[pyo3(signature = (*_args, **_kwargs), text_signature = $signature)]
            fn __new__(
                _args: &pyo3::Bound<'_, pyo3::types::PyTuple>,
                _kwargs: Option<&pyo3::Bound<'_, pyo3::types::PyDict>>,
            ) -> Self {
                Self::empty()
            }
        }
    };
}

pub(crate) use {managed, two_phase};
