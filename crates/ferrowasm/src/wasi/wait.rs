//! Waiting on behalf of a guest: on the caller's thread, without the interpreter, and ended by a signal handler's
//! exception or the epoch deadline.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::os::fd::BorrowedFd;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::runtime::Runtime;
use wasmtime::Result;

use crate::interrupt::{Interrupts, ticker};

/// How long a wait goes on without a look at signals and deadlines.
const TICK: Duration = ticker::PERIOD;

/// Runs a future of the engine to its end.
///
/// The runtime that drives its timers belongs to the thread and owns neither threads nor file descriptors, so that a
/// forked child can go on with its copy. It is entered for the waits only: Python code, which may call WebAssembly
/// again, never runs inside it.
pub(crate) fn block_on<F: Future>(future: F, interrupts: &Interrupts) -> Result<F::Output> {
    thread_local!(static RUNTIME: OnceCell<Runtime> = const { OnceCell::new() });
    RUNTIME.with(|cell| {
        let runtime = match cell.get() {
            Some(runtime) => runtime,
            None => {
                let made = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
                cell.get_or_init(|| made)
            }
        };
        let mut future = pin!(future);
        let first = {
            let _entered = runtime.enter();
            future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        };
        if let Poll::Ready(output) = first {
            return Ok(output);
        }
        loop {
            let step = runtime.block_on(async {
                let mut tick = pin!(tokio::time::sleep(TICK));
                poll_fn(|cx| match future.as_mut().poll(cx) {
                    Poll::Ready(output) => Poll::Ready(Some(output)),
                    Poll::Pending => tick.as_mut().poll(cx).map(|()| None),
                })
                .await
            });
            match step {
                Some(output) => return Ok(output),
                None => interrupts.check()?,
            }
        }
    })
}

/// Sleeps for `duration`.
pub(crate) fn sleep(duration: Duration, interrupts: &Interrupts) -> Result<()> {
    let start = Instant::now();
    while let Some(remaining) = duration.checked_sub(start.elapsed()).filter(|remaining| !remaining.is_zero()) {
        poll_once(&mut [], remaining.min(TICK));
        interrupts.check_rarely()?;
    }
    Ok(())
}

/// Waits until an operation on a file descriptor would not block.
pub(crate) fn ready(fd: BorrowedFd<'_>, events: PollFlags, interrupts: &Interrupts) -> Result<()> {
    while !poll_once(&mut [PollFd::new(&fd, events)], TICK) {
        interrupts.check()?;
    }
    Ok(())
}

/// Whether a read would return at once.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    poll_once(&mut [PollFd::new(&fd, PollFlags::IN)], Duration::ZERO)
}

/// Polls until a file descriptor is ready, the time is over, or a signal comes. An invalid file descriptor is "ready":
/// the operation itself reports it.
fn poll_once(fds: &mut [PollFd<'_>], timeout: Duration) -> bool {
    let timeout = Timespec { tv_sec: 0, tv_nsec: timeout.subsec_nanos().into() };
    match poll(fds, Some(&timeout)) {
        Ok(ready) => ready > 0,
        Err(error) => error != rustix::io::Errno::INTR,
    }
}
