//! Waiting for file descriptors, on the background runtime.
#![allow(unsafe_code)]

use std::os::fd::BorrowedFd;

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

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
