//! `InstanceExports`: what an instance of a component exports, as a mapping whose items are attributes too.

use pyo3::exceptions::{PyAttributeError, PyKeyError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyIterator};
use wasmtime::component::types::{ComponentExtern, ComponentItem};
use wasmtime::component::{Component, ComponentExportIndex, Instance};

use super::func::Func;
use super::resource::ResourceType;
use crate::code::{self, Code};
use crate::module::Module;
use crate::store::cell::Entry;

/// The exports of an instance: a mapping from names to functions, instances, modules and resource types.
///
/// `exports["my-func"]` and `exports.my_func` are the same; iterating gives the names, in the order of the component.
/// Exported value types are not among them, see `Component.type`.
#[pyclass(frozen, mapping, weakref, module = "ferrowasm.component")]
pub(crate) struct InstanceExports {
    items: Py<PyDict>,
}

impl InstanceExports {
    /// The exports of the component itself.
    pub(super) fn new<'py>(
        py: Python<'py>,
        entry: &mut Entry<'_>,
        instance: Instance,
        component: &Component,
    ) -> PyResult<Bound<'py, Self>> {
        let ty = component.component_type();
        let exports = Reader { instance, component, parent: None };
        exports.read(py, entry, ty.exports(component.engine()))
    }

    fn find<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let items = self.items.bind(name.py());
        if let Some(item) = items.get_item(name)? {
            return Ok(Some(item));
        }
        match name.extract::<&str>() {
            Ok(name) => items.get_item(name.replace('_', "-")),
            Err(_) => Ok(None),
        }
    }
}

/// Where exports are read from.
struct Reader<'a> {
    instance: Instance,
    component: &'a Component,
    /// The exported instance that they belong to; `None` for the component itself.
    parent: Option<ComponentExportIndex>,
}

impl Reader<'_> {
    fn read<'py, 't>(
        &self,
        py: Python<'py>,
        entry: &mut Entry<'_>,
        exports: impl Iterator<Item = (&'t str, ComponentExtern<'t>)>,
    ) -> PyResult<Bound<'py, InstanceExports>> {
        let items = PyDict::new(py);
        for (name, item) in exports {
            if let Some(index) = self.component.get_export_index(self.parent.as_ref(), name)
                && let Some(object) = self.item(py, entry, index, &item.ty)?
            {
                items.set_item(name, object)?;
            }
        }
        Bound::new(py, InstanceExports { items: items.unbind() })
    }

    fn item<'py>(
        &self,
        py: Python<'py>,
        entry: &mut Entry<'_>,
        index: ComponentExportIndex,
        ty: &ComponentItem,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        let instance = &self.instance;
        Ok(match ty {
            ComponentItem::ComponentFunc(_) => {
                let func = instance.get_func(entry.ctx(), index);
                func.map(|func| Ok::<_, PyErr>(Bound::new(py, Func::new(py, entry, self.component, func)?)?.into_any()))
                    .transpose()?
            }
            ComponentItem::ComponentInstance(ty) => {
                let nested = Reader { parent: Some(index), ..*self };
                Some(nested.read(py, entry, ty.exports(self.component.engine()))?.into_any())
            }
            ComponentItem::Module(_) => {
                let module = instance.get_module(entry.ctx(), index);
                let engine = entry.ctx().data().engine.clone();
                module
                    .map(|module| code::wrap::<Module>(&py.get_type::<Module>(), Code::new(module, &engine)))
                    .transpose()?
            }
            ComponentItem::Resource(_) => {
                let ty = instance.get_resource(entry.ctx(), index);
                ty.map(|ty| Ok::<_, PyErr>(Bound::new(py, ResourceType::wrap(ty))?.into_any())).transpose()?
            }
            ComponentItem::Type(_) | ComponentItem::CoreFunc(_) | ComponentItem::Component(_) => None,
        })
    }
}

#[pymethods]
impl InstanceExports {
    fn __getitem__<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.find(name)?.ok_or_else(|| PyKeyError::new_err(name.clone().unbind()))
    }

    fn __getattr__<'py>(&self, name: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        self.find(name)?.ok_or_else(|| PyAttributeError::new_err(format!("the instance has no export '{name}'")))
    }

    /// The export of this name, or `default`.
    #[pyo3(signature = (name, default=None))]
    fn get<'py>(
        &self,
        name: &Bound<'py, PyAny>,
        default: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Option<Bound<'py, PyAny>>> {
        Ok(self.find(name)?.or(default))
    }

    fn __contains__(&self, name: &Bound<'_, PyAny>) -> PyResult<bool> {
        Ok(self.find(name)?.is_some())
    }

    fn __len__(&self, py: Python<'_>) -> usize {
        self.items.bind(py).len()
    }

    fn __iter__<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyIterator>> {
        self.items.bind(py).try_iter()
    }

    /// The names, in the order of the component.
    fn keys<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.items.bind(py).call_method0("keys")
    }

    /// The exports, in the order of the component.
    fn values<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.items.bind(py).call_method0("values")
    }

    /// Pairs of name and export, in the order of the component.
    fn items<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.items.bind(py).call_method0("items")
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("<component InstanceExports {}>", self.items.bind(py).repr()?))
    }

    /// Modules among the exports may have attributes that lead back here. The collector breaks such a cycle in the
    /// dict.
    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.items)
    }
}
