//! The Python objects that a store owns.
//!
//! Everything that WebAssembly code or the engine may lead back to Python with is listed here, so that Python's garbage
//! collector can see it: the store visits each strong reference once and drops them all when it is collected. Code
//! inside the engine holds keys and borrowed pointers only.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use pyo3::prelude::*;
use pyo3::{PyTraverseError, PyVisit};
use slab::Slab;

/// A resource that the host defines: the number of its type, and its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct HostResource {
    pub(crate) ty: u32,
    pub(crate) rep: u32,
}

#[derive(Default)]
struct Table {
    /// The `data` of `Store(engine, data)`.
    data: Option<Py<PyAny>>,
    /// The limiter of `Store.set_limiter`.
    limiter: Option<Py<PyAny>>,
    /// Objects that live as long as the store: host functions, snapshots of linkers, WASI callbacks.
    kept: Vec<Py<PyAny>>,
    /// What `externref`s of the store refer to, under the key that the engine's object carries.
    externs: Slab<Py<PyAny>>,
    /// What the resources of the host that components of the store own stand for.
    resources: HashMap<HostResource, Py<PyAny>>,
}

#[derive(Default)]
pub(crate) struct Objects {
    table: Mutex<Table>,
    /// Keys of `externs` whose `externref` the engine has collected. The Python object is released later, when the
    /// store can be entered again: its finaliser may use the store.
    dead: Mutex<Vec<usize>>,
    any_dead: AtomicBool,
    /// How many `externs` there may be before the engine is asked to collect garbage.
    gc_threshold: AtomicUsize,
}

/// The least value of `Objects::gc_threshold`.
const GC_THRESHOLD: usize = 4096;

/// Locks and goes on after a panic elsewhere: the tables hold no invariant that a panic could break.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Objects {
    /// Keeps `object` alive for as long as the store lives; an object that is kept already is not added again.
    pub(crate) fn keep(&self, object: &Bound<'_, PyAny>) {
        let mut table = lock(&self.table);
        if !table.kept.iter().rev().any(|kept| kept.is(object)) {
            table.kept.push(object.clone().unbind());
        }
    }

    /// Keeps a new object alive, without a look for it among those that are kept.
    pub(crate) fn keep_new(&self, object: Py<PyAny>) {
        lock(&self.table).kept.push(object);
    }

    /// Keeps `object` alive until the resource is given back or dropped, or the store goes.
    pub(crate) fn keep_resource(&self, resource: HostResource, object: Py<PyAny>) {
        let before = lock(&self.table).resources.insert(resource, object);
        drop(before);
    }

    /// What was kept for a resource.
    pub(crate) fn take_resource(&self, resource: HostResource) -> Option<Py<PyAny>> {
        lock(&self.table).resources.remove(&resource)
    }

    pub(crate) fn set_data(&self, data: Option<Py<PyAny>>) {
        lock(&self.table).data = data;
    }

    pub(crate) fn data(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        lock(&self.table).data.as_ref().map(|data| data.clone_ref(py))
    }

    /// Sets the limiter and gives back the one before, to be dropped when the store is at rest.
    pub(crate) fn set_limiter(&self, limiter: Option<Py<PyAny>>) -> Option<Py<PyAny>> {
        std::mem::replace(&mut lock(&self.table).limiter, limiter)
    }

    pub(crate) fn limiter(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        lock(&self.table).limiter.as_ref().map(|limiter| limiter.clone_ref(py))
    }

    pub(crate) fn add_extern(&self, object: Py<PyAny>) -> usize {
        lock(&self.table).externs.insert(object)
    }

    pub(crate) fn get_extern<'py>(&self, py: Python<'py>, key: usize) -> Option<Bound<'py, PyAny>> {
        lock(&self.table).externs.get(key).map(|object| object.bind(py).clone())
    }

    /// Whether so many objects are referred to that it is time for the engine to find out which ones are garbage.
    ///
    /// The engine collects when its own heap is full, and an `externref` is small there however large the Python object
    /// is.
    pub(crate) fn wants_gc(&self) -> bool {
        lock(&self.table).externs.len() >= self.gc_threshold.load(Ordering::Relaxed).max(GC_THRESHOLD)
    }

    /// To be called after the engine collected garbage: sets the threshold to twice of what survived.
    pub(crate) fn after_gc(&self) {
        let alive = lock(&self.table).externs.len() - lock(&self.dead).len();
        self.gc_threshold.store(alive * 2, Ordering::Relaxed);
    }

    /// Notes that the engine has dropped the `externref` with this key. Called while the engine collects garbage, with
    /// or without the interpreter attached.
    pub(crate) fn extern_died(&self, key: usize) {
        lock(&self.dead).push(key);
        self.any_dead.store(true, Ordering::Release);
    }

    /// Releases the objects whose `externref`s are gone. Runs finalisers, so the store must be enterable.
    #[inline]
    pub(crate) fn bury(&self) {
        if self.any_to_bury() {
            self.bury_dead();
        }
    }

    /// Whether there is something for `bury` to release.
    #[inline]
    pub(crate) fn any_to_bury(&self) -> bool {
        self.any_dead.load(Ordering::Acquire)
    }

    #[cold]
    fn bury_dead(&self) {
        self.any_dead.store(false, Ordering::Release);
        let keys = std::mem::take(&mut *lock(&self.dead));
        let mut table = lock(&self.table);
        let bodies: Vec<_> = keys.into_iter().filter_map(|key| table.externs.try_remove(key)).collect();
        drop(table);
        drop(bodies);
    }

    /// Visits each strong reference once. A table that is locked is skipped, which keeps its objects alive until the
    /// next collection.
    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        if let Ok(table) = self.table.try_lock() {
            visit.call(&table.data)?;
            visit.call(&table.limiter)?;
            table.kept.iter().try_for_each(|object| visit.call(object))?;
            table.externs.iter().try_for_each(|(_, object)| visit.call(object))?;
            table.resources.values().try_for_each(|object| visit.call(object))?;
        }
        Ok(())
    }

    /// Drops everything. The engine's store is gone or cannot run any more.
    pub(crate) fn clear(&self) {
        let table = std::mem::take(&mut *lock(&self.table));
        drop(table);
    }
}
