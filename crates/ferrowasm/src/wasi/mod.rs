//! WASI preview 1.

mod asked;
pub(crate) mod background;
pub(crate) mod capture;
pub(crate) mod config;
mod descriptors;
mod growth;
mod http;
pub(crate) mod network;
mod owner;
mod p1;
mod parse;
pub(crate) mod quota;
mod sink;
mod source;
mod stdio;
pub(crate) mod wait;

use std::collections::HashMap;
use std::sync::Arc;

use pyo3::prelude::*;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

use descriptors::Descriptors;
use http::Hooks;
use network::{Asked, Network};
use owner::{Slot, StreamOwner};
pub(crate) use p1::add_to_linker;
use quota::Metered;
use stdio::Streams;

/// The WASI state of one store.
pub(crate) struct Wasi {
    context: WasiP1Ctx,
    /// What components get where permissions are finer than the engine's: there, nobody but the engine enforces them.
    narrowed: Option<WasiP1Ctx>,
    pub(crate) streams: Streams,
    descriptors: Descriptors,
    /// Which of the streams of components are the standard streams, by number.
    pub(crate) standard: HashMap<u32, Standard>,
    pub(crate) metered: Metered,
    network: Network,
    /// What the streams call.
    slots: Vec<Arc<Slot>>,
}

/// A standard stream of a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standard {
    Stdin,
    Stdout,
    Stderr,
}

/// Nothing is there, and nothing is allowed.
impl Default for Wasi {
    fn default() -> Wasi {
        let (streams, network) = (Streams::default(), Network::default());
        let mut builder = WasiCtxBuilder::new();
        streams.give_to(&mut builder);
        network.configure(&mut builder);
        let (standard, slots) = (HashMap::new(), Vec::new());
        let (context, descriptors) = (builder.build_p1(), Descriptors::new([]));
        let metered = Metered::default();
        Wasi { context, narrowed: None, streams, descriptors, standard, metered, network, slots }
    }
}

impl Wasi {
    /// The context for components.
    pub(crate) fn for_components(&mut self) -> &mut WasiP1Ctx {
        self.narrowed.as_mut().unwrap_or(&mut self.context)
    }

    /// The context for components, and what becomes of their HTTP requests.
    pub(crate) fn for_http(&mut self) -> (&mut WasiP1Ctx, &mut Hooks) {
        (self.narrowed.as_mut().unwrap_or(&mut self.context), &mut self.network.http)
    }

    pub(crate) fn allows_http(&self) -> bool {
        self.network.http.allow_any()
    }

    /// What waits need if the guest may use the network.
    pub(crate) fn network(&self) -> Option<Asked> {
        self.network.in_use()
    }

    /// Lets go of the Python objects of a state that has been replaced by another one.
    pub(crate) fn release(self) {
        self.slots.iter().for_each(|slot| slot.empty());
    }
}

/// A `Wasi`, and the Python objects that the store has to keep for it.
pub(crate) struct Built {
    pub(crate) wasi: Wasi,
    pub(crate) owners: Vec<Py<StreamOwner>>,
}
