//! What the file descriptors of a guest are, as far as the engine does not tell.
//!
//! The standard streams are read and written by the functions in `p1` themselves. And the engine knows read-only and
//! read-write directories only: where files and directories differ, or may be written but not read, the functions ask
//! here first. What is opened below a preopened directory has the permissions of that directory.

use std::collections::HashMap;
use std::sync::Arc;

use wasmtime_wasi::FsPerms;

use super::quota::Quota;

/// A set of permissions: to read, to write, or both; the numbers are those of `DirPerms` and `FilePerms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Access(u8);

impl Access {
    pub(crate) const READ: Access = Access(1);
    pub(crate) const WRITE: Access = Access(2);
    pub(crate) const READ_WRITE: Access = Access(3);

    pub(crate) fn contains(self, other: Access) -> bool {
        self.0 & other.0 == other.0
    }
}

/// What a guest may do below a preopened directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Perms {
    /// With directories: read is to list them, to look up and to open what is there; write is to make, rename and
    /// remove entries.
    pub(crate) dir: Access,
    /// With the contents of files.
    pub(crate) file: Access,
}

impl Perms {
    /// Whether the engine, which does not tell files from directories, can enforce this by itself.
    pub(crate) fn is_uniform(self) -> bool {
        self.dir == self.file && self.dir != Access::WRITE
    }

    /// The engine's permissions that permit at least this.
    pub(crate) fn widened(self) -> FsPerms {
        let writes = self.dir.contains(Access::WRITE) || self.file.contains(Access::WRITE);
        if writes { FsPerms::ReadWrite } else { FsPerms::ReadOnly }
    }

    /// The engine's permissions that permit at most this, if there are any.
    pub(crate) fn narrowed(self) -> Option<FsPerms> {
        let both = |access| self.dir.contains(access) && self.file.contains(access);
        match (both(Access::READ), both(Access::WRITE)) {
            (true, true) => Some(FsPerms::ReadWrite),
            (true, false) => Some(FsPerms::ReadOnly),
            (false, _) => None,
        }
    }

    pub(crate) fn contains(self, other: Perms) -> bool {
        self.dir.contains(other.dir) && self.file.contains(other.file)
    }
}

/// No permission at all, for the half of `Perms` that an operation has nothing to do with.
const NONE: Access = Access(0);

const ALL: Perms = Perms { dir: Access::READ_WRITE, file: Access::READ_WRITE };
pub(crate) const LIST: Perms = Perms { dir: Access::READ, file: NONE };
pub(crate) const CHANGE: Perms = Perms { dir: Access::WRITE, file: NONE };
pub(crate) const READ: Perms = Perms { dir: NONE, file: Access::READ };
pub(crate) const WRITE: Perms = Perms { dir: NONE, file: Access::WRITE };
/// To change the times of what a descriptor refers to, which may be a file or a directory.
pub(crate) const TOUCH: Perms = Perms { dir: Access::WRITE, file: Access::WRITE };

#[derive(Clone)]
pub(crate) enum Descriptor {
    Stdin,
    Stdout,
    Stderr,
    /// A preopened directory, or what was opened below one, where the engine does not enforce the permissions by
    /// itself, or knows nothing of a quota.
    File(Perms, Option<Arc<Quota>>),
}

/// The file descriptors of a guest. Those that are not listed are for the engine alone.
pub(crate) struct Descriptors {
    known: HashMap<u32, Descriptor>,
}

impl Descriptors {
    /// `preopens` are the permissions and quotas of the preopened directories, in their order.
    pub(crate) fn new(preopens: impl IntoIterator<Item = (Perms, Option<Arc<Quota>>)>) -> Descriptors {
        let streams = [Descriptor::Stdin, Descriptor::Stdout, Descriptor::Stderr].into_iter();
        let files = preopens.into_iter().map(|(perms, quota)| Descriptor::File(perms, quota));
        let numbered = (0..).zip(streams.chain(files));
        Descriptors { known: numbered.filter(|(_, descriptor)| !descriptor.is_engines()).collect() }
    }

    pub(crate) fn get(&self, fd: i32) -> Option<&Descriptor> {
        self.known.get(&fd.cast_unsigned())
    }

    fn perms(&self, fd: i32) -> Option<Perms> {
        match self.get(fd) {
            Some(Descriptor::File(perms, _)) => Some(*perms),
            _ => None,
        }
    }

    /// What counts how much is written below a directory.
    pub(crate) fn quota(&self, fd: i32) -> Option<Arc<Quota>> {
        match self.get(fd) {
            Some(Descriptor::File(_, quota)) => quota.clone(),
            _ => None,
        }
    }

    pub(crate) fn permits(&self, fd: i32, needed: Perms) -> bool {
        self.perms(fd).is_none_or(|perms| perms.contains(needed))
    }

    /// Whether something may be moved or linked from one directory into another: not to where more may be done with it.
    pub(crate) fn permits_move(&self, from: i32, to: i32) -> bool {
        match (self.perms(from), self.perms(to)) {
            (None, None) => true,
            (from, to) => {
                // What is not listed is read-only, which the engine enforces, or permits everything.
                let from = from.unwrap_or(ALL);
                let to = to.unwrap_or(ALL);
                from.contains(CHANGE) && to.contains(CHANGE) && from.contains(to)
            }
        }
    }

    pub(crate) fn permits_open(&self, dir: i32, open: &Open) -> bool {
        let Some(perms) = self.perms(dir) else { return true };
        let looked_up = perms.contains(LIST) || open.create;
        let changed = perms.contains(CHANGE) || !(open.create || open.truncate);
        // A descriptor that is opened for neither can be read from.
        let read = perms.contains(READ) || (open.write && !open.read) || open.directory;
        let written = perms.contains(WRITE) || !(open.write || open.truncate);
        looked_up && changed && read && written
    }

    pub(crate) fn opened(&mut self, dir: i32, fd: u32) {
        if let Some(Descriptor::File(perms, quota)) = self.get(dir) {
            let opened = Descriptor::File(*perms, quota.clone());
            self.known.insert(fd, opened);
        }
    }

    pub(crate) fn closed(&mut self, fd: i32) {
        self.known.remove(&fd.cast_unsigned());
    }

    /// `to` is closed and becomes what `from` was.
    pub(crate) fn renumbered(&mut self, from: i32, to: i32) {
        if from == to {
            return;
        }
        match self.known.remove(&from.cast_unsigned()) {
            Some(descriptor) => self.known.insert(to.cast_unsigned(), descriptor),
            None => self.known.remove(&to.cast_unsigned()),
        };
    }
}

impl Descriptor {
    /// Whether the engine alone can see to it.
    fn is_engines(&self) -> bool {
        matches!(self, Descriptor::File(perms, None) if perms.is_uniform())
    }
}

/// What `path_open` is asked for.
pub(crate) struct Open {
    pub(crate) read: bool,
    pub(crate) write: bool,
    pub(crate) create: bool,
    pub(crate) truncate: bool,
    pub(crate) directory: bool,
}
