//! Smaller reservations where the address space is limited (`ulimit -v`), as in some containers and batch systems.
//!
//! By default a linear memory reserves 4 GiB of addresses and a guard behind them, so that it never moves and most of its
//! bounds need no check. Where that much cannot be had, memories reserve little and code checks bounds, which is slower.

use wasmtime::Config;

/// A process that may have so many addresses, in bytes, has room for the usual reservations of some memories.
const PLENTY: u64 = 64 << 30;
/// What memories reserve beyond their size, in bytes.
const RESERVATION: u64 = 1 << 20;
const GUARD: u64 = 64 << 10;
/// The share of all addresses that one memory may reserve because its type says that it may grow.
const SHARE: u64 = 16;

/// The most addresses that this process may have, in bytes, if they are few.
pub(super) fn scarce() -> Option<u64> {
    #[cfg(unix)]
    return rustix::process::getrlimit(rustix::process::Resource::As).current.filter(|limit| *limit < PLENTY);
    #[cfg(not(unix))]
    None
}

/// Lets memories reserve little.
pub(super) fn economise(config: &mut Config) {
    config.memory_reservation(RESERVATION).memory_reservation_for_growth(RESERVATION).memory_guard_size(GUARD);
}

/// How many bytes a memory may reserve because it may grow, if `limit` are all.
pub(super) fn share(limit: u64) -> usize {
    usize::try_from(limit / SHARE).unwrap_or(usize::MAX)
}
