//! `Func`: WebAssembly functions and host functions, callable from Python.

mod asynchronous;
mod bound;
mod callee;
mod short;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use wasmtime::StoreContextMut;

use crate::asyncio::{Call, FuncCall};
use crate::errors::Misuse;
use crate::host::HostFunc;
use crate::host::owner::CallableOwner;
use crate::managed::{Managed, two_phase};
use crate::raw;
use crate::store::{Data, Store, StoreArg};
use crate::thread;
use crate::types::FuncType;
use crate::vectorcall::{self, Callable, ShortResult};
pub(crate) use bound::BoundFunc;
pub(crate) use callee::Callee;

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

    /// Bind the function to its store: the result is called with the arguments alone, and faster.
    ///
    /// `gil` ("auto", "release" or "hold") replaces `Config.gil` for its calls. Raises `WrongStoreError` if `store` is
    /// not the function's, `ValueError` for an unknown policy, and `WasmtimeError` for "hold" if the engine has shared
    /// memories.
    ///
    /// `timeout` is how many seconds each call may take, before it raises `DeadlineExceeded`: see `Store.deadline`.
    #[pyo3(signature = (store, *, gil=None, timeout=None))]
    fn bind(
        slf: &Bound<'_, Self>,
        store: &Bound<'_, PyAny>,
        gil: Option<&str>,
        timeout: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<BoundFunc> {
        BoundFunc::new(slf, store, gil, timeout)
    }

    /// Call the function in its store. See the class for arguments, results and errors.
    #[pyo3(signature = (store, *params))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        store: &Bound<'py, PyAny>,
        params: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        vectorcall::announce(slf);
        slf.get().callee()?.call(store, params.as_slice())
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

    #[inline]
    fn call_short<'py>(slf: &Bound<'py, Self>, args: &[Bound<'py, PyAny>]) -> Option<ShortResult<'py>> {
        // As in `BoundFunc`.
        let thread = thread::current(slf.py());
        let (store, rest) = args.split_first()?;
        let store = store.cast_exact::<Store>().ok()?;
        let callee = slf.get().callee().ok()?;
        let cell = &store.get().cell;
        if cell.shared.id != callee.store_id {
            return None;
        }
        callee.call_short::<Self>(slf.py(), thread, cell, None, rest)
    }

    fn call<'py>(slf: &Bound<'py, Self>, args: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        match args.split_first() {
            Some((store, rest)) => slf.get().callee()?.call(store, rest),
            None => Err(PyTypeError::new_err("Func.__call__() missing 1 required positional argument: 'store'")),
        }
    }
}

two_phase!(Func, "(store, ty, func, access_caller=False)");
