"""The folders that a program run by `run` sees: folders of the host, and folders and files that exist in memory only."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from types import TracebackType
from typing import Any, TypeAlias

from ._native import DiskQuota, WasiConfig
from ._wasi import DirPerms, FilePerms

__all__ = ["Folder", "MemoryFolder", "Mount", "Mounts"]

#: What a `MemoryFolder` starts with: contents by name, folders as mappings.
Files: TypeAlias = Mapping[str, Any]

#: A folder that only memory backs, so that nothing of a `MemoryFolder` reaches a disk.
SHARED_MEMORY = "/dev/shm"

#: Where the files are within a temporary folder, which has room for other names beside it.
CONTENT = "content"

#: How folders are opened: never through a symbolic link.
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC

#: What a new file, folder or link counts in a `DiskQuota`, in bytes.
NAME = 4096

#: The longest path of a file that is read back, in bytes. Guests can nest folders deeper than the system can name.
LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of the host that a program may use: read-only unless `writable`."""

    path: str | os.PathLike[str]
    writable: bool = False


class MemoryFolder(Mapping[str, bytes]):
    """A folder that exists for programs only, and whose content can be read when the program has ended.

    `files` is what the folder contains at first: a mapping from names to contents (bytes-like, or `str` for UTF-8) or, for folders within it, to
    mappings of the same kind. Names may be paths: `{"a/b.txt": b""}` and `{"a": {"b.txt": b""}}` are the same.

    As a mapping, the folder leads from the paths of the files, relative and with `/` between names, to their contents. A run that ends, however it
    does, replaces them by what the program left there, unless `writable` is false: then programs cannot change anything.

    Of what the program left, at most `max_bytes` bytes and `max_files` files and folders are kept. What could not be kept, and what is neither a
    file nor a folder, is in `skipped`. While the program runs, the files are in a private temporary folder, in memory where the system offers
    that (`/dev/shm`), and may grow by `max_bytes` bytes together, and 4 KiB for each of `max_files` new names, as `DiskQuota` counts.

    Raises `TypeError` and `ValueError` for contents and names that cannot be.
    """

    def __init__(self, files: Files | None = None, *, writable: bool = True, max_bytes: int = 64 << 20, max_files: int = 10_000) -> None:
        self.writable = writable
        self.max_bytes = max_bytes
        self.max_files = max_files
        self._files: dict[str, bytes] = {}
        self._folders: list[str] = []
        self._skipped: dict[str, str] = {}
        if files is not None:
            self._add("", files)

    def _add(self, prefix: str, files: Files) -> None:
        if not isinstance(files, Mapping):
            raise TypeError(f"expected a mapping from names to contents, got {type(files).__name__}")
        for name, content in files.items():
            path = prefix + checked_name(name)
            if isinstance(content, Mapping):
                self._folders.append(path)
                self._add(path + "/", content)
            elif isinstance(content, str):
                self._files[path] = content.encode()
            else:
                try:
                    self._files[path] = bytes(memoryview(content))
                except TypeError:
                    message = f"expected a bytes-like object, a str or a mapping for {path!r}, got {type(content).__name__}"
                    raise TypeError(message) from None

    def __getitem__(self, path: str) -> bytes:
        return self._files[path]

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)

    def files(self) -> dict[str, bytes]:
        """A copy of the files: contents by path."""
        return dict(self._files)

    def folders(self) -> list[str]:
        """The paths of the folders within this one, also of empty ones."""
        parents = {str(parent) for path in self._files for parent in PurePosixPath(path).parents}
        return sorted({*self._folders, *parents} - {"."})

    @property
    def skipped(self) -> dict[str, str]:
        """What the last program left that is not kept: the reason by path."""
        return dict(self._skipped)

    def __repr__(self) -> str:
        files = ", ".join(f"{path!r}: {len(content)} bytes" for path, content in list(self._files.items())[:10])
        more = ", ..." if len(self._files) > 10 else ""
        return f"<MemoryFolder {{{files}{more}}}>"

    def _quota(self, within: DiskQuota | None) -> DiskQuota:
        """What counts how much a program writes."""
        return DiskQuota(max(0, self.max_bytes) + max(0, self.max_files) * NAME, within=within)

    def _fill(self, root: str) -> None:
        """Write everything below `root`, an empty folder."""
        for folder in self.folders():
            os.makedirs(os.path.join(root, folder), exist_ok=True)
        for path, content in self._files.items():
            with open(os.path.join(root, path), "xb") as file:
                file.write(content)

    def _take_back(self, base: str) -> None:
        """Replace everything by what a program left in a temporary folder, and remove that."""
        found = consume(base, self.max_bytes, self.max_files)
        self._files, self._folders, self._skipped = found.files, found.folders, found.skipped


#: What a value of `mounts` may be: a folder of the host, one in memory, or the contents of one file.
Mount: TypeAlias = str | os.PathLike[str] | Folder | MemoryFolder | Mapping[str, Any] | bytes | bytearray | memoryview


def checked_name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"expected a str for the name of a file, got {type(name).__name__}")
    parts = name.split("/")
    if "\0" in name or any(part in ("", ".", "..") for part in parts):
        raise ValueError(f"not a relative path without '.' and '..': {name!r}")
    return name


class Found:
    """What a program left in a folder, up to a limit."""

    def __init__(self, max_bytes: int, max_files: int) -> None:
        self.files: dict[str, bytes] = {}
        self.folders: list[str] = []
        self.skipped: dict[str, str] = {}
        self.bytes_left = max_bytes
        self.names_left = max_files

    def add_folder(self, path: str | None) -> str | None:
        """Keep a folder; the path for what is in it, if that can be kept too."""
        if path is None or not self.has_name_for(path):
            return None
        self.folders.append(path)
        return path

    def add(self, folder: int, name: str, path: str | None) -> None:
        """Keep the content of `name` in the folder with the descriptor `folder`, unless it is no file."""
        if path is None or not self.has_name_for(path):
            return
        if not stat.S_ISREG(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            self.skipped[path] = "not a regular file"
            return
        fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=folder)
        with open(fd, "rb") as file:
            if os.fstat(fd).st_size > self.bytes_left:
                self.skipped[path] = "too large"
                return
            content = file.read(self.bytes_left)
        self.bytes_left -= len(content)
        self.files[path] = content

    def has_name_for(self, path: str) -> bool:
        self.names_left -= 1
        if self.names_left == -1:
            self.skipped[path] = "too many files"
        return self.names_left >= 0


class Mounts:
    """The mounts of one run: a context manager that provides folders for what is in memory and takes them away again."""

    def __init__(self, mounts: Mapping[str, Mount] | None, disk_limit: int | None = None) -> None:
        #: Bounds what is written to all of them together.
        self.total = None if disk_limit is None else DiskQuota(disk_limit)
        #: What bounds single ones.
        self.quotas: list[DiskQuota] = []
        self.folders: list[tuple[str, Folder]] = []
        self.memory: list[tuple[str, MemoryFolder]] = []
        #: By identity, since one folder may be mounted twice.
        self.temporary: dict[int, tuple[str, MemoryFolder]] = {}
        single_files: dict[str, dict[str, Any]] = {}
        for guest, mount in ({} if mounts is None else mounts).items():
            if not isinstance(guest, str):
                raise TypeError(f"expected a str for the path of a mount, got {type(guest).__name__}")
            if isinstance(mount, Folder):
                self.folders.append((guest, mount))
            elif isinstance(mount, MemoryFolder):
                self.memory.append((guest, mount))
            elif isinstance(mount, (str, os.PathLike)):
                self.folders.append((guest, Folder(mount)))
            elif isinstance(mount, Mapping):
                self.memory.append((guest, MemoryFolder(mount, writable=False)))
            elif is_buffer(mount):
                folder, _, name = guest.rpartition("/")
                if not name:
                    raise ValueError(f"a single file needs a path that ends in its name, not {guest!r}")
                single_files.setdefault(folder or ("/" if guest.startswith("/") else "."), {})[name] = mount
            else:
                raise TypeError(
                    f"expected a path, a Folder, a MemoryFolder, a mapping or the bytes of a file for {guest!r} in mounts, got {type(mount).__name__}"
                )
        taken = {guest for guest, _ in [*self.folders, *self.memory]}
        for guest, files in single_files.items():
            if guest in taken:
                raise ValueError(f"{guest!r} is a mount already, so no single file can be mounted in it")
            self.memory.append((guest, MemoryFolder(files, writable=False)))

    def __enter__(self) -> Mounts:
        try:
            for folder in {id(folder): folder for _, folder in self.memory}.values():
                base = temporary_folder(sum(len(content) for content in folder.values()))
                self.temporary[id(folder)] = (base, folder)
                folder._fill(os.path.join(base, CONTENT))
        except BaseException:
            self.remove(keep=False)
            raise
        return self

    def __exit__(self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None) -> None:
        self.remove(keep=True)

    def remove(self, *, keep: bool) -> None:
        """Remove the temporary folders; what is in writable ones is kept in their `MemoryFolder`."""
        with contextlib.ExitStack() as stack:
            for base, folder in self.temporary.values():
                stack.callback(folder._take_back if keep and folder.writable else discard, base)
            self.temporary = {}

    def add_to(self, config: WasiConfig) -> None:
        """Let programs use the mounts. Raises `WasiFileError` for a folder that cannot be opened."""
        for guest, folder in self.folders:
            preopen(config, os.fspath(folder.path), guest, self.total, writable=folder.writable)
        quotas = {key: memory._quota(self.total) for key, (_, memory) in self.temporary.items()}
        for guest, memory in self.memory:
            base, _ = self.temporary[id(memory)]
            preopen(config, os.path.join(base, CONTENT), guest, quotas[id(memory)], writable=memory.writable)
        self.quotas = list(quotas.values())

    @property
    def are_full(self) -> bool:
        """Whether a program was refused to write something because it had written too much."""
        return any(quota.reached for quota in [*self.quotas, *([] if self.total is None else [self.total])])


def discard(base: str) -> None:
    consume(base, 0, 0)


def is_buffer(value: object) -> bool:
    try:
        memoryview(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    except TypeError:
        return False
    return True


def preopen(config: WasiConfig, path: str, guest: str, quota: DiskQuota | None, *, writable: bool) -> None:
    if writable:
        config.preopen_dir(path, guest, quota=quota)
    else:
        config.preopen_dir(path, guest, DirPerms.READ_ONLY, FilePerms.READ_ONLY)


def temporary_folder(size: int) -> str:
    """A new folder for this user only, in memory if there is room for `size` bytes twice; programs get what is in its subfolder `CONTENT`."""
    # Not before it is needed: the import takes as long as that of the rest of the package.
    import tempfile

    parent = None
    with contextlib.suppress(OSError):
        free = os.statvfs(SHARED_MEMORY)
        if free.f_bavail * free.f_frsize > 2 * size:
            parent = SHARED_MEMORY
    base = tempfile.mkdtemp(prefix="ferrowasm-", dir=parent)
    os.mkdir(os.path.join(base, CONTENT), 0o700)
    return base


def consume(base: str, max_bytes: int, max_files: int) -> Found:
    """Read what a program left in a temporary folder, and remove the folder.

    The program may have nested folders so deep that no path leads there and no recursion gets to the end, and made any number of symbolic links.
    So folders are moved up into `base` before they are looked into, nothing is followed, and nothing but regular files is opened.
    """
    found = Found(max_bytes, max_files)
    base_fd = os.open(base, FOLDER)
    try:
        # Where a folder is now, and the path that it had; none if that is too long to be kept.
        waiting: list[tuple[str, str | None]] = [(CONTENT, "")]
        moved = 0
        while waiting:
            place, path = waiting.pop()
            fd = os.open(place, FOLDER, dir_fd=base_fd)
            try:
                # In portions: a folder may have millions of entries.
                while entries := some_entries(fd):
                    for entry in entries:
                        entry_path = joined(path, entry.name)
                        if entry.is_dir(follow_symlinks=False):
                            moved += 1
                            os.rename(entry.name, str(moved), src_dir_fd=fd, dst_dir_fd=base_fd)
                            waiting.append((str(moved), found.add_folder(entry_path)))
                        else:
                            found.add(fd, entry.name, entry_path)
                            os.unlink(entry.name, dir_fd=fd)
            finally:
                os.close(fd)
            os.rmdir(place, dir_fd=base_fd)
    finally:
        os.close(base_fd)
    os.rmdir(base)
    return found


def some_entries(fd: int) -> list[os.DirEntry[str]]:
    with os.scandir(fd) as entries:
        return list(itertools.islice(entries, 1000))


def joined(path: str | None, name: str) -> str | None:
    if path is None:
        return None
    path = f"{path}/{name}" if path else name
    return path if len(os.fsencode(path)) < LONGEST_PATH else None
