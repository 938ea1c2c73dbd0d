//! The types that stand for Python values in the engine's typed interface for components.
//!
//! The engine's `Lower` and `Lift` are made for types that are known when the host is compiled. Here the interface type
//! is looked at when a call is made (`Tuple`), so type checks always succeed. The engine is pinned exactly, because
//! this is outside its promise of compatibility.
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use wasmtime::component::__internal::wasmtime_environ::component::{TypeResourceTableIndex, TypeTupleIndex};
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext, bad_type_info,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Func, Lift, Lower, ResourceType, TypedFunc};
use wasmtime::{AsContext, AsContextMut, Result, ValRaw};

use super::image::Image;
use super::lift::{Form, Lifting, Number, Origin};
use super::lower::Lowering;
use super::shape::Tuple;
use crate::component::resource::ResourceAny as PyResourceAny;
use crate::gil;

/// `MAX_FLAT_PARAMS` of the canonical ABI: with more core values than these, parameters are passed in memory.
const MAX_FLAT_PARAMS: usize = 16;
/// `MAX_FLAT_RESULTS` of the canonical ABI.
const MAX_FLAT_RESULTS: usize = 1;

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

// ---- calls into a component ----

/// The parameters of a call.
pub(crate) struct Arguments<'a>(pub(crate) &'a Image);

// SAFETY: `Lower` is a sequence of `ValRaw`s. `typecheck` accepts every type because the image was made for the very
// function that is called (see `call`). The ABI constant is not used for parameters that are passed in up to
// `MAX_FLAT_PARAMS` registers, which the length of `Lower` makes all of these; `Image` itself passes them in memory
// where the canonical ABI says so.
unsafe impl ComponentType for Arguments<'_> {
    type Lower = [ValRaw; MAX_FLAT_PARAMS];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        record_probe(*ty, types);
        Ok(())
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
pub(crate) enum Returned {
    Nothing,
    Number(Number),
    Object { value: Py<PyAny>, resources: Vec<Py<PyResourceAny>> },
}

// SAFETY: as for `Arguments`: one register holds the result, or the address of it.
unsafe impl ComponentType for Returned {
    type Lower = ValRaw;
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        record_probe(*ty, types);
        Ok(())
    }
}

// SAFETY: reads the register only, and memory through bounds checks.
unsafe impl Lift for Returned {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &ValRaw) -> Result<Returned> {
        let results = Tuple::of(cx.types, tuple_index(ty));
        let Some(member) = results.members.first() else { return Ok(Returned::Nothing) };
        if member.shape.is_number() {
            return Ok(Returned::Number(Number::lift(&member.shape, Origin::Flat(&mut [*src].iter()))?));
        }
        let form = FORM.get();
        gil::attached(|py| {
            let mut lifting = Lifting::new(py, cx, form);
            let object = if results.fits(MAX_FLAT_RESULTS) {
                lifting.value(&member.shape, Origin::Flat(&mut [*src].iter()))?
            } else {
                let bytes = lifting.memory(src.get_u32() as usize, results.size, results.align)?;
                lifting.value(&member.shape, Origin::Memory(bytes))?
            };
            Ok(Returned::Object { value: object.unbind(), resources: lifting.into_resources() })
        })
    }

    fn linear_lift_from_memory(_cx: &mut LiftContext<'_>, _ty: InterfaceType, _bytes: &[u8]) -> Result<Returned> {
        bad_type_info()
    }
}

// SAFETY: it stands for a list of results, see `ComponentType`.
unsafe impl ComponentNamedList for Returned {}

/// What is worked out once about a function of an instance.
pub(crate) struct Probed {
    func: Func,
    pub(crate) params: Arc<Tuple>,
    /// The resource types that occur in the parameters, in this instance.
    pub(crate) resources: Vec<(TypeResourceTableIndex, ResourceType)>,
}

type Probe = (Arc<Tuple>, Vec<(TypeResourceTableIndex, ResourceType)>);

/// Sets the form of the result of the call that ends next on this thread: `Lift` has no other way to learn it.
struct Wanted(Form);

impl Wanted {
    fn new(form: Form) -> Wanted {
        Wanted(FORM.replace(form))
    }
}

impl Drop for Wanted {
    /// Calls nest, so the one before is the next to end.
    fn drop(&mut self) {
        FORM.set(self.0);
    }
}

thread_local! {
    static FORM: Cell<Form> = const { Cell::new(Form { tagged: false, buffers: false }) };
    /// What `typecheck` finds out for `probe`; `None` while nobody asks.
    static PROBE: RefCell<Option<Vec<Probe>>> = const { RefCell::new(None) };
}

fn record_probe(ty: InterfaceType, types: &InstanceType<'_>) {
    let tuple = Tuple::of(types.types, tuple_index(ty));
    let resources = tuple.resources().into_iter().map(|index| (index, types.resource_type(index))).collect();
    PROBE.with_borrow_mut(|probe| {
        if let Some(probe) = probe {
            probe.push((tuple, resources));
        }
    });
}

/// Looks at the type of a function. The engine shows its own type tables to type checks only.
pub(crate) fn probe(ctx: impl AsContext, func: Func) -> Result<Probed> {
    PROBE.with_borrow_mut(|probe| *probe = Some(Vec::new()));
    let checked = func.typed::<Arguments<'_>, Returned>(ctx);
    let found = PROBE.with_borrow_mut(Option::take).unwrap_or_default();
    checked?;
    let [(params, resources), _results] = <[Probe; 2]>::try_from(found)
        .map_err(|_| wasmtime::Error::msg("the engine checked a function type in an unknown way"))?;
    Ok(Probed { func, params, resources })
}

impl Probed {
    /// Calls the function, in its own store, with parameters that were lowered for it. The result is to have this form.
    pub(crate) fn call(&self, ctx: impl AsContextMut, image: &Image, form: Form) -> Result<Returned> {
        let _wanted = Wanted::new(form);
        // SAFETY: `new_unchecked` wants the types to match the function's: `image` was made from `self.params` by the
        // callers, and `Returned` goes by the type that the engine hands to it.
        let func = unsafe { TypedFunc::<Arguments<'_>, Returned>::new_unchecked(self.func) };
        func.call(ctx, Arguments(image))
    }
}

// ---- calls out of a component ----

/// The arguments with which a component calls a host function.
pub(crate) struct HostParams {
    pub(crate) values: Vec<Py<PyAny>>,
    /// Resources among them or inside them. They have to be told their store.
    pub(crate) resources: Vec<Py<PyResourceAny>>,
}

// SAFETY: `Lower` is a sequence of no `ValRaw`s, so that the engine has always enough of them; see `Lift` for how the
// others are reached.
unsafe impl ComponentType for HostParams {
    type Lower = [ValRaw; 0];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

impl HostParams {
    fn lift(cx: &mut LiftContext<'_>, params: &Tuple, origin: Passed<'_>) -> Result<HostParams> {
        gil::attached(|py| {
            let mut lifting = Lifting::new(py, cx, Form::default());
            let values = match origin {
                Passed::Registers(registers) => {
                    lifting.members(&params.members, Origin::Flat(&mut registers.iter()))?
                }
                Passed::Memory(address) => {
                    let bytes = lifting.memory(address, params.size, params.align)?;
                    lifting.members(&params.members, Origin::Memory(bytes))?
                }
            };
            Ok(HostParams {
                values: values.into_iter().map(Bound::unbind).collect(),
                resources: lifting.into_resources(),
            })
        })
    }
}

/// How parameters reach a host function.
enum Passed<'a> {
    Registers(&'a [ValRaw]),
    Memory(usize),
}

// SAFETY: registers are read as described below, memory through bounds checks.
unsafe impl Lift for HostParams {
    fn linear_lift_from_flat(cx: &mut LiftContext<'_>, ty: InterfaceType, src: &[ValRaw; 0]) -> Result<HostParams> {
        let params = Tuple::of(cx.types, tuple_index(ty));
        let Some(count) = params.flat else { return bad_type_info() };
        // SAFETY: the engine's `StaticHostFn::lift_params` makes `src` from a slice of all the initialised registers
        // that hold the parameters, which are as many as the flat count of their tuple type.
        let registers = unsafe { std::slice::from_raw_parts(src.as_ptr(), count) };
        HostParams::lift(cx, &params, Passed::Registers(registers))
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<HostParams> {
        let params = Tuple::of(cx.types, tuple_index(ty));
        // An empty slice of the guest's memory, which tells the address.
        let address = bytes.as_ptr().addr() - cx.memory().as_ptr().addr();
        HostParams::lift(cx, &params, Passed::Memory(address))
    }
}

// SAFETY: it stands for a list of parameters, see `ComponentType`.
unsafe impl ComponentNamedList for HostParams {}

/// What a host function returned.
pub(crate) struct HostResult {
    store_id: u64,
    value: Mutex<Option<Py<PyAny>>>,
}

impl HostResult {
    pub(crate) fn new(store_id: u64, value: Py<PyAny>) -> HostResult {
        HostResult { store_id, value: Mutex::new(Some(value)) }
    }

    /// Converts the result for the guest, and lets go of the Python object.
    fn lower<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType) -> Result<(Arc<Tuple>, Image)> {
        let results = Tuple::again(cx.types, tuple_index(ty));
        let resource_type = |index| Some(cx.resource_type(index));
        gil::attached(|py| {
            let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
            let value = value.unwrap_or_else(|| py.None()).into_bound(py);
            let image = Lowering::new(py, self.store_id, &resource_type).result(&results, &value)?;
            Ok((results, image))
        })
    }
}

// SAFETY: as for `HostParams`.
unsafe impl ComponentType for HostResult {
    type Lower = [ValRaw; 0];
    const ABI: CanonicalAbiInfo = CanonicalAbiInfo::ZERO;

    fn typecheck(_ty: &InterfaceType, _types: &InstanceType<'_>) -> Result<()> {
        Ok(())
    }
}

// SAFETY: the register is written as described below, memory through bounds checks.
unsafe impl Lower for HostResult {
    fn linear_lower_to_flat<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        ty: InterfaceType,
        dst: &mut MaybeUninit<[ValRaw; 0]>,
    ) -> Result<()> {
        let (results, image) = self.lower(cx, ty)?;
        let mut registers = [0; MAX_FLAT_RESULTS];
        image.write(cx, None, &mut registers)?;
        if results.flat == Some(1) {
            // SAFETY: the engine's `StaticHostFn::lower_result` makes `dst` from a slice of as many registers as the
            // flat count of the results, here one.
            unsafe { dst.as_mut_ptr().cast::<ValRaw>().write(ValRaw::u64(registers[0])) };
        }
        Ok(())
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, offset: usize) -> Result<()> {
        let (_, image) = self.lower(cx, ty)?;
        image.write(cx, Some(offset), &mut [])
    }
}

// SAFETY: it stands for a list of results, see `ComponentType`.
unsafe impl ComponentNamedList for HostResult {}
