//! Whether a signal has come that Python has a handler for, as other threads can see it.
//!
//! The interpreter notes a signal where only its main thread looks. While that thread is parked, somebody else has to
//! know. So where the handler of a signal is the interpreter's, one of ours goes in front of it, which counts. The
//! interpreter puts its own back with each `signal.signal`; `ferrowasm._signals` sees to it that ours comes again.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use libc::{c_int, sigaction, siginfo_t};
use pyo3::prelude::*;

use super::deadline::now;
use super::faults;

/// Signals have numbers below this one.
const SIGNALS: usize = 65;

/// How long the interpreter may take until it runs the handler of a signal, while no WebAssembly runs.
const RECENT: Duration = Duration::from_millis(5);

/// The interpreter's handlers, as addresses.
static PYTHONS: [AtomicUsize; SIGNALS] = [const { AtomicUsize::new(0) }; SIGNALS];

/// How many signals have come, and when the last one did.
static ARRIVED: AtomicU64 = AtomicU64::new(0);
static LAST: AtomicU64 = AtomicU64::new(0);
/// For how many of them the interpreter has run its handlers.
static HANDLED: AtomicU64 = AtomicU64::new(0);

/// The signal handler.
extern "C" fn count(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let python = PYTHONS.get(signal as usize).map_or(0, |python| python.load(Ordering::Acquire));
    if python != 0 {
        // SAFETY: the address of a signal handler, which takes these arguments, or the first of them only; on the
        // platforms with signals a function may be called with more arguments than it takes.
        let python = unsafe { std::mem::transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(python) };
        python(signal, info, context);
    }
    // Now that the interpreter knows: this may be another thread than the one that is woken and asks it.
    LAST.store(now(), Ordering::Release);
    ARRIVED.fetch_add(1, Ordering::AcqRel);
}

/// Whether a handler of the interpreter has to be run.
pub(super) fn pending() -> bool {
    ARRIVED.load(Ordering::Acquire) != HANDLED.load(Ordering::Acquire)
}

/// To be called right before the interpreter is asked to run its handlers.
pub(super) fn handle() {
    HANDLED.store(ARRIVED.load(Ordering::Acquire), Ordering::Release);
}

/// To be called on the main thread when a call begins: the interpreter has run the handlers of older signals.
pub(super) fn begin() {
    if now().saturating_sub(LAST.load(Ordering::Acquire)) > RECENT.as_nanos() as u64 {
        handle();
    }
}

/// For Python: puts our handler in front of the interpreter's, where that is not so.
#[pyfunction]
pub(crate) fn count_signals() {
    for (signal, python) in PYTHONS.iter().enumerate().skip(1) {
        let signal = signal as c_int;
        if faults::handles(signal) {
            continue;
        }
        // SAFETY: plain data for the kernel to fill.
        let mut action: sigaction = unsafe { std::mem::zeroed() };
        // SAFETY: asks only, and writes to the variable on this stack.
        let known = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0;
        let handler = action.sa_sigaction;
        if !known || handler == count as *const () as usize || !faults::is_interpreters(handler) {
            continue;
        }
        python.store(handler, Ordering::Release);
        action.sa_sigaction = count as *const () as usize;
        action.sa_flags |= libc::SA_SIGINFO;
        // SAFETY: `count` has the signature that `SA_SIGINFO` asks for, and does what a signal handler may do: it reads
        // a clock, adds to counters, and calls the handler that was there. The flags and the mask stay.
        unsafe { libc::sigaction(signal, &raw const action, std::ptr::null_mut()) };
    }
}
