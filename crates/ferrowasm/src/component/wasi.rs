//! WASI 0.2 and wasi:http for components.

use std::future::Future;

use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::store::Data;
use crate::wasi::Wasi;

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        wasi(&mut self.wasi, &mut self.http.unconfigured)
    }
}

/// The WASI state of a store. Instantiation asks for a configuration, so guests do not see the empty one that stands in for a missing one.
fn wasi<'a>(configured: &'a mut Option<Box<Wasi>>, empty: &'a mut Option<WasiP1Ctx>) -> WasiCtxView<'a> {
    match configured {
        Some(wasi) => wasi.context.ctx(),
        None => empty.get_or_insert_with(|| WasiCtxBuilder::new().build_p1()).ctx(),
    }
}

/// What a store knows about wasi:http.
#[derive(Default)]
pub(crate) struct Http {
    ctx: WasiHttpCtx,
    hooks: Refusal,
    unconfigured: Option<WasiP1Ctx>,
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let table = wasi(&mut self.wasi, &mut self.http.unconfigured).table;
        WasiHttpCtxView { hooks: &mut self.http.hooks, table, ctx: &mut self.http.ctx }
    }
}

/// Outgoing requests are denied.
#[derive(Default)]
struct Refusal;

type Sent = Result<(http::Response<WasiBody>, Box<dyn Future<Output = Result<(), Error>> + Send>), Error>;

impl WasiHttpHooks for Refusal {
    fn send_request(
        &mut self,
        _request: http::Request<WasiBody>,
        _options: Option<RequestOptions>,
        _done: Box<dyn Future<Output = Result<(), Error>> + Send>,
    ) -> Box<dyn Future<Output = Sent> + Send> {
        Box::new(async { Err(Error::HttpRequestDenied) })
    }
}

pub(super) fn add_p2(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_sync(linker)
}

pub(super) fn add_http(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    wasmtime_wasi_http::p2::add_only_http_to_linker_sync(linker)
}

/// Whether a component imports an interface of WASI.
pub(super) fn is_imported_by(component: &Component) -> bool {
    component.component_type().imports(component.engine()).any(|(name, _)| name.starts_with("wasi:"))
}
