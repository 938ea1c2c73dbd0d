//! Stores that are garbage, but that Python's collector has not found yet.
//!
//! A store whose callbacks lead back to it is freed by the collector, which runs when the number of Python objects has
//! grown by some hundred. A store is a handful of those, but it is 8 KiB of the engine's, and its memories: more than a
//! hundred of them would pile up. So the collector is made to run when the number of stores has doubled, and is not
//! small. Programs that keep their stores pay for this as often as their number doubles; those whose stores are in no
//! circles never do.

use std::sync::atomic::{AtomicUsize, Ordering};

use pyo3::prelude::*;

/// So many stores may be alive in any case.
const LEAST: usize = 32;
/// Programs that let the collector wait for more objects than this want it to run seldom.
const MOST_OBJECTS: usize = 10_000;

static ALIVE: AtomicUsize = AtomicUsize::new(0);
static LIMIT: AtomicUsize = AtomicUsize::new(LEAST);

/// A store of the engine, counted for as long as it exists.
pub(super) struct Counted(());

impl Counted {
    pub(super) fn new() -> Counted {
        ALIVE.fetch_add(1, Ordering::Relaxed);
        Counted(())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        ALIVE.fetch_sub(1, Ordering::Relaxed);
    }
}

/// To be called before a store is made: lets the collector run if it is time. May run any finaliser.
pub(super) fn keep_small(py: Python<'_>) -> PyResult<()> {
    let alive = ALIVE.load(Ordering::Relaxed);
    let limit = LIMIT.load(Ordering::Relaxed);
    if alive >= limit {
        collect(py, limit)?;
        LIMIT.store(LEAST.max(2 * ALIVE.load(Ordering::Relaxed)), Ordering::Relaxed);
    } else if limit > LEAST && alive.saturating_mul(3) < limit {
        // Most of the stores were garbage.
        LIMIT.store(LEAST.max(alive * 2), Ordering::Relaxed);
    }
    Ok(())
}

#[cold]
fn collect(py: Python<'_>, limit: usize) -> PyResult<()> {
    let gc = py.import("gc")?;
    let (objects, ..): (usize, usize, usize) = gc.call_method0("get_threshold")?.extract()?;
    if !gc.call_method0("isenabled")?.extract()? || !(1..=MOST_OBJECTS).contains(&objects) {
        return Ok(());
    }
    // What was made lately first, which takes little time.
    for generation in [1, 2] {
        gc.call_method1("collect", (generation,))?;
        if ALIVE.load(Ordering::Relaxed) <= limit / 2 {
            break;
        }
    }
    Ok(())
}
