//! Calls into a component.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::mem::MaybeUninit;
use std::pin::pin;
use std::ptr::NonNull;
use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext, bad_type_info,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower, TypedFunc};
use wasmtime::{AsContextMut, Error, Result, StoreContextMut, ValRaw};

use super::probe::{Probed, record};
use super::{Carried, MAX_FLAT_PARAMS, MAX_FLAT_RESULTS};
use crate::asyncio;
use crate::component::abi::image::Image;
use crate::component::abi::lift::{Form, Lifting, Number, Origin};
use crate::component::abi::shape::Tuple;
use crate::component::resource::ResourceAny as PyResourceAny;
use crate::gil;
use crate::store::Data;

/// Stands for the parameters of a call, which the `Call` knows.
pub(super) struct Arguments(NonNull<Call<'static>>);

impl Arguments {
    fn of(call: &Call<'_>) -> Arguments {
        Arguments(NonNull::from(call).cast())
    }

    fn call(&self) -> &Call<'_> {
        // SAFETY: the engine lets go of the parameters before the call, which is further down on this thread's stack or
        // part of the same future, is gone.
        unsafe { self.0.as_ref() }
    }
}

// SAFETY: it is a reference to a `Call`, which is `Sync`.
unsafe impl Send for Arguments {}
// SAFETY: as above.
unsafe impl Sync for Arguments {}

// SAFETY: `Lower` is a sequence of `ValRaw`s. `typecheck` accepts every type because the image was made for the very
// function that is called (see `call`). The ABI constant is not used for parameters that are passed in up to
// `MAX_FLAT_PARAMS` registers, which the length of `Lower` makes all of these; `Image` itself passes them in memory
// where the canonical ABI says so.
unsafe impl ComponentType for Arguments {
    type Lower = [ValRaw; MAX_FLAT_PARAMS];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        record(*ty, types)
    }
}

// SAFETY: as many registers are initialised as the function that is called takes.
unsafe impl Lower for Arguments {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _ty: InterfaceType,
        dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        // SAFETY: an array of values that may be uninitialised is a `MaybeUninit` of the array.
        let registers = unsafe { &mut *dst.as_mut_ptr().cast::<[MaybeUninit<ValRaw>; MAX_FLAT_PARAMS]>() };
        match &self.call().image {
            Source::Borrowed(image) => image.write(cx, None, registers),
            // It is let go of as soon as the guest has its copy.
            Source::Owned(image) => {
                let image = image.lock().unwrap_or_else(PoisonError::into_inner).take();
                let image = image.ok_or_else(|| Error::msg("the parameters of a call were passed before"))?;
                image.write(cx, None, registers)
            }
        }
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
unsafe impl ComponentNamedList for Arguments {}

/// The result of a call.
pub(crate) enum Returned {
    Nothing,
    Number(Number),
    Object { value: Py<PyAny>, resources: Vec<Py<PyResourceAny>> },
}

impl Returned {
    /// The result, of a call in the store that this is the data of.
    pub(crate) fn into_python<'py>(self, py: Python<'py>, data: &Data) -> Bound<'py, PyAny> {
        let value = match self {
            Returned::Nothing => py.None(),
            Returned::Number(number) => number.to_python(py),
            Returned::Object { value, resources } => {
                resources.iter().for_each(|resource| resource.get().set_store(data));
                value
            }
        };
        value.into_bound(py)
    }
}

/// Where the parameters are: a synchronous call, which runs on the ordinary stack, borrows them, and an asynchronous one,
/// which runs on a fiber, has them to itself.
enum Source<'a> {
    Borrowed(&'a Image),
    Owned(&'a Mutex<Option<Carried<Image>>>),
}

/// A call: what the engine has no place for.
pub(crate) struct Call<'a> {
    func: TypedFunc<Arguments, Lifted>,
    image: Source<'a>,
    results: &'a Tuple,
    form: Form,
    returned: Cell<Option<Carried<Returned>>>,
}

// SAFETY: the cells are used by the thread that runs the call, and, while that waits for the conversion of its result,
// by the one that converts it.
unsafe impl Sync for Call<'_> {}

thread_local! {
    /// The innermost call that has not come back.
    static CALL: Cell<Option<NonNull<Call<'static>>>> = const { Cell::new(None) };
}

/// The call whose result the engine passes on now.
///
/// Never a part of its callers: a fiber may move to another thread in the middle of them.
#[inline(never)]
fn current<'a>() -> Result<&'a Call<'a>> {
    let Some(call) = CALL.get() else { return Err(Error::msg("a result was passed on outside of any call")) };
    // SAFETY: `Call::run` has put the pointer there, further up on this thread's stack, and takes it away before the
    // call is gone. Who asks is called by it; if that is suspended, which an asynchronous call is with its fiber, the
    // call, which is part of the future that owns the fiber, stays where it is.
    Ok(unsafe { call.cast::<Call<'a>>().as_ref() })
}

impl Call<'_> {
    /// Calls the function, in its own store.
    pub(crate) fn make(&self, ctx: impl AsContextMut) -> Result<()> {
        self.run(|| self.func.call(ctx, Arguments::of(self))).map(drop)
    }

    /// What the function returned. To be called once, and after the call.
    pub(crate) fn take_returned(&self) -> Result<Carried<Returned>> {
        self.returned.take().ok_or_else(|| Error::msg("the engine has not passed on the result of a call"))
    }

    /// Runs `work` as this call, or a part of it. Calls nest: each one is out of the way when the one before it goes on.
    fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        struct Restore<'c> {
            innermost: &'c Cell<Option<NonNull<Call<'static>>>>,
            outer: Option<NonNull<Call<'static>>>,
        }
        impl Drop for Restore<'_> {
            fn drop(&mut self) {
                self.innermost.set(self.outer);
            }
        }
        CALL.with(|innermost| {
            let outer = innermost.replace(Some(NonNull::from(self).cast()));
            let _restore = Restore { innermost, outer };
            work()
        })
    }

    fn lift(&self, cx: &mut LiftContext<'_>, register: &ValRaw) -> Result<Returned> {
        let Some(member) = self.results.members.first() else { return Ok(Returned::Nothing) };
        let registers = &mut std::slice::from_ref(register).iter();
        if member.shape.is_number() {
            return Ok(Returned::Number(Number::lift(&member.shape, Origin::Flat(registers))?));
        }
        let lift = |py: Python<'_>| {
            let mut lifting = Lifting::new(py, cx, self.form);
            let object = if self.results.fits(MAX_FLAT_RESULTS) {
                lifting.value(&member.shape, Origin::Flat(registers))?
            } else {
                let bytes = lifting.memory(register.get_u32() as usize, self.results.size, self.results.align)?;
                lifting.value(&member.shape, Origin::Memory(bytes))?
            };
            Ok(Returned::Object { value: object.unbind(), resources: lifting.into_resources() })
        };
        match self.image {
            // The ordinary stack.
            Source::Borrowed(_) => gil::attached(lift),
            // SAFETY: a lifting uses the engine's tables and the guest's memory, which are nobody else's while this
            // waits.
            Source::Owned(_) => unsafe { asyncio::convert(lift) },
        }
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
        // What is lifted is the result of this call: those inside it have come back.
        let call = current()?;
        call.returned.set(Some(Carried::new(call.lift(cx, src)?)));
        Ok(Lifted)
    }

    fn linear_lift_from_memory(_cx: &mut LiftContext<'_>, _ty: InterfaceType, _bytes: &[u8]) -> Result<Lifted> {
        bad_type_info()
    }
}

// SAFETY: it stands for a list of results, see `ComponentType`.
unsafe impl ComponentNamedList for Lifted {}

impl Probed {
    /// The function, as the engine calls it.
    fn typed(&self) -> TypedFunc<Arguments, Lifted> {
        // SAFETY: `new_unchecked` wants the types to match the function's: images are made from `self.params` by the
        // callers, and `Lifted` goes by `self.results`.
        unsafe { TypedFunc::new_unchecked(self.func) }
    }

    /// A call, with parameters that were lowered for it. The result will be in this form.
    pub(crate) fn call<'a>(&'a self, image: &'a Image, form: Form) -> Call<'a> {
        Call {
            func: self.typed(),
            image: Source::Borrowed(image),
            results: &self.results,
            form,
            returned: Cell::default(),
        }
    }

    /// Calls the function asynchronously.
    pub(crate) fn call_async<'c>(
        &self,
        mut ctx: StoreContextMut<'c, Data>,
        image: Image,
        form: Form,
    ) -> impl Future<Output = Result<Carried<Returned>>> + Send + use<'c> {
        let (func, results, image) = (self.typed(), self.results.clone(), Carried::new(image));
        async move {
            let image = Mutex::new(Some(image));
            let call = Call { func, image: Source::Owned(&image), results: &results, form, returned: Cell::default() };
            {
                let mut engine = pin!(call.func.call_async(&mut ctx, Arguments::of(&call)));
                poll_fn(|cx| call.run(|| engine.as_mut().poll(cx))).await?;
            }
            call.take_returned()
        }
    }
}
