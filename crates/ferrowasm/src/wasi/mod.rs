//! WASI preview 1.

pub(crate) mod config;

/// Placeholder until the interruptible functions land.
pub(crate) fn add_to_linker(linker: &mut wasmtime::Linker<crate::store::Data>) -> wasmtime::Result<()> {
    wasmtime_wasi::p1::add_to_linker_sync(linker, |data| data.wasi.get_or_insert_with(|| wasmtime_wasi::WasiCtxBuilder::new().build_p1()))
}
