"""Attacks on preopened folders: each test is an attempt to get out, to get more than was given, or to get stuck."""

from __future__ import annotations

import os
import pathlib
import socket
import stat
import threading
import time
from collections.abc import Iterator

import pytest
from wasi_support import BADF, IO, NOENT, O_CREAT, O_DIRECTORY, O_TRUNC, PERM, READ, SUCCESS, WRITE, Guest

from ferrowasm import DirPerms, FilePerms, WasiConfig

ACCES, EXIST, LOOP, NOTCAPABLE, NOTDIR, NOTSUP, ILSEQ, XDEV = 2, 20, 32, 76, 54, 58, 25, 75

SECRET = b"the secret of the host"


@pytest.fixture
def jail(tmp_path: pathlib.Path) -> pathlib.Path:
    """A folder to be preopened, next to a secret and to another folder."""
    (tmp_path / "secret").write_bytes(SECRET)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET)
    jail = tmp_path / "jail"
    (jail / "sub" / "deeper").mkdir(parents=True)
    (jail / "file").write_bytes(b"of the guest")
    return jail


@pytest.fixture
def guest(jail: pathlib.Path) -> Guest:
    config = WasiConfig()
    config.preopen_dir(jail, "/jail")
    return Guest(config)


def content_of_jail(jail: pathlib.Path) -> set[str]:
    return {str(path.relative_to(jail)) for path in jail.rglob("*")}


def assert_no_secret(guest: Guest, path: str) -> None:
    """No way of opening the path leads to the secret, or to any file outside; a failure is an errno."""
    for oflags, rights in [(0, READ), (0, READ | WRITE), (O_CREAT, READ | WRITE), (O_TRUNC, WRITE)]:
        for follow in (0, 1):
            length = guest.put(path.encode(), guest.PATH)
            errno = guest.call("path_open", 3, follow, guest.PATH, length, oflags, rights, 0, 0, guest.OUT)
            assert errno != SUCCESS, (path, oflags, rights, follow)


ESCAPES = [
    "..",
    "../secret",
    "../outside/secret",
    "sub/../../secret",
    "sub/deeper/../../../secret",
    "./../secret",
    ".//..//secret",
    "sub/./.././../secret",
    "../jail/../secret",
    "nonexistent/../../secret",
    "file/../../secret",
    "/",
    "//",
    "/etc/passwd",
    "/proc/self/root/etc/passwd",
    "/dev/null",
]


@pytest.mark.parametrize("path", ESCAPES)
def test_no_path_leads_out_of_a_preopened_folder(guest: Guest, jail: pathlib.Path, path: str) -> None:
    before = content_of_jail(jail.parent)
    assert_no_secret(guest, path)
    assert content_of_jail(jail.parent) == before
    assert (jail.parent / "secret").read_bytes() == SECRET


@pytest.mark.parametrize("path", ["../new", "sub/../../new", "/new", "../outside/new"])
def test_nothing_can_be_made_moved_linked_or_removed_outside(guest: Guest, jail: pathlib.Path, path: str) -> None:
    before = content_of_jail(jail.parent)
    assert guest.on_path("path_create_directory", path) != SUCCESS
    for name in ("path_rename", "path_link"):
        assert guest.move(name, "file", path) != SUCCESS
    for name in ("path_unlink_file", "path_remove_directory"):
        assert guest.on_path(name, path.replace("new", "secret")) != SUCCESS
        assert guest.on_path(name, path.replace("new", "outside")) != SUCCESS
    assert guest.move("path_rename", "../secret", "stolen") != SUCCESS
    assert guest.move("path_link", "../secret", "stolen") != SUCCESS
    assert content_of_jail(jail.parent) == before


@pytest.mark.parametrize("path", ["..", "../secret", "/etc/passwd", "sub/../.."])
def test_nothing_outside_can_be_looked_at(guest: Guest, path: str) -> None:
    length = guest.put(path.encode(), guest.PATH)
    for follow in (0, 1):
        assert guest.call("path_filestat_get", 3, follow, guest.PATH, length, guest.DATA) != SUCCESS
        assert guest.call("path_filestat_set_times", 3, follow, guest.PATH, length, 0, 0, 2 | 8) != SUCCESS
    assert guest.call("path_readlink", 3, guest.PATH, length, guest.DATA, 1000, guest.OUT) != SUCCESS


# Symbolic links

TARGETS = ["../secret", "../outside", "/etc/passwd", "sub/../../secret", "..", "/", "/proc/self/cwd"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_symbolic_link_of_the_host_to_the_outside_is_not_followed(guest: Guest, jail: pathlib.Path, target: str) -> None:
    (jail / "link").symlink_to(target)
    (jail / "sub" / "link").symlink_to(f"../{target}" if not target.startswith("/") else target)
    for path in ("link", "sub/link", "link/secret", "sub/link/secret", "link/etc/passwd"):
        assert_no_secret(guest, path)
    length = guest.put(b"link/secret", guest.PATH)
    assert guest.call("path_filestat_get", 3, 1, guest.PATH, length, guest.DATA) != SUCCESS


@pytest.mark.parametrize("target", TARGETS)
def test_a_symbolic_link_that_the_guest_makes_does_not_lead_out(guest: Guest, jail: pathlib.Path, target: str) -> None:
    old, new = guest.put(target.encode(), guest.PATH), guest.put(b"link", guest.PATH2)
    errno = guest.call("path_symlink", guest.PATH, old, 3, guest.PATH2, new)
    # The engine refuses absolute targets outright; relative ones may be made, and lead nowhere.
    if target.startswith("/"):
        assert errno == PERM
        assert not os.path.lexists(jail / "link")
        return
    assert errno == SUCCESS
    for path in ("link", "link/secret", "link/etc/passwd", "link/../secret"):
        assert_no_secret(guest, path)


def test_a_chain_of_links_that_leaves_and_comes_back_is_refused(guest: Guest, jail: pathlib.Path) -> None:
    (jail / "out").symlink_to("../jail/file")
    (jail / "loop").symlink_to("loop")
    assert_no_secret(guest, "out")
    length = guest.put(b"loop", guest.PATH)
    assert guest.call("path_open", 3, 1, guest.PATH, length, 0, READ, 0, 0, guest.OUT) == LOOP


def test_a_link_within_the_folder_works(guest: Guest, jail: pathlib.Path) -> None:
    (jail / "sub" / "link").symlink_to("../file")
    errno, fd = guest.open("sub/link")
    assert errno == SUCCESS
    assert guest.read(fd) == b"of the guest"


def test_a_hard_link_to_the_outside_cannot_be_made_through_a_link(guest: Guest, jail: pathlib.Path) -> None:
    (jail / "link").symlink_to("../secret")
    for follow in (0, 1):
        old, new = guest.put(b"link", guest.PATH), guest.put(b"stolen", guest.PATH2)
        guest.call("path_link", 3, follow, guest.PATH, old, 3, guest.PATH2, new)
        assert_no_secret(guest, "stolen")
    assert (jail.parent / "secret").stat().st_nlink == 1


def test_a_folder_that_a_thread_swaps_for_a_link_never_leads_out(guest: Guest, jail: pathlib.Path) -> None:
    """The race between the check of a path and its use: `door` is a folder at one moment and a link to the outside at the next."""
    (jail / "door").mkdir()
    (jail / "door" / "secret").write_bytes(b"bait")
    os.symlink("../outside", jail / "trap")
    done = threading.Event()
    swaps = 0

    def swap() -> None:
        nonlocal swaps
        while not done.is_set():
            os.rename(jail / "door", jail / "aside")
            os.rename(jail / "trap", jail / "door")
            os.rename(jail / "door", jail / "trap")
            os.rename(jail / "aside", jail / "door")
            swaps += 1

    thread = threading.Thread(target=swap)
    thread.start()
    opened = refused = 0
    try:
        end = time.monotonic() + 3
        while time.monotonic() < end and (opened < 20_000 or refused < 2_000):
            errno, fd = guest.open("door/secret", rights=READ | WRITE)
            if errno != SUCCESS:
                refused += 1
                continue
            opened += 1
            assert guest.read(fd) == b"bait"
            assert guest.call("fd_close", fd) == SUCCESS
    finally:
        done.set()
        thread.join()
    assert opened > 10
    assert refused > 10
    assert swaps > 10
    assert (jail / "door" / "secret").read_bytes() == b"bait"
    assert (jail.parent / "outside" / "secret").read_bytes() == SECRET


def test_new_files_never_land_outside_while_a_thread_swaps_folders(guest: Guest, jail: pathlib.Path) -> None:
    (jail / "door").mkdir()
    os.symlink("../outside", jail / "trap")
    done = threading.Event()

    def swap() -> None:
        while not done.is_set():
            os.rename(jail / "door", jail / "aside")
            os.rename(jail / "trap", jail / "door")
            os.rename(jail / "door", jail / "trap")
            os.rename(jail / "aside", jail / "door")

    thread = threading.Thread(target=swap)
    thread.start()
    made = 0
    try:
        end = time.monotonic() + 2
        while time.monotonic() < end:
            errno, fd = guest.open(f"door/new{made}", oflags=O_CREAT, rights=WRITE)
            if errno == SUCCESS:
                made += 1
                guest.call("fd_close", fd)
            guest.on_path("path_create_directory", "door/folder")
            guest.on_path("path_unlink_file", "door/secret")
    finally:
        done.set()
        thread.join()
    assert made > 10
    assert sorted(path.name for path in (jail.parent / "outside").iterdir()) == ["secret"]


# Names

@pytest.mark.parametrize("path", ["file\0", "\0", "sub\0/../../secret"])
def test_names_with_nul_are_refused(guest: Guest, path: str) -> None:
    assert_no_secret(guest, path)


def test_names_that_are_not_utf8_are_refused(guest: Guest, jail: pathlib.Path) -> None:
    os.close(os.open(os.fsencode(jail) + b"/\xff\xfe", os.O_CREAT))
    guest.put(b"\xff\xfe", guest.PATH)
    assert guest.call("path_open", 3, 0, guest.PATH, 2, 0, READ, 0, 0, guest.OUT) == ILSEQ


@pytest.mark.parametrize("path", ["", "a" * 100_000, "sub/" * 20_000, "../" * 20_000])
def test_strange_lengths_are_errors_for_the_guest(guest: Guest, path: str) -> None:
    guest.put(path.encode(), guest.DATA)
    for name in ("path_create_directory", "path_unlink_file"):
        assert guest.call(name, 3, guest.DATA, len(path)) != SUCCESS
    assert guest.call("path_open", 3, 1, guest.DATA, len(path), 0, READ, 0, 0, guest.OUT) != SUCCESS


# Permissions

def test_a_read_only_folder_cannot_be_changed_by_anything(jail: pathlib.Path) -> None:
    config = WasiConfig()
    config.preopen_dir(jail, "/jail", DirPerms.READ_ONLY, FilePerms.READ_ONLY)
    guest = Guest(config)
    before = {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in jail.rglob("*")}
    for oflags, rights in [(O_CREAT, READ), (O_CREAT, WRITE), (0, WRITE), (0, READ | WRITE), (O_TRUNC, READ), (O_TRUNC, WRITE)]:
        for path in ("file", "new"):
            errno, fd = guest.open(path, oflags=oflags, rights=rights)
            assert errno != SUCCESS, (path, oflags, rights)
    for name in ("path_rename", "path_link"):
        assert guest.move(name, "file", "new") != SUCCESS
    for path, call in [("new", "path_create_directory"), ("file", "path_unlink_file"), ("sub/deeper", "path_remove_directory")]:
        assert guest.on_path(call, path) != SUCCESS
    old, new = guest.put(b"file", guest.PATH), guest.put(b"link", guest.PATH2)
    assert guest.call("path_symlink", guest.PATH, old, 3, guest.PATH2, new) != SUCCESS
    length = guest.put(b"file", guest.PATH)
    assert guest.call("path_filestat_set_times", 3, 0, guest.PATH, length, 0, 0, 2 | 8) != SUCCESS
    errno, fd = guest.open("file")
    assert errno == SUCCESS
    assert guest.write(fd, b"x") != SUCCESS
    assert guest.call("fd_filestat_set_size", fd, 0) != SUCCESS
    assert guest.call("fd_allocate", fd, 0, 100) != SUCCESS
    assert guest.call("fd_filestat_set_times", fd, 0, 0, 2 | 8) != SUCCESS
    after = {path: (path.stat().st_mtime_ns, path.read_bytes() if path.is_file() else b"") for path in jail.rglob("*")}
    assert after == before


def test_the_permissions_of_the_operating_system_hold(jail: pathlib.Path) -> None:
    """Under root every mode permits everything, so what is left is that guests cannot change modes: WASI has no function to."""
    (jail / "file").chmod(0)
    config = WasiConfig()
    config.preopen_dir(jail, "/jail")
    errno, _ = Guest(config).open("file", rights=READ | WRITE)
    assert errno == (SUCCESS if os.geteuid() == 0 else ACCES)
    assert stat.S_IMODE((jail / "file").stat().st_mode) == 0


def test_new_files_are_not_executable(guest: Guest, jail: pathlib.Path) -> None:
    errno, _ = guest.open("new", oflags=O_CREAT, rights=WRITE)
    assert errno == SUCCESS
    assert stat.S_IMODE((jail / "new").stat().st_mode) & 0o111 == 0


# What is no ordinary file

@pytest.fixture
def special(jail: pathlib.Path) -> Iterator[pathlib.Path]:
    os.mkfifo(jail / "pipe")
    (jail / "link").symlink_to("pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.getcwd()
        os.chdir(jail)
        try:
            listening.bind("socket")
        finally:
            os.chdir(here)
        yield jail


@pytest.mark.parametrize("name", ["pipe", "link", "socket", "sub/../pipe"])
@pytest.mark.parametrize("rights", [READ, WRITE, READ | WRITE])
def test_pipes_and_sockets_are_refused_at_once(guest: Guest, special: pathlib.Path, name: str, rights: int) -> None:
    length = guest.put(name.encode(), guest.PATH)
    for oflags in (0, O_CREAT):
        assert guest.call("path_open", 3, 1, guest.PATH, length, oflags, rights, 0, 0, guest.OUT) == NOTSUP


def test_a_pipe_that_is_to_be_a_directory_is_none(guest: Guest, special: pathlib.Path) -> None:
    assert guest.open("pipe", oflags=O_DIRECTORY)[0] == NOTSUP


def test_a_guest_can_look_at_a_pipe_and_remove_it(guest: Guest, special: pathlib.Path) -> None:
    length = guest.put(b"pipe", guest.PATH)
    assert guest.call("path_filestat_get", 3, 0, guest.PATH, length, guest.DATA) == SUCCESS
    assert guest.on_path("path_unlink_file", "pipe") == SUCCESS
    assert not (special / "pipe").exists()


# Descriptors

def test_the_descriptors_of_the_host_are_no_descriptors_of_the_guest(guest: Guest, jail: pathlib.Path) -> None:
    fd = os.open(jail.parent / "secret", os.O_RDWR)
    try:
        for number in [*range(4, 100), fd, 1023, 65_535, (1 << 31) - 1, -1, -(1 << 31)]:
            assert guest.read(number) == BADF
            assert guest.write(number, b"x") == BADF
            assert guest.call("fd_close", number) == BADF
            assert guest.call("fd_prestat_get", number, guest.OUT) == BADF
    finally:
        os.close(fd)


def test_a_preopened_folder_under_another_number_leads_no_further(guest: Guest) -> None:
    errno, sub = guest.open("sub", oflags=O_DIRECTORY)
    assert errno == SUCCESS
    for path in ("..", "../file", "../../secret"):
        assert guest.open(path, dirfd=sub)[0] != SUCCESS
    assert guest.call("fd_renumber", sub, 3) == SUCCESS
    for path in ("..", "../file", "../../secret"):
        assert guest.open(path)[0] != SUCCESS
    assert guest.open("deeper", oflags=O_DIRECTORY)[0] == SUCCESS


def test_a_file_is_no_folder(guest: Guest) -> None:
    errno, file = guest.open("file")
    assert errno == SUCCESS
    assert guest.open("x", dirfd=file)[0] == NOTDIR
    assert guest.open("../secret", dirfd=file)[0] == NOTDIR


def test_running_out_of_descriptors_is_an_error_for_the_guest_alone(guest: Guest) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(200, hard), hard))
    try:
        opened = []
        while (answer := guest.open("file"))[0] == SUCCESS:
            opened.append(answer[1])
            assert len(opened) < 300
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert answer[0] == IO
    for fd in opened:
        assert guest.call("fd_close", fd) == SUCCESS
    assert guest.open("file")[0] == SUCCESS


def test_the_proc_file_system_is_not_there(guest: Guest) -> None:
    for path in ("proc/self/root", "/proc/self/fd/0", "/proc/self/cwd", "proc"):
        assert guest.open(path)[0] in (NOENT, PERM, NOTCAPABLE)


def test_magic_links_do_not_lead_out_of_a_preopened_proc() -> None:
    """/proc holds links that jump anywhere whatever they read as; a folder with such links must still be a limit."""
    config = WasiConfig()
    config.preopen_dir(f"/proc/{os.getpid()}", "/proc", DirPerms.READ_ONLY, FilePerms.READ_ONLY)
    guest = Guest(config)
    for path in ("root/etc/passwd", "cwd/pyproject.toml", "root", "cwd", "exe", "fd/0", "fd/1", "ns/pid", f"task/{os.getpid()}/root/etc/passwd"):
        length = guest.put(path.encode(), guest.PATH)
        assert guest.call("path_open", 3, 1, guest.PATH, length, 0, READ, 0, 0, guest.OUT) != SUCCESS, path
