//! WASI preview 1.

pub(crate) mod config;
