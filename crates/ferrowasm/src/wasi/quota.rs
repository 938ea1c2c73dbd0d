//! `DiskQuota`: how much the files of guests may grow, counted while they run.
//!
//! What counts is by how much files grow, and a fixed amount for each new name. Nothing is given back when files shrink
//! or are removed: they may still be open, here or elsewhere. So no order of calls gets a guest more than its share: each
//! file is at most as large as it was at first and what was paid for it, whatever happens to it in between.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use pyo3::prelude::*;
use wasmtime_wasi::p1::types::{self, Errno};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{FsError, StreamError};

use crate::numbers;

/// What a new name counts: file systems keep a name and what belongs to it in blocks of this size, in bytes, and round
/// each file up to one.
const NAME: u64 = 4096;

/// A number of bytes that guests may take up.
pub(crate) struct Quota {
    limit: u64,
    used: AtomicU64,
    /// Whether something did not fit.
    reached: AtomicBool,
    /// What is taken here is taken there, too.
    within: Option<Arc<Quota>>,
}

/// A quota does not have what was asked for.
#[derive(Debug)]
pub(crate) struct Full;

impl Quota {
    fn take(&self, bytes: u64) -> Result<(), Full> {
        let more = |used: u64| used.checked_add(bytes).filter(|used| *used <= self.limit);
        if self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            self.reached.store(true, Ordering::Relaxed);
            return Err(Full);
        }
        let taken = self.within.as_ref().map_or(Ok(()), |within| within.take(bytes));
        if taken.is_err() {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
        taken
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(within) = &self.within {
            within.give_back(bytes);
        }
    }

    /// Takes what a file needs that has `size` bytes and will end at `end`, if that is later.
    pub(crate) fn grow(&self, size: u64, end: u64) -> Result<(), Full> {
        match end.saturating_sub(size) {
            0 => Ok(()),
            growth => self.take(growth),
        }
    }

    /// Takes what a new name needs.
    pub(crate) fn name(&self) -> Result<(), Full> {
        self.take(NAME)
    }

    /// Takes back `name`: there is no new name.
    pub(crate) fn unname(&self) {
        self.give_back(NAME);
    }
}

impl From<Full> for types::Error {
    fn from(_: Full) -> types::Error {
        Errno::Nospc.into()
    }
}

impl From<Full> for FsError {
    fn from(_: Full) -> FsError {
        ErrorCode::InsufficientSpace.into()
    }
}

impl From<Full> for StreamError {
    fn from(_: Full) -> StreamError {
        StreamError::LastOperationFailed(io::Error::from_raw_os_error(libc::ENOSPC).into())
    }
}

/// What counts among the resources of components, by their numbers.
#[derive(Default)]
pub(crate) struct Metered {
    /// The quotas of the preopened directories, in their order.
    pub(crate) preopens: Vec<Option<Arc<Quota>>>,
    /// Files and directories below one that has a quota.
    pub(crate) descriptors: HashMap<u32, Arc<Quota>>,
    /// Streams that write to such files.
    pub(crate) streams: HashMap<u32, Writing>,
}

/// A stream that writes to a file.
pub(crate) struct Writing {
    pub(crate) quota: Arc<Quota>,
    pub(crate) file: Arc<File>,
    /// Where it writes next; `None`: at the end of the file.
    pub(crate) position: Option<u64>,
}

impl Writing {
    /// Takes what the stream needs to write so many bytes.
    pub(crate) fn write(&mut self, bytes: u64) -> Result<(), StreamError> {
        let size = self.file.metadata().map_err(|error| StreamError::LastOperationFailed(error.into()))?.len();
        let end = self.position.unwrap_or(size).saturating_add(bytes);
        self.quota.grow(size, end)?;
        if let Some(position) = &mut self.position {
            *position = end;
        }
        Ok(())
    }
}

/// How many bytes programs may take up in directories: by what files grow, and 4096 for each new file, directory or link.
///
/// It is given to `WasiConfig.preopen_dir`, and counts while programs run, for all directories and stores that got it
/// together; `within` is another quota that counts too. A program that wants more gets the error for a disk that is full.
/// What is overwritten in place costs nothing, and what is removed or made shorter gives nothing back.
#[pyclass(frozen, weakref, module = "ferrowasm")]
pub(crate) struct DiskQuota {
    pub(super) quota: Arc<Quota>,
}

#[pymethods]
impl DiskQuota {
    #[new]
    #[pyo3(signature = (limit, *, within=None))]
    fn new(limit: &Bound<'_, PyAny>, within: Option<&Bound<'_, DiskQuota>>) -> PyResult<DiskQuota> {
        let limit = numbers::unsigned(limit, "limit", u64::MAX)?;
        let within = within.map(|within| within.get().quota.clone());
        let (used, reached) = (AtomicU64::new(0), AtomicBool::new(false));
        Ok(DiskQuota { quota: Arc::new(Quota { limit, used, reached, within }) })
    }

    /// How many bytes there are.
    #[getter]
    fn limit(&self) -> u64 {
        self.quota.limit
    }

    /// How many bytes were used so far.
    #[getter]
    fn used(&self) -> u64 {
        self.quota.used.load(Ordering::Relaxed)
    }

    /// Whether a program was refused something because this quota did not have it.
    #[getter]
    fn reached(&self) -> bool {
        self.quota.reached.load(Ordering::Relaxed)
    }

    fn __repr__(&self) -> String {
        format!("<DiskQuota: {} of {} bytes used>", self.used(), self.quota.limit)
    }
}
