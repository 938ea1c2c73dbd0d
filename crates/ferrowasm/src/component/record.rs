//! The values of records and variants.

use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyString, PyTuple};

use crate::managed::two_phase;
use crate::vectorcall;

/// The class `Record` of `ferrowasm.component`, which is written in Python, and how an empty one is made.
struct RecordClass {
    class: Py<PyAny>,
    new: Py<PyAny>,
}

static RECORD: PyOnceLock<RecordClass> = PyOnceLock::new();

fn record_class(py: Python<'_>) -> PyResult<&RecordClass> {
    RECORD.get_or_try_init(py, || {
        let class = py.import("ferrowasm.component._values")?.getattr("Record")?;
        Ok(RecordClass { new: class.getattr("__new__")?.unbind(), class: class.unbind() })
    })
}

/// A record without fields; they are attributes, to be set.
pub(crate) fn new_record(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    let RecordClass { class, new } = record_class(py)?;
    vectorcall::call_python(new.bind(py), [class.bind(py).clone()])
}

/// Whether a value is a `Record`, and of no subclass.
pub(crate) fn is_record(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(value.get_type().is(record_class(value.py())?.class.bind(value.py())))
}

/// The value of a variant whose cases the class of the payload does not tell apart: the name of the case, and its
/// payload (`None` without one).
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
    /// What `__init__` fills in.
    fn empty() -> Variant {
        Variant { tag: Python::attach(|py| py.None()), payload: None }
    }

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
    #[pyo3(signature = (tag, payload=None))]
    fn __init__(&mut self, tag: Py<PyAny>, payload: Option<Py<PyAny>>) {
        self.tag = tag;
        self.payload = payload;
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

    #[expect(clippy::type_complexity, reason = "the shape that pickle asks for")]
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

two_phase!(Variant, "(tag, payload=None)");

/// Defines a subclass of `Variant` whose tag is fixed.
macro_rules! tagged {
    ($(#[$doc:meta])* $class:ident, $name:literal, $tag:literal) => {
        $(#[$doc])*
        #[pyclass(extends = Variant, subclass, name = $name, module = "ferrowasm.component")]
        pub(crate) struct $class {}

        impl $class {
            pub(crate) fn of(py: Python<'_>, payload: Option<Py<PyAny>>) -> PyClassInitializer<$class> {
                let variant = Variant::new(PyString::intern(py, $tag).unbind(), payload);
                PyClassInitializer::from(variant).add_subclass($class {})
            }
        }

        #[pymethods]
        impl $class {
            /// Takes anything, so that subclasses may have an `__init__` with other parameters.
            #[new]
            #[pyo3(signature = (*_args, **_kwargs), text_signature = "(payload=None)")]
            fn __new__(
                py: Python<'_>,
                _args: &Bound<'_, PyTuple>,
                _kwargs: Option<&Bound<'_, PyDict>>,
            ) -> PyClassInitializer<$class> {
                $class::of(py, None)
            }

            #[pyo3(signature = (payload=None))]
            fn __init__(slf: &Bound<'_, Self>, payload: Option<Py<PyAny>>) {
                slf.as_super().borrow_mut().payload = payload;
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
    };
}

tagged! {
    /// A good result of a `result`, with its payload (`None` without one): the same as `Variant("ok", payload)`.
    GoodResult, "Ok", "ok"
}

tagged! {
    /// An error of a `result`, with its payload (`None` without one): the same as `Variant("err", payload)`.
    BadResult, "Err", "err"
}
