//! A switch of `Config`: its name, what it accepts, its default, and what it does to the engine's configuration.
//!
//! Everything that Python sees of a switch follows from its row in `switches`: the property with getter, setter and
//! deleter, its docstring, the keyword of `Config(…)`, and the effect on an engine.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use pyo3::IntoPyObjectExt;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyDict, PyString};

use super::draft::Draft;
use super::operator_cost;
use crate::errors::{expected, wasmtime_error};
use crate::numbers;

pub(super) struct Switch {
    pub(super) name: &'static str,
    /// What the switch does, for users.
    doc: &'static str,
    kind: Kind,
}

/// Accepted names, each with its effect.
type Options = &'static [(&'static str, fn(&mut Draft))];

/// What a switch accepts, and how an accepted value is applied.
enum Kind {
    Flag {
        default: bool,
        apply: fn(&mut Draft, bool),
    },
    /// A number; if `default` is `None`, other switches decide about the default, and `None` may be assigned for it.
    Number {
        default: Option<u64>,
        range: RangeInclusive<u64>,
        apply: fn(&mut Draft, u64),
    },
    /// A number, or `None` to turn the thing off.
    Limit {
        default: u64,
        range: RangeInclusive<u64>,
        apply: fn(&mut Draft, Option<u64>),
    },
    /// One of a few names, the first of which is the default.
    Choice {
        what: &'static str,
        options: Options,
    },
    /// A target triple, or `None` for the host.
    Target,
    /// `True` for the cache configuration of the user, or the path of one.
    Cache,
    /// A dict from the names of operators to their fuel cost.
    OperatorCost,
}

/// A value of a switch that was set.
#[derive(Clone)]
pub(super) enum Value {
    Nothing,
    Bool(bool),
    Number(u64),
    Text(Cow<'static, str>),
    Cache { file: Option<PathBuf>, cache: wasmtime::Cache },
    Costs(BTreeMap<String, u8>),
}

pub(super) const fn flag(name: &'static str, default: bool, apply: fn(&mut Draft, bool), doc: &'static str) -> Switch {
    Switch { name, doc, kind: Kind::Flag { default, apply } }
}

pub(super) const fn number(
    name: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    apply: fn(&mut Draft, u64),
    doc: &'static str,
) -> Switch {
    Switch { name, doc, kind: Kind::Number { default: Some(default), range, apply } }
}

/// A number whose default depends on other switches; `None` stands for it.
pub(super) const fn dependent_number(
    name: &'static str,
    range: RangeInclusive<u64>,
    apply: fn(&mut Draft, u64),
    doc: &'static str,
) -> Switch {
    Switch { name, doc, kind: Kind::Number { default: None, range, apply } }
}

pub(super) const fn limit(
    name: &'static str,
    default: u64,
    range: RangeInclusive<u64>,
    apply: fn(&mut Draft, Option<u64>),
    doc: &'static str,
) -> Switch {
    Switch { name, doc, kind: Kind::Limit { default, range, apply } }
}

/// `what` is what error messages call the switch.
pub(super) const fn choice(name: &'static str, what: &'static str, options: Options, doc: &'static str) -> Switch {
    Switch { name, doc, kind: Kind::Choice { what, options } }
}

pub(super) const fn target(name: &'static str, doc: &'static str) -> Switch {
    Switch { name, doc, kind: Kind::Target }
}

pub(super) const fn cache(name: &'static str, doc: &'static str) -> Switch {
    Switch { name, doc, kind: Kind::Cache }
}

pub(super) const fn operator_cost(name: &'static str, doc: &'static str) -> Switch {
    Switch { name, doc, kind: Kind::OperatorCost }
}

impl Switch {
    pub(super) fn default(&self) -> Value {
        match &self.kind {
            Kind::Flag { default, .. } => Value::Bool(*default),
            Kind::Number { default: Some(default), .. } | Kind::Limit { default, .. } => Value::Number(*default),
            Kind::Choice { options, .. } => Value::Text(Cow::Borrowed(options[0].0)),
            Kind::Cache => Value::Bool(false),
            Kind::OperatorCost => Value::Costs(BTreeMap::new()),
            Kind::Number { default: None, .. } | Kind::Target => Value::Nothing,
        }
    }

    /// Checks what was assigned in Python.
    pub(super) fn extract(&self, value: &Bound<'_, PyAny>) -> PyResult<Value> {
        let name = self.name;
        match &self.kind {
            Kind::Flag { .. } => match value.cast::<PyBool>() {
                Ok(on) => Ok(Value::Bool(on.is_true())),
                Err(_) => Err(expected(&format!("a bool for {name}"), value)),
            },
            Kind::Number { default: None, .. } | Kind::Limit { .. } | Kind::Target if value.is_none() => {
                Ok(Value::Nothing)
            }
            Kind::Number { range, .. } | Kind::Limit { range, .. } => in_range(value, name, range).map(Value::Number),
            Kind::Choice { what, options } => named(value, name, what, options).map(|name| Value::Text(name.into())),
            Kind::Target => {
                let triple = text(value, name)?;
                // Only the engine knows how to read it; the configuration is made for that alone.
                match wasmtime::Config::new().target(&triple) {
                    Ok(_) => Ok(Value::Text(triple.into())),
                    Err(error) => {
                        Err(wasmtime_error(value.py(), &format!("unknown target triple {triple:?}: {error}")))
                    }
                }
            }
            Kind::Cache => open_cache(value),
            Kind::OperatorCost => operator_cost::extract(value).map(Value::Costs),
        }
    }

    /// Puts a value that `extract` has accepted into effect.
    pub(super) fn apply(&self, draft: &mut Draft, value: &Value) -> wasmtime::Result<()> {
        match (&self.kind, value) {
            (Kind::Flag { apply, .. }, Value::Bool(on)) => apply(draft, *on),
            (Kind::Number { apply, .. }, Value::Number(number)) => apply(draft, *number),
            (Kind::Limit { apply, .. }, Value::Number(number)) => apply(draft, Some(*number)),
            (Kind::Limit { apply, .. }, Value::Nothing) => apply(draft, None),
            (Kind::Choice { options, .. }, Value::Text(name)) => {
                if let Some((_, apply)) = options.iter().find(|(option, _)| option == name) {
                    apply(draft);
                }
            }
            (Kind::Target, Value::Text(triple)) => _ = draft.config.target(triple)?,
            (Kind::Cache, Value::Cache { cache, .. }) => _ = draft.config.cache(Some(cache.clone())),
            (Kind::OperatorCost, Value::Costs(costs)) => operator_cost::apply(&mut draft.config, costs)?,
            // `None` for "the default".
            _ => {}
        }
        Ok(())
    }

    /// The docstring of the property: what the switch does, what it accepts, and its default.
    pub(super) fn docstring(&self, py: Python<'_>) -> PyResult<String> {
        let mut doc = format!("{}\n\n", self.doc);
        let accepts = match &self.kind {
            Kind::Flag { .. } => "bool".to_owned(),
            Kind::Number { default: Some(_), range, .. } => format!("int from {} to {}", range.start(), range.end()),
            Kind::Number { range, .. } => format!("int from {} to {}, or None", range.start(), range.end()),
            Kind::Limit { range, .. } => format!("int from {} to {}, or None for off", range.start(), range.end()),
            Kind::Choice { options, .. } => {
                options.iter().map(|(name, _)| format!("{name:?}")).collect::<Vec<_>>().join(" or ")
            }
            Kind::Target => "str, or None for the host".to_owned(),
            Kind::Cache => "True, or the path of a TOML file".to_owned(),
            Kind::OperatorCost => "dict of str to int from 0 to 255".to_owned(),
        };
        let default = self.default().to_python(py)?.bind(py).repr()?;
        let _ = write!(doc, "Accepts: {accepts}. Default: {default}.");
        Ok(doc)
    }
}

impl Value {
    pub(super) fn to_python(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        match self {
            Value::Nothing => Ok(py.None()),
            Value::Bool(on) => on.into_py_any(py),
            Value::Number(number) => number.into_py_any(py),
            Value::Text(text) => text.as_ref().into_py_any(py),
            Value::Cache { file: None, .. } => true.into_py_any(py),
            Value::Cache { file: Some(file), .. } => file.as_os_str().into_py_any(py),
            Value::Costs(costs) => {
                let dict = PyDict::new(py);
                for (operator, cost) in costs {
                    dict.set_item(operator, cost)?;
                }
                dict.into_py_any(py)
            }
        }
    }
}

fn in_range(value: &Bound<'_, PyAny>, name: &str, range: &RangeInclusive<u64>) -> PyResult<u64> {
    let number = numbers::unsigned(value, name, u64::MAX)?;
    if range.contains(&number) {
        return Ok(number);
    }
    Err(PyValueError::new_err(format!(
        "{name} is out of range: expected an int from {} to {}, got {number}",
        range.start(),
        range.end()
    )))
}

fn text(value: &Bound<'_, PyAny>, name: &str) -> PyResult<String> {
    match value.cast::<PyString>() {
        Ok(text) => text.extract(),
        Err(_) => Err(expected(&format!("a str for {name}"), value)),
    }
}

fn named(value: &Bound<'_, PyAny>, name: &str, what: &str, options: Options) -> PyResult<&'static str> {
    let text = text(value, name)?;
    match options.iter().find(|(option, _)| *option == text) {
        Some((option, _)) => Ok(option),
        None => {
            let known: Vec<_> = options.iter().map(|(option, _)| *option).collect();
            let message = format!("unknown {what}: {text} (expected one of {})", known.join(", "));
            Err(wasmtime_error(value.py(), &message))
        }
    }
}

/// Loads the cache's configuration now, so that its mistakes are found where it is assigned.
fn open_cache(value: &Bound<'_, PyAny>) -> PyResult<Value> {
    let py = value.py();
    let file = match value.cast::<PyBool>() {
        Ok(on) if on.is_true() => None,
        Ok(_) => {
            let message = "caching cannot be explicitly disabled: it is off by default, \
                           and `del config.cache` turns it off again";
            return Err(wasmtime_error(py, message));
        }
        Err(_) => match value.extract::<PathBuf>() {
            Ok(file) => Some(file),
            Err(_) => return Err(expected("True or the path of a TOML file for cache", value)),
        },
    };
    let cache = crate::gil::detached(py, || wasmtime::Cache::from_file(file.as_deref()))?;
    Ok(Value::Cache { file, cache })
}
