//! `SharedMemory`: memories that several stores, on several threads, use at once.
#![allow(unsafe_code)]

use std::time::Duration;

use pyo3::exceptions::{PyIndexError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyMemoryView, PySlice};
use wasmtime::{Trap, WaitResult};

use crate::borrowed::Borrowed;
use crate::buffer::Layout;
use crate::engine::Engine;
use crate::errors::{Misuse, OrRaise, expected, to_python};
use crate::gil;
use crate::interrupt::waits;
use crate::managed::{Managed, managed, two_phase};
use crate::memory_values::Contents;
use crate::numbers;
use crate::types::MemoryType;

/// A linear memory that belongs to an engine instead of a store, for modules that use threads: `SharedMemory(engine,
/// ty)` with a shared memory type.
///
/// Needs `Config.shared_memory` (and `Config.wasm_threads`, which is on by default). Raises `WasmtimeError` if the type
/// is not shared or the memory cannot be allocated.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct SharedMemory {
    memory: Managed<Shared>,
}

struct Shared {
    memory: wasmtime::SharedMemory,
    engine: wasmtime::Engine,
}

impl SharedMemory {
    pub(crate) fn wrap(memory: wasmtime::SharedMemory, engine: &wasmtime::Engine) -> SharedMemory {
        SharedMemory { memory: Managed::new("SharedMemory", Shared { memory, engine: engine.clone() }) }
    }

    fn empty() -> SharedMemory {
        SharedMemory { memory: Managed::empty("SharedMemory") }
    }

    /// The memory, if it belongs to `engine`.
    pub(crate) fn get_for(&self, engine: &wasmtime::Engine) -> Result<&wasmtime::SharedMemory, Misuse> {
        let shared = self.memory.get()?;
        if wasmtime::Engine::same(&shared.engine, engine) {
            Ok(&shared.memory)
        } else {
            Err(Misuse::WrongEngine("SharedMemory"))
        }
    }

    fn get(&self) -> Result<&wasmtime::SharedMemory, Misuse> {
        Ok(&self.memory.get()?.memory)
    }

    /// Waits, and runs signal handlers meanwhile.
    fn wait(
        &self,
        py: Python<'_>,
        timeout: Option<f64>,
        wait: impl FnOnce(&wasmtime::SharedMemory, Option<Duration>) -> Result<WaitResult, Trap> + Send,
    ) -> PyResult<&'static str> {
        let (memory, timeout) = (self.get()?, duration(timeout)?);
        // A signal that came before would end the wait, and its handler is older than the wait.
        py.check_signals()?;
        waits::begin_afresh();
        let (result, woken) = gil::released(py, || waits::wait(memory, || wait(memory, timeout)))?;
        if woken {
            waits::handle_signals(py)?;
        }
        Ok(outcome(result.map_err(wasmtime::Error::from).or_raise(py)?))
    }

    pub(crate) fn contents(&self) -> Result<Contents<'_>, Misuse> {
        Ok(Contents::Shared(self.get()?.data()))
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.memory.close();
        Ok(())
    }
}

#[pymethods]
impl SharedMemory {
    fn __init__(&self, py: Python<'_>, engine: &Bound<'_, Engine>, ty: &Bound<'_, MemoryType>) -> PyResult<()> {
        let engine = engine.get().get()?;
        let ty = ty.get().to_engine(engine)?;
        let memory = gil::detached(py, || wasmtime::SharedMemory::new(engine, ty))?;
        self.memory.initialise(Shared { memory, engine: engine.clone() })
    }

    /// The type of the memory.
    fn r#type(&self) -> PyResult<MemoryType> {
        Ok(MemoryType::wrap(&self.get()?.ty()))
    }

    /// Grow the memory by `delta` pages and return the size it had before, in pages. Raises `WasmtimeError` beyond the
    /// maximum.
    fn grow(&self, py: Python<'_>, delta: &Bound<'_, PyAny>) -> PyResult<u64> {
        let delta = numbers::unsigned(delta, "delta", u64::MAX)?;
        self.get()?.grow(delta).or_raise(py)
    }

    /// The size in pages.
    fn size(&self) -> PyResult<u64> {
        Ok(self.get()?.size())
    }

    /// The size in bytes.
    fn data_len(&self) -> PyResult<usize> {
        Ok(self.get()?.data_size())
    }

    /// The address of the memory as a `ctypes` pointer to unsigned bytes. It keeps the memory alive; a shared memory
    /// never moves.
    ///
    /// Nothing checks what is done with it, and other threads may write at the same time.
    fn data_ptr<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let ctypes = py.import("ctypes")?;
        let view = pyo3::types::PyMemoryView::from(slf.as_any())?;
        let byte = ctypes.getattr("c_ubyte")?;
        let array = byte.mul(view.len()?)?.call_method1("from_buffer", (view,))?;
        let pointer = ctypes.call_method1("POINTER", (byte,))?;
        ctypes.call_method1("cast", (array, pointer))
    }

    /// A copy of `count` bytes from `start` on. Raises `IndexError` if they do not lie within the memory.
    fn read<'py>(
        &self,
        py: Python<'py>,
        start: &Bound<'py, PyAny>,
        count: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, pyo3::types::PyByteArray>> {
        let memory = self.get()?;
        let (start, count) =
            (numbers::unsigned(start, "start", u64::MAX)?, numbers::unsigned(count, "count", u64::MAX)?);
        let cells = cells(memory, start, count)?;
        pyo3::types::PyByteArray::new_with(py, cells.len(), |bytes| {
            Contents::Shared(cells).get(0, bytes);
            Ok(())
        })
    }

    /// Copy a bytes-like object of any layout into the memory at `start`. Raises `IndexError` if it does not fit there.
    fn write(&self, value: &Bound<'_, PyAny>, start: &Bound<'_, PyAny>) -> PyResult<usize> {
        let memory = self.get()?;
        let start = numbers::unsigned(start, "start", u64::MAX)?;
        let bytes = Borrowed::readable(value)?.ok_or_else(|| expected("a bytes-like object", value))?.to_vec()?;
        Contents::Shared(cells(memory, start, bytes.len() as u64)?).set(0, &bytes);
        Ok(bytes.len())
    }

    /// Copy bytes from `start` on into all of `buffer`, a writable bytes-like object of any layout, and return how many
    /// there were.
    ///
    /// Raises `IndexError` if the memory has not as many from there on, and `BufferError` if `buffer` is read-only.
    #[pyo3(signature = (buffer, start=None), text_signature = "(self, buffer, start=0)")]
    fn read_into(&self, buffer: &Bound<'_, PyAny>, start: Option<&Bound<'_, PyAny>>) -> PyResult<usize> {
        let memory = self.get()?;
        let start = start.map_or(Ok(0), |start| numbers::unsigned(start, "start", u64::MAX))?;
        let buffer = Borrowed::writable(buffer)?;
        let cells = cells(memory, start, buffer.len() as u64)?;
        let mut bytes = vec![0; cells.len()];
        Contents::Shared(cells).get(0, &mut bytes);
        buffer.copy_from(&bytes)?;
        Ok(bytes.len())
    }

    /// The memory as a `memoryview` that shares it, with the `format`, the `shape` and the `offset` of `Memory.buffer`.
    ///
    /// A shared memory never moves. Other threads may write at the same time; nothing here is atomic.
    #[pyo3(signature = (*, format=None, shape=None, offset=None), text_signature = "(self, *, format='B', shape=None, offset=0)")]
    fn buffer<'py>(
        slf: &Bound<'py, Self>,
        format: Option<&Bound<'py, PyAny>>,
        shape: Option<&Bound<'py, PyAny>>,
        offset: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let layout = Layout::new(slf.py(), format, shape, offset)?;
        let all = PyMemoryView::from(slf.as_any())?;
        // What the view shows, which a memory that grows meanwhile has, too.
        let (offset, size) = layout.place(all.len()?)?;
        let part = all.get_item(PySlice::new(slf.py(), offset as isize, (offset + size) as isize, 1))?;
        layout.cast(part.cast_into()?)
    }

    /// Wake up to `count` waiters at the address, and return how many there were (`memory.atomic.notify`).
    fn atomic_notify(&self, py: Python<'_>, addr: u64, count: u32) -> PyResult<u32> {
        self.get()?.atomic_notify(addr, count).map_err(|trap| to_python(py, &trap.into()))
    }

    /// Wait until another thread notifies the address, if it holds `expected` (`memory.atomic.wait32`). `timeout` is in
    /// seconds, `None` waits for ever.
    ///
    /// Returns "ok" when notified, "mismatch" when the value was another one, and "timed-out".
    #[pyo3(signature = (addr, expected, timeout=None))]
    fn atomic_wait32(&self, py: Python<'_>, addr: u64, expected: u32, timeout: Option<f64>) -> PyResult<&'static str> {
        self.wait(py, timeout, |memory, timeout| memory.atomic_wait32(addr, expected, timeout))
    }

    /// As `atomic_wait32`, for a 64-bit value (`memory.atomic.wait64`).
    #[pyo3(signature = (addr, expected, timeout=None))]
    fn atomic_wait64(&self, py: Python<'_>, addr: u64, expected: u64, timeout: Option<f64>) -> PyResult<&'static str> {
        self.wait(py, timeout, |memory, timeout| memory.atomic_wait64(addr, expected, timeout))
    }

    /// # Safety
    ///
    /// To be called by the interpreter, with a `view` to fill in.
    unsafe fn __getbuffer__(
        slf: Bound<'_, Self>,
        view: *mut pyo3::ffi::Py_buffer,
        flags: std::ffi::c_int,
    ) -> PyResult<()> {
        let cells = slf.get().get()?.data();
        let start = cells.as_ptr().cast_mut().cast::<std::ffi::c_void>();
        // SAFETY: `view` is valid by contract. A shared memory neither moves nor shrinks, and it lives as long as this
        // object, which the view refers to.
        let result = unsafe { pyo3::ffi::PyBuffer_FillInfo(view, slf.as_ptr(), start, cells.len() as isize, 0, flags) };
        if result == 0 { Ok(()) } else { Err(PyErr::fetch(slf.py())) }
    }

    fn __repr__(&self) -> &'static str {
        if self.get().is_ok() { "<SharedMemory>" } else { "<SharedMemory (closed)>" }
    }
}

managed!(SharedMemory);
two_phase!(SharedMemory, "(engine, ty)");

fn cells(memory: &wasmtime::SharedMemory, start: u64, count: u64) -> PyResult<&[std::cell::UnsafeCell<u8>]> {
    let data = memory.data();
    let end = start.checked_add(count);
    end.and_then(|end| data.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)).ok_or_else(|| {
        PyIndexError::new_err(format!("no {count} bytes at {start}: the memory has {} bytes", data.len()))
    })
}

fn duration(seconds: Option<f64>) -> PyResult<Option<Duration>> {
    seconds
        .map(|seconds| {
            Duration::try_from_secs_f64(seconds).map_err(|_| {
                PyValueError::new_err(format!("timeout must be a number of seconds from 0 on, got {seconds}"))
            })
        })
        .transpose()
}

fn outcome(result: WaitResult) -> &'static str {
    match result {
        WaitResult::Ok => "ok",
        WaitResult::Mismatch => "mismatch",
        WaitResult::TimedOut => "timed-out",
    }
}
