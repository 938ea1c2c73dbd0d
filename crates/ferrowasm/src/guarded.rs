//! A lock under which Python code may come to run.
//!
//! Objects are dropped and made while it is held, and either can run finalisers, which are free to use the same object
//! again. A mutex would wait for itself then. This lock knows who holds it, and says so; another thread waits, detached
//! from the interpreter.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

use pyo3::prelude::*;
use pyo3::sync::MutexExt;

use crate::thread;

pub(crate) struct Guarded<T> {
    value: Mutex<T>,
    /// The thread that holds the lock; 0 for none.
    holder: AtomicUsize,
}

/// The lock, held.
pub(crate) struct Held<'a, T> {
    pub(crate) value: MutexGuard<'a, T>,
    holder: &'a AtomicUsize,
}

impl<T> Drop for Held<'_, T> {
    fn drop(&mut self) {
        self.holder.store(0, Ordering::Release);
    }
}

impl<T> Guarded<T> {
    pub(crate) fn new(value: T) -> Guarded<T> {
        Guarded { value: Mutex::new(value), holder: AtomicUsize::new(0) }
    }

    /// `None`: this thread holds the lock already, further up.
    pub(crate) fn lock(&self, py: Python<'_>) -> Option<Held<'_, T>> {
        let me = thread::token();
        if self.holder.load(Ordering::Acquire) == me {
            return None;
        }
        let value = self.value.lock_py_attached(py).unwrap_or_else(PoisonError::into_inner);
        self.holder.store(me, Ordering::Release);
        Some(Held { value, holder: &self.holder })
    }

    /// The value unless someone holds the lock, for Python's collector, which must not wait.
    pub(crate) fn peek(&self) -> Option<MutexGuard<'_, T>> {
        match self.value.try_lock() {
            Ok(value) => Some(value),
            Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }
}
