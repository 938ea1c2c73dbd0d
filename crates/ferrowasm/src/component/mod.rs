//! The component model: `ferrowasm.component`.

mod abi;
pub(crate) mod compiled;
mod exports;
pub(crate) mod func;
mod host;
pub(crate) mod instance;
pub(crate) mod instance_pre;
pub(crate) mod linker;
pub(crate) mod linker_instance;
mod operations;
pub(crate) mod record;
pub(crate) mod resource;
pub(crate) mod types;
mod wasi;

use pyo3::prelude::*;

pub(crate) use abi::{Carried, Returned};
pub(crate) use resource::Abandoned;
pub(crate) use wasi::Preview2;

use wasmtime::StoreContextMut;

use crate::errors::component_error;
use crate::gil::{self, Pace};
use crate::store::Data;
use crate::store::cell::Entry;

/// Runs `work`, which may run a component, in a store that was entered and does not need a fiber.
fn run<R: Send>(
    py: Python<'_>,
    entry: &mut Entry<'_>,
    work: impl FnOnce(StoreContextMut<'_, Data>) -> wasmtime::Result<R> + Send,
) -> PyResult<R> {
    gil::run(py, entry, |ctx| Ok(work(ctx)))?.map_err(|error| component_error(py, &error))
}

/// Calls a function whose `pace` is known if its component imports nothing but Python callables, which come back
/// through the doorway. What else a component may import waits by itself, and runs with the interpreter released.
fn call<R: Send>(
    py: Python<'_>,
    entry: &mut Entry<'_>,
    pace: Option<&Pace>,
    work: impl FnOnce(StoreContextMut<'_, Data>) -> wasmtime::Result<R> + Send,
) -> PyResult<R> {
    let Some(pace) = pace else { return run(py, entry, work) };
    let room = entry.room();
    let ctx = entry.ctx();
    let policy = ctx.data().gil;
    gil::call(py, room, policy, pace, || Ok(work(ctx)))
        .map_err(|error| *error)?
        .map_err(|error| component_error(py, &error))
}

/// `ferrowasm.component._native`.
#[pymodule(submodule, name = "_component")]
pub(crate) mod component {
    use super::*;

    #[pymodule_export]
    use super::compiled::Component;
    #[pymodule_export]
    use super::compiled::ExportIndex;
    #[pymodule_export]
    use super::exports::InstanceExports;
    #[pymodule_export]
    use super::func::Func;
    #[pymodule_export]
    use super::instance::Instance;
    #[pymodule_export]
    use super::instance_pre::InstancePre;
    #[pymodule_export]
    use super::linker::Linker;
    #[pymodule_export]
    use super::linker_instance::LinkerInstance;
    #[pymodule_export]
    use super::record::BadResult;
    #[pymodule_export]
    use super::record::GoodResult;
    #[pymodule_export]
    use super::record::Variant;
    #[pymodule_export]
    use super::resource::ResourceAny;
    #[pymodule_export]
    use super::resource::ResourceHost;
    #[pymodule_export]
    use super::resource::ResourceType;
    #[pymodule_export]
    use super::types::ComponentInstanceType;
    #[pymodule_export]
    use super::types::ComponentType;
    #[pymodule_export]
    use super::types::ModuleType;

    /// Puts the module where its Python part imports it from: an extension module is no package that one could import
    /// from.
    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        let modules = module.py().import("sys")?.getattr("modules")?;
        modules.set_item("ferrowasm.component._native", module)
    }
}
