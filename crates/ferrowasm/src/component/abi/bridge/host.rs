//! Calls out of a component.

use std::mem::MaybeUninit;
use std::sync::{Arc, Mutex, PoisonError};

use pyo3::prelude::*;
use smallvec::SmallVec;
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext, bad_type_info,
};
use wasmtime::component::{ComponentNamedList, ComponentType, Lift, Lower};
use wasmtime::{Result, ValRaw};

use super::{Carried, MAX_FLAT_RESULTS, tuple_index};
use crate::asyncio;
use crate::component::abi::image::Image;
use crate::component::abi::lift::{Form, Lifting, Origin};
use crate::component::abi::lower::Lowering;
use crate::component::abi::shape::Tuple;
use crate::component::resource::ResourceAny as PyResourceAny;
use crate::store::cell::Shared;

/// The arguments with which a component calls a host function.
pub(crate) struct HostParams(Carried<HostArguments>);

pub(crate) struct HostArguments {
    pub(crate) values: SmallVec<[Py<PyAny>; 4]>,
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
    pub(crate) fn into_arguments(self) -> Carried<HostArguments> {
        self.0
    }

    fn lift(cx: &mut LiftContext<'_>, params: &Tuple, origin: Passed<'_>) -> Result<HostParams> {
        let lift = |py: Python<'_>| {
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
            let values = values.into_iter().map(Bound::unbind).collect();
            Ok(HostParams(Carried::new(HostArguments { values, resources: lifting.into_resources() })))
        };
        // SAFETY: a lifting uses the engine's tables and the guest's memory, which are nobody else's while this waits.
        unsafe { asyncio::convert(lift) }
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
        let params = Tuple::of(cx.types, tuple_index(ty))?;
        let Some(count) = params.flat else { return bad_type_info() };
        // SAFETY: the engine's `StaticHostFn::lift_params` makes `src` from a slice of all the initialised registers
        // that hold the parameters, which are as many as the flat count of their tuple type.
        let registers = unsafe { std::slice::from_raw_parts(src.as_ptr(), count) };
        HostParams::lift(cx, &params, Passed::Registers(registers))
    }

    fn linear_lift_from_memory(cx: &mut LiftContext<'_>, ty: InterfaceType, bytes: &[u8]) -> Result<HostParams> {
        let params = Tuple::of(cx.types, tuple_index(ty))?;
        // An empty slice of the guest's memory, which tells the address.
        let address = bytes.as_ptr().addr() - cx.memory().as_ptr().addr();
        HostParams::lift(cx, &params, Passed::Memory(address))
    }
}

// SAFETY: it stands for a list of parameters, see `ComponentType`.
unsafe impl ComponentNamedList for HostParams {}

/// What a host function returned.
pub(crate) struct HostResult {
    shared: Arc<Shared>,
    /// Taken when it is lowered.
    value: Mutex<Option<Carried<Py<PyAny>>>>,
}

impl HostResult {
    pub(crate) fn new(shared: Arc<Shared>, value: Carried<Py<PyAny>>) -> HostResult {
        HostResult { shared, value: Mutex::new(Some(value)) }
    }

    /// Converts the result for the guest into `image`, which is new, and lets go of the Python object.
    fn lower<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, image: &mut Image) -> Result<Arc<Tuple>> {
        let results = Tuple::again(cx.types, tuple_index(ty))?;
        let resource_type = |index| Some(cx.resource_type(index));
        let lower = |py: Python<'_>| {
            let value = self.value.lock().unwrap_or_else(PoisonError::into_inner).take();
            let value = value.map_or_else(|| py.None(), Carried::into_inner).into_bound(py);
            Lowering::new(py, &self.shared, &resource_type, image).result(&results, &value)
        };
        // SAFETY: a lowering looks at the engine's types, which are nobody else's while this waits.
        unsafe { asyncio::convert(lower) }?;
        Ok(results)
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
        let mut image = Carried::new(Image::default());
        let results = self.lower(cx, ty, &mut image)?;
        let count = results.flat.filter(|count| *count <= MAX_FLAT_RESULTS).unwrap_or_default();
        // SAFETY: the engine's `StaticHostFn::lower_result` makes `dst` from a slice of as many registers as the flat count
        // of the results, and does not call this with more of them than may be flat.
        let registers = unsafe { std::slice::from_raw_parts_mut(dst.as_mut_ptr().cast(), count) };
        image.write(cx, None, registers)
    }

    fn linear_lower_to_memory<T>(&self, cx: &mut LowerContext<'_, T>, ty: InterfaceType, offset: usize) -> Result<()> {
        let mut image = Carried::new(Image::default());
        self.lower(cx, ty, &mut image)?;
        image.write(cx, Some(offset), &mut [])
    }
}

// SAFETY: it stands for a list of results, see `ComponentType`.
unsafe impl ComponentNamedList for HostResult {}
