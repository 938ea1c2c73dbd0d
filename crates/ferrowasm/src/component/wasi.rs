//! WASI 0.2 and wasi:http for components.

use std::future::Future;

use wasmtime::component::{Component, Linker};
use wasmtime_wasi::p1::WasiP1Ctx;
use wasmtime_wasi::{WasiCtxBuilder, WasiCtxView, WasiView};
use wasmtime_wasi_http::{Error, RequestOptions, WasiBody, WasiHttpCtx, WasiHttpCtxView, WasiHttpHooks, WasiHttpView};

use crate::store::Data;

/// What a store knows about WASI 0.2 beside its configuration.
#[derive(Default)]
pub(crate) struct Preview2 {
    /// Stands in for a configuration. Instantiation asks for one, so that guests do not see this one.
    unconfigured: Option<WasiP1Ctx>,
    http: WasiHttpCtx,
    hooks: Refusal,
}

impl Data {
    fn wasi_and_http(&mut self) -> (&mut WasiP1Ctx, &mut WasiHttpCtx, &mut Refusal) {
        let Preview2 { unconfigured, http, hooks } = &mut self.preview2;
        let wasi = match &mut self.wasi {
            Some(wasi) => wasi.for_components(),
            None => unconfigured.get_or_insert_with(|| WasiCtxBuilder::new().build_p1()),
        };
        (wasi, http, hooks)
    }
}

impl WasiView for Data {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.wasi_and_http().0.ctx()
    }
}

impl WasiHttpView for Data {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        let (wasi, ctx, hooks) = self.wasi_and_http();
        WasiHttpCtxView { hooks, table: wasi.ctx().table, ctx }
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
