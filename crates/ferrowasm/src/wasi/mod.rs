//! WASI preview 1.

pub(crate) mod capture;
pub(crate) mod config;
mod owner;
mod p1;
mod parse;
mod rights;
mod sink;
mod source;
mod stdio;
mod wait;

use std::sync::Arc;

use pyo3::prelude::*;
use wasmtime_wasi::p1::WasiP1Ctx;

use crate::engine::EngineState;
use owner::StreamOwner;
pub(crate) use p1::add_to_linker;
use rights::Rights;
use stdio::Streams;

/// The WASI state of one store.
pub(crate) struct Wasi {
    pub(crate) context: WasiP1Ctx,
    streams: Arc<Streams>,
    /// The permissions that the engine does not enforce by itself, if there are any. They are enforced for preview 1 only.
    pub(crate) rights: Option<Rights>,
    engine: Arc<EngineState>,
}

/// A `Wasi`, and the Python objects that the store has to keep for it.
pub(crate) struct Built {
    pub(crate) wasi: Wasi,
    pub(crate) owners: Vec<Py<StreamOwner>>,
}
