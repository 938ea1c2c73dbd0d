//! What the engine's store carries for the binding: `wasmtime::Store<Data>`.

use std::sync::Arc;

use super::cell::Shared;
use super::fuel::Fuel;
use super::limiter::Usage;
use super::limits::StoreLimits;
use super::pile::Counted;
use crate::asyncio::Fiber;
use crate::component::{Abandoned, Preview2};
use crate::engine::EngineState;
use crate::func_map;
use crate::gil::Policy;
use crate::interrupt::Interrupts;
use crate::stack;
use crate::wasi::Wasi;
use crate::wasi::wait::Waiter;

pub(crate) struct Data {
    pub(crate) shared: Arc<Shared>,
    pub(crate) engine: Arc<EngineState>,
    pub(crate) limits: StoreLimits,
    pub(super) usage: Usage,
    pub(super) fuel: Fuel,
    /// WASI; `None` until `Store.set_wasi`.
    pub(crate) wasi: Option<Box<Wasi>>,
    pub(crate) preview2: Preview2,
    /// Resources of components to be dropped.
    pub(crate) abandoned: Arc<Abandoned>,
    pub(crate) interrupts: Interrupts,
    /// The function through which host functions suspend asynchronous calls; `None` before the first one.
    pub(crate) bridge: Option<wasmtime::Func>,
    /// Whether calls are suspended when they have used a certain amount of fuel.
    pub(crate) yields_fuel: bool,
    /// The stack that an outermost call needs, in bytes.
    pub(crate) needed_stack: usize,
    /// The helper instances of `Func.map`.
    pub(crate) map_helpers: func_map::Helpers,
    /// Whether calls let go of the interpreter.
    pub(crate) gil: Policy,
    /// Up to this size, in bytes, memories grow in place.
    pub(super) fixed_memory_size: usize,
    _counted: Counted,
}

impl Data {
    pub(crate) fn new(shared: Arc<Shared>, engine: &Arc<EngineState>) -> Data {
        Data {
            interrupts: Interrupts::new(engine, &shared.deadlines),
            shared,
            engine: engine.clone(),
            limits: StoreLimits::default(),
            usage: Usage::default(),
            fuel: Fuel::default(),
            wasi: None,
            preview2: Preview2::default(),
            abandoned: Arc::default(),
            bridge: None,
            yields_fuel: false,
            needed_stack: stack::needed(engine.max_wasm_stack),
            map_helpers: func_map::Helpers::default(),
            gil: engine.gil,
            fixed_memory_size: engine.fixed_memory_size,
            _counted: Counted::new(),
        }
    }
}

impl Data {
    /// How a host function of the engine waits now.
    pub(crate) fn waiter(&self) -> Waiter {
        Waiter { interrupts: self.interrupts.clone(), fiber: Fiber::of(&self.shared) }
    }

    /// Whether the engine runs calls of a function on fibers only; it is less strict with plain ones, for which we check
    /// arguments.
    #[inline]
    pub(crate) fn requires_fiber(&self, is_plain: bool) -> bool {
        self.yields_fuel || (!is_plain && self.bridge.is_some())
    }
}
