//! What has to be known of an interface type to convert its values.

use std::cell::RefCell;
use std::fmt;
use std::sync::{Arc, Weak};

use pyo3::prelude::*;
use pyo3::types::PyString;
use wasmtime::Result;
use wasmtime::component::__internal::wasmtime_environ::component::{
    TypeResourceTableIndex, TypeTupleIndex, VariantInfo,
};
use wasmtime::component::__internal::{ComponentTypes, InterfaceType};

use crate::asyncio;

/// A type, with the layout that the canonical ABI gives it.
pub(crate) struct Shape {
    /// Bytes in memory.
    pub(super) size: usize,
    pub(super) align: u32,
    /// Core values that it takes when it is passed in registers; `None` if there are too many.
    pub(super) flat: Option<usize>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Bool,
    Int(Int),
    F32,
    F64,
    Char,
    String,
    List(Box<Shape>),
    FixedList {
        element: Box<Shape>,
        len: usize,
    },
    Map(Box<Map>),
    Record(Box<[Field]>),
    Tuple(Box<[Member]>),
    Variant(Cases),
    Enum {
        names: Box<[Name]>,
        discriminant: usize,
    },
    Flags(Box<[Name]>),
    Own(TypeResourceTableIndex),
    Borrow(TypeResourceTableIndex),
    /// Values of these types cannot be passed (yet).
    Unsupported(&'static str),
}

/// An integer type: its width in bytes, and whether it is signed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Int {
    pub(super) bytes: usize,
    pub(super) signed: bool,
}

impl Int {
    pub(super) fn range(self) -> (i128, i128) {
        let bits = 8 * self.bytes as u32;
        if self.signed { (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) } else { (0, (1 << bits) - 1) }
    }

    /// Whether the type has this number, which takes less than to compare it with the `range`.
    #[inline]
    pub(super) fn has(self, number: i64) -> bool {
        let unused = 64 - 8 * self.bytes as u32;
        if self.signed {
            number << unused >> unused == number
        } else {
            number >= 0 && number.cast_unsigned() << unused >> unused == number.cast_unsigned()
        }
    }

    /// The register that holds this number, which the type has: integers of up to 32 bits are an i32.
    #[inline]
    pub(super) fn register(self, number: u64) -> u64 {
        if self.bytes < 8 { u64::from(number as u32) } else { number }
    }
}

impl fmt::Display for Int {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.signed { 's' } else { 'u' }, self.bytes * 8)
    }
}

/// A name from WIT, and the form that it takes as a Python identifier.
pub(super) struct Name {
    pub(super) wit: Py<PyString>,
    pub(super) snake: Option<Py<PyString>>,
    pub(super) text: String,
}

impl Name {
    fn new(py: Python<'_>, name: &str) -> Name {
        let snake = snake_case(name);
        let snake = (snake != name).then(|| PyString::intern(py, &snake).unbind());
        Name { wit: PyString::intern(py, name).unbind(), snake, text: name.to_owned() }
    }

    /// Whether `other` is this name, as it is in WIT or with underscores and capitals as Python's enums have them.
    pub(super) fn is(&self, other: &str) -> bool {
        self.text == other || (self.text.len() == other.len() && snake_case(&self.text).eq_ignore_ascii_case(other))
    }
}

/// `kebab-case` as a Python identifier.
pub(crate) fn snake_case(name: &str) -> String {
    name.replace('-', "_")
}

pub(super) struct Field {
    pub(super) name: Name,
    pub(super) member: Member,
}

/// A part of a record or tuple.
pub(super) struct Member {
    pub(super) shape: Shape,
    pub(super) offset: usize,
}

pub(super) struct Map {
    pub(super) key: Shape,
    pub(super) value: Shape,
    pub(super) entry_size: usize,
    pub(super) entry_align: u32,
    pub(super) value_offset: usize,
}

/// A variant, option or result.
pub(super) struct Cases {
    pub(super) style: Style,
    pub(super) cases: Box<[Case]>,
    /// Bytes of the discriminant.
    pub(super) discriminant: usize,
    pub(super) payload_offset: usize,
    /// Values are given as `Variant(tag, payload)`, since the class of the payload does not tell the case.
    pub(super) tagged: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    Variant,
    Option,
    Result,
}

pub(super) struct Case {
    pub(super) name: Name,
    pub(super) payload: Option<Shape>,
    pub(super) classes: Classes,
}

/// The Python classes that values of a type come as, by which the cases of an untagged variant are told apart.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Classes(u16);

impl Classes {
    /// No payload.
    pub(super) const NOTHING: Classes = Classes(1);
    pub(super) const BOOL: Classes = Classes(1 << 1);
    pub(super) const INT: Classes = Classes(1 << 2);
    pub(super) const FLOAT: Classes = Classes(1 << 3);
    pub(super) const STR: Classes = Classes(1 << 4);
    pub(super) const BYTES: Classes = Classes(1 << 5);
    pub(super) const LIST: Classes = Classes(1 << 6);
    pub(super) const DICT: Classes = Classes(1 << 7);
    pub(super) const RECORD: Classes = Classes(1 << 8);
    pub(super) const TUPLE: Classes = Classes(1 << 9);
    pub(super) const SET: Classes = Classes(1 << 10);
    pub(super) const VARIANT: Classes = Classes(1 << 11);
    pub(super) const RESOURCE: Classes = Classes(1 << 12);

    pub(super) fn intersects(self, other: Classes) -> bool {
        self.0 & other.0 != 0
    }

    fn with(self, other: Classes) -> Classes {
        Classes(self.0 | other.0)
    }
}

impl Shape {
    fn new(py: Python<'_>, types: &ComponentTypes, ty: &InterfaceType) -> Shape {
        let abi = types.canonical_abi(ty);
        let kind = Kind::new(py, types, ty);
        Shape { size: abi.size32 as usize, align: abi.align32, flat: abi.flat_count.map(usize::from), kind }
    }

    pub(super) fn classes(&self) -> Classes {
        match &self.kind {
            Kind::Bool => Classes::BOOL,
            Kind::Int(_) => Classes::INT,
            Kind::F32 | Kind::F64 => Classes::FLOAT,
            Kind::Char | Kind::String | Kind::Enum { .. } => Classes::STR,
            Kind::List(element) | Kind::FixedList { element, .. } if element.is_byte() => Classes::BYTES,
            Kind::List(_) | Kind::FixedList { .. } => Classes::LIST,
            Kind::Map(_) => Classes::DICT,
            Kind::Record(_) => Classes::RECORD,
            Kind::Tuple(_) => Classes::TUPLE,
            Kind::Variant(cases) if cases.tagged => Classes::VARIANT,
            Kind::Variant(cases) => cases.cases.iter().fold(Classes::default(), |all, case| all.with(case.classes)),
            Kind::Flags(_) => Classes::SET,
            Kind::Own(_) | Kind::Borrow(_) => Classes::RESOURCE,
            Kind::Unsupported(_) => Classes::default(),
        }
    }

    pub(super) fn is_byte(&self) -> bool {
        matches!(self.kind, Kind::Int(Int { bytes: 1, signed: false }))
    }

    /// Whether values are single numbers, which can cross without the interpreter.
    pub(super) fn is_number(&self) -> bool {
        matches!(self.kind, Kind::Bool | Kind::Int(_) | Kind::F32 | Kind::F64 | Kind::Char)
    }

    fn resources(&self, found: &mut Vec<TypeResourceTableIndex>) {
        match &self.kind {
            Kind::Own(index) | Kind::Borrow(index) => found.push(*index),
            Kind::List(element) | Kind::FixedList { element, .. } => element.resources(found),
            Kind::Map(map) => map.value.resources(found),
            Kind::Record(fields) => fields.iter().for_each(|field| field.member.shape.resources(found)),
            Kind::Tuple(members) => members.iter().for_each(|member| member.shape.resources(found)),
            Kind::Variant(cases) => {
                cases.cases.iter().filter_map(|case| case.payload.as_ref()).for_each(|shape| shape.resources(found))
            }
            _ => {}
        }
    }
}

impl Kind {
    fn new(py: Python<'_>, types: &ComponentTypes, ty: &InterfaceType) -> Kind {
        let int = |bytes, signed| Kind::Int(Int { bytes, signed });
        let names =
            |names: &mut dyn Iterator<Item = &String>| names.map(|name| Name::new(py, name)).collect::<Box<[_]>>();
        match *ty {
            InterfaceType::Bool => Kind::Bool,
            InterfaceType::S8 => int(1, true),
            InterfaceType::U8 => int(1, false),
            InterfaceType::S16 => int(2, true),
            InterfaceType::U16 => int(2, false),
            InterfaceType::S32 => int(4, true),
            InterfaceType::U32 => int(4, false),
            InterfaceType::S64 => int(8, true),
            InterfaceType::U64 => int(8, false),
            InterfaceType::Float32 => Kind::F32,
            InterfaceType::Float64 => Kind::F64,
            InterfaceType::Char => Kind::Char,
            InterfaceType::String => Kind::String,
            InterfaceType::List(index) => Kind::List(Box::new(Shape::new(py, types, &types[index].element))),
            InterfaceType::FixedLengthList(index) => {
                let list = &types[index];
                Kind::FixedList { element: Box::new(Shape::new(py, types, &list.element)), len: list.size as usize }
            }
            InterfaceType::Map(index) => {
                let map = &types[index];
                Kind::Map(Box::new(Map {
                    key: Shape::new(py, types, &map.key),
                    value: Shape::new(py, types, &map.value),
                    entry_size: map.entry_abi.size32 as usize,
                    entry_align: map.entry_abi.align32,
                    value_offset: map.value_offset32 as usize,
                }))
            }
            InterfaceType::Record(index) => {
                let fields = &types[index].fields;
                let members = members(py, types, fields.iter().map(|field| &field.ty));
                let fields = fields
                    .iter()
                    .zip(members)
                    .map(|(field, member)| Field { name: Name::new(py, &field.name), member });
                Kind::Record(fields.collect())
            }
            InterfaceType::Tuple(index) => Kind::Tuple(members(py, types, types[index].types.iter()).collect()),
            InterfaceType::Variant(index) => {
                let variant = &types[index];
                let cases = variant.cases.iter().map(|(name, payload)| (name.as_str(), payload.as_ref()));
                Kind::Variant(Cases::new(py, types, Style::Variant, &variant.info, cases))
            }
            InterfaceType::Option(index) => {
                let option = &types[index];
                let cases = [("none", None), ("some", Some(&option.ty))];
                Kind::Variant(Cases::new(py, types, Style::Option, &option.info, cases.into_iter()))
            }
            InterfaceType::Result(index) => {
                let result = &types[index];
                let cases = [("ok", result.ok.as_ref()), ("err", result.err.as_ref())];
                Kind::Variant(Cases::new(py, types, Style::Result, &result.info, cases.into_iter()))
            }
            InterfaceType::Enum(index) => {
                let ty = &types[index];
                Kind::Enum { names: names(&mut ty.names.iter()), discriminant: usize::from(ty.info.size) }
            }
            InterfaceType::Flags(index) => Kind::Flags(names(&mut types[index].names.iter())),
            InterfaceType::Own(index) => Kind::Own(index),
            InterfaceType::Borrow(index) => Kind::Borrow(index),
            InterfaceType::Future(_) => Kind::Unsupported("future"),
            InterfaceType::Stream(_) => Kind::Unsupported("stream"),
            InterfaceType::ErrorContext(_) => Kind::Unsupported("error-context"),
        }
    }
}

fn members<'a>(
    py: Python<'a>,
    types: &'a ComponentTypes,
    parts: impl Iterator<Item = &'a InterfaceType> + 'a,
) -> impl Iterator<Item = Member> + 'a {
    let mut end = 0;
    parts.map(move |ty| {
        let offset = types.canonical_abi(ty).next_field32_size(&mut end);
        Member { shape: Shape::new(py, types, ty), offset }
    })
}

impl Cases {
    fn new<'a>(
        py: Python<'_>,
        types: &ComponentTypes,
        style: Style,
        info: &VariantInfo,
        cases: impl Iterator<Item = (&'a str, Option<&'a InterfaceType>)>,
    ) -> Cases {
        let cases = cases.map(|(name, payload)| {
            let payload = payload.map(|ty| Shape::new(py, types, ty));
            let classes = payload.as_ref().map_or(Classes::NOTHING, Shape::classes);
            Case { name: Name::new(py, name), payload, classes }
        });
        let cases: Box<[Case]> = cases.collect();
        let mut seen = Classes::default();
        let tagged = cases.iter().any(|case| {
            let clash = case.classes.intersects(seen);
            seen = seen.with(case.classes);
            clash
        });
        Cases {
            style,
            cases,
            discriminant: usize::from(info.size),
            payload_offset: info.payload_offset32 as usize,
            tagged,
        }
    }
}

/// The parameters of a function, or its results (of which there is none or one).
pub(crate) struct Tuple {
    pub(super) members: Box<[Member]>,
    pub(super) size: usize,
    pub(super) align: u32,
    pub(super) flat: Option<usize>,
}

impl Drop for Tuple {
    /// Names are Python objects.
    fn drop(&mut self) {
        asyncio::release(std::mem::take(&mut self.members));
    }
}

impl Tuple {
    fn new(py: Python<'_>, types: &ComponentTypes, index: TypeTupleIndex) -> Tuple {
        let tuple = &types[index];
        Tuple {
            members: members(py, types, tuple.types.iter()).collect(),
            size: tuple.abi.size32 as usize,
            align: tuple.abi.align32,
            flat: tuple.abi.flat_count.map(usize::from),
        }
    }

    /// Whether the values fit into so many registers.
    pub(super) fn fits(&self, registers: usize) -> bool {
        self.flat.is_some_and(|flat| flat <= registers)
    }

    /// The resource types that occur.
    pub(super) fn resources(&self) -> Vec<TypeResourceTableIndex> {
        let mut found = Vec::new();
        self.members.iter().for_each(|member| member.shape.resources(&mut found));
        found
    }

    /// The shape of a tuple type of a component: worked out once for each thread, then looked up.
    pub(super) fn of(types: &Arc<ComponentTypes>, index: TypeTupleIndex) -> Result<Arc<Tuple>> {
        if let Some(tuple) = Tuple::known(types, index) {
            return Ok(tuple);
        }
        Component::expect(types);
        Tuple::again(types, index)
    }

    /// The same for a component that `of` was asked about on this thread; otherwise the shape is worked out anew.
    pub(super) fn again(types: &ComponentTypes, index: TypeTupleIndex) -> Result<Arc<Tuple>> {
        if let Some(tuple) = Tuple::known(types, index) {
            return Ok(tuple);
        }
        // Nothing is borrowed here: finalisers may run, and call components.
        let tuple = Arc::new(asyncio::attached(|py| Ok(Tuple::new(py, types, index)))?);
        Component::remember(types, index, &tuple);
        Ok(tuple)
    }

    /// Like all that looks at what the thread knows a function of its own: in between, an asynchronous call may have moved
    /// to another thread, while a compiler takes the address of what belongs to a thread to be the same throughout a
    /// function.
    #[inline(never)]
    fn known(types: &ComponentTypes, index: TypeTupleIndex) -> Option<Arc<Tuple>> {
        KNOWN.with_borrow_mut(|components| {
            let position = components.iter().position(|component| component.is(types))?;
            // The one that is in use is found first.
            if position > 0 {
                components.swap(0, position);
            }
            components[0].tuples.get(index.as_u32() as usize)?.clone()
        })
    }
}

/// The shapes of one component.
struct Component {
    /// A weak reference keeps the address from being used again.
    types: Weak<ComponentTypes>,
    /// By the index of the tuple type.
    tuples: Vec<Option<Arc<Tuple>>>,
}

impl Component {
    fn is(&self, types: &ComponentTypes) -> bool {
        std::ptr::eq(self.types.as_ptr(), types)
    }

    /// Has the shapes of a component remembered.
    #[inline(never)]
    fn expect(types: &Arc<ComponentTypes>) {
        KNOWN.with_borrow_mut(|components| {
            if !components.iter().any(|component| component.is(types)) {
                components.retain(|component| component.types.strong_count() > 0);
                components.push(Component { types: Arc::downgrade(types), tuples: Vec::new() });
            }
        });
    }

    #[inline(never)]
    fn remember(types: &ComponentTypes, index: TypeTupleIndex, tuple: &Arc<Tuple>) {
        KNOWN.with_borrow_mut(|components| {
            if let Some(component) = components.iter_mut().find(|component| component.is(types)) {
                component.set(index, tuple.clone());
            }
        });
    }

    fn set(&mut self, index: TypeTupleIndex, tuple: Arc<Tuple>) {
        let position = index.as_u32() as usize;
        if self.tuples.len() <= position {
            self.tuples.resize(position + 1, None);
        }
        self.tuples[position] = Some(tuple);
    }
}

thread_local!(static KNOWN: RefCell<Vec<Component>> = const { RefCell::new(Vec::new()) });
