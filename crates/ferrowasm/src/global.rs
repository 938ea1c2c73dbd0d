//! `Global`: global variables.

use pyo3::prelude::*;
use wasmtime::{AsContextMut, RootScope, StoreContextMut};

use crate::errors::OrRaise;
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};
use crate::types::GlobalType;
use crate::values::{self, Kind};

/// A global variable in a store: `Global(store, ty, val)`, or exported by an instance.
#[pyclass(frozen, subclass, module = "ferrowasm")]
pub(crate) struct Global {
    pub(crate) store_id: u64,
    pub(crate) global: wasmtime::Global,
    kind: Kind,
}

impl Global {
    pub(crate) fn new(ctx: &mut StoreContextMut<'_, Data>, global: wasmtime::Global) -> Global {
        let kind = Kind::of(global.ty(&*ctx).content());
        Global { store_id: ctx.data().shared.id, global, kind }
    }

    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>) -> PyResult<Entry<'a>> {
        StoreArg::new(store)?.enter_own(self.store_id, "Global")
    }
}

#[pymethods]
impl Global {
    #[new]
    fn py_new(store: &Bound<'_, PyAny>, ty: &Bound<'_, GlobalType>, val: &Bound<'_, PyAny>) -> PyResult<Global> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        let mut scope = RootScope::new(entry.ctx());
        let mut ctx = scope.as_context_mut();
        let ty = ty.get().to_engine(ctx.engine())?;
        let val = values::to_val(&mut ctx, &Kind::of(ty.content()), val)?;
        let global = wasmtime::Global::new(&mut ctx, ty, val).or_raise(py)?;
        Ok(Global::new(&mut ctx, global))
    }

    /// The type of the global.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<GlobalType> {
        let mut entry = self.enter(store)?;
        Ok(GlobalType::wrap(&self.global.ty(entry.ctx())))
    }

    /// The current value.
    fn value<'py>(&self, store: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let mut entry = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        let value = self.global.get(&mut scope);
        values::from_val(store.py(), &mut scope.as_context_mut(), &value)
    }

    /// Set the value. Raises `WasmtimeError` if the global is immutable.
    fn set_value(&self, store: &Bound<'_, PyAny>, val: &Bound<'_, PyAny>) -> PyResult<()> {
        let mut entry = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        let value = values::to_val(&mut scope.as_context_mut(), &self.kind, val)?;
        self.global.set(&mut scope, value).or_raise(store.py())
    }

    fn __repr__(&self) -> String {
        format!("<Global {}>", self.kind)
    }
}
