//! Guest values become Python objects.

use std::slice::Iter;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyFloat, PyInt, PyList, PyMemoryView, PySet, PyString, PyTuple};
use smallvec::SmallVec;
use wasmtime::component::__internal::wasmtime_environ::component::StringEncoding;
use wasmtime::component::__internal::{InterfaceType, LiftContext};
use wasmtime::component::{Lift, ResourceAny};
use wasmtime::{Error, ValRaw};

use super::shape::{Cases, Int, Kind, Map, Member, Name, Shape, Style};
use crate::component::record::{BadResult, GoodResult, Variant, new_record};
use crate::component::resource::ResourceAny as PyResourceAny;
use crate::errors::{OrRaise, wasmtime_error};
use crate::values;

/// Where a value comes from.
pub(super) enum Origin<'a, 'r, 'm> {
    /// The next registers.
    Flat(&'a mut Iter<'r, ValRaw>),
    /// As many bytes as the value's shape says.
    Memory(&'m [u8]),
}

impl<'r, 'm> Origin<'_, 'r, 'm> {
    /// The part of this value that a member of its shape describes.
    fn part(&mut self, member: &Member) -> Origin<'_, 'r, 'm> {
        match self {
            Origin::Flat(registers) => Origin::Flat(registers),
            Origin::Memory(bytes) => Origin::Memory(&bytes[member.offset..][..member.shape.size]),
        }
    }

    /// The bits of a number of so many bytes.
    fn bits(&mut self, bytes: usize) -> u64 {
        match self {
            Origin::Flat(registers) => registers.next().map_or(0, ValRaw::get_u64),
            Origin::Memory(memory) => {
                let mut word = [0; 8];
                word[..bytes].copy_from_slice(&memory[..bytes]);
                u64::from_le_bytes(word)
            }
        }
    }

    /// The address and length of a list or string.
    fn pointer(&mut self) -> (u32, u32) {
        match self {
            Origin::Flat(_) => (self.bits(4) as u32, self.bits(4) as u32),
            Origin::Memory(_) => {
                let both = self.bits(8);
                (both as u32, (both >> 32) as u32)
            }
        }
    }
}

/// A single number, lifted and checked.
pub(crate) enum Number {
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Float(f64),
    Char(char),
}

impl Number {
    pub(super) fn lift(shape: &Shape, mut origin: Origin<'_, '_, '_>) -> wasmtime::Result<Number> {
        let bits = origin.bits(shape.size);
        Ok(match &shape.kind {
            Kind::Bool => Number::Bool(bits as u32 != 0),
            Kind::Int(Int { bytes, signed: false }) => Number::Unsigned(bits & (u64::MAX >> (64 - 8 * bytes))),
            Kind::Int(Int { bytes, signed: true }) => {
                let unused = 64 - 8 * *bytes as u32;
                Number::Signed((bits << unused) as i64 >> unused)
            }
            Kind::F32 => Number::Float(values::f32_bits_to_f64(bits as u32)),
            Kind::F64 => Number::Float(f64::from_bits(bits)),
            _ => Number::Char(
                char::from_u32(bits as u32)
                    .ok_or_else(|| Error::msg(format!("{:#x} is no Unicode scalar value", bits as u32)))?,
            ),
        })
    }

    pub(crate) fn to_python(&self, py: Python<'_>) -> Py<PyAny> {
        match *self {
            Number::Bool(value) => value
                .into_pyobject(py)
                .map(|value| value.to_owned().into_any().unbind())
                .unwrap_or_else(|never| match never {}),
            Number::Signed(value) => PyInt::new(py, value).into_any().unbind(),
            Number::Unsigned(value) => PyInt::new(py, value).into_any().unbind(),
            Number::Float(value) => PyFloat::new(py, value).into_any().unbind(),
            Number::Char(value) => PyString::new(py, value.encode_utf8(&mut [0; 4])).into_any().unbind(),
        }
    }
}

/// How results look, where there is a choice.
#[derive(Clone, Copy, Default)]
pub(crate) struct Form {
    /// Results are `Ok` and `Err`, whatever their payloads are.
    pub(crate) tagged: bool,
    /// Lists of numbers are memoryviews of the item type.
    pub(crate) buffers: bool,
}

/// One lifting of values. No guest code runs meanwhile, and the store cannot be entered, so that the memory stays in
/// place whatever finalisers Python's garbage collector runs.
pub(super) struct Lifting<'py, 'a, 'b> {
    py: Python<'py>,
    cx: &'a mut LiftContext<'b>,
    form: Form,
    resources: Vec<Py<PyResourceAny>>,
}

impl<'py, 'a, 'b> Lifting<'py, 'a, 'b> {
    pub(super) fn new(py: Python<'py>, cx: &'a mut LiftContext<'b>, form: Form) -> Self {
        Lifting { py, cx, form, resources: Vec::new() }
    }

    /// The resources that were lifted. They have to be told their store.
    pub(super) fn into_resources(self) -> Vec<Py<PyResourceAny>> {
        self.resources
    }

    /// A range of the guest's memory.
    pub(super) fn memory(&self, address: usize, size: usize, align: u32) -> PyResult<&'b [u8]> {
        if !address.is_multiple_of(align as usize) {
            return Err(wasmtime_error(self.py, &format!("the pointer {address:#x} is not aligned to {align} bytes")));
        }
        let range = address.checked_add(size).and_then(|end| self.cx.memory().get(address..end));
        range.ok_or_else(|| {
            wasmtime_error(self.py, &format!("the range of {size} bytes at {address:#x} is out of bounds of memory"))
        })
    }

    pub(super) fn value(&mut self, shape: &Shape, mut origin: Origin<'_, '_, 'b>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        match &shape.kind {
            Kind::Bool | Kind::Int(_) | Kind::F32 | Kind::F64 | Kind::Char => {
                Ok(Number::lift(shape, origin).or_raise(py)?.to_python(py).into_bound(py))
            }
            Kind::String => {
                let (address, length) = origin.pointer();
                self.string(address, length)
            }
            Kind::List(element) => {
                let (address, length) = origin.pointer();
                self.list(element, address as usize, length as usize)
            }
            Kind::FixedList { element, len } => self.fixed_list(element, *len, origin),
            Kind::Map(map) => {
                let (address, length) = origin.pointer();
                self.map(map, address as usize, length as usize)
            }
            Kind::Record(fields) => {
                let record = new_record(py)?;
                for field in fields {
                    let value = self.value(&field.member.shape, origin.part(&field.member))?;
                    record.setattr(field.name.wit.bind(py), value)?;
                }
                Ok(record)
            }
            Kind::Tuple(members) => Ok(PyTuple::new(py, self.members(members, origin)?)?.into_any()),
            Kind::Variant(cases) => self.variant(shape, cases, origin),
            Kind::Enum { names, discriminant } => {
                let index = self.discriminant(origin.bits(*discriminant), names.len())?;
                Ok(names[index].wit.bind(py).clone().into_any())
            }
            Kind::Flags(names) => self.flags(shape, names, origin),
            Kind::Own(index) => self.resource(InterfaceType::Own(*index), origin),
            Kind::Borrow(index) => self.resource(InterfaceType::Borrow(*index), origin),
            Kind::Unsupported(kind) => Err(unsupported(kind)),
        }
    }

    pub(super) fn members<'m>(
        &mut self,
        members: impl IntoIterator<Item = &'m Member>,
        mut origin: Origin<'_, '_, 'b>,
    ) -> PyResult<SmallVec<[Bound<'py, PyAny>; 4]>> {
        members.into_iter().map(|member| self.value(&member.shape, origin.part(member))).collect()
    }

    fn string(&mut self, address: u32, length: u32) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        if self.cx.options().string_encoding == StringEncoding::Utf8 {
            let bytes = self.items(address as usize, length as usize, 1, 1, 1)?;
            let text = PyString::from_bytes(py, bytes).map_err(|error| match str::from_utf8(bytes) {
                Err(invalid) => wasmtime_error(py, &invalid.to_string()),
                Ok(_) => error,
            });
            return Ok(text?.into_any());
        }
        let pair = [ValRaw::u32(address), ValRaw::u32(length)];
        let text = String::linear_lift_from_flat(self.cx, InterfaceType::String, &pair).or_raise(py)?;
        Ok(PyString::new(py, &text).into_any())
    }

    /// The memory of a list. What is read counts against the limit of what a guest may make its host allocate.
    fn items(&mut self, address: usize, count: usize, size: usize, align: u32, cost: usize) -> PyResult<&'b [u8]> {
        let Some(bytes) = count.checked_mul(size) else {
            return Err(wasmtime_error(self.py, &format!("a list of {count} items is out of bounds of memory")));
        };
        let memory = self.memory(address, bytes, align)?;
        self.cx.consume_fuel_array(count, cost).or_raise(self.py)?;
        Ok(memory)
    }

    fn list(&mut self, element: &Shape, address: usize, count: usize) -> PyResult<Bound<'py, PyAny>> {
        if element.is_byte() {
            let memory = self.items(address, count, 1, 1, 1)?;
            return Ok(PyBytes::new(self.py, memory).into_any());
        }
        if self.form.buffers
            && let Some(format) = buffer_format(&element.kind)
        {
            let memory = self.items(address, count, element.size, element.align, element.size)?;
            return PyMemoryView::from(PyBytes::new(self.py, memory).as_any())?.call_method1("cast", (format,));
        }
        // A Python list has a pointer for each item.
        let cost = element.size.max(size_of::<usize>());
        let memory = self.items(address, count, element.size, element.align, cost)?;
        self.elements(element, memory)
    }

    /// A Python list of the values that are next to each other in memory.
    fn elements(&mut self, element: &Shape, memory: &'b [u8]) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let chunks = memory.chunks_exact(element.size);
        let list = match &element.kind {
            Kind::F64 => PyList::new(py, memory.as_chunks().0.iter().map(|bytes| f64::from_le_bytes(*bytes))),
            Kind::Int(Int { bytes: 4, signed: true }) => {
                PyList::new(py, memory.as_chunks().0.iter().map(|bytes| i32::from_le_bytes(*bytes)))
            }
            Kind::Int(Int { bytes: 4, signed: false }) => {
                PyList::new(py, memory.as_chunks().0.iter().map(|bytes| u32::from_le_bytes(*bytes)))
            }
            _ => PyList::new(
                py,
                chunks.map(|bytes| self.value(element, Origin::Memory(bytes))).collect::<PyResult<Vec<_>>>()?,
            ),
        };
        Ok(list?.into_any())
    }

    fn fixed_list(&mut self, element: &Shape, len: usize, origin: Origin<'_, '_, 'b>) -> PyResult<Bound<'py, PyAny>> {
        match origin {
            Origin::Memory(memory) if element.is_byte() => Ok(PyBytes::new(self.py, memory).into_any()),
            Origin::Memory(memory) => self.elements(element, memory),
            Origin::Flat(registers) => {
                let values =
                    (0..len).map(|_| self.value(element, Origin::Flat(registers))).collect::<PyResult<Vec<_>>>()?;
                if !element.is_byte() {
                    return Ok(PyList::new(self.py, values)?.into_any());
                }
                let bytes = values.iter().map(|value| value.extract::<u8>()).collect::<PyResult<Vec<_>>>()?;
                Ok(PyBytes::new(self.py, &bytes).into_any())
            }
        }
    }

    fn map(&mut self, map: &Map, address: usize, count: usize) -> PyResult<Bound<'py, PyAny>> {
        let cost = map.entry_size.max(4 * size_of::<usize>());
        let memory = self.items(address, count, map.entry_size, map.entry_align, cost)?;
        let dict = PyDict::new(self.py);
        for entry in memory.chunks_exact(map.entry_size) {
            let key = self.value(&map.key, Origin::Memory(&entry[..map.key.size]))?;
            let value = self.value(&map.value, Origin::Memory(&entry[map.value_offset..][..map.value.size]))?;
            dict.set_item(key, value)?;
        }
        Ok(dict.into_any())
    }

    fn variant(&mut self, shape: &Shape, cases: &Cases, mut origin: Origin<'_, '_, 'b>) -> PyResult<Bound<'py, PyAny>> {
        let py = self.py;
        let index = self.discriminant(origin.bits(cases.discriminant), cases.cases.len())?;
        let case = &cases.cases[index];
        let payload = match (&case.payload, origin) {
            (payload, Origin::Flat(registers)) => {
                // The other cases may need more registers than this one.
                let rest = registers.as_slice();
                let (own, after) = rest.split_at(shape.flat.unwrap_or(1) - 1);
                *registers = after.iter();
                payload.as_ref().map(|payload| self.value(payload, Origin::Flat(&mut own.iter()))).transpose()?
            }
            (Some(payload), Origin::Memory(bytes)) => {
                Some(self.value(payload, Origin::Memory(&bytes[cases.payload_offset..][..payload.size]))?)
            }
            (None, Origin::Memory(_)) => None,
        };
        if self.form.tagged && cases.style == Style::Result {
            return tagged_result(py, index == 0, payload);
        }
        if cases.tagged {
            return Ok(
                Bound::new(py, Variant::new(case.name.wit.clone_ref(py), payload.map(Bound::unbind)))?.into_any()
            );
        }
        Ok(payload.unwrap_or_else(|| py.None().into_bound(py)))
    }

    fn discriminant(&self, bits: u64, cases: usize) -> PyResult<usize> {
        let index = bits as u32 as usize;
        if index < cases {
            return Ok(index);
        }
        Err(wasmtime_error(self.py, &format!("the discriminant {index} is out of range: the type has {cases} cases")))
    }

    fn flags(&mut self, shape: &Shape, names: &[Name], mut origin: Origin<'_, '_, 'b>) -> PyResult<Bound<'py, PyAny>> {
        let set = PySet::empty(self.py)?;
        for (word, names) in names.chunks(32).enumerate() {
            let bits = match &mut origin {
                Origin::Flat(_) => origin.bits(4),
                Origin::Memory(bytes) => Origin::Memory(&bytes[4 * word..]).bits(shape.size.min(4)),
            };
            for (position, name) in names.iter().enumerate() {
                if bits >> position & 1 == 1 {
                    set.add(name.wit.bind(self.py))?;
                }
            }
        }
        Ok(set.into_any())
    }

    fn resource(&mut self, ty: InterfaceType, mut origin: Origin<'_, '_, 'b>) -> PyResult<Bound<'py, PyAny>> {
        let index = ValRaw::u32(origin.bits(4) as u32);
        let resource = ResourceAny::linear_lift_from_flat(self.cx, ty, &index).or_raise(self.py)?;
        let object = Bound::new(self.py, PyResourceAny::lifted(resource))?;
        self.resources.push(object.clone().unbind());
        Ok(object.into_any())
    }
}

/// The format, as in the module `struct`, of a list of these numbers as a memoryview.
fn buffer_format(kind: &Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Int(Int { bytes: 1, signed: true }) => "b",
        Kind::Int(Int { bytes: 2, signed: true }) => "h",
        Kind::Int(Int { bytes: 2, signed: false }) => "H",
        Kind::Int(Int { bytes: 4, signed: true }) => "i",
        Kind::Int(Int { bytes: 4, signed: false }) => "I",
        Kind::Int(Int { bytes: 8, signed: true }) => "q",
        Kind::Int(Int { bytes: 8, signed: false }) => "Q",
        Kind::F32 => "f",
        Kind::F64 => "d",
        _ => return None,
    })
}

fn tagged_result<'py>(py: Python<'py>, ok: bool, payload: Option<Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyAny>> {
    let payload = payload.map(Bound::unbind);
    Ok(if ok {
        Bound::new(py, GoodResult::of(py, payload))?.into_any()
    } else {
        Bound::new(py, BadResult::of(py, payload))?.into_any()
    })
}

pub(super) fn unsupported(kind: &str) -> PyErr {
    pyo3::exceptions::PyNotImplementedError::new_err(format!(
        "values of type {kind} cannot be passed between Python and components"
    ))
}
