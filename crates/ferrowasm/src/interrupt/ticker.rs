//! The clock: one thread that advances the epochs of engines with calls under way, and sleeps when there are none.
//!
//! A call marks its engine as used when it begins and, through `on_epoch`, at every tick that reaches it. An engine that
//! has not been marked for a while needs no ticks: either nothing runs, or what runs is inside a host function, and
//! then finds the epoch advanced when it comes back, marks the engine and so starts the ticks again. The thread never
//! touches Python.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use super::alarms;
use super::faults;
use super::process::{self, PerProcess};
use super::waits;
use crate::engine::EngineState;

/// The time between two ticks.
pub(crate) const PERIOD: Duration = Duration::from_millis(10);

/// After how many ticks without a mark the ticks of an engine stop.
///
/// At a tick the engine reads the epoch right after the mark was set, not before. Between the two the thread must not be
/// kept from running for longer than this, a second: it would wait for a tick that does not come.
const PATIENCE: u32 = 100;

/// Whether an engine has ticks, and whether it was used since the last one.
///
/// The states carry the generation of the process, so that none of them means anything in a forked child, where no
/// thread ticks.
#[derive(Default)]
pub(crate) struct Activity(AtomicU32);

/// The engine is in the ticker's list, and was not used since the last tick.
const IDLE: u32 = 1;
/// The engine is in the list, and was used.
const USED: u32 = 2;
/// The engine is not in the list.
const ASLEEP: u32 = 0;

fn now(state: u32) -> u32 {
    process::generation().wrapping_mul(4) | state
}

/// Marks an engine as used, so that there are ticks while its code runs.
#[inline]
pub(crate) fn keep_ticking(engine: &Arc<EngineState>) {
    // A stale `USED` is no harm: the ticker goes on for many ticks after it has taken the mark away.
    if engine.activity.0.load(Ordering::Acquire) != now(USED) {
        mark(engine);
    }
}

#[cold]
fn mark(engine: &Arc<EngineState>) {
    let before = engine.activity.0.swap(now(USED), Ordering::AcqRel);
    if before != now(USED) && before != now(IDLE) {
        // Only one thread sees the engine asleep.
        TICKER.get().add(engine);
        faults::reassert();
    }
}

/// Has the clock look again when it is to tick next.
pub(super) fn hurry() {
    let ticker = TICKER.get();
    let _list = ticker.lock();
    ticker.wake.notify_one();
}

static TICKER: PerProcess<Ticker> =
    PerProcess::new(|| Ticker { list: Mutex::new(List { engines: Vec::new(), running: false }), wake: Condvar::new() });

struct Ticker {
    list: Mutex<List>,
    wake: Condvar,
}

struct List {
    /// With the number of ticks since the engine was used.
    engines: Vec<(Weak<EngineState>, u32)>,
    running: bool,
}

impl Ticker {
    /// Locks and goes on after a panic elsewhere: the list holds no invariant that a panic could break.
    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&'static self, engine: &Arc<EngineState>) {
        let mut list = self.lock();
        list.running = list.running || self.start();
        if list.running {
            list.engines.push((Arc::downgrade(engine), 0));
            self.wake.notify_one();
        } else {
            // The system has no thread for us; the next call tries again.
            engine.activity.0.store(now(ASLEEP), Ordering::Release);
        }
    }

    fn start(&'static self) -> bool {
        let thread = std::thread::Builder::new().name("ferrowasm-ticker".to_owned()).stack_size(256 << 10);
        process::without_signals(|| thread.spawn(|| self.run())).is_ok()
    }

    /// Sleeps until the next tick: a regular one, or that of a deadline.
    fn sleep<'l>(&self, mut list: MutexGuard<'l, List>) -> MutexGuard<'l, List> {
        let tick = Instant::now() + PERIOD;
        loop {
            let regular = tick.saturating_duration_since(Instant::now());
            let alarm = alarms::next();
            let duration = alarm.map_or(regular, |alarm| alarm.min(regular));
            if duration.is_zero() {
                return list;
            }
            let timeout;
            (list, timeout) = self.wake.wait_timeout(list, duration).unwrap_or_else(PoisonError::into_inner);
            // Otherwise a deadline was set that passes before, or an engine was added.
            if timeout.timed_out() {
                return list;
            }
        }
    }

    fn run(&self) -> ! {
        loop {
            let list = self.lock();
            let list = self
                .wake
                .wait_while(list, |list| list.engines.is_empty() && !waits::any())
                .unwrap_or_else(PoisonError::into_inner);
            drop(self.sleep(list));
            faults::reassert();
            waits::wake();
            self.lock().engines.retain_mut(|(engine, unused)| match engine.upgrade() {
                Some(engine) => tick(&engine, unused),
                None => false,
            });
        }
    }
}

/// Advances the epoch of an engine; false when its ticks stop.
fn tick(engine: &EngineState, unused: &mut u32) -> bool {
    let activity = &engine.activity.0;
    if activity.compare_exchange(now(USED), now(IDLE), Ordering::AcqRel, Ordering::Acquire).is_ok() {
        *unused = 0;
    } else {
        *unused += 1;
    }
    // A call that begins has read the epoch before it marked the engine: it will see it advance.
    engine.engine.increment_epoch();
    *unused <= PATIENCE
        || activity.compare_exchange(now(IDLE), now(ASLEEP), Ordering::AcqRel, Ordering::Acquire).is_err()
}
