//! `Table`: tables of references.

use pyo3::prelude::*;
use wasmtime::{AsContextMut, Ref, RootScope, StoreContextMut};

use crate::errors::{Misuse, OrRaise, out_of_bounds};
use crate::externs::Owned;
use crate::gil;
use crate::managed::{Managed, two_phase};
use crate::numbers;
use crate::store::cell::Entry;
use crate::store::limits::{self, HostObject};
use crate::store::{Data, StoreArg};
use crate::types::TableType;
use crate::values;

/// A table in a store: `Table(store, ty, init)` with every element set to `init`, or exported by an instance.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Table {
    owned: Managed<Owned<wasmtime::Table>>,
}

impl Table {
    fn empty() -> Table {
        Table { owned: Managed::empty("Table") }
    }

    pub(crate) fn wrap(store_id: u64, table: wasmtime::Table) -> Table {
        Table { owned: Managed::new("Table", Owned { store_id, item: table }) }
    }

    pub(crate) fn owned(&self) -> Result<&Owned<wasmtime::Table>, Misuse> {
        self.owned.get()
    }

    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>) -> PyResult<(&wasmtime::Table, Entry<'a>)> {
        let owned = self.owned()?;
        Ok((&owned.item, StoreArg::new(store)?.enter_own(owned.store_id, "Table")?))
    }
}

/// Converts a value for an element of the table.
fn element(ctx: &mut StoreContextMut<'_, Data>, table: &wasmtime::Table, value: &Bound<'_, PyAny>) -> PyResult<Ref> {
    let ty = table.ty(&*ctx);
    values::to_ref(ctx, ty.element(), value)
}

#[pymethods]
impl Table {
    fn __init__(&self, store: &Bound<'_, PyAny>, ty: &Bound<'_, TableType>, init: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        limits::count_host_object(py, &mut entry, HostObject::Table)?;
        let room = entry.room();
        let mut scope = RootScope::new(entry.ctx());
        let mut ctx = scope.as_context_mut();
        let ty = ty.get().to_engine(ctx.engine())?;
        let init = values::to_ref(&mut ctx, ty.element(), init)?;
        let table = gil::execute(py, room, || wasmtime::Table::new(&mut ctx, ty, init))?;
        self.owned.initialise(Owned { store_id: ctx.data().shared.id, item: table })
    }

    /// The type of the table.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<TableType> {
        let (table, mut entry) = self.enter(store)?;
        Ok(TableType::wrap(&table.ty(entry.ctx())))
    }

    /// The size in elements.
    fn size(&self, store: &Bound<'_, PyAny>) -> PyResult<u64> {
        let (table, mut entry) = self.enter(store)?;
        Ok(table.size(entry.ctx()))
    }

    /// Grow the table by `amt` elements, set to `init`, and return the size it had before. Raises `WasmtimeError` when
    /// the maximum or a limit is in the way.
    fn grow(&self, store: &Bound<'_, PyAny>, amt: &Bound<'_, PyAny>, init: &Bound<'_, PyAny>) -> PyResult<u64> {
        let amt = numbers::unsigned(amt, "amt", u64::MAX)?;
        let (table, mut entry) = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        let init = element(&mut scope.as_context_mut(), table, init)?;
        table.grow(&mut scope, amt, init).or_raise(store.py())
    }

    /// The element at `idx`: the referenced object, a `Func`, or `None` for null and for an index out of bounds.
    fn get<'py>(&self, store: &Bound<'py, PyAny>, idx: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let idx = numbers::unsigned(idx, "idx", u64::MAX)?;
        let (table, mut entry) = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        match table.get(&mut scope, idx) {
            Some(element) => values::from_ref(py, &mut scope.as_context_mut(), &element),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// Set the element at `idx`. Raises `OutOfBoundsError`, a `WasmtimeError` and an `IndexError`, if there is none.
    fn set(&self, store: &Bound<'_, PyAny>, idx: &Bound<'_, PyAny>, val: &Bound<'_, PyAny>) -> PyResult<()> {
        let idx = numbers::unsigned(idx, "idx", u64::MAX)?;
        let (table, mut entry) = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        let value = element(&mut scope.as_context_mut(), table, val)?;
        let size = table.size(&scope);
        if idx >= size {
            return Err(out_of_bounds(
                store.py(),
                &format!("index {idx} is out of bounds: the table has {size} elements"),
            ));
        }
        table.set(&mut scope, idx, value).or_raise(store.py())
    }

    fn __repr__(&self) -> &'static str {
        "<Table>"
    }
}

two_phase!(Table, "(store, ty, init)");
