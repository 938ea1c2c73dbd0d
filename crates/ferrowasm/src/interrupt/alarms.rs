//! When the deadlines of all stores pass, so that the clock ticks right then.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::deadline::{NEVER, now};
use super::process::PerProcess;
use super::ticker;

/// How many deadlines pass at each time.
static ALARMS: PerProcess<Mutex<BTreeMap<u64, u32>>> = PerProcess::new(Mutex::default);

/// Locks and goes on after a panic elsewhere: the table holds no invariant that a panic could break.
fn lock() -> MutexGuard<'static, BTreeMap<u64, u32>> {
    ALARMS.get().lock().unwrap_or_else(PoisonError::into_inner)
}

/// Has the clock tick at this time.
pub(super) fn set(at: u64) {
    if at == NEVER {
        return;
    }
    *lock().entry(at).or_default() += 1;
    // The clock may be asleep until later.
    if at < now().saturating_add(ticker::PERIOD.as_nanos() as u64) {
        ticker::hurry();
    }
}

/// Takes a time back, unless it has come.
pub(super) fn lift(at: u64) {
    let mut alarms = lock();
    if let Some(count) = alarms.get_mut(&at) {
        *count -= 1;
        if *count == 0 {
            alarms.remove(&at);
        }
    }
}

/// How long it is until the next time. Those that have come are told once, as no time at all.
pub(super) fn next() -> Option<Duration> {
    let now = now();
    let mut alarms = lock();
    let mut passed = false;
    while let Some(first) = alarms.first_entry().filter(|first| *first.key() <= now) {
        first.remove();
        passed = true;
    }
    let first = alarms.first_key_value().map(|(at, _)| Duration::from_nanos(at - now));
    if passed { Some(Duration::ZERO) } else { first }
}
