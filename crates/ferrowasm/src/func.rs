//! `Func`: WebAssembly functions and host functions, callable from Python.

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use wasmtime::{AsContextMut, RootScope, StoreContextMut, Val};

use crate::asyncio::{Call, FuncCall, call_blocking};
use crate::errors::{Misuse, signature_error, with_thrown};
use crate::gil;
use crate::host::HostFunc;
use crate::host::owner::CallableOwner;
use crate::managed::{Managed, two_phase};
use crate::raw::{self, Space};
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};
use crate::types::FuncType;
use crate::values::{self, Kind, Signature};
use crate::vectorcall::{self, Args, Callable, Stack};

/// A function in a store: exported by an instance, or made from a Python callable.
///
/// `Func(store, ty, func, access_caller=False)` makes a host function that calls `func` with Python values; with
/// `access_caller` it gets a `Caller` as first argument. Call a function with the store followed by its arguments:
/// `f(store, 1, 2)`. No result gives `None`, one gives the value, several give a list.
///
/// Raises `Trap` when the WebAssembly code traps, `TypeError` and `OverflowError` for arguments that do not fit, and
/// whatever a host function raised.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Func {
    vectorcall: vectorcall::Pointer,
    callee: Managed<Callee>,
}

/// A function with what the binding knows about it.
pub(crate) struct Callee {
    pub(crate) store_id: u64,
    pub(crate) func: wasmtime::Func,
    pub(crate) signature: Signature,
}

impl Func {
    fn empty() -> Func {
        Func::with(Managed::empty("Func"))
    }

    fn with(callee: Managed<Callee>) -> Func {
        Func { vectorcall: vectorcall::Pointer::of::<Func>(), callee }
    }

    /// A function of the store of `ctx`.
    pub(crate) fn wrap(ctx: &mut StoreContextMut<'_, Data>, func: wasmtime::Func) -> Func {
        Func::with(Managed::new("Func", Callee::new(ctx, func)))
    }

    pub(crate) fn callee(&self) -> Result<&Callee, Misuse> {
        self.callee.get()
    }
}

impl Callee {
    pub(crate) fn new(ctx: &mut StoreContextMut<'_, Data>, func: wasmtime::Func) -> Callee {
        let signature = Signature::of(&func.ty(&*ctx));
        Callee { store_id: ctx.data().shared.id, func, signature }
    }

    /// Calls the function with `args` in the store that `store` stands for.
    fn call<'py>(&self, store: &Bound<'py, PyAny>, args: impl Args<'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Func")?;
        self.check_count(py, args.count())?;
        if entry.is_suspended() || entry.ctx().data().requires_fiber(self.signature.is_plain) {
            drop(entry);
            return call_blocking(self, store, &args);
        }
        if self.signature.is_plain {
            self.call_plain(py, &mut entry, args)
        } else {
            self.call_any(py, &mut entry, args)
        }
    }

    pub(crate) fn check_count(&self, py: Python<'_>, given: usize) -> PyResult<()> {
        let expected = self.signature.params.len();
        if given == expected {
            return Ok(());
        }
        let which = if given < expected { "few" } else { "many" };
        Err(signature_error(py, &format!("too {which} parameters provided: given {given}, expected {expected}")))
    }

    /// Converts the argument at `position`, which is of this kind.
    pub(crate) fn convert(
        &self,
        ctx: &mut StoreContextMut<'_, Data>,
        position: usize,
        kind: &Kind,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Val> {
        values::to_val(ctx, kind, value).map_err(|error| in_argument(value.py(), position, error))
    }

    fn call_plain<'py>(
        &self,
        py: Python<'py>,
        entry: &mut Entry<'_>,
        args: impl Args<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut space = Space::new(self.signature.slots());
        for (position, (kind, slot)) in self.signature.params.iter().zip(space.values_mut()).enumerate() {
            *slot = values::to_raw(kind, &*args.item(position)?).map_err(|error| in_argument(py, position, error))?;
        }
        gil::run(py, entry, |ctx| raw::call(ctx, self, &mut space))?;
        let mut results =
            self.signature.results.iter().zip(space.values()).map(|(kind, raw)| values::from_raw(py, kind, raw));
        match (results.next(), results.len()) {
            (None, _) => Ok(py.None().into_bound(py)),
            (Some(result), 0) => Ok(result),
            (Some(first), _) => {
                Ok(PyList::new(py, std::iter::once(first).chain(results).collect::<Vec<_>>())?.into_any())
            }
        }
    }

    fn call_any<'py>(
        &self,
        py: Python<'py>,
        entry: &mut Entry<'_>,
        args: impl Args<'py>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let room = entry.room();
        // Everything that the call roots in the GC heap is let go when it is over.
        let mut scope = RootScope::new(entry.ctx());
        let mut params = Vec::with_capacity(args.count());
        for (position, kind) in self.signature.params.iter().enumerate() {
            let value = values::to_val(&mut scope.as_context_mut(), kind, &*args.item(position)?);
            params.push(value.map_err(|error| in_argument(py, position, error))?);
        }
        let mut results = vec![Val::I32(0); self.signature.results.len()];
        gil::execute(py, room, || self.func.call(&mut scope, &params, &mut results))
            .map_err(|error| with_thrown(py, scope.as_context_mut(), error))?;
        let mut ctx = scope.as_context_mut();
        let mut converted =
            results.iter().map(|value| values::from_val(py, &mut ctx, value)).collect::<PyResult<Vec<_>>>()?;
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
    #[pyo3(signature = (store, ty, func, access_caller=false))]
    fn __init__(
        &self,
        store: &Bound<'_, PyAny>,
        ty: &Bound<'_, FuncType>,
        func: &Bound<'_, PyAny>,
        access_caller: bool,
    ) -> PyResult<()> {
        let mut entry = StoreArg::new(store)?.enter()?;
        let ty = ty.get().to_engine(entry.ctx().engine())?;
        let owner = CallableOwner::new(func)?;
        let host = HostFunc::new(owner.get().slot(), &ty, access_caller);
        entry.shared.objects.keep_new(owner.clone().into_any().unbind());
        let func = raw::new_func(entry.ctx(), ty, host);
        self.callee.initialise(Callee::new(&mut entry.ctx(), func))
    }

    /// The type of the function.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<FuncType> {
        let callee = self.callee()?;
        let mut entry = StoreArg::new(store)?.enter_own(callee.store_id, "Func")?;
        Ok(FuncType::wrap(&callee.func.ty(entry.ctx())))
    }

    /// Call the function in its store. See the class for arguments, results and errors.
    #[pyo3(signature = (store, *params))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        store: &Bound<'py, PyAny>,
        params: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        vectorcall::announce(slf);
        slf.get().callee()?.call(store, params.clone())
    }

    /// Call the function asynchronously: `await func.call_async(store, *params)`.
    ///
    /// Asynchronous host functions suspend the WebAssembly code while they wait, and other tasks run meanwhile. See the
    /// class for arguments, results and errors. Raises `StoreBusyError` when another call of the store is under way.
    ///
    /// With `in_thread` the WebAssembly code runs on another thread, so that it can use another processor; host
    /// functions are still called on the thread of the event loop, which a long computation does not hold up then.
    #[pyo3(signature = (store, *params, in_thread=false))]
    fn call_async(
        slf: &Bound<'_, Self>,
        store: &Bound<'_, PyAny>,
        params: &Bound<'_, PyTuple>,
        in_thread: bool,
    ) -> PyResult<Call> {
        slf.get().callee()?;
        StoreArg::new(store)?;
        Ok(Call::new(FuncCall::new(slf, store, params, in_thread)))
    }

    fn __repr__(&self) -> String {
        match self.callee() {
            Ok(callee) => format!("<Func {}>", callee.signature),
            Err(_) => "<Func (not initialised)>".to_owned(),
        }
    }
}

impl Callable for Func {
    const OFFSET: usize = std::mem::offset_of!(Func, vectorcall);

    fn call<'py>(slf: &Bound<'py, Self>, args: Stack<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        match args.split_first() {
            Some((store, rest)) => slf.get().callee()?.call(&store, rest),
            None => Err(PyTypeError::new_err("Func.__call__() missing 1 required positional argument: 'store'")),
        }
    }
}

two_phase!(Func, "(store, ty, func, access_caller=False)");
