//! Tells the crate which interpreter it is built for (`Py_GIL_DISABLED`), and the linker which functions of the
//! interpreter are called through `finalizing.rs` and that code which runs much stays together.

use std::env;

const FINALIZING: &str = "src/finalizing.rs";

fn main() {
    pyo3_build_config::use_pyo3_cfgs();
    println!("cargo::rustc-check-cfg=cfg(unwinds_daemon_threads)");
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={FINALIZING}");
    if gnu_linux() {
        // Where the compiler has a profile, it marks functions as hot or cold; without this the linker would mix them again.
        println!("cargo::rustc-link-arg-cdylib=-Wl,-z,keep-text-section-prefix");
    }
    if unwinds_daemon_threads() {
        println!("cargo::rustc-cfg=unwinds_daemon_threads");
        let source = std::fs::read_to_string(FINALIZING).expect("the source file");
        for name in functions_of_the_interpreter(&source) {
            println!("cargo::rustc-link-arg-cdylib=-Wl,--wrap={name}");
        }
    }
}

/// Whether the interpreter ends daemon threads that outlive it with `pthread_exit`, and the C library unwinds the stack
/// for that.
fn unwinds_daemon_threads() -> bool {
    let version = pyo3_build_config::get().version();
    gnu_linux() && (version.major, version.minor) < (3, 14)
}

fn gnu_linux() -> bool {
    let target = |name: &str| env::var(format!("CARGO_CFG_TARGET_{name}")).unwrap_or_default();
    target("OS") == "linux" && target("ENV") == "gnu"
}

/// The functions that are defined anew.
fn functions_of_the_interpreter(source: &str) -> impl Iterator<Item = &str> {
    let lines = source.lines().map(str::trim_start);
    lines.filter_map(|line| {
        let rest = line.strip_prefix("fn ").or_else(|| line.strip_prefix("mod "))?;
        let name = &rest[..rest.find(['(', ' '])?];
        (name.starts_with("Py") || name.starts_with("_Py")).then_some(name)
    })
}
