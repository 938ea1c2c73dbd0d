//! `Table`: tables of references.

use pyo3::prelude::*;
use wasmtime::{AsContextMut, RefType, RootScope, StoreContextMut};

use crate::errors::{OrRaise, wasmtime_error};
use crate::gil;
use crate::numbers;
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};
use crate::types::{TableType, ValueType};
use crate::values;

/// A table in a store: `Table(store, ty, init)` with every element set to `init`, or exported by an instance.
#[pyclass(frozen, subclass, module = "ferrowasm")]
pub(crate) struct Table {
    pub(crate) store_id: u64,
    pub(crate) table: wasmtime::Table,
    element: RefType,
}

impl Table {
    pub(crate) fn new(ctx: &mut StoreContextMut<'_, Data>, table: wasmtime::Table) -> Table {
        let element = table.ty(&*ctx).element().clone();
        Table { store_id: ctx.data().shared.id, table, element }
    }

    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>) -> PyResult<Entry<'a>> {
        StoreArg::new(store)?.enter_own(self.store_id, "Table")
    }
}

#[pymethods]
impl Table {
    #[new]
    fn py_new(store: &Bound<'_, PyAny>, ty: &Bound<'_, TableType>, init: &Bound<'_, PyAny>) -> PyResult<Table> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        let room = entry.room();
        let mut scope = RootScope::new(entry.ctx());
        let mut ctx = scope.as_context_mut();
        let ty = ty.get().to_engine(ctx.engine())?;
        let init = values::to_ref(&mut ctx, ty.element(), init)?;
        let table = gil::execute(py, room, || wasmtime::Table::new(&mut ctx, ty, init))?;
        Ok(Table::new(&mut ctx, table))
    }

    /// The type of the table.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<TableType> {
        let mut entry = self.enter(store)?;
        Ok(TableType::wrap(&self.table.ty(entry.ctx())))
    }

    /// The size in elements.
    fn size(&self, store: &Bound<'_, PyAny>) -> PyResult<u64> {
        let mut entry = self.enter(store)?;
        Ok(self.table.size(entry.ctx()))
    }

    /// Grow the table by `amt` elements, set to `init`, and return the size it had before. Raises `WasmtimeError` when the maximum or a limit is in
    /// the way.
    fn grow(&self, store: &Bound<'_, PyAny>, amt: &Bound<'_, PyAny>, init: &Bound<'_, PyAny>) -> PyResult<u64> {
        let amt = numbers::unsigned(amt, "amt", u64::MAX)?;
        let mut entry = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        let init = values::to_ref(&mut scope.as_context_mut(), &self.element, init)?;
        self.table.grow(&mut scope, amt, init).or_raise(store.py())
    }

    /// The element at `idx`: the referenced object, a `Func`, or `None` for null and for an index out of bounds.
    fn get<'py>(&self, store: &Bound<'py, PyAny>, idx: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let idx = numbers::unsigned(idx, "idx", u64::MAX)?;
        let mut entry = self.enter(store)?;
        let mut scope = RootScope::new(entry.ctx());
        match self.table.get(&mut scope, idx) {
            Some(element) => values::from_ref(py, &mut scope.as_context_mut(), &element),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// Set the element at `idx`. Raises `WasmtimeError` if it is out of bounds.
    fn set(&self, store: &Bound<'_, PyAny>, idx: &Bound<'_, PyAny>, val: &Bound<'_, PyAny>) -> PyResult<()> {
        let idx = numbers::unsigned(idx, "idx", u64::MAX)?;
        let mut entry = self.enter(store)?;
        let size = self.table.size(entry.ctx());
        if idx >= size {
            // The engine's own error is a trap, but no WebAssembly is to blame here.
            let message = format!("index {idx} is out of bounds: the table has {size} elements");
            return Err(wasmtime_error(store.py(), &message));
        }
        let mut scope = RootScope::new(entry.ctx());
        let element = values::to_ref(&mut scope.as_context_mut(), &self.element, val)?;
        self.table.set(&mut scope, idx, element).or_raise(store.py())
    }

    fn __repr__(&self) -> String {
        format!("<Table {}>", ValueType(self.element.clone().into()))
    }
}
