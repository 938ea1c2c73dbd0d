//! The operations of components that can be awaited, other than calls: instantiation, dropping resources.

use std::cell::Cell;
use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use wasmtime::StoreContextMut;

use super::compiled::Component;
use super::instance::Instance;
use super::instance_pre::InstancePre;
use super::linker::Linker;
use super::resource::ResourceAny;
use crate::asyncio::{self, Held, Operation, Outcome, Work};
use crate::errors::{Misuse, component_error};
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};

pub(super) fn wrong_outcome() -> PyErr {
    PyRuntimeError::new_err("an operation of a component had a wrong outcome; this is a bug in ferrowasm")
}

/// What an instantiation was asked for.
pub(super) enum Source {
    Linker(Py<Linker>, Py<Component>),
    Pre(Py<InstancePre>),
}

/// An instantiation.
pub(super) struct Instantiation {
    store: Py<PyAny>,
    source: Source,
    /// With the imports resolved.
    resolved: OnceLock<Py<InstancePre>>,
}

impl Instantiation {
    pub(super) fn new(store: &Bound<'_, PyAny>, source: Source) -> Instantiation {
        Instantiation { store: store.clone().unbind(), source, resolved: OnceLock::new() }
    }

    fn resolved(&self, py: Python<'_>) -> PyResult<&InstancePre> {
        let pre = match (&self.source, self.resolved.get()) {
            (Source::Pre(pre), _) | (_, Some(pre)) => pre,
            (Source::Linker(linker, component), None) => {
                let pre = Py::new(py, linker.get().instantiate_pre(py, component.bind(py))?)?;
                self.resolved.get_or_init(|| pre)
            }
        };
        Ok(pre.get())
    }
}

impl Operation for Instantiation {
    fn name(&self) -> &'static str {
        match self.source {
            Source::Linker(..) => "Linker.instantiate_async",
            Source::Pre(_) => "InstancePre.instantiate_async",
        }
    }

    fn enter<'a>(&'a self, py: Python<'a>) -> PyResult<Entry<'a>> {
        self.resolved(py)?.enter(self.store.bind(py))
    }

    fn begin<'c>(&self, py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.resolved(py)?.begin(ctx)
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        match outcome {
            Outcome::ComponentInstance(instance) => {
                let instance = Instance::new(entry.shared.id, instance, self.resolved(py)?.engine_component()?);
                Ok(Bound::new(py, instance)?.into_any())
            }
            _ => Err(wrong_outcome()),
        }
    }

    fn fail(&self, py: Python<'_>, _entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        component_error(py, error)
    }
}

impl Held for Instantiation {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.store)?;
        visit.call(self.resolved.get())?;
        match &self.source {
            Source::Linker(linker, component) => {
                visit.call(linker)?;
                visit.call(component)
            }
            Source::Pre(pre) => visit.call(pre),
        }
    }
}

/// The end of a resource.
pub(super) struct Drop {
    resource: Py<ResourceAny>,
    store: Py<PyAny>,
    /// What has lived as long as the resource. It goes with the operation, after the store was left: its finaliser may
    /// use that.
    kept: Mutex<Option<Py<PyAny>>>,
}

impl Drop {
    pub(super) fn new(resource: &Bound<'_, ResourceAny>, store: &Bound<'_, PyAny>) -> Drop {
        Drop { resource: resource.clone().unbind(), store: store.clone().unbind(), kept: Mutex::new(None) }
    }
}

impl Operation for Drop {
    fn name(&self) -> &'static str {
        "ResourceAny.drop_async"
    }

    fn enter<'a>(&'a self, py: Python<'a>) -> PyResult<Entry<'a>> {
        self.resource.get().enter(self.store.bind(py))
    }

    fn begin<'c>(&self, py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.resource.get().begin_drop(py, ctx)
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, _outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        *self.kept.lock().unwrap_or_else(PoisonError::into_inner) = self.resource.get().take_kept(entry.shared);
        Ok(py.None().into_bound(py))
    }

    fn fail(&self, py: Python<'_>, _entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        component_error(py, error)
    }
}

impl Held for Drop {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.resource)?;
        visit.call(&self.store)
    }
}

/// A synchronous operation of which only the outcome matters.
struct Job<'a, 'py, F> {
    store: &'a Bound<'py, PyAny>,
    begin: Cell<Option<F>>,
    outcome: Cell<Option<Outcome>>,
}

impl<F: for<'c> FnOnce(StoreContextMut<'c, Data>) -> PyResult<Work<'c>>> Operation for Job<'_, '_, F> {
    fn name(&self) -> &'static str {
        "Instance"
    }

    fn enter<'a>(&'a self, _py: Python<'a>) -> PyResult<Entry<'a>> {
        StoreArg::new(self.store)?.enter()
    }

    fn begin<'c>(&self, _py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.begin.take().ok_or(Misuse::Suspended)?(ctx)
    }

    fn finish<'p>(&self, py: Python<'p>, _entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'p, PyAny>> {
        self.outcome.set(Some(outcome));
        Ok(py.None().into_bound(py))
    }

    fn fail(&self, py: Python<'_>, _entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        component_error(py, error)
    }
}

/// Has the engine do something on a fiber, and blocks the thread until it is done.
pub(super) fn block(
    store: &Bound<'_, PyAny>,
    begin: impl for<'c> FnOnce(StoreContextMut<'c, Data>) -> PyResult<Work<'c>>,
) -> PyResult<Outcome> {
    let job = Job { store, begin: Cell::new(Some(begin)), outcome: Cell::new(None) };
    asyncio::complete(store.py(), &job)?;
    job.outcome.take().ok_or_else(wrong_outcome)
}

/// Instantiates on a fiber, and blocks the thread until that is done.
pub(super) fn instantiate_blocking(
    store: &Bound<'_, PyAny>,
    pre: &InstancePre,
) -> PyResult<wasmtime::component::Instance> {
    match block(store, |ctx| pre.begin(ctx))? {
        Outcome::ComponentInstance(instance) => Ok(instance),
        _ => Err(wrong_outcome()),
    }
}
