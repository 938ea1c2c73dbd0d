//! Permissions of preopened directories that are finer than the engine's.
//!
//! The engine knows read-only and read-write directories. Where files and directories differ, or may be written but not read, the functions in `p1` ask
//! here first. What is opened below a preopened directory has the permissions of that directory.

use std::collections::HashMap;

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
    /// With directories: read is to list them, to look up and to open what is there; write is to make, rename and remove entries.
    pub(crate) dir: Access,
    /// With the contents of files.
    pub(crate) file: Access,
}

impl Perms {
    /// Whether the engine, which does not tell files from directories, can enforce this by itself.
    pub(crate) fn is_uniform(self) -> bool {
        self.dir == self.file && self.dir != Access::WRITE
    }

    pub(crate) fn may_write(self) -> bool {
        self.dir.contains(Access::WRITE) || self.file.contains(Access::WRITE)
    }

    pub(crate) fn contains(self, other: Perms) -> bool {
        self.dir.contains(other.dir) && self.file.contains(other.file)
    }
}

/// No permission at all, for the half of `Perms` that an operation has nothing to do with.
const NONE: Access = Access(0);

pub(crate) const LIST: Perms = Perms { dir: Access::READ, file: NONE };
pub(crate) const CHANGE: Perms = Perms { dir: Access::WRITE, file: NONE };
pub(crate) const READ: Perms = Perms { dir: NONE, file: Access::READ };
pub(crate) const WRITE: Perms = Perms { dir: NONE, file: Access::WRITE };
/// To change the times of what a descriptor refers to, which may be a file or a directory.
pub(crate) const TOUCH: Perms = Perms { dir: Access::WRITE, file: Access::WRITE };

/// The number that WASI gives to the first preopened directory.
const FIRST_PREOPEN: u32 = 3;

/// What the descriptors of a guest permit. Those that are not listed are standard streams, or not open.
pub(crate) struct Rights {
    descriptors: HashMap<u32, Perms>,
}

impl Rights {
    /// `None` if the engine enforces all of it by itself.
    pub(crate) fn new(preopens: &[Perms]) -> Option<Rights> {
        if preopens.iter().all(|perms| perms.is_uniform()) {
            return None;
        }
        Some(Rights { descriptors: (FIRST_PREOPEN..).zip(preopens.iter().copied()).collect() })
    }

    fn get(&self, fd: i32) -> Option<Perms> {
        self.descriptors.get(&fd.cast_unsigned()).copied()
    }

    pub(crate) fn permits(&self, fd: i32, needed: Perms) -> bool {
        self.get(fd).is_none_or(|perms| perms.contains(needed))
    }

    /// Whether something may be moved or linked from one directory into another: not to where more may be done with it.
    pub(crate) fn permits_move(&self, from: i32, to: i32) -> bool {
        match (self.get(from), self.get(to)) {
            (Some(from), Some(to)) => from.contains(CHANGE) && to.contains(CHANGE) && from.contains(to),
            // One is no directory: the engine reports that.
            _ => true,
        }
    }

    pub(crate) fn permits_open(&self, dir: i32, open: &Open) -> bool {
        let Some(perms) = self.get(dir) else { return true };
        let looked_up = perms.contains(LIST) || open.create;
        let changed = perms.contains(CHANGE) || !(open.create || open.truncate);
        // A descriptor that is opened for neither can be read from.
        let read = perms.contains(READ) || (open.write && !open.read) || open.directory;
        let written = perms.contains(WRITE) || !(open.write || open.truncate);
        looked_up && changed && read && written
    }

    pub(crate) fn opened(&mut self, dir: i32, fd: u32) {
        if let Some(perms) = self.get(dir) {
            self.descriptors.insert(fd, perms);
        }
    }

    pub(crate) fn closed(&mut self, fd: i32) {
        self.descriptors.remove(&fd.cast_unsigned());
    }

    /// `to` is closed and becomes what `from` was.
    pub(crate) fn renumbered(&mut self, from: i32, to: i32) {
        if from == to {
            return;
        }
        match self.descriptors.remove(&from.cast_unsigned()) {
            Some(perms) => self.descriptors.insert(to.cast_unsigned(), perms),
            None => self.descriptors.remove(&to.cast_unsigned()),
        };
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
