//! What belongs to a process: a forked child has none of its parent's threads, and locks that they held stay locked.
#![allow(unsafe_code)]

use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// How often the process, or one that it was forked from, was forked.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// A number that differs between a process and the one that it was forked from.
pub(crate) fn generation() -> u32 {
    FORKS.load(Ordering::Acquire)
}

/// Starts counting forks. To be called when the module is imported.
pub(crate) fn watch_forks() {
    #[cfg(unix)]
    {
        extern "C" fn in_child() {
            FORKS.fetch_add(1, Ordering::AcqRel);
        }
        static ONCE: Once = Once::new();
        // SAFETY: the handler does nothing but an atomic addition, which is fine in a forked child; the extension is
        // never unloaded. A failure (no memory) leaves children with the number of their parent.
        ONCE.call_once(|| _ = unsafe { libc::pthread_atfork(None, None, Some(in_child)) });
    }
}

/// A value that each process makes for itself when it is first asked for, and never frees.
pub(crate) struct PerProcess<T: 'static> {
    current: AtomicPtr<Made<T>>,
    make: fn() -> T,
}

struct Made<T> {
    generation: u32,
    value: T,
}

impl<T: Sync> PerProcess<T> {
    pub(crate) const fn new(make: fn() -> T) -> PerProcess<T> {
        PerProcess { current: AtomicPtr::new(std::ptr::null_mut()), make }
    }

    pub(crate) fn get(&self) -> &'static T {
        let generation = generation();
        loop {
            let current = self.current.load(Ordering::Acquire);
            // SAFETY: null, or a leaked box, which is never freed and only shared.
            if let Some(made) = unsafe { current.as_ref() }.filter(|made| made.generation == generation) {
                return &made.value;
            }
            let made = Box::into_raw(Box::new(Made { generation, value: (self.make)() }));
            if self.current.compare_exchange(current, made, Ordering::AcqRel, Ordering::Acquire).is_err() {
                // SAFETY: this thread made it, and nobody else has seen it.
                drop(unsafe { Box::from_raw(made) });
            }
        }
    }
}

/// Runs `spawn` with all signals blocked, which a thread that it spawns inherits: signals are for Python's threads,
/// whose system calls they interrupt.
pub(crate) fn without_signals<R>(spawn: impl FnOnce() -> R) -> R {
    #[cfg(unix)]
    {
        // SAFETY: plain data, filled by the functions below.
        let (mut all, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
        // SAFETY: the pointers are to sets on this stack; the mask of this thread is restored below.
        unsafe {
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
        }
        let result = spawn();
        // SAFETY: as above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
        result
    }
    #[cfg(not(unix))]
    spawn()
}
