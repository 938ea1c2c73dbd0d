//! What the running thread's call has to do with the interpreter while WebAssembly runs.
//!
//! A call begins *held*, with the interpreter attached, or *released*. The thread knows its innermost call whose
//! WebAssembly runs now: host functions find out there how to come back to Python, and the epoch callback that the
//! interpreter has been held for long enough.
//!
//! PyO3 is not told: its own count says "attached" all the time, or never (see `count`). So while WebAssembly runs
//! nothing may drop a `Py` or use `Python::attach`; whoever needs Python there goes through `attached`.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::ptr::{self, NonNull};
use std::time::Instant;

use pyo3::ffi;
use pyo3::prelude::*;

use super::Policy;
use super::count::counted;
use super::pace::{Estimate, Pace};
use crate::thread;

/// Where a thread keeps its call whose WebAssembly runs.
pub(crate) type Current = Cell<Option<NonNull<Flight<'static>>>>;

/// A call on its way through WebAssembly.
pub(crate) struct Flight<'p> {
    pace: &'p Pace,
    /// The interpreter's state of this thread while it is released; null while it is held.
    released: Cell<*mut ffi::PyThreadState>,
    /// When the part of the call that is being measured began.
    measured: Cell<Option<Instant>>,
    /// Whether one of these two is set: one look for most calls instead of two.
    has_ending: Cell<bool>,
    /// Whether a host function has been called.
    is_later: Cell<bool>,
    policy: Policy,
    is_counted: IsCounted,
}

/// Whether PyO3 counts the thread as attached.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum IsCounted {
    Yes,
    No,
}

impl Flight<'_> {
    #[inline(always)]
    fn new(policy: Policy, pace: &Pace, is_counted: IsCounted) -> Flight<'_> {
        Flight {
            pace,
            released: Cell::new(ptr::null_mut()),
            measured: Cell::new(None),
            has_ending: Cell::new(false),
            is_later: Cell::new(false),
            policy,
            is_counted,
        }
    }

    #[inline(always)]
    fn estimate(&self) -> &Estimate {
        if self.is_later.get() { &self.pace.later } else { &self.pace.first }
    }

    /// WebAssembly is about to run. The interpreter is attached.
    #[inline(always)]
    fn take_off(&self) {
        match self.policy {
            Policy::Release => self.release(),
            Policy::Hold => {}
            Policy::Auto => {
                if !self.estimate().is_just_short() {
                    self.follow_plan();
                }
            }
        }
    }

    #[cold]
    fn follow_plan(&self) {
        let plan = self.estimate().plan();
        if plan.measure {
            self.measure();
        }
        if !plan.is_short {
            self.release();
        }
    }

    /// WebAssembly has come back. Afterwards the interpreter is attached.
    #[inline(always)]
    fn land(&self) {
        if self.has_ending.get() {
            self.end();
        }
    }

    #[inline(never)]
    fn end(&self) {
        if let Some(start) = self.measured.take() {
            self.estimate().record(start.elapsed());
        }
        self.restore();
        self.has_ending.set(false);
    }

    fn measure(&self) {
        self.measured.set(Some(Instant::now()));
        self.has_ending.set(true);
    }

    fn release(&self) {
        // SAFETY: the interpreter is attached: `released` was null, or was set to null by `restore`.
        self.released.set(unsafe { ffi::PyEval_SaveThread() });
        self.has_ending.set(true);
    }

    #[inline]
    fn restore(&self) {
        let state = self.released.replace(ptr::null_mut());
        if !state.is_null() {
            // SAFETY: the state came from `release` on this thread, and was not used since.
            unsafe { ffi::PyEval_RestoreThread(state) };
        }
    }
}

/// Runs `work`, which runs WebAssembly and does not use Python.
#[inline(always)]
pub(super) fn fly<R: Send>(
    _py: Python<'_>,
    current: &Current,
    policy: Policy,
    pace: &Pace,
    is_counted: IsCounted,
    work: impl FnOnce() -> R + Send,
) -> R {
    struct Landing<'f, 'p> {
        flight: &'f Flight<'p>,
        current: &'f Current,
        outer: Option<NonNull<Flight<'static>>>,
    }
    impl Drop for Landing<'_, '_> {
        #[inline(always)]
        fn drop(&mut self) {
            self.flight.land();
            self.current.set(self.outer);
        }
    }
    let flight = Flight::new(policy, pace, is_counted);
    flight.take_off();
    // The lifetime is kept by `Landing`, which takes the pointer away before the flight ends.
    let outer = current.replace(Some(NonNull::from(&flight).cast()));
    let _landing = Landing { flight: &flight, current, outer };
    work()
}

/// What goes on after Python code has run in the middle of WebAssembly.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// As before.
    Resume,
    /// As the function's pace suggests.
    Continue,
}

/// Runs Python code in the middle of a call; `None` if there is no way into the interpreter.
#[inline]
pub(super) fn attached<R>(then: Then, work: impl for<'py> FnOnce(Python<'py>) -> R) -> Option<R> {
    struct Resumption<'f> {
        flight: &'f Flight<'static>,
        current: &'f Current,
        was_released: bool,
        then: Then,
    }
    impl Drop for Resumption<'_> {
        #[inline]
        fn drop(&mut self) {
            match self.then {
                Then::Resume if self.was_released => self.flight.release(),
                Then::Resume => {}
                Then::Continue => {
                    self.flight.is_later.set(true);
                    self.flight.take_off();
                }
            }
            self.current.set(Some(NonNull::from(self.flight)));
        }
    }
    thread::with(|thread| {
        let current = &thread.flight;
        let Some(flight) = current.get() else { return Python::try_attach(work) };
        // SAFETY: `fly`, further up on this thread's stack, has put the pointer there and takes it away before its
        // flight ends.
        let flight: &Flight<'static> = unsafe { flight.as_ref() };
        let was_released = !flight.released.get().is_null();
        // The interpreter may be shutting down while WebAssembly runs on a daemon thread: then there is no way back.
        // SAFETY: can be called at any time.
        if was_released && unsafe { ffi::Py_IsInitialized() } == 0 {
            return None;
        }
        match then {
            Then::Resume => flight.restore(),
            Then::Continue => flight.land(),
        }
        current.set(None);
        let _resumption = Resumption { flight, current, was_released, then };
        // SAFETY: the interpreter was held, or has just been taken back.
        let py = unsafe { Python::assume_attached() };
        if flight.is_counted == IsCounted::Yes {
            return Some(work(py));
        }
        // The next call is counted from the start.
        flight.pace.set_uses_python();
        Some(counted(py, work))
    })
}

/// Lets go of the interpreter, if it is held, until the call ends or calls a Python function.
pub(super) fn let_go() {
    thread::with(|thread| {
        let current = &thread.flight;
        let Some(flight) = current.get() else { return };
        // SAFETY: as in `attached`.
        let flight: &Flight<'static> = unsafe { flight.as_ref() };
        if flight.released.get().is_null() {
            flight.release();
            // What takes so long that somebody asks is worth a measurement. The time until now is not known.
            if flight.measured.get().is_none() {
                flight.measure();
            }
        }
    })
}

/// Drops something with Python objects in it.
pub(super) fn release<T>(objects: T) {
    if thread::with(|thread| thread.flight.get().is_some()) {
        let mut objects = Some(objects);
        attached(Then::Resume, |_| drop(objects.take()));
        // There is no interpreter any more, and so nothing that could be freed.
        std::mem::forget(objects);
    } else {
        // PyO3 puts them aside where it has detached from the interpreter.
        drop(objects);
    }
}
