//! The short road of calls from Python into WebAssembly.
//!
//! Most calls are ordinary: numbers go in and come out, the store is at rest, and no Python code runs in the middle. They
//! do what every call does (see `callee`), but not what only the others need. Whoever finds out here that a call is
//! not ordinary, before anything was done, sends it the long road.
//!
//! PyO3 does not count the thread as attached here, so that no `Py` may be dropped but in `gil::counted`.

use pyo3::prelude::*;

use super::Callee;
use crate::errors::{to_python, with_thrown};
use crate::gil::{self, Policy};
use crate::raw::Slots;
use crate::stack::Active;
use crate::store::cell::{Entry, StoreCell};
use crate::thread::Thread;
use crate::vectorcall::{Callable, ShortResult};

impl Callee {
    /// Calls the function in its store, if that is an ordinary call. `policy` replaces the engine's.
    ///
    /// There is one for each class of callables, of which the compiler makes one piece: all of this is inlined there.
    #[inline(always)]
    pub(super) fn call_short<'py, C: Callable>(
        &self,
        py: Python<'py>,
        thread: &Thread,
        cell: &StoreCell,
        policy: Option<Policy>,
        args: &[Bound<'py, PyAny>],
    ) -> Option<ShortResult<'py>> {
        if !self.signature.is_plain || self.pace.uses_python() {
            return None;
        }
        let mut entry = cell.enter_idle(py, thread)?;
        let policy = policy.unwrap_or_else(|| entry.ctx().data().gil);
        if policy == Policy::Release || entry.ctx().data().requires_fiber(true) {
            return None;
        }
        let mut slots = Slots::new();
        let mut space = slots.fill(self, args)?;
        if !thread.stack.has_room(entry.begin()) {
            return None;
        }
        let active = Active::new(&thread.stack);
        let ctx = entry.ctx();
        let outcome = gil::call_uncounted(py, thread, policy, &self.pace, || space.call(ctx, &[]));
        drop(active);
        if let Err(error) = outcome {
            return Some(Err(failed(py, entry, error)));
        }
        let results = self.plain_results(py, &space);
        entry.leave(py);
        Some(results.map_err(Box::new))
    }
}

#[cold]
fn failed(py: Python<'_>, mut entry: Entry<'_>, error: wasmtime::Error) -> Box<PyErr> {
    gil::counted(py, move |py| {
        let exception = to_python(py, &error);
        drop(error);
        Box::new(with_thrown(py, entry.ctx(), exception))
    })
}
