//! WASI 0.2 and wasi:http for components.
//!
//! The engine's synchronous functions wait inside a runtime of its own, with no way out. So whatever can wait, or call
//! Python, is defined here once more, over the engine's functions: it runs on the caller's thread, and its waits end with
//! Ctrl-C or a deadline (`driver`).

mod driver;
mod filesystem;
mod growth;
mod http;
mod io;
mod sockets;

use wasmtime::component::{Linker, ResourceTable};
use wasmtime_wasi::{WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};

use crate::store::Data;
use crate::wasi::Wasi;

/// The version in the names of the engine's interfaces.
macro_rules! versioned {
    ($interface:literal) => {
        concat!($interface, "@0.2.12")
    };
}
use versioned;

/// What a store knows about WASI 0.2 beside its configuration.
#[derive(Default)]
pub(crate) struct Preview2 {
    /// Stands in for a configuration: nothing is there and nothing is allowed.
    unconfigured: Option<Box<Wasi>>,
    http: WasiHttpCtx,
}

impl Data {
    /// The store's WASI, or an empty one.
    fn wasi(&mut self) -> &mut Wasi {
        match &mut self.wasi {
            Some(wasi) => wasi,
            None => self.preview2.unconfigured.get_or_insert_default(),
        }
    }

    fn table(&mut self) -> &mut ResourceTable {
        self.wasi().for_components().ctx().table
    }
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi().for_components().ctx()
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let Preview2 { unconfigured, http } = &mut self.preview2;
        let wasi = match &mut self.wasi {
            Some(wasi) => wasi,
            None => unconfigured.get_or_insert_default(),
        };
        let (context, hooks) = wasi.for_http();
        WasiHttpCtxView { hooks, table: context.ctx().table, ctx: http }
    }
}

/// Defines the interfaces of WASI 0.2. `allow_shadowing` is the linker's setting.
pub(super) fn add_p2(linker: &mut Linker<Data>, allow_shadowing: bool) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)?;
    replacing(linker, allow_shadowing, |linker| {
        io::add_to_linker(linker)?;
        filesystem::add_to_linker(linker)?;
        sockets::add_to_linker(linker)
    })
}

/// Defines the interfaces of wasi:http. `allow_shadowing` is the linker's setting.
pub(super) fn add_http(linker: &mut Linker<Data>, allow_shadowing: bool) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_sync(linker)?;
    replacing(linker, allow_shadowing, http::add_to_linker)
}

/// Lets `define` replace functions of the engine by ours.
fn replacing(
    linker: &mut Linker<Data>,
    allow_shadowing: bool,
    define: impl FnOnce(&mut Linker<Data>) -> wasmtime::Result<()>,
) -> wasmtime::Result<()> {
    linker.allow_shadowing(true);
    let defined = define(linker);
    linker.allow_shadowing(allow_shadowing);
    defined
}
