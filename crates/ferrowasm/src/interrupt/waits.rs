//! `memory.atomic.wait`: what wakes a thread that waits in a shared memory, so that its call can end.
//!
//! The engine parks the thread, without a limit, until somebody notifies the address. So the clock does that when the
//! call is to end, or a signal handler to run. The guest goes on as if it had been notified, and comes to a place where
//! it looks at the epoch, or to its end, and either is where the call ends.
//!
//! Which address it is only the engine knows. It writes it to its log right before it parks the thread, on that thread,
//! and the log is ours: see `Listener`.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use log::{LevelFilter, Log, Metadata, Record};
use pyo3::prelude::*;
use wasmtime::{Extern, Result, SharedMemory};

use super::process::PerProcess;
use super::{arrivals, signals, ticker};
use crate::store::cell::Shared;
use crate::thread;

/// The part of the engine that waits, as it calls itself in the log.
const TARGET: &str = "wasmtime::runtime::vm::memory::shared_memory";

/// What the log says when a thread is about to be parked, up to the address.
const PARKS: [&str; 2] = ["memory.atomic.wait32(addr=0x", "memory.atomic.wait64(addr=0x"];

/// The log of the engine, and of everything else in this library.
struct Listener;

impl Log for Listener {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET
    }

    fn log(&self, record: &Record<'_>) {
        if record.target() == TARGET
            && let Some(address) = address(&record.args().to_string())
        {
            park(address);
        }
    }

    fn flush(&self) {}
}

fn address(line: &str) -> Option<u64> {
    let rest = PARKS.iter().find_map(|start| line.strip_prefix(start))?;
    u64::from_str_radix(&rest[..rest.find(',')?], 16).ok()
}

/// To be called for engines with shared memories: starts listening.
pub(crate) fn listen(py: Python<'_>) -> PyResult<()> {
    static BEGUN: AtomicBool = AtomicBool::new(false);
    if BEGUN.swap(true, Ordering::AcqRel) {
        return Ok(());
    }
    if log::set_logger(&Listener).is_ok() {
        log::set_max_level(LevelFilter::Trace);
    }
    py.import("ferrowasm._signals")?.call_method0("watch")?;
    Ok(())
}

/// Whether there are engines with shared memories.
pub(crate) fn is_listening() -> bool {
    log::max_level() == LevelFilter::Trace
}

/// The shared memories that the instances of a store use.
#[derive(Default)]
pub(crate) struct Memories {
    any: AtomicBool,
    list: Mutex<Vec<SharedMemory>>,
}

impl Memories {
    fn lock(&self) -> MutexGuard<'_, Vec<SharedMemory>> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds those that are not there yet.
    pub(crate) fn add<'e>(&self, items: impl IntoIterator<Item = &'e Extern>) {
        for item in items {
            let Extern::SharedMemory(memory) = item else { continue };
            let mut list = self.lock();
            if !list.iter().any(|known| known.data().as_ptr() == memory.data().as_ptr()) {
                list.push(memory.clone());
            }
            self.any.store(true, Ordering::Release);
        }
    }

    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }
}

thread_local! {
    /// The stores whose calls this thread has begun or resumed, some of which may be over.
    static CALLS: RefCell<Vec<Weak<Shared>>> = const { RefCell::new(Vec::new()) };
    /// The memory that this thread waits in on behalf of Python.
    static MEMORY: RefCell<Option<SharedMemory>> = const { RefCell::new(None) };
    /// Whether there may be a `Wait` of this thread.
    static PARKED: Cell<bool> = const { Cell::new(false) };
}

/// A thread that is, or was a moment ago, parked.
struct Wait {
    address: u64,
    /// The stores that the thread is inside of, the outermost first.
    calls: Vec<Weak<Shared>>,
    memory: Option<SharedMemory>,
    /// Whether signal handlers run on this thread.
    is_main: bool,
    /// Whether it was woken.
    woken: bool,
}

/// By the threads' tokens.
static WAITS: PerProcess<Mutex<HashMap<usize, Wait>>> = PerProcess::new(Mutex::default);

fn lock() -> MutexGuard<'static, HashMap<usize, Wait>> {
    WAITS.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// To be called when something begins that may wait, with the interpreter attached.
pub(crate) fn begin() {
    if signals::find_out() {
        arrivals::begin();
    }
}

/// The same, right after the interpreter was asked to run the handlers of signals.
pub(crate) fn begin_afresh() {
    if signals::find_out() {
        arrivals::handle();
    }
}

/// To be called on the thread of a call, when it begins or is resumed, in a store that may have shared memories.
pub(crate) fn enter(shared: &Arc<Shared>) {
    CALLS.with_borrow_mut(|calls| {
        calls.retain(|call| call.upgrade().is_some_and(|call| call.runs_here() && !Arc::ptr_eq(&call, shared)));
        calls.push(Arc::downgrade(shared));
    });
}

/// The thread is about to be parked. Runs in the middle of WebAssembly.
fn park(address: u64) {
    let calls: Vec<_> = CALLS.with_borrow(|calls| {
        let running = calls.iter().filter(|call| call.upgrade().is_some_and(|call| call.runs_here()));
        running.cloned().collect()
    });
    let memory = MEMORY.with_borrow(Option::clone);
    if calls.is_empty() && memory.is_none() {
        return;
    }
    let is_main = signals::is_main_thread() == Some(true);
    lock().insert(thread::token(), Wait { address, calls, memory, is_main, woken: false });
    PARKED.set(true);
    ticker::hurry();
}

/// Whether the clock has to look after threads that wait.
pub(super) fn any() -> bool {
    !lock().is_empty()
}

/// Wakes the threads whose calls are to end or to run signal handlers. To be called by the clock.
pub(super) fn wake() {
    lock().retain(|token, wait| {
        let calls = wait.calls.iter().filter_map(Weak::upgrade).filter(|call| call.runs_on(*token));
        let calls: Vec<_> = calls.collect();
        if !wait.woken && (wait.is_main && arrivals::pending() || calls.iter().any(|call| call.is_to_end())) {
            let notify = |memory: &SharedMemory| memory.atomic_notify(wait.address, u32::MAX).unwrap_or(0);
            let mut woken: u32 = calls.iter().flat_map(|call| call.memories.lock().clone()).map(|it| notify(&it)).sum();
            woken += wait.memory.as_ref().map_or(0, notify);
            // Nobody: it has not been parked yet, or no longer is.
            wait.woken = woken > 0;
        }
        !calls.is_empty() || wait.memory.is_some()
    });
}

/// The thread waits no longer, if it did. Whether it was woken, and by which call that may be.
fn leave() -> Option<Wait> {
    if !PARKED.replace(false) {
        return None;
    }
    lock().remove(&thread::token()).filter(|wait| wait.woken)
}

/// The same where it does not matter.
pub(crate) fn forget() {
    leave();
}

/// The same for the epoch callback.
pub(super) fn was_woken() -> bool {
    leave().is_some()
}

/// To be called when a call has come to its end: if it did because its thread was woken, it may have to end with an
/// error.
pub(crate) fn finish() -> Result<()> {
    let Some(wait) = leave() else { return Ok(()) };
    if wait.is_main {
        // The interpreter runs the handlers now.
        arrivals::handle();
    }
    wait.calls.last().and_then(Weak::upgrade).map_or(Ok(()), |call| call.deadlines.check())
}

/// Waits on behalf of Python, without the interpreter. Whether it was woken for a signal handler comes with the result.
pub(crate) fn wait<R>(memory: &SharedMemory, wait: impl FnOnce() -> R) -> (R, bool) {
    let outer = MEMORY.replace(Some(memory.clone()));
    let result = wait();
    MEMORY.set(outer);
    (result, leave().is_some())
}

/// Runs signal handlers after that.
pub(crate) fn handle_signals(py: Python<'_>) -> PyResult<()> {
    arrivals::handle();
    py.check_signals()
}
