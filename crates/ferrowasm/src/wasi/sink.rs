//! Where a guest's standard output and standard error go.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyInt};
use rustix::event::PollFlags;
use rustix::fs::FileType;
use wasmtime_wasi::p2::{StreamError, StreamResult};

use super::capture::Captured;
use super::owner::Slot;
use super::wait::Waiter;
use crate::{gil, numbers};

pub(crate) enum Sink {
    /// What is written is forgotten.
    Null,
    /// The file descriptor 1 of the process.
    InheritStdout,
    /// The file descriptor 2 of the process.
    InheritStderr,
    File(Arc<File>),
    Capture(Arc<Captured>),
    /// A callable that takes `bytes` and returns how many of them it took, or `None`.
    Callback(Arc<Slot>),
    /// A binary file-like object.
    Writer(Arc<Slot>),
}

impl Sink {
    /// Writes all bytes, unless there is an error; adds what was written to `written`.
    pub(crate) fn write(&self, bytes: &[u8], written: &mut usize, waiter: &Waiter) -> StreamResult<()> {
        match self {
            Sink::Null => *written += bytes.len(),
            Sink::InheritStdout => write_fd(io::stdout().as_fd(), bytes, written, waiter)?,
            Sink::InheritStderr => write_fd(io::stderr().as_fd(), bytes, written, waiter)?,
            Sink::File(file) => write_fd(file.as_fd(), bytes, written, waiter)?,
            Sink::Capture(captured) => {
                captured.write(bytes).map_err(|full| StreamError::Trap(full.raise()))?;
                *written += bytes.len();
            }
            Sink::Callback(slot) => call(slot, None, bytes, written)?,
            Sink::Writer(slot) => call(slot, Some("write"), bytes, written)?,
        }
        Ok(())
    }

    /// Whether it is written by Python code.
    pub(crate) fn is_python(&self) -> bool {
        matches!(self, Sink::Callback(_) | Sink::Writer(_))
    }

    pub(crate) fn is_terminal(&self) -> bool {
        match self {
            Sink::InheritStdout => io::IsTerminal::is_terminal(&io::stdout()),
            Sink::InheritStderr => io::IsTerminal::is_terminal(&io::stderr()),
            Sink::File(file) => io::IsTerminal::is_terminal(&**file),
            Sink::Null | Sink::Capture(_) | Sink::Callback(_) | Sink::Writer(_) => false,
        }
    }
}

fn failed(error: rustix::io::Errno) -> StreamError {
    StreamError::LastOperationFailed(io::Error::from(error).into())
}

/// What a pipe that polls as writable takes without blocking (`PIPE_BUF` on Linux, where it is the largest).
const PIPE_CHUNK: usize = 4096;

fn write_fd(fd: BorrowedFd<'_>, bytes: &[u8], written: &mut usize, waiter: &Waiter) -> StreamResult<()> {
    let chunk = if bytes.len() <= PIPE_CHUNK || is_regular(fd) { bytes.len() } else { PIPE_CHUNK };
    let mut rest = bytes;
    while !rest.is_empty() {
        waiter.ready(fd, PollFlags::OUT).map_err(StreamError::Trap)?;
        match rustix::io::write(fd, &rest[..rest.len().min(chunk)]) {
            Ok(length) => {
                *written += length;
                rest = &rest[length..];
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => waiter.check().map_err(StreamError::Trap)?,
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(())
}

fn is_regular(fd: BorrowedFd<'_>) -> bool {
    rustix::fs::fstat(fd).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode).is_file())
}

/// Gives the bytes to a Python callable, or to a method and then `flush()`; again and again if it takes only part of
/// them.
fn call(slot: &Slot, method: Option<&str>, bytes: &[u8], written: &mut usize) -> StreamResult<()> {
    let end = gil::attached(|py| {
        let object = slot.get(py)?;
        let take = match method {
            Some(method) => object.getattr(method)?,
            None => object.clone(),
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let value = take.call1((PyBytes::new(py, rest),))?;
            if value.is_none() && method.is_some() && is_raw(&object)? {
                return Ok(Err(failed(rustix::io::Errno::AGAIN)));
            }
            match taken(&value, rest.len())? {
                Taken::Bytes(length) => {
                    *written += length;
                    rest = &rest[length..];
                }
                Taken::Error(errno) => return Ok(Err(failed(errno))),
            }
        }
        match method {
            Some(_) => flush(&object).map(Ok),
            None => Ok(Ok(())),
        }
    });
    end.map_err(StreamError::Trap)?
}

/// Whether `write` that returns `None` means that nothing can be written now, instead of all being written.
fn is_raw(writer: &Bound<'_, PyAny>) -> PyResult<bool> {
    writer.is_instance(&writer.py().import("io")?.getattr("RawIOBase")?)
}

/// What became of bytes that Python code was given.
enum Taken {
    Bytes(usize),
    Error(rustix::io::Errno),
}

/// Reads the value that a callback or `write` returned for `length` bytes.
fn taken(value: &Bound<'_, PyAny>, length: usize) -> PyResult<Taken> {
    if value.is_none() {
        return Ok(Taken::Bytes(length));
    }
    if !value.is_instance_of::<PyInt>() && !value.hasattr("__index__")? {
        let name = value.get_type().name()?;
        return Err(PyTypeError::new_err(format!(
            "expected an int or None from the writer of a WASI program's output, got {name}"
        )));
    }
    let number = numbers::index(value, "the result of the writer")?;
    match number.extract::<i64>() {
        // Nothing taken now means nothing taken ever: a guest that tries again would never end.
        Ok(0) => Ok(Taken::Error(rustix::io::Errno::IO)),
        Ok(errno) if errno < 0 => {
            let errno = i32::try_from(errno).ok().and_then(i32::checked_neg).filter(|errno| (1..4096).contains(errno));
            Ok(Taken::Error(errno.map_or(rustix::io::Errno::IO, rustix::io::Errno::from_raw_os_error)))
        }
        Ok(taken) if taken as u64 <= length as u64 => Ok(Taken::Bytes(taken as usize)),
        _ => Err(PyValueError::new_err(format!(
            "the writer of a WASI program's output returned {number}, but was given {length} bytes"
        ))),
    }
}

/// Flushes a file-like object that can be flushed, so that what the guest wrote is visible at once.
fn flush(writer: &Bound<'_, PyAny>) -> PyResult<()> {
    match writer.getattr_opt("flush")? {
        Some(flush) => flush.call0().map(drop),
        None => Ok(()),
    }
}
