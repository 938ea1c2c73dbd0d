//! `Engine`: compiled-code settings and the epoch, shared by modules and stores.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use pyo3::prelude::*;

use crate::compile::Bounds;
use crate::config::{Built, Config};
use crate::errors::Misuse;
use crate::func_map;
use crate::gil::Policy;
use crate::interrupt::faults;
use crate::interrupt::process;
use crate::interrupt::ticker::Activity;
use crate::interrupt::waits;
use crate::managed::{Managed, managed, two_phase};

/// What the binding knows about an engine beside the engine itself.
pub(crate) struct EngineState {
    pub(crate) engine: wasmtime::Engine,
    settings: wasmtime::Config,
    /// The process in which it was made: see `compiler`.
    process: u32,
    /// Whether it keeps what it compiles in files.
    pub(crate) caches: bool,
    /// The epoch that users advance. The engine's own also advances with time.
    epoch: AtomicU64,
    /// Whether compiled code looks at the engine's epoch.
    pub(crate) checks_epoch: bool,
    /// Whether the users' epoch interrupts compiled code (`Config.epoch_interruption`).
    pub(crate) user_epochs: bool,
    pub(crate) activity: Activity,
    /// What modules are compiled at all.
    pub(crate) bounds: Bounds,
    /// `Config.max_wasm_stack`, in bytes.
    pub(crate) max_wasm_stack: usize,
    /// Up to this size, in bytes, memories grow in place, or see to it themselves that no view of them is left
    /// dangling.
    pub(crate) fixed_memory_size: usize,
    /// Whether `linear_memory` makes the memories.
    pub(crate) manages_memories: bool,
    /// The helper modules of `Func.map`.
    pub(crate) map_modules: func_map::Modules,
    /// `Config.shared_memory`.
    pub(crate) shared_memory: bool,
    /// Whether calls let go of the interpreter.
    pub(crate) gil: Policy,
}

impl EngineState {
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    /// The engine that compiles for this one.
    ///
    /// In a forked child it is another one with the same settings: a thread of the parent may have been compiling then,
    /// and what it had locked stays locked.
    pub(crate) fn compiler(&self) -> wasmtime::Result<wasmtime::Engine> {
        if self.is_inherited() { wasmtime::Engine::new(&self.settings) } else { Ok(self.engine.clone()) }
    }

    /// Whether the engine was made by the process that this one was forked from.
    pub(crate) fn is_inherited(&self) -> bool {
        self.process != process::generation()
    }
}

/// A compilation environment: modules compiled by one engine run in the stores of the same engine.
///
/// `config` (default: `Config()`) is copied: it can be changed and used again afterwards.
///
/// Raises `WasmtimeError` when the settings contradict each other or the host cannot provide what they ask for.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Engine {
    state: Managed<Arc<EngineState>>,
}

impl Engine {
    /// An engine with default settings, for `Store()`.
    pub(crate) fn with_defaults(py: Python<'_>) -> PyResult<Engine> {
        Ok(Engine::wrap(Arc::new(build(py, None)?)))
    }

    /// An object for an engine that exists.
    pub(crate) fn wrap(state: Arc<EngineState>) -> Engine {
        Engine { state: Managed::new("Engine", state) }
    }

    fn empty() -> Engine {
        Engine { state: Managed::empty("Engine") }
    }

    pub(crate) fn state(&self) -> Result<&Arc<EngineState>, Misuse> {
        self.state.get()
    }

    /// The engine, unless it was closed.
    pub(crate) fn get(&self) -> Result<&wasmtime::Engine, Misuse> {
        Ok(&self.state.get()?.engine)
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.state.close();
        Ok(())
    }
}

fn build(py: Python<'_>, config: Option<&Config>) -> PyResult<EngineState> {
    let Built { config: settings, checks_epoch, user_epochs, manages_memories, shared_memory, caches, gil, bounds } =
        Config::build(config, py)?;
    let engine = crate::gil::detached(py, || {
        let _whole = process::postpone_forks();
        wasmtime::Engine::new(&settings)
    })?;
    faults::remember(py)?;
    if shared_memory {
        waits::listen(py)?;
    }
    let max_wasm_stack = engine.get_max_wasm_stack();
    let fixed_memory_size = if manages_memories {
        usize::MAX
    } else {
        usize::try_from(engine.get_memory_reservation()).unwrap_or(usize::MAX)
    };
    Ok(EngineState {
        engine,
        settings,
        process: process::generation(),
        caches,
        epoch: AtomicU64::new(0),
        checks_epoch,
        user_epochs,
        activity: Activity::default(),
        bounds,
        max_wasm_stack,
        fixed_memory_size,
        manages_memories,
        map_modules: func_map::Modules::default(),
        shared_memory,
        gil,
    })
}

#[pymethods]
impl Engine {
    #[pyo3(signature = (config=None))]
    fn __init__(&self, py: Python<'_>, config: Option<&Bound<'_, Config>>) -> PyResult<()> {
        self.state.initialise(Arc::new(build(py, config.map(Bound::get))?))
    }

    /// Advance the epoch by one tick, which interrupts stores whose deadline it reaches. Can be called from any thread.
    fn increment_epoch(&self) -> PyResult<()> {
        let state = self.state()?;
        state.epoch.fetch_add(1, Ordering::AcqRel);
        state.engine.increment_epoch();
        Ok(())
    }

    /// Whether the engine runs code in the Pulley interpreter instead of compiling to native code.
    fn is_pulley(&self) -> PyResult<bool> {
        Ok(self.get()?.is_pulley())
    }

    fn __repr__(&self) -> String {
        match self.get() {
            Ok(engine) => format!("<Engine{}>", if engine.is_pulley() { " (Pulley)" } else { "" }),
            Err(_) => "<Engine (closed)>".to_owned(),
        }
    }
}

managed!(Engine);
two_phase!(Engine, "(config=None)");
