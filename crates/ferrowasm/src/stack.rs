//! Room on the native stack for WebAssembly.
//!
//! The engine lets WebAssembly use `Config.max_wasm_stack` bytes below the stack pointer of the outermost call, without
//! a look at how much the thread has. Here we look: a thread with too small a stack runs the call on a fresh, larger
//! one.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use pyo3::exceptions::PyRecursionError;
use pyo3::prelude::*;

use crate::errors::panicked;
use crate::thread;

/// What has to remain for host functions and the interpreter below the deepest WebAssembly frame, in bytes.
const HEADROOM: usize = 256 << 10;
/// What a fresh stack has on top of what is needed, in bytes: as much as the usual stack of a main thread. Only
/// touched pages cost memory.
const FRESH: usize = 8 << 20;

/// What has to remain for an asynchronous call, in bytes: its WebAssembly has a stack of its own, but what drives it and
/// its host functions are on this one, within those of the call that it is nested in.
const DRIVER: usize = 96 << 10;

/// What is known about the stack of the running thread.
pub(crate) struct Stack {
    /// How many outermost calls are under way.
    active: Cell<usize>,
    /// The lowest address of the stack that is in use; 0 while it is not known.
    lowest: Cell<usize>,
}

/// The bytes of stack that an outermost call needs, for WebAssembly that may use `wasm` bytes, and for the host.
pub(crate) fn needed(wasm: usize) -> usize {
    wasm.saturating_add(HEADROOM)
}

/// Runs `work` with as many bytes of stack as are `needed`; see `Stack::with_room`.
pub(crate) fn with_room<R>(needed: Option<usize>, work: impl FnOnce() -> R) -> PyResult<R> {
    thread::with(|thread| thread.stack.with_room(needed, work)).map_err(|error| *error)
}

/// Raises `RecursionError` where asynchronous calls are nested so deeply that there is no room to drive another one.
pub(crate) fn room_to_drive() -> PyResult<()> {
    if thread::with(|thread| thread.stack.remaining()) >= DRIVER {
        return Ok(());
    }
    Err(PyRecursionError::new_err(
        "the native stack has no room for another WebAssembly call: asynchronous calls are nested too deeply",
    ))
}

impl Stack {
    pub(crate) const fn new() -> Stack {
        Stack { active: Cell::new(0), lowest: Cell::new(0) }
    }

    /// Runs `work` with as many bytes of stack as are `needed`; as it is for `None`, which stands for a call inside another
    /// one of the same store.
    ///
    /// Stacks are only switched when the thread is outside any store: the stack limit of a store that is running is an
    /// address on the present stack, and means nothing on another one. Nested use of many stores that fills the stack
    /// is a `RecursionError`.
    #[inline]
    pub(crate) fn with_room<R>(&self, needed: Option<usize>, work: impl FnOnce() -> R) -> Result<R, Box<PyErr>> {
        match self.enter(needed) {
            Ok(_active) => Ok(work()),
            Err(lacking) => lacking.on_fresh_stack(work),
        }
    }

    /// Whether as many bytes are there as an outermost call needs.
    #[inline(always)]
    pub(crate) fn has_room(&self, needed: usize) -> bool {
        self.remaining() >= needed
    }

    /// The first half of `with_room`, for those who do not want to have two ways through one piece of code.
    #[inline]
    pub(crate) fn enter(&self, needed: Option<usize>) -> Result<Active<'_>, Lacking<'_>> {
        let Some(needed) = needed else { return Ok(Active(None)) };
        let active = Active::new(self);
        if self.has_room(needed) { Ok(active) } else { Err(Lacking { active, stack: self, needed }) }
    }

    /// How many bytes of stack are left; as many as one can think of where the system does not tell.
    #[inline(always)]
    fn remaining(&self) -> usize {
        let marker = 0_u8;
        let here = std::ptr::from_ref(&marker) as usize;
        if self.lowest.get() == 0 {
            self.find_lowest(here);
        }
        here.saturating_sub(self.lowest.get())
    }

    #[cold]
    fn find_lowest(&self, here: usize) {
        self.lowest.set(stacker::remaining_stack().map_or(1, |remaining| here.saturating_sub(remaining).max(1)));
    }
}

/// Counts the outermost calls that are under way on a thread, while it lives.
pub(crate) struct Active<'t>(Option<&'t Stack>);

impl Active<'_> {
    #[inline]
    pub(crate) fn new(stack: &Stack) -> Active<'_> {
        stack.active.set(stack.active.get() + 1);
        Active(Some(stack))
    }
}

impl Drop for Active<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(stack) = self.0 {
            stack.active.set(stack.active.get() - 1);
        }
    }
}

/// There is not enough room.
pub(crate) struct Lacking<'t> {
    active: Active<'t>,
    stack: &'t Stack,
    needed: usize,
}

impl Lacking<'_> {
    /// The second half of `with_room`.
    #[cold]
    pub(crate) fn on_fresh_stack<R>(self, work: impl FnOnce() -> R) -> Result<R, Box<PyErr>> {
        let Lacking { active: _active, stack, needed } = self;
        if stack.active.get() > 1 {
            return Err(Box::new(PyRecursionError::new_err(
                "the native stack has no room for another WebAssembly call: calls into several stores are nested \
                 too deeply",
            )));
        }
        let lowest = stack.lowest.take();
        let grown = AssertUnwindSafe(|| stacker::grow(needed.saturating_add(FRESH), work));
        let result = catch_unwind(grown).map_err(|payload| Box::new(panicked(&*payload)));
        stack.lowest.set(lowest);
        result
    }
}
