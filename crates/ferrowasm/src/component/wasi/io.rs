//! `wasi:io` and the standard streams of `wasi:cli`.
//!
//! The engine would read and write the standard streams while it uses the store's data. Here that is done with the store
//! at rest, as for preview 1, so that the Python code behind a stream may use the store.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::cli::WasiCliView;
use wasmtime_wasi::p2::bindings::cli::{stderr, stdin, stdout};
use wasmtime_wasi::p2::bindings::io::poll::{Host as Poll, HostPollable};
use wasmtime_wasi::p2::bindings::io::streams::{self, Host, HostInputStream, HostOutputStream};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, DynPollable, StreamError, StreamResult};

use super::driver::{Driver, at_rest};
use super::versioned;
use crate::store::Data;
use crate::wasi::Standard;

type Input = Resource<DynInputStream>;
type Output = Resource<DynOutputStream>;

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    standard_streams(linker)?;
    poll(linker)?;
    input_streams(linker)?;
    output_streams(linker)
}

fn standard_streams(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    linker.instance(versioned!("wasi:cli/stdin"))?.func_wrap(
        "get-stdin",
        |mut ctx: StoreContextMut<'_, Data>, ()| {
            let stream = stdin::Host::get_stdin(&mut ctx.data_mut().cli())?;
            ctx.data_mut().wasi().standard.insert(stream.rep(), Standard::Stdin);
            Ok((stream,))
        },
    )?;
    linker.instance(versioned!("wasi:cli/stdout"))?.func_wrap(
        "get-stdout",
        |mut ctx: StoreContextMut<'_, Data>, ()| {
            let stream = stdout::Host::get_stdout(&mut ctx.data_mut().cli())?;
            ctx.data_mut().wasi().standard.insert(stream.rep(), Standard::Stdout);
            Ok((stream,))
        },
    )?;
    linker.instance(versioned!("wasi:cli/stderr"))?.func_wrap("get-stderr", |mut ctx: StoreContextMut<'_, Data>, ()| {
        let stream = stderr::Host::get_stderr(&mut ctx.data_mut().cli())?;
        ctx.data_mut().wasi().standard.insert(stream.rep(), Standard::Stderr);
        Ok((stream,))
    })
}

fn poll(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let mut poll = linker.instance(versioned!("wasi:io/poll"))?;
    poll.func_wrap("poll", |mut ctx: StoreContextMut<'_, Data>, (list,): (Vec<Resource<DynPollable>>,)| {
        let driver = Driver::new(ctx.data_mut());
        Ok((driver.block_on(Poll::poll(ctx.data_mut().table(), list))??,))
    })?;
    poll.func_wrap(
        "[method]pollable.ready",
        |mut ctx: StoreContextMut<'_, Data>, (one,): (Resource<DynPollable>,)| {
            let driver = Driver::new(ctx.data_mut());
            Ok((driver.block_on(HostPollable::ready(ctx.data_mut().table(), one))??,))
        },
    )?;
    poll.func_wrap("[method]pollable.block", |mut ctx: StoreContextMut<'_, Data>, (one,): (Resource<DynPollable>,)| {
        let driver = Driver::new(ctx.data_mut());
        driver.block_on(HostPollable::block(ctx.data_mut().table(), one))?
    })
}

fn input_streams(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let mut streams = linker.instance(versioned!("wasi:io/streams"))?;
    for (name, wait) in
        [("[method]input-stream.read", Wait::No), ("[method]input-stream.blocking-read", Wait::UntilReady)]
    {
        streams.func_wrap(name, move |mut ctx: StoreContextMut<'_, Data>, (stream, len): (Input, u64)| {
            let bytes = read(&mut ctx, stream, len, wait).map(Vec::from);
            Ok((or_error(&mut ctx, bytes)?,))
        })?;
    }
    for (name, wait) in
        [("[method]input-stream.skip", Wait::No), ("[method]input-stream.blocking-skip", Wait::UntilReady)]
    {
        streams.func_wrap(name, move |mut ctx: StoreContextMut<'_, Data>, (stream, len): (Input, u64)| {
            let skipped = read(&mut ctx, stream, len, wait).map(|bytes| bytes.len() as u64);
            Ok((or_error(&mut ctx, skipped)?,))
        })?;
    }
    streams.resource("input-stream", ResourceType::host::<DynInputStream>(), |mut ctx, rep| {
        let driver = Driver::new(ctx.data_mut());
        ctx.data_mut().wasi().standard.remove(&rep);
        driver.block_on(HostInputStream::drop(ctx.data_mut().table(), Resource::new_own(rep)))?
    })
}

fn output_streams(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let mut streams = linker.instance(versioned!("wasi:io/streams"))?;
    for (name, wait) in [
        ("[method]output-stream.write", Wait::No),
        ("[method]output-stream.blocking-write-and-flush", Wait::UntilReady),
    ] {
        streams.func_wrap(name, move |mut ctx: StoreContextMut<'_, Data>, (stream, bytes): (Output, Vec<u8>)| {
            let written = write(&mut ctx, stream, bytes, wait);
            Ok((or_error(&mut ctx, written)?,))
        })?;
    }
    for (name, wait) in [
        ("[method]output-stream.write-zeroes", Wait::No),
        ("[method]output-stream.blocking-write-zeroes-and-flush", Wait::UntilReady),
    ] {
        streams.func_wrap(name, move |mut ctx: StoreContextMut<'_, Data>, (stream, len): (Output, u64)| {
            let written = write_zeroes(&mut ctx, stream, len, wait);
            Ok((or_error(&mut ctx, written)?,))
        })?;
    }
    streams.func_wrap("[method]output-stream.flush", |mut ctx: StoreContextMut<'_, Data>, (stream,): (Output,)| {
        let flushed = driven(&mut ctx, |data| Box::pin(async move { HostOutputStream::flush(data.table(), stream) }));
        Ok((or_error(&mut ctx, flushed)?,))
    })?;
    streams.func_wrap(
        "[method]output-stream.blocking-flush",
        |mut ctx: StoreContextMut<'_, Data>, (stream,): (Output,)| {
            let flushed = driven(&mut ctx, |data| {
                Box::pin(async move { HostOutputStream::blocking_flush(data.table(), stream).await })
            });
            Ok((or_error(&mut ctx, flushed)?,))
        },
    )?;
    streams.func_wrap(
        "[method]output-stream.check-write",
        |mut ctx: StoreContextMut<'_, Data>, (stream,): (Output,)| {
            let room =
                driven(&mut ctx, |data| Box::pin(async move { HostOutputStream::check_write(data.table(), stream) }));
            Ok((or_error(&mut ctx, room)?,))
        },
    )?;
    for (name, wait) in
        [("[method]output-stream.splice", Wait::No), ("[method]output-stream.blocking-splice", Wait::UntilReady)]
    {
        streams.func_wrap(name, move |mut ctx: StoreContextMut<'_, Data>, (to, from, len): (Output, Input, u64)| {
            let moved = splice(&mut ctx, to, from, len, wait);
            Ok((or_error(&mut ctx, moved)?,))
        })?;
    }
    streams.resource("output-stream", ResourceType::host::<DynOutputStream>(), |mut ctx, rep| {
        let driver = Driver::new(ctx.data_mut());
        ctx.data_mut().wasi().standard.remove(&rep);
        driver.block_on(HostOutputStream::drop(ctx.data_mut().table(), Resource::new_own(rep)))??;
        ctx.data_mut().wasi().metered.streams.remove(&rep);
        Ok(())
    })
}

/// Whether a function waits until a stream is ready.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    No,
    UntilReady,
}

/// The most that one call handles of a standard stream.
const MAX_TRANSFER: u64 = 64 << 10;

/// The most that the engine writes and waits for in one call.
const MAX_BLOCKING: u64 = 4096;

/// Runs an operation of the engine.
fn driven<R>(
    ctx: &mut StoreContextMut<'_, Data>,
    operation: impl for<'d> FnOnce(&'d mut Data) -> Pin<Box<dyn Future<Output = StreamResult<R>> + Send + 'd>>,
) -> StreamResult<R> {
    let driver = Driver::new(ctx.data_mut());
    driver.block_on(operation(ctx.data_mut())).map_err(StreamError::Trap)?
}

/// What the guest gets: a trap, or an exception of Python code, ends its call.
fn or_error<R>(
    ctx: &mut StoreContextMut<'_, Data>,
    result: StreamResult<R>,
) -> wasmtime::Result<Result<R, streams::StreamError>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(Host::convert_stream_error(ctx.data_mut().table(), error)?)),
    }
}

fn read(ctx: &mut StoreContextMut<'_, Data>, stream: Input, len: u64, wait: Wait) -> StreamResult<Bytes> {
    let data = ctx.data_mut();
    if data.wasi().standard.get(&stream.rep()) != Some(&Standard::Stdin) {
        return driven(ctx, |data| {
            Box::pin(async move {
                match wait {
                    Wait::No => HostInputStream::read(data.table(), stream, len).map(Bytes::from),
                    Wait::UntilReady => {
                        HostInputStream::blocking_read(data.table(), stream, len).await.map(Bytes::from)
                    }
                }
            })
        });
    }
    let (source, waiter) = (data.wasi().streams.stdin.clone(), data.waiter());
    waiter.check_rarely().map_err(StreamError::Trap)?;
    if len == 0 || (wait == Wait::No && !source.is_ready()) {
        return Ok(Bytes::new());
    }
    match at_rest(ctx, source.is_python(), || source.read(len.min(MAX_TRANSFER) as usize, &waiter))? {
        end if end.is_empty() => Err(StreamError::Closed),
        bytes => Ok(bytes),
    }
}

fn write(ctx: &mut StoreContextMut<'_, Data>, stream: Output, bytes: Vec<u8>, wait: Wait) -> StreamResult<()> {
    let data = ctx.data_mut();
    let sink = match data.wasi().standard.get(&stream.rep()) {
        Some(Standard::Stdout) => data.wasi().streams.stdout.clone(),
        Some(Standard::Stderr) => data.wasi().streams.stderr.clone(),
        _ => {
            meter(data, &stream, bytes.len() as u64)?;
            return driven(ctx, |data| {
                Box::pin(async move {
                    match wait {
                        Wait::No => HostOutputStream::write(data.table(), stream, bytes),
                        Wait::UntilReady => {
                            HostOutputStream::blocking_write_and_flush(data.table(), stream, bytes).await
                        }
                    }
                })
            });
        }
    };
    let waiter = data.waiter();
    waiter.check_rarely().map_err(StreamError::Trap)?;
    at_rest(ctx, sink.is_python(), || sink.write(&bytes, &mut 0, &waiter))
}

fn write_zeroes(ctx: &mut StoreContextMut<'_, Data>, stream: Output, len: u64, wait: Wait) -> StreamResult<()> {
    if ctx.data_mut().wasi().standard.contains_key(&stream.rep()) {
        if len > MAX_TRANSFER {
            return Err(StreamError::trap("cannot write more zeroes than `check-write` allows"));
        }
        return write(ctx, stream, vec![0; len as usize], wait);
    }
    meter(ctx.data_mut(), &stream, len)?;
    driven(ctx, |data| {
        Box::pin(async move {
            match wait {
                Wait::No => HostOutputStream::write_zeroes(data.table(), stream, len),
                Wait::UntilReady => HostOutputStream::blocking_write_zeroes_and_flush(data.table(), stream, len).await,
            }
        })
    })
}

/// Takes what a stream that writes to a file needs from its quota.
fn meter(data: &mut Data, stream: &Output, bytes: u64) -> StreamResult<()> {
    match data.wasi().metered.streams.get_mut(&stream.rep()) {
        Some(writing) => writing.write(bytes),
        None => Ok(()),
    }
}

fn splice(ctx: &mut StoreContextMut<'_, Data>, to: Output, from: Input, len: u64, wait: Wait) -> StreamResult<u64> {
    let wasi = ctx.data_mut().wasi();
    let known = |stream| wasi.standard.contains_key(&stream);
    if !known(to.rep()) && !known(from.rep()) && !wasi.metered.streams.contains_key(&to.rep()) {
        return driven(ctx, |data| {
            Box::pin(async move {
                match wait {
                    Wait::No => HostOutputStream::splice(data.table(), to, from, len),
                    Wait::UntilReady => HostOutputStream::blocking_splice(data.table(), to, from, len).await,
                }
            })
        });
    }
    let room = if wait == Wait::UntilReady && !known(to.rep()) {
        MAX_BLOCKING
    } else {
        let target = Resource::new_borrow(to.rep());
        driven(ctx, |data| Box::pin(async move { HostOutputStream::check_write(data.table(), target) }))?
    };
    let bytes = read(ctx, from, len.min(room), wait)?;
    let moved = bytes.len() as u64;
    if moved > 0 {
        write(ctx, to, bytes.into(), wait)?;
    }
    Ok(moved)
}
