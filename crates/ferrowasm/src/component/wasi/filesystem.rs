//! `wasi:filesystem`.
//!
//! The engine works with files on the caller's thread; its own synchronous functions would all the same start the threads
//! of its runtime, which a forked child does not have.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::{WasiFilesystemCtxView, WasiFilesystemView};
use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, Descriptor, DescriptorFlags, DescriptorType, DirectoryEntryStream, ErrorCode, HostDescriptor,
    HostDirectoryEntryStream, NewTimestamp, OpenFlags, PathFlags,
};

use super::driver::{Driver, forward};
use super::versioned;
use crate::store::Data;

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    let mut types = linker.instance(versioned!("wasi:filesystem/types"))?;
    forward! { types, filesystem, wasmtime_wasi::p2::bindings::filesystem::types::Host, convert_error_code:
        "[method]descriptor.advise" =>
            HostDescriptor::advise(fd: Resource<Descriptor>, offset: u64, len: u64, advice: Advice) as waiting;
        "[method]descriptor.sync-data" => HostDescriptor::sync_data(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.get-flags" => HostDescriptor::get_flags(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.get-type" => HostDescriptor::get_type(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.set-size" => HostDescriptor::set_size(fd: Resource<Descriptor>, size: u64) as waiting;
        "[method]descriptor.set-times" =>
            HostDescriptor::set_times(fd: Resource<Descriptor>, atim: NewTimestamp, mtim: NewTimestamp) as waiting;
        "[method]descriptor.read" =>
            HostDescriptor::read(fd: Resource<Descriptor>, len: u64, offset: u64) as waiting;
        "[method]descriptor.write" =>
            HostDescriptor::write(fd: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) as waiting;
        "[method]descriptor.read-directory" => HostDescriptor::read_directory(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.sync" => HostDescriptor::sync(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.create-directory-at" =>
            HostDescriptor::create_directory_at(fd: Resource<Descriptor>, path: String) as waiting;
        "[method]descriptor.stat" => HostDescriptor::stat(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.stat-at" =>
            HostDescriptor::stat_at(fd: Resource<Descriptor>, flags: PathFlags, path: String) as waiting;
        "[method]descriptor.set-times-at" => HostDescriptor::set_times_at(
            fd: Resource<Descriptor>, flags: PathFlags, path: String, atim: NewTimestamp, mtim: NewTimestamp,
        ) as waiting;
        "[method]descriptor.link-at" => HostDescriptor::link_at(
            fd: Resource<Descriptor>, flags: PathFlags, path: String, to: Resource<Descriptor>, new_path: String,
        ) as waiting;
        "[method]descriptor.open-at" => Open::open_unless_pipe(
            fd: Resource<Descriptor>, flags: PathFlags, path: String, open: OpenFlags, access: DescriptorFlags,
        ) as waiting;
        "[method]descriptor.readlink-at" =>
            HostDescriptor::readlink_at(fd: Resource<Descriptor>, path: String) as waiting;
        "[method]descriptor.remove-directory-at" =>
            HostDescriptor::remove_directory_at(fd: Resource<Descriptor>, path: String) as waiting;
        "[method]descriptor.rename-at" => HostDescriptor::rename_at(
            fd: Resource<Descriptor>, path: String, to: Resource<Descriptor>, new_path: String,
        ) as waiting;
        "[method]descriptor.symlink-at" =>
            HostDescriptor::symlink_at(fd: Resource<Descriptor>, path: String, new_path: String) as waiting;
        "[method]descriptor.unlink-file-at" =>
            HostDescriptor::unlink_file_at(fd: Resource<Descriptor>, path: String) as waiting;
        "[method]descriptor.is-same-object" =>
            HostDescriptor::is_same_object(fd: Resource<Descriptor>, other: Resource<Descriptor>) as plain;
        "[method]descriptor.metadata-hash" => HostDescriptor::metadata_hash(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.metadata-hash-at" =>
            HostDescriptor::metadata_hash_at(fd: Resource<Descriptor>, flags: PathFlags, path: String) as waiting;
        "[method]directory-entry-stream.read-directory-entry" =>
            HostDirectoryEntryStream::read_directory_entry(stream: Resource<DirectoryEntryStream>) as waiting;
    }
    Ok(())
}

trait Open {
    /// Opens what is no named pipe, for whose other end the system would let the thread wait, with no way out. As in
    /// preview 1: a guest can make no pipes, and what replaces another file by one after the look is somebody else.
    async fn open_unless_pipe(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        access: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>>;
}

impl Open for WasiFilesystemCtxView<'_> {
    async fn open_unless_pipe(
        &mut self,
        fd: Resource<Descriptor>,
        flags: PathFlags,
        path: String,
        open: OpenFlags,
        access: DescriptorFlags,
    ) -> FsResult<Resource<Descriptor>> {
        let folder = Resource::new_borrow(fd.rep());
        match self.stat_at(folder, flags, path.clone()).await {
            // What is neither a file, a directory, a link nor a device: pipes and sockets.
            Ok(stat) if stat.type_ == DescriptorType::Unknown => Err(ErrorCode::Unsupported.into()),
            _ => self.open_at(fd, flags, path, open, access).await,
        }
    }
}
