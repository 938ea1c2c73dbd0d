//! The standard streams of a guest, as the engine sees them.
//!
//! The engine reads and writes while it has the store's data borrowed, and in pieces of 4 KiB. So the functions in `p1` *defer*: a write only collects
//! bytes, a read of input that is not there yet fails with `NeedInput`. The function then does the actual work, with the store free to be used by Python code and
//! with waits that can be interrupted. Where nobody defers (components), streams do the work at once.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::async_trait;
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::sink::Sink;
use super::source::Source;
use super::wait::Interrupts;

/// The standard streams of one store.
pub(crate) struct Streams {
    pub(crate) input: Arc<Input>,
    pub(crate) outputs: [Arc<Output>; 2],
    deferred: Arc<AtomicBool>,
}

impl Streams {
    pub(crate) fn new(stdin: Source, stdout: Sink, stderr: Sink) -> Streams {
        let deferred = Arc::new(AtomicBool::new(false));
        Streams {
            input: Arc::new(Input { source: stdin, next: Mutex::default(), deferred: deferred.clone() }),
            outputs: [stdout, stderr].map(|sink| Arc::new(Output { sink, collected: Mutex::default(), deferred: deferred.clone() })),
            deferred,
        }
    }

    /// Until the guard is dropped, reads and writes are put off.
    pub(crate) fn defer(&self) -> Deferral {
        self.deferred.store(true, Ordering::Relaxed);
        Deferral(self.deferred.clone())
    }

    /// Takes what was written during a deferral.
    pub(crate) fn take_collected(&self) -> Option<(Arc<Output>, Vec<u8>)> {
        self.outputs.iter().find_map(|output| {
            let bytes = std::mem::take(&mut *lock(&output.collected));
            (!bytes.is_empty()).then(|| (output.clone(), bytes))
        })
    }
}

pub(crate) struct Deferral(Arc<AtomicBool>);

impl Drop for Deferral {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The error of a deferred read: so many bytes are asked for.
#[derive(Debug)]
pub(crate) struct NeedInput(pub(crate) usize);

impl fmt::Display for NeedInput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of standard input are needed", self.0)
    }
}

impl std::error::Error for NeedInput {}

/// Standard input.
pub(crate) struct Input {
    source: Source,
    /// The result of a read that was done on behalf of a deferred one.
    next: Mutex<Option<StreamResult<Bytes>>>,
    deferred: Arc<AtomicBool>,
}

impl Input {
    /// Reads for a read that was put off.
    pub(crate) fn fill(&self, size: usize, interrupts: &Interrupts) -> wasmtime::Result<()> {
        let next = match self.source.read(size, interrupts) {
            Err(StreamError::Trap(error)) => return Err(error),
            next => next,
        };
        *lock(&self.next) = Some(next);
        Ok(())
    }

    fn read(&self, size: usize) -> StreamResult<Bytes> {
        if size == 0 {
            return Ok(Bytes::new());
        }
        let mut next = lock(&self.next);
        let mut bytes = match next.take() {
            Some(result) => result?,
            None if self.deferred.load(Ordering::Relaxed) => return Err(StreamError::Trap(wasmtime::Error::new(NeedInput(size)))),
            None => {
                drop(next);
                let bytes = self.source.read(size, &Interrupts::default())?;
                next = lock(&self.next);
                bytes
            }
        };
        if bytes.is_empty() {
            return Err(StreamError::Closed);
        }
        // Only a read that Python code made meanwhile in the same store can ask for less.
        let rest = bytes.split_off(size.min(bytes.len()));
        if !rest.is_empty() {
            *next = Some(Ok(rest));
        }
        Ok(bytes)
    }

    fn is_ready(&self) -> bool {
        lock(&self.next).is_some() || self.source.is_ready()
    }
}

/// Standard output or standard error.
pub(crate) struct Output {
    pub(crate) sink: Sink,
    /// What was written during a deferral.
    collected: Mutex<Vec<u8>>,
    deferred: Arc<AtomicBool>,
}

impl Output {
    fn write(&self, bytes: &[u8]) -> StreamResult<()> {
        if self.deferred.load(Ordering::Relaxed) {
            lock(&self.collected).extend_from_slice(bytes);
            return Ok(());
        }
        self.sink.write(bytes, &mut 0, &Interrupts::default())
    }
}

/// The engine's end of standard input.
pub(crate) struct StdinHandle(pub(crate) Arc<Input>);

/// The engine's end of standard output or standard error.
pub(crate) struct StdoutHandle(pub(crate) Arc<Output>);

impl IsTerminal for StdinHandle {
    fn is_terminal(&self) -> bool {
        self.0.source.is_terminal()
    }
}

impl IsTerminal for StdoutHandle {
    fn is_terminal(&self) -> bool {
        self.0.sink.is_terminal()
    }
}

impl StdinStream for StdinHandle {
    fn async_stream(&self) -> Box<dyn AsyncRead + Send + Sync> {
        Box::new(StdinHandle(self.0.clone()))
    }

    fn p2_stream(&self) -> Box<dyn InputStream> {
        Box::new(StdinHandle(self.0.clone()))
    }
}

impl StdoutStream for StdoutHandle {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(StdoutHandle(self.0.clone()))
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(StdoutHandle(self.0.clone()))
    }
}

/// How often `poll_oneoff` looks whether there is input.
const INPUT_POLL: Duration = Duration::from_millis(5);

#[async_trait]
impl Pollable for StdinHandle {
    async fn ready(&mut self) {
        while !self.0.is_ready() {
            tokio::time::sleep(INPUT_POLL).await;
        }
    }
}

#[async_trait]
impl InputStream for StdinHandle {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.0.read(size)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        self.0.read(size)
    }
}

#[async_trait]
impl Pollable for StdoutHandle {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for StdoutHandle {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.0.write(&bytes)
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(64 << 10)
    }
}

fn to_io(error: StreamError) -> io::Error {
    match error {
        StreamError::Closed => io::ErrorKind::BrokenPipe.into(),
        StreamError::LastOperationFailed(error) => match error.downcast::<io::Error>() {
            Ok(error) => error,
            Err(error) => io::Error::other(error.to_string()),
        },
        StreamError::Trap(error) => io::Error::other(error.to_string()),
    }
}

impl AsyncRead for StdinHandle {
    fn poll_read(self: Pin<&mut Self>, _cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(match self.0.read(buffer.remaining()) {
            Ok(bytes) => {
                buffer.put_slice(&bytes);
                Ok(())
            }
            Err(StreamError::Closed) => Ok(()),
            Err(error) => Err(to_io(error)),
        })
    }
}

impl AsyncWrite for StdoutHandle {
    fn poll_write(self: Pin<&mut Self>, _cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(self.0.write(bytes).map(|()| bytes.len()).map_err(to_io))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
