//! `Func`: a function that an instance of a component exports.

use std::sync::Arc;

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use super::abi::{self, Lowering, Probed, Returned};
use super::types;
use crate::gil;
use crate::store::StoreArg;
use crate::store::cell::Entry;

/// A function of a component's instance. Call it with the store followed by its arguments: `f(store, 1, "two")`. A function without result gives
/// `None`.
///
/// See the documentation for how values of each type look in Python. Raises `TypeError`, `OverflowError` or `ValueError` for an argument that does not
/// fit, naming the parameter and the place in it, `Trap` when the component traps, and whatever a host function raised.
#[pyclass(frozen, weakref, module = "ferrowasm.component")]
pub(crate) struct Func {
    store_id: u64,
    func: wasmtime::component::Func,
    plan: Arc<Plan>,
}

/// What is worked out once for a function.
struct Plan {
    probed: Probed,
    names: Vec<String>,
}

impl Func {
    /// A function of the store of `entry`.
    pub(crate) fn new(py: Python<'_>, entry: &mut Entry<'_>, func: wasmtime::component::Func) -> PyResult<Func> {
        use crate::errors::OrRaise;
        let probed = abi::probe(entry.ctx(), func).or_raise(py)?;
        let names = func.ty(entry.ctx()).params().map(|(name, _)| name.to_owned()).collect();
        Ok(Func { store_id: entry.shared.id, func, plan: Arc::new(Plan { probed, names }) })
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

    /// Call the function in its store. See the class for arguments, results and errors.
    #[pyo3(signature = (store, *params))]
    fn __call__(&self, store: &Bound<'_, PyAny>, params: &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter_own(self.store_id, "Func")?;
        let Plan { probed, names } = &*self.plan;
        if params.len() != names.len() {
            let (given, expected) = (params.len(), names.len());
            return Err(PyTypeError::new_err(format!("wrong number of parameters provided: given {given}, expected {expected}")));
        }
        let resource_type = |index| probed.resources.iter().find(|(known, _)| *known == index).map(|(_, ty)| *ty);
        let image = Lowering::new(py, self.store_id, &resource_type).params(&probed.params, names, params)?;
        match gil::run(py, &mut entry, |ctx| probed.call(ctx, &image))? {
            Returned::Nothing => Ok(py.None()),
            Returned::Number(number) => Ok(number.to_python(py)),
            Returned::Object { value, resources } => {
                resources.iter().for_each(|resource| resource.get().set_store(self.store_id));
                Ok(value)
            }
        }
    }

    fn __repr__(&self) -> String {
        format!("<component Func ({})>", self.plan.names.join(", "))
    }
}
