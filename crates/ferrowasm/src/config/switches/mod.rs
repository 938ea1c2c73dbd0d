//! The table of all switches, by what they are about. `docs/switches.md` lists them; a test keeps both in step.
//!
//! Defaults are those of the engine on a 64-bit host with the default compiler. Values are applied in the order of the
//! table.

mod compilation;
mod execution;
mod memory;
mod pooling;
mod wasm;

use std::ops::RangeInclusive;

use super::switch::Switch;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Sizes in bytes: no more than the address space of a process on a 64-bit host, so that sums of a few of them fit 64
/// bits.
const BYTES: RangeInclusive<u64> = 0..=1 << 47;

/// All switches, in the order of the documentation.
pub(super) fn all() -> impl Iterator<Item = &'static Switch> {
    let tables = [
        wasm::WASM_FEATURES,
        compilation::COMPILATION,
        execution::EXECUTION,
        memory::MEMORY,
        memory::GC_HEAP,
        pooling::POOLING,
    ];
    tables.into_iter().flatten()
}

pub(super) fn find(name: &str) -> Option<&'static Switch> {
    all().find(|switch| switch.name == name)
}
