//! Makes a component out of a core module, as `wasm-tools component new` does.
//!
//!     component-new MODULE -o OUT [--wit PATH [--world WORLD]] [--adapt command|reactor]
//!
//! MODULE is the binary or the text of a core module. With `--wit`, which names a file or a folder, the module's imports
//! and exports are those of that world; without, MODULE says so itself or has none. `--adapt` gives programs that were
//! built for WASI 0.1 the interfaces of WASI 0.2.

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use wasi_preview1_component_adapter_provider::{
    WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER, WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
};
use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

struct Options {
    module: PathBuf,
    out: PathBuf,
    wit: Option<PathBuf>,
    world: Option<String>,
    adapter: Option<&'static [u8]>,
}

fn parse(mut args: impl Iterator<Item = String>) -> Result<Options, Box<dyn Error>> {
    let (mut module, mut out, mut wit, mut world, mut adapter) = (None, None, None, None, None);
    while let Some(arg) = args.next() {
        let mut value = || args.next().ok_or_else(|| format!("{arg} needs a value"));
        match arg.as_str() {
            "-o" => out = Some(value()?.into()),
            "--wit" => wit = Some(value()?.into()),
            "--world" => world = Some(value()?),
            "--adapt" => {
                adapter = Some(match value()?.as_str() {
                    "command" => WASI_SNAPSHOT_PREVIEW1_COMMAND_ADAPTER,
                    "reactor" => WASI_SNAPSHOT_PREVIEW1_REACTOR_ADAPTER,
                    other => return Err(format!("unknown adapter {other}").into()),
                });
            }
            _ if module.is_none() && !arg.starts_with('-') => module = Some(arg.into()),
            _ => return Err(format!("unexpected argument {arg}").into()),
        }
    }
    Ok(Options { module: module.ok_or("no module given")?, out: out.ok_or("no -o given")?, wit, world, adapter })
}

fn component(options: &Options) -> Result<Vec<u8>, Box<dyn Error>> {
    let mut module = wat::parse_file(&options.module)?;
    if let Some(path) = &options.wit {
        let mut resolve = Resolve::default();
        let (package, _) = resolve.push_path(path)?;
        let world = resolve.select_world(&[package], options.world.as_deref())?;
        embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)?;
    }
    let mut encoder = ComponentEncoder::default().module(&module)?.validate(true);
    if let Some(adapter) = options.adapter {
        encoder = encoder.adapter(WASI_SNAPSHOT_PREVIEW1_ADAPTER_NAME, adapter)?;
    }
    Ok(encoder.encode()?)
}

fn run() -> Result<(), Box<dyn Error>> {
    let options = parse(std::env::args().skip(1))?;
    std::fs::write(&options.out, component(&options)?)?;
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("component-new: {error:#}");
            ExitCode::FAILURE
        }
    }
}
