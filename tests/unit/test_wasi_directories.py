"""WASI preview 1: directories and their permissions."""

from __future__ import annotations

import os
import pathlib
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from wasi_support import ENGINE, O_CREAT, O_DIRECTORY, O_EXCL, O_TRUNC, PERM, READ, SUCCESS, WRITE, Guest

from ferrowasm import DirPerms, FilePerms, Store, WasiConfig, WasiFileError, WasmtimeError


@pytest.mark.parametrize("make", [str, os.fsencode, lambda path: path])
def test_preopened_directories_take_any_kind_of_path(tree: pathlib.Path, make: Callable[[pathlib.Path], Any]) -> None:
    config = WasiConfig()
    config.preopen_dir(make(tree), "/")
    guest = Guest(config)
    errno, fd = guest.open("file")
    assert (errno, guest.read(fd)) == (SUCCESS, b"inside")


def test_a_relative_preopened_directory_does_not_move_with_the_working_directory(
    tree: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)
    config = WasiConfig()
    config.preopen_dir("sub", "/")
    monkeypatch.chdir("/")
    assert Guest(config).open("deep")[0] == SUCCESS


def test_a_preopened_directory_that_is_gone_is_reported_by_set_wasi(tree: pathlib.Path) -> None:
    (tree / "gone").mkdir()
    config = WasiConfig()
    config.preopen_dir(tree / "gone", "/")
    (tree / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as info:
        Store(ENGINE).set_wasi(config)
    assert isinstance(info.value, WasiFileError)
    assert info.value.filename == tree / "gone"


@pytest.mark.parametrize(
    ("use", "kind"),
    [
        (lambda config, tree: setattr(config, "stdin_file", tree / "nope"), FileNotFoundError),
        (lambda config, tree: setattr(config, "stdin_file", tree), IsADirectoryError),
        (lambda config, tree: setattr(config, "stdout_file", str(tree)), IsADirectoryError),
        (lambda config, tree: setattr(config, "stderr_file", tree / "file" / "x"), NotADirectoryError),
        (lambda config, tree: config.preopen_dir(tree / "nope", "/"), FileNotFoundError),
        (lambda config, tree: config.preopen_dir(tree / "file", "/"), NotADirectoryError),
        (lambda config, tree: config.preopen_dir("", "/"), FileNotFoundError),
    ],
)
def test_files_that_cannot_be_opened_are_os_errors_and_wasmtime_errors(
    tree: pathlib.Path, use: Callable[[WasiConfig, pathlib.Path], None], kind: type[OSError]
) -> None:
    with pytest.raises(kind) as info:
        use(WasiConfig(), tree)
    error = info.value
    assert isinstance(error, WasiFileError)
    assert isinstance(error, WasmtimeError)
    assert error.errno is not None
    assert str(error) == f"[Errno {error.errno}] {os.strerror(error.errno)}: {error.filename!r}"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), again.errno, again.filename) == (type(error), error.errno, error.filename)


@pytest.mark.parametrize(
    ("args", "error", "message"),
    [
        ((None, "/"), TypeError, "expected str, bytes or os.PathLike object, not NoneType"),
        (("/\0", "/"), ValueError, "a path contains a NUL character"),
        (("/", b"/"), TypeError, "expected a str for guest_path, got bytes"),
        (("/", "/\0"), ValueError, 'guest_path contains a NUL character: "/\\0"'),
        (("/", "/", 3), TypeError, "expected DirPerms, got int"),
        (("/", "/", FilePerms.READ_ONLY), TypeError, "expected DirPerms, got FilePerms"),
        (("/", "/", DirPerms.READ_ONLY, True), TypeError, "expected FilePerms, got bool"),
        (
            ("/", "/", False, FilePerms.READ_ONLY),
            TypeError,
            "dir_perms as a bool is for files too: pass DirPerms to set file_perms",
        ),
    ],
)
def test_bad_arguments_of_preopen_dir_are_refused(args: tuple[Any, ...], error: type[Exception], message: str) -> None:
    with pytest.raises(error) as info:
        WasiConfig().preopen_dir(*args)
    assert str(info.value) == message


def test_permission_enums_have_the_values_of_wasmtime() -> None:
    for enum in (DirPerms, FilePerms):
        assert {member.name: member.value for member in enum} == {"READ_ONLY": 1, "WRITE_ONLY": 2, "READ_WRITE": 3}


def attempts(guest: Guest, dirfd: int = 3) -> dict[str, bool]:
    """What succeeds in a preopened `tree`; each attempt undoes nothing, so that each uses names of its own."""

    def opened(path: str, oflags: int = 0, rights: int = READ) -> int | None:
        errno, fd = guest.open(path, oflags=oflags, rights=rights, dirfd=dirfd)
        return fd if errno == SUCCESS else None

    results: dict[str, bool] = {}
    directory = opened(".", O_DIRECTORY)
    results["open directory"] = directory is not None
    results["list"] = guest.call("fd_readdir", dirfd, guest.DATA, 1000, 0, guest.OUT) == SUCCESS
    if directory is not None:
        # What was opened below has the same permissions.
        assert results["list"] == (guest.call("fd_readdir", directory, guest.DATA, 1000, 0, guest.OUT) == SUCCESS)
    results["stat"] = (
        guest.call("path_filestat_get", dirfd, 0, guest.PATH, guest.put(b"file", guest.PATH), guest.OUT) == SUCCESS
    )
    results["readlink"] = guest.on_path("path_readlink", "link", guest.DATA, 100, guest.OUT, dirfd=dirfd) == SUCCESS
    file = opened("file")
    results["open to read"] = file is not None
    results["read"] = file is not None and guest.read(file) == b"inside"
    results["pread"] = file is not None and guest.call("fd_pread", file, guest.IOVS, 1, 0, guest.OUT) == SUCCESS
    file = opened("file", rights=WRITE)
    results["open to write"] = file is not None
    results["write"] = file is not None and guest.write(file, b"INSIDE") == SUCCESS
    results["pwrite"] = file is not None and guest.call("fd_pwrite", file, guest.IOVS, 1, 0, guest.OUT) == SUCCESS
    results["resize"] = file is not None and guest.call("fd_filestat_set_size", file, 6) == SUCCESS
    results["read what is open to write"] = file is not None and isinstance(guest.read(file), bytes)
    results["truncate"] = opened("file", O_TRUNC, WRITE) is not None
    results["create"] = opened("new", O_CREAT | O_EXCL, WRITE) is not None
    results["create to read"] = opened("new2", O_CREAT, READ) is not None
    results["touch"] = (
        guest.call("path_filestat_set_times", dirfd, 0, guest.PATH, guest.put(b"file", guest.PATH), 0, 0, 10) == SUCCESS
    )
    results["mkdir"] = guest.on_path("path_create_directory", "made", dirfd=dirfd) == SUCCESS
    length = guest.put(b"made-link", guest.PATH2)
    results["symlink"] = (
        guest.call("path_symlink", guest.PATH, guest.put(b"file", guest.PATH), dirfd, guest.PATH2, length) == SUCCESS
    )
    results["link"] = guest.move("path_link", "file", "hard", old_fd=dirfd, new_fd=dirfd) == SUCCESS
    results["rename"] = guest.move("path_rename", "link", "renamed", old_fd=dirfd, new_fd=dirfd) == SUCCESS
    results["unlink"] = guest.on_path("path_unlink_file", "sub/deep", dirfd=dirfd) == SUCCESS
    results["rmdir"] = guest.on_path("path_remove_directory", "sub", dirfd=dirfd) == SUCCESS
    return results


LOOKUPS = {"open directory", "list", "stat", "readlink"}
CHANGES = {"mkdir", "symlink", "link", "rename", "unlink", "rmdir"}
READS = {"open to read", "read", "pread"}
WRITES = {"open to write", "write", "pwrite", "resize"}
CREATES_TO_WRITE = {"truncate", "create"}


@pytest.mark.parametrize(
    ("dir_perms", "file_perms", "allowed"),
    [
        ("READ_ONLY", "READ_ONLY", LOOKUPS | READS),
        ("READ_ONLY", "WRITE_ONLY", LOOKUPS | WRITES),
        ("READ_ONLY", "READ_WRITE", LOOKUPS | READS | WRITES),
        ("WRITE_ONLY", "READ_ONLY", CHANGES | {"create to read"}),
        ("WRITE_ONLY", "WRITE_ONLY", CHANGES | {"create", "touch"}),
        ("WRITE_ONLY", "READ_WRITE", CHANGES | {"create", "create to read", "touch"}),
        ("READ_WRITE", "READ_ONLY", LOOKUPS | CHANGES | READS | {"create to read"}),
        ("READ_WRITE", "WRITE_ONLY", LOOKUPS | CHANGES | WRITES | CREATES_TO_WRITE | {"touch"}),
        (
            "READ_WRITE",
            "READ_WRITE",
            LOOKUPS | CHANGES | READS | WRITES | CREATES_TO_WRITE | {"create to read", "touch"},
        ),
    ],
)
def test_permissions_are_enforced(tree: pathlib.Path, dir_perms: str, file_perms: str, allowed: set[str]) -> None:
    config = WasiConfig()
    config.preopen_dir(tree, "/", DirPerms[dir_perms], FilePerms[file_perms])
    results = attempts(Guest(config))
    assert {name for name, success in results.items() if success} == allowed
    if "write" not in allowed:
        assert (tree / "file").read_bytes() == b"inside"


@pytest.mark.parametrize("how", [{"dir_perms": False}, {"fs_mutable": False}])
def test_false_makes_directories_and_files_read_only(tree: pathlib.Path, how: dict[str, Any]) -> None:
    config = WasiConfig()
    config.preopen_dir(str(tree), "/", **how)
    assert {name for name, success in attempts(Guest(config)).items() if success} == LOOKUPS | READS


def test_true_is_read_and_write(tree: pathlib.Path) -> None:
    config = WasiConfig()
    config.preopen_dir(str(tree), "/", True)
    assert Guest(config).open("new", oflags=O_CREAT, rights=WRITE)[0] == SUCCESS


def two_directories(tree: pathlib.Path, dir_perms: DirPerms, file_perms: FilePerms) -> Guest:
    """A guest with `sub` as 3 under these permissions and `free` as 4 under all."""
    (tree / "free").mkdir()
    (tree / "free" / "own").write_bytes(b"own")
    config = WasiConfig()
    config.preopen_dir(tree / "sub", "/sub", dir_perms, file_perms)
    config.preopen_dir(tree / "free", "/free")
    return Guest(config)


@pytest.mark.parametrize("name", ["path_link", "path_rename"])
@pytest.mark.parametrize(
    ("dir_perms", "file_perms"),
    [
        (DirPerms.READ_WRITE, FilePerms.READ_ONLY),
        (DirPerms.READ_WRITE, FilePerms.WRITE_ONLY),
        (DirPerms.WRITE_ONLY, FilePerms.READ_WRITE),
        (DirPerms.READ_ONLY, FilePerms.READ_ONLY),
    ],
)
def test_nothing_gains_permissions_by_moving(
    tree: pathlib.Path, name: str, dir_perms: DirPerms, file_perms: FilePerms
) -> None:
    guest = two_directories(tree, dir_perms, file_perms)
    assert guest.move(name, "deep", "stolen", old_fd=3, new_fd=4) == PERM
    assert not (tree / "free" / "stolen").exists()
    assert (tree / "sub" / "deep").exists()


def test_things_can_be_moved_to_where_less_is_permitted(tree: pathlib.Path) -> None:
    guest = two_directories(tree, DirPerms.READ_WRITE, FilePerms.READ_ONLY)
    assert guest.move("path_rename", "own", "given", old_fd=4, new_fd=3) == SUCCESS
    assert guest.open("given", rights=WRITE)[0] == PERM
    assert guest.open("given", rights=READ)[0] == SUCCESS


def test_permissions_follow_a_renumbered_descriptor_and_end_with_a_closed_one(tree: pathlib.Path) -> None:
    guest = two_directories(tree, DirPerms.READ_ONLY, FilePerms.WRITE_ONLY)
    errno, fd = guest.open("deep", rights=WRITE)
    errno2, free = guest.open("own", rights=READ, dirfd=4)
    assert (errno, errno2) == (SUCCESS, SUCCESS)
    assert guest.call("fd_renumber", fd, free) == SUCCESS
    assert guest.read(free) == PERM
    assert guest.call("fd_close", free) == SUCCESS
    assert guest.open("own", rights=READ, dirfd=4) == (SUCCESS, free)
    assert guest.read(free) == b"own"
