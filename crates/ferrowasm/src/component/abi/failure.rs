//! Why a Python value cannot become a value of an interface type, and where in it.

use pyo3::exceptions::{PyAttributeError, PyOverflowError, PyTypeError, PyUnicodeEncodeError, PyValueError};
use pyo3::prelude::*;

/// A conversion that failed. The path is added on the way out, so that conversions that succeed pay nothing for it.
pub(super) struct Failure {
    cause: Cause,
    /// Innermost first.
    path: Vec<Step>,
}

enum Cause {
    Type(String),
    Range(String),
    Value(String),
    /// A record's object has no attribute for a field.
    Missing(String),
    /// A string with a lone surrogate.
    Encode(PyErr),
    /// An exception of Python code that the conversion ran: it passes unchanged.
    Raised(PyErr),
}

pub(super) enum Step {
    Field(String),
    Index(usize),
    Key(String),
}

pub(super) type Lowered<T> = Result<T, Box<Failure>>;

impl Failure {
    fn new(cause: Cause) -> Box<Failure> {
        Box::new(Failure { cause, path: Vec::new() })
    }

    pub(super) fn ty(message: String) -> Box<Failure> {
        Failure::new(Cause::Type(message))
    }

    /// A `TypeError` that says what was expected and what came.
    pub(super) fn expected(what: &str, got: &Bound<'_, PyAny>) -> Box<Failure> {
        Failure::ty(format!("expected {what}, got {}", class_name(got)))
    }

    pub(super) fn range(message: String) -> Box<Failure> {
        Failure::new(Cause::Range(message))
    }

    pub(super) fn value(message: String) -> Box<Failure> {
        Failure::new(Cause::Value(message))
    }

    pub(super) fn missing(message: String) -> Box<Failure> {
        Failure::new(Cause::Missing(message))
    }

    pub(super) fn encode(error: PyErr) -> Box<Failure> {
        Failure::new(Cause::Encode(error))
    }

    /// Says where in the value that it is part of the failure happened.
    pub(super) fn at(mut self: Box<Self>, step: Step) -> Box<Failure> {
        self.path.push(step);
        self
    }

    /// The exception; `root` is the name of the parameter.
    pub(super) fn into_exception(self, py: Python<'_>, root: &str) -> PyErr {
        let mut place = root.to_owned();
        for step in self.path.iter().rev() {
            match step {
                Step::Field(name) => place.extend([".", name]),
                Step::Index(index) => place.push_str(&format!("[{index}]")),
                Step::Key(key) => place.push_str(&format!("[{key}]")),
            }
        }
        match self.cause {
            Cause::Type(message) => PyTypeError::new_err(format!("{place}: {message}")),
            Cause::Range(message) => PyOverflowError::new_err(format!("{place}: {message}")),
            Cause::Value(message) => PyValueError::new_err(format!("{place}: {message}")),
            Cause::Missing(message) => PyAttributeError::new_err(format!("{place}: {message}")),
            Cause::Encode(error) => encode_error(py, &error, &place).unwrap_or(error),
            Cause::Raised(error) => error,
        }
    }
}

impl From<PyErr> for Box<Failure> {
    fn from(error: PyErr) -> Box<Failure> {
        Failure::new(Cause::Raised(error))
    }
}

pub(super) fn class_name(value: &Bound<'_, PyAny>) -> String {
    value.get_type().name().map_or_else(|_| "an object".to_owned(), |name| name.to_string())
}

/// The same `UnicodeEncodeError`, with the place in its reason.
fn encode_error(py: Python<'_>, error: &PyErr, place: &str) -> Option<PyErr> {
    let value = error.value(py);
    let part = |name| value.getattr(name).ok();
    let reason = format!("{place}: a lone surrogate is no Unicode scalar value");
    let args = (part("encoding")?, part("object")?, part("start")?, part("end")?, reason);
    Some(PyErr::from_type(py.get_type::<PyUnicodeEncodeError>(), args.into_pyobject(py).ok()?.unbind()))
}
