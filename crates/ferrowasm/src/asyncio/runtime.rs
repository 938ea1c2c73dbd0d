//! The runtime behind waits of WASI in asynchronous calls: timers, sockets and pipes.
#![allow(unsafe_code)]

use std::os::fd::BorrowedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::runtime::{Builder, Runtime};
use wasmtime::{Error, Result};

use crate::interrupt::process::{self, PerProcess};

/// Made when a guest waits for the first time. One thread watches for events; it never runs WebAssembly or Python code,
/// except to tell an event loop that there is something to do. A forked child makes its own.
static RUNTIME: PerProcess<Option<Runtime>> = PerProcess::new(|| process::without_signals(build).ok());

fn build() -> std::io::Result<Runtime> {
    Builder::new_multi_thread().worker_threads(1).thread_name("ferrowasm-io").enable_all().build()
}

pub(super) fn get() -> Result<&'static Runtime> {
    RUNTIME.get().as_ref().ok_or_else(|| Error::msg("the system has no thread for the input and output of guests"))
}

/// Waits until the system says that a file descriptor is ready. Returns at once for one that it does not watch: a
/// regular file, or one that is watched already.
pub(crate) async fn ready(fd: BorrowedFd<'_>, interest: Interest) {
    // SAFETY: the file descriptor has to stay open while it is registered. It is borrowed for longer than this future,
    // which ends the registration, lives.
    if let Ok(fd) = unsafe { AsyncFd::register_with_interest(fd, interest) } {
        let ready = fd.ready(interest).await;
        drop(ready);
    }
}
