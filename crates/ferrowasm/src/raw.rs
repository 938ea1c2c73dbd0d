//! Calls with raw values, in both directions: the engine trusts what it is given here.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::sync::Arc;

use smallvec::SmallVec;
use wasmtime::{Func, FuncType, Linker, StoreContextMut, ValRaw};

use crate::func::Callee;
use crate::host::HostFunc;
use crate::store::Data;

/// Arguments of a call, replaced by its results.
pub(crate) struct Space(SmallVec<[ValRaw; 8]>);

// SAFETY: a `ValRaw` is not `Send` because it may hold a pointer into a store. These hold numbers and vectors only
// (`Signature::is_plain`).
unsafe impl Send for Space {}

impl Space {
    pub(crate) fn new(slots: usize) -> Space {
        Space(SmallVec::from_elem(ValRaw::i64(0), slots))
    }

    /// With the arguments of a host function.
    pub(crate) fn of(args: &[MaybeUninit<ValRaw>], slots: usize) -> Space {
        let mut space = Space::new(slots);
        for (slot, raw) in space.0.iter_mut().zip(args) {
            *slot = *initialised(raw);
        }
        space
    }

    pub(crate) fn values(&self) -> &[ValRaw] {
        &self.0
    }

    pub(crate) fn values_mut(&mut self) -> &mut [ValRaw] {
        &mut self.0
    }
}

/// Calls `func`, whose signature is plain and for whose signature `space` was made, in its own store.
pub(crate) fn call(ctx: StoreContextMut<'_, Data>, func: &Callee, space: &mut Space) -> wasmtime::Result<()> {
    assert!(
        func.signature.is_plain && space.0.len() >= func.signature.slots() && ctx.data().shared.id == func.store_id
    );
    // SAFETY: `call_unchecked` asks for a valid array with room for all parameters and all results (asserted),
    // arguments of the right types (they are numbers and vectors: any bits are valid), valid references (there are
    // none), and no synchronous call inside `call_async`.
    unsafe { func.func.call_unchecked(ctx, &raw mut space.0[..]) }
}

/// Calls the function through which a host function suspends its fiber.
pub(crate) fn call_bridge(ctx: StoreContextMut<'_, Data>, bridge: Func) -> wasmtime::Result<()> {
    let mut nothing: [ValRaw; 0] = [];
    // SAFETY: as in `call`; the function has neither parameters nor results. The engine rules out calls inside of
    // `call_async` because they may be suspended, so that what is on their stack is resumed on another thread, and
    // because they get a stack limit of their own. The frames between are those of our host functions, which hold
    // nothing that belongs to a thread and no borrowed interpreter (see `asyncio::fibers`), and no WebAssembly runs
    // under this call.
    unsafe { bridge.call_unchecked(ctx, &raw mut nothing[..]) }
}

/// An argument that the engine has written before it calls a host function.
pub(crate) fn initialised(raw: &MaybeUninit<ValRaw>) -> &ValRaw {
    // SAFETY: only called for the parameters of a host function, which `Func::new_unchecked` promises to be
    // initialised.
    unsafe { raw.assume_init_ref() }
}

/// Makes a function of a store out of a host function.
pub(crate) fn new_func(mut ctx: StoreContextMut<'_, Data>, ty: FuncType, host: Arc<HostFunc>) -> Func {
    if host.is_plain() {
        // SAFETY: `new_unchecked` wants the closure to read only as many values as the type has parameters, and to
        // write results of the type's result types unless it returns an error: `call_plain` goes by the signature that
        // was worked out from the same type.
        unsafe { Func::new_unchecked(&mut ctx, ty, move |caller, space| host.call_plain(caller, space)) }
    } else {
        Func::new(&mut ctx, ty, move |caller, params, results| host.call_any(caller, params, results))
    }
}

/// Defines a host function in a linker, for all stores.
pub(crate) fn define_func(
    linker: &mut Linker<Data>,
    module: &str,
    name: &str,
    ty: FuncType,
    host: Arc<HostFunc>,
) -> wasmtime::Result<()> {
    if host.is_plain() {
        // SAFETY: as in `new_func`.
        unsafe { linker.func_new_unchecked(module, name, ty, move |caller, space| host.call_plain(caller, space)) }?;
    } else {
        linker.func_new(module, name, ty, move |caller, params, results| host.call_any(caller, params, results))?;
    }
    Ok(())
}
