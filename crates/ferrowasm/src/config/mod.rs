//! `Config`: how an engine compiles and runs.

mod address_space;
mod cranelift_flags;
mod draft;
mod operator_cost;
mod switch;
mod switches;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyCFunction, PyDict, PyTuple};

use crate::compile::Bounds;
use crate::errors::{Misuse, expected};
use crate::gil::Policy;
use crate::managed::{Managed, managed};
use cranelift_flags::Flags;
use draft::Draft;
use switch::{Switch, Value};

/// The default of `max_functions`.
const DEFAULT_FUNCTIONS: u64 = 500_000;
/// The default of `max_function_complexity`.
const DEFAULT_FUNCTION_COMPLEXITY: u64 = 100_000;
/// The default of `max_loop_nesting`.
const DEFAULT_LOOP_NESTING: u64 = 256;
/// The engine's default of `max_wasm_stack`, in bytes.
const DEFAULT_MAX_WASM_STACK: usize = 512 << 10;

/// The settings from which an `Engine` is made.
///
/// Each switch is a property that can be read, assigned and deleted, which restores its default, and a keyword
/// argument: `Config(consume_fuel=True)`. An engine copies the settings, so that the same `Config` can be changed and
/// used again.
///
/// A value of the wrong type is a `TypeError`, a number out of range a `ValueError` (an `OverflowError` if no 64 bits
/// hold it), an unknown name `WasmtimeError`. Settings that contradict each other are found when an `Engine` is made:
/// `WasmtimeError`.
#[pyclass(frozen, subclass, weakref, module = "ferrowasm")]
pub(crate) struct Config {
    settings: Managed<Mutex<Settings>>,
}

/// What was set; everything else has its default.
#[derive(Clone, Default)]
struct Settings {
    values: BTreeMap<&'static str, Value>,
    flags: Flags,
}

/// The engine's configuration, and what the binding has to know about it.
pub(crate) struct Built {
    pub(crate) config: wasmtime::Config,
    /// Whether compiled code looks at the engine's epoch.
    pub(crate) checks_epoch: bool,
    /// `Config.epoch_interruption`.
    pub(crate) user_epochs: bool,
    /// Whether the engine's memories are made by `linear_memory`, which sees to the views of them.
    pub(crate) manages_memories: bool,
    pub(crate) bounds: Bounds,
    /// `Config.shared_memory`.
    pub(crate) shared_memory: bool,
    /// Whether the engine keeps what it compiles in files (`Config.cache`).
    pub(crate) caches: bool,
    /// Whether calls let go of the interpreter.
    pub(crate) gil: Policy,
}

impl Settings {
    fn build(&self) -> wasmtime::Result<Built> {
        let mut draft = Draft::new();
        let scarce = if self.sizes_memories() { None } else { address_space::scarce() };
        if scarce.is_some() {
            address_space::economise(&mut draft.config);
        }
        for switch in switches::all() {
            if let Some(value) = self.values.get(switch.name) {
                switch.apply(&mut draft, value)?;
            }
        }
        if let Some(unused) = self.values.keys().find(|name| name.starts_with("pooling_")).filter(|_| !draft.pooling) {
            return Err(wasmtime::Error::msg(format!(
                "{unused} has no effect: it needs allocation_strategy = \"pooling\""
            )));
        }
        cranelift_flags::apply(&mut draft.config, &self.flags);
        let manages_memories = scarce.is_some() || self.manages_memories();
        #[cfg(unix)]
        if manages_memories {
            let speculation = scarce.map_or(usize::MAX, address_space::share);
            draft.config.with_host_memory(std::sync::Arc::new(crate::linear_memory::Creator { speculation }));
        }
        let user_epochs = draft.epoch_interruption;
        let checks_epoch = user_epochs || draft.interruptible;
        let bounds = draft.bounds;
        let shared_memory = draft.shared_memory;
        let gil = draft.gil.effective(checks_epoch, shared_memory).map_err(wasmtime::Error::msg)?;
        let caches = self.values.contains_key("cache");
        let config = draft.finish()?;
        Ok(Built { config, checks_epoch, user_epochs, manages_memories, shared_memory, caches, gil, bounds })
    }

    /// Whether something was set that decides how many addresses memories reserve.
    fn sizes_memories(&self) -> bool {
        const SIZES: [&str; 5] = [
            "allocation_strategy",
            "memory_guard_size",
            "memory_may_move",
            "memory_reservation",
            "memory_reservation_for_growth",
        ];
        SIZES.iter().any(|name| self.values.contains_key(name))
    }

    /// Whether memories may move and are small enough for that to happen in practice: then they are ours, which keeps
    /// views of them valid.
    fn manages_memories(&self) -> bool {
        let is = |name: &str, wanted: fn(&Value) -> bool| self.values.get(name).is_some_and(wanted);
        cfg!(unix)
            && is("memory_reservation", |value| matches!(value, Value::Number(bytes) if *bytes < 4 << 30))
            && !is("memory_may_move", |value| matches!(value, Value::Bool(false)))
            && !is("allocation_strategy", |value| matches!(value, Value::Text(name) if name == "pooling"))
    }

    fn get(&self, switch: &Switch) -> Value {
        self.values.get(switch.name).cloned().unwrap_or_else(|| switch.default())
    }
}

impl Config {
    /// The engine's configuration, or the default one; `WasmtimeError` if the settings contradict each other in a way
    /// that the binding has to find itself.
    pub(crate) fn build(config: Option<&Config>, py: Python<'_>) -> PyResult<Built> {
        let settings = match config {
            Some(config) => config.settings()?.clone(),
            None => Settings::default(),
        };
        crate::gil::detached(py, || settings.build())
    }

    /// Locks the settings; they are plain data that no panic leaves half changed. Nothing that runs Python code happens
    /// under the lock.
    fn settings(&self) -> Result<MutexGuard<'_, Settings>, Misuse> {
        Ok(self.settings.get()?.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn set(&self, switch: &'static Switch, value: &Bound<'_, PyAny>) -> PyResult<()> {
        self.settings.get()?;
        let value = switch.extract(value)?;
        self.settings()?.values.insert(switch.name, value);
        Ok(())
    }

    fn close_native(&self, _py: Python<'_>) -> PyResult<()> {
        self.settings.close();
        Ok(())
    }

    fn set_flag(&self, py: Python<'_>, flag: String, value: Option<String>) -> PyResult<()> {
        self.settings.get()?;
        cranelift_flags::check(py, &flag)?;
        self.settings()?.flags.insert(flag, value);
        Ok(())
    }

    /// What was set, by name, as the Python values that were assigned.
    fn changes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let settings = self.settings()?.clone();
        let changes = PyDict::new(py);
        for switch in switches::all() {
            if let Some(value) = settings.values.get(switch.name) {
                changes.set_item(switch.name, value.to_python(py)?)?;
            }
        }
        Ok(changes)
    }
}

#[pymethods]
impl Config {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs), text_signature = "(**settings)")]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Config {
        Config { settings: Managed::empty("Config") }
    }

    #[pyo3(signature = (**settings))]
    fn __init__(&self, settings: Option<&Bound<'_, PyDict>>) -> PyResult<()> {
        let mut initial = Settings::default();
        for (name, value) in settings.into_iter().flatten() {
            let name: String = name.extract()?;
            let Some(switch) = switches::find(&name) else {
                return Err(PyTypeError::new_err(format!("Config() got an unexpected keyword argument '{name}'")));
            };
            initial.values.insert(switch.name, switch.extract(&value)?);
        }
        self.settings.initialise(Mutex::new(initial))
    }

    /// Enable a flag of Cranelift by its name, such as the CPU feature `has_avx2`.
    ///
    /// Raises `WasmtimeError` for flags that could break the engine's memory safety; an `Engine` with an unknown flag
    /// raises it, too.
    fn cranelift_flag_enable(&self, py: Python<'_>, flag: &Bound<'_, PyAny>) -> PyResult<()> {
        let flag = flag.extract().map_err(|_| expected("a str for flag", flag))?;
        self.set_flag(py, flag, None)
    }

    /// Set a flag of Cranelift by its name to a value in text form, such as `opt_level` to `none`.
    ///
    /// Raises `WasmtimeError` for flags that could break the engine's memory safety; an `Engine` with an unknown flag
    /// or value raises it, too.
    fn cranelift_flag_set(&self, py: Python<'_>, key: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let key = key.extract().map_err(|_| expected("a str for key", key))?;
        let value = value.extract().map_err(|_| expected("a str for value", value))?;
        self.set_flag(py, key, Some(value))
    }

    /// The Cranelift flags that were set: a new dict from names to values, `None` for flags that were enabled.
    #[getter]
    fn cranelift_flags(&self) -> PyResult<Flags> {
        Ok(self.settings()?.flags.clone())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let config = slf.get();
        let class = slf.get_type().name()?;
        let Ok(changes) = config.changes(slf.py()) else { return Ok(format!("<{class} (closed)>")) };
        let mut parts = Vec::new();
        for (name, value) in changes {
            parts.push(format!("{name}={}", value.repr()?));
        }
        let flags = config.settings()?.flags.clone();
        if !flags.is_empty() {
            parts.push(format!("cranelift_flags={}", flags.into_pyobject(slf.py())?.repr()?));
        }
        Ok(format!("{class}({})", parts.join(", ")))
    }

    /// Copies and pickles hold what was set: `copyreg.__newobj__(class)` and a state for `__setstate__`.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyTuple>> {
        let py = slf.py();
        let config = slf.get();
        let newobj = py.import("copyreg")?.getattr("__newobj__")?;
        // A subclass defined in Python has attributes of its own.
        let attributes = slf.as_any().getattr_opt("__dict__")?;
        let state = (config.changes(py)?, config.cranelift_flags()?, attributes);
        (newobj, (slf.get_type(),), state).into_pyobject(py)
    }

    fn __setstate__(slf: &Bound<'_, Self>, state: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = slf.py();
        let (changes, flags, attributes): (Bound<'_, PyDict>, Flags, Option<Bound<'_, PyDict>>) = state.extract()?;
        let config = slf.get();
        config.__init__(Some(&changes))?;
        for (flag, value) in flags {
            config.set_flag(py, flag, value)?;
        }
        for (name, value) in attributes.into_iter().flatten() {
            slf.as_any().setattr(name.cast::<pyo3::types::PyString>()?, value)?;
        }
        Ok(())
    }
}

managed!(Config);

/// Gives the class `Config` a property for each switch.
pub(crate) fn add_properties(py: Python<'_>) -> PyResult<()> {
    let class = py.get_type::<Config>();
    let property = py.import("builtins")?.getattr("property")?;
    for switch in switches::all() {
        let get = accessor(py, move |config, _| {
            let value = config.get().settings()?.get(switch);
            value.to_python(config.py())
        })?;
        let set = accessor(py, move |config, args| {
            config.get().set(switch, &args.get_item(1)?)?;
            Ok(config.py().None())
        })?;
        let delete = accessor(py, move |config, _| {
            config.get().settings()?.values.remove(switch.name);
            Ok(config.py().None())
        })?;
        class.setattr(switch.name, property.call1((get, set, delete, switch.docstring(py)?))?)?;
    }
    Ok(())
}

/// A function for a property, whose first argument is the `Config`.
fn accessor<'py>(
    py: Python<'py>,
    function: impl Fn(&Bound<'_, Config>, &Bound<'_, PyTuple>) -> PyResult<Py<PyAny>> + Send + Sync + 'static,
) -> PyResult<Bound<'py, PyCFunction>> {
    PyCFunction::new_closure(py, None, None, move |args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>| {
        let config = args.get_item(0)?;
        match config.cast::<Config>() {
            Ok(config) => function(config, args),
            Err(_) => Err(expected("a Config", &config)),
        }
    })
}
