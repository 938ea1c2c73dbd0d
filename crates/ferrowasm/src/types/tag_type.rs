//! `TagType`: what an exception, or a suspension of a continuation, carries.

use std::fmt;

use pyo3::exceptions::PyNotImplementedError;
use pyo3::prelude::*;

use super::class::type_class;
use super::func_type::{FuncType, Signature};
use crate::errors::expected;
use crate::managed::Managed;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct Payload(pub(super) Signature);

impl fmt::Display for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(tag")?;
        self.0.write(f)?;
        f.write_str(")")
    }
}

/// The type of a tag: a function type, whose parameters are what an exception of the tag carries.
///
/// Raises `TypeError` unless `functype` is a `FuncType`, which stays usable.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct TagType {
    value: Managed<Payload>,
}

type_class!(TagType, Payload);

impl TagType {
    pub(crate) fn wrap(ty: &wasmtime::TagType) -> TagType {
        TagType::from_value(Payload(Signature::of(ty.ty())))
    }

    /// The type in `engine`; `WrongEngineError` if it mentions a type that a module of another engine defines.
    pub(crate) fn to_engine(&self, engine: &wasmtime::Engine) -> PyResult<wasmtime::TagType> {
        Ok(wasmtime::TagType::new(self.value.get()?.0.to_engine(engine, "TagType")?))
    }
}

#[pymethods]
impl TagType {
    #[new]
    fn new(functype: &Bound<'_, PyAny>) -> PyResult<TagType> {
        let functype = functype.cast::<FuncType>().map_err(|_| expected("a FuncType", functype))?;
        Ok(TagType::from_value(Payload(functype.get().signature()?.clone())))
    }

    /// The function type that describes what the tag carries.
    #[getter]
    fn functype(&self) -> PyResult<FuncType> {
        Ok(FuncType::from_value(self.value.get()?.0.clone()))
    }

    /// wasmtime-py gives a pointer into its C library here. There is no C library behind this package: always raises
    /// `NotImplementedError`.
    fn ptr(&self) -> PyResult<()> {
        self.value.get()?;
        Err(PyNotImplementedError::new_err(
            "a TagType has no C pointer: ferrowasm does not use the C API of the engine",
        ))
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (FuncType,))> {
        Ok((py.get_type::<TagType>().into_any(), (self.functype()?,)))
    }
}
