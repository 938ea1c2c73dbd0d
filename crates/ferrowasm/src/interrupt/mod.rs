//! What ends a call that is under way: signals, deadlines, and the epoch of users.
//!
//! Compiled code looks at the engine's epoch when it enters functions and loops. The epoch is advanced by the `ticker`
//! while calls are under way, and every store has one callback, `on_epoch`, which runs at each tick and decides. So
//! the engine's epoch is a clock; the epoch that users advance (`Engine.increment_epoch`) and the deadlines that they
//! set are numbers of ours, compared in the callback.

mod alarms;
pub(crate) mod arrivals;
pub(crate) mod deadline;
#[cfg_attr(
    not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))),
    path = "faults_elsewhere.rs"
)]
pub(crate) mod faults;
pub(crate) mod process;
mod signals;
pub(crate) mod ticker;
pub(crate) mod waits;

use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Result, StoreContextMut, Trap, UpdateDeadline};

use crate::engine::EngineState;
use crate::gil;
use crate::store::Data;
use deadline::Deadlines;

/// From which tick on a call runs signal handlers.
///
/// A call that takes less is left to return, after which the interpreter runs them: an exception in the middle of a
/// call would leave a component unusable.
const SETTLED: u32 = 3;

/// What ends the calls of a store before their time.
#[derive(Clone, Default)]
pub(crate) struct Interrupts {
    /// `None` for waits that only signals end.
    engine: Option<Arc<EngineState>>,
    /// The epoch of users at which the store's deadline passes.
    epoch_deadline: Option<u64>,
    /// By how many ticks that deadline is moved when it passes, instead of ending the call.
    epoch_extension: Option<u64>,
    /// How often `on_epoch` ran in the call that is under way.
    ticks: u32,
    /// As in the engine's state, where calls that begin would have to look for it.
    checks_epoch: bool,
    shared_memory: bool,
    /// Deadlines in seconds, which the store shares with whoever sets them.
    deadlines: Arc<Deadlines>,
}

impl Interrupts {
    /// A store of an engine with `Config.epoch_interruption` has a deadline from the start, which has passed.
    pub(crate) fn new(engine: &Arc<EngineState>, deadlines: &Arc<Deadlines>) -> Interrupts {
        Interrupts {
            engine: Some(engine.clone()),
            epoch_deadline: engine.user_epochs.then_some(0),
            epoch_extension: None,
            ticks: 0,
            checks_epoch: engine.checks_epoch,
            shared_memory: engine.shared_memory,
            deadlines: deadlines.clone(),
        }
    }

    /// Lets calls go on at the deadline in epochs, which moves by `ticks` then.
    pub(crate) fn yield_at_epoch_deadline(&mut self, ticks: u64) {
        self.epoch_extension = Some(ticks);
    }

    /// Moves the deadline in epochs if it has passed and is to be moved.
    fn extend_epoch(&mut self) -> bool {
        match (self.epoch_extension, &self.engine) {
            (Some(ticks), Some(engine)) if self.epoch_passed() => {
                self.epoch_deadline = Some(engine.epoch().saturating_add(ticks));
                true
            }
            _ => false,
        }
    }

    #[inline]
    fn epoch_passed(&self) -> bool {
        let Some(deadline) = self.epoch_deadline else { return false };
        self.engine.as_ref().is_some_and(|engine| engine.epoch() >= deadline)
    }

    /// The error that ends the call if a deadline has passed.
    pub(crate) fn check_deadlines(&self) -> Result<()> {
        if self.epoch_passed() {
            return Err(Trap::Interrupt.into());
        }
        self.deadlines.check()
    }

    /// How long it is until the first deadline in seconds, if there is one.
    pub(crate) fn remaining(&self) -> Option<Duration> {
        self.deadlines.remaining()
    }

    /// How long a wait may go on without `check`.
    pub(crate) fn patience(&self) -> Duration {
        self.remaining().map_or(ticker::PERIOD, |remaining| remaining.min(ticker::PERIOD))
    }

    /// For waits on behalf of a guest: as `check_deadlines`, and runs Python's signal handlers if a signal has come
    /// (and this is the main thread), whose exception is the error.
    pub(crate) fn check(&self) -> Result<()> {
        self.check_deadlines()?;
        signals::handle()
    }

    /// As `check`, but at most once a tick: for functions that a guest may call in an endless loop.
    pub(crate) fn check_rarely(&self) -> Result<()> {
        if signals::just_handled() { self.check_deadlines() } else { self.check() }
    }
}

/// Sets the deadline in ticks of the users' epoch. `None`: no 64 bits hold the sum.
pub(crate) fn set_epoch_deadline(ctx: &mut StoreContextMut<'_, Data>, ticks: u64) -> std::result::Result<(), u64> {
    let interrupts = &mut ctx.data_mut().interrupts;
    let epoch = interrupts.engine.as_ref().map_or(0, |engine| engine.epoch());
    interrupts.epoch_deadline = Some(epoch.checked_add(ticks).ok_or(u64::MAX - epoch)?);
    arm(ctx);
    Ok(())
}

/// To be called before an outermost call of a store: the next tick runs `on_epoch`, and there will be one.
#[inline(always)]
pub(crate) fn begin(ctx: &mut StoreContextMut<'_, Data>) {
    let interrupts = &mut ctx.data_mut().interrupts;
    if !interrupts.checks_epoch {
        return;
    }
    interrupts.ticks = 0;
    let may_wait = interrupts.shared_memory;
    // Which reads the epoch. The mark comes after it: the other way round, this thread might not run in between for so
    // long that the ticks stop, and the epoch that it reads then would be the last one.
    arm(ctx);
    ticker::keep_ticking(&ctx.data().engine);
    if may_wait {
        begin_waits(ctx);
    }
}

#[cold]
fn begin_waits(ctx: &StoreContextMut<'_, Data>) {
    waits::begin();
    waits::enter(&ctx.data().shared);
}

/// Has compiled code call `on_epoch` at the next tick, or at once if a deadline may have passed.
#[inline(always)]
fn arm(ctx: &mut StoreContextMut<'_, Data>) {
    let interrupts = &ctx.data().interrupts;
    let passed = interrupts.epoch_passed() || interrupts.deadlines.any();
    ctx.set_epoch_deadline(u64::from(!passed));
}

/// The epoch callback of every store: an error ends the call, otherwise it goes on until the next tick.
///
/// Runs on the thread of the call, in the middle of WebAssembly.
pub(crate) fn on_epoch(mut ctx: StoreContextMut<'_, Data>) -> Result<UpdateDeadline> {
    let update = decide(&mut ctx);
    // Last of all: signal handlers, and others who want the interpreter, may have taken so long that the ticks have
    // stopped. The engine reads the epoch anew right after this.
    if let Some(engine) = &ctx.data().interrupts.engine {
        ticker::keep_ticking(engine);
    }
    update
}

fn decide(ctx: &mut StoreContextMut<'_, Data>) -> Result<UpdateDeadline> {
    let extended = ctx.data_mut().interrupts.extend_epoch();
    let interrupts = &ctx.data().interrupts;
    // Without `Config.epoch_interruption` the deadline in epochs is for waits only.
    if interrupts.engine.as_ref().is_some_and(|engine| engine.user_epochs) && interrupts.epoch_passed() {
        return Ok(UpdateDeadline::Interrupt);
    }
    let woken = interrupts.engine.as_ref().is_some_and(|engine| engine.shared_memory) && waits::was_woken();
    interrupts.deadlines.check()?;
    // On a fiber no Python code runs: the event loop handles signals when the call has let it have its turn.
    if let Some(update) = ctx.data().shared.fibers.on_epoch(extended || woken) {
        return Ok(update);
    }
    let ticks = &mut ctx.data_mut().interrupts.ticks;
    *ticks = ticks.saturating_add(1);
    if woken {
        // For a signal, it may be.
        signals::handle_inside_now(ctx)?;
    } else if *ticks >= SETTLED {
        signals::handle_inside(ctx)?;
    }
    gil::tick();
    Ok(UpdateDeadline::Continue(1))
}
