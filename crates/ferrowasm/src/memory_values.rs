//! Numbers and strings in memories: `read_u32`, `write_str` and their like, for `Memory` and `SharedMemory`.
#![allow(unsafe_code)]

use std::cell::UnsafeCell;

use pyo3::exceptions::{PyIndexError, PyOverflowError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyString};

use crate::memory::Memory;
use crate::numbers;
use crate::shared_memory::SharedMemory;
use crate::store::StoreArg;
use crate::values;

/// The bytes of a memory.
pub(crate) enum Contents<'a> {
    /// Of a store that was entered: nobody else uses it.
    Owned(&'a mut [u8]),
    /// Other threads may read and write at any time.
    Shared(&'a [UnsafeCell<u8>]),
}

impl Contents<'_> {
    pub(crate) fn len(&self) -> usize {
        match self {
            Contents::Owned(bytes) => bytes.len(),
            Contents::Shared(cells) => cells.len(),
        }
    }

    /// Fills `target` with the bytes from `start` on, which are there.
    pub(crate) fn get(&self, start: usize, target: &mut [u8]) {
        match self {
            Contents::Owned(bytes) => target.copy_from_slice(&bytes[start..start + target.len()]),
            Contents::Shared(cells) => {
                for (byte, cell) in target.iter_mut().zip(&cells[start..]) {
                    // SAFETY: the cell is a byte of the memory. Others may write it at the same time: a volatile read
                    // of a byte yields one of the values.
                    *byte = unsafe { cell.get().read_volatile() };
                }
            }
        }
    }

    /// Writes `source` from `start` on, where there is room for it.
    pub(crate) fn set(&mut self, start: usize, source: &[u8]) {
        match self {
            Contents::Owned(bytes) => bytes[start..start + source.len()].copy_from_slice(source),
            Contents::Shared(cells) => {
                for (byte, cell) in source.iter().zip(&cells[start..]) {
                    // SAFETY: as in `get`.
                    unsafe { cell.get().write_volatile(*byte) };
                }
            }
        }
    }

    /// How many bytes there are from `start` to the first unit of `width` bytes that are all zero.
    fn until_nul(&self, start: usize, width: usize) -> Option<usize> {
        let mut unit = [0; 4];
        let unit = &mut unit[..width];
        (start..(self.len() + 1).saturating_sub(width)).step_by(width).find_map(|place| {
            self.get(place, unit);
            unit.iter().all(|byte| *byte == 0).then_some(place - start)
        })
    }
}

/// An address that Python gave, which may lie anywhere.
#[derive(Clone, Copy)]
pub(crate) struct Address(i128);

impl Address {
    pub(crate) fn new(value: &Bound<'_, PyAny>) -> PyResult<Address> {
        numbers::wide(value, "addr").map(Address)
    }

    /// The place of `size` bytes in a memory of `len` bytes. `IndexError` unless all of them lie within it.
    pub(crate) fn check(self, doing: &str, size: usize, len: usize) -> PyResult<usize> {
        match usize::try_from(self.0) {
            Ok(start) if start <= len && size <= len - start => Ok(start),
            _ => Err(PyIndexError::new_err(format!(
                "cannot {doing} {size} bytes at {}: the memory has {len} bytes",
                self.0
            ))),
        }
    }
}

fn load<const SIZE: usize>(contents: &Contents<'_>, addr: Address) -> PyResult<[u8; SIZE]> {
    let start = addr.check("read", SIZE, contents.len())?;
    let mut bytes = [0; SIZE];
    contents.get(start, &mut bytes);
    Ok(bytes)
}

fn save(contents: &mut Contents<'_>, addr: Address, bytes: &[u8]) -> PyResult<()> {
    let start = addr.check("write", bytes.len(), contents.len())?;
    contents.set(start, bytes);
    Ok(())
}

impl Memory {
    /// Does something with the contents. No Python code may run in `work`.
    fn with_contents<R>(
        &self,
        store: &Bound<'_, PyAny>,
        work: impl FnOnce(Contents<'_>) -> PyResult<R>,
    ) -> PyResult<R> {
        let (memory, mut entry) = self.enter(&StoreArg::new(store)?)?;
        let mut ctx = entry.ctx();
        work(Contents::Owned(memory.data_mut(&mut ctx)))
    }
}

/// Methods for an integer type, by the rows `type reader writer`.
macro_rules! integers {
    ($($int:ident $read:ident $write:ident;)*) => {
        #[pymethods]
        impl Memory {
            $(
                #[doc = concat!("The ", stringify!($int), " at the address `addr`, in little-endian order.\n\n")]
                #[doc = "Raises `IndexError` when a part of it lies outside the memory."]
                fn $read(&self, store: &Bound<'_, PyAny>, addr: &Bound<'_, PyAny>) -> PyResult<$int> {
                    let addr = Address::new(addr)?;
                    self.with_contents(store, |contents| load(&contents, addr)).map($int::from_le_bytes)
                }

                #[doc = concat!("Write `value` as ", stringify!($int), " at the address `addr`, in little-endian order.\n\n")]
                #[doc = "Raises `IndexError` when a part of it would lie outside the memory, and `OverflowError` when"]
                #[doc = "`value` does not fit the type."]
                fn $write(
                    &self,
                    store: &Bound<'_, PyAny>,
                    addr: &Bound<'_, PyAny>,
                    value: &Bound<'_, PyAny>,
                ) -> PyResult<()> {
                    let (addr, value) = (Address::new(addr)?, integer::<$int>(value)?);
                    self.with_contents(store, |mut contents| save(&mut contents, addr, &value.to_le_bytes()))
                }
            )*
        }

        #[pymethods]
        impl SharedMemory {
            $(
                #[doc = concat!("The ", stringify!($int), " at the address `addr`, in little-endian order; not as one")]
                #[doc = "atomic access.\n\nRaises `IndexError` when a part of it lies outside the memory."]
                fn $read(&self, addr: &Bound<'_, PyAny>) -> PyResult<$int> {
                    load(&self.contents()?, Address::new(addr)?).map($int::from_le_bytes)
                }

                #[doc = concat!("Write `value` as ", stringify!($int), " at the address `addr`, in little-endian order;")]
                #[doc = "not as one atomic access.\n\nRaises `IndexError` when a part of it would lie outside the memory,"]
                #[doc = "and `OverflowError` when `value` does not fit the type."]
                fn $write(&self, addr: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
                    let (addr, value) = (Address::new(addr)?, integer::<$int>(value)?);
                    save(&mut self.contents()?, addr, &value.to_le_bytes())
                }
            )*
        }

        $(
            impl Integer for $int {
                const NAME: &'static str = stringify!($int);
                const RANGE: (i128, i128) = ($int::MIN as i128, $int::MAX as i128);
            }
        )*
    };
}

/// An integer type of the memory instructions.
trait Integer: for<'a, 'py> FromPyObject<'a, 'py> {
    const NAME: &'static str;
    const RANGE: (i128, i128);
}

fn integer<T: Integer>(value: &Bound<'_, PyAny>) -> PyResult<T> {
    let int = numbers::index(value, "value")?;
    int.extract::<T>().map_err(|_| {
        let (least, greatest) = T::RANGE;
        PyOverflowError::new_err(format!(
            "value is out of range for {}: expected an int from {least} to {greatest}",
            T::NAME
        ))
    })
}

integers! {
    u8 read_u8 write_u8;
    i8 read_i8 write_i8;
    u16 read_u16 write_u16;
    i16 read_i16 write_i16;
    u32 read_u32 write_u32;
    i32 read_i32 write_i32;
    u64 read_u64 write_u64;
    i64 read_i64 write_i64;
}

/// How a string is stored.
struct Encoding<'a, 'py> {
    name: &'a Bound<'py, PyString>,
    errors: &'a Bound<'py, PyString>,
}

impl<'py> Encoding<'_, 'py> {
    fn decode(&self, bytes: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyAny>> {
        bytes.call_method1("decode", (self.name, self.errors))
    }

    fn encode(&self, text: &Bound<'py, PyString>, nul: bool) -> PyResult<Vec<u8>> {
        let mut bytes: Vec<u8> = text.call_method1("encode", (self.name, self.errors))?.extract()?;
        if nul {
            bytes.resize(bytes.len() + self.width()?, 0);
        }
        Ok(bytes)
    }

    /// The size of a NUL character, in bytes.
    fn width(&self) -> PyResult<usize> {
        let size = |text: &str| -> PyResult<usize> {
            PyString::new(self.name.py(), text).call_method1("encode", (self.name,))?.len()
        };
        // A byte order mark may come first.
        Ok((size("\0\0")? - size("\0")?).clamp(1, 4))
    }

    /// Finds the bytes of a string and decodes them. `with` runs its argument with the contents of the memory.
    fn read(
        &self,
        addr: &Bound<'py, PyAny>,
        size: Option<&Bound<'py, PyAny>>,
        with: impl FnOnce(&mut dyn FnMut(&Contents<'_>) -> PyResult<()>) -> PyResult<()>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let addr = Address::new(addr)?;
        let size = match size {
            Some(size) if !size.is_none() => Some(numbers::unsigned(size, "size", usize::MAX as u64)? as usize),
            _ => None,
        };
        let width = if size.is_none() { self.width()? } else { 1 };
        let mut bytes = Vec::new();
        with(&mut |contents| {
            let len = contents.len();
            let start = addr.check("read", size.unwrap_or(0), len)?;
            let size = size.or_else(|| contents.until_nul(start, width)).ok_or_else(|| {
                PyIndexError::new_err(format!(
                    "cannot read a string at {start}: no NUL follows, and the memory has {len} bytes"
                ))
            })?;
            bytes.resize(size, 0);
            contents.get(start, &mut bytes);
            Ok(())
        })?;
        self.decode(&PyBytes::new(self.name.py(), &bytes))
    }
}

#[pymethods]
impl Memory {
    /// The f32 at the address `addr`. Raises `IndexError` when a part of it lies outside the memory.
    fn read_f32(&self, store: &Bound<'_, PyAny>, addr: &Bound<'_, PyAny>) -> PyResult<f64> {
        let addr = Address::new(addr)?;
        let bytes = self.with_contents(store, |contents| load(&contents, addr))?;
        Ok(values::f32_bits_to_f64(u32::from_le_bytes(bytes)))
    }

    /// The f64 at the address `addr`. Raises `IndexError` when a part of it lies outside the memory.
    fn read_f64(&self, store: &Bound<'_, PyAny>, addr: &Bound<'_, PyAny>) -> PyResult<f64> {
        let addr = Address::new(addr)?;
        self.with_contents(store, |contents| load(&contents, addr)).map(f64::from_le_bytes)
    }

    /// Write `value`, rounded to the nearest f32, at the address `addr`. Raises `IndexError` when a part of it would lie
    /// outside the memory.
    fn write_f32(&self, store: &Bound<'_, PyAny>, addr: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (addr, bits) = (Address::new(addr)?, values::f64_to_f32_bits(values::to_f64(value, "value")?));
        self.with_contents(store, |mut contents| save(&mut contents, addr, &bits.to_le_bytes()))
    }

    /// Write `value` as f64 at the address `addr`. Raises `IndexError` when a part of it would lie outside the memory.
    fn write_f64(&self, store: &Bound<'_, PyAny>, addr: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (addr, value) = (Address::new(addr)?, values::to_f64(value, "value")?);
        self.with_contents(store, |mut contents| save(&mut contents, addr, &value.to_le_bytes()))
    }

    /// The string at the address `addr`: of `size` bytes, or up to the first NUL character if `size` is `None`.
    ///
    /// `encoding` and `errors` are those of `bytes.decode`. Raises `IndexError` when a part of the string lies outside
    /// the memory or no NUL follows, and `UnicodeDecodeError` for bytes that are no text.
    #[pyo3(signature = (store, addr, size=None, *, encoding=None, errors=None), text_signature = "(self, store, addr, size=None, *, encoding='utf-8', errors='strict')")]
    fn read_str<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        addr: &Bound<'py, PyAny>,
        size: Option<&Bound<'py, PyAny>>,
        encoding: Option<Bound<'py, PyString>>,
        errors: Option<Bound<'py, PyString>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (encoding, errors) = encoding_or_default(store.py(), encoding, errors);
        Encoding { name: &encoding, errors: &errors }
            .read(addr, size, |work| self.with_contents(store, |contents| work(&contents)))
    }

    /// Write `value` at the address `addr`, followed by a NUL character if `nul` is true, and return how many bytes were
    /// written.
    ///
    /// `encoding` and `errors` are those of `str.encode`. Raises `IndexError`, and writes nothing, when a part of it
    /// would lie outside the memory.
    #[pyo3(signature = (store, addr, value, *, nul=false, encoding=None, errors=None), text_signature = "(self, store, addr, value, *, nul=False, encoding='utf-8', errors='strict')")]
    fn write_str<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        addr: &Bound<'py, PyAny>,
        value: &Bound<'py, PyString>,
        nul: bool,
        encoding: Option<Bound<'py, PyString>>,
        errors: Option<Bound<'py, PyString>>,
    ) -> PyResult<usize> {
        let (encoding, errors) = encoding_or_default(store.py(), encoding, errors);
        let addr = Address::new(addr)?;
        let bytes = Encoding { name: &encoding, errors: &errors }.encode(value, nul)?;
        self.with_contents(store, |mut contents| save(&mut contents, addr, &bytes))?;
        Ok(bytes.len())
    }
}

fn encoding_or_default<'py>(
    py: Python<'py>,
    encoding: Option<Bound<'py, PyString>>,
    errors: Option<Bound<'py, PyString>>,
) -> (Bound<'py, PyString>, Bound<'py, PyString>) {
    (
        encoding.unwrap_or_else(|| pyo3::intern!(py, "utf-8").clone()),
        errors.unwrap_or_else(|| pyo3::intern!(py, "strict").clone()),
    )
}

#[pymethods]
impl SharedMemory {
    /// The f32 at the address `addr`; not as one atomic access. Raises `IndexError` when a part of it lies outside the
    /// memory.
    fn read_f32(&self, addr: &Bound<'_, PyAny>) -> PyResult<f64> {
        let bytes = load(&self.contents()?, Address::new(addr)?)?;
        Ok(values::f32_bits_to_f64(u32::from_le_bytes(bytes)))
    }

    /// The f64 at the address `addr`; not as one atomic access. Raises `IndexError` when a part of it lies outside the
    /// memory.
    fn read_f64(&self, addr: &Bound<'_, PyAny>) -> PyResult<f64> {
        load(&self.contents()?, Address::new(addr)?).map(f64::from_le_bytes)
    }

    /// Write `value`, rounded to the nearest f32, at the address `addr`; not as one atomic access. Raises `IndexError`
    /// when a part of it would lie outside the memory.
    fn write_f32(&self, addr: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (addr, bits) = (Address::new(addr)?, values::f64_to_f32_bits(values::to_f64(value, "value")?));
        save(&mut self.contents()?, addr, &bits.to_le_bytes())
    }

    /// Write `value` as f64 at the address `addr`; not as one atomic access. Raises `IndexError` when a part of it would
    /// lie outside the memory.
    fn write_f64(&self, addr: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let (addr, value) = (Address::new(addr)?, values::to_f64(value, "value")?);
        save(&mut self.contents()?, addr, &value.to_le_bytes())
    }

    /// The string at the address `addr`: of `size` bytes, or up to the first NUL character if `size` is `None`; as
    /// `Memory.read_str`.
    #[pyo3(signature = (addr, size=None, *, encoding=None, errors=None), text_signature = "(self, addr, size=None, *, encoding='utf-8', errors='strict')")]
    fn read_str<'py>(
        &self,
        addr: &Bound<'py, PyAny>,
        size: Option<&Bound<'py, PyAny>>,
        encoding: Option<Bound<'py, PyString>>,
        errors: Option<Bound<'py, PyString>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let (encoding, errors) = encoding_or_default(addr.py(), encoding, errors);
        Encoding { name: &encoding, errors: &errors }.read(addr, size, |work| work(&self.contents()?))
    }

    /// Write `value` at the address `addr`, followed by a NUL character if `nul` is true, and return how many bytes were
    /// written; as `Memory.write_str`.
    #[pyo3(signature = (addr, value, *, nul=false, encoding=None, errors=None), text_signature = "(self, addr, value, *, nul=False, encoding='utf-8', errors='strict')")]
    fn write_str<'py>(
        &self,
        addr: &Bound<'py, PyAny>,
        value: &Bound<'py, PyString>,
        nul: bool,
        encoding: Option<Bound<'py, PyString>>,
        errors: Option<Bound<'py, PyString>>,
    ) -> PyResult<usize> {
        let (encoding, errors) = encoding_or_default(addr.py(), encoding, errors);
        let addr = Address::new(addr)?;
        let bytes = Encoding { name: &encoding, errors: &errors }.encode(value, nul)?;
        save(&mut self.contents()?, addr, &bytes)?;
        Ok(bytes.len())
    }
}
