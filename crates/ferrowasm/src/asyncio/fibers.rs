//! The asynchronous calls of one store, and how host functions suspend them.
//!
//! A store has a stack of *levels*: the asynchronous call that is under way, the one that its host function has made
//! meanwhile, and so on. Each is a future of the engine with a fiber of its own. Only the outermost is polled from the
//! ordinary stack; each other one is polled by the host function, on the fiber of the level below, that waits for it. So
//! all activations of the store are on one chain whenever WebAssembly runs or garbage is collected, as the engine
//! expects.
//!
//! While a fiber is suspended, Python code of its host function may use the store through the context of the host
//! function, but only for what neither runs WebAssembly nor collects garbage: for the engine's collector does not see
//! what is on a suspended fiber. Everything else is done on the fiber: by a further level, or by `Fibers::run`.
#![allow(unsafe_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use pyo3::PyResult;
use wasmtime::{Caller, Error, Func, StoreContextMut, UpdateDeadline};

use super::aside;
use super::host::Request;
use super::operation::{Outcome, Work};
use super::wake::Signal;
use crate::interrupt::waits;
use crate::raw;
use crate::store::Data;
use crate::store::cell::{Entry, Place, Shared};
use crate::wasi::background;

/// Something to be done on a fiber, which borrows for `'a`.
type Borrowing<'a> = Box<dyn FnOnce(StoreContextMut<'_, Data>) + Send + 'a>;
type Job = Borrowing<'static>;

/// What a host function that is suspended is to do when its fiber goes on.
enum Command {
    /// Poll the level above.
    Poll,
    /// Use the context of the host function.
    Run(Job),
    /// Return this.
    Return(wasmtime::Result<()>),
}

/// One asynchronous call.
struct Level {
    id: u64,
    /// Missing while it is polled, and afterwards.
    future: Option<Work<'static>>,
    outcome: Option<wasmtime::Result<Outcome>>,
    /// How the store was used when the call began.
    place: Place,
    /// Whether the fiber is suspended in a host function that has asked for something.
    parked: bool,
    /// What the host function wants to be done, until the driver has seen it.
    request: Option<Request>,
    command: Option<Command>,
}

#[derive(Default)]
struct Levels {
    levels: Vec<Level>,
    made: u64,
    /// The level whose host function's Python code runs now.
    stepping: Option<usize>,
}

/// See the module. Used by the thread that owns the store, and by host functions on its fibers.
#[derive(Default)]
pub(crate) struct Fibers {
    levels: Mutex<Levels>,
    /// Whether code of the store runs on a fiber.
    running: AtomicBool,
    /// Whether no tick has come since the call was last resumed.
    fresh: AtomicBool,
    /// Whether the call runs on a thread of its own.
    in_thread: AtomicBool,
    /// Whether it is to be suspended there.
    stopping: AtomicBool,
    signal: OnceLock<Arc<Signal>>,
    /// What was let go of on a fiber and has Python objects in it, for the driver to drop.
    left: Mutex<Vec<Box<dyn Send>>>,
    any_left: AtomicBool,
}

impl Fibers {
    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.levels.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What wakes the call that is under way.
    pub(super) fn signal(&self) -> &Arc<Signal> {
        self.signal.get_or_init(Arc::default)
    }

    /// Whether code of the store runs on a fiber, so that host functions can be suspended.
    #[inline]
    pub(crate) fn running(&self) -> bool {
        self.running.load(Ordering::Relaxed)
    }

    /// What a call on a fiber does at a tick of the ticker; `None` for one that runs on the ordinary stack.
    ///
    /// It lets the event loop have its turn, but not at the first tick after it was resumed: ticks may have passed while
    /// it was suspended. `due`: the user wants it to do so now. On a thread of its own it goes on until it is stopped.
    pub(crate) fn on_epoch(&self, due: bool) -> Option<UpdateDeadline> {
        if !self.running() {
            return None;
        }
        let turn = if self.in_thread.load(Ordering::Relaxed) {
            self.stopping.load(Ordering::Relaxed)
        } else {
            !self.fresh.swap(false, Ordering::Relaxed)
        };
        Some(if turn || due { UpdateDeadline::Yield(1) } else { UpdateDeadline::Continue(1) })
    }

    /// Has the call, which runs on another thread, suspended at the next tick.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    /// Whether that is to happen.
    pub(crate) fn is_stopping(&self) -> bool {
        self.in_thread.load(Ordering::Relaxed) && self.stopping.load(Ordering::Relaxed)
    }

    /// Keeps something with Python objects in it until the driver drops it.
    pub(super) fn leave(&self, objects: Box<dyn Send>) {
        self.left.lock().unwrap_or_else(PoisonError::into_inner).push(objects);
        self.any_left.store(true, Ordering::Release);
    }

    /// Drops what was let go of on a fiber. Runs finalisers, on the ordinary stack.
    pub(crate) fn bury(&self) {
        if self.any_left.swap(false, Ordering::AcqRel) {
            let objects = std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner));
            drop(objects);
        }
    }

    /// How many calls are under way.
    pub(crate) fn depth(&self) -> usize {
        self.lock().levels.len()
    }

    /// The place of a call among those that are under way.
    pub(super) fn index(&self, id: u64) -> Option<usize> {
        self.lock().levels.iter().position(|level| level.id == id)
    }

    /// The level whose host function's Python code runs now.
    pub(crate) fn stepping(&self) -> Option<usize> {
        self.lock().stepping
    }

    /// Whether Python code of a host function runs that has begun a further call, which is suspended.
    pub(crate) fn has_suspended_call(&self) -> bool {
        let levels = self.lock();
        levels.stepping.is_some_and(|index| levels.levels.len() > index + 1)
    }

    pub(crate) fn set_stepping(&self, level: Option<usize>) {
        self.lock().stepping = level;
    }

    fn poll_level(&self, index: usize) {
        let Some(mut future) = self.lock().levels.get_mut(index).and_then(|level| level.future.take()) else { return };
        let waker = Waker::from(self.signal().clone());
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        let mut levels = self.lock();
        match polled {
            Poll::Pending => levels.levels[index].future = Some(future),
            Poll::Ready(outcome) => {
                levels.levels[index].outcome = Some(outcome);
                drop(levels);
                drop(future);
            }
        }
    }

    /// What the last poll of the uppermost call has led to.
    pub(super) fn status(&self) -> Status {
        let mut levels = self.lock();
        let Some(level) = levels.levels.last_mut() else { return Status::Gone };
        if let Some(outcome) = level.outcome.take() {
            Status::Done(outcome)
        } else if let Some(request) = level.request.take() {
            Status::Request(request)
        } else if level.future.is_some() {
            Status::Waiting
        } else {
            Status::Gone
        }
    }

    /// Removes the uppermost call, which is over.
    pub(super) fn pop(&self) -> Option<Place> {
        let level = self.lock().levels.pop();
        level.map(|level| level.place)
    }

    /// Whether level `index` is suspended in a host function.
    pub(super) fn parked(&self, index: usize) -> bool {
        self.lock().levels.get(index).is_some_and(|level| level.parked)
    }

    /// Lets the host function of the uppermost call return when it is polled next.
    pub(super) fn answer(&self, result: wasmtime::Result<()>) {
        if let Some(level) = self.lock().levels.last_mut() {
            level.command = Some(Command::Return(result));
        }
    }
}

/// Tells when a job is gone: it holds a copy.
#[derive(Clone, Default)]
struct Over(Arc<()>);

impl Over {
    fn is_alone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// What a poll has led to.
pub(super) enum Status {
    /// The call is over.
    Done(wasmtime::Result<Outcome>),
    /// A host function is to be called.
    Request(Request),
    /// The call waits for something else than Python, or lets others have their turn.
    Waiting,
    /// There is no call: it was dropped.
    Gone,
}

/// A host function waits on a fiber.
struct Parked<'a> {
    shared: &'a Shared,
    index: usize,
    request: Request,
}

impl Drop for Parked<'_> {
    /// The host function returns, or its fiber is being unwound: what it has started ends first.
    fn drop(&mut self) {
        self.shared.drop_calls(self.index + 1);
        if let Ok(mut request) = self.request.try_lock() {
            request.expire();
        }
        let left = self.shared.fibers.lock().levels.get_mut(self.index).map(|level| {
            level.parked = false;
            (level.request.take(), level.command.take())
        });
        drop(left);
    }
}

/// Leaves the fiber that runs; returns when the call is polled the next time, or with an error when it is dropped.
fn suspend(shared: &Shared) -> wasmtime::Result<()> {
    // SAFETY: a host function of the store runs on this thread, on a fiber, and waits for this: neither it nor anything
    // below it uses its context meanwhile.
    let ctx = unsafe { shared.context() }.ok_or_else(lost)?;
    let bridge = ctx.data().bridge.ok_or_else(lost)?;
    raw::call_bridge(ctx, bridge)
}

fn lost() -> Error {
    Error::msg("the store has no asynchronous call")
}

/// Makes the function through which host functions suspend their fiber, once for each store.
///
/// The engine suspends fibers for asynchronous host functions only, while ours are synchronous ones, so that
/// synchronous calls may use them too. They call this asynchronous function, which does nothing but wait once.
pub(crate) fn prepare(ctx: &mut StoreContextMut<'_, Data>) {
    if ctx.data().bridge.is_none() {
        let bridge = Func::wrap_async(&mut *ctx, |_caller: Caller<'_, Data>, (): ()| Box::new(Once(false)));
        ctx.data_mut().bridge = Some(bridge);
    }
}

/// Is ready when it is polled the second time.
struct Once(bool);

impl Future for Once {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// Adds a call to those of the store that was entered, and gives its number.
pub(super) fn begin(
    mut entry: Entry<'_>,
    make: impl for<'c> FnOnce(StoreContextMut<'c, Data>) -> PyResult<Work<'c>>,
) -> PyResult<u64> {
    let work = make(entry.ctx())?;
    // SAFETY: only the lifetime changes. The future borrows the engine's store, through a context that `entry` has taken
    // out of the slot of the store. The level keeps the place from which it was taken: nobody else gets a context from
    // there before the level is gone, future and all. The `StoreCell` drops all levels before it drops the store, and a
    // host function those that were begun in it before it returns.
    let future = unsafe { std::mem::transmute::<Work<'_>, Work<'static>>(work) };
    let shared = entry.shared;
    let place = entry.hand_over();
    let mut levels = shared.fibers.lock();
    levels.made += 1;
    let id = levels.made;
    levels.levels.push(Level {
        id,
        future: Some(future),
        outcome: None,
        place,
        parked: false,
        request: None,
        command: None,
    });
    Ok(id)
}

/// The entry from which a call has begun that is gone now. The running thread owns the store.
pub(super) fn reenter(shared: &Shared, place: Place) -> Entry<'_> {
    // SAFETY: the place was given out by `pop` or `cut`, which have removed the level. A call that began in a host
    // function is only removed while that is suspended, or by its own end, after which no place is left.
    unsafe { shared.reenter(place) }
}

impl Shared {
    /// Polls the uppermost call, through those below it. Runs WebAssembly.
    pub(super) fn poll_call(&self) {
        // What wakes the call from here on is news.
        self.fibers.signal().take();
        {
            let mut levels = self.fibers.lock();
            let Some(top) = levels.levels.len().checked_sub(1) else { return };
            for level in &mut levels.levels[..top] {
                level.command = Some(Command::Poll);
            }
        }
        self.poll_outermost();
    }

    fn poll_outermost(&self) {
        struct Running<'a>(&'a AtomicBool);
        impl Drop for Running<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Relaxed);
            }
        }
        let fibers = &self.fibers;
        fibers.running.store(true, Ordering::Relaxed);
        fibers.fresh.store(true, Ordering::Relaxed);
        let _running = Running(&fibers.running);
        aside::resuming(self, || fibers.poll_level(0));
        if self.memories.any() {
            waits::forget();
        }
    }

    /// Runs `work` in the host function of level `index`, on its fiber, with the levels above it at rest.
    ///
    /// The caller owns the store and is off its fibers.
    fn run_at(&self, index: usize, work: Job) {
        {
            let mut levels = self.fibers.lock();
            for level in &mut levels.levels[..index] {
                level.command = Some(Command::Poll);
            }
            levels.levels[index].command = Some(Command::Run(work));
        }
        self.poll_outermost();
    }

    /// Drops the calls from level `index` on. The futures above it are dropped by the host functions that wait for them,
    /// as their fibers unwind.
    fn drop_calls(&self, index: usize) {
        let future = self.fibers.lock().levels.get_mut(index).and_then(|level| level.future.take());
        aside::resuming(self, || drop(future));
        let rest = {
            let mut levels = self.fibers.lock();
            let index = index.min(levels.levels.len());
            levels.levels.split_off(index)
        };
        drop(rest);
    }

    /// Runs `work` on the fiber of the host function whose Python code runs now.
    ///
    /// To be used for what may collect garbage of the engine, but runs no WebAssembly: that needs a call of its own.
    pub(crate) fn run_on_fiber<R: Send>(&self, work: impl FnOnce(StoreContextMut<'_, Data>) -> R + Send) -> Option<R> {
        let index = self.fibers.depth().checked_sub(1)?;
        let over = Over::default();
        let mut result = None;
        let (slot, guard) = (&mut result, over.clone());
        let job: Borrowing<'_> = Box::new(move |ctx| {
            let _guard = guard;
            *slot = Some(work(ctx));
        });
        // SAFETY: only the lifetime changes. The loop below ends when the job is gone, run or not.
        let job = unsafe { std::mem::transmute::<Borrowing<'_>, Job>(job) };
        self.run_at(index, job);
        while !over.is_alone() {
            // It has not been reached, or it has suspended the fiber.
            let left = self.fibers.lock().levels.get_mut(index).and_then(|level| level.command.take());
            if left.is_none() {
                self.poll_call();
            }
        }
        result
    }

    /// Polls the call of the store, which is suspended, on another thread, and tells when that has left the store.
    ///
    /// A panic leaves the call without a future, which the driver sees.
    pub(super) fn poll_in_thread(self: &Arc<Self>, done: &Arc<Signal>) -> wasmtime::Result<()> {
        let (shared, done) = (self.clone(), done.clone());
        let fibers = &self.fibers;
        fibers.stopping.store(false, Ordering::Relaxed);
        background::runtime()?.spawn_blocking(move || {
            let fibers = &shared.fibers;
            if shared.resume().is_ok() {
                waits::enter(&shared);
                fibers.in_thread.store(true, Ordering::Relaxed);
                let polled = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| shared.poll_call()));
                fibers.in_thread.store(false, Ordering::Relaxed);
                shared.suspend();
                drop(polled);
            }
            done.wake_by_ref();
        });
        Ok(())
    }

    /// Ends the calls from level `index` on, each on the fiber that has polled it, and gives the place of the lowest.
    ///
    /// The caller owns the store and is off its fibers.
    pub(crate) fn cut(self: &Arc<Self>, index: usize) -> Option<Place> {
        let place = self.fibers.lock().levels.get(index).map(|level| level.place)?;
        match index.checked_sub(1) {
            // The host function of the level below is suspended, since it has made the call.
            Some(below) if self.fibers.lock().levels[below].parked => {
                let shared = self.clone();
                self.run_at(below, Box::new(move |_| shared.drop_calls(index)));
            }
            _ => self.drop_calls(index),
        }
        Some(place)
    }
}

/// Hands a request of a host function, which runs on the fiber of the uppermost level, to the driver, and waits for the
/// answer.
pub(crate) fn request(shared: &Shared, request: Request) -> wasmtime::Result<()> {
    let fibers = &shared.fibers;
    let index = {
        let mut levels = fibers.lock();
        let index = levels.levels.len() - 1;
        levels.levels[index].request = Some(request.clone());
        levels.levels[index].parked = true;
        index
    };
    let _parked = Parked { shared, index, request };
    loop {
        suspend(shared)?;
        let command = fibers.lock().levels[index].command.take();
        match command {
            Some(Command::Poll) => fibers.poll_level(index + 1),
            Some(Command::Run(work)) => {
                // What it calls is not to suspend the fiber.
                fibers.running.store(false, Ordering::Relaxed);
                // SAFETY: as in `suspend`.
                work(unsafe { shared.context() }.ok_or_else(lost)?);
                fibers.running.store(true, Ordering::Relaxed);
            }
            Some(Command::Return(result)) => return result,
            None => {}
        }
    }
}

/// The fiber that a host function runs on: how it waits for something else than Python.
///
/// Made by a host function for itself, and used by nobody else.
#[derive(Clone)]
pub(crate) struct Fiber(Arc<Shared>);

impl Fiber {
    /// `None` on the ordinary stack.
    pub(crate) fn of(shared: &Arc<Shared>) -> Option<Fiber> {
        shared.fibers.running().then(|| Fiber(shared.clone()))
    }

    /// Suspends the fiber until the event loop, or what `waker` was given to, resumes it.
    pub(crate) fn suspend(&self) -> wasmtime::Result<()> {
        suspend(&self.0)
    }

    /// Has the fiber resumed.
    pub(crate) fn waker(&self) -> Waker {
        Waker::from(self.0.fibers.signal().clone())
    }

    /// Lets the event loop have its turn.
    pub(crate) fn give_way(&self) -> wasmtime::Result<()> {
        self.waker().wake();
        self.suspend()
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.0
    }
}
