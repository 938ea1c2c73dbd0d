//! Host functions: Python callables that WebAssembly calls.

pub(crate) mod owner;
pub(crate) mod slot;

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};
use wasmtime::{AsContextMut, Caller, Val, ValRaw};

use crate::asyncio;
use crate::caller::Caller as PyCaller;
use crate::errors::{OrRaise, signature_error};
use crate::gil;
use crate::raw::{HostSpace, Plain};
use crate::store::Data;
use crate::store::cell::{Parking, Shared};
use crate::values::{self, Kind, Signature};
use crate::vectorcall;
use slot::Slot;

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

    pub(crate) fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Whether the callable gets a `Caller` as first argument.
    pub(crate) fn takes_caller(&self) -> bool {
        self.access_caller
    }

    /// Calls the Python callable. `space` holds the arguments and takes the results.
    pub(crate) fn call(
        self: &Arc<Self>,
        mut caller: Caller<'_, Data>,
        mut space: HostSpace<'_>,
    ) -> wasmtime::Result<()> {
        if caller.data().shared.fibers.running() {
            return self.call_on_fiber(&mut caller, space);
        }
        gil::callback(|py| {
            let handle = self.access_caller.then(|| caller.data().shared.clone());
            let parking = Parking::new(&mut caller);
            if self.signature.is_plain {
                let args = self.signature.params.iter().enumerate();
                let args = args.map(|(position, kind)| values::from_raw(py, kind, space.get(position)));
                let result = self.call_with(py, handle, &parking, args)?;
                return self.for_each_result(result, |position, kind, value| {
                    match values::quick(kind, value) {
                        Some(bits) => space.set(position, ValRaw::u64(bits)),
                        None => space.set(position, values::to_raw(kind, value)?),
                    }
                    Ok(())
                });
            }
            let args = {
                let mut entry = parking.enter()?;
                let params = space.params(&mut entry.ctx(), &self.signature);
                params
                    .iter()
                    .map(|value| values::from_val(py, &mut entry.ctx(), value))
                    .collect::<PyResult<Vec<_>>>()?
            };
            let result = self.call_with(py, handle, &parking, args)?;
            let mut results = Vec::with_capacity(self.signature.results.len());
            let mut entry = parking.enter()?;
            self.for_each_result(result, |_, kind, value| {
                results.push(values::to_val(&mut entry.ctx(), kind, value)?);
                Ok(())
            })?;
            space.set_results(&mut entry.ctx(), &self.signature, &results).or_raise(py)
        })?;
        caller.data().shared.deadlines.check()
    }

    /// The same on a fiber of an asynchronous call, which leaves it to its driver.
    #[cold]
    fn call_on_fiber(
        self: &Arc<Self>,
        caller: &mut Caller<'_, Data>,
        mut space: HostSpace<'_>,
    ) -> wasmtime::Result<()> {
        if self.signature.is_plain {
            let given = asyncio::host::call_plain(self, caller, Plain::new(&space, &self.signature))?;
            for (position, value) in given.values()[..self.signature.results.len()].iter().enumerate() {
                space.set(position, *value);
            }
            return Ok(());
        }
        let params = space.params(&mut caller.as_context_mut(), &self.signature);
        let mut results = vec![Val::I32(0); self.signature.results.len()];
        asyncio::host::call_any(self, caller, &params, &mut results)?;
        space.set_results(&mut caller.as_context_mut(), &self.signature, &results)
    }

    #[inline]
    fn call_with<'py>(
        &self,
        py: Python<'py>,
        handle: Option<Arc<Shared>>,
        parking: &Parking<'_>,
        args: impl IntoIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let result = match handle {
            None => self.invoke(py, args),
            Some(shared) => {
                let caller = Bound::new(py, PyCaller::new(shared, parking.caller()))?;
                let result = self.invoke(py, std::iter::once(caller.clone().into_any()).chain(args));
                caller.get().frame().expire();
                result
            }
        }?;
        if asyncio::is_awaitable(&result) { Err(asyncio::refuse(&result, asyncio::USE_CALL_ASYNC)) } else { Ok(result) }
    }

    /// Calls the callable itself.
    #[inline]
    pub(crate) fn invoke<'py>(
        &self,
        py: Python<'py>,
        args: impl IntoIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        vectorcall::call_python(&self.callable.get_owned(py)?, args)
    }

    /// The values in the callable's return value.
    pub(crate) fn results<'py>(&self, result: Bound<'py, PyAny>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let mut values = Vec::with_capacity(self.signature.results.len());
        self.for_each_result(result, |_, _, value| {
            values.push(value.clone());
            Ok(())
        })?;
        Ok(values)
    }

    /// Takes the callable's return value apart: nothing, one value, or as many as the type has results.
    #[inline]
    fn for_each_result<'py>(
        &self,
        result: Bound<'py, PyAny>,
        mut take: impl FnMut(usize, &Kind, &Bound<'py, PyAny>) -> PyResult<()>,
    ) -> PyResult<()> {
        match &*self.signature.results {
            [] if result.is_none() => Ok(()),
            [] => Err(signature_error(
                result.py(),
                "the callback returned a value, but its type has no results; return None",
            )),
            [kind] => take(0, kind, &result),
            kinds => {
                let values = several(result, kinds.len())?;
                kinds.iter().zip(values).enumerate().try_for_each(|(place, (kind, value))| take(place, kind, &value))
            }
        }
    }
}

/// The items of what a callable returned for several results.
fn several<'py>(result: Bound<'py, PyAny>, expected: usize) -> PyResult<Bound<'py, PyTuple>> {
    let py = result.py();
    let values = match result.cast_into::<PyTuple>() {
        Ok(tuple) => tuple,
        Err(other) => py.get_type::<PyList>().call1((other.into_inner(),))?.cast_into::<PyList>()?.to_tuple(),
    };
    if values.len() == expected {
        return Ok(values);
    }
    let got = values.len();
    Err(signature_error(py, &format!("the callback returned {got} values, but its type has {expected} results")))
}
