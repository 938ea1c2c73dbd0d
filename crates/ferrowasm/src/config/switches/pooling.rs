//! The pools of `allocation_strategy="pooling"`.

use std::ops::RangeInclusive;

use wasmtime::Enabled;

use super::{BYTES, GIB, MIB};
use crate::config::switch::{Switch, choice, number};

/// How many things a pool holds. The engine allocates a few hundred bytes for each when it is made.
const POOL: RangeInclusive<u64> = 0..=100_000;

const COUNT: RangeInclusive<u64> = 0..=u32::MAX as u64;

pub(super) static POOLING: &[Switch] = &[
    choice(
        "allocation_strategy",
        "allocation strategy",
        &[("on_demand", |to| to.pooling = false), ("pooling", |to| to.pooling = true)],
        "Allocate instances on demand, or from pools that are reserved when the engine is made, which makes instances \
         faster and limits their number. The `pooling_` switches need `pooling`.",
    ),
    number(
        "pooling_total_core_instances",
        1000,
        POOL,
        |to, count| _ = to.pool.total_core_instances(count as u32),
        "The most core instances at a time.",
    ),
    number(
        "pooling_total_component_instances",
        1000,
        POOL,
        |to, count| _ = to.pool.total_component_instances(count as u32),
        "The most component instances at a time.",
    ),
    number(
        "pooling_total_memories",
        1000,
        POOL,
        |to, count| _ = to.pool.total_memories(count as u32),
        "The most linear memories at a time. Each reserves `memory_reservation` and `memory_guard_size` of address \
         space.",
    ),
    number(
        "pooling_total_tables",
        1000,
        POOL,
        |to, count| _ = to.pool.total_tables(count as u32),
        "The most tables at a time.",
    ),
    number(
        "pooling_total_stacks",
        1000,
        POOL,
        |to, count| _ = to.pool.total_stacks(count as u32),
        "The most async calls at a time.",
    ),
    number(
        "pooling_total_gc_heaps",
        1000,
        POOL,
        |to, count| _ = to.pool.total_gc_heaps(count as u32),
        "The most stores with a garbage-collected heap at a time.",
    ),
    number(
        "pooling_max_core_instance_size",
        MIB,
        BYTES,
        |to, bytes| _ = to.pool.max_core_instance_size(bytes as usize),
        "The most bytes of bookkeeping for one core instance.",
    ),
    number(
        "pooling_max_component_instance_size",
        MIB,
        BYTES,
        |to, bytes| _ = to.pool.max_component_instance_size(bytes as usize),
        "The most bytes of bookkeeping for one component instance.",
    ),
    number(
        "pooling_max_core_instances_per_component",
        u32::MAX as u64,
        COUNT,
        |to, count| _ = to.pool.max_core_instances_per_component(count as u32),
        "The most core instances in one component.",
    ),
    number(
        "pooling_max_memories_per_component",
        u32::MAX as u64,
        COUNT,
        |to, count| _ = to.pool.max_memories_per_component(count as u32),
        "The most linear memories in one component.",
    ),
    number(
        "pooling_max_tables_per_component",
        u32::MAX as u64,
        COUNT,
        |to, count| _ = to.pool.max_tables_per_component(count as u32),
        "The most tables in one component.",
    ),
    number(
        "pooling_max_memories_per_module",
        1,
        COUNT,
        |to, count| _ = to.pool.max_memories_per_module(count as u32),
        "The most linear memories that one module defines.",
    ),
    number(
        "pooling_max_tables_per_module",
        1,
        COUNT,
        |to, count| _ = to.pool.max_tables_per_module(count as u32),
        "The most tables that one module defines.",
    ),
    number(
        "pooling_max_memory_size",
        4 * GIB,
        BYTES,
        |to, bytes| _ = to.pool.max_memory_size(bytes as usize),
        "The size to which a linear memory can grow, in bytes; at most `memory_reservation`.",
    ),
    number(
        "pooling_table_elements",
        20_000,
        0..=u32::MAX as u64,
        |to, count| _ = to.pool.table_elements(count as usize),
        "The number of elements to which a table can grow.",
    ),
    number(
        "pooling_max_unused_warm_slots",
        100,
        COUNT,
        |to, count| _ = to.pool.max_unused_warm_slots(count as u32),
        "How many unused slots stay reserved for the module that used them last, which makes its next instance \
         cheaper.",
    ),
    number(
        "pooling_decommit_batch_size",
        1,
        1..=100_000,
        |to, size| _ = to.pool.decommit_batch_size(size as usize),
        "How many freed slots are returned to the system in one go.",
    ),
    number(
        "pooling_linear_memory_keep_resident",
        0,
        BYTES,
        |to, bytes| _ = to.pool.linear_memory_keep_resident(bytes as usize),
        "How many bytes of a freed linear memory are cleared rather than returned to the system. Linux only.",
    ),
    number(
        "pooling_table_keep_resident",
        0,
        BYTES,
        |to, bytes| _ = to.pool.table_keep_resident(bytes as usize),
        "How many bytes of a freed table are cleared rather than returned to the system. Linux only.",
    ),
    number(
        "pooling_async_stack_keep_resident",
        0,
        BYTES,
        |to, bytes| _ = to.pool.async_stack_keep_resident(bytes as usize),
        "How many bytes of a freed stack are cleared rather than returned to the system, with `async_stack_zeroing`.",
    ),
    choice(
        "pooling_pagemap_scan",
        "pagemap scan",
        &[
            ("no", |to| _ = to.pool.pagemap_scan(Enabled::No)),
            ("auto", |to| _ = to.pool.pagemap_scan(Enabled::Auto)),
            ("yes", |to| _ = to.pool.pagemap_scan(Enabled::Yes)),
        ],
        "Ask the kernel which pages of a freed slot were used, and clear only those. Linux 6.7 or later.",
    ),
];
