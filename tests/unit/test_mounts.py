"""The folders and files that programs run by `run` see, and what they leave in them."""

from __future__ import annotations

import os
import pathlib
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from support import raises

from ferrowasm import Folder, MemoryFolder, RunTimeout, StopReason, WasiFileError, run
from ferrowasm._mounts import CONTENT, Mounts, consume

SHARED_MEMORY = pathlib.Path("/dev/shm")

WASI = "wasi_snapshot_preview1"


def guest(body: str) -> str:
    """A program of calls like `(call $touch "name" "content")`, whose strings are placed in its memory."""
    data, place = [], 10_000
    pieces = body.split('"')
    for index in range(1, len(pieces), 2):
        text = pieces[index]
        length = len(text.encode())
        data.append(f'(data (i32.const {place}) "{text}")')
        pieces[index] = f"(i32.const {place}) (i32.const {length})"
        place += length
    return f"""
    (module
      (import "{WASI}" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
      (import "{WASI}" "path_create_directory" (func $path_create_directory (param i32 i32 i32) (result i32)))
      (import "{WASI}" "path_symlink" (func $path_symlink (param i32 i32 i32 i32 i32) (result i32)))
      (import "{WASI}" "path_unlink_file" (func $path_unlink_file (param i32 i32 i32) (result i32)))
      (import "{WASI}" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
      (import "{WASI}" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
      (import "{WASI}" "fd_close" (func $fd_close (param i32) (result i32)))
      (import "{WASI}" "fd_filestat_set_size" (func $fd_filestat_set_size (param i32 i64) (result i32)))
      (import "{WASI}" "proc_exit" (func $exit (param i32)))
      (memory (export "memory") 2)
      {"".join(data)}
      (global $dir (mut i32) (i32.const 3))
      ;; Ends the program with an errno that is not 0.
      (func $check (param $errno i32) (if (local.get $errno) (then (call $exit (local.get $errno)))))
      (func $open (param $path i32) (param $length i32) (param $oflags i32) (param $rights i64)
        (call $check (call $path_open (global.get $dir) (i32.const 0) (local.get $path) (local.get $length) (local.get $oflags)
          (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 16))))
      ;; Makes a file.
      (func $touch (param $path i32) (param $path_length i32) (param $content i32) (param $length i32)
        (call $open (local.get $path) (local.get $path_length) (i32.const 9) (i64.const 0x40))
        (i32.store (i32.const 0) (local.get $content)) (i32.store (i32.const 4) (local.get $length))
        (call $check (call $fd_write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))
        (drop (call $fd_close (i32.load (i32.const 16)))))
      ;; Makes a file with a hole.
      (func $huge (param $path i32) (param $length i32) (param $size i64)
        (call $open (local.get $path) (local.get $length) (i32.const 1) (i64.const 0x40_0040))
        (call $check (call $fd_filestat_set_size (i32.load (i32.const 16)) (local.get $size)))
        (drop (call $fd_close (i32.load (i32.const 16)))))
      ;; Writes what a file contains to standard output.
      (func $show (param $path i32) (param $length i32)
        (call $open (local.get $path) (local.get $length) (i32.const 0) (i64.const 0x2))
        (i32.store (i32.const 0) (i32.const 100)) (i32.store (i32.const 4) (i32.const 5000))
        (call $check (call $fd_read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 8)))
        (i32.store (i32.const 4) (i32.load (i32.const 8)))
        (call $check (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
      (func $mkdir (param i32 i32) (call $check (call $path_create_directory (global.get $dir) (local.get 0) (local.get 1))))
      (func $remove (param i32 i32) (call $check (call $path_unlink_file (global.get $dir) (local.get 0) (local.get 1))))
      (func $symlink (param i32 i32 i32 i32)
        (call $check (call $path_symlink (local.get 0) (local.get 1) (global.get $dir) (local.get 2) (local.get 3))))
      ;; Makes that many folders, each in the one before.
      (func $dig (param $depth i32)
        (loop $deeper
          (call $mkdir (i32.const 9000) (i32.const 1))
          (call $open (i32.const 9000) (i32.const 1) (i32.const 2) (i64.const 0))
          (if (i32.ne (global.get $dir) (i32.const 3)) (then (drop (call $fd_close (global.get $dir)))))
          (global.set $dir (i32.load (i32.const 16)))
          (br_if $deeper (local.tee $depth (i32.sub (local.get $depth) (i32.const 1))))))
      (data (i32.const 9000) "d")
      (func (export "_start") {"".join(pieces)}))
    """


def temporary_folders() -> set[str]:
    parents = {SHARED_MEMORY, pathlib.Path(tempfile.gettempdir())}
    return {str(path) for parent in parents for path in parent.glob("ferrowasm-*")}


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    before = temporary_folders()
    yield
    assert temporary_folders() <= before


# Folders of the host


def test_a_folder_of_the_host_can_be_read_and_not_changed(tmp_path: pathlib.Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"from the host")
    for mount in (tmp_path, str(tmp_path), Folder(tmp_path)):
        assert run(guest('(call $show "a.txt")'), mounts={"/data": mount}).stdout == b"from the host"
        assert run(guest('(call $touch "a.txt" "x")'), mounts={"/data": mount}).returncode != 0
        assert run(guest('(call $mkdir "new")'), mounts={"/data": mount}).returncode != 0
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.txt": b"from the host"}


def test_a_writable_folder_of_the_host_is_changed(tmp_path: pathlib.Path) -> None:
    assert run(guest('(call $mkdir "d") (call $touch "d/a" "content")'), mounts={"/data": Folder(tmp_path, writable=True)}).returncode == 0
    assert (tmp_path / "d" / "a").read_bytes() == b"content"


def test_a_folder_that_is_not_there_raises(tmp_path: pathlib.Path) -> None:
    with pytest.raises(WasiFileError) as caught:
        run(guest(""), mounts={"/data": tmp_path / "missing"})
    assert isinstance(caught.value, FileNotFoundError)


def test_there_is_no_folder_unless_it_is_passed() -> None:
    # 8: a bad file descriptor.
    assert run(guest('(call $show "a")')).returncode == 8


# Folders in memory


def test_what_a_program_makes_can_be_read_afterwards() -> None:
    folder = MemoryFolder()
    assert run(guest('(call $touch "a" "1") (call $mkdir "d") (call $mkdir "d/e") (call $touch "d/b" "22")'), mounts={"/": folder}).returncode == 0
    assert folder.files() == {"a": b"1", "d/b": b"22"}
    assert dict(folder) == folder.files()
    assert folder["d/b"] == b"22"
    assert len(folder) == 2
    assert folder.folders() == ["d", "d/e"]
    assert folder.skipped == {}


def test_what_is_in_the_folder_at_first_can_be_read_changed_and_removed() -> None:
    folder = MemoryFolder({"a": b"old", "b": "text", "d": {"e": bytearray(b"nested")}, "f/g": memoryview(b"path"), "empty": {}})
    assert folder.files() == {"a": b"old", "b": b"text", "d/e": b"nested", "f/g": b"path"}
    assert folder.folders() == ["d", "empty", "f"]
    result = run(guest('(call $show "d/e") (call $show "f/g") (call $touch "a" "new") (call $remove "b")'), mounts={"/": folder})
    assert (result.returncode, result.stdout) == (0, b"nestedpath")
    assert folder.files() == {"a": b"new", "d/e": b"nested", "f/g": b"path"}
    assert folder.folders() == ["d", "empty", "f"]
    assert run(guest('(call $show "a")'), mounts={"/": folder}).stdout == b"new"


def test_a_folder_that_is_not_writable_stays_as_it_is() -> None:
    folder = MemoryFolder({"a": b"1"}, writable=False)
    assert run(guest('(call $touch "a" "2")'), mounts={"/": folder}).returncode != 0
    assert run(guest('(call $touch "b" "2")'), mounts={"/": folder}).returncode != 0
    assert folder.files() == {"a": b"1"}


def test_a_mapping_and_single_files_are_read_only() -> None:
    mounts: dict[str, Any] = {"/in": {"a": "1", "d": {"b": b"2"}}}
    assert run(guest('(call $show "a") (call $show "d/b")'), mounts=mounts).stdout == b"12"
    assert run(guest('(call $touch "a" "x")'), mounts=mounts).returncode != 0
    for mounts in ({"/data/in.txt": b"one file"}, {"/in.txt": bytearray(b"one file")}, {"in.txt": memoryview(b"one file")}):
        assert run(guest('(call $show "in.txt")'), mounts=mounts).stdout == b"one file"
        assert run(guest('(call $touch "in.txt" "x")'), mounts=mounts).returncode != 0
    assert run(guest('(call $show "a") (call $show "b")'), mounts={"/d/a": b"1", "/d/b": b"2"}).stdout == b"12"


def test_one_folder_can_be_mounted_twice() -> None:
    folder = MemoryFolder({"a": b"1"})
    assert run(guest('(call $touch "b" "2") (global.set $dir (i32.const 4)) (call $show "b")'), mounts={"/x": folder, "/y": folder}).stdout == b"2"
    assert folder.files() == {"a": b"1", "b": b"2"}


def test_the_files_are_there_however_the_program_ends() -> None:
    folder = MemoryFolder()
    assert run(guest('(call $touch "a" "1") unreachable'), mounts={"/": folder}).reason is StopReason.TRAPPED
    assert folder.files() == {"a": b"1"}
    with pytest.raises(RunTimeout):
        run(guest('(call $touch "b" "2") (loop (br 0))'), mounts={"/": folder}, timeout=0.1)
    assert folder.files() == {"a": b"1", "b": b"2"}


# Hostile programs


def test_symbolic_links_are_not_followed_when_files_are_read_back(tmp_path: pathlib.Path) -> None:
    (tmp_path / "secret").write_bytes(b"of the host")
    folder = MemoryFolder({"file": b"x"})
    body = '(call $symlink "file" "a") (call $symlink "../../../../../../etc/passwd" "b") (call $symlink ".." "c") (call $symlink "d" "d")'
    assert run(guest(body), mounts={"/": folder}).returncode == 0
    assert folder.files() == {"file": b"x"}
    assert folder.folders() == []
    assert folder.skipped == dict.fromkeys("abcd", "not a regular file")


def test_a_huge_file_is_refused() -> None:
    folder = MemoryFolder(max_bytes=1000)
    # 51: no space.
    result = run(guest('(call $huge "hole" (i64.const 0x1000_0000_0000))'), mounts={"/": folder})
    assert (result.returncode, result.reason) == (51, StopReason.DISK_LIMIT)
    assert folder.files() == {"hole": b""}


def test_a_file_that_is_too_large_is_skipped() -> None:
    folder = MemoryFolder(max_bytes=1000)
    assert run(guest('(call $huge "hole" (i64.const 1001)) (call $touch "a" "1")'), mounts={"/": folder}).returncode == 0
    assert folder.files() == {"a": b"1"}
    assert folder.skipped == {"hole": "too large"}


def test_the_limit_is_for_all_files_together() -> None:
    folder = MemoryFolder(max_bytes=10)
    assert run(guest('(call $touch "a" "123456") (call $touch "b" "123456") (call $touch "c" "1234")'), mounts={"/": folder}).returncode == 0
    assert sum(map(len, folder.values())) <= 10
    assert set(folder.files()) | set(folder.skipped) == set("abc")
    assert "too large" in folder.skipped.values()


def test_too_many_files_are_skipped() -> None:
    folder = MemoryFolder(max_files=3)
    run(guest("".join(f'(call $touch "f{number}" "x")' for number in range(10))), mounts={"/": folder})
    assert len(folder) == 3
    assert list(folder.skipped.values()) == ["too many files"]


def test_folders_nested_deeper_than_any_path_can_say_are_removed() -> None:
    folder = MemoryFolder()
    assert run(guest('(call $touch "a" "1") (call $dig (i32.const 5000))'), mounts={"/": folder}).returncode == 0
    assert folder.files() == {"a": b"1"}
    assert max(map(len, folder.folders())) < 4096
    assert len(folder.folders()) > 1000


def test_strange_names_are_names() -> None:
    folder = MemoryFolder({"-rf *": b"1", "\u00fc\n\u202e": b"2", " ": b"3"})
    assert run(guest(""), mounts={"/": folder}).returncode == 0
    assert folder.files() == {"-rf *": b"1", "\u00fc\n\u202e": b"2", " ": b"3"}


def test_special_files_are_neither_opened_nor_followed(tmp_path: pathlib.Path) -> None:
    """What a guest cannot make all the same does no harm."""
    content = tmp_path / CONTENT
    content.mkdir()
    os.mkfifo(content / "pipe")
    (content / "link").symlink_to("/etc/passwd")
    (content / "dir-link").symlink_to("/etc")
    os.close(os.open(os.fsencode(content) + b"/\xff", os.O_CREAT))
    found = consume(str(tmp_path), 1000, 100)
    assert found.files == {"\udcff": b""}
    assert set(found.skipped) == {"pipe", "link", "dir-link"}
    assert not tmp_path.exists()


# The temporary folders


def test_the_temporary_folder_is_private_and_in_memory() -> None:
    with Mounts({"/": MemoryFolder({"a": b"1"})}) as mounts:
        [(base, _)] = mounts.temporary.values()
        assert os.stat(base).st_mode & 0o777 == 0o700
        if SHARED_MEMORY.is_dir():
            assert pathlib.Path(base).parent == SHARED_MEMORY
    assert not os.path.exists(base)


def test_a_failure_while_mounting_leaves_nothing() -> None:
    folder = MemoryFolder({"a": b"1", "a/b": b"2"})
    with pytest.raises(OSError):  # noqa: PT011  # which one depends on the order
        run(guest(""), mounts={"/": folder})
    assert folder.files() == {"a": b"1", "a/b": b"2"}


@pytest.mark.parametrize(
    ("mounts", "error", "message"),
    [
        ({"/": 5}, TypeError, "expected a path, a Folder, a MemoryFolder, a mapping or the bytes of a file for '/' in mounts, got int"),
        ({5: "x"}, TypeError, "expected a str for the path of a mount, got int"),
        ({"/": {"a": 5}}, TypeError, "expected a bytes-like object, a str or a mapping for 'a', got int"),
        ({"/": {5: b""}}, TypeError, "expected a str for the name of a file, got int"),
        ({"/": {"../a": b""}}, ValueError, "not a relative path without '.' and '..': '../a'"),
        ({"/": {"/etc/x": b""}}, ValueError, "not a relative path without '.' and '..': '/etc/x'"),
        ({"/": {"a\0b": b""}}, ValueError, "not a relative path without '.' and '..': 'a\\x00b'"),
        ({"/": {"": b""}}, ValueError, "not a relative path without '.' and '..': ''"),
        ({"/d": {}, "/d/a": b""}, ValueError, "'/d' is a mount already, so no single file can be mounted in it"),
        ({"/d/": b""}, ValueError, "a single file needs a path that ends in its name, not '/d/'"),
    ],
)
def test_mounts_that_cannot_be_are_refused(mounts: Any, error: type[Exception], message: str) -> None:
    with raises(error, message):
        run(guest(""), mounts=mounts)


def test_a_memory_folder_shows_what_is_in_it() -> None:
    assert repr(MemoryFolder({"a": b"123"})) == "<MemoryFolder {'a': 3 bytes}>"
    assert repr(MemoryFolder({str(number): b"" for number in range(12)})).endswith("'9': 0 bytes, ...}>")
    with raises(TypeError, "expected a mapping from names to contents, got list"):
        MemoryFolder([])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
