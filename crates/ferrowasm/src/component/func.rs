//! `Func`: a function that an instance of a component exports.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use wasmtime::component::Component;

use super::abi::{self, Form, Image, Lowering, Probed, Returned};
use super::{resource, types};
use crate::errors::OrRaise;
use crate::gil::Pace;
use crate::store::StoreArg;
use crate::store::cell::Entry;
use crate::vectorcall::{self, Args, Callable, Stack};

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
        let names = func.ty(entry.ctx()).params().map(|(name, _)| name.to_owned()).collect();
        let pace = (!imports_wasi(component)).then(Pace::default);
        Ok(Func::with_plan(entry.shared.id, func, Arc::new(Plan { probed, names, pace }), Form::default()))
    }

    fn with_plan(store_id: u64, func: wasmtime::component::Func, plan: Arc<Plan>, form: Form) -> Func {
        Func { vectorcall: vectorcall::Pointer::of::<Func>(), store_id, func, plan, form }
    }

    fn call<'py>(&self, store: &Bound<'py, PyAny>, args: &impl Args<'py>) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Func")?;
        let Plan { probed, names, pace } = &*self.plan;
        if args.count() != names.len() {
            let (given, expected) = (args.count(), names.len());
            return Err(PyTypeError::new_err(format!(
                "wrong number of parameters provided: given {given}, expected {expected}"
            )));
        }
        resource::drop_abandoned(py, &mut entry)?;
        let resource_type = |index| probed.resources.iter().find(|(known, _)| *known == index).map(|(_, ty)| *ty);
        let mut image = Image::default();
        Lowering::new(py, entry.shared, &resource_type, &mut image).params(&probed.params, names, args)?;
        let mut returned = Returned::Nothing;
        super::call(py, &mut entry, pace.as_ref(), |ctx| probed.call(ctx, &image, self.form, &mut returned))?;
        let value = match returned {
            Returned::Nothing => py.None(),
            Returned::Number(number) => number.to_python(py),
            Returned::Object { value, resources } => {
                let ctx = entry.ctx();
                resources.iter().for_each(|resource| resource.get().set_store(ctx.data()));
                value
            }
        };
        Ok(value.into_bound(py))
    }
}

fn imports_wasi(component: &Component) -> bool {
    component.component_type().imports(component.engine()).any(|(name, _)| name.starts_with("wasi:"))
}

impl Callable for Func {
    const OFFSET: usize = std::mem::offset_of!(Func, vectorcall);

    fn call<'py>(slf: &Bound<'py, Self>, args: Stack<'_, 'py>) -> PyResult<Bound<'py, PyAny>> {
        match args.split_first() {
            Some((store, params)) => slf.get().call(&store, &params),
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
        slf.get().call(store, params)
    }

    fn __repr__(&self) -> String {
        format!("<component Func ({})>", self.plan.names.join(", "))
    }
}
