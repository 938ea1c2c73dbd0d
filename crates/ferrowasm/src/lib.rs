//! `ferrowasm._native`: the engine as Python objects. See `docs/design.md` for how the parts fit together.

mod caller;
mod config;
mod engine;
mod errors;
mod gil;
mod managed;
mod numbers;
mod stack;
mod store;
mod types;
mod wasi;

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::caller::Caller;
    #[pymodule_export]
    use super::config::Config;
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::store::context::StoreContext;
    #[pymodule_export]
    use super::store::Store;
    #[pymodule_export]
    use super::types::ExportType;
    #[pymodule_export]
    use super::types::FuncType;
    #[pymodule_export]
    use super::types::GlobalType;
    #[pymodule_export]
    use super::types::ImportType;
    #[pymodule_export]
    use super::types::MemoryType;
    #[pymodule_export]
    use super::types::TableType;
    #[pymodule_export]
    use super::types::TagType;
    #[pymodule_export]
    use super::types::ValType;
    #[pymodule_export]
    use super::wasi::config::WasiConfig;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add("__version__", env!("CARGO_PKG_VERSION"))
    }
}
