//! `Linker`: definitions by name, for the imports of components.

use std::sync::OnceLock;

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyTuple};
use wasmtime::component::LinkerInstance as EngineInstance;

use super::compiled::Component;
use super::instance::Instance;
use super::instance_pre::InstancePre;
use super::linker_instance::LinkerInstance;
use super::operations::{Instantiation, Source};
use super::wasi;
use crate::asyncio::Call;
use crate::engine::Engine;
use crate::errors::{self, Misuse, OrRaise};
use crate::guarded::Guarded;
use crate::host::owner::CallableOwner;
use crate::managed::{Managed, managed, two_phase};
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};

/// What is behind a `Linker`.
pub(crate) struct State {
    linker: wasmtime::component::Linker<Data>,
    allow_shadowing: bool,
    /// The callables of all definitions, those that were shadowed included.
    owners: Vec<Py<CallableOwner>>,
    /// The same as a tuple, made when a store first has to keep them alive.
    hosts: Option<Py<PyTuple>>,
}

impl State {
    fn hosts<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        if let Some(hosts) = &self.hosts {
            return Ok(hosts.bind(py).clone());
        }
        let hosts = PyTuple::new(py, &self.owners)?;
        self.hosts = Some(hosts.clone().unbind());
        Ok(hosts)
    }
}

/// A set of definitions by name that satisfies the imports of components. It belongs to no store: one linker serves any
/// number of stores of its engine.
///
/// Define things through `root()`.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm.component")]
pub(crate) struct Linker {
    engine: OnceLock<Py<Engine>>,
    state: Managed<Guarded<Option<State>>>,
}

impl Linker {
    fn empty() -> Linker {
        Linker { engine: OnceLock::new(), state: Managed::empty("Linker") }
    }

    /// Locks the state while `work` runs.
    fn with<R>(&self, work: impl FnOnce(&mut State) -> PyResult<R>) -> PyResult<R> {
        let state = self.state.get()?;
        let held = Python::attach(|py| state.lock(py).ok_or_else(|| errors::busy_linker(py)));
        work(held?.value.as_mut().ok_or(Misuse::Closed("Linker"))?)
    }

    /// Adds a definition to the instance at `path`, which is made if it does not exist. `owner` keeps its callable
    /// alive.
    pub(super) fn define(
        &self,
        py: Python<'_>,
        path: &[String],
        owner: Option<Py<CallableOwner>>,
        add: impl FnOnce(&mut EngineInstance<'_, Data>) -> wasmtime::Result<()>,
    ) -> PyResult<()> {
        self.with(|state| {
            let mut instance = state.linker.root();
            for name in path {
                instance = instance.into_instance(name).or_raise(py)?;
            }
            add(&mut instance).or_raise(py)?;
            state.owners.extend(owner);
            state.hosts = None;
            Ok(())
        })
    }

    /// Enters a store of the linker's engine.
    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>) -> PyResult<Entry<'a>> {
        let mut entry = StoreArg::new(store)?.enter()?;
        let same = self.with(|state| Ok(wasmtime::Engine::same(state.linker.engine(), entry.ctx().engine())))?;
        if same { Ok(entry) } else { Err(Misuse::WrongEngine("Store").into()) }
    }

    /// The engine's component, if it belongs to the linker's engine.
    fn component<'a>(&self, component: &'a Bound<'_, Component>) -> PyResult<&'a wasmtime::component::Component> {
        self.with(|state| Ok(component.get().get_for(state.linker.engine())?))
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.state.close();
        self.clear();
        Ok(())
    }

    /// Drops all definitions.
    fn clear(&self) {
        let held = Python::attach(|py| self.state.peek().and_then(|state| state.lock(py)));
        let state = held.and_then(|mut held| held.value.take());
        drop(state);
    }
}

#[pymethods]
impl Linker {
    fn __init__(&self, engine: &Bound<'_, Engine>) -> PyResult<()> {
        let linker = wasmtime::component::Linker::new(engine.get().get()?);
        let state = State { linker, allow_shadowing: false, owners: Vec::new(), hosts: None };
        self.state.initialise(Guarded::new(Some(state)))?;
        let _ = self.engine.set(engine.clone().unbind());
        Ok(())
    }

    /// The engine that the linker was made with.
    #[getter]
    pub(super) fn engine(&self, py: Python<'_>) -> PyResult<Py<Engine>> {
        let engine = self.engine.get().ok_or(Misuse::Uninitialised("Linker"))?;
        Ok(engine.clone_ref(py))
    }

    /// Whether a definition may replace an earlier one of the same name; `False` at first.
    #[getter]
    fn allow_shadowing(&self) -> PyResult<bool> {
        self.with(|state| Ok(state.allow_shadowing))
    }

    #[setter]
    fn set_allow_shadowing(&self, allow: &Bound<'_, PyAny>) -> PyResult<()> {
        let allow = allow.cast::<PyBool>().map_err(|_| PyTypeError::new_err("expected a bool"))?.is_true();
        self.with(|state| {
            state.linker.allow_shadowing(allow);
            state.allow_shadowing = allow;
            Ok(())
        })
    }

    /// The outermost instance, in which imports are looked up. Use it in a `with` block.
    fn root(slf: &Bound<'_, Self>) -> PyResult<LinkerInstance> {
        slf.get().with(|_| Ok(()))?;
        Ok(LinkerInstance::new(slf.clone().unbind(), Vec::new()))
    }

    /// Define the interfaces of WASI 0.2. What a component finds there is up to `Store.set_wasi`; without, it finds
    /// nothing.
    fn add_wasip2(&self, py: Python<'_>) -> PyResult<()> {
        self.with(|state| wasi::add_p2(&mut state.linker, state.allow_shadowing).or_raise(py))
    }

    /// Define the interfaces of wasi:http 0.2, `types` and `outgoing-handler`, which go on top of `add_wasip2`.
    fn add_wasi_http(&self, py: Python<'_>) -> PyResult<()> {
        self.with(|state| wasi::add_http(&mut state.linker, state.allow_shadowing).or_raise(py))
    }

    /// Define the imports of `component` that are not defined as functions that trap when they are called.
    fn define_unknown_imports_as_traps(&self, py: Python<'_>, component: &Bound<'_, Component>) -> PyResult<()> {
        let component = self.component(component)?;
        self.with(|state| state.linker.define_unknown_imports_as_traps(component).or_raise(py))
    }

    /// Instantiate a component with the definitions of this linker.
    ///
    /// Raises `WasmtimeError` for an import that is not defined or has another type, and `Trap` if code that runs
    /// meanwhile traps.
    fn instantiate(&self, store: &Bound<'_, PyAny>, component: &Bound<'_, Component>) -> PyResult<Instance> {
        self.component(component)?;
        self.enter(store)?;
        self.instantiate_pre(store.py(), component)?.instantiate(store)
    }

    /// Instantiate a component asynchronously: `await linker.instantiate_async(store, component)`.
    ///
    /// Only code that runs meanwhile, such as start functions of core modules, ever has to wait. See `instantiate` for
    /// errors.
    fn instantiate_async(
        slf: &Bound<'_, Self>,
        store: &Bound<'_, PyAny>,
        component: &Bound<'_, Component>,
    ) -> PyResult<Call> {
        slf.get().state.get()?;
        StoreArg::new(store)?;
        let source = Source::Linker(slf.clone().unbind(), component.clone().unbind());
        Ok(Call::new(Instantiation::new(store, source)))
    }

    /// Resolve the imports of a component once, for many instances. Raises `WasmtimeError` for an import that is not
    /// defined or has another type.
    pub(super) fn instantiate_pre(&self, py: Python<'_>, component: &Bound<'_, Component>) -> PyResult<InstancePre> {
        let engine = self.component(component)?;
        self.with(|state| {
            let pre = state.linker.instantiate_pre(engine).or_raise(py)?;
            Ok(InstancePre::new(pre, component.clone().unbind(), state.hosts(py)?.unbind()))
        })
    }

    fn __repr__(&self) -> &'static str {
        if self.state.get().is_ok() { "<component Linker>" } else { "<component Linker (closed)>" }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Nothing is read before the object is constructed: see `Managed::peek`.
        let Some(state) = self.state.peek() else { return Ok(()) };
        visit.call(self.engine.get())?;
        // A linker that is in use keeps what it has until the next collection.
        let Some(guard) = state.peek() else { return Ok(()) };
        let Some(state) = guard.as_ref() else { return Ok(()) };
        visit.call(&state.hosts)?;
        state.owners.iter().try_for_each(|owner| visit.call(owner))
    }

    fn __clear__(&self) {
        self.clear();
    }
}

managed!(Linker);
two_phase!(Linker, "(engine)");
