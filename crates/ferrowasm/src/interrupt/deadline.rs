//! Deadlines in seconds: `with store.deadline(seconds)`.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use slab::Slab;
use wasmtime::Result;

use super::alarms;
use crate::errors::expected;

/// `Deadlines::earliest` when there is none.
pub(super) const NEVER: u64 = u64::MAX;

/// Nanoseconds on a clock that only goes forward.
pub(super) fn now() -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed().as_nanos() as u64
}

/// The deadlines of a store that are set at present. Any thread may set and lift them, also while the store runs.
pub(crate) struct Deadlines {
    active: Mutex<Slab<Deadline>>,
    /// When the first of them passes, on the clock of `now`.
    earliest: AtomicU64,
}

struct Deadline {
    at: u64,
    limit: Duration,
}

impl Default for Deadlines {
    fn default() -> Deadlines {
        Deadlines { active: Mutex::default(), earliest: AtomicU64::new(NEVER) }
    }
}

impl Deadlines {
    /// Locks and goes on after a panic elsewhere: the table holds no invariant that a panic could break.
    fn lock(&self) -> MutexGuard<'_, Slab<Deadline>> {
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn update(&self, active: &Slab<Deadline>) {
        let earliest = active.iter().map(|(_, deadline)| deadline.at).min();
        self.earliest.store(earliest.unwrap_or(NEVER), Ordering::Release);
    }

    /// Sets a deadline, `limit` from now.
    fn set(&self, limit: Duration) -> usize {
        let at = u64::try_from(limit.as_nanos()).map_or(NEVER, |limit| now().saturating_add(limit));
        alarms::set(at);
        let mut active = self.lock();
        let key = active.insert(Deadline { at, limit });
        self.update(&active);
        key
    }

    fn lift(&self, key: usize) {
        let mut active = self.lock();
        if let Some(deadline) = active.try_remove(key) {
            alarms::lift(deadline.at);
        }
        self.update(&active);
    }

    /// Whether there is a deadline, passed or not.
    pub(crate) fn any(&self) -> bool {
        self.earliest.load(Ordering::Relaxed) != NEVER
    }

    /// How long it is until the first deadline, if there is one.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        let earliest = self.earliest.load(Ordering::Acquire);
        (earliest != NEVER).then(|| Duration::from_nanos(earliest.saturating_sub(now())))
    }

    /// The error that ends the call if a deadline has passed.
    #[inline]
    pub(crate) fn check(&self) -> Result<()> {
        if self.any() { self.check_clock() } else { Ok(()) }
    }

    #[cold]
    fn check_clock(&self) -> Result<()> {
        let now = now();
        let active = self.lock();
        match active.iter().map(|(_, deadline)| deadline).filter(|deadline| deadline.at <= now).min_by_key(|it| it.at) {
            Some(deadline) => Err(DeadlineExceeded { limit: deadline.limit }.into()),
            None => Ok(()),
        }
    }
}

/// A deadline of a store ended a call.
#[derive(Debug)]
pub(crate) struct DeadlineExceeded {
    /// The time that there was.
    pub(crate) limit: Duration,
}

impl fmt::Display for DeadlineExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the deadline of {} seconds has passed", self.limit.as_secs_f64())
    }
}

impl std::error::Error for DeadlineExceeded {}

/// A deadline that is set until this is dropped.
pub(crate) struct Guard {
    deadlines: Arc<Deadlines>,
    key: usize,
}

impl Guard {
    pub(crate) fn new(deadlines: &Arc<Deadlines>, limit: Duration) -> Guard {
        Guard { deadlines: deadlines.clone(), key: deadlines.set(limit) }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.deadlines.lift(self.key);
    }
}

/// A number of seconds; `None` for `inf`, which is no limit. `name` is what error messages call it.
pub(crate) fn seconds(value: &Bound<'_, PyAny>, name: &str) -> PyResult<Option<Duration>> {
    let Ok(seconds) = value.extract::<f64>() else {
        return Err(expected(&format!("a number of seconds for {name}"), value));
    };
    if seconds.is_nan() || seconds < 0.0 {
        return Err(PyValueError::new_err(format!(
            "{name} is out of range: expected 0 seconds or more, got {seconds}"
        )));
    }
    Ok(Duration::try_from_secs_f64(seconds).ok())
}

/// A limit on the time that calls of a store take together within a `with` block: see `Store.deadline`.
///
/// The time starts anew each time that the block is entered. It can be entered again, also within itself.
#[pyclass(frozen, module = "ferrowasm", name = "Deadline")]
pub(crate) struct PyDeadline {
    deadlines: Arc<Deadlines>,
    limit: Option<Duration>,
    /// One for each block that is entered, with a guard if there is a limit.
    entered: Mutex<Vec<Option<Guard>>>,
}

impl PyDeadline {
    pub(crate) fn new(deadlines: Arc<Deadlines>, limit: Option<Duration>) -> PyDeadline {
        PyDeadline { deadlines, limit, entered: Mutex::default() }
    }

    fn entered(&self) -> MutexGuard<'_, Vec<Option<Guard>>> {
        self.entered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl PyDeadline {
    /// The limit, in seconds; `inf` for none.
    #[getter]
    fn seconds(&self) -> f64 {
        self.limit.map_or(f64::INFINITY, |limit| limit.as_secs_f64())
    }

    fn __enter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        let this = slf.get();
        this.entered().push(this.limit.map(|limit| Guard::new(&this.deadlines, limit)));
        slf
    }

    #[pyo3(signature = (exc_type=None, exc=None, traceback=None))]
    fn __exit__(
        &self,
        exc_type: Option<Py<PyAny>>,
        exc: Option<Py<PyAny>>,
        traceback: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let _ = (exc_type, exc, traceback);
        let guard = self.entered().pop();
        match guard {
            Some(_) => Ok(()),
            None => Err(PyRuntimeError::new_err("this Deadline was not entered")),
        }
    }

    fn __repr__(&self) -> String {
        format!("<Deadline {} s>", self.seconds())
    }
}
