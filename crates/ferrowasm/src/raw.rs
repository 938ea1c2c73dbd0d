//! Calls with raw values, in both directions: the engine trusts what it is given here.
#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::sync::Arc;

use pyo3::prelude::*;
use wasmtime::{Func, FuncType, Linker, Ref, StoreContextMut, Val, ValRaw};

use crate::func::Callee;
use crate::host::HostFunc;
use crate::store::Data;
use crate::values::{self, Kind, Signature};

/// How many values lie on the stack; calls with more need memory from the heap.
const INLINE: usize = 8;

/// Room on the stack for the raw values of a call.
pub(crate) struct Slots([MaybeUninit<ValRaw>; INLINE]);

impl Slots {
    #[inline(always)]
    pub(crate) fn new() -> Slots {
        Slots([const { MaybeUninit::uninit() }; INLINE])
    }

    /// For a call of `func`, if there is room for it: no argument has been added yet.
    fn arguments<'r>(&'r mut self, func: &'r Callee) -> Option<Arguments<'r>> {
        self.0.get_mut(..func.signature.slots).map(|slots| Arguments { func, slots, filled: 0 })
    }

    /// Converts the arguments of a call of `func`, if there is room for it, there are as many as it wants, and they are
    /// what most are.
    #[inline(always)]
    pub(crate) fn fill<'r>(&'r mut self, func: &'r Callee, args: &[Bound<'_, PyAny>]) -> Option<Space<'r>> {
        let kinds = &*func.signature.params;
        let slots = self.0.get_mut(..func.signature.slots)?;
        if args.len() != kinds.len() {
            return None;
        }
        let mut filled = convert_instant(kinds, args, slots);
        while filled < args.len() {
            slots[filled].write(ValRaw::u64(values::quick(&kinds[filled], &args[filled])?));
            filled += 1;
            filled += convert_instant(&kinds[filled..], &args[filled..], &mut slots[filled..]);
        }
        Some(Space { func, slots, filled })
    }
}

/// Converts arguments as long as they are found without a call of the interpreter; gives how many there were.
// By itself, without calls, it has enough registers.
#[inline(never)]
fn convert_instant(kinds: &[Kind], args: &[Bound<'_, PyAny>], slots: &mut [MaybeUninit<ValRaw>]) -> usize {
    let (args, slots) = (&args[..kinds.len()], &mut slots[..kinds.len()]);
    for (position, kind) in kinds.iter().enumerate() {
        // Bits that go from a register to their slot: the processor would stall on a result that is written and copied.
        let Some(bits) = values::instant(kind, &args[position]) else { return position };
        slots[position].write(ValRaw::u64(bits));
    }
    kinds.len()
}

/// Room for the raw values of any call.
pub(crate) struct Room {
    inline: Slots,
    heap: Box<[MaybeUninit<ValRaw>]>,
}

impl Room {
    pub(crate) fn new() -> Room {
        Room { inline: Slots::new(), heap: Box::default() }
    }

    /// For a call of `func`: no argument has been added yet.
    pub(crate) fn arguments<'r>(&'r mut self, func: &'r Callee) -> Arguments<'r> {
        match self.inline.arguments(func) {
            Some(arguments) => arguments,
            None => {
                self.heap = Box::new_uninit_slice(func.signature.slots);
                Arguments { func, slots: &mut self.heap, filled: 0 }
            }
        }
    }
}

/// The arguments of a call as they come.
pub(crate) struct Arguments<'r> {
    func: &'r Callee,
    /// As many as the function's signature needs.
    slots: &'r mut [MaybeUninit<ValRaw>],
    /// How many of them, from the first one, have a value.
    filled: usize,
}

impl<'r> Arguments<'r> {
    /// Adds an argument.
    #[inline]
    pub(crate) fn push(&mut self, value: ValRaw) {
        self.slots[self.filled].write(value);
        self.filled += 1;
    }

    /// There are all of them.
    #[inline]
    pub(crate) fn complete(self) -> Space<'r> {
        assert_eq!(self.filled, self.func.signature.params.len());
        Space { func: self.func, slots: self.slots, filled: self.filled }
    }
}

/// The arguments of a call, which its results replace.
pub(crate) struct Space<'r> {
    func: &'r Callee,
    /// As many as the function's signature needs.
    slots: &'r mut [MaybeUninit<ValRaw>],
    /// How many of them, from the first one, have a value: all parameters, or all results.
    filled: usize,
}

// SAFETY: a `ValRaw` is not `Send` because it may hold a pointer into a store. The space is lent to the closure that
// makes the call, which runs in place, on the same thread.
unsafe impl Send for Space<'_> {}

impl Space<'_> {
    /// A result, or an argument if there was no call yet.
    #[inline]
    pub(crate) fn get(&self, position: usize) -> &ValRaw {
        assert!(position < self.filled);
        // SAFETY: the slot has a value (asserted).
        unsafe { self.slots[position].assume_init_ref() }
    }

    /// Calls the function in its store.
    ///
    /// `references` are the arguments that are references, with their positions, where anything may have been pushed.
    /// Each has to be of the type that the signature says, which is checked.
    #[inline(always)]
    pub(crate) fn call(
        &mut self,
        mut ctx: StoreContextMut<'_, Data>,
        references: &[(usize, Ref)],
    ) -> wasmtime::Result<()> {
        let signature = &self.func.signature;
        assert!(self.filled == signature.params.len() && references.len() == signature.references);
        // From here to the call nothing collects garbage, which would invalidate the raw values.
        for (position, reference) in references {
            let value = Val::from(reference.clone());
            if !value.matches_ty(&ctx, &signature.params[*position].to_engine())? {
                return Err(wasmtime::Error::msg("a function was given a reference of another type"));
            }
            self.slots[*position].write(value.to_raw(&mut ctx)?);
        }
        // SAFETY: `call_unchecked` asks for a valid array with room for all parameters and all results (`Room` has seen
        // to it), arguments of the right types (numbers and vectors were pushed, of which any bits are valid; there are
        // as many references as the signature has, each checked for the position where it is), and no synchronous call
        // inside `call_async`. That the function is one of the store it checks itself.
        unsafe { self.func.func.call_unchecked(&mut ctx, std::ptr::from_mut(&mut *self.slots) as *mut [ValRaw]) }?;
        self.filled = signature.results.len();
        Ok(())
    }

    /// The results of a call whose signature has references, which are rooted in the innermost scope of `ctx`. To be
    /// called before anything else is done with the store.
    pub(crate) fn results(&self, ctx: &mut StoreContextMut<'_, Data>) -> Vec<Val> {
        let types = self.func.signature.results.iter().map(Kind::to_engine).enumerate();
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
        values.resize(signature.slots, ValRaw::i64(0));
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
