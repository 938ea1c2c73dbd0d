//! How modules are compiled.

use wasmtime::{Inlining, OptLevel, RegallocAlgorithm, Strategy};

use crate::config::switch::{Switch, cache, choice, flag, limit, target};
use crate::config::{DEFAULT_FUNCTION_COMPLEXITY, DEFAULT_FUNCTIONS, DEFAULT_LOOP_NESTING};

pub(super) static COMPILATION: &[Switch] = &[
    choice(
        "strategy",
        "strategy",
        &[
            ("auto", |to| _ = to.config.strategy(Strategy::Auto)),
            ("cranelift", |to| _ = to.config.strategy(Strategy::Cranelift)),
            ("winch", |to| _ = to.config.strategy(Strategy::Winch)),
        ],
        "The compiler: Cranelift (`auto` picks it), or Winch, which compiles faster to slower code and lacks some \
         proposals.",
    ),
    flag(
        "enable_compiler",
        true,
        |to, on| to.compiler = on,
        "Whether the engine can compile. Without, it only runs modules that were compiled ahead of time, and the other \
         switches of the compiler have no effect.",
    ),
    target(
        "target",
        "The target triple to compile for, such as `x86_64-unknown-linux-gnu`; of the architectures, the host's is \
         built in. A given target means no CPU features beyond the baseline, so that the code is portable. Code for a \
         foreign system can be serialized, but not run.",
    ),
    cache(
        "cache",
        "Keep compiled modules on disk and reuse them: `True` for the user's cache configuration, or the path of a \
         TOML file. It is read at once; `del config.cache` turns the cache off again.",
    ),
    flag(
        "parallel_compilation",
        true,
        |to, on| _ = to.config.parallel_compilation(on),
        "Compile the functions of a module on several threads.",
    ),
    limit(
        "max_functions",
        DEFAULT_FUNCTIONS,
        1..=u32::MAX as u64,
        |to, bound| to.bounds.functions = bound,
        "The most functions that a module, or all modules of a component, define. Each costs the compiler some 5 KiB and \
         0.2 ms, however small it is; what has more is not compiled: `WasmtimeError`.",
    ),
    limit(
        "max_function_complexity",
        DEFAULT_FUNCTION_COMPLEXITY,
        1..=u32::MAX as u64,
        |to, bound| to.bounds.complexity = bound,
        "The most branches, calls and blocks in one function. The compiler's time and memory grow faster than such a \
         function; one with more is not compiled: `WasmtimeError`.",
    ),
    limit(
        "max_loop_nesting",
        DEFAULT_LOOP_NESTING,
        1..=u32::MAX as u64,
        |to, bound| to.bounds.loop_nesting = bound,
        "The most loops within each other in one function. A function with more is not compiled: `WasmtimeError`.",
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
        "Which function calls the compiler may inline: none, those to intrinsics, also those between modules of a \
         component, also those within modules that use garbage collection, or all. Backtraces leave out inlined \
         frames.",
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
