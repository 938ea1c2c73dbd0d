//! How long an operation takes.

use std::time::{Duration, Instant};

use wasmtime::Result;

/// How long one sample runs, at least: short, so that the scheduler leaves some of them alone.
const SAMPLE: Duration = Duration::from_millis(2);
const SAMPLES: usize = 20;

fn time(repeats: u32, operation: &mut impl FnMut() -> Result<()>) -> Result<Duration> {
    let begin = Instant::now();
    for _ in 0..repeats {
        operation()?;
    }
    Ok(begin.elapsed())
}

/// The nanoseconds that `operation` takes: the best of a few samples. Medians are taken over runs of this program.
pub(crate) fn nanoseconds(mut operation: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut repeats = 1;
    while time(repeats, &mut operation)? < SAMPLE {
        repeats *= 2;
    }
    let mut best = Duration::MAX;
    for _ in 0..SAMPLES {
        best = best.min(time(repeats, &mut operation)?);
    }
    Ok(best.as_secs_f64() * 1e9 / f64::from(repeats))
}
