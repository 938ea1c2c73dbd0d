//! `FuncType`: the parameters and results of a function.

use std::fmt;
use std::hash::{Hash, Hasher};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use wasmtime::{Engine, Finality};

use super::class::type_class;
use super::val_type::{ValType, ValueType};
use crate::errors::{Misuse, OrRaise};
use crate::managed::Managed;

/// How many parameters, and how many results, the engine accepts in a module; a longer type could be used nowhere.
const MAX_VALUES: usize = 1000;

/// Parameters and results, and the engine's own type if it came from an engine.
///
/// Equality looks at the parameters and results alone, so that a type made in Python equals the same type in a module.
#[derive(Clone)]
pub(super) struct Signature {
    params: Vec<ValueType>,
    results: Vec<ValueType>,
    /// Carries what the parameters and results do not tell: the supertype, the finality, the recursion group.
    registered: Option<wasmtime::FuncType>,
}

impl Signature {
    pub(super) fn of(ty: &wasmtime::FuncType) -> Signature {
        Signature {
            params: ty.params().map(ValueType).collect(),
            results: ty.results().map(ValueType).collect(),
            registered: Some(ty.clone()),
        }
    }

    pub(super) fn to_engine(&self, engine: &Engine, kind: &'static str) -> PyResult<wasmtime::FuncType> {
        let mut finality = Finality::Final;
        if let Some(ty) = &self.registered {
            if Engine::same(ty.engine(), engine) {
                return Ok(ty.clone());
            }
            if ty.supertype().is_some() {
                return Err(Misuse::WrongEngine(kind).into());
            }
            finality = ty.finality();
        }
        for ty in self.params.iter().chain(&self.results) {
            ty.check_engine(engine, kind)?;
        }
        let params = self.params.iter().map(|ty| ty.0.clone());
        let results = self.results.iter().map(|ty| ty.0.clone());
        let ty = wasmtime::FuncType::with_finality_and_supertype(engine, finality, None, params, results);
        Python::attach(|py| ty.or_raise(py))
    }

    /// `(param i32) (result i32)`, each with a space before it.
    pub(super) fn write(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_values(f, "param", &self.params)?;
        write_values(f, "result", &self.results)
    }
}

fn write_values(f: &mut fmt::Formatter<'_>, keyword: &str, types: &[ValueType]) -> fmt::Result {
    if types.is_empty() {
        return Ok(());
    }
    write!(f, " ({keyword}")?;
    for ty in types {
        write!(f, " {ty}")?;
    }
    f.write_str(")")
}

impl PartialEq for Signature {
    fn eq(&self, other: &Signature) -> bool {
        self.params == other.params && self.results == other.results
    }
}

impl Eq for Signature {}

impl Hash for Signature {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.params.hash(state);
        self.results.hash(state);
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(func")?;
        self.write(f)?;
        f.write_str(")")
    }
}

/// The type of a function: the types of its parameters and results, at most 1000 of each.
///
/// Raises `TypeError` unless both are iterables of `ValType`, and `ValueError` if one is too long.
#[pyclass(frozen, module = "ferrowasm")]
pub(crate) struct FuncType {
    value: Managed<Signature>,
}

type_class!(FuncType, Signature);

impl FuncType {
    pub(crate) fn wrap(ty: &wasmtime::FuncType) -> FuncType {
        FuncType::from_value(Signature::of(ty))
    }

    /// The type in `engine`; `WrongEngineError` if it mentions a type that a module of another engine defines.
    pub(crate) fn to_engine(&self, engine: &Engine) -> PyResult<wasmtime::FuncType> {
        self.value.get()?.to_engine(engine, "FuncType")
    }

    pub(super) fn signature(&self) -> Result<&Signature, Misuse> {
        self.value.get()
    }
}

fn value_types(types: &Bound<'_, PyAny>, what: &str) -> PyResult<Vec<ValueType>> {
    let mut values = Vec::new();
    for ty in types.try_iter()? {
        if values.len() == MAX_VALUES {
            return Err(PyValueError::new_err(format!("too many {what}: a function has at most {MAX_VALUES}")));
        }
        values.push(ValType::extract(&ty?)?);
    }
    Ok(values)
}

fn to_list(types: &[ValueType]) -> Vec<ValType> {
    types.iter().map(|ty| ValType::from_value(ty.clone())).collect()
}

#[pymethods]
impl FuncType {
    #[new]
    fn new(params: &Bound<'_, PyAny>, results: &Bound<'_, PyAny>) -> PyResult<FuncType> {
        let (params, results) = (value_types(params, "params")?, value_types(results, "results")?);
        Ok(FuncType::from_value(Signature { params, results, registered: None }))
    }

    /// The types of the parameters, as a new list.
    #[getter]
    fn params(&self) -> PyResult<Vec<ValType>> {
        Ok(to_list(&self.value.get()?.params))
    }

    /// The types of the results, as a new list.
    #[getter]
    fn results(&self) -> PyResult<Vec<ValType>> {
        Ok(to_list(&self.value.get()?.results))
    }

    #[expect(clippy::type_complexity, reason = "the shape that pickle asks for")]
    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (Vec<ValType>, Vec<ValType>))> {
        Ok((py.get_type::<FuncType>().into_any(), (self.params()?, self.results()?)))
    }
}
