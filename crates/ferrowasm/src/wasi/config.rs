//! `WasiConfig` (placeholder).

use pyo3::prelude::*;
use wasmtime_wasi::WasiCtxBuilder;
use wasmtime_wasi::p1::WasiP1Ctx;

#[pyclass(frozen, subclass, module = "ferrowasm")]
pub(crate) struct WasiConfig {}

impl WasiConfig {
    /// The context for one store, and the Python objects that the store has to keep alive for it.
    pub(crate) fn build(&self, _py: Python<'_>) -> PyResult<(WasiP1Ctx, Vec<Py<PyAny>>)> {
        Ok((WasiCtxBuilder::new().build_p1(), Vec::new()))
    }
}
