//! Calls of functions of modules that are awaited: from Python values to a future of the engine and back.

use pyo3::prelude::*;
use pyo3::types::PyList;
use wasmtime::{AsContextMut, RootScope, StoreContextMut, Val};

use super::{Callee, Func};
use crate::asyncio::{FuncClass, Invocable, Outcome, OwnedVal, Work};
use crate::errors::OrRaise;
use crate::store::cell::Entry;
use crate::store::{Data, StoreArg};
use crate::values;

impl Invocable for Callee {
    fn enter<'a>(&self, store: &'a Bound<'_, PyAny>, given: usize) -> PyResult<Entry<'a>> {
        let entry = StoreArg::new(store)?.enter_own(self.store_id, "Func")?;
        self.check_count(store.py(), given)?;
        Ok(entry)
    }

    fn begin<'c>(
        &self,
        _py: Python<'_>,
        mut ctx: StoreContextMut<'c, Data>,
        args: &[Bound<'_, PyAny>],
    ) -> PyResult<Work<'c>> {
        let func = self.func;
        let count = self.signature.results.len();
        if self.signature.is_plain {
            let mut params = Vec::with_capacity(args.len());
            for (position, (kind, given)) in self.signature.params.iter().zip(args).enumerate() {
                params.push(self.convert(&mut ctx, position, kind, given)?);
            }
            return Ok(Box::pin(async move {
                let mut results = vec![Val::I32(0); count];
                func.call_async(&mut ctx, &params, &mut results).await?;
                Ok(Outcome::Values(results.into_iter().map(OwnedVal::Plain).collect()))
            }));
        }
        let mut params = Vec::with_capacity(args.len());
        {
            let mut scope = RootScope::new(&mut ctx);
            for (position, (kind, given)) in self.signature.params.iter().zip(args).enumerate() {
                let mut ctx = scope.as_context_mut();
                let value = self.convert(&mut ctx, position, kind, given)?;
                params.push(OwnedVal::new(&mut ctx, &value).or_raise(given.py())?);
            }
        }
        Ok(Box::pin(async move {
            let mut scope = RootScope::new(ctx);
            let params: Vec<Val> = params.iter().map(|value| value.get(&mut scope)).collect();
            let mut results = vec![Val::I32(0); count];
            func.call_async(&mut scope, &params, &mut results).await?;
            let mut ctx = scope.as_context_mut();
            let results: wasmtime::Result<_> = results.iter().map(|value| OwnedVal::new(&mut ctx, value)).collect();
            Ok(Outcome::Values(results?))
        }))
    }

    fn finish<'py>(&self, py: Python<'py>, entry: &mut Entry<'_>, outcome: Outcome) -> PyResult<Bound<'py, PyAny>> {
        let Outcome::Values(results) = outcome else { return Ok(py.None().into_bound(py)) };
        let mut scope = RootScope::new(entry.ctx());
        let mut converted = Vec::with_capacity(results.len());
        for result in &results {
            let value = result.get(&mut scope);
            converted.push(values::from_val(py, &mut scope.as_context_mut(), &value)?);
        }
        match converted.len() {
            0 => Ok(py.None().into_bound(py)),
            1 => Ok(converted.remove(0)),
            _ => Ok(PyList::new(py, converted)?.into_any()),
        }
    }
}

impl FuncClass for Func {
    type Invocable = Callee;

    fn invocable(&self) -> PyResult<&Callee> {
        Ok(self.callee()?)
    }
}
