//! Instantiation of modules, whose start functions may call asynchronous host functions.

use std::cell::Cell;

use pyo3::exceptions::PyRuntimeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use wasmtime::{Extern, StoreContextMut};

use super::blocking;
use super::operation::{Held, Operation, Outcome, Work};
use crate::errors::Misuse;
use crate::instance::Instance;
use crate::instance_pre::InstancePre;
use crate::linker::Linker;
use crate::module::Module;
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};

/// A module with what its imports are.
pub(crate) enum Imports {
    Linker(wasmtime::Linker<Data>, wasmtime::Module),
    Pre(wasmtime::InstancePre<Data>),
    List(Vec<Extern>, wasmtime::Module),
}

impl Imports {
    fn instantiate(self, ctx: StoreContextMut<'_, Data>) -> Work<'_> {
        Box::pin(async move {
            let instance = match self {
                Imports::Linker(linker, module) => linker.instantiate_async(ctx, &module).await,
                Imports::Pre(pre) => pre.instantiate_async(ctx).await,
                Imports::List(imports, module) => wasmtime::Instance::new_async(ctx, &module, &imports).await,
            };
            instance.map(Outcome::Instance)
        })
    }
}

/// What an instantiation that is awaited was asked for.
pub(crate) enum Source {
    Linker(Py<Linker>, Py<Module>),
    Pre(Py<InstancePre>),
}

pub(crate) struct Instantiation {
    store: Py<PyAny>,
    source: Source,
}

impl Instantiation {
    pub(crate) fn new(store: &Bound<'_, PyAny>, source: Source) -> Instantiation {
        Instantiation { store: store.clone().unbind(), source }
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
        StoreArg::new(self.store.bind(py))?.enter()
    }

    fn begin<'c>(&self, py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        let imports = match &self.source {
            Source::Linker(linker, module) => linker.get().imports(&ctx, module.bind(py))?,
            Source::Pre(pre) => pre.get().imports(py, &ctx)?,
        };
        Ok(imports.instantiate(ctx))
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        Ok(Bound::new(py, Instance::wrap(entry.shared.id, outcome.into_instance()?))?.into_any())
    }
}

impl Held for Instantiation {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.store)?;
        match &self.source {
            Source::Linker(linker, module) => {
                visit.call(linker)?;
                visit.call(module)
            }
            Source::Pre(pre) => visit.call(pre),
        }
    }
}

impl Outcome {
    fn into_instance(self) -> PyResult<wasmtime::Instance> {
        match self {
            Outcome::Instance(instance) => Ok(instance),
            _ => Err(PyRuntimeError::new_err("an instantiation gave no instance; this is a bug in ferrowasm")),
        }
    }
}

/// Whether the engine demands that WebAssembly runs on a fiber, in a synchronous call too: in the middle of an
/// asynchronous call, and, for all but calls of functions, after the first one.
pub(crate) fn needs_fiber(entry: &mut Entry<'_>) -> bool {
    entry.is_suspended() || entry.ctx().data().requires_fiber(false)
}

/// A synchronous operation of which only the outcome matters.
struct Job<'a, 'py, F> {
    store: &'a Bound<'py, PyAny>,
    begin: Cell<Option<F>>,
    outcome: Cell<Option<Outcome>>,
}

impl<F: for<'c> FnOnce(StoreContextMut<'c, Data>) -> Work<'c>> Operation for Job<'_, '_, F> {
    fn name(&self) -> &'static str {
        "Instance"
    }

    fn enter<'a>(&'a self, _py: Python<'a>) -> PyResult<Entry<'a>> {
        StoreArg::new(self.store)?.enter()
    }

    fn begin<'c>(&self, _py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.begin.take().map(|begin| begin(ctx)).ok_or_else(|| Misuse::Suspended.into())
    }

    fn finish<'p>(&self, py: Python<'p>, _entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'p, PyAny>> {
        self.outcome.set(Some(outcome));
        Ok(py.None().into_bound(py))
    }
}

/// Instantiates a module on a fiber, and blocks the thread until its start function has returned. See
/// `blocking::complete`.
pub(crate) fn instantiate_blocking(store: &Bound<'_, PyAny>, imports: Imports) -> PyResult<wasmtime::Instance> {
    block(store, move |ctx| imports.instantiate(ctx))?.into_instance()
}

fn block(
    store: &Bound<'_, PyAny>,
    begin: impl for<'c> FnOnce(StoreContextMut<'c, Data>) -> Work<'c>,
) -> PyResult<Outcome> {
    let job = Job { store, begin: Cell::new(Some(begin)), outcome: Cell::new(None) };
    blocking::complete(store.py(), &job)?;
    job.outcome.take().ok_or_else(|| Misuse::Suspended.into())
}

/// `Linker::module` on a fiber: gives the linker with the definitions added.
pub(crate) fn define_module_blocking(
    store: &Bound<'_, PyAny>,
    mut linker: wasmtime::Linker<Data>,
    name: String,
    module: wasmtime::Module,
) -> PyResult<wasmtime::Linker<Data>> {
    let outcome = block(store, move |ctx| {
        Box::pin(async move {
            linker.module_async(ctx, &name, &module).await?;
            Ok(Outcome::Linker(Box::new(linker)))
        })
    })?;
    match outcome {
        Outcome::Linker(linker) => Ok(*linker),
        _ => Err(PyRuntimeError::new_err("a definition gave no linker; this is a bug in ferrowasm")),
    }
}
