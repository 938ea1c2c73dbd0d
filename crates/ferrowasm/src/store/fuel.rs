//! Fuel, and how much of it was consumed.

use pyo3::prelude::*;

use super::Store;
use crate::errors::OrRaise;
use crate::numbers;

/// What `Store.set_fuel` was given, to tell what was consumed since.
#[derive(Default)]
pub(super) struct Fuel {
    given: u64,
    /// Consumed before that.
    consumed: u64,
}

impl Fuel {
    fn consumed(&self, left: u64) -> u64 {
        self.consumed.saturating_add(self.given.saturating_sub(left))
    }
}

#[pymethods]
impl Store {
    /// Set the fuel of the store to `fuel` units, replacing what is left.
    ///
    /// A store starts with 0. Raises `WasmtimeError` unless the engine was made with `Config.consume_fuel`, and
    /// `OverflowError` when `fuel` is no unsigned 64-bit integer.
    fn set_fuel(&self, py: Python<'_>, fuel: &Bound<'_, PyAny>) -> PyResult<()> {
        let fuel = numbers::unsigned(fuel, "fuel", u64::MAX)?;
        let mut entry = self.enter()?;
        let mut ctx = entry.ctx();
        let left = ctx.get_fuel().or_raise(py)?;
        ctx.set_fuel(fuel).or_raise(py)?;
        let known = &mut ctx.data_mut().fuel;
        *known = Fuel { given: fuel, consumed: known.consumed(left) };
        Ok(())
    }

    /// The fuel that is left, in units. Raises `WasmtimeError` unless the engine was made with `Config.consume_fuel`.
    fn get_fuel(&self, py: Python<'_>) -> PyResult<u64> {
        self.enter()?.ctx().get_fuel().or_raise(py)
    }

    /// The fuel that WebAssembly has consumed in this store altogether, in units. Raises `WasmtimeError` unless the
    /// engine was made with `Config.consume_fuel`.
    #[getter]
    fn fuel_consumed(&self, py: Python<'_>) -> PyResult<u64> {
        let mut entry = self.enter()?;
        let ctx = entry.ctx();
        let left = ctx.get_fuel().or_raise(py)?;
        Ok(ctx.data().fuel.consumed(left))
    }
}
