//! The types of components and their functions and values, for inspection. Value types are Python classes of
//! `ferrowasm.component._types`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyFrozenSet, PyList, PyTuple};
use wasmtime::component::Component;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};

use super::resource::ResourceType;
use crate::engine::Engine;
use crate::errors::Misuse;
use crate::managed::{Managed, managed};

/// Makes a value type: an instance of a class of `ferrowasm.component._types`.
fn make<'py>(py: Python<'py>, class: &str, args: impl pyo3::call::PyCallArgs<'py>) -> PyResult<Bound<'py, PyAny>> {
    py.import("ferrowasm.component._types")?.getattr(class)?.call1(args)
}

/// The Python object for a value type.
fn to_python<'py>(py: Python<'py>, ty: &Type) -> PyResult<Bound<'py, PyAny>> {
    let optional = |ty: Option<Type>| ty.map(|ty| to_python(py, &ty)).transpose();
    let simple = |class| make(py, class, ());
    match ty {
        Type::Bool => simple("Bool"),
        Type::S8 => simple("S8"),
        Type::U8 => simple("U8"),
        Type::S16 => simple("S16"),
        Type::U16 => simple("U16"),
        Type::S32 => simple("S32"),
        Type::U32 => simple("U32"),
        Type::S64 => simple("S64"),
        Type::U64 => simple("U64"),
        Type::Float32 => simple("F32"),
        Type::Float64 => simple("F64"),
        Type::Char => simple("Char"),
        Type::String => simple("String"),
        Type::ErrorContext => simple("ErrorContext"),
        Type::List(list) => make(py, "ListType", (to_python(py, &list.ty())?,)),
        Type::FixedLengthList(list) => make(py, "FixedLengthListType", (to_python(py, &list.ty())?, list.len())),
        Type::Map(map) => make(py, "MapType", (to_python(py, &map.key())?, to_python(py, &map.value())?)),
        Type::Record(record) => {
            let fields = record.fields().map(|field| Ok((field.name, to_python(py, &field.ty)?)));
            make(py, "RecordType", (fields.collect::<PyResult<Vec<_>>>()?,))
        }
        Type::Tuple(tuple) => {
            let elements = tuple.types().map(|ty| to_python(py, &ty)).collect::<PyResult<Vec<_>>>()?;
            make(py, "TupleType", (elements,))
        }
        Type::Variant(variant) => {
            let cases = variant.cases().map(|case| Ok((case.name, optional(case.ty)?)));
            make(py, "VariantType", (cases.collect::<PyResult<Vec<_>>>()?,))
        }
        Type::Enum(names) => make(py, "EnumType", (names.names().collect::<Vec<_>>(),)),
        Type::Flags(names) => make(py, "FlagsType", (names.names().collect::<Vec<_>>(),)),
        Type::Option(option) => make(py, "OptionType", (to_python(py, &option.ty())?,)),
        Type::Result(result) => make(py, "ResultType", (optional(result.ok())?, optional(result.err())?)),
        Type::Future(future) => make(py, "FutureType", (optional(future.ty())?,)),
        Type::Stream(stream) => make(py, "StreamType", (optional(stream.ty())?,)),
        Type::Own(ty) => make(py, "OwnType", (ResourceType::wrap(*ty),)),
        Type::Borrow(ty) => make(py, "BorrowType", (ResourceType::wrap(*ty),)),
    }
}

/// The Python object for a function type.
pub(super) fn func_to_python<'py>(py: Python<'py>, ty: &ComponentFunc) -> PyResult<Bound<'py, PyAny>> {
    let params = ty.params().map(|(name, ty)| Ok((name, to_python(py, &ty)?))).collect::<PyResult<Vec<_>>>()?;
    let result = ty.results().next().map(|ty| to_python(py, &ty)).transpose()?;
    make(py, "FuncType", (params, result))
}

fn item_to_python<'py>(py: Python<'py>, component: &Component, item: ComponentItem) -> PyResult<Bound<'py, PyAny>> {
    Ok(match item {
        ComponentItem::ComponentFunc(ty) => func_to_python(py, &ty)?,
        ComponentItem::CoreFunc(ty) => Bound::new(py, crate::types::FuncType::wrap(&ty))?.into_any(),
        ComponentItem::Module(ty) => Bound::new(py, ModuleType::new(ty, component))?.into_any(),
        ComponentItem::Component(ty) => Bound::new(py, ComponentType::new(ty, component))?.into_any(),
        ComponentItem::ComponentInstance(ty) => Bound::new(py, ComponentInstanceType::new(ty, component))?.into_any(),
        ComponentItem::Type(ty) => to_python(py, &ty)?,
        ComponentItem::Resource(ty) => Bound::new(py, ResourceType::wrap(ty))?.into_any(),
    })
}

/// Items by name, in the order of the component.
fn items<'py, 'a>(
    py: Python<'py>,
    component: &Component,
    items: impl Iterator<Item = (&'a str, wasmtime::component::types::ComponentExtern<'a>)>,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, item) in items {
        dict.set_item(name, item_to_python(py, component, item.ty)?)?;
    }
    Ok(dict)
}

/// A type and the component it belongs to, which keeps the core types that it mentions registered with the engine.
struct Owned<T> {
    ty: T,
    component: Component,
}

impl<T> Owned<T> {
    /// The type, if `engine` is the one it belongs to.
    fn get_for(&self, engine: &Bound<'_, Engine>, kind: &'static str) -> PyResult<&Owned<T>> {
        if wasmtime::Engine::same(engine.get().get()?, self.component.engine()) {
            Ok(self)
        } else {
            Err(Misuse::WrongEngine(kind).into())
        }
    }
}

/// What a type consists of, as Python values that compare by structure.
trait Inspected {
    /// A tuple of all imports and exports.
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>>;

    /// The imports and exports as in WIT, or in the text format if they are those of core WebAssembly.
    fn lines(&self, py: Python<'_>) -> PyResult<Vec<String>>;

    /// The whole in the same form.
    fn text(&self, py: Python<'_>) -> PyResult<String>;
}

/// Named items as WIT has them in a block, each after `keyword`.
fn declarations(keyword: &str, items: &Bound<'_, PyDict>) -> PyResult<Vec<String>> {
    items.iter().map(|(name, item)| Ok(format!("{keyword}{name}: {}", item.repr()?))).collect()
}

/// Defines a class for a type that is looked at through an engine.
macro_rules! inspected {
    ($(#[$doc:meta])* $class:ident, $ty:ty) => {
        $(#[$doc])*
        #[pyclass(frozen, module = "ferrowasm.component")]
        pub(crate) struct $class {
            ty: Managed<Owned<$ty>>,
        }

        impl $class {
            pub(super) fn new(ty: $ty, component: &Component) -> $class {
                $class { ty: Managed::new(stringify!($class), Owned { ty, component: component.clone() }) }
            }

            fn get_for(&self, engine: &Bound<'_, Engine>) -> PyResult<&Owned<$ty>> {
                self.ty.get()?.get_for(engine, stringify!($class))
            }

            fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
                self.ty.close();
                Ok(())
            }
        }

        managed!($class);

        #[pymethods]
        impl $class {
            /// The type itself: every item that a component imports or exports has this.
            #[getter]
            fn ty(slf: Bound<'_, Self>) -> Bound<'_, Self> {
                slf
            }

            fn __eq__(&self, other: &Bound<'_, Self>) -> PyResult<bool> {
                let py = other.py();
                self.parts(py)?.eq(other.get().parts(py)?)
            }

            fn __hash__(&self, py: Python<'_>) -> PyResult<isize> {
                // Equality does not ask for the order either.
                PyFrozenSet::new(py, self.lines(py)?)?.hash()
            }

            fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
                match self.ty.get() {
                    Ok(_) => self.text(py),
                    Err(_) => Ok(concat!("<", stringify!($class), " (closed)>").to_owned()),
                }
            }
        }
    };
}

inspected! {
    /// What a component imports and exports.
    ComponentType, wasmtime::component::types::Component
}

inspected! {
    /// What an instance in a component exports.
    ComponentInstanceType, wasmtime::component::types::ComponentInstance
}

inspected! {
    /// What a core module in a component imports and exports.
    ModuleType, wasmtime::component::types::Module
}

impl Owned<wasmtime::component::types::Component> {
    fn imports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        items(py, &self.component, self.ty.imports(self.component.engine()))
    }

    fn exports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        items(py, &self.component, self.ty.exports(self.component.engine()))
    }
}

impl Inspected for ComponentType {
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let ty = self.ty.get()?;
        PyTuple::new(py, [ty.imports(py)?, ty.exports(py)?])
    }

    fn lines(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let ty = self.ty.get()?;
        let mut lines = declarations("import ", &ty.imports(py)?)?;
        lines.extend(declarations("export ", &ty.exports(py)?)?);
        Ok(lines)
    }

    fn text(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("component {{{}}}", self.lines(py)?.join("; ")))
    }
}

#[pymethods]
impl ComponentType {
    /// The imports by name. `engine` is the one of the component.
    fn imports<'py>(&self, py: Python<'py>, engine: &Bound<'py, Engine>) -> PyResult<Bound<'py, PyDict>> {
        self.get_for(engine)?.imports(py)
    }

    /// The exports by name. `engine` is the one of the component.
    fn exports<'py>(&self, py: Python<'py>, engine: &Bound<'py, Engine>) -> PyResult<Bound<'py, PyDict>> {
        self.get_for(engine)?.exports(py)
    }
}

impl Owned<wasmtime::component::types::ComponentInstance> {
    fn exports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        items(py, &self.component, self.ty.exports(self.component.engine()))
    }
}

impl Inspected for ComponentInstanceType {
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        PyTuple::new(py, [self.ty.get()?.exports(py)?])
    }

    fn lines(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        declarations("", &self.ty.get()?.exports(py)?)
    }

    fn text(&self, py: Python<'_>) -> PyResult<String> {
        Ok(format!("interface {{{}}}", self.lines(py)?.join("; ")))
    }
}

#[pymethods]
impl ComponentInstanceType {
    /// The exports by name. `engine` is the one of the component.
    fn exports<'py>(&self, py: Python<'py>, engine: &Bound<'py, Engine>) -> PyResult<Bound<'py, PyDict>> {
        self.get_for(engine)?.exports(py)
    }
}

impl Owned<wasmtime::component::types::Module> {
    fn imports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let imports = self.ty.imports(self.component.engine());
        PyList::new(py, imports.map(|((module, name), ty)| crate::types::ImportType::of(module, name, &ty)))
    }

    fn exports<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let exports = self.ty.exports(self.component.engine());
        PyList::new(py, exports.map(|(name, ty)| crate::types::ExportType::of(name, &ty)))
    }
}

impl Inspected for ModuleType {
    fn parts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        let ty = self.ty.get()?;
        PyTuple::new(py, [ty.imports(py)?, ty.exports(py)?])
    }

    fn lines(&self, py: Python<'_>) -> PyResult<Vec<String>> {
        let ty = self.ty.get()?;
        let items = ty.imports(py)?.iter().chain(ty.exports(py)?.iter()).collect::<Vec<_>>();
        items.iter().map(|item| Ok(item.repr()?.to_string())).collect()
    }

    fn text(&self, py: Python<'_>) -> PyResult<String> {
        let items = self.lines(py)?.into_iter().map(|line| format!(" {line}"));
        Ok(format!("(core module{})", items.collect::<String>()))
    }
}

#[pymethods]
impl ModuleType {
    /// The imports, as a list of `ImportType`. `engine` is the one of the component.
    fn imports<'py>(&self, py: Python<'py>, engine: &Bound<'py, Engine>) -> PyResult<Bound<'py, PyList>> {
        self.get_for(engine)?.imports(py)
    }

    /// The exports, as a list of `ExportType`. `engine` is the one of the component.
    fn exports<'py>(&self, py: Python<'py>, engine: &Bound<'py, Engine>) -> PyResult<Bound<'py, PyList>> {
        self.get_for(engine)?.exports(py)
    }
}
