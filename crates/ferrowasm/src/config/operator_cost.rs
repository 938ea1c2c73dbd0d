//! `Config.operator_cost`: how much fuel each WebAssembly operator consumes.

use std::collections::BTreeMap;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use wasmtime::{Error, OperatorCost, Result};

use crate::errors::expected;
use crate::numbers;

/// Defines the lookup of an operator's cost by its name in the text format, with the engine's list of operators.
macro_rules! define_lookup {
    ($(@$proposal:ident $op:ident $({ $($arg:ident: $argty:ty),* })? => $visit:ident ($($ann:tt)*))*) => {
        /// The place of the cost of the operator that the parser calls `visit_…`.
        fn lookup<'a>(costs: &'a mut OperatorCost, visit: &str) -> Option<&'a mut u8> {
            match visit {
                $(stringify!($visit) => Some(&mut costs.$op),)*
                _ => None,
            }
        }
    };
}

wasmparser::for_each_operator!(define_lookup);

/// `i32.add` as the parser's method is called: `visit_i32_add`.
fn visitor(operator: &str) -> String {
    format!("visit_{}", operator.replace('.', "_"))
}

pub(super) fn extract(value: &Bound<'_, PyAny>) -> PyResult<BTreeMap<String, u8>> {
    let dict = value.cast::<PyDict>().map_err(|_| expected("a dict for operator_cost", value))?;
    let mut known = OperatorCost::new();
    let mut costs = BTreeMap::new();
    for (operator, cost) in dict {
        let operator: String = match operator.extract() {
            Ok(operator) => operator,
            Err(_) => return Err(expected("the names of operators as str in operator_cost", &operator)),
        };
        if lookup(&mut known, &visitor(&operator)).is_none() {
            return Err(PyValueError::new_err(format!(
                "unknown operator {operator:?} in operator_cost: \
                 expected a name of the text format, such as \"i32.add\""
            )));
        }
        let cost = numbers::unsigned(&cost, &format!("the cost of {operator}"), u8::MAX.into())?;
        costs.insert(operator, cost as u8);
    }
    Ok(costs)
}

pub(super) fn apply(config: &mut wasmtime::Config, costs: &BTreeMap<String, u8>) -> Result<()> {
    let mut table = OperatorCost::new();
    for (operator, cost) in costs {
        let place = lookup(&mut table, &visitor(operator));
        *place.ok_or_else(|| Error::msg(format!("unknown operator {operator:?}")))? = *cost;
    }
    config.operator_cost(table);
    Ok(())
}
