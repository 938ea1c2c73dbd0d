//! What belongs to a process: a forked child has none of its parent's threads, and locks that they held stay locked.
#![allow(unsafe_code)]

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::Once;
use std::sync::atomic::{AtomicPtr, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crate::thread;

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
        extern "C" fn before() {
            FORKING.fetch_add(1, Ordering::SeqCst);
            thread::with(|thread| {
                thread.forks.is_forking.set(true);
                // The thread does not wait for itself: a handler of crashes may fork.
                let own = thread.forks.postponed.get();
                patiently(|| POSTPONED.load(Ordering::SeqCst) <= own);
            });
        }
        extern "C" fn in_parent() {
            thread::with(|thread| thread.forks.is_forking.set(false));
            FORKING.fetch_sub(1, Ordering::SeqCst);
        }
        extern "C" fn in_child() {
            FORKS.fetch_add(1, Ordering::AcqRel);
            thread::with(|thread| {
                thread.forks.is_forking.set(false);
                thread.forks.postponed.set(0);
            });
            FORKING.store(0, Ordering::SeqCst);
            POSTPONED.store(0, Ordering::SeqCst);
        }
        static ONCE: Once = Once::new();
        // SAFETY: the handler in the child does nothing but use atomics and plain variables of the thread, which is fine in
        // a forked child; the extension is never unloaded. A failure (no memory) leaves children with the number of their
        // parent.
        ONCE.call_once(|| _ = unsafe { libc::pthread_atfork(Some(before), Some(in_parent), Some(in_child)) });
    }
}

/// How many threads are about to fork the process.
static FORKING: AtomicU32 = AtomicU32::new(0);
/// How often threads are where the process had better not be forked.
static POSTPONED: AtomicU32 = AtomicU32::new(0);

/// What a thread has to do with forks.
pub(crate) struct Forks {
    /// The part of this thread in `POSTPONED`.
    postponed: Cell<u32>,
    /// Whether this thread is one of `FORKING`.
    is_forking: Cell<bool>,
}

impl Forks {
    pub(crate) const fn new() -> Forks {
        Forks { postponed: Cell::new(0), is_forking: Cell::new(false) }
    }
}

/// How long a fork and those who postpone forks wait for each other: more means that one of them has lost its way.
const LONGEST_WAIT: Duration = Duration::from_secs(1);
/// How often it is looked whether the other is done.
const MOMENT: Duration = Duration::from_micros(20);

/// Tries until it works, or until that has taken too long; without a wait, if it works at once.
fn patiently(mut attempt: impl FnMut() -> bool) -> bool {
    let mut start = None;
    while !attempt() {
        if start.get_or_insert_with(Instant::now).elapsed() > LONGEST_WAIT {
            return false;
        }
        std::thread::sleep(MOMENT);
    }
    true
}

/// Keeps other threads from forking the process.
///
/// For short work of the engine that takes locks of whole engines or of the process and lets go of the interpreter: a
/// forked child would find them locked for ever. Work that holds the interpreter need not say so, since that keeps the
/// other threads of Python from forking.
///
/// Signal handlers may use it, too: it consists of atomics, variables of the thread that are made with the thread, and
/// system calls.
pub(crate) fn postpone_forks() -> Postponement {
    thread::with(|thread| {
        let Forks { postponed, is_forking } = &thread.forks;
        // A fork waits for what this thread postpones already, and is not to be waited for by the thread that makes it.
        let at_once = postponed.get() > 0 || is_forking.get();
        postponed.set(postponed.get() + 1);
        let counted = patiently(|| {
            POSTPONED.fetch_add(1, Ordering::SeqCst);
            let free = at_once || FORKING.load(Ordering::SeqCst) == 0;
            if !free {
                POSTPONED.fetch_sub(1, Ordering::SeqCst);
            }
            free
        });
        if !counted {
            POSTPONED.fetch_add(1, Ordering::SeqCst);
        }
        Postponement { generation: generation(), of_this_thread: PhantomData }
    })
}

/// No other thread forks the process while this lives.
pub(crate) struct Postponement {
    generation: u32,
    of_this_thread: PhantomData<*const Forks>,
}

impl Drop for Postponement {
    fn drop(&mut self) {
        if self.generation == generation() {
            POSTPONED.fetch_sub(1, Ordering::SeqCst);
            thread::with(|thread| thread.forks.postponed.set(thread.forks.postponed.get() - 1));
        }
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
