//! The table of all switches, by what they are about. `docs/configuration.md` lists them; a test keeps both in step.
//!
//! Defaults are those of the engine on a 64-bit host with the default compiler. Values are applied in the order of the table.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use wasmtime::{
    Collector, Enabled, Inlining, OptLevel, ProfilingStrategy, RegallocAlgorithm, Strategy, WasmBacktraceDetails,
};

use super::switch::{Switch, cache, choice, dependent_number, flag, limit, number, operator_cost, target};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// Sizes in bytes: no more than the address space of a process on a 64-bit host, so that sums of a few of them fit 64 bits.
const BYTES: RangeInclusive<u64> = 0..=1 << 47;
/// Stack sizes, in bytes.
const STACK: RangeInclusive<u64> = 1..=GIB;
/// How many things a pool holds. The engine allocates a few hundred bytes for each when it is made.
const POOL: RangeInclusive<u64> = 0..=100_000;
const COUNT: RangeInclusive<u64> = 0..=u32::MAX as u64;

/// All switches, in the order of the documentation.
pub(super) fn all() -> impl Iterator<Item = &'static Switch> {
    [WASM_FEATURES, COMPILATION, EXECUTION, MEMORY, GC_HEAP, POOLING].into_iter().flatten()
}

pub(super) fn find(name: &str) -> Option<&'static Switch> {
    all().find(|switch| switch.name == name)
}

static WASM_FEATURES: &[Switch] = &[
    flag(
        "wasm_bulk_memory",
        true,
        |to, on| _ = to.config.wasm_bulk_memory(on),
        "The bulk-memory proposal: `memory.copy`, `table.init` and their kin.",
    ),
    flag(
        "wasm_custom_page_sizes",
        false,
        |to, on| _ = to.config.wasm_custom_page_sizes(on),
        "The custom-page-sizes proposal: memories with pages of one byte.",
    ),
    flag(
        "wasm_branch_hinting",
        false,
        |to, on| _ = to.config.wasm_branch_hinting(on),
        "The branch-hinting proposal: hints in a module about likely branches shape the layout of its code.",
    ),
    flag(
        "wasm_exceptions",
        true,
        |to, on| _ = to.config.wasm_exceptions(on),
        "The exception-handling proposal: tags, `throw`, `try_table`. Needs `gc_support`.",
    ),
    flag(
        "wasm_extended_const",
        true,
        |to, on| _ = to.config.wasm_extended_const(on),
        "The extended-const proposal: arithmetic in constant expressions.",
    ),
    flag(
        "wasm_function_references",
        true,
        |to, on| _ = to.config.wasm_function_references(on),
        "The typed function references proposal: `call_ref`, non-nullable references. Needs `wasm_reference_types` and `gc_support`.",
    ),
    flag(
        "wasm_gc",
        true,
        |to, on| _ = to.config.wasm_gc(on),
        "The garbage-collection proposal: structs, arrays, `i31ref`. Needs `wasm_function_references` and `gc_support`.",
    ),
    flag(
        "gc_support",
        true,
        |to, on| _ = to.config.gc_support(on),
        "Whether the engine has a garbage collector at all, which `externref`, exceptions and the garbage-collection proposal need.",
    ),
    flag(
        "wasm_memory64",
        true,
        |to, on| _ = to.config.wasm_memory64(on),
        "The memory64 proposal: memories and tables with 64-bit addresses.",
    ),
    flag(
        "wasm_multi_memory",
        true,
        |to, on| _ = to.config.wasm_multi_memory(on),
        "The multi-memory proposal: more than one memory in a module.",
    ),
    flag(
        "wasm_multi_value",
        true,
        |to, on| _ = to.config.wasm_multi_value(on),
        "The multi-value proposal: functions and blocks with several results.",
    ),
    flag(
        "wasm_reference_types",
        true,
        |to, on| _ = to.config.wasm_reference_types(on),
        "The reference-types proposal: `externref`, several tables. Needs `wasm_bulk_memory`.",
    ),
    flag(
        "wasm_simd",
        true,
        |to, on| _ = to.config.wasm_simd(on),
        "The fixed-width SIMD proposal: `v128` and its operators.",
    ),
    flag(
        "wasm_relaxed_simd",
        true,
        |to, on| _ = to.config.wasm_relaxed_simd(on),
        "The relaxed-SIMD proposal: vector operators whose results may depend on the CPU. Needs `wasm_simd`.",
    ),
    flag(
        "wasm_relaxed_simd_deterministic",
        false,
        |to, on| _ = to.config.relaxed_simd_deterministic(on),
        "Give the relaxed-SIMD operators the same results on every CPU, at some cost in speed.",
    ),
    flag(
        "wasm_shared_everything_threads",
        false,
        |to, on| _ = to.config.wasm_shared_everything_threads(on),
        "The shared-everything-threads proposal, of which the engine implements little so far. Needs `wasm_threads`.",
    ),
    flag(
        "wasm_stack_switching",
        false,
        |to, on| _ = to.config.wasm_stack_switching(on),
        "The stack-switching proposal: continuations. For x86-64 Linux and macOS only.",
    ),
    flag("wasm_tail_call", true, |to, on| _ = to.config.wasm_tail_call(on), "The tail-call proposal: `return_call`."),
    flag(
        "wasm_threads",
        true,
        |to, on| _ = to.config.wasm_threads(on),
        "The threads proposal: atomic operators and the type of shared memories. See also `shared_memory`.",
    ),
    flag("shared_memory", false, |to, on| _ = to.config.shared_memory(on), "Whether shared memories can be made."),
    flag(
        "wasm_wide_arithmetic",
        false,
        |to, on| _ = to.config.wasm_wide_arithmetic(on),
        "The wide-arithmetic proposal: 128-bit addition and multiplication.",
    ),
    flag("wasm_component_model", true, |to, on| _ = to.config.wasm_component_model(on), "The component model."),
    flag(
        "wasm_component_model_async",
        true,
        |to, on| _ = to.config.wasm_component_model_async(on),
        "Async functions, streams and futures in components. Needs `concurrency_support`.",
    ),
    flag(
        "wasm_component_model_more_async_builtins",
        false,
        |to, on| _ = to.config.wasm_component_model_more_async_builtins(on),
        "Further built-in functions for async components. Needs `concurrency_support`.",
    ),
    flag(
        "wasm_component_model_async_stackful",
        false,
        |to, on| _ = to.config.wasm_component_model_async_stackful(on),
        "Async functions in components that keep a stack of their own. Needs `concurrency_support`.",
    ),
    flag(
        "wasm_component_model_threading",
        false,
        |to, on| _ = to.config.wasm_component_model_threading(on),
        "Cooperative threads in components. Needs `concurrency_support`.",
    ),
    flag(
        "wasm_component_model_error_context",
        false,
        |to, on| _ = to.config.wasm_component_model_error_context(on),
        "The `error-context` type in components. Needs `concurrency_support`.",
    ),
    flag(
        "wasm_component_model_gc",
        false,
        |to, on| _ = to.config.wasm_component_model_gc(on),
        "Garbage-collected values in the canonical ABI of components.",
    ),
    flag(
        "wasm_component_model_map",
        false,
        |to, on| _ = to.config.wasm_component_model_map(on),
        "The `map` type in components.",
    ),
    flag(
        "wasm_component_model_memory64",
        false,
        |to, on| _ = to.config.wasm_component_model_memory64(on),
        "64-bit memories in the canonical ABI of components.",
    ),
    flag(
        "wasm_component_model_fixed_length_lists",
        false,
        |to, on| _ = to.config.wasm_component_model_fixed_length_lists(on),
        "Lists of a fixed length in components.",
    ),
    flag(
        "wasm_component_model_implements",
        false,
        |to, on| _ = to.config.wasm_component_model_implements(on),
        "The `implements` annotation of imports and exports of components.",
    ),
];

static COMPILATION: &[Switch] = &[
    choice(
        "strategy",
        "strategy",
        &[
            ("auto", |to| _ = to.config.strategy(Strategy::Auto)),
            ("cranelift", |to| _ = to.config.strategy(Strategy::Cranelift)),
            ("winch", |to| _ = to.config.strategy(Strategy::Winch)),
        ],
        "The compiler: Cranelift (`auto` picks it), or Winch, which compiles faster to slower code and lacks some proposals.",
    ),
    flag(
        "enable_compiler",
        true,
        |to, on| to.compiler = on,
        "Whether the engine can compile. Without, it only runs modules that were compiled ahead of time, and the other switches of the compiler have no effect.",
    ),
    target(
        "target",
        "The target triple to compile for: the host's architecture (`x86_64-unknown-linux-gnu`) or the portable interpreter Pulley (`pulley64`). CPU features are not detected for a given target; code for a foreign system can be serialized, but not run.",
    ),
    cache(
        "cache",
        "Keep compiled modules on disk and reuse them: `True` for the user's cache configuration, or the path of a TOML file. It is read at once; `del config.cache` turns the cache off again.",
    ),
    flag(
        "parallel_compilation",
        true,
        |to, on| _ = to.config.parallel_compilation(on),
        "Compile the functions of a module on several threads.",
    ),
    choice(
        "cranelift_opt_level",
        "opt level",
        &[
            ("speed", |to| _ = to.config.cranelift_opt_level(OptLevel::Speed)),
            ("speed_and_size", |to| _ = to.config.cranelift_opt_level(OptLevel::SpeedAndSize)),
            ("none", |to| _ = to.config.cranelift_opt_level(OptLevel::None)),
        ],
        "How much Cranelift optimizes.",
    ),
    choice(
        "cranelift_regalloc_algorithm",
        "register allocation algorithm",
        &[
            ("backtracking", |to| _ = to.config.cranelift_regalloc_algorithm(RegallocAlgorithm::Backtracking)),
            ("single_pass", |to| _ = to.config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass)),
        ],
        "How Cranelift allocates registers: `single_pass` compiles faster to slower code.",
    ),
    choice(
        "compiler_inlining",
        "inlining",
        &[
            ("no", |to| _ = to.config.compiler_inlining(Inlining::No)),
            ("intrinsics", |to| _ = to.config.compiler_inlining(Inlining::Intrinsics)),
            ("inter_module", |to| _ = to.config.compiler_inlining(Inlining::InterModule)),
            ("inter_module_and_intra_gc", |to| _ = to.config.compiler_inlining(Inlining::InterModuleAndIntraGc)),
            ("yes", |to| _ = to.config.compiler_inlining(Inlining::Yes)),
        ],
        "Which function calls the compiler may inline: none, those to intrinsics, also those between modules of a component, also those within modules that use garbage collection, or all. Backtraces leave out inlined frames.",
    ),
    flag(
        "cranelift_nan_canonicalization",
        false,
        |to, on| _ = to.config.cranelift_nan_canonicalization(on),
        "Give every NaN that WebAssembly computes the same bits, so that results do not depend on the CPU.",
    ),
    flag(
        "cranelift_debug_verifier",
        false,
        |to, on| _ = to.config.cranelift_debug_verifier(on),
        "Let Cranelift check its intermediate code while it compiles. Slow; finds bugs of the compiler.",
    ),
    flag(
        "cranelift_wasmtime_debug_checks",
        false,
        |to, on| {
            // The engine takes any value of this setting for "on".
            if on {
                to.config.cranelift_wasmtime_debug_checks(true);
            }
        },
        "Compile assertions about the engine's own invariants into the code.",
    ),
    flag(
        "debug_info",
        false,
        |to, on| _ = to.config.debug_info(on),
        "Emit DWARF for the generated code, for native debuggers and profilers. Needs `debug_symbols`.",
    ),
    flag(
        "debug_symbols",
        true,
        |to, on| _ = to.config.debug_symbols(on),
        "Keep the names of functions in compiled code.",
    ),
    flag(
        "debug_adapter_modules",
        false,
        |to, on| _ = to.config.debug_adapter_modules(on),
        "Compile assertions into the code that connects components.",
    ),
    flag(
        "generate_address_map",
        true,
        |to, on| _ = to.config.generate_address_map(on),
        "Keep a map from native code to WebAssembly offsets, which the offsets in backtraces come from.",
    ),
    flag(
        "native_unwind_info",
        true,
        |to, on| _ = to.config.native_unwind_info(on),
        "Emit unwind information for native debuggers and profilers. Always on for Windows targets.",
    ),
    flag(
        "metadata_for_internal_asserts",
        false,
        |to, on| _ = to.config.metadata_for_internal_asserts(on),
        "Report failed assertions in compiled code as errors with a reason.",
    ),
];

static EXECUTION: &[Switch] = &[
    flag(
        "consume_fuel",
        false,
        |to, on| _ = to.config.consume_fuel(on),
        "Count the work of WebAssembly as fuel, and trap when the store's fuel is used up. Stores start with no fuel: see `Store.set_fuel`.",
    ),
    operator_cost(
        "operator_cost",
        "The fuel that operators consume, by their name in the text format (`{\"i32.mul\": 3}`). The others keep their cost: 1 for most. Has an effect with `consume_fuel` only.",
    ),
    flag(
        "epoch_interruption",
        false,
        |to, on| _ = to.config.epoch_interruption(on),
        "Let WebAssembly be interrupted when the engine's epoch passes the store's deadline: see `Engine.increment_epoch` and `Store.set_epoch_deadline`.",
    ),
    number(
        "max_wasm_stack",
        512 * KIB,
        STACK,
        |to, size| to.max_wasm_stack = size as usize,
        "How much stack WebAssembly may use before it traps, in bytes. Calls on a thread with too small a stack run on a larger one.",
    ),
    dependent_number(
        "async_stack_size",
        STACK_ASYNC,
        |to, size| to.async_stack_size = Some(size as usize),
        "The size of the stacks on which async calls run, in bytes: at least `max_wasm_stack` and 512 KiB. `None` is 2 MiB, or more if `max_wasm_stack` needs it.",
    ),
    flag(
        "async_stack_zeroing",
        false,
        |to, on| _ = to.config.async_stack_zeroing(on),
        "Clear the stacks of async calls before they are used again.",
    ),
    flag(
        "concurrency_support",
        true,
        |to, on| _ = to.config.concurrency_support(on),
        "Whether stores can run several async calls of components at once.",
    ),
    flag(
        "signals_based_traps",
        true,
        |to, on| _ = to.config.signals_based_traps(on),
        "Find out-of-bounds accesses by hardware faults. Without, the engine installs no signal handlers, and code gets explicit, slower checks.",
    ),
    flag(
        "macos_use_mach_ports",
        true,
        |to, on| _ = to.config.macos_use_mach_ports(on),
        "On macOS, catch hardware faults through Mach ports rather than signals. All engines of a process have to agree; processes that fork need signals.",
    ),
    choice(
        "profiler",
        "profiler",
        &[
            ("none", |to| _ = to.config.profiler(ProfilingStrategy::None)),
            ("jitdump", |to| _ = to.config.profiler(ProfilingStrategy::JitDump)),
            ("vtune", |to| _ = to.config.profiler(ProfilingStrategy::VTune)),
            ("perfmap", |to| _ = to.config.profiler(ProfilingStrategy::PerfMap)),
        ],
        "Tell a native profiler about the generated code: `perf` through a dump or a map file, or VTune.",
    ),
    limit(
        "wasm_backtrace_max_frames",
        20,
        1..=u32::MAX as u64,
        |to, frames| {
            _ = to.config.wasm_backtrace_max_frames(frames.and_then(|frames| NonZeroUsize::new(frames as usize)))
        },
        "The most WebAssembly frames in the backtrace of a trap; `None` for no backtraces.",
    ),
    flag(
        "wasm_backtrace",
        true,
        #[expect(deprecated, reason = "the engine keeps it for those who know it; so do we")]
        |to, on| _ = to.config.wasm_backtrace(on),
        "Collect backtraces at all: `False` is the same as `None` for `wasm_backtrace_max_frames`.",
    ),
    choice(
        "wasm_backtrace_details",
        "backtrace detail",
        &[
            ("environment", |to| _ = to.config.wasm_backtrace_details(WasmBacktraceDetails::Environment)),
            ("enable", |to| _ = to.config.wasm_backtrace_details(WasmBacktraceDetails::Enable)),
            ("disable", |to| _ = to.config.wasm_backtrace_details(WasmBacktraceDetails::Disable)),
        ],
        "Read the debug information of modules for file names and lines in backtraces; `environment` does if the variable `WASMTIME_BACKTRACE_DETAILS` is `1`.",
    ),
    flag(
        "coredump_on_trap",
        false,
        |to, on| _ = to.config.coredump_on_trap(on),
        "Capture a core dump of the instance when it traps.",
    ),
];

/// `async_stack_size` may exceed the largest `max_wasm_stack` by what the host needs.
const STACK_ASYNC: RangeInclusive<u64> = 1..=2 * GIB;

static MEMORY: &[Switch] = &[
    number(
        "memory_reservation",
        4 * GIB,
        BYTES,
        |to, bytes| _ = to.config.memory_reservation(bytes),
        "How much address space a linear memory reserves when it is made, in bytes. With 4 GiB, code for 32-bit memories needs no bounds checks.",
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

static GC_HEAP: &[Switch] = &[
    choice(
        "collector",
        "collector",
        &[
            ("auto", |to| _ = to.config.collector(Collector::Auto)),
            ("deferred_reference_counting", |to| _ = to.config.collector(Collector::DeferredReferenceCounting)),
            ("null", |to| _ = to.config.collector(Collector::Null)),
            ("copying", |to| _ = to.config.collector(Collector::Copying)),
        ],
        "The garbage collector for WebAssembly objects: copying (`auto` picks it), deferred reference counting, or `null`, which never frees and traps when the heap is full.",
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
        "As `memory_reservation`, for heaps. While none of `gc_heap_reservation`, `gc_heap_reservation_for_growth`, `gc_heap_guard_size` and `gc_heap_may_move` is set, heaps follow the switches of linear memories.",
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

static POOLING: &[Switch] = &[
    choice(
        "allocation_strategy",
        "allocation strategy",
        &[("on_demand", |to| to.pooling = false), ("pooling", |to| to.pooling = true)],
        "Allocate instances on demand, or from pools that are reserved when the engine is made, which makes instances faster and limits their number. The `pooling_` switches need `pooling`.",
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
        "The most linear memories at a time. Each reserves `memory_reservation` and `memory_guard_size` of address space.",
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
        "How many unused slots stay reserved for the module that used them last, which makes its next instance cheaper.",
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
