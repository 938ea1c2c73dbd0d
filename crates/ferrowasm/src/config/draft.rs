//! The engine's configuration in the making.

use wasmtime::{Error, PoolingAllocationConfig, Result};

use crate::compile::Bounds;
use crate::gil::Policy;

/// The engine's default of `Config.async_stack_size`, in bytes.
const DEFAULT_ASYNC_STACK: usize = 2 << 20;
/// What the host functions of the engine (WASI among them) need on the stack of an async call below the deepest
/// WebAssembly frame, in bytes. There is no guard but the end of the stack: running into that ends the process.
const ASYNC_HEADROOM: usize = 512 << 10;

pub(super) struct Draft {
    pub(super) config: wasmtime::Config,
    pub(super) pool: PoolingAllocationConfig,
    pub(super) pooling: bool,
    pub(super) compiler: bool,
    pub(super) bounds: Bounds,
    pub(super) epoch_interruption: bool,
    pub(super) interruptible: bool,
    pub(super) gil: Policy,
    pub(super) shared_memory: bool,
    pub(super) max_wasm_stack: usize,
    pub(super) async_stack_size: Option<usize>,
}

impl Draft {
    pub(super) fn new() -> Draft {
        Draft {
            config: wasmtime::Config::new(),
            pool: PoolingAllocationConfig::new(),
            pooling: false,
            compiler: true,
            bounds: Bounds {
                functions: Some(super::DEFAULT_FUNCTIONS),
                complexity: Some(super::DEFAULT_FUNCTION_COMPLEXITY),
                loop_nesting: Some(super::DEFAULT_LOOP_NESTING),
            },
            epoch_interruption: false,
            interruptible: true,
            gil: Policy::Auto,
            shared_memory: false,
            max_wasm_stack: super::DEFAULT_MAX_WASM_STACK,
            async_stack_size: None,
        }
    }

    pub(super) fn finish(mut self) -> Result<wasmtime::Config> {
        self.size_stacks()?;
        self.config.epoch_interruption(self.epoch_interruption || self.interruptible);
        if self.pooling {
            self.config.allocation_strategy(self.pool);
        }
        // Last, because the switches of the compiler panic once there is none.
        if !self.compiler {
            self.config.enable_compiler(false);
        }
        Ok(self.config)
    }

    /// Async calls run on stacks of their own, which have to hold `max_wasm_stack` and some room for the host.
    fn size_stacks(&mut self) -> Result<()> {
        let needed = self.max_wasm_stack + ASYNC_HEADROOM;
        let size = match self.async_stack_size {
            Some(size) if size < needed => {
                return Err(Error::msg(format!(
                    "async_stack_size ({size}) is too small for max_wasm_stack ({}): expected at least {needed}, \
                     which leaves {ASYNC_HEADROOM} bytes for host functions",
                    self.max_wasm_stack
                )));
            }
            Some(size) => size,
            None => needed.max(DEFAULT_ASYNC_STACK),
        };
        self.config.max_wasm_stack(self.max_wasm_stack).async_stack_size(size);
        Ok(())
    }
}
