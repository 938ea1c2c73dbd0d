//! What is known about the running thread.
//!
//! All of it is in one variable: a shared library has to call a function to find a thread-local one, which short calls
//! into WebAssembly feel.

#![allow(unsafe_code)]

use pyo3::Python;

use crate::gil::Current;
use crate::interrupt::process::Forks;
use crate::stack::Stack;

thread_local!(static THREAD: Thread = const {
    // A signal handler finds it without anything being registered or allocated.
    assert!(!std::mem::needs_drop::<Thread>());
    Thread { stack: Stack::new(), flight: Current::new(None), forks: Forks::new() }
});

pub(crate) struct Thread {
    /// The native stack.
    pub(crate) stack: Stack,
    /// The call whose WebAssembly runs on this thread; none while Python code runs, and in calls that have detached
    /// through PyO3.
    pub(crate) flight: Current,
    /// What the thread has to do with forks of the process.
    pub(crate) forks: Forks,
}

#[inline]
pub(crate) fn with<R>(work: impl FnOnce(&Thread) -> R) -> R {
    THREAD.with(work)
}

/// The same for longer than a function: as long as the running thread is attached to the interpreter.
#[inline]
pub(crate) fn current(_py: Python<'_>) -> &Thread {
    // SAFETY: the variable is there until the thread ends, and neither a token of the interpreter nor a reference to
    // the variable goes to another thread.
    THREAD.with(|thread| unsafe { &*std::ptr::from_ref(thread) })
}

impl Thread {
    /// A number that tells the thread from every other live thread; never 0, and never odd.
    #[inline]
    pub(crate) fn token(&self) -> usize {
        std::ptr::from_ref(self) as usize
    }
}

/// That of the running thread.
#[inline]
pub(crate) fn token() -> usize {
    with(Thread::token)
}
