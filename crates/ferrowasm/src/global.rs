//! `Global`: global variables.

use pyo3::prelude::*;
use wasmtime::{AsContextMut, RootScope};

use crate::errors::{Misuse, OrRaise};
use crate::externs::Owned;
use crate::managed::{Managed, two_phase};
use crate::store::StoreArg;
use crate::store::cell::Entry;
use crate::types::GlobalType;
use crate::values::{self, Kind};

/// A global variable in a store: `Global(store, ty, val)`, or exported by an instance.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Global {
    owned: Managed<Owned<wasmtime::Global>>,
}

impl Global {
    fn empty() -> Global {
        Global { owned: Managed::empty("Global") }
    }

    pub(crate) fn wrap(store_id: u64, global: wasmtime::Global) -> Global {
        Global { owned: Managed::new("Global", Owned { store_id, item: global }) }
    }

    pub(crate) fn owned(&self) -> Result<&Owned<wasmtime::Global>, Misuse> {
        self.owned.get()
    }

    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>) -> PyResult<(&wasmtime::Global, Entry<'a>)> {
        let owned = self.owned()?;
        Ok((&owned.item, StoreArg::new(store)?.enter_own(owned.store_id, "Global")?))
    }
}

#[pymethods]
impl Global {
    fn __init__(&self, store: &Bound<'_, PyAny>, ty: &Bound<'_, GlobalType>, val: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        let mut scope = RootScope::new(entry.ctx());
        let mut ctx = scope.as_context_mut();
        let ty = ty.get().to_engine(ctx.engine())?;
        let val = values::to_val(&mut ctx, &Kind::of(ty.content()), val)?;
        let global = wasmtime::Global::new(&mut ctx, ty, val).or_raise(py)?;
        self.owned.initialise(Owned { store_id: ctx.data().shared.id, item: global })
    }

    /// The type of the global.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<GlobalType> {
        let (global, mut entry) = self.enter(store)?;
        Ok(GlobalType::wrap(&global.ty(entry.ctx())))
    }

    /// The current value.
    fn value<'py>(&self, store: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let (global, mut entry) = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        let value = global.get(&mut scope);
        values::from_val(store.py(), &mut scope.as_context_mut(), &value)
    }

    /// Set the value. Raises `WasmtimeError` if the global is immutable.
    fn set_value(&self, store: &Bound<'_, PyAny>, val: &Bound<'_, PyAny>) -> PyResult<()> {
        let (global, mut entry) = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        let kind = Kind::of(global.ty(&scope).content());
        let value = values::to_val(&mut scope.as_context_mut(), &kind, val)?;
        global.set(&mut scope, value).or_raise(store.py())
    }

    fn __repr__(&self) -> &'static str {
        "<Global>"
    }
}

two_phase!(Global, "(store, ty, val)");
