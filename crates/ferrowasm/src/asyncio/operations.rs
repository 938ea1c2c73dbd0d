//! Calls of functions, of modules and of components, that are awaited or have to run on a fiber all the same.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::pyclass::boolean_struct::True;
use pyo3::types::PyTuple;
use pyo3::{PyClass, Python};
use wasmtime::StoreContextMut;

use super::blocking;
use super::operation::{Held, Operation, Outcome, Work};
use crate::errors::{to_python, with_thrown};
use crate::store::Data;
use crate::store::cell::Entry;

/// A function of either kind, as its asynchronous calls see it.
pub(crate) trait Invocable {
    /// Enters the function's store, for which `store` stands, for a call with so many arguments.
    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>, given: usize) -> PyResult<Entry<'a>>;

    /// Converts the arguments of a call and makes its future.
    fn begin<'c>(
        &self,
        py: Python<'_>,
        ctx: StoreContextMut<'c, Data>,
        args: &[Bound<'_, PyAny>],
    ) -> PyResult<Work<'c>>;

    /// Converts the results of a call.
    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>>;

    /// Converts the error of a call.
    fn fail(&self, py: Python<'_>, entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        with_thrown(py, entry.ctx(), to_python(py, error))
    }
}

/// The class of the Python objects that stand for functions of a kind.
pub(crate) trait FuncClass: PyClass<Frozen = True> + Sync {
    type Invocable: Invocable;

    fn invocable(&self) -> PyResult<&Self::Invocable>;
}

/// A call that is awaited.
pub(crate) struct FuncCall<F> {
    func: Py<F>,
    store: Py<PyAny>,
    args: Py<PyTuple>,
    in_thread: bool,
}

impl<F> FuncCall<F> {
    pub(crate) fn new(
        func: &Bound<'_, F>,
        store: &Bound<'_, PyAny>,
        args: &Bound<'_, PyTuple>,
        in_thread: bool,
    ) -> FuncCall<F> {
        FuncCall { func: func.clone().unbind(), store: store.clone().unbind(), args: args.clone().unbind(), in_thread }
    }
}

impl<F: FuncClass> Operation for FuncCall<F> {
    fn name(&self) -> &'static str {
        "Func.call_async"
    }

    fn in_thread(&self) -> bool {
        self.in_thread
    }

    fn enter<'a>(&'a self, py: Python<'a>) -> PyResult<Entry<'a>> {
        self.func.get().invocable()?.enter(self.store.bind(py), self.args.bind(py).len())
    }

    fn begin<'c>(&self, py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.func.get().invocable()?.begin(py, ctx, self.args.bind(py).as_slice())
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        self.func.get().invocable()?.finish(py, entry, outcome)
    }

    fn fail(&self, py: Python<'_>, entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        self.func.get().invocable().map_or_else(|misuse| misuse, |func| func.fail(py, entry, error))
    }
}

impl<F: FuncClass> Held for FuncCall<F> {
    fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.func)?;
        visit.call(&self.store)?;
        visit.call(&self.args)
    }
}

/// A synchronous call, with what it borrows from its caller.
struct Blocking<'a, 'py, F> {
    func: &'a F,
    store: &'a Bound<'py, PyAny>,
    args: &'a [Bound<'py, PyAny>],
}

impl<F: Invocable> Operation for Blocking<'_, '_, F> {
    fn name(&self) -> &'static str {
        "Func.__call__"
    }

    fn enter<'a>(&'a self, _py: Python<'a>) -> PyResult<Entry<'a>> {
        self.func.enter(self.store, self.args.len())
    }

    fn begin<'c>(&self, py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        self.func.begin(py, ctx, self.args)
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        self.func.finish(py, entry, outcome)
    }

    fn fail(&self, py: Python<'_>, entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        self.func.fail(py, entry, error)
    }
}

/// Calls a function on a fiber, and blocks the thread until it has returned. See `blocking::complete`.
#[cold]
pub(crate) fn call_blocking<'py>(
    func: &impl Invocable,
    store: &Bound<'py, PyAny>,
    args: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    blocking::complete(store.py(), &Blocking { func, store, args })
}
