//! The type of anything that a module imports or exports.

use std::fmt;

use pyo3::prelude::*;

use super::func_type::{FuncType, Signature};
use super::global_type::{Content, GlobalType};
use super::memory_type::{MemoryShape, MemoryType};
use super::table_type::{TableShape, TableType};
use super::tag_type::{Payload, TagType};

/// The value behind one of the type classes.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) enum External {
    Func(Signature),
    Global(Content),
    Table(TableShape),
    Memory(MemoryShape),
    Tag(Payload),
}

impl External {
    pub(super) fn of(ty: &wasmtime::ExternType) -> External {
        match ty {
            wasmtime::ExternType::Func(ty) => External::Func(Signature::of(ty)),
            wasmtime::ExternType::Global(ty) => External::Global(Content::of(ty)),
            wasmtime::ExternType::Table(ty) => External::Table(TableShape::of(ty)),
            wasmtime::ExternType::Memory(ty) => External::Memory(MemoryShape(ty.clone())),
            wasmtime::ExternType::Tag(ty) => External::Tag(Payload(Signature::of(ty.ty()))),
        }
    }

    /// A new Python object for the type.
    pub(super) fn to_python(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        Ok(match self.clone() {
            External::Func(ty) => Py::new(py, FuncType::from_value(ty))?.into_any(),
            External::Global(ty) => Py::new(py, GlobalType::from_value(ty))?.into_any(),
            External::Table(ty) => Py::new(py, TableType::from_value(ty))?.into_any(),
            External::Memory(ty) => Py::new(py, MemoryType::from_value(ty))?.into_any(),
            External::Tag(ty) => Py::new(py, TagType::from_value(ty))?.into_any(),
        })
    }
}

impl fmt::Display for External {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            External::Func(ty) => ty.fmt(f),
            External::Global(ty) => ty.fmt(f),
            External::Table(ty) => ty.fmt(f),
            External::Memory(ty) => ty.fmt(f),
            External::Tag(ty) => ty.fmt(f),
        }
    }
}

/// A string of the text format: names are any Unicode, and only what would end or garble the literal is escaped.
pub(super) struct Quoted<'a>(pub(super) &'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"")?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                '\t' => f.write_str("\\t")?,
                control if control.is_control() => write!(f, "\\u{{{:x}}}", u32::from(control))?,
                other => write!(f, "{other}")?,
            }
        }
        f.write_str("\"")
    }
}
