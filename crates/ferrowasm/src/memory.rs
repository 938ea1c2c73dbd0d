//! `Memory`: linear memories, read and written from Python.

use pyo3::exceptions::{PyBufferError, PyIndexError};
use pyo3::prelude::*;
use pyo3::types::{PyByteArray, PyBytes, PySlice, PyString};

use crate::buffer::MemoryBuffer;
use crate::errors::{Misuse, OrRaise, expected};
use crate::externs::Owned;
use crate::gil;
use crate::managed::{Managed, two_phase};
use crate::numbers;
use crate::store::StoreArg;
use crate::store::cell::Entry;
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

    fn enter<'a>(&self, store: &StoreArg<'a, '_>) -> PyResult<(&wasmtime::Memory, Entry<'a>)> {
        let owned = self.owned()?;
        Ok((&owned.item, store.enter_own(owned.store_id, "Memory")?))
    }
}

/// The part of `len` bytes from `start` to `stop` that a Python slice means.
fn slice(
    start: Option<&Bound<'_, PyAny>>,
    stop: Option<&Bound<'_, PyAny>>,
    len: usize,
    py: Python<'_>,
) -> PyResult<std::ops::Range<usize>> {
    let bound = |value: Option<&Bound<'_, PyAny>>, name| match value {
        Some(value) if !value.is_none() => numbers::index(value, name).map(|int| int.into_any().unbind()),
        _ => Ok(py.None()),
    };
    let (start, stop) = (bound(start, "start")?, bound(stop, "stop")?);
    let slice = py.get_type::<PySlice>().call1((start, stop))?.cast_into::<PySlice>()?;
    let indices = slice.indices(len as isize)?;
    let (start, stop) = (indices.start as usize, indices.stop as usize);
    Ok(start..stop.max(start))
}

/// Where a write of `count` bytes goes: from `start`, counted from the end if negative. `IndexError` unless all of it
/// lies within `len` bytes; as in wasmtime-py, that goes for the place of an empty write, too.
fn destination(start: Option<&Bound<'_, PyAny>>, count: usize, len: usize) -> PyResult<usize> {
    let start = match start {
        Some(start) if !start.is_none() => numbers::index(start, "start")?.extract::<i128>().unwrap_or(i128::MAX),
        _ => 0,
    };
    let first = if start < 0 { start + len as i128 } else { start };
    match usize::try_from(first) {
        Ok(first) if first < len && count <= len - first => Ok(first),
        _ => Err(PyIndexError::new_err(format!("cannot write {count} bytes at {start}: the memory has {len} bytes"))),
    }
}

/// The bytes of a bytes-like object or of an iterable of ints, copied unless they cannot change.
fn bytes_of<'a, 'py>(value: &'a Bound<'py, PyAny>, copy: &'a mut Option<Bound<'py, PyBytes>>) -> PyResult<&'a [u8]> {
    if let Ok(bytes) = value.cast::<PyBytes>() {
        return Ok(bytes.as_bytes());
    }
    let bytes = match pyo3::types::PyMemoryView::from(value) {
        Ok(view) => view.call_method0("tobytes")?,
        Err(_) if !value.is_instance_of::<PyString>() && value.hasattr("__iter__")? => {
            value.py().get_type::<PyBytes>().call1((value,))?
        }
        Err(_) => return Err(expected("a bytes-like object or an iterable of ints", value)),
    };
    Ok(copy.insert(bytes.cast_into()?).as_bytes())
}

#[pymethods]
impl Memory {
    fn __init__(&self, store: &Bound<'_, PyAny>, ty: &Bound<'_, MemoryType>) -> PyResult<()> {
        let py = store.py();
        let mut entry = StoreArg::new(store)?.enter()?;
        let ty = ty.get().to_engine(entry.ctx().engine())?;
        let memory = gil::run(py, &mut entry, |ctx| wasmtime::Memory::new(ctx, ty))?;
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
        let py = store.py();
        let store = StoreArg::new(store)?;
        let len = {
            let (memory, mut entry) = self.enter(&store)?;
            memory.data_size(entry.ctx())
        };
        let range = slice(start, stop, len, py)?;
        let (memory, mut entry) = self.enter(&store)?;
        let ctx = entry.ctx();
        let data = memory.data(&ctx);
        // Memories do not shrink, so the range is still good; `get` costs nothing and cannot panic.
        Ok(PyByteArray::new(py, data.get(range).unwrap_or_default()))
    }

    /// Copy a bytes-like object into the memory at `start` (default 0; negative numbers count from the end) and return
    /// how many bytes were written.
    ///
    /// Raises `IndexError`, and writes nothing, when a part of it would lie outside the memory.
    #[pyo3(signature = (store, value, start=None))]
    fn write<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        value: &Bound<'py, PyAny>,
        start: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<usize> {
        let store = StoreArg::new(store)?;
        let mut copy = None;
        let bytes = bytes_of(value, &mut copy)?;
        let len = {
            let (memory, mut entry) = self.enter(&store)?;
            memory.data_size(entry.ctx())
        };
        let first = destination(start, bytes.len(), len)?;
        let (memory, mut entry) = self.enter(&store)?;
        let mut ctx = entry.ctx();
        if let Some(place) = memory.data_mut(&mut ctx).get_mut(first..first + bytes.len()) {
            place.copy_from_slice(bytes);
        }
        Ok(bytes.len())
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
        let bound = |value: Option<&Bound<'_, PyAny>>, name, default| match value {
            Some(value) if !value.is_none() => numbers::index(value, name)?.extract::<i128>().or(Ok(i128::MAX)),
            _ => Ok::<_, PyErr>(default),
        };
        let offset = bound(offset, "offset", 0)?;
        let size = bound(size, "size", (len as i128 - offset).max(0))?;
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
