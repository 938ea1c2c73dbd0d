//! The limits of a store: `Store.set_limits`, `Store.set_limiter`, and what was used.

use pyo3::prelude::*;
use wasmtime::{DEFAULT_INSTANCE_LIMIT, DEFAULT_MEMORY_LIMIT, DEFAULT_TABLE_LIMIT};

use super::Store;
use super::cell::Entry;
use crate::errors::{Misuse, expected, resource_limit_error};
use crate::numbers;

/// Upper bounds for what a store may consume; `None` sets no bound on sizes.
#[derive(Debug, Clone)]
pub(crate) struct StoreLimits {
    /// Bytes, for each linear memory.
    pub(super) memory_size: Option<usize>,
    /// Elements, for each table.
    pub(super) table_elements: Option<usize>,
    pub(super) instances: usize,
    pub(super) tables: usize,
    pub(super) memories: usize,
}

impl StoreLimits {
    /// Whether the limits on numbers, as opposed to sizes, are the same.
    fn same_counts(&self, other: &StoreLimits) -> bool {
        (self.instances, self.tables, self.memories) == (other.instances, other.tables, other.memories)
    }
}

impl Default for StoreLimits {
    fn default() -> StoreLimits {
        StoreLimits {
            memory_size: None,
            table_elements: None,
            instances: DEFAULT_INSTANCE_LIMIT,
            tables: DEFAULT_TABLE_LIMIT,
            memories: DEFAULT_MEMORY_LIMIT,
        }
    }
}

/// The engine's default of `hostcall_data`, in bytes.
const DEFAULT_HOSTCALL_DATA: usize = 128 << 20;
/// The engine's default of `component_handles`.
const DEFAULT_COMPONENT_HANDLES: usize = 100_000;

/// What the host makes in a store without a module, and the engine does not count.
#[derive(Clone, Copy)]
pub(crate) enum HostObject {
    Memory,
    Table,
}

/// Counts an object that the host is about to make against the limits of the store.
pub(crate) fn count_host_object(py: Python<'_>, entry: &mut Entry<'_>, kind: HostObject) -> PyResult<()> {
    let mut ctx = entry.ctx();
    let data = ctx.data_mut();
    let (name, count, limit) = match kind {
        HostObject::Memory => ("memory", &mut data.usage.host_memories, data.limits.memories),
        HostObject::Table => ("table", &mut data.usage.host_tables, data.limits.tables),
    };
    if *count >= limit {
        let message = format!("resource limit exceeded: {name} count too high at {}", *count + 1);
        return Err(resource_limit_error(py, &message));
    }
    *count += 1;
    // The engine asks for the counts once, when it is given the limiter. Within a call it goes on with the old ones.
    if let Some(store) = entry.root() {
        store.limiter(|data| data);
    }
    Ok(())
}

#[pymethods]
impl Store {
    /// Limit what the store may consume, in place of the limits before; a negative number, or none, sets no limit.
    ///
    /// `memory_size` is in bytes for each linear memory, `table_elements` in elements for each table, and `instances`,
    /// `tables` and `memories` are counts for the whole store (10,000 each, unless set). For components,
    /// `hostcall_data` is how many bytes the host takes from a guest in one call (128 MiB, unless set), and
    /// `component_handles` how many handles to resources and the like guests may hold at once (100,000, unless set).
    ///
    /// A guest that hits a limit on growth sees -1, and `limit_hit` tells which it was; instantiation and the host's own
    /// calls raise `ResourceLimitError`. While a call of the store is under way counts stay as they are: to give others
    /// then is a `StoreBusyError`.
    #[pyo3(signature = (memory_size=None, table_elements=None, instances=None, tables=None, memories=None, *, hostcall_data=None, component_handles=None), text_signature = "(self, memory_size=-1, table_elements=-1, instances=-1, tables=-1, memories=-1, *, hostcall_data=-1, component_handles=-1)")]
    #[expect(clippy::too_many_arguments, reason = "each is a limit of its own")]
    fn set_limits(
        &self,
        memory_size: Option<&Bound<'_, PyAny>>,
        table_elements: Option<&Bound<'_, PyAny>>,
        instances: Option<&Bound<'_, PyAny>>,
        tables: Option<&Bound<'_, PyAny>>,
        memories: Option<&Bound<'_, PyAny>>,
        hostcall_data: Option<&Bound<'_, PyAny>>,
        component_handles: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<()> {
        let memory_size = numbers::limit(memory_size, "memory_size")?;
        let table_elements = numbers::limit(table_elements, "table_elements")?;
        let instances = numbers::limit(instances, "instances")?;
        let tables = numbers::limit(tables, "tables")?;
        let memories = numbers::limit(memories, "memories")?;
        let hostcall_data = numbers::limit(hostcall_data, "hostcall_data")?;
        let component_handles = numbers::limit(component_handles, "component_handles")?;
        let mut entry = self.enter()?;
        let old = entry.ctx().data().limits.clone();
        let counts = if entry.root().is_some() { StoreLimits::default() } else { old.clone() };
        let new = StoreLimits {
            memory_size,
            table_elements,
            instances: instances.unwrap_or(counts.instances),
            tables: tables.unwrap_or(counts.tables),
            memories: memories.unwrap_or(counts.memories),
        };
        match entry.root() {
            // The engine asks for the counts once, when it is given the limiter.
            Some(store) => {
                store.data_mut().limits = new;
                store.limiter(|data| data);
            }
            None if new.same_counts(&old) => entry.ctx().data_mut().limits = new,
            None => return Err(Misuse::CountsInside.into()),
        }
        let mut ctx = entry.ctx();
        ctx.data_mut().usage.forget_limit_hit();
        ctx.set_hostcall_fuel(hostcall_data.unwrap_or(DEFAULT_HOSTCALL_DATA));
        ctx.set_max_component_handles(component_handles.unwrap_or(DEFAULT_COMPONENT_HANDLES));
        Ok(())
    }

    /// Let a Python object decide whether memories and tables may grow, besides the limits of `set_limits`; `None` for
    /// no limiter.
    ///
    /// `limiter.memory_growing(current, desired, maximum)` is asked with sizes in bytes (`maximum` is `None` without
    /// one) when a memory is made or grows, `limiter.table_growing(current, desired, maximum)` with numbers of elements.
    /// `False` refuses: the guest sees -1, instantiation and the host's own calls raise `ResourceLimitError`. An
    /// exception ends the call and comes out of it. If growth fails that was allowed, `limiter.memory_grow_failed(error)`
    /// or `limiter.table_grow_failed(error)` is told the reason, if there is such a method. The store cannot be used
    /// within these methods: `StoreBusyError`.
    ///
    /// Raises `TypeError` for an object without the two methods.
    fn set_limiter(&self, limiter: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        for method in ["memory_growing", "table_growing"] {
            if let Some(limiter) = limiter
                && !limiter.getattr_opt(method)?.is_some_and(|method| method.is_callable())
            {
                return Err(expected("a limiter with the methods memory_growing and table_growing", limiter));
            }
        }
        let mut entry = self.enter()?;
        let before = entry.shared.objects.set_limiter(limiter.map(|limiter| limiter.clone().unbind()));
        let mut ctx = entry.ctx();
        let usage = &mut ctx.data_mut().usage;
        usage.has_limiter = limiter.is_some();
        usage.forget_limit_hit();
        // Its finaliser may use the store.
        drop(entry);
        drop(before);
        Ok(())
    }

    /// The limit that last refused growth to a memory or table: `"memory_size"`, `"table_elements"` or `"limiter"`;
    /// `None` if that did not happen since the limits were set.
    #[getter]
    fn limit_hit(&self) -> PyResult<Option<&'static str>> {
        Ok(self.enter()?.ctx().data().usage.limit_hit())
    }

    /// The most bytes that the linear memories of the store had together. Shared memories do not count.
    #[getter]
    fn peak_memory(&self) -> PyResult<usize> {
        Ok(self.enter()?.ctx().data().usage.peak_memory())
    }

    /// The most elements that the tables of the store had together.
    #[getter]
    fn peak_table_elements(&self) -> PyResult<usize> {
        Ok(self.enter()?.ctx().data().usage.peak_table_elements())
    }
}
