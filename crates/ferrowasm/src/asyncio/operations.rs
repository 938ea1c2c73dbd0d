//! The operations of the core API: calls of functions, and instantiation.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use wasmtime::{AsContextMut, RootScope, StoreContextMut, Val};

use super::blocking;
use super::operation::{Held, Operation, Outcome, Work};
use super::owned::OwnedVal;
use crate::errors::OrRaise;
use crate::func::{Callee, Func};
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};
use crate::values;

/// A call of a function.
pub(crate) struct FuncCall {
    func: Py<Func>,
    store: Py<PyAny>,
    args: Py<PyTuple>,
    in_thread: bool,
}

impl FuncCall {
    pub(crate) fn new(
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
        let callee = self.func.get().callee()?;
        let entry = StoreArg::new(self.store.bind(py))?.enter_own(callee.store_id, "Func")?;
        callee.check_count(py, self.args.bind(py).len())?;
        Ok(entry)
    }

    fn begin<'c>(&self, py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        begin(self.func.get().callee()?, ctx, self.args.bind(py).as_slice())
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        finish(py, entry, outcome)
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
    callee: &'a Callee,
    store: &'a Bound<'py, PyAny>,
    args: &'a [Bound<'py, PyAny>],
}

impl Operation for Blocking<'_, '_> {
    fn name(&self) -> &'static str {
        "Func.__call__"
    }

    fn enter<'a>(&'a self, _py: Python<'a>) -> PyResult<Entry<'a>> {
        StoreArg::new(self.store)?.enter_own(self.callee.store_id, "Func")
    }

    fn begin<'c>(&self, _py: Python<'_>, ctx: StoreContextMut<'c, Data>) -> PyResult<Work<'c>> {
        begin(self.callee, ctx, self.args)
    }

    fn finish<'p>(&self, py: Python<'p>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'p, PyAny>> {
        finish(py, entry, outcome)
    }
}

/// Calls a function on a fiber, and blocks the thread until it has returned. See `blocking::complete`.
pub(crate) fn call_blocking<'py>(
    callee: &Callee,
    store: &Bound<'py, PyAny>,
    args: &[Bound<'py, PyAny>],
) -> PyResult<Bound<'py, PyAny>> {
    blocking::complete(store.py(), &Blocking { callee, store, args })
}

/// Converts the arguments of a call and makes its future.
fn begin<'c, 'py>(
    callee: &Callee,
    mut ctx: StoreContextMut<'c, Data>,
    args: &[Bound<'py, PyAny>],
) -> PyResult<Work<'c>> {
    let func = callee.func;
    let count = callee.signature.results.len();
    if callee.signature.is_plain {
        let mut params = Vec::with_capacity(args.len());
        for (position, (kind, given)) in callee.signature.params.iter().zip(args).enumerate() {
            params.push(callee.convert(&mut ctx, position, kind, given)?);
        }
        return Ok(Box::pin(async move {
            let mut results = vec![Val::I32(0); count];
            func.call_async(&mut ctx, &params, &mut results).await?;
            Ok(Outcome::Values(results.into_iter().map(OwnedVal::Plain).collect()))
        }));
    }
    let mut params = Vec::with_capacity(args.len());
    {
        let mut scope = RootScope::new(&mut ctx);
        for (position, (kind, given)) in callee.signature.params.iter().zip(args).enumerate() {
            let mut ctx = scope.as_context_mut();
            let value = callee.convert(&mut ctx, position, kind, given)?;
            params.push(OwnedVal::new(&mut ctx, &value).or_raise(given.py())?);
        }
    }
    Ok(Box::pin(async move {
        let mut scope = RootScope::new(ctx);
        let params: Vec<Val> = params.iter().map(|value| value.get(&mut scope)).collect();
        let mut results = vec![Val::I32(0); count];
        func.call_async(&mut scope, &params, &mut results).await?;
        let mut ctx = scope.as_context_mut();
        let results: wasmtime::Result<_> = results.iter().map(|value| OwnedVal::new(&mut ctx, value)).collect();
        Ok(Outcome::Values(results?))
    }))
}

/// Converts the results of a call.
fn finish<'py>(py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
    let Outcome::Values(results) = outcome else { return Ok(py.None().into_bound(py)) };
    let mut scope = RootScope::new(entry.ctx());
    let mut converted = Vec::with_capacity(results.len());
    for result in &results {
        let value = result.get(&mut scope);
        converted.push(values::from_val(py, &mut scope.as_context_mut(), &value)?);
    }
    match converted.len() {
        0 => Ok(py.None().into_bound(py)),
        1 => Ok(converted.remove(0)),
        _ => Ok(PyList::new(py, converted)?.into_any()),
    }
}
