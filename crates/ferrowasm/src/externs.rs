//! What a module imports and exports, as Python objects: functions, memories, tables, globals and tags.

use pyo3::prelude::*;
use wasmtime::Extern;

use crate::errors::{Misuse, expected};
use crate::func::Func;
use crate::global::Global;
use crate::memory::Memory;
use crate::shared_memory::SharedMemory;
use crate::store::cell::Entry;
use crate::table::Table;
use crate::tag::Tag;

/// Something of the engine, and the number of the store that it belongs to.
pub(crate) struct Owned<T> {
    pub(crate) store_id: u64,
    pub(crate) item: T,
}

/// Wraps something that lives in the store of `entry`.
pub(crate) fn to_python<'py>(py: Python<'py>, entry: &mut Entry<'_>, item: Extern) -> PyResult<Bound<'py, PyAny>> {
    let store_id = entry.shared.id;
    Ok(match item {
        Extern::Func(func) => Bound::new(py, Func::wrap(&mut entry.ctx(), func))?.into_any(),
        Extern::Global(global) => Bound::new(py, Global::wrap(store_id, global))?.into_any(),
        Extern::Table(table) => Bound::new(py, Table::wrap(store_id, table))?.into_any(),
        Extern::Memory(memory) => Bound::new(py, Memory::wrap(store_id, memory))?.into_any(),
        Extern::SharedMemory(memory) => Bound::new(py, SharedMemory::wrap(memory, entry.ctx().engine()))?.into_any(),
        Extern::Tag(tag) => Bound::new(py, Tag::wrap(store_id, tag))?.into_any(),
    })
}

/// An importable object for use in the store of `entry`, and what it is if it belongs to the store (a shared memory
/// belongs to its engine).
pub(crate) fn from_python(entry: &mut Entry<'_>, item: &Bound<'_, PyAny>) -> PyResult<(Extern, Option<&'static str>)> {
    if let Ok(memory) = item.cast::<SharedMemory>() {
        return Ok((memory.get().get_for(entry.ctx().engine())?.clone().into(), None));
    }
    let (external, store_id, kind): (Extern, _, _) = if let Ok(func) = item.cast::<Func>() {
        let callee = func.get().callee()?;
        (callee.func.into(), callee.store_id, "Func")
    } else if let Ok(memory) = item.cast::<Memory>() {
        let owned = memory.get().owned()?;
        (owned.item.into(), owned.store_id, "Memory")
    } else if let Ok(global) = item.cast::<Global>() {
        let owned = global.get().owned()?;
        (owned.item.into(), owned.store_id, "Global")
    } else if let Ok(table) = item.cast::<Table>() {
        let owned = table.get().owned()?;
        (owned.item.into(), owned.store_id, "Table")
    } else if let Ok(tag) = item.cast::<Tag>() {
        let owned = tag.get().owned()?;
        (owned.item.into(), owned.store_id, "Tag")
    } else {
        return Err(expected("a Func, Table, Memory, SharedMemory, Global or Tag", item));
    };
    if store_id == entry.shared.id { Ok((external, Some(kind))) } else { Err(Misuse::WrongStore(kind).into()) }
}
