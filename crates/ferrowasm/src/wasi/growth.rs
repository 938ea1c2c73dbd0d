//! The functions of WASI preview 1 that take up space, where a quota counts it.

use std::sync::Arc;

use wasmtime::{Caller, Result};
use wasmtime_wasi::p1::types::{self, Errno};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as abi, WasiSnapshotPreview1};
use wiggle::{GuestMemory, GuestPtr};

use super::descriptors;
use super::p1::{Guest, array, memory_of, number, or_errno};
use super::quota::Quota;
use crate::store::Data;

/// Runs a function that makes a new name, or fails with another number than 0.
pub(super) fn naming(quota: Option<Arc<Quota>>, make: impl FnOnce() -> Result<i32>) -> Result<i32> {
    let Some(quota) = quota else { return make() };
    if quota.name().is_err() {
        return Ok(number(Errno::Nospc));
    }
    let errno = make()?;
    if errno != 0 {
        quota.unname();
    }
    Ok(errno)
}

pub(super) fn fd_pwrite(
    mut caller: Caller<'_, Data>,
    fd: i32,
    iovs: i32,
    len: i32,
    offset: i64,
    out: i32,
) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let guest = Guest::new(&mut caller, &memory)?;
    if !guest.permits(fd, descriptors::WRITE) {
        return Ok(number(Errno::Perm));
    }
    if let Some(quota) = guest.wasi.descriptors.quota(fd) {
        return write(&mut caller, &quota, fd, (iovs, len), Some(offset.cast_unsigned()), out);
    }
    let Guest { mut memory, wasi, waiter } = guest;
    waiter.block_on(abi::fd_pwrite(&mut wasi.context, &mut memory, fd, iovs, len, offset, out))?
}

pub(super) fn fd_filestat_set_size(mut caller: Caller<'_, Data>, fd: i32, size: i64) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let guest = Guest::new(&mut caller, &memory)?;
    if !guest.permits(fd, descriptors::WRITE) {
        return Ok(number(Errno::Perm));
    }
    let Guest { mut memory, wasi, waiter } = guest;
    let quota = wasi.descriptors.quota(fd);
    let resizing = async {
        if let Some(quota) = quota {
            let before = wasi.context.fd_filestat_get(&mut memory, fd.into()).await?.size;
            quota.grow(before, size.cast_unsigned())?;
        }
        wasi.context.fd_filestat_set_size(&mut memory, fd.into(), size.cast_unsigned()).await
    };
    or_errno(waiter.block_on(resizing)?)
}

/// Writes the first of the buffers that is not empty, as the engine does, at `offset` or where the file is.
///
/// The buffer is copied first: other threads may change shared memory between the look at its size and its use.
pub(super) fn write(
    caller: &mut Caller<'_, Data>,
    quota: &Quota,
    fd: i32,
    (iovs, len): (i32, i32),
    offset: Option<u64>,
    out: i32,
) -> Result<i32> {
    or_errno(write_copied(caller, quota, fd.into(), (iovs, len), offset, out))
}

fn write_copied(
    caller: &mut Caller<'_, Data>,
    quota: &Quota,
    fd: types::Fd,
    (iovs, len): (i32, i32),
    offset: Option<u64>,
    out: i32,
) -> Result<(), types::Error> {
    let memory = memory_of(caller);
    let (iovs, limit) = array::<types::Ciovec>(caller, iovs, len)?;
    let Guest { mut memory, wasi, waiter } = Guest::new(caller, &memory).map_err(types::Error::trap)?;
    let mut copy = copied(&memory, iovs, limit)?;
    let bytes = (copy.len() - IOVEC) as u64;
    let mut copy = GuestMemory::Unshared(&mut copy);
    waiter.check_rarely().map_err(types::Error::trap)?;
    let writing = async {
        let size = wasi.context.fd_filestat_get(&mut copy, fd).await?.size;
        let flags = wasi.context.fd_fdstat_get(&mut copy, fd).await?.fs_flags;
        let start = match offset {
            // As on Linux, where an offset is ignored then.
            _ if flags.contains(types::Fdflags::APPEND) => size,
            Some(offset) => offset,
            None => wasi.context.fd_tell(&mut copy, fd)?,
        };
        quota.grow(size, start.saturating_add(bytes))?;
        let iovs = GuestPtr::new((0, 1));
        match offset {
            Some(offset) => wasi.context.fd_pwrite(&mut copy, fd, iovs, offset).await,
            None => wasi.context.fd_write(&mut copy, fd, iovs).await,
        }
    };
    let written = waiter.block_on(writing).map_err(types::Error::trap)??;
    Ok(memory.write(GuestPtr::new(out.cast_unsigned()), written)?)
}

/// The size of a description of a buffer, in bytes.
const IOVEC: usize = 8;

/// A small memory of our own: at 0 the description of a buffer, and after that its bytes.
fn copied(memory: &GuestMemory<'_>, iovs: GuestPtr<[types::Ciovec]>, limit: usize) -> Result<Vec<u8>, types::Error> {
    let mut copy = vec![0; IOVEC];
    for iov in iovs.iter() {
        let iov = memory.read(iov?)?;
        if iov.buf_len as usize > limit {
            return Err(Errno::Nomem.into());
        }
        if iov.buf_len > 0 {
            copy.extend_from_slice(&memory.as_cow(iov.buf.as_array(iov.buf_len))?);
            break;
        }
    }
    let len = u32::try_from(copy.len() - IOVEC)?;
    copy[..4].copy_from_slice(&(IOVEC as u32).to_le_bytes());
    copy[4..IOVEC].copy_from_slice(&len.to_le_bytes());
    Ok(copy)
}
