//! `Func`: a function that an instance of a component exports.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use wasmtime::StoreContextMut;
use wasmtime::component::Component;

use super::abi::{self, Form, Image, Lowering, Probed};
use super::{operations, resource, types};
use crate::asyncio::{self, Call, FuncCall, FuncClass, Invocable, Outcome, Work, call_blocking};
use crate::errors::{OrRaise, component_error, wasmtime_error};
use crate::gil::Pace;
use crate::store::cell::{Entry, Shared};
use crate::store::{Data, StoreArg};
use crate::vectorcall::{self, Callable};

/// A function of a component's instance. Call it with the store followed by its arguments: `f(store, 1, "two")`. A
/// function without result gives `None`.
///
/// See the documentation for how values of each type look in Python. Raises `TypeError`, `OverflowError` or
/// `ValueError` for an argument that does not fit, naming the parameter and the place in it, `Trap` when the component
/// traps, and whatever a host function raised.
#[pyclass(frozen, weakref, module = "ferrowasm.component")]
pub(crate) struct Func {
    vectorcall: vectorcall::Pointer,
    store_id: u64,
    func: wasmtime::component::Func,
    plan: Arc<Plan>,
    form: Form,
}

/// What is worked out once for a function.
struct Plan {
    probed: Probed,
    names: Vec<String>,
    /// Whether it is an `async func` in WIT.
    is_async: bool,
    /// How long calls take, of a component that imports nothing of WASI.
    pace: Option<Pace>,
}

impl Func {
    /// A function of the store of `entry`, which an instance of `component` exports.
    pub(crate) fn new(
        py: Python<'_>,
        entry: &mut Entry<'_>,
        component: &Component,
        func: wasmtime::component::Func,
    ) -> PyResult<Func> {
        let probed = abi::probe(entry.ctx(), func).or_raise(py)?;
        let ty = func.ty(entry.ctx());
        let (names, is_async) = (ty.params().map(|(name, _)| name.to_owned()).collect(), ty.async_());
        let pace = (!imports_wasi(component)).then(Pace::default);
        Ok(Func::with_plan(entry.shared.id, func, Arc::new(Plan { probed, names, is_async, pace }), Form::default()))
    }

    fn with_plan(store_id: u64, func: wasmtime::component::Func, plan: Arc<Plan>, form: Form) -> Func {
        Func { vectorcall: vectorcall::Pointer::of::<Func>(), store_id, func, plan, form }
    }

    fn call<'py>(&self, store: &Bound<'py, PyAny>, args: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let mut entry = self.enter(store, args.len())?;
        if asyncio::needs_fiber(&mut entry) {
            drop(entry);
            return call_blocking(self, store, args);
        }
        resource::drop_abandoned(py, &mut entry)?;
        let Plan { probed, pace, .. } = &*self.plan;
        // Filled where it is: it is large.
        let mut image = Image::default();
        self.lower(py, entry.shared, args, &mut image)?;
        let call = probed.call(&image, self.form);
        super::call(py, &mut entry, pace.as_ref(), |ctx| call.make(ctx))?;
        let returned = call.take_returned().or_raise(py)?.into_inner();
        Ok(returned.into_python(py, entry.ctx().data()))
    }

    /// Converts the arguments of a call.
    fn lower<'py>(
        &self,
        py: Python<'py>,
        shared: &Shared,
        args: &[Bound<'py, PyAny>],
        image: &mut Image,
    ) -> PyResult<()> {
        let Plan { probed, names, .. } = &*self.plan;
        let resource_type = |index| probed.resources.iter().find(|(known, _)| *known == index).map(|(_, ty)| *ty);
        Lowering::new(py, shared, &resource_type, image).params(&probed.params, names, args)
    }
}

impl Invocable for Func {
    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>, given: usize) -> PyResult<Entry<'a>> {
        let entry = StoreArg::new(store)?.enter_own(self.store_id, "Func")?;
        let expected = self.plan.names.len();
        if given == expected {
            return Ok(entry);
        }
        Err(PyTypeError::new_err(format!("wrong number of parameters provided: given {given}, expected {expected}")))
    }

    fn begin<'c>(
        &self,
        py: Python<'_>,
        mut ctx: StoreContextMut<'c, Data>,
        args: &[Bound<'_, PyAny>],
    ) -> PyResult<Work<'c>> {
        if self.plan.is_async {
            return Err(wasmtime_error(py, "functions that are async in WIT cannot be called asynchronously yet"));
        }
        let shared = ctx.data().shared.clone();
        let mut image = Image::default();
        self.lower(py, &shared, args, &mut image)?;
        let abandoned = resource::take_abandoned(ctx.data());
        let (plan, form) = (self.plan.clone(), self.form);
        Ok(Box::pin(async move {
            for resource in abandoned {
                resource.resource_drop_async(&mut ctx).await?;
            }
            plan.probed.call_async(ctx, image, form).await.map(Outcome::Lifted)
        }))
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        match outcome {
            Outcome::Lifted(returned) => Ok(returned.into_inner().into_python(py, entry.ctx().data())),
            _ => Err(operations::wrong_outcome()),
        }
    }

    fn fail(&self, py: Python<'_>, _entry: &mut Entry<'_>, error: &wasmtime::Error) -> PyErr {
        component_error(py, error)
    }
}

impl FuncClass for Func {
    type Invocable = Func;

    fn invocable(&self) -> PyResult<&Func> {
        Ok(self)
    }
}

fn imports_wasi(component: &Component) -> bool {
    component.component_type().imports(component.engine()).any(|(name, _)| name.starts_with("wasi:"))
}

impl Callable for Func {
    const OFFSET: usize = std::mem::offset_of!(Func, vectorcall);

    fn call<'py>(slf: &Bound<'py, Self>, args: &[Bound<'py, PyAny>]) -> PyResult<Bound<'py, PyAny>> {
        match args.split_first() {
            Some((store, params)) => slf.get().call(store, params),
            None => Err(PyTypeError::new_err(
                "a component function is called with the store and its arguments, got nothing",
            )),
        }
    }
}

#[pymethods]
impl Func {
    /// The type of the function.
    fn r#type<'py>(&self, store: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Func")?;
        let ty = self.func.ty(entry.ctx());
        types::func_to_python(store.py(), &ty)
    }

    /// Does nothing: what has to follow a call is done by the call itself.
    fn post_return(&self, store: &Bound<'_, PyAny>) -> PyResult<()> {
        StoreArg::new(store)?.enter_own(self.store_id, "Func").map(drop)
    }

    /// The same function with results in another form.
    ///
    /// With `tagged`, values of type `result` are always `Ok` or `Err`. With `buffers`, lists of numbers other than
    /// `u8` are read-only memoryviews of the item type, which NumPy and `array.array` take without a Python object for
    /// each item.
    #[pyo3(signature = (*, tagged=false, buffers=false))]
    fn with_results(&self, tagged: bool, buffers: bool) -> Func {
        Func::with_plan(self.store_id, self.func, self.plan.clone(), Form { tagged, buffers })
    }

    /// Call the function in its store. See the class for arguments, results and errors.
    #[pyo3(signature = (store, *params))]
    fn __call__<'py>(
        slf: &Bound<'py, Self>,
        store: &Bound<'py, PyAny>,
        params: &Bound<'py, PyTuple>,
    ) -> PyResult<Bound<'py, PyAny>> {
        // The first call tells the interpreter of the quicker way.
        vectorcall::announce(slf);
        slf.get().call(store, params.as_slice())
    }

    /// Call the function asynchronously: `await func.call_async(store, *params)`.
    ///
    /// Asynchronous host functions suspend the component while they wait, and other tasks run meanwhile. See the class
    /// for arguments, results and errors. Raises `StoreBusyError` when another call of the store is under way.
    ///
    /// With `in_thread` the component runs on another thread, so that it can use another processor; host functions are
    /// still called on the thread of the event loop, which a long computation does not hold up then.
    #[pyo3(signature = (store, *params, in_thread=false))]
    fn call_async(
        slf: &Bound<'_, Self>,
        store: &Bound<'_, PyAny>,
        params: &Bound<'_, PyTuple>,
        in_thread: bool,
    ) -> PyResult<Call> {
        StoreArg::new(store)?;
        Ok(Call::new(FuncCall::new(slf, store, params, in_thread)))
    }

    fn __repr__(&self) -> String {
        format!("<component Func ({})>", self.plan.names.join(", "))
    }
}
