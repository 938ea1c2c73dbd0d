//! `wasi:http`: the function that starts a request.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi_http::WasiHttpView;
use wasmtime_wasi_http::p2::bindings::http::outgoing_handler;
use wasmtime_wasi_http::p2::bindings::http::types::{
    ErrorCode, FutureIncomingResponse, Host, OutgoingRequest, RequestOptions,
};

use super::driver::Driver;
use super::versioned;
use crate::store::Data;

type Handled = Result<Resource<FutureIncomingResponse>, ErrorCode>;

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    linker.instance(versioned!("wasi:http/outgoing-handler"))?.func_wrap("handle", handle)
}

fn handle(
    mut ctx: StoreContextMut<'_, Data>,
    (request, options): (Resource<OutgoingRequest>, Option<Resource<RequestOptions>>),
) -> wasmtime::Result<(Handled,)> {
    let driver = Driver::new(ctx.data_mut());
    let data = ctx.data_mut();
    if !data.wasi().allows_http() {
        // Before the engine would start anything in the background.
        data.table().delete(request)?;
        return Ok((Err(ErrorCode::HttpRequestDenied),));
    }
    let mut view = data.http();
    let started = driver.block_on(async { outgoing_handler::Host::handle(&mut view, request, options) })?;
    Ok((match started {
        Ok(response) => Ok(response),
        Err(error) => Err(Host::convert_error_code(&mut view, error)?),
    },))
}
