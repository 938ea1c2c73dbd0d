//! The standard streams of a guest, as the engine sees them.
//!
//! The functions of preview 1 read and write the streams themselves, with the store at rest. The engine uses these
//! handles where it waits for a stream, and for components.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use wasmtime_wasi::cli::{IsTerminal, StdinStream, StdoutStream};
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{WasiCtxBuilder, async_trait};

use super::sink::Sink;
use super::source::Source;
use super::wait::Waiter;

/// The standard streams of one store.
#[derive(Clone)]
pub(crate) struct Streams {
    pub(crate) stdin: Arc<Source>,
    pub(crate) stdout: Arc<Sink>,
    pub(crate) stderr: Arc<Sink>,
}

impl Default for Streams {
    fn default() -> Streams {
        Streams { stdin: Arc::new(Source::Empty), stdout: Arc::new(Sink::Null), stderr: Arc::new(Sink::Null) }
    }
}

impl Streams {
    pub(crate) fn give_to(&self, builder: &mut WasiCtxBuilder) {
        builder.stdin(StdinHandle(self.stdin.clone()));
        builder.stdout(StdoutHandle(self.stdout.clone())).stderr(StdoutHandle(self.stderr.clone()));
    }
}

/// The engine's end of standard input.
struct StdinHandle(Arc<Source>);

/// The engine's end of standard output or standard error.
struct StdoutHandle(Arc<Sink>);

impl StdinHandle {
    fn read(&self, size: usize) -> StreamResult<Bytes> {
        match self.0.read(size, &Waiter::default())? {
            end if end.is_empty() && size > 0 => Err(StreamError::Closed),
            bytes => Ok(bytes),
        }
    }
}

impl StdoutHandle {
    fn write(&self, bytes: &[u8]) -> StreamResult<()> {
        self.0.write(bytes, &mut 0, &Waiter::default())
    }
}

impl IsTerminal for StdinHandle {
    fn is_terminal(&self) -> bool {
        self.0.is_terminal()
    }
}

impl IsTerminal for StdoutHandle {
    fn is_terminal(&self) -> bool {
        self.0.is_terminal()
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
        StdinHandle::read(self, size)
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        StdinHandle::read(self, size)
    }
}

#[async_trait]
impl Pollable for StdoutHandle {
    async fn ready(&mut self) {}
}

#[async_trait]
impl OutputStream for StdoutHandle {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        StdoutHandle::write(self, &bytes)
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
        Poll::Ready(match StdinHandle::read(&self, buffer.remaining()) {
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
        Poll::Ready(StdoutHandle::write(&self, bytes).map(|()| bytes.len()).map_err(to_io))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
