//! The types that stand for Python values in the engine's typed interface for components.
//!
//! The engine's `Lower` and `Lift` are made for types that are known when the host is compiled. Here the interface type
//! is looked at when a call is made (`Tuple`), so type checks always succeed. The engine is pinned exactly, because
//! this is outside its promise of compatibility.
//!
//! - `probe`: looks at the type of a function.
//! - `call`: calls into a component.
//! - `host`: calls out of a component.
#![allow(unsafe_code)]

mod call;
mod host;
mod probe;

use std::mem::{ManuallyDrop, MaybeUninit};
use std::ops::{Deref, DerefMut};

use wasmtime::component::__internal::wasmtime_environ::component::TypeTupleIndex;
use wasmtime::component::__internal::{InterfaceType, bad_type_info};

use crate::asyncio;

pub(crate) use call::Returned;
pub(crate) use host::{HostArguments, HostParams, HostResult};
pub(crate) use probe::{Probed, probe};

/// `MAX_FLAT_PARAMS` of the canonical ABI: with more core values than these, parameters are passed in memory.
pub(super) const MAX_FLAT_PARAMS: usize = 16;
/// `MAX_FLAT_RESULTS` of the canonical ABI.
pub(super) const MAX_FLAT_RESULTS: usize = 1;

/// The value of something that was initialised before the engine was asked to overwrite it.
pub(super) fn initialised<T: Copy>(value: MaybeUninit<T>) -> T {
    // SAFETY: callers make it with `MaybeUninit::new`, and `ValRaw`s, which are all it holds, stay initialised whatever
    // is written.
    unsafe { value.assume_init() }
}

fn tuple_index(ty: InterfaceType) -> TypeTupleIndex {
    match ty {
        InterfaceType::Tuple(index) => index,
        _ => bad_type_info(),
    }
}

/// Python objects on their way through the engine, which drops them where it likes. They are released with the
/// interpreter attached, on the ordinary stack.
pub(crate) struct Carried<T: Send + 'static>(ManuallyDrop<T>);

impl<T: Send> Carried<T> {
    pub(crate) fn new(objects: T) -> Carried<T> {
        Carried(ManuallyDrop::new(objects))
    }

    pub(crate) fn into_inner(self) -> T {
        let mut whole = ManuallyDrop::new(self);
        // SAFETY: taken once: `whole` is not dropped, so the destructor below does not run.
        unsafe { ManuallyDrop::take(&mut whole.0) }
    }
}

impl<T: Send> Deref for Carried<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T: Send> DerefMut for Carried<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T: Send> Drop for Carried<T> {
    fn drop(&mut self) {
        // SAFETY: the destructor runs once, and nothing uses the value afterwards.
        asyncio::release(unsafe { ManuallyDrop::take(&mut self.0) });
    }
}
