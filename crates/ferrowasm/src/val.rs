//! `Val`: a value together with its WebAssembly type.

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use wasmtime::{RefType, ValType as EngineType};

use crate::errors::wasmtime_error;
use crate::func::Func;
use crate::types::ValType;
use crate::values::{self, Kind};

/// A value with its type: `Val.i32(1)`, `Val.externref(obj)`.
///
/// Plain Python values are accepted wherever a `Val` is, and are what calls return; a `Val` says the type where it
/// would not be clear. `Val(kind, val)` takes a `ValType` or one of wasmtime-py's numbers (0 to 3 for i32, i64, f32 and
/// f64, 4 for v128, 5 for funcref, 6 for externref).
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct Val {
    ty: EngineType,
    value: Py<PyAny>,
}

impl Val {
    /// Checks and normalises a value: an i32 in the unsigned range becomes the signed one, an f32 is rounded.
    fn make(ty: EngineType, value: &Bound<'_, PyAny>) -> PyResult<Val> {
        let py = value.py();
        let kind = Kind::of(&ty);
        let value = match &kind {
            Kind::Ref(reference) => {
                check_reference(reference, value)?;
                value.clone()
            }
            _ => values::from_raw(py, &kind, &values::to_raw(&kind, value)?),
        };
        Ok(Val { ty, value: value.unbind() })
    }

    /// The value for a place where `kind` is wanted; `TypeError` if it is another one.
    pub(crate) fn unwrap_for<'py>(&self, py: Python<'py>, kind: &Kind) -> PyResult<Bound<'py, PyAny>> {
        let fits = match (kind, &self.ty) {
            (Kind::Ref(wanted), EngineType::Ref(have)) => {
                wasmtime::HeapType::eq(&have.heap_type().top(), &wanted.heap_type().top())
            }
            (Kind::Ref(_), _) => false,
            (kind, ty) => matches!(
                (kind, ty),
                (Kind::I32, EngineType::I32)
                    | (Kind::I64, EngineType::I64)
                    | (Kind::F32, EngineType::F32)
                    | (Kind::F64, EngineType::F64)
                    | (Kind::V128, EngineType::V128)
            ),
        };
        if fits {
            Ok(self.value.bind(py).clone())
        } else {
            Err(PyTypeError::new_err(format!("expected a Val of type {kind}, got one of type {}", Kind::of(&self.ty))))
        }
    }

    fn value_if<'py>(&self, py: Python<'py>, matches: bool) -> Option<Bound<'py, PyAny>> {
        matches.then(|| self.value.bind(py).clone())
    }
}

/// A `funcref` must hold a function; what other references hold is checked when they are used in a store.
fn check_reference(ty: &RefType, value: &Bound<'_, PyAny>) -> PyResult<()> {
    let is_func = matches!(ty.heap_type().top(), wasmtime::HeapType::Func);
    if is_func && !value.is_none() && !value.is_instance_of::<Func>() {
        return Err(crate::errors::expected("a Func or None", value));
    }
    Ok(())
}

fn type_of_kind(kind: &Bound<'_, PyAny>) -> PyResult<EngineType> {
    if let Ok(ty) = kind.cast::<ValType>() {
        return Ok(ty.get().get()?.clone());
    }
    // wasmtime-py passes a `ctypes.c_ubyte`.
    let number = match kind.getattr("value") {
        Ok(value) => value,
        Err(_) => kind.clone(),
    };
    match number.extract::<u8>().map_err(|_| crate::errors::expected("a ValType", kind))? {
        0 => Ok(EngineType::I32),
        1 => Ok(EngineType::I64),
        2 => Ok(EngineType::F32),
        3 => Ok(EngineType::F64),
        4 => Ok(EngineType::V128),
        5 => Ok(EngineType::FUNCREF),
        6 => Ok(EngineType::EXTERNREF),
        other => Err(PyValueError::new_err(format!("{other} is no kind of value; pass a ValType"))),
    }
}

#[pymethods]
impl Val {
    #[new]
    fn new(kind: &Bound<'_, PyAny>, val: &Bound<'_, PyAny>) -> PyResult<Val> {
        Val::make(type_of_kind(kind)?, val)
    }

    /// A 32-bit integer, from the signed or unsigned range.
    #[staticmethod]
    fn i32(val: &Bound<'_, PyAny>) -> PyResult<Val> {
        Val::make(EngineType::I32, val)
    }

    /// A 64-bit integer, from the signed or unsigned range.
    #[staticmethod]
    fn i64(val: &Bound<'_, PyAny>) -> PyResult<Val> {
        Val::make(EngineType::I64, val)
    }

    /// A 32-bit float.
    #[staticmethod]
    fn f32(val: &Bound<'_, PyAny>) -> PyResult<Val> {
        Val::make(EngineType::F32, val)
    }

    /// A 64-bit float.
    #[staticmethod]
    fn f64(val: &Bound<'_, PyAny>) -> PyResult<Val> {
        Val::make(EngineType::F64, val)
    }

    /// A vector: 16 bytes, little-endian.
    #[staticmethod]
    fn v128(val: &Bound<'_, PyAny>) -> PyResult<Val> {
        Val::make(EngineType::V128, val)
    }

    /// A reference to any Python object. `None` is the null reference, as everywhere; `ExternRef(None)` is a reference
    /// to `None`.
    #[staticmethod]
    fn externref(r#extern: &Bound<'_, PyAny>) -> PyResult<Val> {
        Val::make(EngineType::EXTERNREF, r#extern)
    }

    /// A reference to a function; `None` is null.
    #[staticmethod]
    fn funcref(f: &Bound<'_, PyAny>) -> PyResult<Val> {
        Val::make(EngineType::FUNCREF, f)
    }

    /// The null reference of a type. Raises `WasmtimeError` if it is no type of references.
    #[staticmethod]
    fn ref_null(py: Python<'_>, ty: &Bound<'_, ValType>) -> PyResult<Val> {
        match ty.get().get()? {
            EngineType::Ref(ty) => Ok(Val { ty: RefType::new(true, ty.heap_type().clone()).into(), value: py.None() }),
            other => Err(wasmtime_error(py, &format!("{other} is no reference type, and has no null"))),
        }
    }

    /// The type.
    #[getter]
    fn r#type(&self) -> ValType {
        ValType::wrap(self.ty.clone())
    }

    /// The Python value.
    #[getter]
    fn value(&self, py: Python<'_>) -> Py<PyAny> {
        self.value.clone_ref(py)
    }

    /// The value if it is an i32, otherwise `None`; likewise the other `as_` methods.
    fn as_i32<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.value_if(py, matches!(self.ty, EngineType::I32))
    }

    /// The value if it is an i64, otherwise `None`.
    fn as_i64<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.value_if(py, matches!(self.ty, EngineType::I64))
    }

    /// The value if it is an f32, otherwise `None`.
    fn as_f32<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.value_if(py, matches!(self.ty, EngineType::F32))
    }

    /// The value if it is an f64, otherwise `None`.
    fn as_f64<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.value_if(py, matches!(self.ty, EngineType::F64))
    }

    /// The 16 bytes if it is a v128, otherwise `None`.
    fn as_v128<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.value_if(py, matches!(self.ty, EngineType::V128))
    }

    /// The object if it is an externref, otherwise `None`.
    fn as_externref<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.value_if(py, self.is_reference_to(&wasmtime::HeapType::Extern))
    }

    /// The function if it is a funcref, otherwise `None`.
    fn as_funcref<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyAny>> {
        self.value_if(py, self.is_reference_to(&wasmtime::HeapType::Func))
    }

    /// Equal to a `Val` of the same type and value, and to the bare value.
    fn __eq__(&self, py: Python<'_>, other: &Bound<'_, PyAny>) -> PyResult<bool> {
        match other.cast_exact::<Val>() {
            Ok(other) => {
                let other = other.get();
                Ok(Kind::of(&self.ty).to_string() == Kind::of(&other.ty).to_string()
                    && self.value.bind(py).eq(&other.value)?)
            }
            Err(_) => self.value.bind(py).eq(other),
        }
    }

    fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
        self.value.bind(py).hash()
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("Val({}, {})", Kind::of(&self.ty), self.value.bind(py).repr()?))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.value)
    }
}

impl Val {
    fn is_reference_to(&self, top: &wasmtime::HeapType) -> bool {
        matches!(&self.ty, EngineType::Ref(ty) if wasmtime::HeapType::eq(&ty.heap_type().top(), top))
    }
}
