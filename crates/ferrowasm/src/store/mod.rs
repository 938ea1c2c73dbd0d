//! `Store`: what instances live in, and the Python objects that belong to them.

pub(crate) mod cell;
pub(crate) mod context;
mod data;
mod fuel;
pub(crate) mod handle;
mod limiter;
pub(crate) mod limits;
pub(crate) mod objects;
mod pile;
pub(crate) mod views;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;

pub(crate) use data::Data;
pub(crate) use handle::StoreArg;

use crate::engine::Engine;
use crate::errors::{Misuse, OrRaise};
use crate::gil;
use crate::interrupt;
use crate::interrupt::deadline::{self, PyDeadline};
use crate::managed::{managed, two_phase};
use crate::numbers;
use crate::wasi::config::WasiConfig;
use cell::{Entry, StoreCell};

/// Where instances, functions, memories and every other WebAssembly object live.
///
/// `engine` defaults to a new `Engine()`; `data` is any object, which `data()` gives back.
///
/// A store runs one call at a time, on any thread; using it while it runs on another thread raises `StoreBusyError`.
/// Everything in a store is freed with the store: when it is closed, or when the last reference to it is gone.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Store {
    pub(crate) cell: StoreCell,
    links: OnceLock<Links>,
    /// False in memory that is allocated (and zero) but not constructed yet, which Python's collector may visit.
    constructed: AtomicBool,
}

/// What a store refers to in Python, set once by `__init__`.
struct Links {
    engine: Py<Engine>,
}

impl Store {
    fn empty() -> Store {
        Store { cell: StoreCell::new(), links: OnceLock::new(), constructed: AtomicBool::new(true) }
    }

    fn links(&self) -> Result<&Links, Misuse> {
        self.links.get().ok_or(Misuse::Uninitialised("Store"))
    }

    fn enter(&self) -> PyResult<Entry<'_>> {
        Ok(self.cell.enter()?)
    }

    /// Frees what the store holds. Objects with finalisers go last, when the store is gone.
    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        let store = self.cell.close()?;
        drop(store);
        self.cell.shared.objects.clear();
        Ok(())
    }
}

#[pymethods]
impl Store {
    #[pyo3(signature = (engine=None, data=None))]
    fn __init__(slf: &Bound<'_, Self>, engine: Option<Bound<'_, Engine>>, data: Option<Py<PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        pile::keep_small(py)?;
        let engine = match engine {
            Some(engine) => engine,
            None => Bound::new(py, Engine::with_defaults(py)?)?,
        };
        let state = engine.get().state()?.clone();
        let checks_epoch = state.checks_epoch;
        let mut store = gil::detached(py, || {
            let data = Data::new(this.cell.shared.clone(), &state);
            wasmtime::Store::try_new(&state.engine, data)
        })?;
        store.limiter(|data| data);
        if checks_epoch {
            store.epoch_deadline_callback(interrupt::on_epoch);
        }
        if !this.cell.initialise(store) {
            return Err(PyRuntimeError::new_err("this Store is initialised already"));
        }
        let _ = this.links.set(Links { engine: engine.unbind() });
        this.cell.shared.objects.set_data(data);
        this.cell.shared.set_store_object(slf)
    }

    /// The engine that the store was made with.
    #[getter]
    fn engine(&self, py: Python<'_>) -> PyResult<Py<Engine>> {
        Ok(self.links()?.engine.clone_ref(py))
    }

    /// The `data` that the store was made with. Raises `ClosedError` if the store is closed.
    fn data(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        match self.cell.enter() {
            Err(misuse @ (Misuse::Closed(_) | Misuse::Uninitialised(_))) => Err(misuse.into()),
            _ => Ok(self.cell.shared.objects.data(py)),
        }
    }

    /// Collect the garbage of the store: objects in GC references and `externref`s that WebAssembly no longer reaches.
    ///
    /// The engine does this by itself when it needs room; there is no need to call it.
    fn gc(&self, py: Python<'_>) -> PyResult<()> {
        let mut entry = self.enter()?;
        gil::run(py, &mut entry, |mut ctx| ctx.gc(None))?;
        self.cell.shared.objects.after_gc();
        Ok(())
    }

    /// Let WebAssembly trap with `TrapCode.INTERRUPT` once the engine's epoch has advanced by `ticks_after_current`
    /// ticks from now.
    ///
    /// Takes effect when the engine was made with `Config.epoch_interruption`. Waits inside WASI end at the deadline
    /// too.
    fn set_epoch_deadline(&self, ticks_after_current: &Bound<'_, PyAny>) -> PyResult<()> {
        let ticks = numbers::unsigned(ticks_after_current, "ticks_after_current", u64::MAX)?;
        interrupt::set_epoch_deadline(&mut self.enter()?.ctx(), ticks)
            .map_err(|most| numbers::too_large("ticks_after_current", most))
    }

    /// Let asynchronous calls give the event loop a turn, instead of ending with a trap, when the epoch deadline is
    /// reached, and set the deadline `ticks` ticks further then.
    ///
    /// This is about the epoch that `Engine.increment_epoch` advances, with `Config.epoch_interruption`. There is no
    /// need for it to keep the event loop running: asynchronous calls give it a turn every 10 ms or so by themselves.
    /// Synchronous calls go on at the deadline.
    fn epoch_deadline_async_yield_and_update(&self, ticks: &Bound<'_, PyAny>) -> PyResult<()> {
        let ticks = numbers::unsigned(ticks, "ticks", u64::MAX)?;
        self.enter()?.ctx().data_mut().interrupts.yield_at_epoch_deadline(ticks);
        Ok(())
    }

    /// Let asynchronous calls give the event loop a turn whenever they have used `interval` units of fuel; `None`: no
    /// more.
    ///
    /// Raises `WasmtimeError` unless the engine was made with `Config.consume_fuel`, and `ValueError` for 0.
    fn fuel_async_yield_interval(&self, py: Python<'_>, interval: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let interval = interval.map(|interval| numbers::unsigned(interval, "interval", u64::MAX)).transpose()?;
        if interval == Some(0) {
            return Err(PyValueError::new_err("interval must be at least 1"));
        }
        let mut entry = self.enter()?;
        let mut ctx = entry.ctx();
        ctx.fuel_async_yield_interval(interval).or_raise(py)?;
        // The engine requires fibers from now on, whatever the interval is.
        ctx.data_mut().yields_fuel = true;
        Ok(())
    }

    /// Limit the time that calls of the store take together within a `with` block, in seconds.
    ///
    /// When the time is over a call that is under way ends with `DeadlineExceeded`, also while the guest sleeps or waits
    /// in WASI, and one that is inside a Python callback when the callback returns; further calls end at once. Of nested
    /// deadlines the earlier counts. Deadlines may be set and lifted on any thread, also while the store runs on
    /// another one. `inf` sets no limit.
    ///
    /// Needs `Config.interruptible`, which is on by default; without, only waits in WASI end. Raises `ValueError` for
    /// negative numbers and NaN.
    fn deadline(&self, seconds: &Bound<'_, PyAny>) -> PyResult<PyDeadline> {
        let limit = deadline::seconds(seconds, "seconds")?;
        self.links()?;
        Ok(PyDeadline::new(self.cell.shared.deadlines.clone(), limit))
    }

    /// Give the store its WASI configuration, in place of an earlier one.
    ///
    /// The configuration is copied: it can be used for other stores too. Raises `WasiFileError` if a preopened
    /// directory is gone.
    fn set_wasi(&self, py: Python<'_>, wasi: &Bound<'_, WasiConfig>) -> PyResult<()> {
        let built = wasi.get().build(py)?;
        let mut entry = self.enter()?;
        let previous = entry.ctx().data_mut().wasi.replace(Box::new(built.wasi));
        for owner in built.owners {
            self.cell.shared.objects.keep_new(owner.into_any());
        }
        drop(entry);
        if let Some(previous) = previous {
            previous.release();
        }
        Ok(())
    }

    /// Get the store ready for components that use wasi:http.
    ///
    /// Every store is: this is here for programs that call it. Which requests go out is up to `WasiConfig.http_hosts` and
    /// `WasiConfig.http_handler`.
    fn set_wasi_http(&self) -> PyResult<()> {
        self.enter().map(drop)
    }

    fn __repr__(&self) -> &'static str {
        match self.cell.enter() {
            Ok(_) => "<Store>",
            Err(Misuse::Closed(_)) => "<Store (closed)>",
            Err(Misuse::Uninitialised(_)) => "<Store (not initialised)>",
            Err(Misuse::Suspended) => "<Store (suspended)>",
            Err(_) => "<Store (running)>",
        }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.constructed.load(Ordering::Acquire) {
            return Ok(());
        }
        if let Some(links) = self.links.get() {
            visit.call(&links.engine)?;
        }
        self.cell.shared.objects.traverse(&visit)
    }

    /// Called by Python's collector for a store that is garbage: nobody can be inside it.
    fn __clear__(&self, py: Python<'_>) {
        self.cell.abandon();
        let _ = self.close_native(py);
    }
}

managed!(Store);
two_phase!(Store, "(engine=None, data=None)");
