//! `ImportType`: what a module asks for.

use std::fmt;

use pyo3::prelude::*;

use super::class::type_class;
use super::extern_type::{External, Quoted};
use crate::managed::Managed;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Import {
    module: String,
    name: String,
    ty: External,
}

impl fmt::Display for Import {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(import {} {} {})", Quoted(&self.module), Quoted(&self.name), self.ty)
    }
}

/// An import of a module: the two names by which it is looked up, and its type. It stays valid when the module is
/// closed.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct ImportType {
    value: Managed<Import>,
}

type_class!(ImportType, Import);

impl ImportType {
    pub(crate) fn wrap(import: &wasmtime::ImportType<'_>) -> ImportType {
        ImportType::of(import.module(), import.name(), &import.ty())
    }

    pub(crate) fn of(module: &str, name: &str, ty: &wasmtime::ExternType) -> ImportType {
        ImportType::from_value(Import { module: module.to_owned(), name: name.to_owned(), ty: External::of(ty) })
    }
}

#[pymethods]
impl ImportType {
    /// The first of the two names of the import.
    #[getter]
    fn module(&self) -> PyResult<&str> {
        Ok(&self.value.get()?.module)
    }

    /// The second of the two names of the import.
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
