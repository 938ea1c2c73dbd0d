//! Linear memories, tables, and the heaps of garbage-collected objects.

use wasmtime::Collector;

use super::{BYTES, GIB, MIB};
use crate::config::switch::{Switch, choice, dependent_number, flag, number};

pub(super) static MEMORY: &[Switch] = &[
    number(
        "memory_reservation",
        4 * GIB,
        BYTES,
        |to, bytes| _ = to.config.memory_reservation(bytes),
        "How much address space a linear memory reserves when it is made, in bytes. With 4 GiB, code for 32-bit \
         memories needs no bounds checks.",
    ),
    number(
        "memory_reservation_for_growth",
        2 * GIB,
        BYTES,
        |to, bytes| _ = to.config.memory_reservation_for_growth(bytes),
        "How much address space a linear memory reserves to grow into after it had to move, in bytes.",
    ),
    number(
        "memory_guard_size",
        32 * MIB,
        BYTES,
        |to, bytes| _ = to.config.memory_guard_size(bytes),
        "The size of the inaccessible region after a linear memory, in bytes.",
    ),
    flag(
        "guard_before_linear_memory",
        true,
        |to, on| _ = to.config.guard_before_linear_memory(on),
        "Also have an inaccessible region before each linear memory.",
    ),
    flag(
        "memory_may_move",
        true,
        |to, on| _ = to.config.memory_may_move(on),
        "Whether a linear memory may move when it outgrows its reservation; otherwise it cannot grow further.",
    ),
    flag(
        "memory_init_cow",
        true,
        |to, on| _ = to.config.memory_init_cow(on),
        "Initialize linear memories by mapping an image of their data copy-on-write, where the system can.",
    ),
    flag(
        "force_memory_init_memfd",
        false,
        |to, on| _ = to.config.force_memory_init_memfd(on),
        "Keep the images of `memory_init_cow` in memory, even if a file could be mapped. Linux only.",
    ),
    number(
        "memory_guaranteed_dense_image_size",
        16 * MIB,
        BYTES,
        |to, bytes| _ = to.config.memory_guaranteed_dense_image_size(bytes),
        "Up to what size, in bytes, initial data with large gaps still gets an image for `memory_init_cow`.",
    ),
    flag(
        "table_lazy_init",
        true,
        |to, on| _ = to.config.table_lazy_init(on),
        "Fill tables when their elements are first used: instantiation is faster, indirect calls a little slower.",
    ),
];

pub(super) static GC_HEAP: &[Switch] = &[
    choice(
        "collector",
        "collector",
        &[
            ("auto", |to| _ = to.config.collector(Collector::Auto)),
            ("deferred_reference_counting", |to| _ = to.config.collector(Collector::DeferredReferenceCounting)),
            ("null", |to| _ = to.config.collector(Collector::Null)),
            ("copying", |to| _ = to.config.collector(Collector::Copying)),
        ],
        "The garbage collector for WebAssembly objects: copying (`auto` picks it), deferred reference counting, or \
         `null`, which never frees and traps when the heap is full.",
    ),
    number(
        "gc_heap_initial_size",
        0,
        0..=4 * GIB,
        |to, bytes| _ = to.config.gc_heap_initial_size(bytes),
        "The size with which the heap of a store starts, in bytes.",
    ),
    dependent_number(
        "gc_heap_reservation",
        BYTES,
        |to, bytes| _ = to.config.gc_heap_reservation(bytes),
        "As `memory_reservation`, for heaps. While none of `gc_heap_reservation`, `gc_heap_reservation_for_growth`, \
         `gc_heap_guard_size` and `gc_heap_may_move` is set, heaps follow the switches of linear memories.",
    ),
    dependent_number(
        "gc_heap_reservation_for_growth",
        BYTES,
        |to, bytes| _ = to.config.gc_heap_reservation_for_growth(bytes),
        "As `memory_reservation_for_growth`, for heaps.",
    ),
    dependent_number(
        "gc_heap_guard_size",
        BYTES,
        |to, bytes| _ = to.config.gc_heap_guard_size(bytes),
        "As `memory_guard_size`, for heaps.",
    ),
    flag("gc_heap_may_move", true, |to, on| _ = to.config.gc_heap_may_move(on), "As `memory_may_move`, for heaps."),
];
