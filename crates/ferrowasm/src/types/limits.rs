//! `Limits`: the least and greatest size of a memory or table. The Python class is a dataclass; here it is checked.

use std::fmt;

use pyo3::prelude::*;

use crate::errors::expected;
use crate::numbers;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Limits {
    pub(crate) min: u64,
    pub(crate) max: Option<u64>,
}

impl Limits {
    /// The numbers of a Python `Limits`, which may have been assigned anything: ints from 0 to `largest`, and `None`
    /// for no maximum.
    pub(super) fn extract(value: &Bound<'_, PyAny>, largest: u64) -> PyResult<Limits> {
        let py = value.py();
        if !value.is_instance(&class(py)?)? {
            return Err(expected("Limits", value));
        }
        let min = numbers::unsigned(&value.getattr("min")?, "Limits.min", largest)?;
        let max = value.getattr("max")?;
        let max = if max.is_none() { None } else { Some(numbers::unsigned(&max, "Limits.max", largest)?) };
        Ok(Limits { min, max })
    }

    pub(super) fn to_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        class(py)?.call1((self.min, self.max))
    }
}

fn class(py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
    py.import("ferrowasm._types")?.getattr("Limits")
}

impl fmt::Display for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.min)?;
        match self.max {
            Some(max) => write!(f, " {max}"),
            None => Ok(()),
        }
    }
}
