//! Where a guest's standard input comes from.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::event::PollFlags;
use wasmtime_wasi::p2::{StreamError, StreamResult};

use super::owner::Slot;
use super::wait::{self, Waiter};
use crate::borrowed::Borrowed;
use crate::gil;

pub(crate) enum Source {
    Empty,
    /// The file descriptor 0 of the process.
    Inherit,
    File(Arc<File>),
    /// What is left of the bytes.
    Bytes(Mutex<Bytes>),
    /// A binary file-like object, and the name of the method to read with.
    Reader(Arc<Slot>, &'static str),
}

impl Source {
    /// Reads at most `size` bytes, and waits until there are some. No bytes at all: the end of the input.
    pub(crate) fn read(&self, size: usize, waiter: &Waiter) -> StreamResult<Bytes> {
        match self {
            Source::Empty => Ok(Bytes::new()),
            Source::Inherit => read_fd(io::stdin().as_fd(), size, waiter),
            Source::File(file) => read_fd(file.as_fd(), size, waiter),
            Source::Bytes(rest) => {
                let mut rest = rest.lock().unwrap_or_else(PoisonError::into_inner);
                let size = size.min(rest.len());
                Ok(rest.split_to(size))
            }
            Source::Reader(slot, method) => read_object(slot, method, size),
        }
    }

    /// Whether it is read by Python code.
    pub(crate) fn is_python(&self) -> bool {
        matches!(self, Source::Reader(..))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Source::Inherit => io::IsTerminal::is_terminal(&io::stdin()),
            Source::File(file) => io::IsTerminal::is_terminal(&**file),
            Source::Empty | Source::Bytes(_) | Source::Reader(..) => false,
        }
    }

    /// Whether a read would not have to wait, as far as that can be known.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Source::Inherit => wait::is_readable(io::stdin().as_fd()),
            Source::File(file) => wait::is_readable(file.as_fd()),
            Source::Empty | Source::Bytes(_) | Source::Reader(..) => true,
        }
    }
}

/// The most that is read at once; a guest that asks for more gets that much.
const MAX_READ: usize = 1 << 20;

fn read_fd(fd: BorrowedFd<'_>, size: usize, waiter: &Waiter) -> StreamResult<Bytes> {
    let mut buffer = vec![0; size.min(MAX_READ)];
    loop {
        waiter.ready(fd, PollFlags::IN).map_err(StreamError::Trap)?;
        match rustix::io::read(fd, &mut buffer[..]) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer.into());
            }
            // Somebody else has read what there was, or a signal came.
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => waiter.check().map_err(StreamError::Trap)?,
            Err(error) => return Err(StreamError::LastOperationFailed(io::Error::from(error).into())),
        }
    }
}

fn read_object(slot: &Slot, method: &str, size: usize) -> StreamResult<Bytes> {
    let chunk = gil::attached(|py| {
        let chunk = slot.get(py)?.call_method1(method, (size,))?;
        if chunk.is_none() {
            return Ok(None);
        }
        let bytes = to_bytes(&chunk)?.ok_or_else(|| wrong_chunk(method, &chunk))?;
        if bytes.len() > size {
            let got = bytes.len();
            return Err(PyValueError::new_err(format!(
                "{method}({size}) of the WASI program's stdin returned {got} bytes, which is too many"
            )));
        }
        Ok(Some(bytes))
    });
    match chunk {
        Ok(Some(bytes)) => Ok(bytes),
        // A raw stream in non-blocking mode says so that it has no data now.
        Ok(None) => Err(StreamError::LastOperationFailed(io::Error::from(rustix::io::Errno::AGAIN).into())),
        Err(error) => Err(StreamError::Trap(error)),
    }
}

fn wrong_chunk(method: &str, chunk: &Bound<'_, PyAny>) -> PyErr {
    let name = chunk.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    PyTypeError::new_err(format!(
        "expected a bytes-like object from {method}() of the WASI program's stdin, got {name}"
    ))
}

/// A copy of the contents of a bytes-like object; `None` if it is something else.
pub(crate) fn to_bytes(object: &Bound<'_, PyAny>) -> PyResult<Option<Bytes>> {
    if let Ok(bytes) = object.cast::<PyBytes>() {
        return Ok(Some(Bytes::copy_from_slice(bytes.as_bytes())));
    }
    match Borrowed::readable(object)? {
        Some(buffer) if buffer.item_size() == 1 => Ok(Some(buffer.to_vec()?.into())),
        _ => Ok(None),
    }
}
