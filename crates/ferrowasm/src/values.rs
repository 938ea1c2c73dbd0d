//! The one table between WebAssembly values and Python values, used in both directions of a call.
//!
//! | WebAssembly | from Python | to Python |
//! |---|---|---|
//! | i32, i64 | an int (or `__index__`) in the signed or unsigned range | a signed `int` |
//! | f32, f64 | a number (`__float__`, `__index__`) | a `float`, NaN payload kept |
//! | v128 | a bytes-like object of 16 bytes, little-endian | 16 `bytes` |
//! | externref | any object; `None` is null; `ExternRef(x)` is a reference to `x`, whatever `x` is | the object |
//! | funcref | a `Func`; `None` is null | `Func` or `None` |
//! | anyref, exnref and below | what WebAssembly gave out; `None` is null | `AnyRef`, `ExnRef`, … or `None` |

use pyo3::exceptions::{PyOverflowError, PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyFloat, PyInt};
use wasmtime::{HeapType, Ref, RefType, StoreContextMut, V128, Val, ValRaw, ValType};

use crate::borrowed::Borrowed;
use crate::errors::{Misuse, OrRaise, expected};
use crate::func::Func;
use crate::numbers;
use crate::refs::{self, ExternRef};
use crate::store::Data;
use crate::types::ValueType;
use crate::val::Val as PyVal;

/// How values of one type are converted.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    I32,
    I64,
    F32,
    F64,
    V128,
    /// In a box because it is large: what most calls look at fits into a few bytes.
    Ref(Box<RefType>),
}

impl Kind {
    pub(crate) fn of(ty: &ValType) -> Kind {
        match ty {
            ValType::I32 => Kind::I32,
            ValType::I64 => Kind::I64,
            ValType::F32 => Kind::F32,
            ValType::F64 => Kind::F64,
            ValType::V128 => Kind::V128,
            ValType::Ref(ty) => Kind::Ref(Box::new(ty.clone())),
        }
    }

    pub(crate) fn to_engine(&self) -> ValType {
        match self {
            Kind::I32 => ValType::I32,
            Kind::I64 => ValType::I64,
            Kind::F32 => ValType::F32,
            Kind::F64 => ValType::F64,
            Kind::V128 => ValType::V128,
            Kind::Ref(ty) => ValType::Ref((**ty).clone()),
        }
    }

    fn is_reference(&self) -> bool {
        matches!(self, Kind::Ref(_))
    }
}

/// The kinds of a function type, worked out once for each function object.
#[derive(Debug)]
pub(crate) struct Signature {
    pub(crate) params: Box<[Kind]>,
    pub(crate) results: Box<[Kind]>,
    /// No references: values can cross as raw bits, without the store.
    pub(crate) is_plain: bool,
    /// How many parameters are references.
    pub(crate) references: usize,
    /// How many raw values a call needs room for: parameters and results share it.
    pub(crate) slots: usize,
}

impl Signature {
    pub(crate) fn of(ty: &wasmtime::FuncType) -> Signature {
        let params: Box<[Kind]> = ty.params().map(|ty| Kind::of(&ty)).collect();
        let results: Box<[Kind]> = ty.results().map(|ty| Kind::of(&ty)).collect();
        let is_plain = !params.iter().chain(&results).any(Kind::is_reference);
        let references = params.iter().filter(|kind| kind.is_reference()).count();
        let slots = params.len().max(results.len());
        Signature { params, results, is_plain, references, slots }
    }
}

impl std::fmt::Display for Signature {
    /// As in the text format: `(param i32) (result i32)`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let list = |kinds: &[Kind]| kinds.iter().map(|kind| format!(" {kind}")).collect::<String>();
        match (self.params.is_empty(), self.results.is_empty()) {
            (true, true) => f.write_str("(func)"),
            (false, true) => write!(f, "(func (param{}))", list(&self.params)),
            (true, false) => write!(f, "(func (result{}))", list(&self.results)),
            (false, false) => write!(f, "(func (param{}) (result{}))", list(&self.params), list(&self.results)),
        }
    }
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Kind::I32 => f.write_str("i32"),
            Kind::I64 => f.write_str("i64"),
            Kind::F32 => f.write_str("f32"),
            Kind::F64 => f.write_str("f64"),
            Kind::V128 => f.write_str("v128"),
            Kind::Ref(ty) => ValueType((**ty).clone().into()).fmt(f),
        }
    }
}

fn range_error(value: &Bound<'_, PyAny>, ty: &str, bits: u32) -> PyErr {
    let text = value.str().map(|text| text.to_string()).unwrap_or_else(|_| "the value".to_owned());
    PyOverflowError::new_err(format!(
        "{text} does not fit {ty}: expected an int from -2**{} to 2**{bits} - 1",
        bits - 1
    ))
}

/// Whether a number is in the signed or unsigned range.
#[inline]
fn is_i32(number: i64) -> bool {
    (i64::from(i32::MIN)..=i64::from(u32::MAX)).contains(&number)
}

fn to_i32(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    let int = numbers::index(value, "i32")?;
    match int.extract::<i64>() {
        Ok(number) if is_i32(number) => Ok(number as i32),
        _ => Err(range_error(&int, "i32", 32)),
    }
}

fn to_i64(value: &Bound<'_, PyAny>) -> PyResult<i64> {
    let int = numbers::index(value, "i64")?;
    int.extract::<i64>()
        .or_else(|_| int.extract::<u64>().map(|number| number as i64))
        .map_err(|_| range_error(&int, "i64", 64))
}

pub(crate) fn to_f64(value: &Bound<'_, PyAny>, what: &str) -> PyResult<f64> {
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        return Ok(float.value());
    }
    value.extract::<f64>().or_else(|error| {
        let is_number = || Ok::<_, PyErr>(value.hasattr("__float__")? || value.hasattr("__index__")?);
        if error.is_instance_of::<PyTypeError>(value.py()) && !is_number()? {
            return Err(expected(&format!("a number for {what}"), value));
        }
        Err(error)
    })
}

/// Bits of an f32 that become the payload's low bits when it is widened.
const NAN_SHIFT: u32 = 52 - 23;

/// Rounds to f32. NaNs keep sign and the upper payload bits, a signalling one stays signalling: the hardware's
/// conversion would quieten it.
pub(crate) fn f64_to_f32_bits(value: f64) -> u32 {
    if !value.is_nan() {
        return (value as f32).to_bits();
    }
    let bits = value.to_bits();
    let sign = ((bits >> 32) as u32) & 0x8000_0000;
    let mantissa = ((bits >> NAN_SHIFT) as u32) & 0x007f_ffff;
    // With nothing left of the payload it would be an infinity.
    sign | 0x7f80_0000 | if mantissa == 0 { 0x0040_0000 } else { mantissa }
}

/// The reverse of `f64_to_f32_bits`, exact.
pub(crate) fn f32_bits_to_f64(bits: u32) -> f64 {
    let value = f32::from_bits(bits);
    if !value.is_nan() {
        return f64::from(value);
    }
    let sign = u64::from(bits & 0x8000_0000) << 32;
    f64::from_bits(sign | 0x7ff0_0000_0000_0000 | (u64::from(bits & 0x007f_ffff) << NAN_SHIFT))
}

fn to_v128(value: &Bound<'_, PyAny>) -> PyResult<u128> {
    let wrong =
        |what: String| PyTypeError::new_err(format!("expected a bytes-like object of 16 bytes for v128, got {what}"));
    let copy;
    let bytes = match value.cast::<PyBytes>() {
        Ok(bytes) => bytes.as_bytes(),
        Err(_) => {
            let buffer = Borrowed::readable(value)?.ok_or_else(|| wrong(value.get_type().to_string()))?;
            copy = buffer.to_vec()?;
            &copy
        }
    };
    match <[u8; 16]>::try_from(bytes) {
        Ok(bytes) => Ok(u128::from_le_bytes(bytes)),
        Err(_) => Err(PyValueError::new_err(format!("expected 16 bytes for v128, got {}", bytes.len()))),
    }
}

/// What a `Val` holds, if that is what was passed; its type has to be the expected one.
fn unwrap_val<'py>(value: &Bound<'py, PyAny>, kind: &Kind) -> PyResult<Option<Bound<'py, PyAny>>> {
    match value.cast_exact::<PyVal>() {
        Ok(val) => val.get().unwrap_for(value.py(), kind).map(Some),
        Err(_) => Ok(None),
    }
}

/// The raw bits of what most arguments are, found without a call of the interpreter; `None` for everything that needs a
/// closer look. Leaves half of the raw value of a vector alone, which are not among them.
#[inline(always)]
pub(crate) fn instant(kind: &Kind, value: &Bound<'_, PyAny>) -> Option<u64> {
    match kind {
        Kind::I32 | Kind::I64 => {
            // One digit is in the range of both.
            let number = numbers::compact(value.cast_exact::<PyInt>().ok()?)?;
            Some(if matches!(kind, Kind::I32) { u64::from(number as u32) } else { number.cast_unsigned() })
        }
        Kind::F32 | Kind::F64 => {
            let number = value.cast_exact::<PyFloat>().ok()?.value();
            Some(if matches!(kind, Kind::F32) { f64_to_f32_bits(number).into() } else { number.to_bits() })
        }
        Kind::V128 | Kind::Ref(_) => None,
    }
}

/// The same, for larger integers too.
// As `numbers::small`.
#[inline(always)]
pub(crate) fn quick(kind: &Kind, value: &Bound<'_, PyAny>) -> Option<u64> {
    match kind {
        Kind::I32 => {
            let number = numbers::small(value.cast_exact::<PyInt>().ok()?)?;
            is_i32(number).then_some(u64::from(number as u32))
        }
        Kind::I64 => numbers::small(value.cast_exact::<PyInt>().ok()?).map(i64::cast_unsigned),
        _ => instant(kind, value),
    }
}

/// Converts a value that is no reference to its raw bits.
pub(crate) fn to_raw(kind: &Kind, value: &Bound<'_, PyAny>) -> PyResult<ValRaw> {
    if let Some(inner) = unwrap_val(value, kind)? {
        return to_raw(kind, &inner);
    }
    Ok(match kind {
        Kind::I32 => ValRaw::i32(to_i32(value)?),
        Kind::I64 => ValRaw::i64(to_i64(value)?),
        Kind::F32 => ValRaw::f32(f64_to_f32_bits(to_f64(value, "f32")?)),
        Kind::F64 => ValRaw::f64(to_f64(value, "f64")?.to_bits()),
        Kind::V128 => ValRaw::v128(to_v128(value)?),
        Kind::Ref(_) => unreachable!("references do not cross as raw bits"),
    })
}

/// Converts the raw bits of a value that is no reference.
#[inline(always)]
pub(crate) fn from_raw<'py>(py: Python<'py>, kind: &Kind, raw: &ValRaw) -> Bound<'py, PyAny> {
    match kind {
        Kind::I32 => numbers::int(py, raw.get_i32()).into_any(),
        _ => from_raw_any(py, kind, raw),
    }
}

fn from_raw_any<'py>(py: Python<'py>, kind: &Kind, raw: &ValRaw) -> Bound<'py, PyAny> {
    match kind {
        Kind::I32 => numbers::int(py, raw.get_i32()).into_any(),
        Kind::I64 => PyInt::new(py, raw.get_i64()).into_any(),
        Kind::F32 => PyFloat::new(py, f32_bits_to_f64(raw.get_f32())).into_any(),
        Kind::F64 => PyFloat::new(py, f64::from_bits(raw.get_f64())).into_any(),
        Kind::V128 => PyBytes::new(py, &raw.get_v128().to_le_bytes()).into_any(),
        Kind::Ref(_) => unreachable!("references do not cross as raw bits"),
    }
}

/// Converts any value. Reference values are rooted in the innermost root scope of `ctx`.
pub(crate) fn to_val(ctx: &mut StoreContextMut<'_, Data>, kind: &Kind, value: &Bound<'_, PyAny>) -> PyResult<Val> {
    let raw = match (kind, quick(kind, value)) {
        (_, Some(bits)) => ValRaw::u64(bits),
        (Kind::Ref(ty), None) => return Ok(to_ref(ctx, ty, value)?.into()),
        (_, None) => to_raw(kind, value)?,
    };
    Ok(match kind {
        Kind::I32 => Val::I32(raw.get_i32()),
        Kind::I64 => Val::I64(raw.get_i64()),
        Kind::F32 => Val::F32(raw.get_f32()),
        Kind::F64 => Val::F64(raw.get_f64()),
        _ => Val::V128(V128::from(raw.get_v128())),
    })
}

/// Converts a value that the engine gave out.
pub(crate) fn from_val<'py>(
    py: Python<'py>,
    ctx: &mut StoreContextMut<'_, Data>,
    value: &Val,
) -> PyResult<Bound<'py, PyAny>> {
    let (kind, raw) = match value {
        Val::I32(value) => (Kind::I32, ValRaw::i32(*value)),
        Val::I64(value) => (Kind::I64, ValRaw::i64(*value)),
        Val::F32(bits) => (Kind::F32, ValRaw::f32(*bits)),
        Val::F64(bits) => (Kind::F64, ValRaw::f64(*bits)),
        Val::V128(value) => (Kind::V128, ValRaw::v128(value.as_u128())),
        reference => return from_ref(py, ctx, reference.ref_().as_ref().unwrap_or(&Ref::Func(None))),
    };
    Ok(from_raw(py, &kind, &raw))
}

fn null(ty: &RefType) -> PyResult<Ref> {
    if ty.is_nullable() {
        Ok(Ref::null(ty.heap_type()))
    } else {
        Err(PyTypeError::new_err(format!(
            "expected a value for {}, which cannot be null, got None",
            ValueType(ty.clone().into())
        )))
    }
}

fn wrong_reference(ty: &RefType, expected: &str, value: &Bound<'_, PyAny>) -> PyErr {
    crate::errors::expected(&format!("{expected} for {}", ValueType(ty.clone().into())), value)
}

/// Converts a reference, which is rooted in the innermost root scope of `ctx`.
pub(crate) fn to_ref(ctx: &mut StoreContextMut<'_, Data>, ty: &RefType, value: &Bound<'_, PyAny>) -> PyResult<Ref> {
    if let Some(inner) = unwrap_val(value, &Kind::Ref(Box::new(ty.clone())))? {
        return to_ref(ctx, ty, &inner);
    }
    if value.is_none() {
        return null(ty);
    }
    let py = value.py();
    let reference = match ty.heap_type().top() {
        HeapType::Extern => {
            if matches!(ty.heap_type(), HeapType::NoExtern) {
                return Err(wrong_reference(ty, "None", value));
            }
            let object = match value.cast_exact::<ExternRef>() {
                Ok(wrapped) => wrapped.get().object.clone_ref(py),
                Err(_) => value.clone().unbind(),
            };
            Ref::Extern(Some(refs::new_externref(py, ctx, object)?))
        }
        HeapType::Func => {
            let func =
                value.cast::<Func>().map_err(|_| wrong_reference(ty, "a Func or None", value))?.get().callee()?;
            if func.store_id != ctx.data().shared.id {
                return Err(Misuse::WrongStore("Func").into());
            }
            Ref::Func(Some(func.func))
        }
        HeapType::Any => {
            refs::any_to_ref(ctx, value)?.ok_or_else(|| wrong_reference(ty, "an AnyRef or None", value))?
        }
        HeapType::Exn => {
            refs::exn_to_ref(ctx, value)?.ok_or_else(|| wrong_reference(ty, "an ExnRef or None", value))?
        }
        _ => return Err(wrong_reference(ty, "None", value)),
    };
    if reference.matches_ty(&*ctx, ty).or_raise(py)? {
        Ok(reference)
    } else {
        let got = ValueType(reference.ty(&*ctx).or_raise(py)?.into());
        Err(PyTypeError::new_err(format!("expected a reference of type {}, got {got}", ValueType(ty.clone().into()))))
    }
}

pub(crate) fn from_ref<'py>(
    py: Python<'py>,
    ctx: &mut StoreContextMut<'_, Data>,
    reference: &Ref,
) -> PyResult<Bound<'py, PyAny>> {
    match reference {
        Ref::Func(Some(func)) => Ok(Bound::new(py, Func::wrap(ctx, *func))?.into_any()),
        Ref::Extern(Some(externref)) => refs::extern_to_python(py, ctx, externref),
        Ref::Any(Some(anyref)) => refs::any_to_python(py, ctx, anyref),
        Ref::Exn(Some(exnref)) => refs::exn_to_python(py, ctx, exnref),
        _ => Ok(py.None().into_bound(py)),
    }
}
