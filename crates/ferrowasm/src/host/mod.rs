//! Host functions: Python callables that WebAssembly calls.

pub(crate) mod owner;
pub(crate) mod slot;

use std::mem::MaybeUninit;
use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use smallvec::{SmallVec, smallvec};
use wasmtime::{Caller, Val, ValRaw};

use crate::asyncio;
use crate::caller::Caller as PyCaller;
use crate::errors::signature_error;
use crate::gil;
use crate::raw::{self, Space};
use crate::store::Data;
use crate::store::cell::{Parking, Shared};
use crate::values::{self, Signature};
use crate::vectorcall;
use slot::Slot;

/// Arguments or results of a callback.
type Values<'py> = SmallVec<[Bound<'py, PyAny>; 6]>;

/// What a WebAssembly function that is implemented in Python holds: how to call, but not the callable itself.
pub(crate) struct HostFunc {
    callable: Arc<Slot>,
    signature: Signature,
    access_caller: bool,
}

impl HostFunc {
    /// A function of this type that calls what the slot leads to.
    pub(crate) fn new(callable: Arc<Slot>, ty: &wasmtime::FuncType, access_caller: bool) -> Arc<HostFunc> {
        Arc::new(HostFunc { callable, signature: Signature::of(ty), access_caller })
    }

    pub(crate) fn is_plain(&self) -> bool {
        self.signature.is_plain
    }

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whether the callable gets a `Caller` as first argument.
    pub(crate) fn takes_caller(&self) -> bool {
        self.access_caller
    }

    /// Calls the Python callable for values that are no references. `space` holds the arguments and takes the results.
    pub(crate) fn call_plain(
        self: &Arc<Self>,
        mut caller: Caller<'_, Data>,
        space: &mut [MaybeUninit<ValRaw>],
    ) -> wasmtime::Result<()> {
        if caller.data().shared.fibers.running() {
            let (params, results) = (self.signature.params.len(), self.signature.results.len());
            let given = asyncio::host::call_plain(self, &mut caller, Space::of(&space[..params], params.max(results)))?;
            for (slot, value) in space.iter_mut().zip(&given.values()[..results]) {
                slot.write(*value);
            }
            return Ok(());
        }
        let shared = caller.data().shared.clone();
        gil::attached(|py| {
            let parking = shared.park(&mut caller);
            let args = self.signature.params.iter().zip(&*space);
            let args = args.map(|(kind, raw)| values::from_raw(py, kind, raw::initialised(raw)));
            let result = self.call(py, &shared, &parking, args)?;
            for ((kind, value), slot) in self.signature.results.iter().zip(&self.results(result)?).zip(space) {
                slot.write(values::to_raw(kind, value)?);
            }
            Ok(())
        })?;
        shared.deadlines.check()
    }

    /// Calls the Python callable for values of any kind.
    pub(crate) fn call_any(
        self: &Arc<Self>,
        mut caller: Caller<'_, Data>,
        params: &[Val],
        results: &mut [Val],
    ) -> wasmtime::Result<()> {
        if caller.data().shared.fibers.running() {
            return asyncio::host::call_any(self, &mut caller, params, results);
        }
        let shared = caller.data().shared.clone();
        gil::attached(|py| {
            let parking = shared.park(&mut caller);
            let args = {
                let mut entry = shared.enter_nested()?;
                let mut ctx = entry.ctx();
                params.iter().map(|value| values::from_val(py, &mut ctx, value)).collect::<PyResult<Vec<_>>>()?
            };
            let result = self.call(py, &shared, &parking, args)?;
            let values = self.results(result)?;
            let mut entry = shared.enter_nested()?;
            let mut ctx = entry.ctx();
            for ((kind, value), slot) in self.signature.results.iter().zip(&values).zip(results) {
                *slot = values::to_val(&mut ctx, kind, value)?;
            }
            Ok(())
        })?;
        shared.deadlines.check()
    }

    fn call<'py>(
        &self,
        py: Python<'py>,
        shared: &Arc<Shared>,
        parking: &Parking<'_>,
        args: impl IntoIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let result = if self.access_caller {
            let caller = Bound::new(py, PyCaller::new(shared.clone(), parking.caller()))?;
            let result = self.invoke(py, std::iter::once(caller.clone().into_any()).chain(args));
            caller.get().frame().expire();
            result
        } else {
            self.invoke(py, args)
        }?;
        if asyncio::is_awaitable(&result) { Err(asyncio::refuse(&result, asyncio::USE_CALL_ASYNC)) } else { Ok(result) }
    }

    /// Calls the callable itself.
    pub(crate) fn invoke<'py>(
        &self,
        py: Python<'py>,
        args: impl IntoIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let callable = self.callable.get_owned(py)?;
        vectorcall::call_python(&callable, &args.into_iter().collect::<Values<'py>>())
    }

    /// Takes the callable's return value apart: nothing, one value, or as many as the type has results.
    pub(crate) fn results<'py>(&self, result: Bound<'py, PyAny>) -> PyResult<Values<'py>> {
        let py = result.py();
        match self.signature.results.len() {
            0 if result.is_none() => Ok(Values::new()),
            0 => Err(signature_error(py, "the callback returned a value, but its type has no results; return None")),
            1 => Ok(smallvec![result]),
            expected => {
                let list = match result.cast::<PyTuple>() {
                    Ok(tuple) => tuple.iter().collect::<Values<'py>>(),
                    Err(_) => py.get_type::<PyList>().call1((&result,))?.cast_into::<PyList>()?.iter().collect(),
                };
                if list.len() == expected {
                    Ok(list)
                } else {
                    let got = list.len();
                    Err(signature_error(
                        py,
                        &format!("the callback returned {got} values, but its type has {expected} results"),
                    ))
                }
            }
        }
    }
}
