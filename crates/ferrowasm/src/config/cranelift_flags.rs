//! The one place that sets Cranelift's flags by name.
#![allow(unsafe_code)]

use std::collections::BTreeMap;

use pyo3::prelude::*;

use crate::errors::wasmtime_error;

/// Flags by name; `None` for one that was enabled rather than set to a value.
pub(super) type Flags = BTreeMap<String, Option<String>>;

/// The settings that change how code is made, but neither what it computes nor what it takes for granted about the
/// host.
const HARMLESS: [&str; 15] = [
    "enable_alias_analysis",
    "enable_heap_access_spectre_mitigation",
    "enable_nan_canonicalization",
    "enable_table_access_spectre_mitigation",
    "enable_verifier",
    "machine_code_cfg_info",
    "opt_level",
    "regalloc_algorithm",
    "regalloc_checker",
    "unwind_info",
    "use_bti",
    "sign_return_address",
    "sign_return_address_all",
    "sign_return_address_with_bkey",
    "wasmtime_inlining_small_callee_size",
];

/// Refuses the flags on which the engine's memory safety rests. CPU features (`has_…`) are fine: the engine compares
/// them with the host's before it runs the code.
pub(super) fn check(py: Python<'_>, flag: &str) -> PyResult<()> {
    if flag.starts_with("has_") || HARMLESS.contains(&flag) {
        return Ok(());
    }
    let message = format!(
        "Cranelift flag {flag:?} is unknown or not safe to set: expected a CPU feature (has_…) or one of {}",
        HARMLESS.join(", ")
    );
    Err(wasmtime_error(py, &message))
}

/// Passes on flags that `check` has accepted.
pub(super) fn apply(config: &mut wasmtime::Config, flags: &Flags) {
    for (flag, value) in flags {
        match value {
            // SAFETY: the contract is that no flag breaks an invariant of the engine. `check` lets through CPU
            // features, which the engine tests against the host before it runs code
            // (`Engine::check_compatible_with_isa_flag`), and settings that the engine itself treats as having no
            // effect on the interface of the code (`Engine::check_compatible_with_shared_flag`). Unknown names and bad
            // values are errors of `Engine::new`.
            Some(value) => unsafe { config.cranelift_flag_set(flag, value) },
            // SAFETY: as above.
            None => unsafe { config.cranelift_flag_enable(flag) },
        };
    }
}
