//! `Func`: WebAssembly functions and host functions, callable from Python.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use wasmtime::{AsContextMut, RootScope, StoreContextMut, Val};

use crate::errors::signature_error;
use crate::gil;
use crate::host::HostOwner;
use crate::raw::{self, Space};
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};
use crate::types::FuncType;
use crate::values::{self, Signature};

/// A function in a store: exported by an instance, or made from a Python callable.
///
/// `Func(store, ty, func, access_caller=False)` makes a host function that calls `func` with Python values; with `access_caller` it gets a `Caller` as first argument. Call
/// a function with the store followed by its arguments: `f(store, 1, 2)`. No result gives `None`, one gives the value, several give a list.
///
/// Raises `Trap` when the WebAssembly code traps, `TypeError` and `OverflowError` for arguments that do not fit, and whatever a host function
/// raised.
#[pyclass(frozen, subclass, module = "ferrowasm")]
pub(crate) struct Func {
    pub(crate) store_id: u64,
    pub(crate) func: wasmtime::Func,
    pub(crate) signature: Arc<Signature>,
}

impl Func {
    /// A function of the store of `ctx`.
    pub(crate) fn new(ctx: &mut StoreContextMut<'_, Data>, func: wasmtime::Func) -> Func {
        let signature = Arc::new(Signature::of(&func.ty(&*ctx)));
        Func { store_id: ctx.data().shared.id, func, signature }
    }

    fn call_plain<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let mut space = Space::new(self.signature.slots());
        for (position, (kind, slot)) in self.signature.params.iter().zip(space.values_mut()).enumerate() {
            *slot = values::to_raw(kind, &*args.get_borrowed_item(position)?).map_err(|error| in_argument(py, position, error))?;
        }
        gil::run(py, entry, |ctx| raw::call(ctx, self, &mut space))?;
        let mut results = self.signature.results.iter().zip(space.values()).map(|(kind, raw)| values::from_raw(py, kind, raw));
        match (results.next(), results.len()) {
            (None, _) => Ok(py.None().into_bound(py)),
            (Some(result), 0) => Ok(result),
            (Some(first), _) => Ok(PyList::new(py, std::iter::once(first).chain(results).collect::<Vec<_>>())?.into_any()),
        }
    }

    fn call_any<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, args: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let room = entry.room();
        // Everything that the call roots in the GC heap is let go when it is over.
        let mut scope = RootScope::new(entry.ctx());
        let mut params = Vec::with_capacity(args.len());
        for (position, kind) in self.signature.params.iter().enumerate() {
            let value = values::to_val(&mut scope.as_context_mut(), kind, &*args.get_borrowed_item(position)?);
            params.push(value.map_err(|error| in_argument(py, position, error))?);
        }
        let mut results = vec![Val::I32(0); self.signature.results.len()];
        gil::execute(py, room, || self.func.call(&mut scope, &params, &mut results))?;
        let mut ctx = scope.as_context_mut();
        let mut converted = results.iter().map(|value| values::from_val(py, &mut ctx, value)).collect::<PyResult<Vec<_>>>()?;
        match converted.len() {
            0 => Ok(py.None().into_bound(py)),
            1 => Ok(converted.remove(0)),
            _ => Ok(PyList::new(py, converted)?.into_any()),
        }
    }
}

/// Says in a conversion error which argument it was about, as a note of the exception.
fn in_argument(py: Python<'_>, position: usize, error: PyErr) -> PyErr {
    let note = format!("in argument {} of the WebAssembly function", position + 1);
    let _ = error.value(py).call_method1("add_note", (note,));
    error
}

#[pymethods]
impl Func {
    #[new]
    #[pyo3(signature = (store, ty, func, access_caller=false))]
    fn py_new(store: &Bound<'_, PyAny>, ty: &Bound<'_, FuncType>, func: &Bound<'_, PyAny>, access_caller: bool) -> PyResult<Func> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        let ty = ty.get().to_engine(entry.ctx().engine())?;
        let owner = Bound::new(py, HostOwner::new(func, &ty, access_caller)?)?;
        entry.shared.objects.keep_new(owner.clone().into_any().unbind());
        let func = raw::new_func(entry.ctx(), ty, owner.get().func());
        Ok(Func::new(&mut entry.ctx(), func))
    }

    /// The type of the function.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<FuncType> {
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Func")?;
        Ok(FuncType::wrap(&self.func.ty(entry.ctx())))
    }

    /// Call the function in its store. See the class for arguments, results and errors.
    #[pyo3(signature = (store, *params))]
    fn __call__<'py>(&self, store: &Bound<'py, PyAny>, params: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Func")?;
        let (given, expected) = (params.len(), self.signature.params.len());
        if given != expected {
            let which = if given < expected { "few" } else { "many" };
            return Err(signature_error(py, &format!("too {which} parameters provided: given {given}, expected {expected}")));
        }
        if self.signature.is_plain { self.call_plain(py, &mut entry, params) } else { self.call_any(py, &mut entry, params) }
    }

    fn __repr__(&self) -> String {
        format!("<Func {}>", self.signature)
    }
}
