//! How code runs: fuel, epochs, stacks, traps and backtraces.

use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use wasmtime::{ProfilingStrategy, WasmBacktraceDetails};

use super::{GIB, KIB};
use crate::config::switch::{Switch, choice, dependent_number, flag, limit, number, operator_cost};
use crate::gil::Policy;

/// Stack sizes, in bytes.
const STACK: RangeInclusive<u64> = 1..=GIB;

/// `async_stack_size` may exceed the largest `max_wasm_stack` by what the host needs.
const STACK_ASYNC: RangeInclusive<u64> = 1..=2 * GIB;

pub(super) static EXECUTION: &[Switch] = &[
    flag(
        "consume_fuel",
        false,
        |to, on| _ = to.config.consume_fuel(on),
        "Count the work of WebAssembly as fuel, and trap when the store's fuel is used up. Stores start with no fuel: \
         see `Store.set_fuel`.",
    ),
    operator_cost(
        "operator_cost",
        "The fuel that operators consume, by their name in the text format (`{\"i32.mul\": 3}`). The others keep their \
         cost: 1 for most. Has an effect with `consume_fuel` only.",
    ),
    flag(
        "epoch_interruption",
        false,
        |to, on| to.epoch_interruption = on,
        "Let WebAssembly be interrupted when the engine's epoch passes the store's deadline: see \
         `Engine.increment_epoch` and `Store.set_epoch_deadline`.",
    ),
    flag(
        "interruptible",
        true,
        |to, on| to.interruptible = on,
        "Compile checks into loops and functions that let Ctrl-C, signal handlers and deadlines interrupt running code. \
         Without, code is a little faster, and only returns by itself.",
    ),
    choice(
        "gil",
        "policy",
        &[
            ("auto", |to| to.gil = Policy::Auto),
            ("release", |to| to.gil = Policy::Release),
            ("hold", |to| to.gil = Policy::Hold),
        ],
        "Whether calls of functions of core modules let other Python threads have the interpreter lock. `auto`: those \
         that take long, by what earlier calls of the function took, and every call that is still running at the next \
         tick of 10 ms. `release`: all, from the start. `hold`: only those that are still running at the next tick. \
         Without `interruptible` and `epoch_interruption` there are no ticks: `auto` is `release`, and `hold` lasts to \
         the end of the call. With `shared_memory` `auto` is `release`, and `hold` a `WasmtimeError`.",
    ),
    number(
        "max_wasm_stack",
        512 * KIB,
        STACK,
        |to, size| to.max_wasm_stack = size as usize,
        "How much stack WebAssembly may use before it traps, in bytes. Calls on a thread with too small a stack run on \
         a larger one.",
    ),
    dependent_number(
        "async_stack_size",
        STACK_ASYNC,
        |to, size| to.async_stack_size = Some(size as usize),
        "The size of the stacks on which async calls run, in bytes: at least `max_wasm_stack` and 512 KiB. `None` is 2 \
         MiB, or more if `max_wasm_stack` needs it.",
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
        "Find out-of-bounds accesses by hardware faults. Without, the engine installs no signal handlers, and code \
         gets explicit, slower checks.",
    ),
    flag(
        "macos_use_mach_ports",
        true,
        |to, on| _ = to.config.macos_use_mach_ports(on),
        "On macOS, catch hardware faults through Mach ports rather than signals. All engines of a process have to \
         agree; processes that fork need signals.",
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
        "Read the debug information of modules for file names and lines in backtraces; `environment` does if the \
         variable `WASMTIME_BACKTRACE_DETAILS` is `1`.",
    ),
    flag(
        "coredump_on_trap",
        false,
        |to, on| _ = to.config.coredump_on_trap(on),
        "Capture a core dump of the instance when it traps.",
    ),
];
