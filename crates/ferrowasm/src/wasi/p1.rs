//! The functions of WASI preview 1.
//!
//! The engine's own linker functions wait inside its asynchronous runtime with no way out. Here each function runs on
//! the caller's thread, and its waits end with Ctrl-C or the epoch deadline.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use wasmtime::{AsContextMut, Caller, Error, Extern, Linker, Result};
use wasmtime_wasi::I32Exit;
use wasmtime_wasi::p1::types::{self, Errno};
use wasmtime_wasi::p1::wasi_snapshot_preview1::{self as abi, WasiSnapshotPreview1};
use wasmtime_wasi::p2::{StreamError, StreamResult};
use wiggle::{GuestMemory, GuestPtr};

use super::Wasi;
use super::descriptors::{self, Descriptor, Open, Perms};
use super::growth;
use super::sink::Sink;
use super::wait::Waiter;
use crate::asyncio::Fiber;
use crate::gil;
use crate::store::Data;
use crate::store::cell::Parking;

/// The name of the module that guests import from.
const MODULE: &str = "wasi_snapshot_preview1";

/// What a WASI function works with.
pub(super) struct Guest<'c> {
    pub(super) memory: GuestMemory<'c>,
    pub(super) wasi: &'c mut Wasi,
    pub(super) waiter: Waiter,
}

impl<'c> Guest<'c> {
    /// `memory` is what `memory_of` found.
    pub(super) fn new(caller: &'c mut Caller<'_, Data>, memory: &'c Option<Extern>) -> Result<Guest<'c>> {
        // Any of these functions may wait for a file, or longer.
        gil::tick();
        let fuel = caller.as_context_mut().hostcall_fuel();
        let waiter = caller.data().waiter();
        let (memory, data) = match memory {
            Some(Extern::Memory(memory)) => {
                let (bytes, data) = memory.data_and_store_mut(caller);
                (GuestMemory::Unshared(bytes), data)
            }
            Some(Extern::SharedMemory(memory)) => (GuestMemory::Shared(memory.data()), caller.data_mut()),
            _ => return Err(Error::msg("WASI needs the calling instance to export its memory as \"memory\"")),
        };
        let wasi = data.wasi.as_deref_mut().ok_or_else(not_configured)?;
        wasi.context.set_hostcall_fuel(fuel);
        Ok(Guest { memory, wasi, waiter })
    }

    pub(super) fn permits(&self, fd: i32, needed: Perms) -> bool {
        self.wasi.descriptors.permits(fd, needed)
    }
}

/// The memory that a WASI function works on: by convention the calling instance exports it under this name.
pub(super) fn memory_of(caller: &mut Caller<'_, Data>) -> Option<Extern> {
    caller.get_export("memory")
}

fn not_configured() -> Error {
    Error::msg(
        "a WASI function was called in a store without a WASI configuration; call Store.set_wasi(WasiConfig()) first",
    )
}

/// The number by which guests know an error.
pub(super) fn number(errno: Errno) -> i32 {
    u16::from(errno).into()
}

/// Defines functions of the engine in the linker. `needs` names a descriptor and the permissions that the function
/// takes on it, `names in` the one of the directory that gets a new name, `as waiting` marks the functions that are
/// asynchronous.
macro_rules! forward {
    ($linker:ident: $(
        $name:ident($($arg:ident: $ty:ty),*) $(needs $fd:ident $perms:ident)? $(names in $dir:ident)?
            $(as $kind:ident)?;
    )*) => {$(
        $linker.func_wrap(MODULE, stringify!($name), |mut caller: Caller<'_, Data>, $($arg: $ty),*| -> Result<i32> {
            let memory = memory_of(&mut caller);
            let guest = Guest::new(&mut caller, &memory)?;
            $(if !guest.permits($fd, descriptors::$perms) {
                return Ok(number(Errno::Perm));
            })?
            forward!(@name guest $($dir)?, forward!(@call guest $name($($arg),*) $($kind)?))
        })?;
    )*};
    (@name $guest:ident $dir:ident, $call:expr) => {
        growth::naming($guest.wasi.descriptors.quota($dir), || $call)
    };
    (@name $guest:ident, $call:expr) => {
        $call
    };
    (@call $guest:ident $name:ident($($arg:ident),*) waiting) => {{
        let Guest { mut memory, wasi, waiter } = $guest;
        waiter.block_on(abi::$name(&mut wasi.context, &mut memory, $($arg),*))?
    }};
    (@call $guest:ident $name:ident($($arg:ident),*)) => {{
        let Guest { mut memory, wasi, .. } = $guest;
        abi::$name(&mut wasi.context, &mut memory, $($arg),*)
    }};
}

/// Defines all functions of WASI preview 1.
pub(crate) fn add_to_linker(linker: &mut Linker<Data>) -> Result<()> {
    forward! { linker:
        args_get(argv: i32, buf: i32);
        args_sizes_get(count: i32, size: i32);
        environ_get(environ: i32, buf: i32);
        environ_sizes_get(count: i32, size: i32);
        clock_res_get(id: i32, out: i32);
        clock_time_get(id: i32, precision: i64, out: i32);
        fd_advise(fd: i32, offset: i64, len: i64, advice: i32) as waiting;
        fd_allocate(fd: i32, offset: i64, len: i64) needs fd WRITE;
        fd_datasync(fd: i32) as waiting;
        fd_fdstat_get(fd: i32, out: i32) as waiting;
        fd_fdstat_set_flags(fd: i32, flags: i32);
        fd_fdstat_set_rights(fd: i32, base: i64, inheriting: i64);
        fd_filestat_get(fd: i32, out: i32) as waiting;
        fd_filestat_set_times(fd: i32, atim: i64, mtim: i64, flags: i32) needs fd TOUCH as waiting;
        fd_pread(fd: i32, iovs: i32, len: i32, offset: i64, out: i32) needs fd READ as waiting;
        fd_prestat_get(fd: i32, out: i32);
        fd_prestat_dir_name(fd: i32, path: i32, len: i32);
        fd_readdir(fd: i32, buf: i32, len: i32, cookie: i64, out: i32) needs fd LIST as waiting;
        fd_seek(fd: i32, offset: i64, whence: i32, out: i32) as waiting;
        fd_sync(fd: i32) as waiting;
        fd_tell(fd: i32, out: i32);
        path_create_directory(fd: i32, path: i32, len: i32) needs fd CHANGE names in fd as waiting;
        path_filestat_get(fd: i32, flags: i32, path: i32, len: i32, out: i32) needs fd LIST as waiting;
        path_filestat_set_times(fd: i32, flags: i32, path: i32, len: i32, atim: i64, mtim: i64, fst: i32)
            needs fd TOUCH as waiting;
        path_readlink(fd: i32, path: i32, len: i32, buf: i32, buf_len: i32, out: i32) needs fd LIST as waiting;
        path_remove_directory(fd: i32, path: i32, len: i32) needs fd CHANGE as waiting;
        path_symlink(old: i32, old_len: i32, fd: i32, path: i32, len: i32) needs fd CHANGE names in fd as waiting;
        path_unlink_file(fd: i32, path: i32, len: i32) needs fd CHANGE as waiting;
        proc_raise(signal: i32);
        random_get(buf: i32, len: i32);
        sock_accept(fd: i32, flags: i32, out: i32);
        sock_recv(fd: i32, data: i32, len: i32, flags: i32, size: i32, out_flags: i32);
        sock_send(fd: i32, data: i32, len: i32, flags: i32, size: i32);
        sock_shutdown(fd: i32, how: i32);
    }
    linker.func_wrap(MODULE, "fd_close", fd_close)?;
    linker.func_wrap(MODULE, "fd_filestat_set_size", growth::fd_filestat_set_size)?;
    linker.func_wrap(MODULE, "fd_pwrite", growth::fd_pwrite)?;
    linker.func_wrap(MODULE, "fd_renumber", fd_renumber)?;
    linker.func_wrap(MODULE, "fd_read", fd_read)?;
    linker.func_wrap(MODULE, "fd_write", fd_write)?;
    linker.func_wrap(MODULE, "path_link", path_link)?;
    linker.func_wrap(MODULE, "path_open", path_open)?;
    linker.func_wrap(MODULE, "path_rename", path_rename)?;
    linker.func_wrap(MODULE, "poll_oneoff", poll_oneoff)?;
    linker.func_wrap(MODULE, "proc_exit", proc_exit)?;
    linker.func_wrap(MODULE, "sched_yield", sched_yield)?;
    Ok(())
}

fn fd_close(mut caller: Caller<'_, Data>, fd: i32) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let Guest { mut memory, wasi, waiter } = Guest::new(&mut caller, &memory)?;
    let errno = waiter.block_on(abi::fd_close(&mut wasi.context, &mut memory, fd))??;
    if errno == 0 {
        wasi.descriptors.closed(fd);
    }
    Ok(errno)
}

fn fd_renumber(mut caller: Caller<'_, Data>, from: i32, to: i32) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let Guest { mut memory, wasi, waiter } = Guest::new(&mut caller, &memory)?;
    let errno = waiter.block_on(abi::fd_renumber(&mut wasi.context, &mut memory, from, to))??;
    if errno == 0 {
        wasi.descriptors.renumbered(from, to);
    }
    Ok(errno)
}

fn fd_read(mut caller: Caller<'_, Data>, fd: i32, iovs: i32, len: i32, out: i32) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let guest = Guest::new(&mut caller, &memory)?;
    if matches!(guest.wasi.descriptors.get(fd), Some(Descriptor::Stdin)) {
        return or_errno(read_stdin(&mut caller, iovs, len, out));
    }
    if !guest.permits(fd, descriptors::READ) {
        return Ok(number(Errno::Perm));
    }
    let Guest { mut memory, wasi, waiter } = guest;
    waiter.check_rarely()?;
    waiter.block_on(abi::fd_read(&mut wasi.context, &mut memory, fd, iovs, len, out))?
}

/// Reads standard input into the first buffer that has room, with the store at rest.
fn read_stdin(caller: &mut Caller<'_, Data>, iovs: i32, len: i32, out: i32) -> Result<(), types::Error> {
    let memory = memory_of(caller);
    let (iovs, _) = array::<types::Iovec>(caller, iovs, len)?;
    let guest = Guest::new(caller, &memory).map_err(types::Error::trap)?;
    let mut buffer = GuestPtr::<[u8]>::new((0, 0));
    for iov in iovs.iter() {
        let iov = guest.memory.read(iov?)?;
        buffer = iov.buf.as_array(iov.buf_len);
        if iov.buf_len > 0 {
            break;
        }
    }
    // No input is lost to a buffer that is not there.
    guest.memory.as_cow(buffer)?;
    let stdin = guest.wasi.streams.stdin.clone();
    let waiter = guest.waiter;
    waiter.check_rarely().map_err(types::Error::trap)?;
    let bytes = match buffer.len() {
        0 => Bytes::new(),
        size => at_rest(caller, stdin.is_python(), || stdin.read(size as usize, &waiter)).map_err(stream_error)?,
    };
    let length = u32::try_from(bytes.len())?;
    let mut guest = Guest::new(caller, &memory).map_err(types::Error::trap)?;
    guest.memory.copy_from_slice(&bytes, buffer.as_ptr().as_array(length))?;
    guest.memory.write(GuestPtr::new(out.cast_unsigned()), length)?;
    Ok(())
}

fn fd_write(mut caller: Caller<'_, Data>, fd: i32, iovs: i32, len: i32, out: i32) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let guest = Guest::new(&mut caller, &memory)?;
    let sink = match guest.wasi.descriptors.get(fd) {
        Some(Descriptor::Stdout) => Some(guest.wasi.streams.stdout.clone()),
        Some(Descriptor::Stderr) => Some(guest.wasi.streams.stderr.clone()),
        _ => None,
    };
    if let Some(sink) = sink {
        return or_errno(write_output(&mut caller, &sink, iovs, len, out));
    }
    if !guest.permits(fd, descriptors::WRITE) {
        return Ok(number(Errno::Perm));
    }
    if let Some(quota) = guest.wasi.descriptors.quota(fd) {
        return growth::write(&mut caller, &quota, fd, (iovs, len), None, out);
    }
    let Guest { mut memory, wasi, waiter } = guest;
    waiter.check_rarely()?;
    waiter.block_on(abi::fd_write(&mut wasi.context, &mut memory, fd, iovs, len, out))?
}

/// Writes all buffers to standard output or standard error in one go, with the store at rest.
fn write_output(caller: &mut Caller<'_, Data>, sink: &Sink, iovs: i32, len: i32, out: i32) -> Result<(), types::Error> {
    let memory = memory_of(caller);
    let (iovs, limit) = array::<types::Ciovec>(caller, iovs, len)?;
    let guest = Guest::new(caller, &memory).map_err(types::Error::trap)?;
    let mut bytes = Vec::new();
    for iov in iovs.iter() {
        let iov = guest.memory.read(iov?)?;
        if iov.buf_len as usize > limit - bytes.len() {
            return Err(Errno::Nomem.into());
        }
        bytes.extend_from_slice(&guest.memory.as_cow(iov.buf.as_array(iov.buf_len))?);
    }
    let waiter = guest.waiter;
    waiter.check_rarely().map_err(types::Error::trap)?;
    let mut written = 0;
    match at_rest(caller, sink.is_python(), || sink.write(&bytes, &mut written, &waiter)) {
        Ok(()) => {}
        // The guest learns how much was written, and of the error when it goes on.
        Err(StreamError::Closed | StreamError::LastOperationFailed(_)) if written > 0 => {}
        Err(error) => return Err(stream_error(error)),
    }
    let written = u32::try_from(written)?;
    Guest::new(caller, &memory)
        .map_err(types::Error::trap)?
        .memory
        .write(GuestPtr::new(out.cast_unsigned()), written)?;
    Ok(())
}

/// The engine's conversion does not know the error of a stream that is not ready now.
fn stream_error(error: StreamError) -> types::Error {
    match &error {
        StreamError::LastOperationFailed(reason)
            if reason.downcast_ref::<io::Error>().is_some_and(|reason| reason.kind() == io::ErrorKind::WouldBlock) =>
        {
            Errno::Again.into()
        }
        _ => error.into(),
    }
}

/// An array in guest memory, and how many bytes the host is willing to handle in one call ("hostcall fuel"), to which
/// the array is held too.
pub(super) fn array<T>(
    caller: &mut Caller<'_, Data>,
    start: i32,
    len: i32,
) -> Result<(GuestPtr<[T]>, usize), types::Error> {
    let limit = caller.as_context_mut().hostcall_fuel();
    let len = len.cast_unsigned();
    if (len as usize).saturating_mul(size_of::<T>()) > limit {
        return Err(Errno::Nomem.into());
    }
    Ok((GuestPtr::new((start.cast_unsigned(), len)), limit))
}

/// The number that a function returns to the guest, or the error that ends the call.
pub(super) fn or_errno(result: Result<(), types::Error>) -> Result<i32> {
    match result {
        Ok(()) => Ok(0),
        Err(error) => Ok(number(error.downcast()?)),
    }
}

/// Runs `work`, which may call Python code, while that code may use the store.
///
/// On a fiber, work that `is_python` is done by the driver, on the ordinary stack; other work waits on the fiber.
fn at_rest<R: Send>(
    caller: &mut Caller<'_, Data>,
    is_python: bool,
    work: impl FnOnce() -> StreamResult<R> + Send,
) -> StreamResult<R> {
    let shared = caller.data().shared.clone();
    if let Some(fiber) = Fiber::of(&shared) {
        return if is_python { fiber.aside(work).map_err(StreamError::Trap)? } else { work() };
    }
    let _parking = Parking::new(caller);
    work()
}

#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
fn path_link(
    mut caller: Caller<'_, Data>,
    old_fd: i32,
    old_flags: i32,
    old_path: i32,
    old_len: i32,
    new_fd: i32,
    new_path: i32,
    new_len: i32,
) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let Guest { mut memory, wasi, waiter } = Guest::new(&mut caller, &memory)?;
    if !wasi.descriptors.permits_move(old_fd, new_fd) {
        return Ok(number(Errno::Perm));
    }
    growth::naming(wasi.descriptors.quota(new_fd), || {
        let context = &mut wasi.context;
        let link =
            abi::path_link(context, &mut memory, old_fd, old_flags, old_path, old_len, new_fd, new_path, new_len);
        waiter.block_on(link)?
    })
}

fn path_rename(
    mut caller: Caller<'_, Data>,
    old_fd: i32,
    old_path: i32,
    old_len: i32,
    new_fd: i32,
    new_path: i32,
    new_len: i32,
) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let Guest { mut memory, wasi, waiter } = Guest::new(&mut caller, &memory)?;
    if !wasi.descriptors.permits_move(old_fd, new_fd) {
        return Ok(number(Errno::Perm));
    }
    let rename = abi::path_rename(&mut wasi.context, &mut memory, old_fd, old_path, old_len, new_fd, new_path, new_len);
    waiter.block_on(rename)?
}

#[expect(clippy::too_many_arguments, reason = "the signature is WASI's")]
fn path_open(
    mut caller: Caller<'_, Data>,
    fd: i32,
    dirflags: i32,
    path: i32,
    len: i32,
    oflags: i32,
    base: i64,
    inheriting: i64,
    fdflags: i32,
    out: i32,
) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let Guest { mut memory, wasi, waiter } = Guest::new(&mut caller, &memory)?;
    let opening = async {
        let dirflags = types::Lookupflags::try_from(dirflags)?;
        let oflags = types::Oflags::try_from(oflags)?;
        let base = types::Rights::try_from(base)?;
        let inheriting = types::Rights::try_from(inheriting)?;
        let fdflags = types::Fdflags::try_from(fdflags)?;
        if !wasi.descriptors.permits_open(fd, &open_request(oflags, base)) {
            return Err(types::Error::from(Errno::Perm));
        }
        let path = GuestPtr::<str>::new((path.cast_unsigned(), len.cast_unsigned()));
        let exists = refuse_pipes(wasi, &mut memory, fd.into(), dirflags, path).await?;
        if oflags.contains(types::Oflags::CREAT)
            && !exists
            && let Some(quota) = wasi.descriptors.quota(fd)
        {
            quota.name()?;
        }
        wasi.context.path_open(&mut memory, fd.into(), dirflags, path, oflags, base, inheriting, fdflags).await
    };
    let opened = waiter.block_on(opening)?;
    or_errno(opened.and_then(|opened| {
        // Taken from the engine, not read back from memory that other threads may write to.
        wasi.descriptors.opened(fd, opened.into());
        Ok(memory.write(GuestPtr::new(out.cast_unsigned()), u32::from(opened))?)
    }))
}

/// Refuses to open a named pipe: the system would let the thread wait for the pipe's other end, with no way out. What
/// else is there to be opened?
///
/// A guest can make no pipes. What replaces another file by one after this look is the doing of someone else.
async fn refuse_pipes(
    wasi: &mut Wasi,
    memory: &mut GuestMemory<'_>,
    dir: types::Fd,
    flags: types::Lookupflags,
    path: GuestPtr<str>,
) -> Result<bool, types::Error> {
    match wasi.context.path_filestat_get(memory, dir, flags, path).await {
        // What is neither a file, a directory, a link nor a device: pipes and sockets.
        Ok(stat) if stat.filetype == types::Filetype::Unknown => Err(Errno::Notsup.into()),
        Ok(_) => Ok(true),
        // What is not there may be created, and of other errors `path_open` will tell.
        Err(_) => Ok(false),
    }
}

fn open_request(oflags: types::Oflags, base: types::Rights) -> Open {
    Open {
        read: base.contains(types::Rights::FD_READ),
        write: base.contains(types::Rights::FD_WRITE),
        create: oflags.contains(types::Oflags::CREAT),
        truncate: oflags.contains(types::Oflags::TRUNC),
        directory: oflags.contains(types::Oflags::DIRECTORY),
    }
}

/// Waits for clocks and streams. The engine would let the thread sleep when all that is waited for is one clock; such a
/// sleep is done here instead.
fn poll_oneoff(mut caller: Caller<'_, Data>, subscriptions: i32, events: i32, count: i32, out: i32) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let Guest { mut memory, wasi, waiter } = Guest::new(&mut caller, &memory)?;
    if count == 1
        && let Some((userdata, duration)) = sleep_request(&memory, subscriptions)
    {
        waiter.sleep(duration)?;
        memory.write(GuestPtr::new(events.cast_unsigned()), clock_event(userdata))?;
        memory.write(GuestPtr::new(out.cast_unsigned()), 1_u32)?;
        return Ok(0);
    }
    let polling = abi::poll_oneoff(&mut wasi.context, &mut memory, subscriptions, events, count, out);
    let result = waiter.block_on(polling)?;
    waiter.check_rarely()?;
    result
}

fn sleep_request(memory: &GuestMemory<'_>, subscription: i32) -> Option<(types::Userdata, Duration)> {
    let subscription = memory.read(GuestPtr::<types::Subscription>::new(subscription.cast_unsigned())).ok()?;
    match subscription.u {
        types::SubscriptionU::Clock(clock)
            if !clock.flags.contains(types::Subclockflags::SUBSCRIPTION_CLOCK_ABSTIME) =>
        {
            Some((subscription.userdata, Duration::from_nanos(clock.timeout)))
        }
        _ => None,
    }
}

fn clock_event(userdata: types::Userdata) -> types::Event {
    types::Event {
        userdata,
        error: Errno::Success,
        type_: types::Eventtype::Clock,
        fd_readwrite: types::EventFdReadwrite { nbytes: 0, flags: types::Eventrwflags::empty() },
    }
}

/// Ends the program. The engine's own function refuses codes from 126 on.
fn proc_exit(mut caller: Caller<'_, Data>, code: i32) -> Result<()> {
    let memory = memory_of(&mut caller);
    Guest::new(&mut caller, &memory)?;
    Err(I32Exit(code).into())
}

fn sched_yield(mut caller: Caller<'_, Data>) -> Result<i32> {
    let memory = memory_of(&mut caller);
    let waiter = Guest::new(&mut caller, &memory)?.waiter;
    waiter.check_rarely()?;
    waiter.fiber.map_or(Ok(()), |fiber| fiber.give_way())?;
    Ok(0)
}
