//! What can be awaited: calls and instantiations, in the form in which the driver runs them.

use std::future::Future;
use std::pin::Pin;

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use wasmtime::StoreContextMut;

use super::owned::OwnedVal;
use crate::component::{Carried, Returned};
use crate::errors::{to_python, with_thrown};
use crate::store::Data;
use crate::store::cell::Entry;

/// A future of the engine.
pub(crate) type Work<'c> = Pin<Box<dyn Future<Output = wasmtime::Result<Outcome>> + Send + 'c>>;

/// What a future of the engine results in.
pub(crate) enum Outcome {
    Values(Vec<OwnedVal>),
    Instance(wasmtime::Instance),
    ComponentInstance(wasmtime::component::Instance),
    /// What a function of a component has returned.
    Lifted(Carried<Returned>),
    Nothing,
    /// A linker to which a module was added.
    Linker(Box<wasmtime::Linker<Data>>),
}

/// Something that the engine does asynchronously, with what Python gives to it and gets from it.
pub(crate) trait Operation {
    /// The method that was called, as Python names it.
    fn name(&self) -> &'static str;

    /// Whether WebAssembly runs on a thread of its own, and only Python code on that of the event loop.
    fn in_thread(&self) -> bool {
        false
    }

    /// Enters the store.
    fn enter<'a>(&'a self, py: Python<'a>) -> PyResult<Entry<'a>>;

    /// Begins the work, for which nothing of the engine runs before the future is polled.
    fn begin<'c>(&self, py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>>;

    /// Converts what the future has resulted in.
    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>>;

    /// Converts an error of the future.
    fn fail(&self, py: Python<'_>, entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        with_thrown(py, entry.ctx(), to_python(py, error))
    }
}

/// An operation that a Python object holds until it is awaited.
pub(crate) trait Held: Operation + Send + Sync {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError>;
}
