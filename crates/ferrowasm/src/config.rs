//! `Config` (placeholder until the switch table lands).

use pyo3::prelude::*;

#[pyclass(frozen, subclass, module = "ferrowasm")]
pub(crate) struct Config {}

impl Config {
    /// The engine's default of `max_wasm_stack`, in bytes.
    pub(crate) const DEFAULT_MAX_WASM_STACK: usize = 512 << 10;

    pub(crate) fn default_settings() -> wasmtime::Config {
        wasmtime::Config::new()
    }

    pub(crate) fn build(&self, _py: Python<'_>) -> PyResult<wasmtime::Config> {
        Ok(Self::default_settings())
    }

    pub(crate) fn max_wasm_stack_bytes(&self, _py: Python<'_>) -> PyResult<usize> {
        Ok(Self::DEFAULT_MAX_WASM_STACK)
    }
}
