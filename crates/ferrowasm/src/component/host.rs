//! Python callables that components call: host functions and destructors of resources.

use std::sync::Arc;

use pyo3::prelude::*;
use pyo3::types::PyInt;
use wasmtime::StoreContextMut;

use super::abi::{HostArguments, HostParams, HostResult};
use crate::asyncio;
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
        let result = gil::callback(|py| {
            let HostArguments { values, resources } = params.into_arguments();
            for resource in &resources {
                resource.get().set_store(ctx.data());
            }
            let args = values.into_iter().map(|value| value.into_bound(py));
            let result = {
                let _parking = shared.park_context(&mut ctx);
                self.invoke(py, &shared, args)
            };
            let returned = resources.iter().filter_map(|resource| resource.get().take_borrow(py));
            let returned = returned.map(|borrow| borrow.resource_drop(&mut ctx).or_raise(py));
            // What the callable raised says more than what follows from it.
            let returned = returned.fold(Ok(()), PyResult::and);
            let result = result?;
            returned?;
            Ok(HostResult::new(shared.clone(), result.unbind()))
        })?;
        shared.deadlines.check()?;
        Ok(result)
    }

    /// Calls the callable as the destructor of a resource, whose type has this number if that is known.
    pub(crate) fn destroy(
        &self,
        mut ctx: StoreContextMut<'_, Data>,
        ty: Option<u32>,
        rep: u32,
    ) -> wasmtime::Result<()> {
        let shared = ctx.data().shared.clone();
        gil::callback(|py| {
            let _parking = shared.park_context(&mut ctx);
            // What the resource stands for lives until the destructor is done.
            let _kept = ty.and_then(|ty| shared.objects.take_resource(HostResource { ty, rep }));
            self.invoke(py, &shared, [PyInt::new(py, rep).into_any()]).map(drop)
        })
    }

    fn invoke<'py>(
        &self,
        py: Python<'py>,
        shared: &Arc<Shared>,
        args: impl IntoIterator<Item = Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let callable = self.callable.get_owned(py)?;
        let context = Bound::new(py, StoreContext::new(shared.clone()))?;
        let result = vectorcall::call_python(&callable, std::iter::once(context.clone().into_any()).chain(args));
        context.get().frame().expire();
        match result {
            Ok(value) if asyncio::is_awaitable(&value) => Err(asyncio::refuse(&value, asyncio::NOT_IN_COMPONENTS)),
            result => result,
        }
    }
}
