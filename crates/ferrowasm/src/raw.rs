//! Calls with raw values, in both directions: the engine trusts what it is given here.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::sync::Arc;

use wasmtime::{Func, FuncType, Linker, Ref, StoreContextMut, Val, ValRaw};

use crate::func::Callee;
use crate::host::HostFunc;
use crate::store::Data;
use crate::values::{Kind, Signature};

/// How many values lie on the stack; calls with more need memory from the heap.
const INLINE: usize = 8;

/// Arguments of a call, which its results replace.
pub(crate) struct Space {
    inline: [MaybeUninit<ValRaw>; INLINE],
    heap: Vec<MaybeUninit<ValRaw>>,
    slots: usize,
    /// How many slots, from the first one, have a value.
    filled: usize,
}

// SAFETY: a `ValRaw` is not `Send` because it may hold a pointer into a store. The space is lent to the closure that
// makes the call, which runs in place, on the same thread.
unsafe impl Send for Space {}

impl Space {
    /// Space for a call of a function with this signature.
    #[inline]
    pub(crate) fn new(signature: &Signature) -> Space {
        let slots = signature.slots();
        let heap = if slots > INLINE { vec![MaybeUninit::uninit(); slots] } else { Vec::new() };
        Space { inline: [const { MaybeUninit::uninit() }; INLINE], heap, slots, filled: 0 }
    }

    #[inline]
    fn all(&mut self) -> &mut [MaybeUninit<ValRaw>] {
        if self.slots <= INLINE { &mut self.inline[..self.slots] } else { &mut self.heap }
    }

    /// Adds an argument.
    #[inline]
    pub(crate) fn push(&mut self, value: ValRaw) {
        let position = self.filled;
        self.all()[position].write(value);
        self.filled += 1;
    }

    /// A result, or an argument if there was no call yet.
    #[inline]
    pub(crate) fn get(&mut self, position: usize) -> &ValRaw {
        assert!(position < self.filled);
        // SAFETY: the slot has a value (asserted).
        unsafe { self.all()[position].assume_init_ref() }
    }

    /// Calls `func`, for whose signature the space was made, in its own store, with the arguments that were pushed.
    ///
    /// `references` are the arguments that are references, with their positions, where anything may have been pushed.
    /// Each has to be of the type that the signature says, which is checked.
    #[inline]
    pub(crate) fn call(
        &mut self,
        mut ctx: StoreContextMut<'_, Data>,
        func: &Callee,
        references: &[(usize, Ref)],
    ) -> wasmtime::Result<()> {
        let signature = &func.signature;
        assert!(
            self.slots == signature.slots()
                && self.filled == signature.params.len()
                && references.len() == signature.references
                && ctx.data().shared.id == func.store_id
        );
        // From here to the call nothing collects garbage, which would invalidate the raw values.
        for (position, reference) in references {
            let value = Val::from(reference.clone());
            if !value.matches_ty(&ctx, &signature.params[*position].to_engine())? {
                return Err(wasmtime::Error::msg("a function was given a reference of another type"));
            }
            self.all()[*position].write(value.to_raw(&mut ctx)?);
        }
        // SAFETY: `call_unchecked` asks for a valid array with room for all parameters and all results (asserted),
        // arguments of the right types (numbers and vectors were pushed, of which any bits are valid; there are as many
        // references as the signature has, each checked for the position where it is), and no synchronous call inside `call_async`.
        unsafe { func.func.call_unchecked(&mut ctx, std::ptr::from_mut(self.all()) as *mut [ValRaw]) }?;
        self.filled = signature.results.len();
        Ok(())
    }

    /// The results of a call whose signature has references, which are rooted in the innermost scope of `ctx`. To be
    /// called before anything else is done with the store.
    pub(crate) fn results(&mut self, ctx: &mut StoreContextMut<'_, Data>, signature: &Signature) -> Vec<Val> {
        let types = signature.results.iter().map(Kind::to_engine).enumerate();
        // SAFETY: the engine wrote the results of a call of this signature in this store just now.
        types.map(|(position, ty)| unsafe { Val::from_raw(&mut *ctx, *self.get(position), ty) }).collect()
    }
}

/// The arguments of a host function, which its results replace.
pub(crate) struct HostSpace<'a> {
    slots: &'a mut [MaybeUninit<ValRaw>],
    /// How many slots, from the first one, have a value: the arguments, which the engine has written.
    filled: usize,
}

impl<'a> HostSpace<'a> {
    /// # Safety
    ///
    /// The engine gave `slots` to a host function with this signature.
    unsafe fn new(slots: &'a mut [MaybeUninit<ValRaw>], signature: &Signature) -> HostSpace<'a> {
        HostSpace { slots, filled: signature.params.len() }
    }

    #[inline]
    pub(crate) fn get(&self, position: usize) -> &ValRaw {
        assert!(position < self.filled);
        // SAFETY: an argument, which the engine promises to have written, or a result that took its place.
        unsafe { self.slots[position].assume_init_ref() }
    }

    #[inline]
    pub(crate) fn set(&mut self, position: usize, value: ValRaw) {
        self.slots[position].write(value);
    }

    /// The arguments, rooted in the innermost scope of `ctx`. To be called before anything else is done with the store.
    pub(crate) fn params(&self, ctx: &mut StoreContextMut<'_, Data>, signature: &Signature) -> Vec<Val> {
        let types = signature.params.iter().map(Kind::to_engine).enumerate();
        // SAFETY: the engine wrote the arguments of a function of this signature in this store just now.
        types.map(|(position, ty)| unsafe { Val::from_raw(&mut *ctx, *self.get(position), ty) }).collect()
    }

    /// Sets results, after which nothing may collect garbage before the host function returns. Each has to be of the
    /// type that the signature says, which is checked.
    pub(crate) fn set_results(
        &mut self,
        ctx: &mut StoreContextMut<'_, Data>,
        signature: &Signature,
        results: &[Val],
    ) -> wasmtime::Result<()> {
        for (position, (kind, result)) in signature.results.iter().zip(results).enumerate() {
            if !result.matches_ty(&*ctx, &kind.to_engine())? {
                return Err(wasmtime::Error::msg("a host function returned a value of another type"));
            }
            self.set(position, result.to_raw(&mut *ctx)?);
        }
        Ok(())
    }
}

/// Arguments or results of a host function, apart from the engine's own storage: numbers and vectors.
pub(crate) struct Plain(Vec<ValRaw>);

// SAFETY: a `ValRaw` is not `Send` because it may hold a pointer into a store, which these do not.
unsafe impl Send for Plain {}

impl Plain {
    /// The arguments of a host function whose signature is plain, with room for its results.
    pub(crate) fn new(space: &HostSpace<'_>, signature: &Signature) -> Plain {
        assert!(signature.is_plain);
        let mut values: Vec<_> = (0..signature.params.len()).map(|position| *space.get(position)).collect();
        values.resize(signature.slots(), ValRaw::i64(0));
        Plain(values)
    }

    pub(crate) fn values(&self) -> &[ValRaw] {
        &self.0
    }

    pub(crate) fn values_mut(&mut self) -> &mut [ValRaw] {
        &mut self.0
    }
}

/// Calls the function through which a host function suspends its fiber.
pub(crate) fn call_bridge(ctx: StoreContextMut<'_, Data>, bridge: Func) -> wasmtime::Result<()> {
    let mut nothing: [ValRaw; 0] = [];
    // SAFETY: as in `Space::call`; the function has neither parameters nor results. The engine rules out calls inside of
    // `call_async` because they may be suspended, so that what is on their stack is resumed on another thread, and
    // because they get a stack limit of their own. The frames between are those of our host functions, which hold
    // nothing that belongs to a thread and no borrowed interpreter (see `asyncio::fibers`), and no WebAssembly runs
    // under this call.
    unsafe { bridge.call_unchecked(ctx, &raw mut nothing[..]) }
}

/// Makes a function of a store out of a host function.
pub(crate) fn new_func(mut ctx: StoreContextMut<'_, Data>, ty: FuncType, host: Arc<HostFunc>) -> Func {
    // SAFETY: `new_unchecked` wants the closure to read only as many values as the type has parameters, and to write
    // results of the type's result types unless it returns an error: `HostFunc::call` goes by the signature that was
    // worked out from the same type.
    unsafe {
        Func::new_unchecked(&mut ctx, ty, move |caller, slots| {
            host.call(caller, HostSpace::new(slots, host.signature()))
        })
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
    // SAFETY: as in `new_func`.
    unsafe {
        linker.func_new_unchecked(module, name, ty, move |caller, slots| {
            host.call(caller, HostSpace::new(slots, host.signature()))
        })
    }?;
    Ok(())
}
