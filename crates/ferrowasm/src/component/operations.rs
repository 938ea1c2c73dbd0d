//! The operations of components that can be awaited: calls of functions, instantiation, dropping resources.

use std::cell::Cell;
use std::sync::{Mutex, OnceLock, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use wasmtime::StoreContextMut;

use super::compiled::Component;
use super::func::Func;
use super::instance::Instance;
use super::instance_pre::InstancePre;
use super::linker::Linker;
use super::resource::ResourceAny;
use crate::asyncio::{self, Held, Operation, Outcome, Work};
use crate::errors::{Misuse, component_error};
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};

/// A call of a function.
pub(super) struct FuncCall {
    func: Py<Func>,
    store: Py<PyAny>,
    args: Py<PyTuple>,
    in_thread: bool,
}

impl FuncCall {
    pub(super) fn new(
        func: &Bound<'_, Func>,
        store: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        in_thread: bool,
    ) -> FuncCall {
        FuncCall { func: func.clone().unbind(), store: store.clone().unbind(), args: args.clone().unbind(), in_thread }
    }
}

impl Operation for FuncCall {
    fn name(&self) -> &'static str {
        "Func.call_async"
    }

    fn in_thread(&self) -> bool {
        self.in_thread
    }

    fn enter<'a>(&'a self, py: Python<'a>) -> PyResult<Entry<'a>> {
        self.func.get().enter(self.store.bind(py), self.args.bind(py).len())
    }

    fn begin<'c>(&self, py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.func.get().begin(py, ctx, self.args.bind(py).as_slice())
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        finish_call(py, entry, outcome)
    }

    fn fail(&self, py: Python<'_>, _entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        component_error(py, error)
    }
}

impl Held for FuncCall {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.func)?;
        visit.call(&self.store)?;
        visit.call(&self.args)
    }
}

/// A synchronous call of a function, with what it borrows from its caller.
struct Blocking<'a, 'py> {
    func: &'a Func,
    store: &'a Bound<'py, PyAny>,
    args: &'a [Bound<'py, PyAny>],
}

impl Operation for Blocking<'_, '_> {
    fn name(&self) -> &'static str {
        "Func.__call__"
    }

    fn enter<'a>(&'a self, _py: Python<'a>) -> PyResult<Entry<'a>> {
        self.func.enter(self.store, self.args.len())
    }

    fn begin<'c>(&self, _py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.func.begin(self.store.py(), ctx, self.args)
    }

    fn finish<'p>(&self, py: Python<'p>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'p, PyAny>> {
        finish_call(py, entry, outcome)
    }

    fn fail(&self, py: Python<'_>, _entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        component_error(py, error)
    }
}

/// Calls a function on a fiber, and blocks the thread until it has returned.
pub(super) fn call_blocking<'py>(
    func: &Func,
    store: &Bound<'py, PyAny>,
    args: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    asyncio::complete(store.py(), &Blocking { func, store, args })
}

fn finish_call<'py>(py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
    match outcome {
        Outcome::Lifted(returned) => Ok(returned.into_inner().into_python(py, entry.ctx().data())),
        _ => Err(wrong_outcome()),
    }
}

fn wrong_outcome() -> PyErr {
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
