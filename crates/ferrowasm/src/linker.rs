//! `Linker`: definitions by name, for the imports of modules.

use std::collections::HashMap;
use std::sync::OnceLock;

use pyo3::exceptions::PyTypeError;
use pyo3::gc::{PyTraverseError, PyVisit};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyTuple};
use wasmtime::{Extern, SharedMemory, StoreContextMut};

use crate::asyncio::{self, Call, Imports, Instantiation, Source};
use crate::engine::Engine;
use crate::errors::{self, Misuse, OrRaise};
use crate::externs;
use crate::gil;
use crate::guarded::{Guarded, Held};
use crate::host::HostFunc;
use crate::host::owner::CallableOwner;
use crate::instance::Instance;
use crate::instance_pre::{InstancePre, Requirements};
use crate::managed::{Managed, managed, two_phase};
use crate::module::Module;
use crate::raw;
use crate::store::cell::{Entry, Shared};
use crate::store::{Data, StoreArg};
use crate::types::FuncType;
use crate::wasi;

/// Where a definition comes from, for what the engine does not tell.
enum Origin {
    /// A Python callable, for every store.
    Host(Py<CallableOwner>),
    /// An object of the store with this number.
    Store { id: u64, kind: &'static str },
    /// A shared memory, for every store.
    Memory(SharedMemory),
}

/// What is behind a `Linker`.
struct State {
    linker: wasmtime::Linker<Data>,
    allow_shadowing: bool,
    /// Definitions that are host functions of ours, belong to a store or are shared memories; the others (WASI, traps)
    /// are missing.
    origins: HashMap<(String, String), Origin>,
    /// All host functions as a tuple, made when a store or an `InstancePre` first has to keep them alive.
    hosts: Option<Py<PyTuple>>,
}

impl State {
    fn set_origin(&mut self, module: &str, name: &str, origin: Option<Origin>) {
        let key = (module.to_owned(), name.to_owned());
        match origin {
            Some(origin) => drop(self.origins.insert(key, origin)),
            None => drop(self.origins.remove(&key)),
        }
        self.hosts = None;
    }

    /// Keeps the host functions alive in whoever holds the tuple.
    fn hosts<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyTuple>> {
        if let Some(hosts) = &self.hosts {
            return Ok(hosts.bind(py).clone());
        }
        let owners = self.origins.values().filter_map(|origin| match origin {
            Origin::Host(owner) => Some(owner.clone_ref(py)),
            Origin::Store { .. } | Origin::Memory(_) => None,
        });
        let hosts = PyTuple::new(py, owners.collect::<Vec<_>>())?;
        self.hosts = Some(hosts.clone().unbind());
        Ok(hosts)
    }

    /// What the imports of a module, as defined here, ask of a store.
    fn requirements(&self, module: &wasmtime::Module) -> Requirements {
        if self.origins.values().all(|origin| matches!(origin, Origin::Host(_))) {
            return Requirements::default();
        }
        self.requirements_of(module.imports().map(|import| (import.module(), import.name())))
    }

    /// The same for definitions of these names.
    fn requirements_of<'a>(&self, names: impl IntoIterator<Item = (&'a str, &'a str)>) -> Requirements {
        let mut found = Requirements::default();
        for (module, name) in names {
            // The map is keyed by owned pairs; look-ups are few next to what follows them.
            match self.origins.get(&(module.to_owned(), name.to_owned())) {
                Some(Origin::Store { id, kind }) => found.add_store(*id, kind),
                Some(Origin::Memory(memory)) => found.add_memory(memory.clone()),
                Some(Origin::Host(_)) | None => {}
            }
        }
        found
    }
}

/// A set of definitions by module and name that satisfies the imports of modules.
///
/// Functions given by `define_func` belong to no store: one linker serves any number of stores of its engine.
#[pyclass(frozen, subclass, weakref, dict, module = "ferrowasm")]
pub(crate) struct Linker {
    engine: OnceLock<Py<Engine>>,
    state: Managed<Guarded<Option<State>>>,
}

impl Linker {
    fn empty() -> Linker {
        Linker { engine: OnceLock::new(), state: Managed::empty("Linker") }
    }

    /// Runs `work` with the state, which is out while `define_module` runs the module's code.
    fn with<R>(&self, py: Python<'_>, work: impl FnOnce(&mut State) -> PyResult<R>) -> PyResult<R> {
        match self.lock(py)?.value.as_mut() {
            Some(state) => work(state),
            None => Err(errors::busy_linker(py)),
        }
    }

    fn lock(&self, py: Python<'_>) -> PyResult<Held<'_, Option<State>>> {
        self.state.get()?.lock(py).ok_or_else(|| errors::busy_linker(py))
    }

    /// Enters a store of the linker's engine.
    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>) -> PyResult<Entry<'a>> {
        let mut entry = StoreArg::new(store)?.enter()?;
        self.check_engine(store.py(), entry.ctx().engine(), "Store")?;
        Ok(entry)
    }

    fn check_engine(&self, py: Python<'_>, engine: &wasmtime::Engine, kind: &'static str) -> PyResult<()> {
        self.with(py, |state| {
            if wasmtime::Engine::same(state.linker.engine(), engine) {
                Ok(())
            } else {
                Err(Misuse::WrongEngine(kind).into())
            }
        })
    }

    fn module<'a>(&self, py: Python<'_>, module: &'a Bound<'_, Module>) -> PyResult<&'a wasmtime::Module> {
        let module = module.get().get()?;
        self.check_engine(py, module.engine(), "Module")?;
        Ok(module)
    }

    /// The definitions for an instantiation in a store, which is made to keep the host functions alive.
    ///
    /// A copy, because the start function may call Python code that uses this linker.
    fn prepared(&self, py: Python<'_>, shared: &Shared, module: &wasmtime::Module) -> PyResult<wasmtime::Linker<Data>> {
        let (linker, required, hosts) =
            self.with(py, |state| Ok((state.linker.clone(), state.requirements(module), state.hosts(py)?)))?;
        required.check(shared)?;
        shared.objects.keep(&hosts);
        Ok(linker)
    }

    /// Resolves the imports of a module for an asynchronous instantiation.
    pub(crate) fn imports(&self, ctx: &StoreContextMut<'_, Data>, module: &Bound<'_, Module>) -> PyResult<Imports> {
        let py = module.py();
        self.check_engine(py, ctx.engine(), "Store")?;
        let module = self.module(py, module)?;
        Ok(Imports::Linker(self.prepared(py, &ctx.data().shared, module)?, module.clone()))
    }

    fn close_native(&self, py: Python<'_>) -> PyResult<()> {
        self.state.close();
        self.clear(py);
        Ok(())
    }

    /// Drops all definitions; a linker that is in use drops them when it is freed.
    fn clear(&self, py: Python<'_>) {
        let state = self.state.peek().and_then(|state| state.lock(py)).and_then(|mut held| held.value.take());
        drop(state);
    }
}

#[pymethods]
impl Linker {
    fn __init__(&self, engine: &Bound<'_, Engine>) -> PyResult<()> {
        let linker = wasmtime::Linker::new(engine.get().get()?);
        let state = State { linker, allow_shadowing: false, origins: HashMap::new(), hosts: None };
        self.state.initialise(Guarded::new(Some(state)))?;
        let _ = self.engine.set(engine.clone().unbind());
        Ok(())
    }

    /// The engine that the linker was made with.
    #[getter]
    fn engine(&self, py: Python<'_>) -> PyResult<Py<Engine>> {
        let engine = self.engine.get().ok_or(Misuse::Uninitialised("Linker"))?;
        Ok(engine.clone_ref(py))
    }

    /// Whether a definition may replace an earlier one of the same name; `False` at first.
    #[getter]
    fn allow_shadowing(&self, py: Python<'_>) -> PyResult<bool> {
        self.with(py, |state| Ok(state.allow_shadowing))
    }

    #[setter]
    fn set_allow_shadowing(&self, allow: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = allow.py();
        let allow = allow.cast::<PyBool>().map_err(|_| PyTypeError::new_err("expected a bool"))?.is_true();
        self.with(py, |state| {
            state.linker.allow_shadowing(allow);
            state.allow_shadowing = allow;
            Ok(())
        })
    }

    /// Define `item`, an object of `store`, under a name. Raises `WasmtimeError` if the name is taken and shadowing is
    /// not allowed.
    fn define(&self, store: &Bound<'_, PyAny>, module: &str, name: &str, item: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = store.py();
        let mut entry = self.enter(store)?;
        let (external, kind) = externs::from_python(&mut entry, item)?;
        let origin = match (&external, kind) {
            (Extern::SharedMemory(memory), _) => Some(Origin::Memory(memory.clone())),
            (_, kind) => kind.map(|kind| Origin::Store { id: entry.shared.id, kind }),
        };
        self.with(py, |state| {
            state.linker.define(entry.ctx(), module, name, external).or_raise(py)?;
            state.set_origin(module, name, origin);
            Ok(())
        })
    }

    /// Define a function that calls the Python callable `func`, for every store. See `Func` for what it is given and
    /// may return.
    #[pyo3(signature = (module, name, ty, func, access_caller=false))]
    fn define_func(
        &self,
        module: &str,
        name: &str,
        ty: &Bound<'_, FuncType>,
        func: &Bound<'_, PyAny>,
        access_caller: bool,
    ) -> PyResult<()> {
        let py = func.py();
        let ty = self.with(py, |state| ty.get().to_engine(state.linker.engine()))?;
        let owner = CallableOwner::new(func)?;
        let host = HostFunc::new(owner.get().slot(), &ty, access_caller);
        self.with(py, |state| {
            raw::define_func(&mut state.linker, module, name, ty, host).or_raise(py)?;
            state.set_origin(module, name, Some(Origin::Host(owner.unbind())));
            Ok(())
        })
    }

    /// Define every export of an instance, with `name` as the module's name.
    fn define_instance(&self, store: &Bound<'_, PyAny>, name: &str, instance: &Bound<'_, Instance>) -> PyResult<()> {
        let py = store.py();
        let mut entry = self.enter(store)?;
        let instance = instance.get().owned()?;
        if instance.store_id != entry.shared.id {
            return Err(Misuse::WrongStore("Instance").into());
        }
        let id = instance.store_id;
        self.with(py, |state| {
            let exports: Vec<String> =
                instance.item.module(entry.ctx()).exports().map(|export| export.name().to_owned()).collect();
            let items: Vec<_> = instance.item.exports(entry.ctx()).map(|export| export.into_extern()).collect();
            entry.shared.memories.add(&items);
            state.linker.instance(entry.ctx(), name, instance.item).or_raise(py)?;
            for export in exports {
                state.set_origin(name, &export, Some(Origin::Store { id, kind: "Instance" }));
            }
            Ok(())
        })
    }

    /// Define the exports of a module under `name`: a WASI command is instantiated anew for each call, a reactor once,
    /// now.
    fn define_module(&self, store: &Bound<'_, PyAny>, name: &str, module: &Bound<'_, Module>) -> PyResult<()> {
        let py = store.py();
        let module = self.module(py, module)?;
        let mut entry = self.enter(store)?;
        let (required, hosts) = self.with(py, |state| Ok((state.requirements(module), state.hosts(py)?)))?;
        required.check(entry.shared)?;
        entry.shared.objects.keep(&hosts);
        // The module's code may run, and call Python: nothing may be locked then.
        let taken = self.lock(py)?.value.take();
        let mut state = taken.ok_or_else(|| errors::busy_linker(py))?;
        let id = entry.shared.id;
        let result = if asyncio::needs_fiber(&mut entry) {
            drop(entry);
            asyncio::define_module_blocking(store, state.linker.clone(), name.to_owned(), module.clone())
                .map(|linker| state.linker = linker)
        } else {
            gil::run(py, &mut entry, |ctx| state.linker.module(ctx, name, module).map(drop))
        };
        if result.is_ok() {
            for export in module.exports() {
                state.set_origin(name, export.name(), Some(Origin::Store { id, kind: "Module" }));
            }
        }
        if let Ok(mut held) = self.lock(py) {
            *held.value = Some(state);
        }
        result
    }

    /// Define the functions of WASI preview 1. Raises `WasmtimeError` if one of them is defined already.
    fn define_wasi(&self, py: Python<'_>) -> PyResult<()> {
        self.with(py, |state| wasi::add_to_linker(&mut state.linker).or_raise(py))
    }

    /// Define the functions that `module` imports and that are not defined as functions that trap when they are called.
    fn define_unknown_imports_as_traps(&self, py: Python<'_>, module: &Bound<'_, Module>) -> PyResult<()> {
        let module = self.module(py, module)?;
        self.with(py, |state| state.linker.define_unknown_imports_as_traps(module).or_raise(py))
    }

    /// Define what `module` imports and is not defined with default values: functions that return zeros and nulls,
    /// empty memories and so on, in `store`.
    fn define_unknown_imports_as_default_values(
        &self,
        store: &Bound<'_, PyAny>,
        module: &Bound<'_, Module>,
    ) -> PyResult<()> {
        let py = store.py();
        let module = self.module(py, module)?;
        let mut entry = self.enter(store)?;
        let id = entry.shared.id;
        self.with(py, |state| {
            let mut unknown = Vec::new();
            for import in module.imports() {
                let is_func = matches!(import.ty(), wasmtime::ExternType::Func(_));
                if !is_func && state.linker.get_by_import(entry.ctx(), &import).is_none() {
                    unknown.push((import.module().to_owned(), import.name().to_owned()));
                }
            }
            state.linker.define_unknown_imports_as_default_values(entry.ctx(), module).or_raise(py)?;
            for (module, name) in unknown {
                state.set_origin(&module, &name, Some(Origin::Store { id, kind: "import" }));
            }
            Ok(())
        })
    }

    /// Instantiate a module with the definitions of this linker, and run its start function.
    ///
    /// Raises `WasmtimeError` for an import that is not defined or has another type, and `Trap` if the start function
    /// traps.
    fn instantiate(&self, store: &Bound<'_, PyAny>, module: &Bound<'_, Module>) -> PyResult<Instance> {
        let py = store.py();
        let module = self.module(py, module)?;
        let mut entry = self.enter(store)?;
        let linker = self.prepared(py, entry.shared, module)?;
        let id = entry.shared.id;
        let instance = if asyncio::needs_fiber(&mut entry) {
            drop(entry);
            asyncio::instantiate_blocking(store, Imports::Linker(linker, module.clone()))?
        } else {
            gil::run(py, &mut entry, |ctx| linker.instantiate(ctx, module))?
        };
        Ok(Instance::wrap(id, instance))
    }

    /// Instantiate a module asynchronously: `await linker.instantiate_async(store, module)`.
    ///
    /// Only the start function of the module, if it has one, ever has to wait. See `instantiate` for errors.
    fn instantiate_async(
        slf: &Bound<'_, Self>,
        store: &Bound<'_, PyAny>,
        module: &Bound<'_, Module>,
    ) -> PyResult<Call> {
        slf.get().state.get()?;
        StoreArg::new(store)?;
        let source = Source::Linker(slf.clone().unbind(), module.clone().unbind());
        Ok(Call::new(Instantiation::new(store, source)))
    }

    /// Resolve the imports of a module once, for many instances.
    fn instantiate_pre(&self, py: Python<'_>, module: &Bound<'_, Module>) -> PyResult<InstancePre> {
        let resolved = self.module(py, module)?;
        self.with(py, |state| {
            let pre = state.linker.instantiate_pre(resolved).or_raise(py)?;
            Ok(InstancePre::new(pre, module.clone().unbind(), state.requirements(resolved), state.hosts(py)?.unbind()))
        })
    }

    /// The definition of this name, for use in `store`. Raises `WasmtimeError` if there is none.
    fn get<'py>(&self, store: &Bound<'py, PyAny>, module: &str, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let mut entry = self.enter(store)?;
        let (item, hosts) = self.with(py, |state| {
            state.requirements_of([(module, name)]).check(entry.shared)?;
            Ok((state.linker.get(entry.ctx(), module, name).or_raise(py)?, state.hosts(py)?))
        })?;
        entry.shared.objects.keep(&hosts);
        externs::to_python(py, &mut entry, item)
    }

    /// The default export of a module: `""` or `_start`, or a function that does nothing if it has neither.
    fn get_default<'py>(&self, store: &Bound<'py, PyAny>, name: &str) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        let mut entry = self.enter(store)?;
        let (func, hosts) = self.with(py, |state| {
            state.requirements_of(["", "_start"].map(|export| (name, export))).check(entry.shared)?;
            Ok((state.linker.get_default(entry.ctx(), name).or_raise(py)?, state.hosts(py)?))
        })?;
        entry.shared.objects.keep(&hosts);
        externs::to_python(py, &mut entry, func.into())
    }

    fn __repr__(&self) -> &'static str {
        if self.state.get().is_ok() { "<Linker>" } else { "<Linker (closed)>" }
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        let Some(state) = self.state.peek() else { return Ok(()) };
        visit.call(self.engine.get())?;
        // A linker that is in use keeps what it has until the next collection.
        let Some(guard) = state.peek() else { return Ok(()) };
        let Some(state) = guard.as_ref() else { return Ok(()) };
        visit.call(&state.hosts)?;
        state.origins.values().try_for_each(|origin| match origin {
            Origin::Host(owner) => visit.call(owner),
            Origin::Store { .. } | Origin::Memory(_) => Ok(()),
        })
    }

    fn __clear__(&self, py: Python<'_>) {
        self.clear(py);
    }
}

managed!(Linker);
two_phase!(Linker, "(engine)");
