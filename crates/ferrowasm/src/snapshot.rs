//! Snapshots: a module whose instances begin where an initialised instance of another module left off.
//!
//! `wasmtime-wizer` rewrites modules; running them is left to the stores, linkers and instances of this binding.

use std::pin::pin;
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;
use pyo3::types::PyBytes;
use wasmtime::{AsContextMut, Error, Extern, Result, StoreContextMut, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

use crate::gil;
use crate::instance::Instance;
use crate::store::{Data, StoreArg};

/// A module that does what `wasm`, in the binary format, does and also exports the state that a snapshot needs.
#[pyfunction]
pub(crate) fn instrument<'py>(py: Python<'py>, wasm: &Bound<'py, PyBytes>) -> PyResult<Bound<'py, PyBytes>> {
    let bytes = wasm.as_bytes();
    let instrumented = gil::detached(py, || Ok(Wizer::new().instrument(bytes)?.1))?;
    Ok(PyBytes::new(py, &instrumented))
}

/// The module `wasm` with the present state of `instance`, an instance of what `instrument` made of it. The export
/// `init` is left out, and each pair of names in `renames` is a new name and the function that gets it.
#[pyfunction]
pub(crate) fn snapshot<'py>(
    store: &Bound<'py, PyAny>,
    instance: &Bound<'py, Instance>,
    wasm: &Bound<'py, PyBytes>,
    init: Option<&str>,
    renames: Vec<(String, String)>,
) -> PyResult<Bound<'py, PyBytes>> {
    let py = store.py();
    let owned = instance.get().owned()?;
    let mut entry = StoreArg::new(store)?.enter_own(owned.store_id, "Instance")?;
    let mut wizer = Wizer::new();
    match init {
        Some(name) => wizer.init_func(name),
        None => wizer.keep_init_func(true),
    };
    for (new, old) in &renames {
        wizer.func_rename(new, old);
    }
    let bytes = wasm.as_bytes();
    let snapshot = gil::run(py, &mut entry, |ctx| {
        let (context, _) = wizer.instrument(bytes)?;
        let mut state = State { ctx, instance: owned.item, failure: None };
        let snapshot = at_once(wizer.snapshot(&context, &mut state))?;
        match state.failure {
            Some(failure) => Err(failure),
            None => snapshot,
        }
    })?;
    Ok(PyBytes::new(py, &snapshot))
}

/// The result of a future that never waits, since nothing it awaits (`State`) does.
fn at_once<F: Future>(future: F) -> Result<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => Ok(output),
        Poll::Pending => Err(Error::msg("a snapshot waits for something")),
    }
}

/// An instance to read the state of.
struct State<'s> {
    ctx: StoreContextMut<'s, Data>,
    instance: wasmtime::Instance,
    /// What could not be read; there is no other way to report it.
    failure: Option<Error>,
}

impl State<'_> {
    fn export(&mut self, name: &str) -> Option<Extern> {
        self.instance.get_export(self.ctx.as_context_mut(), name)
    }
}

impl InstanceState for State<'_> {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let value = match self.export(name) {
            Some(Extern::Global(global)) => Some(global.get(self.ctx.as_context_mut())),
            _ => None,
        };
        match value {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(bits)) => SnapshotVal::F32(bits),
            Some(Val::F64(bits)) => SnapshotVal::F64(bits),
            Some(Val::V128(value)) => SnapshotVal::V128(value.as_u128()),
            _ => {
                self.failure = Some(Error::msg("the instance is not one of the module to take a snapshot of"));
                SnapshotVal::I32(0)
            }
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        match self.export(name) {
            Some(Extern::Memory(memory)) => contents(memory.data(&self.ctx)),
            other => {
                let shared = matches!(other, Some(Extern::SharedMemory(_)));
                self.failure = Some(Error::msg(if shared {
                    "no snapshot can be taken of a shared memory"
                } else {
                    "the instance is not one of the module to take a snapshot of"
                }));
                contents(&[]);
            }
        }
    }
}
