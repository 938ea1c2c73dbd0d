//! `GlobalType`: what a global holds and whether it can be assigned.

use std::fmt;

use pyo3::prelude::*;
use wasmtime::{Engine, Mutability};

use super::class::type_class;
use super::val_type::{ValType, ValueType};
use crate::managed::Managed;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Content {
    ty: ValueType,
    mutability: Mutability,
}

impl Content {
    pub(super) fn of(ty: &wasmtime::GlobalType) -> Content {
        Content { ty: ValueType(ty.content().clone()), mutability: ty.mutability() }
    }
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.mutability {
            Mutability::Var => write!(f, "(global (mut {}))", self.ty),
            Mutability::Const => write!(f, "(global {})", self.ty),
        }
    }
}

/// The type of a global variable: the type of its value, and whether it can be assigned.
///
/// Raises `TypeError` unless `valtype` is a `ValType` and `mutable` a bool.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct GlobalType {
    value: Managed<Content>,
}

type_class!(GlobalType, Content);

impl GlobalType {
    pub(crate) fn wrap(ty: &wasmtime::GlobalType) -> GlobalType {
        GlobalType::from_value(Content::of(ty))
    }

    /// The type in `engine`; `WrongEngineError` if it mentions a type that a module of another engine defines.
    pub(crate) fn to_engine(&self, engine: &Engine) -> PyResult<wasmtime::GlobalType> {
        let Content { ty, mutability } = self.value.get()?;
        ty.check_engine(engine, "GlobalType")?;
        Ok(wasmtime::GlobalType::new(ty.0.clone(), *mutability))
    }
}

#[pymethods]
impl GlobalType {
    #[new]
    fn new(valtype: &Bound<'_, PyAny>, mutable: bool) -> PyResult<GlobalType> {
        let mutability = if mutable { Mutability::Var } else { Mutability::Const };
        Ok(GlobalType::from_value(Content { ty: ValType::extract(valtype)?, mutability }))
    }

    /// The type of the value.
    #[getter]
    fn content(&self) -> PyResult<ValType> {
        Ok(ValType::from_value(self.value.get()?.ty.clone()))
    }

    /// Whether the global can be assigned.
    #[getter]
    fn mutable(&self) -> PyResult<bool> {
        Ok(self.value.get()?.mutability.is_var())
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (ValType, bool))> {
        Ok((py.get_type::<GlobalType>().into_any(), (self.content()?, self.mutable()?)))
    }
}
