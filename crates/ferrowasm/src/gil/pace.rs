//! How long WebAssembly runs before it comes back to Python, learnt from a few calls in many.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Where it pays to let other threads have the interpreter. To let go and take it back costs 40 ns while nobody wants
/// it; while somebody does, it means to wait for a thread to wake up, which takes some ten microseconds.
const LONG: u32 = 20_000;
/// Measurements count for no more than this, in nanoseconds: one that the system interrupted says little.
const MOST: u32 = 16 * LONG;
/// The average before anything was measured.
const UNKNOWN: u32 = u32::MAX;

/// One call in so many is measured, while calls are short, and while they are long.
const SELDOM: u32 = 64;
const OFTEN: u32 = 8;

/// What is known about a function. Threads share it without agreeing on every bit: it is an estimate.
#[derive(Default)]
pub(crate) struct Pace {
    /// From the start of a call to its end, or to the first host function.
    pub(super) first: Estimate,
    /// From the end of a host function to the next one, or to the end of the call.
    pub(super) later: Estimate,
}

pub(super) struct Estimate {
    /// Nanoseconds; a moving average.
    average: AtomicU32,
    /// How many times until the next measurement.
    countdown: AtomicU32,
}

impl Default for Estimate {
    fn default() -> Estimate {
        Estimate { average: AtomicU32::new(UNKNOWN), countdown: AtomicU32::new(0) }
    }
}

impl Estimate {
    /// Whether what comes now is expected to be short.
    #[inline]
    pub(super) fn is_short(&self) -> bool {
        self.average.load(Ordering::Relaxed) <= LONG
    }

    /// Whether what comes now is to be measured.
    #[inline]
    pub(super) fn is_due(&self) -> bool {
        match self.countdown.load(Ordering::Relaxed) {
            0 => {
                self.countdown.store(if self.is_short() { SELDOM } else { OFTEN }, Ordering::Relaxed);
                true
            }
            left => {
                self.countdown.store(left - 1, Ordering::Relaxed);
                false
            }
        }
    }

    #[cold]
    pub(super) fn record(&self, took: Duration) {
        let took = u32::try_from(took.as_nanos()).unwrap_or(MOST).min(MOST);
        let average = match self.average.load(Ordering::Relaxed) {
            UNKNOWN => took,
            average => average - average / 4 + took / 4,
        };
        self.average.store(average, Ordering::Relaxed);
    }
}
