//! WebAssembly proposals, core and component.

use crate::config::switch::{Switch, flag};

pub(super) static WASM_FEATURES: &[Switch] = &[
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
        "The typed function references proposal: `call_ref`, non-nullable references. Needs `wasm_reference_types` and \
         `gc_support`.",
    ),
    flag(
        "wasm_gc",
        true,
        |to, on| _ = to.config.wasm_gc(on),
        "The garbage-collection proposal: structs, arrays, `i31ref`. Needs `wasm_function_references` and \
         `gc_support`.",
    ),
    flag(
        "gc_support",
        true,
        |to, on| _ = to.config.gc_support(on),
        "Whether the engine has a garbage collector at all, which `externref`, exceptions and the garbage-collection \
         proposal need.",
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
    flag(
        "shared_memory",
        false,
        |to, on| {
            to.shared_memory = on;
            to.config.shared_memory(on);
        },
        "Whether shared memories can be made.",
    ),
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
