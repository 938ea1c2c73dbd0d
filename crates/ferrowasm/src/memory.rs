//! `Memory`: linear memories, read and written from Python.

use pyo3::exceptions::{PyBufferError, PyIndexError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PyMemoryView, PyString};
use wasmtime::StoreContextMut;

use crate::borrowed::Borrowed;
use crate::buffer::{Layout, MemoryBuffer};
use crate::errors::{Misuse, OrRaise, expected};
use crate::externs::Owned;
use crate::gil;
use crate::managed::{Managed, two_phase};
use crate::numbers;
use crate::store::cell::Entry;
use crate::store::limits::{self, HostObject};
use crate::store::{Data, StoreArg};
use crate::types::MemoryType;

/// A linear memory in a store: `Memory(store, ty)`, or exported by an instance.
///
/// Sizes in *pages* are in units of `page_size` (65,536 bytes unless the memory's type says otherwise); everything else
/// is in bytes.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Memory {
    owned: Managed<Owned<wasmtime::Memory>>,
}

impl Memory {
    fn empty() -> Memory {
        Memory { owned: Managed::empty("Memory") }
    }

    pub(crate) fn wrap(store_id: u64, memory: wasmtime::Memory) -> Memory {
        Memory { owned: Managed::new("Memory", Owned { store_id, item: memory }) }
    }

    pub(crate) fn owned(&self) -> Result<&Owned<wasmtime::Memory>, Misuse> {
        self.owned.get()
    }

    pub(crate) fn enter<'a>(&self, store: &StoreArg<'a, '_>) -> PyResult<(&wasmtime::Memory, Entry<'a>)> {
        let owned = self.owned()?;
        Ok((&owned.item, store.enter_own(owned.store_id, "Memory")?))
    }
}

/// A memory made by the host, which keeps its place while views of it are in use as any other does.
fn new_memory(ctx: StoreContextMut<'_, Data>, ty: wasmtime::MemoryType) -> wasmtime::Result<wasmtime::Memory> {
    #[cfg(unix)]
    if ctx.data().engine.manages_memories {
        return crate::linear_memory::instantiate(ctx, &ty);
    }
    wasmtime::Memory::new(ctx, ty)
}

/// An optional argument that is an integer.
fn optional(value: Option<&Bound<'_, PyAny>>, name: &str) -> PyResult<Option<i128>> {
    match value {
        Some(value) if !value.is_none() => numbers::wide(value, name).map(Some),
        _ => Ok(None),
    }
}

/// The part of `len` bytes that `[start:stop]` means for a list.
fn slice(start: Option<i128>, stop: Option<i128>, len: usize) -> std::ops::Range<usize> {
    let len = len as i128;
    let place = |bound: i128| (if bound < 0 { bound.saturating_add(len) } else { bound }).clamp(0, len) as usize;
    let start = start.map_or(0, place);
    start..stop.map_or(len as usize, place).max(start)
}

/// Where a copy of `count` bytes begins: at `start`, counted from the end if negative. `IndexError` unless all of it
/// lies within `len` bytes; as in wasmtime-py, that goes for the place of an empty write, too.
fn destination(start: Option<i128>, count: usize, len: usize) -> PyResult<usize> {
    let start = start.unwrap_or(0);
    let first = if start < 0 { start.saturating_add(len as i128) } else { start };
    match usize::try_from(first) {
        Ok(first) if first < len && count <= len - first => Ok(first),
        _ => Err(PyIndexError::new_err(format!("cannot write {count} bytes at {start}: the memory has {len} bytes"))),
    }
}

/// What `Memory.write` was given: bytes that are there, or that come from an iterable of ints.
enum Source<'a, 'py> {
    Bytes(&'a [u8]),
    Buffer(Borrowed<'py>),
    Made(Bound<'py, PyBytes>),
}

impl<'a, 'py> Source<'a, 'py> {
    fn new(value: &'a Bound<'py, PyAny>) -> PyResult<Source<'a, 'py>> {
        if let Ok(bytes) = value.cast::<PyBytes>() {
            return Ok(Source::Bytes(bytes.as_bytes()));
        }
        if let Some(buffer) = Borrowed::readable(value)? {
            return Ok(Source::Buffer(buffer));
        }
        if value.is_instance_of::<PyString>() || !value.hasattr("__iter__")? {
            return Err(expected("a bytes-like object or an iterable of ints", value));
        }
        Ok(Source::Made(value.py().get_type::<PyBytes>().call1((value,))?.cast_into()?))
    }

    fn len(&self) -> usize {
        match self {
            Source::Bytes(bytes) => bytes.len(),
            Source::Buffer(buffer) => buffer.len(),
            Source::Made(bytes) => bytes.as_bytes().len(),
        }
    }

    fn copy_to(&self, target: &mut [u8]) -> PyResult<()> {
        match self {
            Source::Bytes(bytes) => target.copy_from_slice(bytes),
            Source::Buffer(buffer) => buffer.copy_to(target)?,
            Source::Made(bytes) => target.copy_from_slice(bytes.as_bytes()),
        }
        Ok(())
    }
}

#[pymethods]
impl Memory {
    fn __init__(&self, store: &Bound<'_, PyAny>, ty: &Bound<'_, MemoryType>) -> PyResult<()> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        let ty = ty.get().to_engine(entry.ctx().engine())?;
        limits::count_host_object(py, &mut entry, HostObject::Memory)?;
        let memory = gil::run(py, &mut entry, |ctx| new_memory(ctx, ty))?;
        self.owned.initialise(Owned { store_id: entry.shared.id, item: memory })
    }

    /// The type of the memory.
    fn r#type(&self, store: &Bound<'_, PyAny>) -> PyResult<MemoryType> {
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        Ok(MemoryType::wrap(&memory.ty(entry.ctx())))
    }

    /// Grow the memory by `delta` pages and return the size it had before, in pages.
    ///
    /// Raises `WasmtimeError` when the maximum or a limit of the store is in the way, and `BufferError` when the memory
    /// would have to move while a view of it is in use.
    fn grow(&self, store: &Bound<'_, PyAny>, delta: &Bound<'_, PyAny>) -> PyResult<u64> {
        let py = store.py();
        let delta = numbers::unsigned(delta, "delta", u64::MAX)?;
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        entry.shared.views.take_refusal();
        let grown = memory.grow(entry.ctx(), delta);
        if grown.is_err() && entry.shared.views.take_refusal() {
            return Err(PyBufferError::new_err(
                "the memory would have to move, but a view of it is in use; release the view first",
            ));
        }
        grown.or_raise(py)
    }

    /// The size in pages.
    fn size(&self, store: &Bound<'_, PyAny>) -> PyResult<u64> {
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        Ok(memory.size(entry.ctx()))
    }

    /// The size in bytes.
    fn data_len(&self, store: &Bound<'_, PyAny>) -> PyResult<usize> {
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        Ok(memory.data_size(entry.ctx()))
    }

    /// The size of a page, in bytes.
    fn page_size(&self, store: &Bound<'_, PyAny>) -> PyResult<u64> {
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        Ok(memory.page_size(entry.ctx()))
    }

    /// The base-2 logarithm of the size of a page.
    fn page_size_log2(&self, store: &Bound<'_, PyAny>) -> PyResult<u8> {
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        Ok(memory.page_size_log2(entry.ctx()))
    }

    /// A copy of the bytes from `start` up to `stop`, with the meaning of `memory[start:stop]` for a list: negative
    /// numbers count from the end, and what lies outside is left out.
    #[pyo3(signature = (store, start=None, stop=None), text_signature = "(self, store, start=0, stop=None)")]
    fn read<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        start: Option<&Bound<'py, PyAny>>,
        stop: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyByteArray>> {
        let (start, stop) = (optional(start, "start")?, optional(stop, "stop")?);
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        let ctx = entry.ctx();
        let data = memory.data(&ctx);
        Ok(PyByteArray::new(store.py(), &data[slice(start, stop, data.len())]))
    }

    /// Copy bytes from `start` (default 0; negative numbers count from the end) into all of `buffer`, a writable
    /// bytes-like object of any layout, and return how many there were.
    ///
    /// Raises `IndexError`, and copies nothing, when the memory has not as many bytes from there on, and `BufferError`
    /// when `buffer` is read-only.
    #[pyo3(signature = (store, buffer, start=None), text_signature = "(self, store, buffer, start=0)")]
    fn read_into(
        &self,
        store: &Bound<'_, PyAny>,
        buffer: &Bound<'_, PyAny>,
        start: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<usize> {
        let start = optional(start, "start")?.unwrap_or(0);
        let buffer = Borrowed::writable(buffer)?;
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        let ctx = entry.ctx();
        let data = memory.data(&ctx);
        let (size, len) = (buffer.len(), data.len());
        let first = if start < 0 { start.saturating_add(len as i128) } else { start };
        match usize::try_from(first) {
            Ok(first) if first <= len && size <= len - first => buffer.copy_from(&data[first..first + size])?,
            _ => {
                return Err(PyIndexError::new_err(format!(
                    "cannot read {size} bytes at {start}: the memory has {len} bytes"
                )));
            }
        }
        Ok(size)
    }

    /// Copy a bytes-like object of any layout, or an iterable of ints, into the memory at `start` (default 0; negative
    /// numbers count from the end) and return how many bytes were written.
    ///
    /// Raises `IndexError`, and writes nothing, when a part of it would lie outside the memory.
    #[pyo3(signature = (store, value, start=None))]
    fn write<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        start: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<usize> {
        let source = Source::new(value)?;
        let start = optional(start, "start")?;
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        let mut ctx = entry.ctx();
        let data = memory.data_mut(&mut ctx);
        let first = destination(start, source.len(), data.len())?;
        source.copy_to(&mut data[first..first + source.len()])?;
        Ok(source.len())
    }

    /// The memory as a `memoryview` that shares it: what is written to one is seen in the other.
    ///
    /// `format` is the type of its items, in the notation of the module `struct` ("B", "i", "f", "d", …), `shape` the
    /// number of items along each dimension (by default, as many as there are from `offset` to the end of the memory),
    /// and `offset` the address of the first one in bytes.
    ///
    /// Nothing is copied, also when NumPy takes it: `numpy.asarray(memory.buffer(store, format="d"))`. While the view or
    /// what was made from it is in use, the store is kept alive and the memory does not move: growth that would move it
    /// is refused. Release it with `with` or `release()`. Raises `IndexError` when the items do not lie within the
    /// memory, and `ValueError` for a format that is none.
    #[pyo3(signature = (store, *, format=None, shape=None, offset=None), text_signature = "(self, store, *, format='B', shape=None, offset=0)")]
    fn buffer<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        format: Option<&Bound<'py, PyAny>>,
        shape: Option<&Bound<'py, PyAny>>,
        offset: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let layout = Layout::new(py, format, shape, offset)?;
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        let (offset, size) = layout.place(memory.data_size(entry.ctx()))?;
        let owner = entry.shared.store_object(py)?;
        drop(entry);
        let exporter = Bound::new(py, MemoryBuffer::new(owner.unbind(), *memory, offset, size))?;
        layout.cast(PyMemoryView::from(exporter.as_any())?)
    }

    /// The address of the memory as a `ctypes` pointer to unsigned bytes.
    ///
    /// Nothing checks what is done with it: stay below `data_len`. It keeps the memory where it is, and the store
    /// alive; prefer `read`, `write` and `get_buffer_ptr`.
    fn data_ptr<'py>(&self, store: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let ctypes = store.py().import("ctypes")?;
        let array = self.get_buffer_ptr(store, None, None)?;
        let pointer = ctypes.call_method1("POINTER", (ctypes.getattr("c_ubyte")?,))?;
        ctypes.call_method1("cast", (array, pointer))
    }

    /// The memory, or `size` bytes of it from `offset`, as a `ctypes` array that shares it: what is written to one is
    /// seen in the other.
    ///
    /// NumPy takes it without a copy: `numpy.frombuffer(memory.get_buffer_ptr(store), dtype=numpy.uint8)`. While the
    /// array lives, the store is kept alive and the memory does not move: growth that would move it is refused. Raises
    /// `IndexError` when the range does not lie within the memory.
    #[pyo3(signature = (store, size=None, offset=None), text_signature = "(self, store, size=None, offset=0)")]
    fn get_buffer_ptr<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        size: Option<&Bound<'py, PyAny>>,
        offset: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        let len = memory.data_size(entry.ctx());
        let owner = entry.shared.store_object(py)?;
        drop(entry);
        let offset = optional(offset, "offset")?.unwrap_or(0);
        let size = optional(size, "size")?.unwrap_or((len as i128 - offset).max(0));
        let range = (usize::try_from(offset), usize::try_from(size));
        let (Ok(offset), Ok(size)) = range else {
            return Err(PyIndexError::new_err(format!(
                "no buffer of {size} bytes at {offset}: the memory has {len} bytes"
            )));
        };
        if offset > len || size > len - offset {
            return Err(PyIndexError::new_err(format!(
                "no buffer of {size} bytes at {offset}: the memory has {len} bytes"
            )));
        }
        let buffer = Bound::new(py, MemoryBuffer::new(owner.unbind(), *memory, offset, size))?;
        let byte = py.import("ctypes")?.getattr("c_ubyte")?;
        byte.mul(size)?.call_method1("from_buffer", (buffer,))
    }

    fn __repr__(&self) -> &'static str {
        "<Memory>"
    }
}

two_phase!(Memory, "(store, ty)");
