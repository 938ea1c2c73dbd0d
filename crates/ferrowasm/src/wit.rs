//! The world of a component, in the language of WIT, read from the binary without compiling it.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use pyo3::prelude::*;
use wasmparser::component_types::{
    ComponentAnyTypeId, ComponentDefinedType, ComponentEntityType, ComponentFuncTypeId, ComponentInstanceTypeId,
    ComponentValType, ResourceId,
};
use wasmparser::types::{Types, TypesRef};
use wasmparser::{Parser, Payload, ValidPayload, Validator, WasmFeatures};

use crate::code::bytes_of;
use crate::errors::wasmtime_error;
use crate::gil;

/// The world of a component in the binary format as WIT, and the interfaces that it refers to, but for those of WASI, which
/// everybody has.
///
/// Raises `WasmtimeError` when the binary is malformed or no component.
#[pyfunction]
pub(crate) fn component_wit(py: Python<'_>, data: &Bound<'_, PyAny>) -> PyResult<String> {
    let bytes = bytes_of(data, "a component as bytes")?;
    let bytes = bytes.as_bytes();
    gil::released(py, || print(bytes))?.map_err(|message| wasmtime_error(py, &message))
}

/// The names of what a component imports and exports, in order.
#[derive(Default)]
struct Outside {
    imports: Vec<String>,
    exports: Vec<String>,
}

fn print(binary: &[u8]) -> Result<String, String> {
    if !Parser::is_component(binary) {
        return Err("expected a component, got a core module".to_owned());
    }
    let (types, outside) = read(binary).map_err(|error| error.to_string())?.ok_or("the component is cut short")?;
    let types = types.as_ref();
    let mut printer = Printer { types, known: HashMap::new(), interfaces: BTreeMap::new() };
    let mut world = String::new();
    let imports = outside.imports.iter().map(|name| (name, types.component_item_for_import(name)));
    for (name, item) in imports {
        item.into_iter().for_each(|item| printer.world_item(&mut world, "import", name, &item.ty));
    }
    if !outside.imports.is_empty() && !outside.exports.is_empty() {
        world.push('\n');
    }
    let exports = outside.exports.iter().map(|name| (name, types.component_item_for_export(name)));
    for (name, item) in exports {
        item.into_iter().for_each(|item| printer.world_item(&mut world, "export", name, &item.ty));
    }
    let mut text = format!("package root:component;\n\nworld root {{\n{world}}}\n");
    for (package, interfaces) in &printer.interfaces {
        let _ = write!(text, "\npackage {package} {{\n{}}}\n", interfaces.join("\n"));
    }
    Ok(text)
}

fn read(binary: &[u8]) -> Result<Option<(Types, Outside)>, wasmparser::BinaryReaderError> {
    let mut validator = Validator::new_with_features(WasmFeatures::all());
    let mut outside = Outside::default();
    let mut depth = 0;
    for payload in Parser::new(0).parse_all(binary) {
        let payload = payload?;
        match &payload {
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::ComponentImportSection(imports) if depth == 0 => {
                for import in imports.clone() {
                    outside.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(exports) if depth == 0 => {
                for export in exports.clone() {
                    outside.exports.push(export?.name.name.to_owned());
                }
            }
            _ => {}
        }
        if let ValidPayload::End(types) = validator.payload(&payload)? {
            if depth == 0 {
                return Ok(Some((types, outside)));
            }
            depth -= 1;
        }
    }
    Ok(None)
}

/// What tells one type from another.
#[derive(PartialEq, Eq, Hash, Clone, Copy)]
enum Identity {
    Resource(ResourceId),
    Other(ComponentAnyTypeId),
}

impl Identity {
    fn of(id: ComponentAnyTypeId) -> Identity {
        match id {
            ComponentAnyTypeId::Resource(id) => Identity::Resource(id.resource()),
            other => Identity::Other(other),
        }
    }
}

struct Printer<'a> {
    types: TypesRef<'a>,
    /// The types that have a name, with the interface that they belong to; none for those of the world.
    known: HashMap<Identity, (Option<String>, String)>,
    /// The interfaces that have a name of their own, as text, by package.
    interfaces: BTreeMap<String, Vec<String>>,
}

impl Printer<'_> {
    fn world_item(&mut self, out: &mut String, way: &str, name: &str, ty: &ComponentEntityType) {
        let _ = match ty {
            ComponentEntityType::Instance(id) if name.contains(':') => {
                self.interface(name, *id);
                writeln!(out, "  {way} {name};")
            }
            ComponentEntityType::Instance(id) => {
                let body = self.body(*id, None, "    ");
                writeln!(out, "  {way} {}: interface {{\n{body}  }}", word(name))
            }
            ComponentEntityType::Func(id) => writeln!(out, "  {way} {}: {};", word(name), self.func(*id, 0)),
            ComponentEntityType::Type { referenced, created } => {
                let text = self.type_item(name, *referenced, *created, None, "  ");
                writeln!(out, "{text}")
            }
            ComponentEntityType::Module(_) => writeln!(out, "  // {way} {name}: a core module"),
            ComponentEntityType::Component(_) => writeln!(out, "  // {way} {name}: a component"),
            ComponentEntityType::Value(ty) => writeln!(out, "  // {way} {name}: a value of type {}", self.value(*ty)),
        };
    }

    /// Prints an interface of a package, unless that has been done.
    fn interface(&mut self, name: &str, id: ComponentInstanceTypeId) {
        let (path, version) = name.split_once('@').map_or((name, String::new()), |(path, v)| (path, format!("@{v}")));
        let (package, interface) = path.rsplit_once('/').unwrap_or((path, path));
        let body = self.body(id, Some(name), "    ");
        let text = format!("  interface {} {{\n{body}  }}\n", word(interface));
        if package.starts_with("wasi:") {
            return;
        }
        let interfaces = self.interfaces.entry(format!("{package}{version}")).or_default();
        if !interfaces.contains(&text) {
            interfaces.push(text);
        }
    }

    /// The items of an interface. What belongs to a resource is printed with it.
    fn body(&mut self, id: ComponentInstanceTypeId, interface: Option<&str>, indent: &str) -> String {
        let exports: Vec<_> = self.types[id].exports.iter().map(|(name, item)| (name.clone(), item.ty)).collect();
        let mut items = Vec::new();
        for (name, ty) in &exports {
            match ty {
                ComponentEntityType::Type { referenced, created } => {
                    let new = !self.known.contains_key(&Identity::of(*created));
                    let mut text = self.type_item(name, *referenced, *created, interface, indent);
                    if let (ComponentAnyTypeId::Resource(_), true) = (created, new) {
                        text = self.resource(name, &exports, indent);
                    }
                    items.push(text);
                }
                ComponentEntityType::Func(id) if !name.starts_with('[') => {
                    items.push(format!("{indent}{}: {};", word(name), self.func(*id, 0)));
                }
                _ => {}
            }
        }
        items.iter().map(|item| format!("{item}\n")).collect::<Vec<_>>().join("\n")
    }

    fn resource(&self, name: &str, exports: &[(String, ComponentEntityType)], indent: &str) -> String {
        let mut members = String::new();
        for (full, ty) in exports {
            let ComponentEntityType::Func(id) = ty else { continue };
            let Some((kind, rest)) = full.strip_prefix('[').and_then(|rest| rest.split_once(']')) else { continue };
            let (of, method) = rest.split_once('.').unwrap_or((rest, ""));
            if of != name {
                continue;
            }
            let _ = match kind {
                "constructor" => {
                    let func = self.func(*id, 0);
                    // The result goes without saying.
                    let params = func.split(" -> ").next().unwrap_or_default().trim_start_matches("func");
                    writeln!(members, "{indent}  constructor{params};")
                }
                "static" => writeln!(members, "{indent}  {}: static {};", word(method), self.func(*id, 0)),
                _ => writeln!(members, "{indent}  {}: {};", word(method), self.func(*id, 1)),
            };
        }
        match members.as_str() {
            "" => format!("{indent}resource {};", word(name)),
            _ => format!("{indent}resource {} {{\n{members}{indent}}}", word(name)),
        }
    }

    /// The definition of a type, which has a name from now on.
    fn type_item(
        &mut self,
        name: &str,
        referenced: ComponentAnyTypeId,
        created: ComponentAnyTypeId,
        interface: Option<&str>,
        indent: &str,
    ) -> String {
        let text = match self.known.get(&Identity::of(referenced)) {
            Some((Some(home), original)) if Some(home.as_str()) != interface => {
                let renamed = if original == name { String::new() } else { format!(" as {}", word(name)) };
                format!("{indent}use {}.{{{}{renamed}}};", seen_from(home, interface), word(original))
            }
            Some((_, original)) => format!("{indent}type {} = {};", word(name), word(original)),
            None => match referenced {
                ComponentAnyTypeId::Defined(id) => self.definition(name, &self.types[id], indent),
                ComponentAnyTypeId::Resource(_) => format!("{indent}resource {};", word(name)),
                _ => format!("{indent}// a type called {name}"),
            },
        };
        self.known.insert(Identity::of(created), (interface.map(str::to_owned), name.to_owned()));
        text
    }

    fn definition(&self, name: &str, ty: &ComponentDefinedType, indent: &str) -> String {
        let name = word(name);
        let block = |kind: &str, members: Vec<String>| {
            let members: String = members.iter().map(|member| format!("{indent}  {member},\n")).collect();
            format!("{indent}{kind} {name} {{\n{members}{indent}}}")
        };
        match ty {
            ComponentDefinedType::Record(record) => {
                let field = |(name, ty): (&wasmparser::names::KebabString, &ComponentValType)| {
                    format!("{}: {}", word(name.as_str()), self.value(*ty))
                };
                block("record", record.fields.iter().map(field).collect())
            }
            ComponentDefinedType::Variant(variant) => {
                let cases = variant.cases.iter().map(|(name, case)| match case.ty {
                    Some(ty) => format!("{}({})", word(name.as_str()), self.value(ty)),
                    None => word(name.as_str()),
                });
                block("variant", cases.collect())
            }
            ComponentDefinedType::Enum(names) => block("enum", names.iter().map(|name| word(name.as_str())).collect()),
            ComponentDefinedType::Flags(names) => {
                block("flags", names.iter().map(|name| word(name.as_str())).collect())
            }
            other => format!("{indent}type {name} = {};", self.defined(other)),
        }
    }

    /// A function, without its first `skip` parameters.
    fn func(&self, id: ComponentFuncTypeId, skip: usize) -> String {
        let func = &self.types[id];
        let params = func.params.iter().skip(skip);
        let params: Vec<_> = params.map(|(name, ty)| format!("{}: {}", word(name.as_str()), self.value(*ty))).collect();
        let start = if func.async_ { "async func" } else { "func" };
        let result = func.result.map(|ty| format!(" -> {}", self.value(ty))).unwrap_or_default();
        format!("{start}({}){result}", params.join(", "))
    }

    fn value(&self, ty: ComponentValType) -> String {
        match ty {
            ComponentValType::Primitive(ty) => ty.to_string(),
            ComponentValType::Type(id) => match self.known.get(&Identity::Other(ComponentAnyTypeId::Defined(id))) {
                Some((_, name)) => word(name),
                None => self.defined(&self.types[id]),
            },
        }
    }

    /// A type that has no name of its own.
    fn defined(&self, ty: &ComponentDefinedType) -> String {
        let optional = |ty: &Option<ComponentValType>| ty.map(|ty| self.value(ty));
        let wrapped = |kind: &str, ty: &Option<ComponentValType>| match optional(ty) {
            Some(ty) => format!("{kind}<{ty}>"),
            None => kind.to_owned(),
        };
        match ty {
            ComponentDefinedType::Primitive(ty) => ty.to_string(),
            ComponentDefinedType::List { element, .. } => format!("list<{}>", self.value(*element)),
            ComponentDefinedType::FixedLengthList { element, length, .. } => {
                format!("list<{}, {length}>", self.value(*element))
            }
            ComponentDefinedType::Map { key, value, .. } => {
                format!("map<{}, {}>", self.value(*key), self.value(*value))
            }
            ComponentDefinedType::Tuple(tuple) => {
                let items: Vec<_> = tuple.types.iter().map(|ty| self.value(*ty)).collect();
                format!("tuple<{}>", items.join(", "))
            }
            ComponentDefinedType::Option { ty, .. } => format!("option<{}>", self.value(*ty)),
            ComponentDefinedType::Result { ok, err, .. } => match (optional(ok), optional(err)) {
                (None, None) => "result".to_owned(),
                (Some(ok), None) => format!("result<{ok}>"),
                (ok, Some(err)) => format!("result<{}, {err}>", ok.unwrap_or_else(|| "_".to_owned())),
            },
            ComponentDefinedType::Own(id) => self.resource_name(id.resource()),
            ComponentDefinedType::Borrow(id) => format!("borrow<{}>", self.resource_name(id.resource())),
            ComponentDefinedType::Future { ty, .. } => wrapped("future", ty),
            ComponentDefinedType::Stream { ty, .. } => wrapped("stream", ty),
            // WIT gives these a name, which components need not do.
            ComponentDefinedType::Record(_)
            | ComponentDefinedType::Variant(_)
            | ComponentDefinedType::Flags(_)
            | ComponentDefinedType::Enum(_) => {
                let text = self.definition("", ty, "");
                text.split_whitespace().collect::<Vec<_>>().join(" ")
            }
        }
    }

    fn resource_name(&self, id: ResourceId) -> String {
        self.known.get(&Identity::Resource(id)).map_or_else(|| "resource".to_owned(), |(_, name)| word(name))
    }
}

/// How an interface is called within another one: by its last name in the same package.
fn seen_from(interface: &str, place: Option<&str>) -> String {
    let parts = |name: &str| {
        let (path, version) = name.split_once('@').unwrap_or((name, ""));
        let (package, last) = path.rsplit_once('/').unwrap_or(("", path));
        (package.to_owned(), version.to_owned(), last.to_owned())
    };
    let (package, version, last) = parts(interface);
    match place.map(parts) {
        Some((other, other_version, _)) if (&other, &other_version) == (&package, &version) => word(&last),
        _ => interface.to_owned(),
    }
}

/// A name, marked if it is a word of the language.
fn word(name: &str) -> String {
    const KEYWORDS: &[&str] = &[
        "as",
        "async",
        "bool",
        "borrow",
        "char",
        "constructor",
        "enum",
        "error-context",
        "export",
        "f32",
        "f64",
        "flags",
        "from",
        "func",
        "future",
        "import",
        "include",
        "interface",
        "list",
        "map",
        "option",
        "own",
        "package",
        "record",
        "resource",
        "result",
        "s16",
        "s32",
        "s64",
        "s8",
        "static",
        "stream",
        "string",
        "tuple",
        "type",
        "u16",
        "u32",
        "u64",
        "u8",
        "use",
        "variant",
        "with",
        "world",
    ];
    if KEYWORDS.contains(&name) { format!("%{name}") } else { name.to_owned() }
}
