//! Waiting on behalf of a guest: on the caller's thread, without the interpreter, and ended by a signal handler's
//! exception or the epoch deadline; or, in asynchronous calls, by suspending the guest.

use std::cell::OnceCell;
use std::future::{Future, poll_fn};
use std::os::fd::BorrowedFd;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tokio::io::Interest;
use tokio::runtime::Runtime;
use wasmtime::Result;

use super::background;
use crate::asyncio::{self, Fiber};
use crate::interrupt::Interrupts;

/// How a WASI function waits.
///
/// On the ordinary stack it blocks the thread, and looks for signals meanwhile. On a fiber, in an asynchronous call, it
/// suspends that, and the event loop goes on.
#[derive(Clone, Default)]
pub(crate) struct Waiter {
    pub(crate) interrupts: Interrupts,
    pub(crate) fiber: Option<Fiber>,
}

impl Waiter {
    /// Ends the wait, or the function, before its time: a signal handler's exception or a passed deadline is the error.
    pub(crate) fn check(&self) -> Result<()> {
        match self.fiber {
            Some(_) => self.interrupts.check_deadlines(),
            None => self.interrupts.check(),
        }
    }

    /// As `check`, but at most once a tick: for functions that a guest may call in an endless loop.
    pub(crate) fn check_rarely(&self) -> Result<()> {
        match self.fiber {
            Some(_) => self.interrupts.check_deadlines(),
            None => self.interrupts.check_rarely(),
        }
    }

    /// Runs a future of the engine to its end.
    pub(crate) fn block_on<F: Future + Send>(&self, future: F) -> Result<F::Output> {
        match &self.fiber {
            Some(fiber) => self.suspend_on(fiber, future),
            None => block_on(future, &self.interrupts),
        }
    }

    /// What wakes a fiber when a deadline passes while it waits.
    pub(super) fn alarm(&self, runtime: &Runtime) -> Alarm {
        let _entered = runtime.enter();
        Alarm(self.interrupts.remaining().map(|remaining| Box::pin(tokio::time::sleep(remaining))))
    }

    fn suspend_on<F: Future + Send>(&self, fiber: &Fiber, future: F) -> Result<F::Output> {
        let runtime = background::runtime()?;
        let waker = fiber.waker();
        let mut future = pin!(future);
        let mut alarm = self.alarm(runtime);
        loop {
            let polled = {
                let _entered = runtime.enter();
                let mut cx = Context::from_waker(&waker);
                alarm.set(&mut cx);
                future.as_mut().poll(&mut cx)
            };
            if let Poll::Ready(output) = polled {
                return Ok(output);
            }
            fiber.suspend()?;
            self.check()?;
        }
    }

    /// Sleeps for `duration`.
    pub(crate) fn sleep(&self, duration: Duration) -> Result<()> {
        match &self.fiber {
            Some(fiber) => self.suspend_on(fiber, async move { tokio::time::sleep(duration).await }),
            None => sleep(duration, &self.interrupts),
        }
    }

    /// Waits until an operation on a file descriptor would not block.
    pub(crate) fn ready(&self, fd: BorrowedFd<'_>, events: PollFlags) -> Result<()> {
        match &self.fiber {
            _ if is_ready(fd, events) => Ok(()),
            Some(fiber) => self.suspend_on(fiber, becomes_ready(fd, events)),
            None => block_until_ready(fd, events, &self.interrupts),
        }
    }
}

/// See `Waiter::alarm`.
pub(super) struct Alarm(Option<Pin<Box<tokio::time::Sleep>>>);

impl Alarm {
    /// Lets it wake whom `cx` wakes. Called inside of the runtime.
    pub(super) fn set(&mut self, cx: &mut Context<'_>) {
        if let Some(sleep) = &mut self.0 {
            let _ = sleep.as_mut().poll(cx);
        }
    }
}

/// Waits on the runtime of asynchronous calls.
async fn becomes_ready(fd: BorrowedFd<'_>, events: PollFlags) {
    let interest = if events.contains(PollFlags::OUT) { Interest::WRITABLE } else { Interest::READABLE };
    asyncio::ready(fd, interest).await;
    // The system does not watch every kind of file, and none twice.
    while !is_ready(fd, events) {
        tokio::time::sleep(LOOK).await;
    }
}

/// How often a file descriptor is looked at that the system does not watch for us.
const LOOK: Duration = Duration::from_millis(5);

/// Runs a future of the engine to its end.
///
/// The runtime that drives its timers belongs to the thread and owns neither threads nor file descriptors, so that a
/// forked child can go on with its copy. It is entered for the waits only: Python code, which may call WebAssembly
/// again, never runs inside it.
fn block_on<F: Future>(future: F, interrupts: &Interrupts) -> Result<F::Output> {
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
                let mut tick = pin!(tokio::time::sleep(interrupts.patience()));
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
fn sleep(duration: Duration, interrupts: &Interrupts) -> Result<()> {
    let start = Instant::now();
    while let Some(remaining) = duration.checked_sub(start.elapsed()).filter(|remaining| !remaining.is_zero()) {
        poll_once(&mut [], remaining.min(interrupts.patience()));
        interrupts.check_rarely()?;
    }
    Ok(())
}

/// Waits until an operation on a file descriptor would not block.
fn block_until_ready(fd: BorrowedFd<'_>, events: PollFlags, interrupts: &Interrupts) -> Result<()> {
    while !poll_once(&mut [PollFd::new(&fd, events)], interrupts.patience()) {
        interrupts.check()?;
    }
    Ok(())
}

/// Whether a read would return at once.
pub(crate) fn is_readable(fd: BorrowedFd<'_>) -> bool {
    is_ready(fd, PollFlags::IN)
}

fn is_ready(fd: BorrowedFd<'_>, events: PollFlags) -> bool {
    poll_once(&mut [PollFd::new(&fd, events)], Duration::ZERO)
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
