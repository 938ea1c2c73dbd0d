//! Compiling: on threads of ours, with bounds on what is compiled, and interrupted by signals.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::Duration;

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use rayon_core::ThreadPool;
use wasmparser::{Operator, Parser, Payload};
use wasmtime::{Error, Result};

use crate::artifact::{self, Artifact};
use crate::engine::EngineState;
use crate::errors::{OrRaise, panicked};
use crate::gil;
use crate::interrupt::process::{self, PerProcess};
use crate::private_memories;

/// How long the caller waits without a look at signals.
const LOOK: Duration = Duration::from_millis(20);

/// The threads that compile. The engine compiles the functions of a module on the pool that it is called from, and a
/// forked child has none of its parent's threads; so each process has a pool of ours. `None`: the system has no threads
/// for us.
static POOL: PerProcess<Option<ThreadPool>> = PerProcess::new(|| {
    let threads = rayon_core::ThreadPoolBuilder::new().thread_name(|index| format!("ferrowasm-compile-{index}"));
    process::without_signals(|| threads.build()).ok()
});

/// Makes a module or component from the binary or the text format. `path` is where the bytes come from, for messages.
///
/// A signal handler's exception ends the wait; what was begun is compiled to its end in the background, and thrown away.
pub(crate) fn compile<T: Artifact + 'static>(
    py: Python<'_>,
    engine: &Arc<EngineState>,
    wasm: &[u8],
    path: Option<&Path>,
) -> PyResult<T> {
    // The caller may give up before the work is done: nothing of it is borrowed.
    let (engine, wasm, path) = (engine.clone(), wasm.to_vec(), path.map(Path::to_owned));
    interruptible(py, move || {
        let binary = wat::parse_bytes(&wasm).map_err(|mut error| {
            if let Some(path) = &path {
                error.set_path(path);
            }
            Error::msg(error.to_string())
        })?;
        engine.bounds.check(&binary)?;
        let exposed = engine.shared_memory.then(|| private_memories::expose(&binary)).flatten();
        match exposed.and_then(|exposed| artifact::compile(&engine, &exposed).ok()) {
            Some(made) => Ok(made),
            // As it is, so that errors tell the right places.
            None => artifact::compile(&engine, &binary),
        }
    })
}

/// Makes a small module of ours, on the pool as well, for a caller that has let go of the interpreter.
pub(crate) fn helper(engine: &EngineState, text: &str) -> Result<wasmtime::Module> {
    let binary = wat::parse_str(text)?;
    let make = || artifact::compile(engine, &binary);
    POOL.get().as_ref().map_or_else(make, |pool| pool.install(make))
}

/// Runs `work` on the pool while the caller waits for it and for signals.
fn interruptible<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> Result<T> + Send + 'static) -> PyResult<T> {
    let (sender, mut receiver) = mpsc::channel();
    let job = move || {
        let result = catch_unwind(AssertUnwindSafe(work));
        // Nobody waits any more if the caller was interrupted.
        if let Err(unsent) = sender.send(result) {
            let _whole = process::postpone_forks();
            drop(unsent);
        }
    };
    match POOL.get() {
        Some(pool) => pool.spawn(job),
        None => gil::released(py, job)?,
    }
    loop {
        let (back, message) = gil::released(py, move || {
            let message = receiver.recv_timeout(LOOK);
            (receiver, message)
        })?;
        receiver = back;
        match message {
            Ok(Ok(result)) => return result.or_raise(py),
            Ok(Err(payload)) => return Err(panicked(&*payload)),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(PyRuntimeError::new_err("the thread that compiles has ended without a result"));
            }
        }
    }
}

/// Bounds on functions, beyond which the compiler needs more time or memory than the size of a module lets one
/// expect. `None` is no bound.
#[derive(Clone, Copy)]
pub(crate) struct Bounds {
    /// `Config.max_functions`: functions that are defined.
    pub(crate) functions: Option<u64>,
    /// `Config.max_function_complexity`: operators that branch, call, or begin a block.
    pub(crate) complexity: Option<u64>,
    /// `Config.max_loop_nesting`: loops within each other.
    pub(crate) loop_nesting: Option<u64>,
}

impl Bounds {
    /// Checks all functions of a module or component. What is malformed is left to the engine to report.
    fn check(&self, binary: &[u8]) -> Result<()> {
        let mut index = 0_u32;
        for payload in Parser::new(0).parse_all(binary) {
            let Ok(Payload::CodeSectionEntry(body)) = payload else {
                if payload.is_err() {
                    return Ok(());
                }
                continue;
            };
            if let Some(bound) = self.functions.filter(|bound| u64::from(index) >= *bound) {
                return Err(Error::msg(format!(
                    "more than {bound} functions are defined, which would take too long to compile: raise \
                     Config.max_functions to compile it all the same"
                )));
            }
            if self.may_exceed(body.as_bytes()) {
                let Ok(operators) = body.get_operators_reader() else { return Ok(()) };
                self.check_function(index, operators.into_iter().map_while(std::result::Result::ok))?;
            }
            index += 1;
        }
        Ok(())
    }

    /// A quick look that spares most functions the closer one: each operator takes a byte or more.
    fn may_exceed(&self, body: &[u8]) -> bool {
        const LOOP: u8 = 0x03;
        let exceeds = |count: usize, bound: Option<u64>| bound.is_some_and(|bound| count as u64 > bound);
        exceeds(body.len(), self.complexity)
            || self.loop_nesting.is_some_and(|bound| body.len() as u64 > bound)
                && exceeds(body.iter().filter(|byte| **byte == LOOP).count(), self.loop_nesting)
    }

    fn check_function<'a>(&self, index: u32, operators: impl Iterator<Item = Operator<'a>>) -> Result<()> {
        let (mut complexity, mut loops) = (0, 0);
        // Whether each open block is a loop.
        let mut open = Vec::new();
        for operator in operators {
            let begins_loop = matches!(operator, Operator::Loop { .. });
            match &operator {
                Operator::Block { .. }
                | Operator::If { .. }
                | Operator::TryTable { .. }
                | Operator::Try { .. }
                | Operator::Loop { .. } => {
                    complexity += 1;
                    open.push(begins_loop);
                    loops += u64::from(begins_loop);
                }
                Operator::End => loops -= u64::from(open.pop() == Some(true)),
                Operator::BrTable { targets } => complexity += u64::from(targets.len()) + 1,
                Operator::Br { .. }
                | Operator::BrIf { .. }
                | Operator::BrOnNull { .. }
                | Operator::BrOnNonNull { .. }
                | Operator::BrOnCast { .. }
                | Operator::BrOnCastFail { .. }
                | Operator::Return
                | Operator::Call { .. }
                | Operator::CallIndirect { .. }
                | Operator::CallRef { .. }
                | Operator::ReturnCall { .. }
                | Operator::ReturnCallIndirect { .. }
                | Operator::ReturnCallRef { .. } => complexity += 1,
                _ => {}
            }
            if let Some(bound) = self.complexity.filter(|bound| complexity > *bound) {
                return Err(Error::msg(format!(
                    "defined function {index} has more than {bound} branches, calls and blocks, which would take too \
                     long to compile: raise Config.max_function_complexity to compile it all the same"
                )));
            }
            if let Some(bound) = self.loop_nesting.filter(|bound| loops > *bound) {
                return Err(Error::msg(format!(
                    "defined function {index} has more than {bound} loops within each other, which would take too \
                     long to compile: raise Config.max_loop_nesting to compile it all the same"
                )));
            }
        }
        Ok(())
    }
}
