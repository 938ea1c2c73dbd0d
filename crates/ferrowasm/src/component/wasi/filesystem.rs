//! `wasi:filesystem`.
//!
//! The engine works with files on the caller's thread; its own synchronous functions would all the same start the threads
//! of its runtime, which a forked child does not have.

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource};
use wasmtime_wasi::filesystem::WasiFilesystemView;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, Descriptor, DirectoryEntryStream, HostDescriptor, HostDirectoryEntryStream, NewTimestamp, PathFlags,
};

use super::driver::{Driver, forward};
use super::growth::{self, Growing};
use super::versioned;
use crate::store::Data;

pub(super) fn add_to_linker(linker: &mut Linker<Data>) -> wasmtime::Result<()> {
    growth::add_to_linker(linker)?;
    let mut types = linker.instance(versioned!("wasi:filesystem/types"))?;
    forward! { types, filesystem, wasmtime_wasi::p2::bindings::filesystem::types::Host, convert_error_code:
        "[method]descriptor.advise" =>
            HostDescriptor::advise(fd: Resource<Descriptor>, offset: u64, len: u64, advice: Advice) as waiting;
        "[method]descriptor.sync-data" => HostDescriptor::sync_data(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.get-flags" => HostDescriptor::get_flags(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.get-type" => HostDescriptor::get_type(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.set-size" => Growing::resize(fd: Resource<Descriptor>, size: u64) at fd as waiting;
        "[method]descriptor.set-times" =>
            HostDescriptor::set_times(fd: Resource<Descriptor>, atim: NewTimestamp, mtim: NewTimestamp) as waiting;
        "[method]descriptor.read" =>
            HostDescriptor::read(fd: Resource<Descriptor>, len: u64, offset: u64) as waiting;
        "[method]descriptor.write" =>
            Growing::write_at(fd: Resource<Descriptor>, bytes: Vec<u8>, offset: u64) at fd as waiting;
        "[method]descriptor.read-directory" => HostDescriptor::read_directory(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.sync" => HostDescriptor::sync(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.create-directory-at" =>
            Growing::make_directory(fd: Resource<Descriptor>, path: String) at fd as waiting;
        "[method]descriptor.stat" => HostDescriptor::stat(fd: Resource<Descriptor>) as waiting;
        "[method]descriptor.stat-at" =>
            HostDescriptor::stat_at(fd: Resource<Descriptor>, flags: PathFlags, path: String) as waiting;
        "[method]descriptor.set-times-at" => HostDescriptor::set_times_at(
            fd: Resource<Descriptor>, flags: PathFlags, path: String, atim: NewTimestamp, mtim: NewTimestamp,
        ) as waiting;
        "[method]descriptor.link-at" => Growing::make_link(
            fd: Resource<Descriptor>, flags: PathFlags, path: String, to: Resource<Descriptor>, new_path: String,
        ) at to as waiting;
        "[method]descriptor.readlink-at" =>
            HostDescriptor::readlink_at(fd: Resource<Descriptor>, path: String) as waiting;
        "[method]descriptor.remove-directory-at" =>
            HostDescriptor::remove_directory_at(fd: Resource<Descriptor>, path: String) as waiting;
        "[method]descriptor.rename-at" => HostDescriptor::rename_at(
            fd: Resource<Descriptor>, path: String, to: Resource<Descriptor>, new_path: String,
        ) as waiting;
        "[method]descriptor.symlink-at" =>
            Growing::make_symlink(fd: Resource<Descriptor>, path: String, new_path: String) at fd as waiting;
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
