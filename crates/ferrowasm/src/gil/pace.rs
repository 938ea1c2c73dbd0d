//! How long WebAssembly runs before it comes back to Python, learnt from a few calls in many, and whether it does before
//! its end.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

/// Where it pays to let other threads have the interpreter. To let go and take it back costs 40 ns while nobody wants
/// it; while somebody does, it means to wait for a thread to wake up, which takes some ten microseconds.
const LONG: u32 = 20_000;
/// Measurements count for no more than this, in nanoseconds: one that the system interrupted says little.
const MOST: u32 = 16 * LONG;
/// The average before anything was measured.
const UNKNOWN: u32 = u32::MAX;

/// One call in so many is measured, while calls are short, and while they are long.
const SELDOM: u32 = 128;
const OFTEN: u32 = 8;

/// What is known about a function. Threads share it without agreeing on every bit: it is an estimate.
#[derive(Default)]
pub(crate) struct Pace {
    /// From the start of a call to its end, or to the first host function.
    pub(super) first: Estimate,
    /// From the end of a host function to the next one, or to the end of the call.
    pub(super) later: Estimate,
    /// Whether Python code has run in the middle of a call.
    uses_python: AtomicBool,
}

impl Pace {
    #[inline]
    pub(crate) fn uses_python(&self) -> bool {
        self.uses_python.load(Ordering::Relaxed)
    }

    pub(super) fn set_uses_python(&self) {
        self.uses_python.store(true, Ordering::Relaxed);
    }
}

pub(super) struct Estimate {
    /// Nanoseconds; a moving average.
    average: AtomicU32,
    /// How many times more it is taken to be short without a measurement. None while it is long.
    short: AtomicU32,
    /// How many times more it is taken to be long without a measurement.
    long: AtomicU32,
}

/// What is to be done about what comes now.
pub(super) struct Plan {
    pub(super) is_short: bool,
    pub(super) measure: bool,
}

impl Default for Estimate {
    fn default() -> Estimate {
        Estimate { average: AtomicU32::new(UNKNOWN), short: AtomicU32::new(0), long: AtomicU32::new(0) }
    }
}

/// Takes one away from a number that is not 0.
#[inline(always)]
fn take_one(number: &AtomicU32) -> bool {
    let left = number.load(Ordering::Relaxed);
    if left != 0 {
        number.store(left - 1, Ordering::Relaxed);
    }
    left != 0
}

impl Estimate {
    /// Whether what comes now is expected to be short, and not to be measured. If not, there is a `plan`.
    #[inline(always)]
    pub(super) fn is_just_short(&self) -> bool {
        take_one(&self.short)
    }

    #[cold]
    pub(super) fn plan(&self) -> Plan {
        if self.average.load(Ordering::Relaxed) <= LONG {
            self.short.store(SELDOM, Ordering::Relaxed);
            return Plan { is_short: true, measure: true };
        }
        let measure = !take_one(&self.long);
        if measure {
            self.long.store(OFTEN, Ordering::Relaxed);
        }
        Plan { is_short: false, measure }
    }

    #[cold]
    pub(super) fn record(&self, took: Duration) {
        let took = u32::try_from(took.as_nanos()).unwrap_or(MOST).min(MOST);
        let average = match self.average.load(Ordering::Relaxed) {
            UNKNOWN => took,
            average => average - average / 4 + took / 4,
        };
        self.average.store(average, Ordering::Relaxed);
        if average > LONG {
            self.short.store(0, Ordering::Relaxed);
        }
    }
}
