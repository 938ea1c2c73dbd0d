//! `Instance`: an instantiated module, and the mapping of its exports.

use std::sync::OnceLock;

use pyo3::PyClass;
use pyo3::exceptions::{PyKeyError, PyTypeError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::asyncio;
use crate::errors::Misuse;
use crate::externs::{self, Owned};
use crate::func::Func;
use crate::gil;
use crate::global::Global;
use crate::managed::{Managed, two_phase};
use crate::memory::Memory;
use crate::module::Module;
use crate::numbers;
use crate::private_memories;
use crate::shared_memory::SharedMemory;
use crate::store::StoreArg;
use crate::store::cell::Entry;
use crate::table::Table;
use crate::tag::Tag;

/// An instance of a module in a store: `Instance(store, module, imports)`, with one import for each of
/// `module.imports`, in their order.
///
/// Making it runs the start function of the module. Raises `WasmtimeError` if the imports do not fit or a limit is
/// reached, and `Trap` if the start function traps. The instance lives as long as its store.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Instance {
    owned: Managed<Owned<wasmtime::Instance>>,
    /// Made when they are first asked for.
    exports: OnceLock<Py<InstanceExports>>,
}

impl Instance {
    fn empty() -> Instance {
        Instance { owned: Managed::empty("Instance"), exports: OnceLock::new() }
    }

    pub(crate) fn wrap(store_id: u64, instance: wasmtime::Instance) -> Instance {
        Instance { owned: Managed::new("Instance", Owned { store_id, item: instance }), exports: OnceLock::new() }
    }

    pub(crate) fn owned(&self) -> Result<&Owned<wasmtime::Instance>, Misuse> {
        self.owned.get()
    }

    fn make_exports<'py>(
        py: Python<'py>,
        instance: &wasmtime::Instance,
        entry: &mut Entry<'_>,
    ) -> PyResult<Bound<'py, InstanceExports>> {
        let exports: Vec<_> =
            instance.exports(entry.ctx()).map(|export| (export.name().to_owned(), export.into_extern())).collect();
        entry.shared.memories.add(exports.iter().map(|(_, item)| item));
        let by_name = PyDict::new(py);
        let mut by_index = Vec::with_capacity(exports.len());
        for (name, item) in exports.into_iter().filter(|(name, _)| !private_memories::is_ours(name)) {
            let item = externs::to_python(py, entry, item)?;
            by_name.set_item(name, &item)?;
            by_index.push(item);
        }
        let by_index = PyTuple::new(py, by_index)?.unbind();
        Bound::new(py, InstanceExports { by_name: by_name.unbind(), by_index })
    }
}

#[pymethods]
impl Instance {
    fn __init__(
        &self,
        store: &Bound<'_, PyAny>,
        module: &Bound<'_, Module>,
        imports: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = store.py();
        let imports = imports.try_iter()?.collect::<PyResult<Vec<_>>>()?;
        let mut entry = StoreArg::new(store)?.enter()?;
        let module = module.get().get_for(entry.ctx().engine())?;
        let imports = imports
            .iter()
            .map(|import| Ok(externs::from_python(&mut entry, import)?.0))
            .collect::<PyResult<Vec<_>>>()?;
        // The start function may wait already.
        entry.shared.memories.add(&imports);
        let store_id = entry.shared.id;
        let item = if asyncio::needs_fiber(&mut entry) {
            drop(entry);
            asyncio::instantiate_blocking(store, asyncio::Imports::List(imports, module.clone()))?
        } else {
            gil::run(py, &mut entry, |ctx| wasmtime::Instance::new(ctx, module, &imports))?
        };
        self.owned.initialise(Owned { store_id, item })
    }

    /// The exports of the instance, by name and by index.
    fn exports<'py>(&self, store: &Bound<'py, PyAny>) -> PyResult<Bound<'py, InstanceExports>> {
        let py = store.py();
        let owned = self.owned()?;
        let mut entry = StoreArg::new(store)?.enter_own(owned.store_id, "Instance")?;
        if let Some(exports) = self.exports.get() {
            return Ok(exports.bind(py).clone());
        }
        let exports = Self::make_exports(py, &owned.item, &mut entry)?;
        Ok(self.exports.get_or_init(|| exports.unbind()).bind(py).clone())
    }

    fn __repr__(&self) -> &'static str {
        "<Instance>"
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        // Nothing is read before the object is constructed: see `Managed::peek`.
        if self.owned.peek().is_some() { visit.call(self.exports.get()) } else { Ok(()) }
    }
}

two_phase!(Instance, "(store, module, imports)");

/// The exports of an instance: a mapping from names to objects that can be indexed with numbers, too.
///
/// Iterating gives the names, in the order of the module. `exports["name"]` and `exports[0]` raise `KeyError` for what
/// does not exist.
#[pyclass(frozen, mapping, weakref, module = "ferrowasm")]
pub(crate) struct InstanceExports {
    by_name: Py<PyDict>,
    by_index: Py<PyTuple>,
}

impl InstanceExports {
    fn find<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = key.py();
        if key.is_instance_of::<PyString>() || !key.hasattr("__index__")? {
            return self.by_name.bind(py).get_item(key);
        }
        let index = numbers::index(key, "the index of an export")?;
        Ok(index.extract::<usize>().ok().and_then(|index| self.by_index.bind(py).get_item(index).ok()))
    }

    /// The export of this name or index, which has to be a `T`.
    fn typed<'py, T: PyClass>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, T>> {
        let item = self.__getitem__(key)?;
        match item.cast_into::<T>() {
            Ok(item) => Ok(item),
            Err(error) => {
                let (wanted, found) = (key.py().get_type::<T>().name()?, error.into_inner().get_type().name()?);
                Err(PyTypeError::new_err(format!("the export {} is a {found}, not a {wanted}", key.repr()?)))
            }
        }
    }
}

#[pymethods]
impl InstanceExports {
    /// The exports, in the order of the module.
    #[getter]
    fn by_index(&self, py: Python<'_>) -> Py<PyTuple> {
        self.by_index.clone_ref(py)
    }

    fn __getitem__<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.find(key)?.ok_or_else(|| PyKeyError::new_err((key.clone().unbind(),)))
    }

    /// The export of this name or index, or `default`.
    #[pyo3(signature = (key, default=None))]
    fn get<'py>(
        &self,
        key: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.find(key)?.or(default))
    }

    /// The function of this name or index. Raises `KeyError` if there is no such export, and `TypeError` if it is
    /// something else.
    fn func<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Func>> {
        self.typed(key)
    }

    /// The memory of this name or index. Raises `KeyError` if there is no such export, and `TypeError` if it is
    /// something else.
    fn memory<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Memory>> {
        self.typed(key)
    }

    /// The shared memory of this name or index. Raises `KeyError` if there is no such export, and `TypeError` if it is
    /// something else.
    fn shared_memory<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, SharedMemory>> {
        self.typed(key)
    }

    /// The table of this name or index. Raises `KeyError` if there is no such export, and `TypeError` if it is
    /// something else.
    fn table<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Table>> {
        self.typed(key)
    }

    /// The global variable of this name or index. Raises `KeyError` if there is no such export, and `TypeError` if it
    /// is something else.
    #[pyo3(name = "global_")]
    fn global<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Global>> {
        self.typed(key)
    }

    /// The exception tag of this name or index. Raises `KeyError` if there is no such export, and `TypeError` if it is
    /// something else.
    fn tag<'py>(&self, key: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Tag>> {
        self.typed(key)
    }

    fn __contains__(&self, key: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.find(key)?.is_some())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.by_name.bind(py).len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, pyo3::types::PyIterator>> {
        self.by_name.bind(py).try_iter()
    }

    /// The names, in the order of the module.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.by_name.bind(py).call_method0("keys")
    }

    /// The exports, in the order of the module.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.by_name.bind(py).call_method0("values")
    }

    /// Pairs of name and export, in the order of the module.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.by_name.bind(py).call_method0("items")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<InstanceExports {}>", self.by_name.bind(py).repr()?))
    }

    /// The exports may have attributes that lead back here. The collector breaks such a cycle in the dict.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.by_name)?;
        visit.call(&self.by_index)
    }
}
