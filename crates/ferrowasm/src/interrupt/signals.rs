//! Python's signal handlers, which run on the main thread only and need the interpreter.

use std::cell::Cell;
use std::time::{Duration, Instant};

use pyo3::prelude::*;
use wasmtime::{Result, StoreContextMut};

use super::{arrivals, process, ticker};
use crate::gil;
use crate::store::Data;
use crate::vectorcall;

/// The longest time without a look at signals.
const LONGEST: Duration = Duration::from_millis(60);

/// How much longer than a look at signals took the time until the next one is: other threads may make us wait for the
/// interpreter.
const PAUSE: u32 = 12;

thread_local! {
    /// The generation of the process in which this thread was asked whether it is the main thread, and the answer.
    static IS_MAIN: Cell<Option<(u32, bool)>> = const { Cell::new(None) };
    /// When signals are looked for next.
    static NEXT: Cell<Option<Instant>> = const { Cell::new(None) };
}

/// Runs the handlers of signals that have come. The exception of a handler is the error.
pub(super) fn handle() -> Result<()> {
    if is_main_thread() == Some(false) {
        return Ok(());
    }
    look(|py| if find_out_main_thread(py)? { py.check_signals() } else { Ok(()) })
}

/// Whether `handle` ran on this thread a moment ago.
pub(super) fn just_handled() -> bool {
    NEXT.get().is_some_and(|next| Instant::now() < next)
}

/// The same in the middle of WebAssembly, if it is time to: handlers may use the store.
pub(super) fn handle_inside(ctx: &mut StoreContextMut<'_, Data>) -> Result<()> {
    if just_handled() { Ok(()) } else { handle_inside_now(ctx) }
}

/// The same without a look at the time.
pub(super) fn handle_inside_now(ctx: &mut StoreContextMut<'_, Data>) -> Result<()> {
    if is_main_thread() == Some(false) {
        return Ok(());
    }
    let shared = ctx.data().shared.clone();
    look(|py| {
        if !find_out_main_thread(py)? {
            return Ok(());
        }
        let _parking = shared.park_interrupted(ctx);
        py.check_signals()
    })
}

fn look(work: impl for<'py> FnOnce(Python<'py>) -> PyResult<()>) -> Result<()> {
    let start = Instant::now();
    gil::attached(|py| {
        let waited = start.elapsed();
        NEXT.set(Some(Instant::now() + (waited * PAUSE).clamp(ticker::PERIOD / 2, LONGEST)));
        if is_main_thread() == Some(true) {
            arrivals::handle();
        }
        work(py)
    })
}

/// Whether this is the thread that Python runs signal handlers on, if that was found out in this process.
pub(super) fn is_main_thread() -> Option<bool> {
    let (generation, answer) = IS_MAIN.get()?;
    (generation == process::generation()).then_some(answer)
}

/// Whether this is the main thread, found out if need be. The interpreter is attached, or the answer is "no".
pub(super) fn find_out() -> bool {
    is_main_thread()
        .unwrap_or_else(|| Python::try_attach(|py| find_out_main_thread(py).unwrap_or(false)).unwrap_or(false))
}

fn find_out_main_thread(py: Python<'_>) -> PyResult<bool> {
    if let Some(answer) = is_main_thread() {
        return Ok(answer);
    }
    let threading = py.import("threading")?;
    let ask = |function: &str| vectorcall::call_python(&threading.getattr(function)?, []);
    let main: u64 = ask("main_thread")?.getattr("ident")?.extract()?;
    let here: u64 = ask("get_ident")?.extract()?;
    IS_MAIN.set(Some((process::generation(), main == here)));
    Ok(main == here)
}
