//! Where the network goes on while a guest computes, and what wakes guests that are suspended: one thread for the whole
//! process, which starts when a guest first needs it.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

struct Started {
    process: u32,
    runtime: &'static Runtime,
}

/// The runtime of this process. A forked child, in which the thread does not exist, gets a runtime of its own: sockets
/// from before the fork are of no use in it.
pub(crate) fn runtime() -> io::Result<&'static Runtime> {
    static STARTED: Mutex<Option<Started>> = Mutex::new(None);
    let mut started = STARTED.lock().unwrap_or_else(PoisonError::into_inner);
    let process = std::process::id();
    match &*started {
        Some(started) if started.process == process => Ok(started.runtime),
        _ => {
            let runtime = Builder::new_multi_thread()
                .worker_threads(1)
                .max_blocking_threads(64)
                .thread_name("ferrowasm-io")
                .enable_all()
                .build()?;
            // Never dropped: that would wait for name lookups.
            let runtime = Box::leak(Box::new(runtime));
            *started = Some(Started { process, runtime });
            Ok(runtime)
        }
    }
}

/// How long a wait for the network goes on without a look at signals and deadlines.
pub(crate) const TICK: Duration = Duration::from_millis(10);
