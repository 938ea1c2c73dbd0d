//! The functions of `wasi:filesystem` that take up space, where a quota counts it, and those that lead to them: what is
//! opened below a directory, and the streams that write there, count for the directory's quota.

use std::sync::Arc;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, ResourceType};
use wasmtime_wasi::filesystem::{Descriptor as Opened, WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::bindings::filesystem::preopens::Host as Preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Descriptor, DescriptorFlags, DescriptorType, ErrorCode, Host, HostDescriptor, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynOutputStream, FsResult};

use super::driver::Driver;
use super::versioned;
use crate::store::Data;
use crate::wasi::quota::{Quota, Writing};

/// A descriptor with what counts what is written there.
type At = (Option<Arc<Quota>>, Resource<Descriptor>);

impl Data {
    pub(super) fn quota_at(&mut self, fd: &Resource<Descriptor>) -> Option<Arc<Quota>> {
        self.wasi().metered.descriptors.get(&fd.rep()).cloned()
    }

    /// What is opened at `fd` has the quota `quota`.
    fn meter(&mut self, fd: &Resource<Descriptor>, quota: Option<Arc<Quota>>) {
        if let Some(quota) = quota {
            self.wasi().metered.descriptors.insert(fd.rep(), quota);
        }
    }
}

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    linker.instance(versioned!("wasi:filesystem/preopens"))?.func_wrap(
        "get-directories",
        |mut ctx: StoreContextMut<'_, Data>, ()| {
            let data = ctx.data_mut();
            let found = Preopens::get_directories(&mut data.filesystem())?;
            let quotas = data.wasi().metered.preopens.clone();
            found.iter().zip(quotas).for_each(|((fd, _), quota)| data.meter(fd, quota));
            Ok((found,))
        },
    )?;
    let mut types = linker.instance(versioned!("wasi:filesystem/types"))?;
    types.resource("descriptor", ResourceType::host::<Descriptor>(), |mut ctx, rep| {
        HostDescriptor::drop(&mut ctx.data_mut().filesystem(), Resource::new_own(rep))?;
        ctx.data_mut().wasi().metered.descriptors.remove(&rep);
        Ok(())
    })?;
    types.func_wrap(
        "[method]descriptor.open-at",
        |mut ctx: StoreContextMut<'_, Data>, (fd, flags, path, open, access): (_, _, _, _, _)| {
            let driver = Driver::new(ctx.data_mut());
            let quota = ctx.data_mut().quota_at(&fd);
            let mut view = ctx.data_mut().filesystem();
            let opening = open_unless_pipe(&mut view, (quota.clone(), fd), flags, path, open, access);
            let opened = driver.block_on(opening)?;
            let opened = or_error(&mut view, opened)?;
            if let Ok(opened) = &opened {
                ctx.data_mut().meter(opened, quota);
            }
            Ok((opened,))
        },
    )?;
    types.func_wrap(
        "[method]descriptor.write-via-stream",
        |mut ctx: StoreContextMut<'_, Data>, (fd, offset): (Resource<Descriptor>, u64)| {
            let writes_to = Resource::new_borrow(fd.rep());
            let stream = ctx.data_mut().filesystem().write_via_stream(fd, offset);
            stream_to(&mut ctx, &writes_to, Some(offset), stream)
        },
    )?;
    types.func_wrap(
        "[method]descriptor.append-via-stream",
        |mut ctx: StoreContextMut<'_, Data>, (fd,): (Resource<Descriptor>,)| {
            let writes_to = Resource::new_borrow(fd.rep());
            let stream = ctx.data_mut().filesystem().append_via_stream(fd);
            stream_to(&mut ctx, &writes_to, None, stream)
        },
    )
}

/// What the guest gets of a result.
fn or_error<R>(view: &mut WasiFilesystemCtxView<'_>, result: FsResult<R>) -> wasmtime::Result<Result<R, ErrorCode>> {
    match result {
        Ok(value) => Ok(Ok(value)),
        Err(error) => Ok(Err(Host::convert_error_code(view, error)?)),
    }
}

/// A stream that was made to write to `fd`, at `position` or at the end, and what the guest gets of it.
fn stream_to(
    ctx: &mut StoreContextMut<'_, Data>,
    fd: &Resource<Descriptor>,
    position: Option<u64>,
    stream: FsResult<Resource<DynOutputStream>>,
) -> wasmtime::Result<(Result<Resource<DynOutputStream>, ErrorCode>,)> {
    let data = ctx.data_mut();
    let stream = or_error(&mut data.filesystem(), stream)?;
    if let (Ok(stream), Some(quota)) = (&stream, data.quota_at(fd))
        && let Opened::File(file) = data.table().get(fd)?
    {
        let file = file.file.clone();
        data.wasi().metered.streams.insert(stream.rep(), Writing { quota, file, position });
    }
    Ok((stream,))
}

/// Opens what is no named pipe, for whose other end the system would let the thread wait, with no way out. As in
/// preview 1: a guest can make no pipes, and what replaces another file by one after the look is somebody else.
async fn open_unless_pipe(
    view: &mut WasiFilesystemCtxView<'_>,
    (quota, fd): At,
    flags: PathFlags,
    path: String,
    open: OpenFlags,
    access: DescriptorFlags,
) -> FsResult<Resource<Descriptor>> {
    match (view.stat_at(Resource::new_borrow(fd.rep()), flags, path.clone()).await, quota) {
        // What is neither a file, a directory, a link nor a device: pipes and sockets.
        (Ok(stat), _) if stat.type_ == DescriptorType::Unknown => return Err(ErrorCode::Unsupported.into()),
        (Err(_), Some(quota)) if open.contains(OpenFlags::CREATE) => quota.name()?,
        _ => {}
    }
    view.open_at(fd, flags, path, open, access).await
}

/// The functions after which files are larger, or there are more of them.
pub(super) trait Growing {
    async fn write_at(&mut self, at: At, bytes: Vec<u8>, offset: u64) -> FsResult<u64>;
    async fn resize(&mut self, at: At, size: u64) -> FsResult<()>;
    async fn make_directory(&mut self, at: At, path: String) -> FsResult<()>;
    async fn make_symlink(&mut self, at: At, path: String, new_path: String) -> FsResult<()>;
    async fn make_link(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        to: At,
        new_path: String,
    ) -> FsResult<()>;
}

impl Growing for WasiFilesystemCtxView<'_> {
    async fn write_at(&mut self, (quota, fd): At, bytes: Vec<u8>, offset: u64) -> FsResult<u64> {
        if let Some(quota) = quota {
            let size = self.stat(Resource::new_borrow(fd.rep())).await?.size;
            quota.grow(size, offset.saturating_add(bytes.len() as u64))?;
        }
        self.write(fd, bytes, offset).await
    }

    async fn resize(&mut self, (quota, fd): At, size: u64) -> FsResult<()> {
        if let Some(quota) = quota {
            let before = self.stat(Resource::new_borrow(fd.rep())).await?.size;
            quota.grow(before, size)?;
        }
        self.set_size(fd, size).await
    }

    async fn make_directory(&mut self, (quota, fd): At, path: String) -> FsResult<()> {
        named(quota, self.create_directory_at(fd, path)).await
    }

    async fn make_symlink(&mut self, (quota, fd): At, path: String, new_path: String) -> FsResult<()> {
        named(quota, self.symlink_at(fd, path, new_path)).await
    }

    async fn make_link(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        (quota, to): At,
        new_path: String,
    ) -> FsResult<()> {
        named(quota, self.link_at(fd, flags, path, to, new_path)).await
    }
}

/// Makes a new name, or fails.
async fn named(quota: Option<Arc<Quota>>, make: impl Future<Output = FsResult<()>>) -> FsResult<()> {
    let Some(quota) = quota else { return make.await };
    quota.name()?;
    let made = make.await;
    if made.is_err() {
        quota.unname();
    }
    made
}
