//! Python callables that components call: host functions and destructors of resources.

use std::future::Future;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

use pyo3::prelude::*;
use pyo3::types::PyInt;
use wasmtime::component::ResourceAny;
use wasmtime::{Error, StoreContextMut};

use super::abi::{Carried, HostArguments, HostParams, HostResult};
use super::resource::ResourceAny as PyResourceAny;
use crate::asyncio;
use crate::asyncio::host::HostCall;
use crate::errors::OrRaise;
use crate::gil;
use crate::host::slot::Slot;
use crate::store::Data;
use crate::store::cell::Shared;
use crate::store::context::StoreContext;
use crate::store::objects::HostResource;
use crate::vectorcall;

/// What the engine holds of a callable: the way to it.
pub(crate) struct Callback {
    callable: Arc<Slot>,
}

impl Callback {
    pub(crate) fn new(callable: Arc<Slot>) -> Callback {
        Callback { callable }
    }

    /// Calls the callable for a component, with a `StoreContext` and the arguments.
    pub(crate) fn call(&self, mut ctx: StoreContextMut<'_, Data>, params: HostParams) -> wasmtime::Result<HostResult> {
        let shared = ctx.data().shared.clone();
        let given = params.into_arguments();
        let result = if shared.fibers.running() {
            self.call_on_fiber(&mut ctx, &shared, given)?
        } else {
            gil::callback(|py| {
                let HostArguments { values, resources } = given.into_inner();
                set_store(&resources, ctx.data());
                let args = values.into_iter().map(|value| value.into_bound(py));
                let result = {
                    let _parking = shared.park_context(&mut ctx);
                    self.call_with(py, &shared, args)
                };
                let returned = take_borrows(&resources).map(|borrow| borrow.resource_drop(&mut ctx).or_raise(py));
                // What the callable raised says more than what follows from it.
                let returned = returned.fold(Ok(()), PyResult::and);
                let result = result?;
                returned?;
                Ok(Carried::new(result.unbind()))
            })?
        };
        shared.deadlines.check()?;
        Ok(HostResult::new(shared, result))
    }

    /// Calls the callable as the destructor of a resource, whose type has this number if that is known.
    pub(crate) fn destroy(
        &self,
        mut ctx: StoreContextMut<'_, Data>,
        ty: Option<u32>,
        rep: u32,
    ) -> wasmtime::Result<()> {
        let shared = ctx.data().shared.clone();
        let resource = ty.map(|ty| HostResource { ty, rep });
        if shared.fibers.running() {
            let reason = Reason::Destroy { resource, rep, kept: None };
            return asyncio::fibers::request(&shared, Request::new(self, reason));
        }
        gil::callback(|py| {
            let _parking = shared.park_context(&mut ctx);
            // What the resource stands for lives until the destructor is done.
            let _kept = resource.and_then(|resource| shared.objects.take_resource(resource));
            self.call_with(py, &shared, [PyInt::new(py, rep).into_any()]).map(drop)
        })
    }

    /// The same as `call` on a fiber of an asynchronous call, which leaves it to its driver.
    #[cold]
    fn call_on_fiber(
        &self,
        ctx: &mut StoreContextMut<'_, Data>,
        shared: &Arc<Shared>,
        given: Carried<HostArguments>,
    ) -> wasmtime::Result<Carried<Py<PyAny>>> {
        let request = Request::new(self, Reason::Call { given: Some(given) });
        asyncio::fibers::request(shared, request.clone())?;
        let (borrows, result) = {
            let mut request = request.lock().unwrap_or_else(PoisonError::into_inner);
            (std::mem::take(&mut request.borrows), request.result.take())
        };
        for borrow in borrows {
            give_back(ctx, borrow)?;
        }
        result.ok_or_else(|| Error::msg("the host function was not run"))
    }

    fn call_with<'py>(
        &self,
        py: Python<'py>,
        shared: &Arc<Shared>,
        args: impl IntoIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let context = Bound::new(py, StoreContext::new(shared.clone()))?;
        let result = invoke(&self.callable, &context, args);
        context.get().frame().expire();
        let result = result?;
        if asyncio::is_awaitable(&result) { Err(asyncio::refuse(&result, asyncio::USE_CALL_ASYNC)) } else { Ok(result) }
    }
}

/// Calls the callable itself.
fn invoke<'py>(
    callable: &Slot,
    context: &Bound<'py, StoreContext>,
    args: impl IntoIterator<Item = Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let callable = callable.get_owned(context.py())?;
    vectorcall::call_python(&callable, std::iter::once(context.clone().into_any()).chain(args))
}

fn set_store(resources: &[Py<PyResourceAny>], data: &Data) {
    for resource in resources {
        resource.get().set_store(data);
    }
}

/// Ends what was borrowed for a call.
fn take_borrows(resources: &[Py<PyResourceAny>]) -> impl Iterator<Item = ResourceAny> {
    resources.iter().filter_map(|resource| resource.get().take_borrow())
}

/// Gives a borrow back, on a fiber.
fn give_back(ctx: &mut StoreContextMut<'_, Data>, borrow: ResourceAny) -> wasmtime::Result<()> {
    // For resources of the host there is a way that needs no fiber of its own.
    if borrow.try_into_resource_dynamic(&mut *ctx).is_ok() {
        return Ok(());
    }
    // The destructor belongs to the owner, so there is nothing to wait for.
    match pin!(borrow.resource_drop_async(ctx)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(Error::msg("giving back a borrowed resource has to wait")),
    }
}

/// A call of a callable that was reached on a fiber. Shared by what waits there, and the driver.
struct Request {
    callable: Arc<Slot>,
    reason: Reason,
    /// What the callable got.
    context: Option<Carried<Py<StoreContext>>>,
    resources: Option<Carried<Vec<Py<PyResourceAny>>>>,
    /// What has to be given back after the call.
    borrows: Vec<ResourceAny>,
    result: Option<Carried<Py<PyAny>>>,
}

enum Reason {
    Call {
        given: Option<Carried<HostArguments>>,
    },
    Destroy {
        resource: Option<HostResource>,
        rep: u32,
        /// What the resource stands for.
        kept: Option<Carried<Py<PyAny>>>,
    },
}

impl Request {
    fn new(callback: &Callback, reason: Reason) -> Arc<Mutex<Request>> {
        Arc::new(Mutex::new(Request {
            callable: callback.callable.clone(),
            reason,
            context: None,
            resources: None,
            borrows: Vec::new(),
            result: None,
        }))
    }
}

impl HostCall for Request {
    fn call<'py>(&mut self, py: Python<'py>, shared: &Arc<Shared>) -> PyResult<Bound<'py, PyAny>> {
        let context = Bound::new(py, StoreContext::new(shared.clone()))?;
        self.context = Some(Carried::new(context.clone().unbind()));
        match &mut self.reason {
            Reason::Call { given } => {
                let Some(given) = given.take() else { return Ok(py.None().into_bound(py)) };
                let HostArguments { values, resources } = given.into_inner();
                if !resources.is_empty() {
                    set_store(&resources, shared.enter_nested()?.ctx().data());
                    self.resources = Some(Carried::new(resources));
                }
                invoke(&self.callable, &context, values.into_iter().map(|value| value.into_bound(py)))
            }
            Reason::Destroy { resource, rep, kept } => {
                *kept = resource.and_then(|resource| shared.objects.take_resource(resource)).map(Carried::new);
                invoke(&self.callable, &context, [PyInt::new(py, *rep).into_any()])
            }
        }
    }

    fn complete(&mut self, result: Bound<'_, PyAny>, _shared: &Arc<Shared>) -> PyResult<()> {
        match &mut self.reason {
            Reason::Call { .. } => self.result = Some(Carried::new(result.unbind())),
            // Its finaliser may use the store.
            Reason::Destroy { kept, .. } => drop(kept.take()),
        }
        Ok(())
    }

    fn expire(&mut self) {
        if let Some(context) = &self.context {
            context.get().frame().expire();
        }
        if let Some(resources) = self.resources.take() {
            self.borrows.extend(take_borrows(&resources));
        }
    }
}
