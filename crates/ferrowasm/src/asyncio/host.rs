//! Host functions that are reached on a fiber.

use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use wasmtime::{AsContextMut, Caller, Val};

use super::fibers;
use super::owned::OwnedVal;
use crate::caller::Caller as PyCaller;
use crate::errors;
use crate::host::HostFunc;
use crate::raw::Plain;
use crate::store::Data;
use crate::store::cell::{CallerPtr, Shared};
use crate::values;

/// A call of a Python function that a host function has asked for.
pub(crate) trait HostCall: Send {
    /// Whether the store is at rest meanwhile, so that Python code may use it.
    fn at_rest(&self) -> bool {
        true
    }

    /// Calls the function, whose result is passed to `complete`; if it can be awaited, what comes of that is.
    fn call<'py>(&mut self, py: Python<'py>, shared: &Arc<Shared>) -> PyResult<Bound<'py, PyAny>>;

    /// Converts the result for the host function.
    fn complete(&mut self, result: Bound<'_, PyAny>, shared: &Arc<Shared>) -> PyResult<()>;

    /// The call is over: what Python was given for its duration expires.
    fn expire(&mut self) {}
}

/// Shared by the host function, on its fiber, and the driver.
pub(crate) type Request = Arc<Mutex<dyn HostCall>>;

/// A call of a `HostFunc`.
struct CoreCall {
    host: Arc<HostFunc>,
    values: Values,
    /// The host function's own.
    caller: CallerPtr,
    /// What the callable got of it.
    handle: Option<Py<PyCaller>>,
}

/// Arguments, and then results.
enum Values {
    Plain(Plain),
    Any { params: Vec<Val>, results: Vec<OwnedVal> },
}

impl HostCall for CoreCall {
    fn call<'py>(&mut self, py: Python<'py>, shared: &Arc<Shared>) -> PyResult<Bound<'py, PyAny>> {
        let kinds = &self.host.signature().params;
        let args = match &self.values {
            Values::Plain(space) => {
                kinds.iter().zip(space.values()).map(|(kind, raw)| values::from_raw(py, kind, raw)).collect()
            }
            Values::Any { params, .. } => {
                let mut entry = shared.enter_nested()?;
                let mut ctx = entry.ctx();
                params.iter().map(|value| values::from_val(py, &mut ctx, value)).collect::<PyResult<Vec<_>>>()?
            }
        };
        if !self.host.takes_caller() {
            return self.host.invoke(py, args);
        }
        let caller = Bound::new(py, PyCaller::new(shared.clone(), self.caller))?;
        self.handle = Some(caller.clone().unbind());
        self.host.invoke(py, std::iter::once(caller.into_any()).chain(args))
    }

    fn complete(&mut self, result: Bound<'_, PyAny>, shared: &Arc<Shared>) -> PyResult<()> {
        let given = self.host.results(result)?;
        let kinds = &self.host.signature().results;
        match &mut self.values {
            Values::Plain(space) => {
                for ((kind, value), slot) in kinds.iter().zip(&given).zip(space.values_mut()) {
                    *slot = values::to_raw(kind, value)?;
                }
            }
            Values::Any { results, .. } => {
                let mut entry = shared.enter_nested()?;
                let mut scope = wasmtime::RootScope::new(entry.ctx());
                for (kind, value) in kinds.iter().zip(&given) {
                    let mut ctx = scope.as_context_mut();
                    let value = values::to_val(&mut ctx, kind, value)?;
                    results.push(OwnedVal::new(&mut ctx, &value).map_err(|error| {
                        errors::to_python(
                            // The conversion above needed the interpreter, too.
                            given[0].py(),
                            &error,
                        )
                    })?);
                }
            }
        }
        Ok(())
    }

    fn expire(&mut self) {
        if let Some(handle) = &self.handle {
            handle.get().frame().expire();
        }
    }
}

impl Drop for CoreCall {
    fn drop(&mut self) {
        self.expire();
    }
}

/// Has `host` called by the driver, with values that are no references.
pub(crate) fn call_plain(host: &Arc<HostFunc>, caller: &mut Caller<'_, Data>, space: Plain) -> wasmtime::Result<Plain> {
    let call =
        CoreCall { host: host.clone(), values: Values::Plain(space), caller: CallerPtr::new(caller), handle: None };
    match request(caller, call)? {
        Values::Plain(space) => Ok(space),
        Values::Any { .. } => unreachable!("the values stay what they were"),
    }
}

/// Has `host` called by the driver, with values of any kind.
pub(crate) fn call_any(
    host: &Arc<HostFunc>,
    caller: &mut Caller<'_, Data>,
    params: &[Val],
    results: &mut [Val],
) -> wasmtime::Result<()> {
    let values = Values::Any { params: params.to_vec(), results: Vec::with_capacity(results.len()) };
    let call = CoreCall { host: host.clone(), values, caller: CallerPtr::new(caller), handle: None };
    if let Values::Any { results: given, .. } = request(caller, call)? {
        for (slot, value) in results.iter_mut().zip(&given) {
            *slot = value.get(&mut *caller);
        }
    }
    Ok(())
}

/// Waits for the driver to make the call.
fn request(caller: &mut Caller<'_, Data>, call: CoreCall) -> wasmtime::Result<Values> {
    let call = Arc::new(Mutex::new(call));
    fibers::request(&caller.data().shared.clone(), call.clone())?;
    let mut call = call.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(std::mem::replace(&mut call.values, Values::Any { params: Vec::new(), results: Vec::new() }))
}
