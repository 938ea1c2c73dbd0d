//! `ValType`: the type of a WebAssembly value.

use std::fmt;
use std::hash::{Hash, Hasher};

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use wasmtime::{Engine, HeapType, RefType};

use super::class::type_class;
use crate::errors::{Misuse, wasmtime_error};
use crate::managed::Managed;

/// A value type with the equality of Python: the same type, not merely a subtype, and never a panic for types of
/// different engines.
#[derive(Clone)]
pub(crate) struct ValueType(pub(crate) wasmtime::ValType);

impl ValueType {
    /// Whether the type can be used with `engine`: types that a module defines exist in the engine of that module only.
    pub(super) fn fits(&self, engine: &Engine) -> bool {
        match defining_engine(&self.0) {
            Some(own) => Engine::same(own, engine),
            None => true,
        }
    }

    /// `Misuse::WrongEngine` unless the type can be used with `engine`; `kind` is the class of which it is a part.
    pub(super) fn check_engine(&self, engine: &Engine, kind: &'static str) -> Result<(), Misuse> {
        if self.fits(engine) { Ok(()) } else { Err(Misuse::WrongEngine(kind)) }
    }
}

impl PartialEq for ValueType {
    fn eq(&self, other: &ValueType) -> bool {
        let same_engine = match (defining_engine(&self.0), defining_engine(&other.0)) {
            (Some(a), Some(b)) => Engine::same(a, b),
            (None, None) => true,
            _ => false,
        };
        // The engine's own comparison panics for types of different engines.
        same_engine && wasmtime::ValType::eq(&self.0, &other.0)
    }
}

impl Eq for ValueType {}

impl Hash for ValueType {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wasmtime::ValType::Ref(ty) = &self.0 else { return fmt::Display::fmt(&self.0, f) };
        let heap = heap_name(ty.heap_type());
        match SHORTHANDS.iter().find(|(_, abbreviated, _)| *abbreviated == heap) {
            Some((name, ..)) if ty.is_nullable() => f.write_str(name),
            _ if ty.is_nullable() => write!(f, "(ref null {heap})"),
            _ => write!(f, "(ref {heap})"),
        }
    }
}

/// The nullable reference types that have a name of their own: that name, the name of the heap type, and the type.
const SHORTHANDS: [(&str, &str, RefType); 14] = [
    ("externref", "extern", RefType::EXTERNREF),
    ("funcref", "func", RefType::FUNCREF),
    ("anyref", "any", RefType::ANYREF),
    ("eqref", "eq", RefType::EQREF),
    ("i31ref", "i31", RefType::I31REF),
    ("structref", "struct", RefType::STRUCTREF),
    ("arrayref", "array", RefType::ARRAYREF),
    ("exnref", "exn", RefType::EXNREF),
    ("contref", "cont", RefType::CONTREF),
    ("nullref", "none", RefType::NULLREF),
    ("nullfuncref", "nofunc", RefType::NULLFUNCREF),
    ("nullexternref", "noextern", RefType::NULLEXTERNREF),
    ("nullexnref", "noexn", RefType::NULLEXNREF),
    ("nullcontref", "nocont", RefType::NULLCONTREF),
];

/// The name of a heap type in the text format. Engines do not keep the names of types that modules define: `$struct`
/// stands for any defined struct.
fn heap_name(heap: &HeapType) -> &'static str {
    match heap {
        HeapType::Extern => "extern",
        HeapType::NoExtern => "noextern",
        HeapType::Func => "func",
        HeapType::NoFunc => "nofunc",
        HeapType::Any => "any",
        HeapType::Eq => "eq",
        HeapType::I31 => "i31",
        HeapType::Array => "array",
        HeapType::Struct => "struct",
        HeapType::None => "none",
        HeapType::Exn => "exn",
        HeapType::NoExn => "noexn",
        HeapType::Cont => "cont",
        HeapType::NoCont => "nocont",
        HeapType::ConcreteFunc(_) => "$func",
        HeapType::ConcreteArray(_) => "$array",
        HeapType::ConcreteStruct(_) => "$struct",
        HeapType::ConcreteCont(_) => "$cont",
        HeapType::ConcreteExn(_) => "$exn",
    }
}

/// The engine of a reference to a type that a module defines.
fn defining_engine(ty: &wasmtime::ValType) -> Option<&Engine> {
    match ty.as_ref()?.heap_type() {
        HeapType::ConcreteFunc(ty) => Some(ty.engine()),
        HeapType::ConcreteArray(ty) => Some(ty.engine()),
        HeapType::ConcreteStruct(ty) => Some(ty.engine()),
        HeapType::ConcreteCont(ty) => Some(ty.engine()),
        HeapType::ConcreteExn(ty) => Some(ty.engine()),
        _ => None,
    }
}

/// The type of a WebAssembly value: a number, a vector or a reference.
///
/// Made with the static methods, such as `ValType.i32()`. `str()` gives the type as in the WebAssembly text format; a
/// type that a module defines shows as `(ref null $struct)`, since engines do not keep its name. Two types are equal
/// when they are the same type, not when one is a subtype.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct ValType {
    value: Managed<ValueType>,
}

type_class!(ValType, ValueType);

impl ValType {
    pub(crate) fn wrap(ty: wasmtime::ValType) -> ValType {
        ValType::from_value(ValueType(ty))
    }

    pub(crate) fn get(&self) -> Result<&wasmtime::ValType, Misuse> {
        Ok(&self.value.get()?.0)
    }

    pub(super) fn value(&self) -> Result<&ValueType, Misuse> {
        self.value.get()
    }

    /// The type in `value`, which has to be a `ValType`.
    pub(super) fn extract(value: &Bound<'_, PyAny>) -> PyResult<ValueType> {
        match value.cast::<ValType>() {
            Ok(ty) => Ok(ty.get().value()?.clone()),
            Err(_) => Err(crate::errors::expected("ValType", value)),
        }
    }
}

/// Static methods without arguments, one for each type that has a name.
macro_rules! named {
    ($($(#[$doc:meta])* $name:ident => $ty:expr;)*) => {
        #[pymethods]
        impl ValType {
            $($(#[$doc])*
            #[staticmethod]
            fn $name() -> ValType {
                ValType::wrap($ty)
            })*
        }
    };
}

named! {
    /// A 32-bit integer.
    i32 => wasmtime::ValType::I32;
    /// A 64-bit integer.
    i64 => wasmtime::ValType::I64;
    /// A 32-bit float.
    f32 => wasmtime::ValType::F32;
    /// A 64-bit float.
    f64 => wasmtime::ValType::F64;
    /// A 128-bit vector.
    v128 => wasmtime::ValType::V128;
    /// A reference to a Python object, or null.
    externref => wasmtime::ValType::EXTERNREF;
    /// A reference to a function, or null.
    funcref => wasmtime::ValType::FUNCREF;
    /// A reference to any WebAssembly object (a struct, an array, an i31) or to a host object that was converted to
    /// one, or null.
    anyref => wasmtime::ValType::ANYREF;
    /// A reference that can be compared for identity (a struct, an array, an i31), or null.
    eqref => wasmtime::ValType::EQREF;
    /// A 31-bit integer that is stored as a reference, or null.
    i31ref => wasmtime::ValType::I31REF;
    /// A reference to a struct, or null.
    structref => wasmtime::ValType::STRUCTREF;
    /// A reference to an array, or null.
    arrayref => wasmtime::ValType::ARRAYREF;
    /// A reference to an exception, or null.
    exnref => wasmtime::ValType::EXNREF;
    /// A reference to a continuation, or null.
    contref => wasmtime::ValType::CONTREF;
    /// The null reference of `anyref` and its subtypes.
    nullref => wasmtime::ValType::NULLREF;
    /// The null reference of `funcref` and its subtypes.
    nullfuncref => wasmtime::ValType::NULLFUNCREF;
    /// The null reference of `externref`.
    nullexternref => wasmtime::ValType::NULLEXTERNREF;
    /// The null reference of `exnref`.
    nullexnref => wasmtime::ValType::NULLEXNREF;
    /// The null reference of `contref`.
    nullcontref => wasmtime::ValType::NULLCONTREF;
}

#[pymethods]
impl ValType {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "()")]
    fn new(
        py: Python<'_>,
        _args: &Bound<'_, pyo3::types::PyTuple>,
        _kwargs: Option<&Bound<'_, pyo3::types::PyDict>>,
    ) -> PyResult<ValType> {
        Err(wasmtime_error(py, "cannot construct directly: use a static method such as ValType.i32()"))
    }

    /// A reference to the heap type `heap_type`, given by its name in the text format: `extern`, `func`, `any`, `eq`,
    /// `i31`, `struct`, `array`, `exn`, `cont`, `none`, `nofunc`, `noextern`, `noexn` or `nocont`. With
    /// `nullable=False` the type excludes null.
    ///
    /// Raises `ValueError` for any other name.
    #[staticmethod]
    #[pyo3(signature = (heap_type, nullable=true))]
    fn r#ref(heap_type: &str, nullable: bool) -> PyResult<ValType> {
        match SHORTHANDS.into_iter().find(|(_, heap, _)| *heap == heap_type) {
            Some((_, _, ty)) => Ok(ValType::wrap(RefType::new(nullable, ty.heap_type().clone()).into())),
            None => {
                let names: Vec<_> = SHORTHANDS.iter().map(|(_, heap, _)| *heap).collect();
                Err(PyValueError::new_err(format!(
                    "unknown heap type {heap_type:?}: expected one of {}",
                    names.join(", ")
                )))
            }
        }
    }

    /// Whether this is a reference type.
    #[getter]
    fn is_ref(&self) -> PyResult<bool> {
        Ok(self.get()?.is_ref())
    }

    /// Whether this is a reference type that includes null.
    #[getter]
    fn nullable(&self) -> PyResult<bool> {
        Ok(self.get()?.as_ref().is_some_and(RefType::is_nullable))
    }

    /// What a reference type refers to, by its name in the text format (`func`, `extern`, `struct`, …); `None` for
    /// numbers and vectors.
    ///
    /// A type that a module defines is `$func`, `$struct`, `$array`, `$cont` or `$exn`: engines do not keep its name.
    #[getter]
    fn heap_type(&self) -> PyResult<Option<&'static str>> {
        Ok(self.get()?.as_ref().map(|ty| heap_name(ty.heap_type())))
    }

    /// `methodcaller("i32")(ValType)`: static methods cannot be pickled by themselves.
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        let value = self.value()?;
        if defining_engine(&value.0).is_some() {
            return Err(PyTypeError::new_err(format!(
                "cannot pickle {value}: a type that a module defines exists only in its engine"
            )));
        }
        let methodcaller = py.import("operator")?.getattr("methodcaller")?;
        let constructor = match value.0.as_ref() {
            Some(ty) => methodcaller.call1(("ref", heap_name(ty.heap_type()), ty.is_nullable()))?,
            None => methodcaller.call1((value.to_string(),))?,
        };
        Ok((constructor, (py.get_type::<ValType>().into_any(),)))
    }
}
