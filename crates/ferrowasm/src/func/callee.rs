//! Calls from Python into WebAssembly: from Python values to the engine's and back, without a detour.

use pyo3::prelude::*;
use pyo3::types::PyList;
use smallvec::SmallVec;
use wasmtime::{AsContextMut, Ref, RootScope, StoreContextMut, Val, ValRaw};

use crate::asyncio::call_blocking;
use crate::errors::{signature_error, with_thrown};
use crate::gil::{self, Pace, Policy};
use crate::raw::{Room, Space};
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};
use crate::thread::{self, Thread};
use crate::values::{self, Kind, Signature};

/// A function with what the binding knows about it.
pub(crate) struct Callee {
    pub(crate) store_id: u64,
    pub(crate) func: wasmtime::Func,
    pub(crate) signature: Signature,
    /// How long calls take.
    pub(super) pace: Pace,
}

impl Callee {
    pub(crate) fn new(ctx: &mut StoreContextMut<'_, Data>, func: wasmtime::Func) -> Callee {
        let signature = Signature::of(&func.ty(&*ctx));
        Callee { store_id: ctx.data().shared.id, func, signature, pace: Pace::default() }
    }

    /// Calls the function with `args` in the store that `store` stands for.
    #[inline]
    pub(super) fn call<'py>(
        &self,
        store: &Bound<'py, PyAny>,
        args: &[Bound<'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let thread = thread::current(store.py());
        let mut entry = StoreArg::new(store)?.enter_own_on(thread, self.store_id, "Func")?;
        let policy = entry.ctx().data().gil;
        self.call_in(thread, store, entry, policy, args)
    }

    /// The same for the function's store, which was entered through `store` on this thread.
    #[inline]
    pub(super) fn call_in<'py>(
        &self,
        thread: &Thread,
        store: &Bound<'py, PyAny>,
        mut entry: Entry<'_>,
        policy: Policy,
        args: &[Bound<'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = store.py();
        self.check_count(py, args.len())?;
        if entry.is_suspended() || entry.ctx().data().requires_fiber(self.signature.is_plain) {
            drop(entry);
            return call_blocking(self, store, args);
        }
        if self.signature.is_plain {
            self.call_plain(py, thread, &mut entry, policy, args)
        } else {
            self.call_any(py, thread, &mut entry, policy, args)
        }
    }

    #[inline]
    pub(crate) fn check_count(&self, py: Python<'_>, given: usize) -> PyResult<()> {
        if given == self.signature.params.len() { Ok(()) } else { Err(self.wrong_count(py, given)) }
    }

    #[cold]
    fn wrong_count(&self, py: Python<'_>, given: usize) -> PyErr {
        let expected = self.signature.params.len();
        let which = if given < expected { "few" } else { "many" };
        signature_error(py, &format!("too {which} parameters provided: given {given}, expected {expected}"))
    }

    /// Converts the argument at `position`, which is of this kind.
    pub(crate) fn convert(
        &self,
        ctx: &mut StoreContextMut<'_, Data>,
        position: usize,
        kind: &Kind,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Val> {
        values::to_val(ctx, kind, value).map_err(|error| in_argument(value.py(), position, error))
    }

    /// Numbers and vectors.
    ///
    /// What most calls need is here, and the rest in functions of its own: the processor has few registers.
    #[inline]
    fn call_plain<'py>(
        &self,
        py: Python<'py>,
        thread: &Thread,
        entry: &mut Entry<'_>,
        policy: Policy,
        args: &[Bound<'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let mut room = Room::new();
        let mut arguments = room.arguments(self);
        for (position, (kind, arg)) in self.signature.params.iter().zip(args).enumerate() {
            let value = match values::quick(kind, arg) {
                Some(bits) => ValRaw::u64(bits),
                None => values::to_raw(kind, arg).map_err(|error| in_argument(py, position, error))?,
            };
            arguments.push(value);
        }
        let mut space = arguments.complete();
        let stack = entry.room();
        let ctx = entry.ctx();
        if let Err(error) = gil::call_on(py, thread, stack, policy, &self.pace, || space.call(ctx, &[])) {
            return Err(with_thrown(py, entry.ctx(), *error));
        }
        self.plain_results(py, &space)
    }

    /// Converts the results of a call, none of which is a reference.
    #[inline(always)]
    pub(super) fn plain_results<'py>(&self, py: Python<'py>, space: &Space<'_>) -> PyResult<Bound<'py, PyAny>> {
        match &*self.signature.results {
            [kind] => Ok(values::from_raw(py, kind, space.get(0))),
            _ => self.list_results(py, space),
        }
    }

    #[inline(never)]
    fn list_results<'py>(&self, py: Python<'py>, space: &Space<'_>) -> PyResult<Bound<'py, PyAny>> {
        let kinds = &self.signature.results;
        if kinds.is_empty() {
            return Ok(py.None().into_bound(py));
        }
        let values = kinds.iter().enumerate().map(|(place, kind)| values::from_raw(py, kind, space.get(place)));
        Ok(PyList::new(py, values)?.into_any())
    }

    /// References among them: they are rooted for the time of the call.
    #[inline(never)]
    fn call_any<'py>(
        &self,
        py: Python<'py>,
        thread: &Thread,
        entry: &mut Entry<'_>,
        policy: Policy,
        args: &[Bound<'py, PyAny>],
    ) -> PyResult<Bound<'py, PyAny>> {
        let stack = entry.room();
        let mut scope = RootScope::new(entry.ctx());
        let mut room = Room::new();
        let mut arguments = room.arguments(self);
        let mut references: SmallVec<[(usize, Ref); 4]> = SmallVec::new();
        for (position, (kind, arg)) in self.signature.params.iter().zip(args).enumerate() {
            let value = match kind {
                Kind::Ref(ty) => values::to_ref(&mut scope.as_context_mut(), ty, arg).map(|reference| {
                    references.push((position, reference));
                    ValRaw::i64(0)
                }),
                _ => values::to_raw(kind, arg),
            };
            arguments.push(value.map_err(|error| in_argument(py, position, error))?);
        }
        let mut space = arguments.complete();
        let call = || space.call(scope.as_context_mut(), &references);
        if let Err(error) = gil::call_on(py, thread, stack, policy, &self.pace, call) {
            return Err(with_thrown(py, scope.as_context_mut(), *error));
        }
        let mut ctx = scope.as_context_mut();
        let results = space.results(&mut ctx);
        let mut values = results.iter().map(|value| values::from_val(py, &mut ctx, value));
        match results.len() {
            0 => Ok(py.None().into_bound(py)),
            1 => values.next().unwrap_or_else(|| Ok(py.None().into_bound(py))),
            _ => Ok(PyList::new(py, values.collect::<PyResult<Vec<_>>>()?)?.into_any()),
        }
    }
}

/// Says in a conversion error which argument it was about, as a note of the exception.
#[cold]
fn in_argument(py: Python<'_>, position: usize, error: PyErr) -> PyErr {
    let note = format!("in argument {} of the WebAssembly function", position + 1);
    let _ = error.value(py).call_method1("add_note", (note,));
    error
}
