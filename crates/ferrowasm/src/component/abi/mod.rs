//! The canonical ABI between Python objects and guests, with no tree of engine values in between.
//!
//! - `shape`: what has to be known of a type to convert its values, worked out once for each function.
//! - `lower`: Python objects become an `image`, the bytes that the guest will see. All Python code that a conversion
//!   runs (properties, iterators, `__index__`) runs here, while no address of guest memory is held and nothing has been
//!   handed over to the guest.
//! - `image`: copied into the guest in one go. Large buffers are not part of it: they are copied straight from where
//!   they are.
//! - `lift`: guest memory becomes Python objects.
//! - `bridge`: the types that stand for all this in the engine's typed interface. The only unsafe room but one (`kept`,
//!   addresses of immutable Python objects).

mod bridge;
mod failure;
mod image;
mod kept;
mod lift;
mod lower;
mod shape;

pub(crate) use bridge::{Carried, Returned};
pub(super) use bridge::{HostArguments, HostParams, HostResult, Probed, probe};
pub(super) use image::Image;
pub(super) use lift::Form;
pub(super) use lower::Lowering;
