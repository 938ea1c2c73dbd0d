//! `MemoryType`: the size, index type and page size of a linear memory.

use std::fmt;

use pyo3::prelude::*;

use super::class::type_class;
use super::limits::Limits;
use crate::errors::OrRaise;
use crate::managed::Managed;
use crate::numbers;

/// The exponent of the page size in every module that does not use the custom-page-sizes proposal: pages of 64 KiB.
const DEFAULT_PAGE_SIZE_LOG2: u8 = 16;

#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct MemoryShape(pub(super) wasmtime::MemoryType);

impl MemoryShape {
    fn limits(&self) -> Limits {
        Limits { min: self.0.minimum(), max: self.0.maximum() }
    }
}

impl fmt::Display for MemoryShape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let index = if self.0.is_64() { "i64 " } else { "" };
        write!(f, "(memory {index}{}", self.limits())?;
        if self.0.is_shared() {
            f.write_str(" shared")?;
        }
        if self.0.page_size_log2() != DEFAULT_PAGE_SIZE_LOG2 {
            write!(f, " (pagesize {})", self.0.page_size())?;
        }
        f.write_str(")")
    }
}

/// The type of a linear memory: its size in pages, whether addresses have 64 bits, whether threads share it, and the
/// base-2 logarithm of the page size in bytes (16, or 0 with the custom-page-sizes proposal).
///
/// Raises `TypeError` unless `limits` is `Limits` with int sizes, `OverflowError` if a number is negative or beyond 64
/// bits, and `WasmtimeError` if the combination is impossible: a maximum below the minimum, more than the addresses
/// reach, an unsupported page size, a shared memory without a maximum.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct MemoryType {
    value: Managed<MemoryShape>,
}

type_class!(MemoryType, MemoryShape);

impl MemoryType {
    pub(crate) fn wrap(ty: &wasmtime::MemoryType) -> MemoryType {
        MemoryType::from_value(MemoryShape(ty.clone()))
    }

    /// The engine's type; memory types mention no other types, so that every engine takes them.
    pub(crate) fn to_engine(&self, _engine: &wasmtime::Engine) -> PyResult<wasmtime::MemoryType> {
        Ok(self.value.get()?.0.clone())
    }
}

#[pymethods]
impl MemoryType {
    #[new]
    #[pyo3(
        signature = (limits, is_64=false, shared=false, page_size_log2=None),
        text_signature = "(limits, is_64=False, shared=False, page_size_log2=16)"
    )]
    fn new(
        py: Python<'_>,
        limits: &Bound<'_, PyAny>,
        is_64: bool,
        shared: bool,
        page_size_log2: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<MemoryType> {
        let limits = Limits::extract(limits, u64::MAX)?;
        let page_size_log2 = match page_size_log2 {
            Some(exponent) => numbers::unsigned(exponent, "page_size_log2", u8::MAX.into())? as u8,
            None => DEFAULT_PAGE_SIZE_LOG2,
        };
        let ty = wasmtime::MemoryType::builder()
            .min(limits.min)
            .max(limits.max)
            .memory64(is_64)
            .shared(shared)
            .page_size_log2(page_size_log2)
            .build()
            .or_raise(py)?;
        Ok(MemoryType::wrap(&ty))
    }

    /// The least and greatest size, in pages.
    #[getter]
    fn limits<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.value.get()?.limits().to_python(py)
    }

    /// Whether addresses have 64 bits.
    #[getter]
    fn is_64(&self) -> PyResult<bool> {
        Ok(self.value.get()?.0.is_64())
    }

    /// Whether the memory can be shared between threads.
    #[getter]
    fn is_shared(&self) -> PyResult<bool> {
        Ok(self.value.get()?.0.is_shared())
    }

    /// The size of a page, in bytes: 65536, or 1 with the custom-page-sizes proposal.
    #[getter]
    fn page_size(&self) -> PyResult<u64> {
        Ok(self.value.get()?.0.page_size())
    }

    /// The base-2 logarithm of the page size in bytes: 16 or 0.
    #[getter]
    fn page_size_log2(&self) -> PyResult<u8> {
        Ok(self.value.get()?.0.page_size_log2())
    }

    #[expect(clippy::type_complexity, reason = "the shape that pickle asks for")]
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>, bool, bool, u8))> {
        let args = (self.limits(py)?, self.is_64()?, self.is_shared()?, self.page_size_log2()?);
        Ok((py.get_type::<MemoryType>().into_any(), args))
    }
}
