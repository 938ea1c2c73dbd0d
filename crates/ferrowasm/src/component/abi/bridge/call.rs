//! Calls into a component.

use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use pyo3::prelude::*;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext, bad_type_info,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut, Error, Result, ValRaw};

use super::probe::{Probed, record};
use super::{MAX_FLAT_PARAMS, MAX_FLAT_RESULTS};
use crate::component::abi::image::Image;
use crate::component::abi::lift::{Form, Lifting, Number, Origin};
use crate::component::abi::shape::Tuple;
use crate::component::resource::ResourceAny as PyResourceAny;
use crate::gil;

/// The parameters of a call.
pub(super) struct Arguments<'a>(&'a Image);

// SAFETY: `Lower` is a sequence of `ValRaw`s. `typecheck` accepts every type because the image was made for the very
// function that is called (see `call`). The ABI constant is not used for parameters that are passed in up to
// `MAX_FLAT_PARAMS` registers, which the length of `Lower` makes all of these; `Image` itself passes them in memory
// where the canonical ABI says so.
unsafe impl ComponentType for Arguments<'_> {
    type Lower = [ValRaw; MAX_FLAT_PARAMS];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        record(*ty, types)
    }
}

// SAFETY: all of `dst` is initialised, with the values that the canonical ABI wants first.
unsafe impl Lower for Arguments<'_> {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        let mut registers = [0; MAX_FLAT_PARAMS];
        self.0.write(cx, None, &mut registers)?;
        dst.write(registers.map(ValRaw::u64));
        Ok(())
    }

    fn linear_lower_to_memory<T>(
        &self,
        _cx: &mut LowerContext<'_, T>,
        _ty: InterfaceType,
        _offset: usize,
    ) -> Result<()> {
        bad_type_info()
    }
}

// SAFETY: it stands for a list of parameters, see `ComponentType`.
unsafe impl ComponentNamedList for Arguments<'_> {}

/// The result of a call.
#[derive(Default)]
pub(crate) enum Returned {
    #[default]
    Nothing,
    Number(Number),
    Object {
        value: Py<PyAny>,
        resources: Vec<Py<PyResourceAny>>,
    },
}

/// A call that is under way on this thread: what the engine has no place for.
struct Call<'a> {
    results: &'a Tuple,
    form: Form,
    /// Stays here: the engine would drop Python objects while the interpreter is detached.
    returned: Cell<Returned>,
}

thread_local! {
    /// The innermost call that has not come back.
    static CALL: Cell<Option<NonNull<Call<'static>>>> = const { Cell::new(None) };
}

impl Call<'_> {
    /// Runs `work` as this call. Calls nest: each one is out of the way when the one before it goes on.
    fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Restore(Option<NonNull<Call<'static>>>);
        impl Drop for Restore {
            fn drop(&mut self) {
                CALL.set(self.0);
            }
        }
        let _restore = Restore(CALL.replace(Some(NonNull::from(self).cast())));
        work()
    }
}

/// Stands for the result of a call, which goes to the `Call`.
pub(super) struct Lifted;

// SAFETY: as for `Arguments`: one register holds the result, or the address of it.
unsafe impl ComponentType for Lifted {
    type Lower = ValRaw;
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        record(*ty, types)
    }
}

// SAFETY: reads the register only, and memory through bounds checks.
unsafe impl Lift for Lifted {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, _ty: InterfaceType, src: &ValRaw) -> Result<Lifted> {
        let Some(call) = CALL.get() else { return Err(Error::msg("a result came outside of any call")) };
        // SAFETY: `Call::run` has put the pointer there, further up on this thread's stack, and takes it away before
        // the call is gone. What is lifted is the result of that call: those inside it have come back.
        let call: &Call<'static> = unsafe { call.as_ref() };
        call.returned.set(lift(cx, call.results, call.form, src)?);
        Ok(Lifted)
    }

    fn linear_lift_from_memory(_cx: &mut LiftContext<'_>, _ty: InterfaceType, _bytes: &[u8]) -> Result<Lifted> {
        bad_type_info()
    }
}

// SAFETY: it stands for a list of results, see `ComponentType`.
unsafe impl ComponentNamedList for Lifted {}

fn lift(cx: &mut LiftContext<'_>, results: &Tuple, form: Form, register: &ValRaw) -> Result<Returned> {
    let Some(member) = results.members.first() else { return Ok(Returned::Nothing) };
    let registers = &mut std::slice::from_ref(register).iter();
    if member.shape.is_number() {
        return Ok(Returned::Number(Number::lift(&member.shape, Origin::Flat(registers))?));
    }
    gil::attached(|py| {
        let mut lifting = Lifting::new(py, cx, form);
        let object = if results.fits(MAX_FLAT_RESULTS) {
            lifting.value(&member.shape, Origin::Flat(registers))?
        } else {
            let bytes = lifting.memory(register.get_u32() as usize, results.size, results.align)?;
            lifting.value(&member.shape, Origin::Memory(bytes))?
        };
        Ok(Returned::Object { value: object.unbind(), resources: lifting.into_resources() })
    })
}

impl Probed {
    /// Calls the function, in its own store, with parameters that were lowered for it. The result, in this form, is
    /// put into `returned`, which has to be dropped with the interpreter attached.
    pub(crate) fn call(
        &self,
        ctx: impl AsContextMut,
        image: &Image,
        form: Form,
        returned: &mut Returned,
    ) -> Result<()> {
        // SAFETY: `new_unchecked` wants the types to match the function's: `image` was made from `self.params` by the
        // callers, and `Lifted` goes by `self.results`.
        let func = unsafe { TypedFunc::<Arguments<'_>, Lifted>::new_unchecked(self.func) };
        let call = Call { results: &self.results, form, returned: Cell::default() };
        let outcome = call.run(|| func.call(ctx, Arguments(image)));
        *returned = call.returned.into_inner();
        outcome.map(|_| ())
    }
}
