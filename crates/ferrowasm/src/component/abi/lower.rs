//! Python objects become an image of what the guest will see.

use pyo3::buffer::ElementType;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDict, PyFloat, PyFrozenSet, PyInt, PyList, PyMapping, PySet, PyString, PyTuple,
};
use wasmtime::component::__internal::InterfaceType;
use wasmtime::component::__internal::wasmtime_environ::component::TypeResourceTableIndex;
use wasmtime::component::ResourceType;

use super::bridge::{MAX_FLAT_PARAMS, MAX_FLAT_RESULTS};
use super::failure::{Failure, Lowered, Step, class_name};
use super::image::{Image, Place, Resource};
use super::kept::{Exported, Immutable, has_items};
use super::shape::{Cases, Classes, Field, Int, Kind, Map, Member, Name, Shape, Style, Tuple};
use crate::component::record::{Variant, is_record};
use crate::component::resource::{Moved, ResourceAny, ResourceHost};
use crate::numbers;
use crate::store::cell::Shared;
use crate::store::objects::HostResource;
use crate::values;

/// One lowering of values. Python code may run at any time, so objects that could change are copied before their parts
/// are looked at.
pub(crate) struct Lowering<'py, 'a> {
    py: Python<'py>,
    /// The store that resources have to belong to.
    shared: &'a Shared,
    resource_type: &'a dyn Fn(TypeResourceTableIndex) -> Option<ResourceType>,
    image: &'a mut Image,
    /// Resources whose ownership goes to the guest, unless something else fails.
    moved: Vec<Moved<'py>>,
}

impl<'py, 'a> Lowering<'py, 'a> {
    /// Lowers into `image`, which is new, for this store. The resource types of an instance are told by
    /// `resource_type`.
    pub(crate) fn new(
        py: Python<'py>,
        shared: &'a Shared,
        resource_type: &'a dyn Fn(TypeResourceTableIndex) -> Option<ResourceType>,
        image: &'a mut Image,
    ) -> Lowering<'py, 'a> {
        Lowering { py, shared, resource_type, image, moved: Vec::new() }
    }

    /// Lowers the arguments of a call, of which there are as many as parameters. Errors name the parameter.
    pub(crate) fn params(mut self, params: &Tuple, names: &[String], args: &[Bound<'py, PyAny>]) -> PyResult<()> {
        let place = self.start(params, MAX_FLAT_PARAMS);
        for ((member, name), arg) in params.members.iter().zip(names).zip(args) {
            if let Err(failure) = self.value(&member.shape, place.part(member.offset), arg) {
                return Err(self.fail(*failure, name));
            }
        }
        self.complete();
        Ok(())
    }

    /// Lowers what a callback returned.
    pub(crate) fn result(mut self, results: &Tuple, value: &Bound<'py, PyAny>) -> PyResult<()> {
        let place = self.start(results, MAX_FLAT_RESULTS);
        let lowered = match results.members.first() {
            Some(member) => self.value(&member.shape, place.part(member.offset), value),
            None if value.is_none() => Ok(()),
            None => Err(Failure::expected("None, since the function has no result", value)),
        };
        match lowered {
            Ok(()) => self.complete(),
            Err(failure) => return Err(self.fail(*failure, "result")),
        }
        Ok(())
    }

    /// Everything fits: resources go to the guest.
    fn complete(&mut self) {
        self.moved.drain(..).for_each(|moved| moved.complete(self.shared));
    }

    fn start(&mut self, tuple: &Tuple, registers: usize) -> Place {
        if tuple.fits(registers) {
            return Place::Flat;
        }
        self.image.start_in_memory(tuple.size, tuple.align)
    }

    /// Gives back the resources that would have moved.
    fn fail(&mut self, failure: Failure, root: &str) -> PyErr {
        self.moved.drain(..).for_each(Moved::undo);
        failure.into_exception(self.py, root)
    }

    fn value(&mut self, shape: &Shape, place: Place, value: &Bound<'py, PyAny>) -> Lowered<()> {
        match &shape.kind {
            Kind::Bool | Kind::Int(_) | Kind::F32 | Kind::F64 | Kind::Char => {
                let bits = number(&shape.kind, value)?;
                self.image.put(place, shape.size, bits);
            }
            Kind::String => {
                let text = value.cast::<PyString>().map_err(|_| Failure::expected("a str for string", value))?;
                self.image.text(place, Immutable::text(text).map_err(Failure::encode)?);
            }
            Kind::List(element) => self.list(element, place, value)?,
            Kind::FixedList { element, len } => self.fixed_list(element, *len, place, value)?,
            Kind::Map(map) => self.map(map, place, value)?,
            Kind::Record(fields) => self.record(fields, place, value)?,
            Kind::Tuple(members) => self.tuple(members, place, value)?,
            Kind::Variant(cases) => self.variant(shape, cases, place, value)?,
            Kind::Enum { names, discriminant } => {
                let index = self.enumeration(names, value)?;
                self.image.put(place, *discriminant, index as u64);
            }
            Kind::Flags(names) => self.flags(shape, names, place, value)?,
            Kind::Own(index) => self.resource(*index, true, place, value)?,
            Kind::Borrow(index) => self.resource(*index, false, place, value)?,
            Kind::Unsupported(kind) => return Err(super::lift::unsupported(kind).into()),
        }
        Ok(())
    }

    fn list(&mut self, element: &Shape, place: Place, value: &Bound<'py, PyAny>) -> Lowered<()> {
        if element.is_byte()
            && let Ok(bytes) = value.cast::<PyBytes>()
        {
            self.image.bytes(place, Immutable::bytes(bytes));
            return Ok(());
        }
        if let Some(buffer) = buffer(&element.kind, value)? {
            self.image.buffer(place, element.align, buffer.len() / element.size, buffer);
            return Ok(());
        }
        let items = snapshot(element, "list", value)?;
        let count = items.len();
        let size = count.checked_mul(element.size).filter(|size| u32::try_from(*size).is_ok());
        let size =
            size.ok_or_else(|| Failure::range(format!("a list of {count} items does not fit the guest's memory")))?;
        if element.is_number() {
            let arena = self.image.numbers(place, element.align, count, size);
            for (index, item) in items.iter_borrowed().enumerate() {
                let bits = number(&element.kind, &item).map_err(|failure| failure.at(Step::Index(index)))?;
                arena.extend_from_slice(&bits.to_le_bytes()[..element.size]);
            }
            return Ok(());
        }
        let start = self.image.list(place, element.align, count, size);
        self.elements(element, start, element.size, &items)
    }

    fn elements(&mut self, element: &Shape, start: Place, stride: usize, items: &Bound<'py, PyTuple>) -> Lowered<()> {
        for (index, item) in items.iter_borrowed().enumerate() {
            let lowered = self.value(element, start.part(index * stride), &item);
            lowered.map_err(|failure| failure.at(Step::Index(index)))?;
        }
        Ok(())
    }

    fn fixed_list(&mut self, element: &Shape, len: usize, place: Place, value: &Bound<'py, PyAny>) -> Lowered<()> {
        let items = match value.cast::<PyBytes>() {
            Ok(bytes) if element.is_byte() => bytes.to_tuple_of_ints()?,
            _ => snapshot(element, "fixed-length list", value)?,
        };
        if items.len() != len {
            return Err(Failure::value(format!("expected {len} items, got {}", items.len())));
        }
        self.elements(element, place, element.size, &items)
    }

    fn map(&mut self, map: &Map, place: Place, value: &Bound<'py, PyAny>) -> Lowered<()> {
        let pairs = match value.cast::<PyDict>() {
            Ok(dict) => dict.items(),
            Err(_) => value.cast::<PyMapping>().map_err(|_| Failure::expected("a mapping for map", value))?.items()?,
        };
        let pairs = pairs.to_tuple();
        let count = pairs.len();
        let size = count.checked_mul(map.entry_size).filter(|size| u32::try_from(*size).is_ok());
        let size =
            size.ok_or_else(|| Failure::range(format!("a map of {count} entries does not fit the guest's memory")))?;
        let start = self.image.list(place, map.entry_align, count, size);
        for (index, pair) in pairs.iter().enumerate() {
            let (key, item) = pair.extract::<(Bound<'py, PyAny>, Bound<'py, PyAny>)>()?;
            let at = start.part(index * map.entry_size);
            let step = || Step::Key(key.repr().map_or_else(|_| "?".to_owned(), |text| text.to_string()));
            self.value(&map.key, at, &key).map_err(|failure| failure.at(step()))?;
            self.value(&map.value, at.part(map.value_offset), &item).map_err(|failure| failure.at(step()))?;
        }
        Ok(())
    }

    fn record(&mut self, fields: &[Field], place: Place, value: &Bound<'py, PyAny>) -> Lowered<()> {
        let access = Access::of(value)?;
        for field in fields {
            let part = access.get(field, value)?.ok_or_else(|| access.missing(fields, field, value))?;
            let lowered = self.value(&field.member.shape, place.part(field.member.offset), &part);
            lowered.map_err(|failure| failure.at(Step::Field(field.name.text.clone())))?;
        }
        Ok(())
    }

    fn tuple(&mut self, members: &[Member], place: Place, value: &Bound<'py, PyAny>) -> Lowered<()> {
        let items = sequence(value)?.ok_or_else(|| Failure::expected("a tuple", value))?;
        if items.len() != members.len() {
            return Err(Failure::ty(format!("expected a tuple of {} items, got {}", members.len(), items.len())));
        }
        for (index, (member, item)) in members.iter().zip(items.iter_borrowed()).enumerate() {
            let lowered = self.value(&member.shape, place.part(member.offset), &item);
            lowered.map_err(|failure| failure.at(Step::Index(index)))?;
        }
        Ok(())
    }

    fn variant(&mut self, shape: &Shape, cases: &Cases, place: Place, value: &Bound<'py, PyAny>) -> Lowered<()> {
        let before = self.image.registers();
        let (index, payload) = choose(cases, value)?;
        let case = &cases.cases[index];
        self.image.put(place, cases.discriminant, index as u64);
        match (&case.payload, payload) {
            (Some(payload), Some(value)) => {
                let lowered = self.value(payload, place.part(cases.payload_offset), &value);
                lowered.map_err(|failure| {
                    if cases.style == Style::Option { failure } else { failure.at(Step::Field(case.name.text.clone())) }
                })?;
            }
            (None, Some(value)) if !value.is_none() => {
                return Err(Failure::ty(format!(
                    "case '{}' has no payload, got {}",
                    case.name.text,
                    class_name(&value)
                )));
            }
            _ => {}
        }
        if let (Place::Flat, Some(flat)) = (place, shape.flat) {
            self.image.pad_to(before + flat);
        }
        Ok(())
    }

    fn enumeration(&mut self, names: &[Name], value: &Bound<'py, PyAny>) -> Lowered<usize> {
        let text = label(value)?.ok_or_else(|| Failure::expected("a str or an enum member for enum", value))?;
        names
            .iter()
            .position(|name| name.is(&text))
            .ok_or_else(|| Failure::value(format!("'{text}' is no case of enum {}", list_names(names))))
    }

    fn flags(&mut self, shape: &Shape, names: &[Name], place: Place, value: &Bound<'py, PyAny>) -> Lowered<()> {
        let mut words = vec![0_u32; names.len().div_ceil(32)];
        let has = |name| value.hasattr(name);
        let labels = match value.cast::<PySet>() {
            Ok(_) => true,
            Err(_) if value.is_instance_of::<PyString>() || value.is_instance_of::<PyDict>() => false,
            // What has no length may have no end.
            Err(_) => has("__len__")? && (has("__iter__")? || has("__getitem__")?),
        };
        if !labels {
            return Err(Failure::expected("a set of str for flags", value));
        }
        for member in value.try_iter()? {
            let member = member?;
            let text =
                label(&member)?.ok_or_else(|| Failure::expected("a set of str for flags, and in it a str", &member))?;
            let index = names.iter().position(|name| name.is(&text));
            let index =
                index.ok_or_else(|| Failure::value(format!("'{text}' is none of the flags {}", list_names(names))))?;
            words[index / 32] |= 1 << (index % 32);
        }
        for (index, word) in words.into_iter().enumerate() {
            self.image.put(place.part(4 * index), shape.size.min(4), u64::from(word));
        }
        Ok(())
    }

    fn resource(
        &mut self,
        index: TypeResourceTableIndex,
        own: bool,
        place: Place,
        value: &Bound<'py, PyAny>,
    ) -> Lowered<()> {
        let kind = if own { "own" } else { "borrow" };
        let inner;
        let mut value = value;
        // An object that stands for a resource of a guest.
        if !is_handle(value)
            && let Some(handle) = value.getattr_opt("handle")?
        {
            inner = handle;
            value = &inner;
        }
        let expected = (self.resource_type)(index);
        let (found, resource) = if let Ok(any) = value.cast::<ResourceAny>() {
            let resource = any.get().to_lower(self.shared.id)?;
            if own && !resource.owned() {
                return Err(Failure::ty("expected an owned resource for own, got a borrowed one".to_owned()));
            }
            (resource.ty(), Resource::Any(resource))
        } else if let Ok(host) = value.cast::<ResourceHost>() {
            let (HostResource { rep, ty }, owned) = host.get().to_lower()?;
            if own && !owned {
                return Err(Failure::ty("expected an owned resource for own, got a borrowed one".to_owned()));
            }
            (ResourceType::host_dynamic(ty), Resource::Host { rep, ty, owned })
        } else {
            return Err(Failure::expected(&format!("a ResourceAny or ResourceHost for {kind}"), value));
        };
        if expected.is_some_and(|expected| expected != found) {
            return Err(Failure::ty(format!("the resource is of another type than the one of this {kind}")));
        }
        let ty = if own { InterfaceType::Own(index) } else { InterfaceType::Borrow(index) };
        if own {
            self.moved.push(Moved::take(value)?);
        }
        self.image.handle(place, ty, resource);
        Ok(())
    }
}

/// Whether a value is a resource itself.
fn is_handle(value: &Bound<'_, PyAny>) -> bool {
    value.cast::<ResourceAny>().is_ok() || value.cast::<ResourceHost>().is_ok()
}

/// The bits of a number, a bool or a char, extended to a register.
fn number(kind: &Kind, value: &Bound<'_, PyAny>) -> Lowered<u64> {
    match kind {
        Kind::Bool => match value.cast::<PyBool>() {
            Ok(flag) => Ok(u64::from(flag.is_true())),
            Err(_) => Err(Failure::expected("a bool", value)),
        },
        Kind::Int(int) => integer(*int, value),
        Kind::F32 => Ok(u64::from(values::f64_to_f32_bits(float(value, "f32")?))),
        Kind::F64 => Ok(float(value, "f64")?.to_bits()),
        _ => character(value),
    }
}

fn integer(int: Int, value: &Bound<'_, PyAny>) -> Lowered<u64> {
    // What nearly all arguments are.
    match value.cast_exact::<PyInt>().ok().and_then(numbers::small) {
        Some(number) if int.has(number) => Ok(int.register(number.cast_unsigned())),
        _ => any_integer(int, value),
    }
}

#[inline(never)]
fn any_integer(int: Int, value: &Bound<'_, PyAny>) -> Lowered<u64> {
    let index;
    let number = match value.cast::<PyInt>() {
        Ok(number) => number,
        Err(_) if value.hasattr("__index__")? => {
            index = numbers::index(value, "an integer")?;
            &index
        }
        Err(_) => return Err(Failure::expected(&format!("an int for {int}"), value)),
    };
    let (least, greatest) = int.range();
    let wide = number.extract::<i64>().map(i128::from).or_else(|_| number.extract::<u64>().map(i128::from));
    match wide {
        Ok(wide) if (least..=greatest).contains(&wide) => Ok(int.register(wide as u64)),
        _ => {
            let text = number.str().map_or_else(|_| "the int".to_owned(), |text| text.to_string());
            Err(Failure::range(format!("{text} does not fit {int}: expected an int from {least} to {greatest}")))
        }
    }
}

fn float(value: &Bound<'_, PyAny>, ty: &str) -> Lowered<f64> {
    if let Ok(float) = value.cast::<PyFloat>() {
        return Ok(float.value());
    }
    if !value.hasattr("__float__")? && !value.hasattr("__index__")? {
        return Err(Failure::expected(&format!("a number for {ty}"), value));
    }
    let number = value.extract::<f64>();
    number.map_err(|error| match value.cast_exact::<PyInt>() {
        Ok(_) => Failure::range(format!("the int is too large for {ty}")),
        Err(_) => error.into(),
    })
}

fn character(value: &Bound<'_, PyAny>) -> Lowered<u64> {
    let text = value.cast::<PyString>().map_err(|_| Failure::expected("a str of one character for char", value))?;
    let length = text.len()?;
    if length != 1 {
        return Err(Failure::ty(format!("expected a str of one character for char, got one of {length}")));
    }
    let character = text.to_str().map_err(Failure::encode)?.chars().next();
    Ok(character.map_or(0, |character| u64::from(u32::from(character))))
}

/// The buffer of an object whose items are those of a numeric list.
fn buffer(kind: &Kind, value: &Bound<'_, PyAny>) -> PyResult<Option<Exported>> {
    let wanted = match kind {
        Kind::Int(Int { bytes, signed: true }) => ElementType::SignedInteger { bytes: *bytes },
        Kind::Int(Int { bytes, signed: false }) => ElementType::UnsignedInteger { bytes: *bytes },
        Kind::F32 => ElementType::Float { bytes: 4 },
        Kind::F64 => ElementType::Float { bytes: 8 },
        _ => return Ok(None),
    };
    // The usual lists have no buffer: no need to ask.
    if value.is_exact_instance_of::<PyList>() {
        return Ok(None);
    }
    Exported::of(value, |items| items == wanted)
}

/// The items of a sequence at this moment. `None`: it is no sequence.
fn sequence<'py>(value: &Bound<'py, PyAny>) -> Lowered<Option<Bound<'py, PyTuple>>> {
    if let Ok(list) = value.cast_exact::<PyList>() {
        return Ok(Some(list.to_tuple()));
    }
    if let Ok(tuple) = value.cast_exact::<PyTuple>() {
        return Ok(Some(tuple.clone()));
    }
    let text = value.is_instance_of::<PyString>()
        || value.is_instance_of::<PyBytes>()
        || value.is_instance_of::<PyByteArray>();
    let has = |name| value.hasattr(name);
    if text || value.is_instance_of::<PyDict>() || !has("__len__")? || !has("__getitem__")? || has("keys")? {
        return Ok(None);
    }
    let items = value.py().get_type::<PyTuple>().call1((value,))?;
    Ok(Some(items.cast_into::<PyTuple>().map_err(PyErr::from)?))
}

/// The items of a sequence that is to become a list.
fn snapshot<'py>(element: &Shape, what: &str, value: &Bound<'py, PyAny>) -> Lowered<Bound<'py, PyTuple>> {
    match sequence(value)? {
        Some(items) => Ok(items),
        None if element.is_byte() => {
            Err(Failure::expected(&format!("bytes or a sequence of int for {what}<u8>"), value))
        }
        None => Err(Failure::expected(&format!("a sequence for {what}"), value)),
    }
}

trait ToInts<'py> {
    /// The bytes as a tuple of int.
    fn to_tuple_of_ints(&self) -> PyResult<Bound<'py, PyTuple>>;
}

impl<'py> ToInts<'py> for Bound<'py, PyBytes> {
    fn to_tuple_of_ints(&self) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(self.py(), self.as_bytes())
    }
}

/// How the fields of a record are found in a value.
#[derive(Clone, Copy)]
enum Access {
    Dict,
    Mapping,
    Attributes,
}

impl Access {
    fn of(value: &Bound<'_, PyAny>) -> Lowered<Access> {
        Ok(if is_record(value)? {
            Access::Attributes
        } else if value.is_instance_of::<PyDict>() {
            Access::Dict
        } else if has_items(value) && value.cast::<PyMapping>().is_ok() {
            Access::Mapping
        } else {
            Access::Attributes
        })
    }

    /// The value for a field, by its name as in WIT or else as a Python identifier.
    fn get<'py>(self, field: &Field, value: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyAny>>> {
        for name in std::iter::once(&field.name.wit).chain(&field.name.snake) {
            let name = name.bind(value.py());
            let found = match self {
                Access::Dict => value.cast::<PyDict>()?.get_item(name)?,
                Access::Mapping => {
                    if value.contains(name)? {
                        Some(value.get_item(name)?)
                    } else {
                        None
                    }
                }
                Access::Attributes => value.getattr_opt(name)?,
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn missing(self, fields: &[Field], field: &Field, value: &Bound<'_, PyAny>) -> Box<Failure> {
        let names: Vec<_> = fields.iter().map(|field| field.name.text.as_str()).collect();
        let message =
            format!("missing field '{}' of record {{{}}} in {}", field.name.text, names.join(", "), class_name(value));
        match self {
            Access::Attributes => Failure::missing(message),
            Access::Dict | Access::Mapping => Failure::ty(message),
        }
    }
}

/// What a str says, or a member of an enum: its value if that is a str, or else its name.
fn label(value: &Bound<'_, PyAny>) -> Lowered<Option<String>> {
    let text = |value: &Bound<'_, PyAny>| match value.cast::<PyString>() {
        Ok(text) => text.to_str().map(|text| Some(text.to_owned())).map_err(Failure::encode),
        Err(_) => Ok(None),
    };
    if let Some(label) = text(value)? {
        return Ok(Some(label));
    }
    let py = value.py();
    if !value.is_instance(&py.import("enum")?.getattr("Enum")?)? {
        return Ok(None);
    }
    match text(&value.getattr("value")?)? {
        Some(label) => Ok(Some(label)),
        None => text(&value.getattr("name")?),
    }
}

fn list_names(names: &[Name]) -> String {
    let names: Vec<_> = names.iter().map(|name| name.text.as_str()).collect();
    format!("{{{}}}", names.join(", "))
}

type Choice<'py> = (usize, Option<Bound<'py, PyAny>>);

/// The case of a variant that a value means, and its payload.
fn choose<'py>(cases: &Cases, value: &Bound<'py, PyAny>) -> Lowered<Choice<'py>> {
    let variants_inside = cases.cases.iter().any(|case| case.classes.intersects(Classes::VARIANT));
    if let Ok(variant) = value.cast::<Variant>()
        && (cases.tagged || !variants_inside)
    {
        let (tag, payload) = variant.borrow().parts(value.py());
        let tag = tag
            .cast::<PyString>()
            .map_err(|_| Failure::expected("a str as tag", &tag))?
            .to_str()
            .map_err(Failure::encode)?
            .to_owned();
        let index = cases.cases.iter().position(|case| case.name.is(&tag));
        let index = index.ok_or_else(|| Failure::value(format!("'{tag}' is no case of {}", describe(cases))))?;
        return Ok((index, Some(payload)));
    }
    if cases.tagged {
        return Err(Failure::expected(&format!("a Variant for {}", describe(cases)), value));
    }
    if let Some(index) = by_class(cases, value)? {
        return Ok((index, Some(value.clone())));
    }
    // There is one case that it can be: its conversion says what is wrong.
    let mut payloads = cases.cases.iter().enumerate().filter(|(_, case)| case.payload.is_some());
    match (payloads.next(), payloads.next()) {
        (Some((index, _)), None) if !value.is_none() => Ok((index, Some(value.clone()))),
        _ => Err(Failure::value(format!("{} is no value of {}", class_name(value), describe(cases)))),
    }
}

/// The case whose values have the class of `value`: exactly, then by inheritance, then anything that can be converted.
fn by_class(cases: &Cases, value: &Bound<'_, PyAny>) -> Lowered<Option<usize>> {
    let (exact, inherited, convertible) = classes_of(value)?;
    let find = |classes: Classes| cases.cases.iter().position(|case| case.classes.intersects(classes));
    Ok(find(exact).or_else(|| find(inherited)).or_else(|| find(convertible)))
}

/// The classes of a value: its own, those that it inherits, and those that it can be converted to.
fn classes_of(value: &Bound<'_, PyAny>) -> Lowered<(Classes, Classes, Classes)> {
    let none = Classes::default();
    let of = |exact: bool, class: Classes, convertible: Classes| (if exact { class } else { none }, class, convertible);
    let has = |name| value.hasattr(name);
    Ok(if value.is_none() {
        of(true, Classes::NOTHING, none)
    } else if value.is_instance_of::<PyBool>() {
        (Classes::BOOL, Classes::INT, none)
    } else if value.is_instance_of::<PyInt>() {
        of(value.is_exact_instance_of::<PyInt>(), Classes::INT, Classes::FLOAT)
    } else if value.is_instance_of::<PyFloat>() {
        of(value.is_exact_instance_of::<PyFloat>(), Classes::FLOAT, none)
    } else if value.is_instance_of::<PyString>() {
        of(value.is_exact_instance_of::<PyString>(), Classes::STR, none)
    } else if value.is_instance_of::<PyBytes>() {
        of(value.is_exact_instance_of::<PyBytes>(), Classes::BYTES, none)
    } else if value.is_instance_of::<PyList>() {
        of(value.is_exact_instance_of::<PyList>(), Classes::LIST, Classes::BYTES)
    } else if value.is_instance_of::<PyTuple>() {
        of(value.is_exact_instance_of::<PyTuple>(), Classes::TUPLE, Classes::LIST)
    } else if value.is_instance_of::<PyDict>() {
        of(value.is_exact_instance_of::<PyDict>(), Classes::DICT, Classes::RECORD)
    } else if value.is_instance_of::<PySet>() || value.is_instance_of::<PyFrozenSet>() {
        of(value.is_exact_instance_of::<PySet>(), Classes::SET, none)
    } else if value.cast::<Variant>().is_ok() {
        of(true, Classes::VARIANT, none)
    } else if is_handle(value) {
        of(true, Classes::RESOURCE, none)
    } else if has("__index__")? {
        of(false, none, Classes::INT)
    } else if has("__float__")? {
        of(false, none, Classes::FLOAT)
    } else if value.is_instance_of::<PyByteArray>() {
        of(false, none, Classes::BYTES)
    } else if has("__getitem__")? && has("__len__")? && !has("keys")? {
        of(false, none, Classes::LIST)
    } else {
        of(false, Classes::RECORD, none)
    })
}

fn describe(cases: &Cases) -> String {
    let kind = match cases.style {
        Style::Variant => "variant",
        Style::Option => "option",
        Style::Result => "result",
    };
    let names: Vec<_> = cases.cases.iter().map(|case| case.name.text.as_str()).collect();
    format!("{kind} {{{}}}", names.join(", "))
}
