//! The signals that traps of WebAssembly are made of: the engine's handlers have to come before Python's.
//!
//! The engine installs handlers for hardware faults with the first engine of a process, and hands on what is not its
//! own. They look for the code that has trapped in a table of the process, under a lock that a forked child would find
//! locked for ever. So a handler of ours goes in front of them, and postpones forks until they are done.
//!
//! `faulthandler.enable()` and `signal.signal` afterwards put their handlers in front, which know nothing of traps:
//! one would end the process, the other returns to the faulting instruction. So it is looked from time to time who
//! handles these signals; a handler of Python that took our place goes behind the engine's.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use libc::{c_int, sigaction, siginfo_t};
use pyo3::prelude::*;

use super::process::{PerProcess, postpone_forks};

/// The signals that the engine handles on some platform.
const SIGNALS: [c_int; 4] = [libc::SIGSEGV, libc::SIGILL, libc::SIGFPE, libc::SIGBUS];

/// The engine's handlers, as addresses; 0 for signals that it does not handle.
static ENGINES: [AtomicUsize; 4] = [const { AtomicUsize::new(0) }; 4];

/// What comes after the engine's handler: leaked, since a signal may come at any time. Null if there is nothing, or it
/// has had its turn.
static NEXT: [AtomicPtr<sigaction>; 4] = [const { AtomicPtr::new(std::ptr::null_mut()) }; 4];

fn current(signal: c_int) -> Option<sigaction> {
    // SAFETY: plain data for the kernel to fill.
    let mut action: sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: asks only, and writes to the variable on this stack.
    (unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) } == 0).then_some(action)
}

/// The lock of those who change handlers.
fn lock() -> MutexGuard<'static, ()> {
    static LOCK: PerProcess<Mutex<()>> = PerProcess::new(|| Mutex::new(()));
    LOCK.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// To be called after an engine was made, which has installed the engine's handlers unless its configuration does
/// without.
pub(crate) fn remember(py: Python<'_>) -> PyResult<()> {
    static WATCHED: AtomicBool = AtomicBool::new(false);
    let any = find_engines();
    if any {
        reassert();
    }
    if any && !WATCHED.swap(true, Ordering::AcqRel) {
        py.import("ferrowasm._faults")?.call_method0("watch")?;
    }
    Ok(())
}

/// Whether handlers of the engine were found that had not been known.
fn find_engines() -> bool {
    let _locked = lock();
    let mut any = false;
    for (signal, engines) in SIGNALS.iter().zip(&ENGINES).filter(|(_, engines)| engines.load(Ordering::Acquire) == 0) {
        if let Some(action) = current(*signal).filter(|action| belongs_to_us(action.sa_sigaction)) {
            engines.store(action.sa_sigaction, Ordering::Release);
            any = true;
        }
    }
    any
}

/// The start of the library or program that an address is in; null if it is in none.
fn library_of(address: usize) -> *mut c_void {
    // SAFETY: plain data for `dladdr` to fill.
    let mut info: libc::Dl_info = unsafe { std::mem::zeroed() };
    // SAFETY: takes any address, and writes to the variable on this stack.
    if unsafe { libc::dladdr(address as *const c_void, &raw mut info) } == 0 {
        return std::ptr::null_mut();
    }
    info.dli_fbase
}

fn belongs_to_us(handler: usize) -> bool {
    let ours = library_of(library_of as *const () as usize);
    handler > 1 && !ours.is_null() && library_of(handler) == ours
}

/// Whether a handler is Python's own, or none.
fn belongs_to_python(handler: usize) -> bool {
    handler == libc::SIG_DFL || handler == libc::SIG_IGN || is_interpreters(handler)
}

/// Whether a handler is a function of the interpreter.
pub(super) fn is_interpreters(handler: usize) -> bool {
    static PYTHON: AtomicUsize = AtomicUsize::new(0);
    if handler == libc::SIG_DFL || handler == libc::SIG_IGN {
        return false;
    }
    let mut python = PYTHON.load(Ordering::Relaxed);
    if python == 0 {
        // Not one of those that `finalizing.rs` puts a function of ours in front of.
        python = library_of(pyo3::ffi::Py_IsInitialized as *const () as usize) as usize;
        PYTHON.store(python, Ordering::Relaxed);
    }
    library_of(handler) as usize == python
}

/// Whether a signal is one that the engine handles.
pub(super) fn handles(signal: c_int) -> bool {
    SIGNALS.contains(&signal)
}

/// Puts our handler in front of the engine's, and in front of Python's where they have taken its place.
///
/// Costs a system call for each signal.
pub(crate) fn reassert() {
    let _locked = lock();
    for ((signal, engines), next) in SIGNALS.into_iter().zip(&ENGINES).zip(&NEXT) {
        let engines = engines.load(Ordering::Acquire);
        let Some(action) = current(signal).filter(|_| engines != 0) else { continue };
        let handler = action.sa_sigaction;
        if handler != engines {
            if handler == first_ours as *const () as usize || !belongs_to_python(handler) {
                continue;
            }
            next.store(Box::into_raw(Box::new(action)), Ordering::Release);
        }
        // SAFETY: plain data; the mask is empty.
        let mut ours: sigaction = unsafe { std::mem::zeroed() };
        ours.sa_sigaction = first_ours as *const () as usize;
        // As the engine's own: on the alternative stack, since the stack may be what is used up.
        ours.sa_flags = libc::SA_SIGINFO | libc::SA_NODEFER | libc::SA_ONSTACK;
        // SAFETY: `first_ours` has the signature that `SA_SIGINFO` asks for and keeps to what a signal handler may do.
        unsafe { libc::sigaction(signal, &raw const ours, std::ptr::null_mut()) };
    }
}

/// The signal handler: the engine's first, then what was installed after it.
extern "C" fn first_ours(signal: c_int, info: *mut siginfo_t, context: *mut c_void) {
    let Some(index) = SIGNALS.iter().position(|known| *known == signal) else { return };
    let engines = ENGINES[index].load(Ordering::Acquire);
    let before = program_counter(context);
    {
        let _whole = postpone_forks();
        // SAFETY: the address of the engine's signal handler, which has this signature; the arguments are the kernel's.
        unsafe {
            std::mem::transmute::<usize, extern "C" fn(c_int, *mut siginfo_t, *mut c_void)>(engines)(
                signal, info, context,
            );
        }
    }
    // A trap goes on elsewhere. Otherwise the fault is not WebAssembly's: it happens again, for the next handler. That
    // one may hand it on to us, whom it found when it was installed, and is not to get it once more.
    if program_counter(context) == before {
        let next = NEXT[index].swap(std::ptr::null_mut(), Ordering::AcqRel);
        if !next.is_null() {
            // SAFETY: it is never freed.
            unsafe { libc::sigaction(signal, next, std::ptr::null_mut()) };
        }
    }
}

/// Where the thread will go on when the signal handler returns.
fn program_counter(context: *mut c_void) -> usize {
    // SAFETY: the kernel passes a context of this type to handlers with `SA_SIGINFO`.
    let context = unsafe { &*context.cast::<libc::ucontext_t>() };
    #[cfg(target_arch = "x86_64")]
    let counter = context.uc_mcontext.gregs[libc::REG_RIP as usize] as usize;
    #[cfg(target_arch = "aarch64")]
    let counter = context.uc_mcontext.pc as usize;
    counter
}

/// For Python: called after something may have changed the handlers.
#[pyfunction]
pub(crate) fn reassert_fault_handlers() {
    reassert();
}
