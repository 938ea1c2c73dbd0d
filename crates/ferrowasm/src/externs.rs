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

/// Wraps something that lives in the store of `entry`.
pub(crate) fn to_python<'py>(py: Python<'py>, entry: &mut Entry<'_>, item: Extern) -> PyResult<Bound<'py, PyAny>> {
    let store_id = entry.shared.id;
    Ok(match item {
        Extern::Func(func) => Bound::new(py, Func::new(&mut entry.ctx(), func))?.into_any(),
        Extern::Global(global) => Bound::new(py, Global::new(&mut entry.ctx(), global))?.into_any(),
        Extern::Table(table) => Bound::new(py, Table::new(&mut entry.ctx(), table))?.into_any(),
        Extern::Memory(memory) => Bound::new(py, Memory { store_id, memory })?.into_any(),
        Extern::SharedMemory(memory) => Bound::new(py, SharedMemory::from_engine(memory))?.into_any(),
        Extern::Tag(tag) => Bound::new(py, Tag { store_id, tag })?.into_any(),
    })
}

/// An importable object, and the store it belongs to; `None` for a shared memory, which belongs to its engine.
pub(crate) fn from_python(item: &Bound<'_, PyAny>) -> PyResult<(Extern, Option<(u64, &'static str)>)> {
    if let Ok(func) = item.cast::<Func>() {
        Ok((func.get().func.into(), Some((func.get().store_id, "Func"))))
    } else if let Ok(memory) = item.cast::<Memory>() {
        Ok((memory.get().memory.into(), Some((memory.get().store_id, "Memory"))))
    } else if let Ok(global) = item.cast::<Global>() {
        Ok((global.get().global.into(), Some((global.get().store_id, "Global"))))
    } else if let Ok(table) = item.cast::<Table>() {
        Ok((table.get().table.into(), Some((table.get().store_id, "Table"))))
    } else if let Ok(tag) = item.cast::<Tag>() {
        Ok((tag.get().tag.into(), Some((tag.get().store_id, "Tag"))))
    } else if let Ok(memory) = item.cast::<SharedMemory>() {
        Ok((memory.get().get()?.clone().into(), None))
    } else {
        Err(expected("a Func, Table, Memory, SharedMemory, Global or Tag", item))
    }
}

/// An importable object for use in the store of `entry`.
pub(crate) fn from_python_for(entry: &mut Entry<'_>, item: &Bound<'_, PyAny>) -> PyResult<Extern> {
    let (external, owner) = from_python(item)?;
    match (&external, owner) {
        (_, Some((store_id, kind))) if store_id != entry.shared.id => Err(Misuse::WrongStore(kind).into()),
        (Extern::SharedMemory(memory), _) if !wasmtime::Engine::same(memory.engine(), entry.ctx().engine()) => {
            Err(Misuse::WrongEngine("SharedMemory").into())
        }
        _ => Ok(external),
    }
}
