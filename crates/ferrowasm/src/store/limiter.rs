//! What the engine asks before memories and tables grow, and how much they have grown to.

use std::fmt::Display;

use pyo3::prelude::*;
use pyo3::types::PyString;
use wasmtime::{Error, ResourceLimiter, Result};

use super::Data;
use crate::errors::expected;
use crate::gil;
use crate::vectorcall;

/// What a store has used, as far as limits are about it.
#[derive(Default)]
pub(crate) struct Usage {
    memory: Gauge,
    tables: Gauge,
    /// Memories and tables that the host made, which the engine does not count.
    pub(super) host_memories: usize,
    pub(super) host_tables: usize,
    /// The limit that refused growth last.
    limit_hit: Option<&'static str>,
    /// Whether the store has a limiter written in Python (`Objects::limiter`).
    pub(super) has_limiter: bool,
}

impl Usage {
    /// The most bytes that the linear memories had together.
    pub(super) fn peak_memory(&self) -> usize {
        self.memory.peak()
    }

    /// The most elements that the tables had together.
    pub(super) fn peak_table_elements(&self) -> usize {
        self.tables.peak()
    }

    pub(super) fn limit_hit(&self) -> Option<&'static str> {
        self.limit_hit
    }

    pub(super) fn forget_limit_hit(&mut self) {
        self.limit_hit = None;
    }
}

/// What the engine says of growth that it refuses by itself, before it asks whether it is allowed.
const UNASKED: [&str; 2] = ["memory growth exceeds memory type's limits", "overflow calculating new table size"];

/// A size that grows, and sometimes fails to after it was allowed to.
#[derive(Default)]
struct Gauge {
    total: usize,
    peak: usize,
    /// The growth that was allowed last.
    last: usize,
}

impl Gauge {
    fn grow(&mut self, current: usize, desired: usize) {
        self.peak = self.peak();
        self.last = desired.saturating_sub(current);
        self.total = self.total.saturating_add(self.last);
    }

    fn failed(&mut self, error: &Error) {
        // Otherwise what was allowed last has happened.
        if !UNASKED.contains(&error.to_string().as_str()) {
            self.total = self.total.saturating_sub(std::mem::take(&mut self.last));
        }
    }

    fn peak(&self) -> usize {
        self.peak.max(self.total)
    }
}

impl ResourceLimiter for Data {
    fn memory_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.usage.memory.last = 0;
        // The limiter is not told which memory it is, so a view of any memory of the store counts.
        if desired > self.fixed_memory_size && self.shared.views.any() {
            self.shared.views.refuse();
            return Ok(false);
        }
        let limit = self.limits.memory_size;
        let allowed = self.allow("memory_size", limit, "memory_growing", current, desired, maximum)?;
        if allowed {
            self.usage.memory.grow(current, desired);
        }
        Ok(allowed)
    }

    fn memory_grow_failed(&mut self, error: Error) -> Result<()> {
        self.usage.memory.failed(&error);
        #[cfg(unix)]
        if error.is::<crate::linear_memory::ViewInUse>() {
            self.shared.views.refuse();
        }
        self.report_failure("memory_grow_failed", &error)
    }

    fn table_growing(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> Result<bool> {
        self.usage.tables.last = 0;
        let limit = self.limits.table_elements;
        let allowed = self.allow("table_elements", limit, "table_growing", current, desired, maximum)?;
        if allowed {
            self.usage.tables.grow(current, desired);
        }
        Ok(allowed)
    }

    fn table_grow_failed(&mut self, error: Error) -> Result<()> {
        self.usage.tables.failed(&error);
        self.report_failure("table_grow_failed", &error)
    }

    fn instances(&self) -> usize {
        self.limits.instances
    }

    fn tables(&self) -> usize {
        self.limits.tables.saturating_sub(self.usage.host_tables)
    }

    fn memories(&self) -> usize {
        self.limits.memories.saturating_sub(self.usage.host_memories)
    }
}

impl Data {
    /// Whether growth is within the limit called `name`, and the limiter's `method` agrees.
    fn allow(
        &mut self,
        name: &'static str,
        limit: Option<usize>,
        method: &'static str,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        if limit.is_some_and(|limit| desired > limit) {
            self.usage.limit_hit = Some(name);
            return Ok(false);
        }
        if !self.usage.has_limiter {
            return Ok(true);
        }
        let allowed = gil::attached(|py| match self.shared.objects.limiter(py) {
            Some(limiter) => {
                let arguments = (current, desired, maximum).into_pyobject(py)?;
                let answer = vectorcall::call_python(&limiter.bind(py).getattr(method)?, arguments.iter())?;
                answer.extract::<bool>().map_err(|_| expected(&format!("a bool from {method}"), &answer))
            }
            None => Ok(true),
        })?;
        if !allowed {
            self.usage.limit_hit = Some("limiter");
        }
        Ok(allowed)
    }

    /// Tells the limiter, if it wants to know, that growth failed which was allowed.
    fn report_failure(&self, method: &'static str, error: &dyn Display) -> Result<()> {
        if !self.usage.has_limiter {
            return Ok(());
        }
        gil::attached(|py| {
            let limiter = self.shared.objects.limiter(py);
            match limiter.map(|limiter| limiter.bind(py).getattr_opt(method)).transpose()?.flatten() {
                Some(method) => {
                    let error = PyString::new(py, &error.to_string()).into_any();
                    vectorcall::call_python(&method, [error]).map(drop)
                }
                None => Ok(()),
            }
        })
    }
}
