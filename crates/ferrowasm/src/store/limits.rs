//! The limits of `Store.set_limits`.

use wasmtime::{DEFAULT_INSTANCE_LIMIT, DEFAULT_MEMORY_LIMIT, DEFAULT_TABLE_LIMIT};

/// Upper bounds for what a store may consume; `None` sets no bound on sizes.
#[derive(Debug, Clone)]
pub(crate) struct StoreLimits {
    /// Bytes, for each linear memory.
    pub(crate) memory_size: Option<usize>,
    /// Elements, for each table.
    pub(crate) table_elements: Option<usize>,
    pub(crate) instances: usize,
    pub(crate) tables: usize,
    pub(crate) memories: usize,
}

impl Default for StoreLimits {
    fn default() -> StoreLimits {
        StoreLimits {
            memory_size: None,
            table_elements: None,
            instances: DEFAULT_INSTANCE_LIMIT,
            tables: DEFAULT_TABLE_LIMIT,
            memories: DEFAULT_MEMORY_LIMIT,
        }
    }
}
