//! `ferrowasm._native`: the engine as Python objects. See `docs/design.md` for how the parts fit together.

mod artifact;
mod asyncio;
mod borrowed;
mod buffer;
mod cache;
mod caller;
mod code;
mod compile;
mod component;
mod config;
mod engine;
mod errors;
mod externs;
#[cfg(unwinds_daemon_threads)]
mod finalizing;
mod func;
mod func_map;
mod gil;
mod global;
mod guarded;
mod host;
mod instance;
mod instance_pre;
mod interrupt;
#[cfg(unix)]
mod linear_memory;
mod linker;
mod managed;
mod memory;
mod memory_values;
mod module;
mod numbers;
mod outline;
mod paths;
mod private_memories;
mod raw;
mod refs;
mod shared_memory;
mod snapshot;
mod stack;
mod store;
mod table;
mod tag;
mod text;
mod thread;
mod types;
mod val;
mod values;
mod vectorcall;
mod wasi;
mod wit;

/// The version of the engine, which is pinned in the workspace's `Cargo.toml`; a test compares the two.
pub(crate) const ENGINE_VERSION: &str = "48.0.8";

use pyo3::prelude::*;

#[pymodule]
mod _native {
    use super::*;

    #[pymodule_export]
    use super::cache::cache_check;
    #[pymodule_export]
    use super::cache::cache_key;
    #[pymodule_export]
    use super::cache::cache_save;
    #[pymodule_export]
    use super::caller::Caller;
    #[pymodule_export]
    use super::component::component;
    #[pymodule_export]
    use super::config::Config;
    #[pymodule_export]
    use super::engine::Engine;
    #[pymodule_export]
    use super::errors::trap_codes;
    #[pymodule_export]
    use super::func::BoundFunc;
    #[pymodule_export]
    use super::func::Func;
    #[pymodule_export]
    use super::global::Global;
    #[pymodule_export]
    use super::instance::Instance;
    #[pymodule_export]
    use super::instance::InstanceExports;
    #[pymodule_export]
    use super::instance_pre::InstancePre;
    #[pymodule_export]
    use super::interrupt::arrivals::count_signals;
    #[pymodule_export]
    use super::interrupt::deadline::PyDeadline;
    #[pymodule_export]
    use super::interrupt::faults::reassert_fault_handlers;
    #[pymodule_export]
    use super::linker::Linker;
    #[pymodule_export]
    use super::memory::Memory;
    #[pymodule_export]
    use super::module::Module;
    #[pymodule_export]
    use super::outline::module_outline;
    #[pymodule_export]
    use super::refs::AnyRef;
    #[pymodule_export]
    use super::refs::ArrayRef;
    #[pymodule_export]
    use super::refs::EqRef;
    #[pymodule_export]
    use super::refs::ExnRef;
    #[pymodule_export]
    use super::refs::ExternRef;
    #[pymodule_export]
    use super::refs::I31Ref;
    #[pymodule_export]
    use super::refs::StructRef;
    #[pymodule_export]
    use super::shared_memory::SharedMemory;
    #[pymodule_export]
    use super::snapshot::instrument;
    #[pymodule_export]
    use super::snapshot::snapshot;
    #[pymodule_export]
    use super::store::Store;
    #[pymodule_export]
    use super::store::context::StoreContext;
    #[pymodule_export]
    use super::table::Table;
    #[pymodule_export]
    use super::tag::Tag;
    #[pymodule_export]
    use super::text::is_compiled_component;
    #[pymodule_export]
    use super::text::is_component;
    #[pymodule_export]
    use super::text::module_sections;
    #[pymodule_export]
    use super::text::print_wat;
    #[pymodule_export]
    use super::text::wat2wasm;
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
    use super::val::Val;
    #[pymodule_export]
    use super::wasi::capture::Capture;
    #[pymodule_export]
    use super::wasi::config::WasiConfig;
    #[pymodule_export]
    use super::wasi::quota::DiskQuota;
    #[pymodule_export]
    use super::wit::component_wit;

    #[pymodule_init]
    fn init(module: &Bound<'_, PyModule>) -> PyResult<()> {
        super::interrupt::process::watch_forks();
        // With `RUST_BACKTRACE` in the environment each error of the engine, traps included, would walk the native stack.
        // That takes long, and in a child that is forked meanwhile the lock around it would be held forever.
        wasmtime::error::disable_backtrace();
        super::config::add_properties(module.py())?;
        super::asyncio::announce(module.py());
        super::numbers::learn_layout(module.py())?;
        module.add("__version__", env!("CARGO_PKG_VERSION"))?;
        module.add("engine_version", ENGINE_VERSION)
    }
}
