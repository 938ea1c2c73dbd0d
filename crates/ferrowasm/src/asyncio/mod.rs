//! Asynchronous calls: WebAssembly that can be awaited, host functions that can await.
//!
//! An asynchronous call of the engine is a future that runs WebAssembly on a stack of its own, a *fiber*. The object that
//! Python awaits (`call`) polls that future from the thread of the event loop. Python code never runs on a fiber: a host
//! function that is reached on one parks a request there, and the fiber is suspended (`fibers`). The driver (`drive`)
//! then calls the Python function on the ordinary stack, steps the coroutine that it may return, and hands what that
//! yields to the task that awaits the call. When the host function is done, the future is polled again.
//!
//! See "Fibers" in `docs/design.md`.

mod aside;
mod awaitable;
mod blocking;
mod call;
mod drive;
pub(crate) mod fibers;
pub(crate) mod host;
mod instantiation;
mod operation;
mod operations;
mod owned;
mod readiness;
mod send;
mod wake;

pub(crate) use aside::{attached, convert, release};
pub(crate) use awaitable::{USE_CALL_ASYNC, is_awaitable, refuse};
pub(crate) use blocking::complete;
pub(crate) use call::Call;
pub(crate) use fibers::Fiber;
pub(crate) use instantiation::{
    Imports, Instantiation, Source, define_module_blocking, instantiate_blocking, needs_fiber,
};
pub(crate) use operation::{Held, Operation, Outcome, Work};
pub(crate) use operations::{FuncCall, FuncClass, Invocable, call_blocking};
pub(crate) use owned::OwnedVal;
pub(crate) use readiness::ready;
pub(crate) use send::announce;
