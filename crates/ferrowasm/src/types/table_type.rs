//! `TableType`: the references that a table holds, and how many.

use std::fmt;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use wasmtime::Engine;

use super::class::type_class;
use super::limits::Limits;
use super::val_type::{ValType, ValueType};
use crate::errors::wasmtime_error;
use crate::managed::Managed;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct TableShape {
    /// Always a reference type.
    element: ValueType,
    limits: Limits,
    is_64: bool,
}

impl TableShape {
    pub(super) fn of(ty: &wasmtime::TableType) -> TableShape {
        TableShape {
            element: ValueType(ty.element().clone().into()),
            limits: Limits { min: ty.minimum(), max: ty.maximum() },
            is_64: ty.is_64(),
        }
    }

    /// The engine's type. `TableShape` is made with 32-bit limits unless `is_64`.
    fn to_engine(&self) -> wasmtime::TableType {
        let element = self.element.0.unwrap_ref().clone();
        let Limits { min, max } = self.limits;
        match (u32::try_from(min), max.map(u32::try_from).transpose()) {
            (Ok(min), Ok(max)) if !self.is_64 => wasmtime::TableType::new(element, min, max),
            _ => wasmtime::TableType::new64(element, min, max),
        }
    }
}

impl fmt::Display for TableShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = if self.is_64 { "i64 " } else { "" };
        write!(f, "(table {index}{} {})", self.limits, self.element)
    }
}

/// The type of a table: the reference type of its elements and its size in elements. Sizes fit 32 bits, with
/// `is_64=True` 64 bits.
///
/// Raises `TypeError` unless `valtype` is a `ValType` and `limits` is `Limits` with int sizes, `ValueError` if
/// `valtype` is no reference type, `OverflowError` if a size is negative or too large, and `WasmtimeError` if the
/// maximum is less than the minimum.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct TableType {
    value: Managed<TableShape>,
}

type_class!(TableType, TableShape);

impl TableType {
    pub(crate) fn wrap(ty: &wasmtime::TableType) -> TableType {
        TableType::from_value(TableShape::of(ty))
    }

    /// The type in `engine`; `WrongEngineError` if its elements are of a type that a module of another engine defines.
    pub(crate) fn to_engine(&self, engine: &Engine) -> PyResult<wasmtime::TableType> {
        let shape = self.value.get()?;
        shape.element.check_engine(engine, "TableType")?;
        Ok(shape.to_engine())
    }
}

#[pymethods]
impl TableType {
    #[new]
    #[pyo3(signature = (valtype, limits, is_64=false))]
    fn new(py: Python<'_>, valtype: &Bound<'_, PyAny>, limits: &Bound<'_, PyAny>, is_64: bool) -> PyResult<TableType> {
        let element = ValType::extract(valtype)?;
        if !element.0.is_ref() {
            return Err(PyValueError::new_err(format!(
                "expected a reference type for the elements of a table, such as ValType.funcref(), got {element}"
            )));
        }
        let limits = Limits::extract(limits, if is_64 { u64::MAX } else { u32::MAX.into() })?;
        if limits.max.is_some_and(|max| max < limits.min) {
            return Err(wasmtime_error(py, "maximum table size cannot be smaller than the minimum table size"));
        }
        Ok(TableType::from_value(TableShape { element, limits, is_64 }))
    }

    /// The type of the elements.
    #[getter]
    fn element(&self) -> PyResult<ValType> {
        Ok(ValType::from_value(self.value.get()?.element.clone()))
    }

    /// The least and greatest number of elements.
    #[getter]
    fn limits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.value.get()?.limits.to_python(py)
    }

    /// Whether elements are addressed by 64-bit integers.
    #[getter]
    fn is_64(&self) -> PyResult<bool> {
        Ok(self.value.get()?.is_64)
    }

    #[expect(clippy::type_complexity, reason = "the shape that pickle asks for")]
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (ValType, Bound<'py, PyAny>, bool))> {
        Ok((py.get_type::<TableType>().into_any(), (self.element()?, self.limits(py)?, self.is_64()?)))
    }
}
