//! `Call`: what `call_async` and its siblings return, to be awaited.

use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyRuntimeError, PyRuntimeWarning, PyStopIteration, PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyType;

use super::drive::{Drive, Input, Mode, Progress};
use super::operation::Held;

/// An asynchronous call, to be awaited once: a coroutine in all that matters.
///
/// Nothing happens before it is awaited, or made a task of. It warns when it never is.
#[pyclass(frozen, weakref, module = "ferrowasm._native")]
pub(crate) struct Call {
    name: &'static str,
    state: Mutex<State>,
}

enum State {
    Created(Box<dyn Held>),
    Suspended(Box<dyn Held>, Drive),
    /// It runs at this moment.
    Running,
    Done,
}

impl Call {
    pub(crate) fn new(operation: impl Held + 'static) -> Call {
        Call { name: operation.name(), state: Mutex::new(State::Created(Box::new(operation))) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the state out, for the time that the call runs.
    fn take(&self) -> PyResult<State> {
        let mut state = self.lock();
        match std::mem::replace(&mut *state, State::Running) {
            State::Running => Err(PyValueError::new_err("coroutine already executing")),
            State::Done => {
                *state = State::Done;
                Err(PyRuntimeError::new_err("cannot reuse already awaited coroutine"))
            }
            taken => Ok(taken),
        }
    }

    fn put(&self, state: State) {
        *self.lock() = state;
    }

    /// Goes on with the call.
    pub(super) fn go<'py>(&self, py: Python<'py>, input: Input<'py>) -> PyResult<Progress<'py>> {
        let (operation, drive, input) = match (self.take()?, input) {
            (State::Suspended(operation, drive), input) => (operation, Ok(drive), Some(input)),
            (State::Created(operation), Input::Send(value)) if value.is_none() => {
                let drive = Drive::start(py, &*operation);
                (operation, drive, None)
            }
            (created, Input::Send(_)) => {
                self.put(created);
                return Err(PyTypeError::new_err("can't send non-None value to a just-started coroutine"));
            }
            (_, Input::Throw(error)) => {
                self.put(State::Done);
                return Err(error);
            }
        };
        let (progress, drive) = match drive {
            Ok(mut drive) => (drive.go(py, &*operation, Mode::Await, input), Some(drive)),
            Err(error) => (Err(error), None),
        };
        match (progress, drive) {
            (Ok(Progress::Suspended(value)), Some(drive)) => {
                self.put(State::Suspended(operation, drive));
                Ok(Progress::Suspended(value))
            }
            (Ok(progress), _) => {
                self.put(State::Done);
                Ok(progress)
            }
            (Err(error), _) => {
                self.put(State::Done);
                Err(not_stop(py, error))
            }
        }
    }

    /// The same as the methods of a coroutine have it: `Ok` is what the call yields; its end is a `StopIteration`.
    fn step<'py>(&self, py: Python<'py>, input: Input<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.go(py, input)? {
            Progress::Suspended(value) => Ok(value),
            Progress::Finished(value) => Err(PyStopIteration::new_err((value.unbind(),))),
        }
    }

    /// Ends the call, wherever it is, when nobody refers to it any more.
    fn abandon(&self, py: Python<'_>) {
        let state = std::mem::replace(&mut *self.lock(), State::Done);
        if let State::Suspended(_operation, mut drive) = state {
            drive.abandon(py);
        }
    }
}

/// A `StopIteration` that a host function raises is not the end of the call.
fn not_stop(py: Python<'_>, error: PyErr) -> PyErr {
    if !error.is_instance_of::<PyStopIteration>(py) {
        return error;
    }
    let wrapped = PyRuntimeError::new_err("coroutine raised StopIteration");
    wrapped.set_cause(py, Some(error));
    wrapped
}

/// The exception that the arguments of `throw` stand for.
fn thrown<'py>(
    typ: &Bound<'py, PyAny>,
    val: Option<Bound<'py, PyAny>>,
    tb: Option<Bound<'py, PyAny>>,
) -> PyResult<PyErr> {
    let exception = match (typ.cast::<PyType>(), val) {
        (Ok(class), Some(val)) if val.is_instance(class)? => val,
        (Ok(class), Some(val)) => class.call1((val,))?,
        (Ok(class), None) => class.call0()?,
        (Err(_), None) => typ.clone(),
        (Err(_), Some(_)) => {
            return Err(PyTypeError::new_err("instance exception may not have a separate value"));
        }
    };
    if let Some(tb) = tb {
        exception.call_method1("with_traceback", (tb,))?;
    }
    Ok(PyErr::from_value(exception))
}

#[pymethods]
impl Call {
    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.step(py, Input::Send(py.None().into_bound(py)))
    }

    /// Go on with the call, with the result of what it has yielded.
    fn send<'py>(&self, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.step(value.py(), Input::Send(value))
    }

    /// Raise an exception where the call waits: in the host function, or else in place of the call's result.
    #[pyo3(signature = (typ, val=None, tb=None))]
    fn throw<'py>(
        &self,
        typ: &Bound<'py, PyAny>,
        val: Option<Bound<'py, PyAny>>,
        tb: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let error = thrown(typ, val, tb)?;
        self.step(typ.py(), Input::Throw(error))
    }

    /// End the call where it waits: the host function gets a `GeneratorExit`, and the WebAssembly code does not go on.
    fn close(&self, py: Python<'_>) -> PyResult<()> {
        if matches!(*self.lock(), State::Done) {
            return Ok(());
        }
        match self.take()? {
            State::Suspended(operation, mut drive) => {
                let closed = drive.close(py);
                self.put(State::Done);
                drop(operation);
                closed
            }
            _ => {
                self.put(State::Done);
                Ok(())
            }
        }
    }

    #[getter]
    fn __name__(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    #[getter]
    fn __qualname__(&self) -> &'static str {
        self.name
    }

    fn __repr__(&self) -> String {
        let state = match *self.lock() {
            State::Created(_) => "created",
            State::Suspended(..) => "suspended",
            State::Running => "running",
            State::Done => "done",
        };
        format!("<{} ({state})>", self.name)
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Ok(state) = self.state.try_lock() else { return Ok(()) };
        match &*state {
            State::Created(operation) => operation.traverse(&visit),
            State::Suspended(operation, drive) => {
                operation.traverse(&visit)?;
                drive.traverse(&visit)
            }
            State::Running | State::Done => Ok(()),
        }
    }

    fn __clear__(&self, py: Python<'_>) {
        let created = matches!(*self.lock(), State::Created(_));
        if created {
            self.warn(py);
        }
        self.abandon(py);
    }
}

impl Call {
    fn warn(&self, py: Python<'_>) {
        let message =
            std::ffi::CString::new(format!("coroutine '{}' was never awaited", self.name)).unwrap_or_default();
        if let Err(error) = PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &message, 1) {
            error.write_unraisable(py, None);
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        match self.state.get_mut().unwrap_or_else(PoisonError::into_inner) {
            State::Running | State::Done => return,
            State::Created(_) | State::Suspended(..) => {}
        }
        // Nothing can be done for a call that is left when the interpreter is gone; the process ends.
        Python::try_attach(|py| {
            if matches!(*self.lock(), State::Created(_)) {
                self.warn(py);
            }
            self.abandon(py);
        });
    }
}
