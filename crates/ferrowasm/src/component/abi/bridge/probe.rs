//! What the engine tells about the type of a function, to type checks only.

use std::cell::RefCell;
use std::sync::Arc;

use wasmtime::component::__internal::wasmtime_environ::component::TypeResourceTableIndex;
use wasmtime::component::__internal::{InstanceType, InterfaceType};
use wasmtime::component::{Func, ResourceType};
use wasmtime::{AsContext, Result};

use super::call::{Arguments, Lifted};
use super::tuple_index;
use crate::component::abi::shape::Tuple;

/// What is worked out once about a function of an instance.
pub(crate) struct Probed {
    pub(super) func: Func,
    pub(crate) params: Arc<Tuple>,
    pub(super) results: Arc<Tuple>,
    /// The resource types that occur in the parameters, in this instance.
    pub(crate) resources: Vec<(TypeResourceTableIndex, ResourceType)>,
}

type Found = (Arc<Tuple>, Vec<(TypeResourceTableIndex, ResourceType)>);

thread_local! {
    /// What `typecheck` finds out for `probe`; `None` while nobody asks.
    static PROBE: RefCell<Option<Vec<Found>>> = const { RefCell::new(None) };
}

/// Takes down what a type check sees.
pub(super) fn record(ty: InterfaceType, types: &InstanceType<'_>) -> Result<()> {
    let tuple = Tuple::of(types.types, tuple_index(ty))?;
    let resources = tuple.resources().into_iter().map(|index| (index, types.resource_type(index))).collect();
    PROBE.with_borrow_mut(|probe| {
        if let Some(probe) = probe {
            probe.push((tuple, resources));
        }
    });
    Ok(())
}

/// Looks at the type of a function.
pub(crate) fn probe(ctx: impl AsContext, func: Func) -> Result<Probed> {
    PROBE.with_borrow_mut(|probe| *probe = Some(Vec::new()));
    let checked = func.typed::<Arguments, Lifted>(ctx);
    let found = PROBE.with_borrow_mut(Option::take).unwrap_or_default();
    checked?;
    let [(params, resources), (results, _)] = <[Found; 2]>::try_from(found)
        .map_err(|_| wasmtime::Error::msg("the engine checked a function type in an unknown way"))?;
    Ok(Probed { func, params, results, resources })
}
