//! `ExportType`: what a module offers.

use std::fmt;

use pyo3::prelude::*;

use super::class::type_class;
use super::extern_type::{External, Quoted};
use crate::managed::Managed;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Export {
    name: String,
    ty: External,
}

impl fmt::Display for Export {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(export {} {})", Quoted(&self.name), self.ty)
    }
}

/// An export of a module: its name and its type. It stays valid when the module is closed.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct ExportType {
    value: Managed<Export>,
}

type_class!(ExportType, Export);

impl ExportType {
    pub(crate) fn wrap(export: &wasmtime::ExportType<'_>) -> ExportType {
        ExportType::of(export.name(), &export.ty())
    }

    pub(crate) fn of(name: &str, ty: &wasmtime::ExternType) -> ExportType {
        ExportType::from_value(Export { name: name.to_owned(), ty: External::of(ty) })
    }
}

#[pymethods]
impl ExportType {
    /// The name of the export.
    #[getter]
    fn name(&self) -> PyResult<&str> {
        Ok(&self.value.get()?.name)
    }

    /// The type: a `FuncType`, `GlobalType`, `TableType`, `MemoryType` or `TagType`, as a new object.
    #[getter]
    fn r#type(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.value.get()?.ty.to_python(py)
    }
}
