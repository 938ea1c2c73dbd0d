//! The values of records and variants.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};

/// The value of a record: its fields are attributes.
///
/// `Record(**fields)` makes one. Fields can be read by their names in WIT (`getattr(r, "my-field")`, `r["my-field"]`) and as Python identifiers
/// (`r.my_field`). Records are equal when they have the same fields with equal values.
#[pyclass(subclass, dict, weakref, module = "ferrowasm.component")]
pub(crate) struct Record {}

impl Record {
    pub(crate) fn new() -> Record {
        Record {}
    }
}

fn fields<'py>(record: &Bound<'py, Record>) -> PyResult<Bound<'py, PyDict>> {
    Ok(record.getattr("__dict__")?.cast_into()?)
}

#[pymethods]
impl Record {
    #[new]
    #[pyo3(signature = (*_args, **_fields), text_signature = "(**fields)")]
    fn py_new(_args: &Bound<'_, PyTuple>, _fields: Option<&Bound<'_, PyDict>>) -> Record {
        Record {}
    }

    #[pyo3(signature = (**fields))]
    fn __init__(slf: &Bound<'_, Self>, fields: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        for (name, value) in fields.into_iter().flatten() {
            slf.setattr(name.cast::<PyString>()?, value)?;
        }
        Ok(())
    }

    /// Finds a field by the Python form of its name; called for attributes that do not exist.
    fn __getattr__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let kebab = name.to_str()?.replace('_', "-");
        fields(slf)?
            .get_item(&kebab)?
            .ok_or_else(|| pyo3::exceptions::PyAttributeError::new_err(format!("the record has no field '{name}'")))
    }

    fn __getitem__<'py>(slf: &Bound<'py, Self>, name: &Bound<'py, PyString>) -> PyResult<Bound<'py, PyAny>> {
        let kebab = name.to_str()?.replace('_', "-");
        let fields = fields(slf)?;
        let found = match fields.get_item(name)? {
            Some(value) => Some(value),
            None => fields.get_item(&kebab)?,
        };
        found.ok_or_else(|| pyo3::exceptions::PyKeyError::new_err(name.to_string()))
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        match other.cast::<Record>() {
            Ok(other) => fields(slf)?.rich_compare(fields(other)?, pyo3::pyclass::CompareOp::Eq),
            Err(_) => Ok(slf.py().NotImplemented().into_bound(slf.py())),
        }
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let fields = fields(slf)?;
        let fields =
            fields.iter().map(|(name, value)| Ok(format!("{name}={}", value.repr()?))).collect::<PyResult<Vec<_>>>()?;
        Ok(format!("Record({})", fields.join(", ")))
    }
}

/// The value of a variant whose cases the class of the payload does not tell apart: the name of the case, and its payload (`None` without one).
///
/// Accepted for every variant, option and result.
#[pyclass(subclass, weakref, module = "ferrowasm.component")]
pub(crate) struct Variant {
    /// The name of the case.
    #[pyo3(get, set)]
    tag: Py<PyAny>,
    /// What the case carries; `None` if it carries nothing.
    #[pyo3(get, set)]
    payload: Option<Py<PyAny>>,
}

impl Variant {
    pub(crate) fn new(tag: Py<PyString>, payload: Option<Py<PyAny>>) -> Variant {
        Variant { tag: tag.into_any(), payload }
    }

    /// Tag and payload, `None` if there is none.
    pub(crate) fn parts<'py>(&self, py: Python<'py>) -> (Bound<'py, PyAny>, Bound<'py, PyAny>) {
        let payload = self.payload.as_ref().map_or_else(|| py.None(), |payload| payload.clone_ref(py));
        (self.tag.bind(py).clone(), payload.into_bound(py))
    }
}

#[pymethods]
impl Variant {
    #[new]
    #[pyo3(signature = (tag, payload=None))]
    fn py_new(tag: Py<PyAny>, payload: Option<Py<PyAny>>) -> Variant {
        Variant { tag, payload }
    }

    #[classattr]
    fn __match_args__() -> (&'static str, &'static str) {
        ("tag", "payload")
    }

    fn __eq__<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Py<PyAny>> {
        let py = slf.py();
        let Ok(other) = other.cast::<Variant>() else { return Ok(py.NotImplemented()) };
        let ((tag, payload), (other_tag, other_payload)) = (slf.borrow().parts(py), other.borrow().parts(py));
        let equal = tag.eq(other_tag)? && payload.eq(other_payload)?;
        Ok(equal.into_pyobject(py)?.to_owned().into_any().unbind())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (tag, payload) = slf.borrow().parts(slf.py());
        let name = slf.get_type().name()?;
        Ok(format!("{name}(tag={}, payload={})", tag.repr()?, payload.repr()?))
    }

    fn __reduce__<'py>(
        slf: &Bound<'py, Self>,
    ) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>, Bound<'py, PyAny>))> {
        Ok((slf.get_type().into_any(), slf.borrow().parts(slf.py())))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.tag)?;
        visit.call(&self.payload)
    }

    fn __clear__(&mut self) {
        self.payload = None;
    }
}

/// A good result of a `result`, with its payload (`None` without one): the same as `Variant("ok", payload)`.
#[pyclass(extends = Variant, subclass, name = "Ok", module = "ferrowasm.component")]
pub(crate) struct GoodResult {}

impl GoodResult {
    pub(crate) fn of(py: Python<'_>, payload: Option<Py<PyAny>>) -> PyClassInitializer<GoodResult> {
        PyClassInitializer::from(Variant::new(PyString::intern(py, "ok").unbind(), payload)).add_subclass(GoodResult {})
    }
}

#[pymethods]
impl GoodResult {
    #[new]
    #[pyo3(signature = (payload=None))]
    fn py_new(py: Python<'_>, payload: Option<Py<PyAny>>) -> PyClassInitializer<GoodResult> {
        GoodResult::of(py, payload)
    }

    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("payload",)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (_, payload) = slf.as_super().borrow().parts(slf.py());
        Ok(format!("{}({})", slf.get_type().name()?, payload.repr()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        let (_, payload) = slf.as_super().borrow().parts(slf.py());
        Ok((slf.get_type().into_any(), (payload,)))
    }
}

/// An error of a `result`, with its payload (`None` without one): the same as `Variant("err", payload)`.
#[pyclass(extends = Variant, subclass, name = "Err", module = "ferrowasm.component")]
pub(crate) struct BadResult {}

impl BadResult {
    pub(crate) fn of(py: Python<'_>, payload: Option<Py<PyAny>>) -> PyClassInitializer<BadResult> {
        PyClassInitializer::from(Variant::new(PyString::intern(py, "err").unbind(), payload)).add_subclass(BadResult {})
    }
}

#[pymethods]
impl BadResult {
    #[new]
    #[pyo3(signature = (payload=None))]
    fn py_new(py: Python<'_>, payload: Option<Py<PyAny>>) -> PyClassInitializer<BadResult> {
        BadResult::of(py, payload)
    }

    #[classattr]
    fn __match_args__() -> (&'static str,) {
        ("payload",)
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let (_, payload) = slf.as_super().borrow().parts(slf.py());
        Ok(format!("{}({})", slf.get_type().name()?, payload.repr()?))
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyAny>,))> {
        let (_, payload) = slf.as_super().borrow().parts(slf.py());
        Ok((slf.get_type().into_any(), (payload,)))
    }
}
