//! WASI preview 1.

pub(crate) mod capture;
pub(crate) mod config;
mod descriptors;
mod owner;
mod p1;
mod parse;
mod sink;
mod source;
mod stdio;
mod wait;

use std::sync::Arc;

use pyo3::prelude::*;
use wasmtime_wasi::p1::WasiP1Ctx;

use descriptors::Descriptors;
use owner::{Slot, StreamOwner};
pub(crate) use p1::add_to_linker;
use stdio::Streams;

/// The WASI state of one store.
pub(crate) struct Wasi {
    context: WasiP1Ctx,
    /// What components get where permissions are finer than the engine's: there, nobody but the engine enforces them.
    narrowed: Option<WasiP1Ctx>,
    streams: Streams,
    descriptors: Descriptors,
    /// What the streams call.
    slots: Vec<Arc<Slot>>,
}

impl Wasi {
    /// The context for components.
    pub(crate) fn for_components(&mut self) -> &mut WasiP1Ctx {
        self.narrowed.as_mut().unwrap_or(&mut self.context)
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
