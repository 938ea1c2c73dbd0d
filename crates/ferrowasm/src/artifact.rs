//! Compiled code as bytes: the engine's own format, followed by a checksum.
//!
//! The engine believes what it is given: compiled code is native code, and bytes that were changed run as whatever they
//! have become. The checksum finds damage (truncated, flipped, stale or foreign bytes) before the engine looks at them.
//! It is no signature: whoever can write the bytes can write a checksum to match, so artefacts must come from where
//! only trusted programs write.
//!
//! The checksum is at the end because the engine maps files from their start.
#![allow(unsafe_code)]

use std::fs::File;
use std::io::Read;
use std::path::Path;

use pyo3::prelude::*;
use sha2::{Digest, Sha256};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::engine::EngineState;
use crate::errors::wasmtime_error;
use crate::gil;
use crate::interrupt::process;

const MAGIC: &[u8; 16] = b"ferrowasm-sha256";
const DIGEST: usize = 32;
const TRAILER: usize = DIGEST + MAGIC.len();
/// How much of a file is read at a time.
const BLOCK: usize = 1 << 20;

fn hasher() -> Sha256 {
    let mut hasher = Sha256::new();
    // Artefacts of another version of the engine are told apart before the engine is asked.
    hasher.update(crate::ENGINE_VERSION);
    hasher
}

fn digest(code: &[u8]) -> [u8; DIGEST] {
    let mut hasher = hasher();
    hasher.update(code);
    hasher.finalize().into()
}

/// Appends the checksum.
pub(crate) fn seal(mut code: Vec<u8>) -> Vec<u8> {
    let digest = digest(&code);
    code.extend_from_slice(&digest);
    code.extend_from_slice(MAGIC);
    code
}

/// Why bytes are no compiled code.
enum Damage {
    Foreign,
    Changed,
}

impl Damage {
    fn to_python(&self, py: Python<'_>) -> PyErr {
        wasmtime_error(
            py,
            match self {
                Damage::Foreign => {
                    "these bytes are no compiled code of ferrowasm, or they are cut short: expected what `serialize` \
                    returned (the checksum at the end is missing)"
                }
                Damage::Changed => {
                    "the compiled code does not match its checksum: it was damaged, or made by another version of \
                    ferrowasm; compile it again"
                }
            },
        )
    }
}

/// Whether `trailer` is the one of bytes with this digest.
fn compare(digest: &[u8; DIGEST], trailer: &[u8; TRAILER]) -> Result<(), Damage> {
    let (expected, magic) = trailer.split_at(DIGEST);
    match (magic == MAGIC, expected == digest) {
        (false, _) => Err(Damage::Foreign),
        (true, false) => Err(Damage::Changed),
        (true, true) => Ok(()),
    }
}

/// Checks the checksum and takes it off.
pub(crate) fn open<'a>(py: Python<'_>, bytes: &'a [u8]) -> PyResult<&'a [u8]> {
    let checked = match bytes.split_last_chunk::<TRAILER>() {
        // What has no trailer need not be hashed.
        Some((code, trailer)) if trailer.ends_with(MAGIC) => {
            gil::released(py, || compare(&digest(code), trailer).map(|()| code))?
        }
        _ => Err(Damage::Foreign),
    };
    checked.map_err(|damage| damage.to_python(py))
}

/// Checks the checksum of a file.
pub(crate) fn check_file(py: Python<'_>, path: &Path) -> PyResult<()> {
    gil::released(py, || check_blocks(path))?
        .map_err(|error| crate::paths::os_error(py, &error, path))?
        .map_err(|damage| damage.to_python(py))
}

fn check_blocks(path: &Path) -> std::io::Result<Result<(), Damage>> {
    let mut file = File::open(path)?;
    let Some(size) = file.metadata()?.len().checked_sub(TRAILER as u64) else { return Ok(Err(Damage::Foreign)) };
    let mut hasher = hasher();
    let mut block = vec![0; BLOCK];
    let mut code = file.by_ref().take(size);
    loop {
        match code.read(&mut block)? {
            0 => break,
            count => hasher.update(&block[..count]),
        }
    }
    let mut trailer = [0; TRAILER];
    file.read_exact(&mut trailer)?;
    Ok(compare(&hasher.finalize().into(), &trailer))
}

/// A kind of compiled code.
pub(crate) trait Artifact: Sized + Send + Sync {
    /// The name of its class in Python.
    const KIND: &'static str;

    /// Compiles, and gives what is compiled as bytes.
    fn to_bytes(engine: &Engine, binary: &[u8]) -> wasmtime::Result<Vec<u8>>;

    /// The same through the cache of the engine.
    fn to_bytes_cached(engine: &Engine, binary: &[u8]) -> wasmtime::Result<Vec<u8>>;

    /// The engine's own format.
    fn serialize(&self) -> wasmtime::Result<Vec<u8>>;

    fn engine(&self) -> &Engine;

    /// # Safety
    ///
    /// As for `Module::deserialize`: the bytes are what the engine serialised.
    unsafe fn from_bytes(engine: &Engine, code: &[u8]) -> wasmtime::Result<Self>;

    /// # Safety
    ///
    /// As for `Module::deserialize_file`: the file holds what the engine serialised, and nobody changes it while it is
    /// mapped.
    unsafe fn from_file(engine: &Engine, path: &Path) -> wasmtime::Result<Self>;
}

impl Artifact for Module {
    const KIND: &'static str = "Module";

    fn to_bytes(engine: &Engine, binary: &[u8]) -> wasmtime::Result<Vec<u8>> {
        engine.precompile_module(binary)
    }

    fn to_bytes_cached(engine: &Engine, binary: &[u8]) -> wasmtime::Result<Vec<u8>> {
        Module::from_binary(engine, binary)?.serialize()
    }

    fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        Module::serialize(self)
    }

    fn engine(&self) -> &Engine {
        Module::engine(self)
    }

    unsafe fn from_bytes(engine: &Engine, code: &[u8]) -> wasmtime::Result<Module> {
        // SAFETY: the contract is the same.
        unsafe { Module::deserialize(engine, code) }
    }

    unsafe fn from_file(engine: &Engine, path: &Path) -> wasmtime::Result<Module> {
        // SAFETY: the contract is the same.
        unsafe { Module::deserialize_file(engine, path) }
    }
}

impl Artifact for Component {
    const KIND: &'static str = "Component";

    fn to_bytes(engine: &Engine, binary: &[u8]) -> wasmtime::Result<Vec<u8>> {
        engine.precompile_component(binary)
    }

    fn to_bytes_cached(engine: &Engine, binary: &[u8]) -> wasmtime::Result<Vec<u8>> {
        Component::from_binary(engine, binary)?.serialize()
    }

    fn serialize(&self) -> wasmtime::Result<Vec<u8>> {
        Component::serialize(self)
    }

    fn engine(&self) -> &Engine {
        Component::engine(self)
    }

    unsafe fn from_bytes(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
        // SAFETY: the contract is the same.
        unsafe { Component::deserialize(engine, code) }
    }

    unsafe fn from_file(engine: &Engine, path: &Path) -> wasmtime::Result<Component> {
        // SAFETY: the contract is the same.
        unsafe { Component::deserialize_file(engine, path) }
    }
}

/// Compiles for `engine`.
///
/// That takes long, and other threads may fork the process meanwhile. To make the code known to the engine and the
/// process is another matter, for which the two are apart here.
pub(crate) fn compile<A: Artifact>(engine: &EngineState, binary: &[u8]) -> wasmtime::Result<A> {
    let compiler = engine.compiler()?;
    let code = if engine.caches {
        // Nothing else asks the cache.
        let _whole = process::postpone_forks();
        A::to_bytes_cached(&compiler, binary)?
    } else {
        A::to_bytes(&compiler, binary)?
    };
    let _whole = process::postpone_forks();
    // SAFETY: an engine with the same settings has serialised this a moment ago.
    unsafe { A::from_bytes(&engine.engine, &code) }
}

/// Loads compiled code from memory.
pub(crate) fn load<A: Artifact>(py: Python<'_>, engine: &Engine, bytes: &[u8]) -> PyResult<A> {
    let code = open(py, bytes)?;
    gil::detached(py, || {
        let _whole = process::postpone_forks();
        // SAFETY: the checksum says that these are the bytes that `seal` was given, which came from the engine. That
        // they were not forged is for the caller of the public method to see to, as documented there.
        unsafe { A::from_bytes(engine, code) }
    })
}

/// Loads compiled code from a file. A trusted file is mapped without a look at its checksum.
pub(crate) fn load_file<A: Artifact>(py: Python<'_>, engine: &Engine, path: &Path, trusted: bool) -> PyResult<A> {
    if trusted {
        return gil::detached(py, || {
            let _whole = process::postpone_forks();
            // SAFETY: the caller of the public method vouches for the file, as documented there.
            unsafe { A::from_file(engine, path) }
        });
    }
    // Not mapped: the file could change between the check and the use.
    let bytes = gil::released(py, || std::fs::read(path))?.map_err(|error| crate::paths::os_error(py, &error, path))?;
    load(py, engine, &bytes)
}
