"""`WasiConfig`, run with small programs of WASI preview 1."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from .harness import Package, case
from .programs import raised_by

#: Exports `copy(fd)`, which copies standard input to the file descriptor, and `say(fd)`, which writes a greeting.
STREAMS = """
(module
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "hello\\n")
  (func (export "copy") (param $fd i32) (result i32)
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 4096))
    (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
    (i32.store (i32.const 4) (i32.load (i32.const 8)))
    (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 12)))
  (func (export "say") (param $fd i32) (result i32)
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 6))
    (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 12))))
"""

#: Exports `args()` and `env()`, which leave the number of strings at 0, their size at 4 and the strings at 65536.
STRINGS = """
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
  (memory (export "memory") 4)
  (func (export "args")
    (drop (call $args_sizes (i32.const 0) (i32.const 4))) (drop (call $args (i32.const 8) (i32.const 65536))))
  (func (export "env")
    (drop (call $env_sizes (i32.const 0) (i32.const 4))) (drop (call $env (i32.const 8) (i32.const 65536)))))
"""

#: Exports `open(oflags, rights)`: opens "file" in the first preopened directory; `write()` writes to what was opened
#: last and `read()` reads from it; `name(length)` leaves the directory's name at 1024; `mkdir()` and
#: `unlink()` work in that directory.
FILES = """
(module
  (import "wasi_snapshot_preview1" "path_open"
    (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_prestat_dir_name" (func $name (param i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 64) "file")
  (func (export "open") (param $oflags i32) (param $rights i64) (result i32)
    (call $open (i32.const 3) (i32.const 0) (i32.const 64) (i32.const 4) (local.get $oflags)
      (local.get $rights) (i64.const 0) (i32.const 0) (i32.const 16)))
  (func (export "write") (result i32)
    (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const 4))
    (call $write (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 12)))
  (func (export "read") (result i32)
    (i32.store (i32.const 0) (i32.const 1024)) (i32.store (i32.const 4) (i32.const 100))
    (call $read (i32.load (i32.const 16)) (i32.const 0) (i32.const 1) (i32.const 12)))
  (func (export "mkdir") (result i32) (call $mkdir (i32.const 3) (i32.const 64) (i32.const 4)))
  (func (export "unlink") (result i32) (call $unlink (i32.const 3) (i32.const 64) (i32.const 4)))
  (func (export "name") (param i32) (result i32) (call $name (i32.const 3) (i32.const 1024) (local.get 0))))
"""

CREATE = 1
READ, WRITE = 2, 64


def _start(w: Package, wat: str, config: Any) -> tuple[Any, Any]:
    linker = w.Linker(w.Engine())
    linker.define_wasi()
    store = w.Store(linker.engine)
    if config is not None:
        store.set_wasi(config)
    return store, linker.instantiate(store, w.Module(linker.engine, wat)).exports(store)


def _strings(w: Package, which: str, config: Any) -> list[str]:
    """The arguments or the environment that the guest sees."""
    store, exports = _start(w, STRINGS, config)
    exports[which](store)
    memory = exports["memory"]
    size = int.from_bytes(memory.read(store, 4, 8), "little")
    return bytes(memory.read(store, 65536, 65536 + size)).decode().split("\0")[:-1]


def _config(w: Package, **settings: object) -> Any:
    config = w.WasiConfig()
    for name, value in settings.items():
        setattr(config, name, value)
    return config


def _preopened(w: Package, *arguments: object, **named: object) -> tuple[Any, Any]:
    config = w.WasiConfig()
    config.preopen_dir(*arguments, **named)
    return _start(w, FILES, config)


@case
def argv_is_given_to_the_guest(w: Package) -> object:
    return _strings(w, "args", _config(w, argv=["program", "--flag", "ü"]))


@case
def argv_is_empty_by_default(w: Package) -> object:
    return _strings(w, "args", w.WasiConfig())


@case
def argv_may_be_a_tuple(w: Package) -> object:
    return _strings(w, "args", _config(w, argv=("a", "b")))


@case
def argv_refuses_what_is_no_str(w: Package) -> None:
    """`config.argv = [1]`"""
    _config(w, argv=[1])


@case
def argv_refuses_none(w: Package) -> None:
    _config(w, argv=None)


@case
def argv_with_a_nul_is_refused(w: Package) -> object:
    """`config.argv = ["a\\0b"]`"""
    return _strings(w, "args", _config(w, argv=["a\0b"]))


@case
def argv_can_be_inherited(w: Package) -> object:
    config = w.WasiConfig()
    result = config.inherit_argv()
    inherited = _strings(w, "args", config)
    return [result, len(inherited) > 0, inherited[-1] == sys.argv[-1] or inherited[-1] in sys.orig_argv]


@case
def env_is_given_to_the_guest(w: Package) -> object:
    return _strings(w, "env", _config(w, env=[("A", "1"), ["B", "2"]]))


@case
def env_may_be_a_generator(w: Package) -> object:
    return _strings(w, "env", _config(w, env=((name, "x") for name in ("A", "B"))))


@case
def env_may_be_dict_items(w: Package) -> object:
    return _strings(w, "env", _config(w, env={"A": "1"}.items()))


@case
def env_may_be_a_dict(w: Package) -> object:
    """`config.env = {"A1": "x"}`"""
    return _strings(w, "env", _config(w, env={"A1": "x"}))


@case
def env_is_empty_by_default(w: Package) -> object:
    return _strings(w, "env", w.WasiConfig())


@case
def env_refuses_what_is_no_pair(w: Package) -> None:
    """`config.env = [("A",)]`"""
    _config(w, env=[("A",)])


@case
def env_refuses_values_that_are_no_str(w: Package) -> None:
    """`config.env = [("A", 1)]`"""
    _config(w, env=[("A", 1)])


@case
def env_can_be_inherited(w: Package) -> object:
    os.environ["COMPAT_CASE"] = "yes"
    config = w.WasiConfig()
    config.inherit_env()
    return "COMPAT_CASE=yes" in _strings(w, "env", config)


@case
def stdin_is_read_from_a_file(w: Package, tmp: Path) -> object:
    (tmp / "in").write_bytes(b"some input")
    config = _config(w, stdin_file=str(tmp / "in"), stdout_file=str(tmp / "out"))
    store, exports = _start(w, STREAMS, config)
    return [exports["copy"](store, 1), (tmp / "out").read_bytes()]


@case
def stdin_may_be_a_path_or_bytes(w: Package, tmp: Path) -> None:
    (tmp / "in").write_bytes(b"")
    for name in (tmp / "in", str(tmp / "in").encode()):
        _config(w, stdin_file=name)


@case
def a_missing_stdin_file_is_refused(w: Package, tmp: Path) -> None:
    """`config.stdin_file = "missing"`"""
    _config(w, stdin_file=str(tmp / "missing"))


@case
def stdin_refuses_other_types(w: Package) -> None:
    """`config.stdin_file = 5`"""
    _config(w, stdin_file=5)


@case
def stdin_is_empty_by_default(w: Package, tmp: Path) -> object:
    store, exports = _start(w, STREAMS, _config(w, stdout_file=str(tmp / "out")))
    return [exports["copy"](store, 1), (tmp / "out").read_bytes()]


@case
def stdin_can_be_inherited(w: Package, tmp: Path) -> object:
    (tmp / "in").write_bytes(b"inherited input")
    os.dup2(os.open(tmp / "in", os.O_RDONLY), 0)
    config = _config(w, stdout_file=str(tmp / "out"))
    result = config.inherit_stdin()
    store, exports = _start(w, STREAMS, config)
    return [result, exports["copy"](store, 1), (tmp / "out").read_bytes()]


@case
def stdout_is_written_to_a_file(w: Package, tmp: Path) -> object:
    (tmp / "out").write_bytes(b"what was there before, and longer")
    store, exports = _start(w, STREAMS, _config(w, stdout_file=str(tmp / "out")))
    return [exports["say"](store, 1), (tmp / "out").read_bytes()]


@case
def stdout_may_be_a_path(w: Package, tmp: Path) -> object:
    store, exports = _start(w, STREAMS, _config(w, stdout_file=tmp / "out"))
    return [exports["say"](store, 1), (tmp / "out").read_bytes()]


@case
def a_stdout_file_that_cannot_be_made_is_refused(w: Package, tmp: Path) -> None:
    """`config.stdout_file = "missing/out"`"""
    _config(w, stdout_file=str(tmp / "missing" / "out"))


@case
def stdout_can_be_inherited(w: Package, tmp: Path) -> object:
    os.dup2(os.open(tmp / "out", os.O_WRONLY | os.O_CREAT), 1)
    config = w.WasiConfig()
    result = config.inherit_stdout()
    store, exports = _start(w, STREAMS, config)
    return [result, exports["say"](store, 1), (tmp / "out").read_bytes()]


@case
def stderr_is_written_to_a_file(w: Package, tmp: Path) -> object:
    store, exports = _start(w, STREAMS, _config(w, stderr_file=str(tmp / "err")))
    return [exports["say"](store, 2), (tmp / "err").read_bytes()]


@case
def a_stderr_file_that_cannot_be_made_is_refused(w: Package, tmp: Path) -> None:
    """`config.stderr_file = "missing/err"`"""
    _config(w, stderr_file=str(tmp / "missing" / "err"))


@case
def stderr_can_be_inherited(w: Package, tmp: Path) -> object:
    os.dup2(os.open(tmp / "err", os.O_WRONLY | os.O_CREAT), 2)
    config = w.WasiConfig()
    result = config.inherit_stderr()
    store, exports = _start(w, STREAMS, config)
    return [result, exports["say"](store, 2), (tmp / "err").read_bytes()]


@case
def output_is_discarded_by_default(w: Package) -> object:
    store, exports = _start(w, STREAMS, w.WasiConfig())
    return [exports["say"](store, 1), exports["say"](store, 2)]


@case
def stdout_is_given_to_a_callback(w: Package) -> object:
    chunks: list[bytes] = []
    store, exports = _start(w, STREAMS, _config(w, stdout_custom=chunks.append))
    return [exports["say"](store, 1), chunks]


@case
def stderr_is_given_to_a_callback(w: Package) -> object:
    chunks: list[bytes] = []
    store, exports = _start(w, STREAMS, _config(w, stderr_custom=chunks.append))
    return [exports["say"](store, 2), chunks]


@case
def a_callback_may_tell_how_much_it_took(w: Package) -> object:
    chunks: list[bytes] = []

    def take(chunk: bytes) -> int:
        chunks.append(chunk)
        return len(chunk)

    store, exports = _start(w, STREAMS, _config(w, stdout_custom=take))
    return [exports["say"](store, 1), chunks]


@case
def an_exception_of_an_output_callback_comes_out(w: Package) -> object:
    """A `stdout_custom` callback that raises `LookupError`"""

    def fail(chunk: bytes) -> None:
        raise LookupError

    store, exports = _start(w, STREAMS, _config(w, stdout_custom=fail))
    return exports["say"](store, 1)


@case
def an_output_callback_is_only_called_when_there_is_output(w: Package) -> None:
    _config(w, stdout_custom=5)


@case
def a_directory_can_be_read(w: Package, tmp: Path) -> object:
    (tmp / "file").write_bytes(b"content")
    store, exports = _preopened(w, str(tmp), "/")
    result = [exports["open"](store, 0, READ), exports["read"](store)]
    return [*result, exports["memory"].read(store, 1024, 1031)]


@case
def a_directory_can_be_written(w: Package, tmp: Path) -> object:
    store, exports = _preopened(w, str(tmp), "/")
    return [exports["open"](store, CREATE, WRITE), exports["write"](store), (tmp / "file").read_bytes()]


@case
def directories_can_be_made_in_it(w: Package, tmp: Path) -> object:
    store, exports = _preopened(w, str(tmp), "/")
    return [exports["mkdir"](store), (tmp / "file").is_dir()]


@case
def a_directory_has_the_guest_name(w: Package, tmp: Path) -> object:
    store, exports = _preopened(w, path=str(tmp), guest_path="/data")
    return [exports["name"](store, 5), exports["memory"].read(store, 1024, 1029)]


@case
def a_third_argument_of_false_means_read_only(w: Package, tmp: Path) -> object:
    (tmp / "file").write_bytes(b"content")
    store, exports = _preopened(w, str(tmp), "/", False)
    opened = exports["open"](store, 0, READ)
    return [opened, exports["open"](store, 0, WRITE) != 0, exports["unlink"](store) != 0, (tmp / "file").exists()]


@case
def a_third_argument_of_true_means_writable(w: Package, tmp: Path) -> object:
    store, exports = _preopened(w, str(tmp), "/", True)
    return [exports["open"](store, CREATE, WRITE), exports["write"](store)]


@case(covers=["DirPerms.*", "FilePerms.*"])
def permissions_have_enums(w: Package) -> object:
    """`DirPerms` and `FilePerms`"""
    return [[perms.name for perms in kind] for kind in (w.DirPerms, w.FilePerms)]


@case
def read_only_permissions_hold(w: Package, tmp: Path) -> object:
    """`preopen_dir(path, "/", DirPerms.READ_ONLY, FilePerms.READ_ONLY)`"""
    (tmp / "file").write_bytes(b"content")
    store, exports = _preopened(w, str(tmp), "/", w.DirPerms.READ_ONLY, w.FilePerms.READ_ONLY)
    return [exports["open"](store, 0, READ), exports["open"](store, 0, WRITE) != 0, exports["unlink"](store) != 0]


@case
def the_old_keyword_of_the_third_argument(w: Package, tmp: Path) -> object:
    """`preopen_dir(path, "/", fs_mutable=False)`"""
    (tmp / "file").write_bytes(b"content")
    store, exports = _preopened(w, str(tmp), "/", fs_mutable=False)
    return exports["open"](store, 0, WRITE) != 0


@case
def the_documented_keywords_of_permissions(w: Package, tmp: Path) -> object:
    """`preopen_dir(path, "/", dir_perms=DirPerms.READ_ONLY)`"""
    store, exports = _preopened(w, str(tmp), "/", dir_perms=w.DirPerms.READ_ONLY)
    return exports["mkdir"](store) != 0


@case
def a_missing_directory_is_refused(w: Package, tmp: Path) -> None:
    """`config.preopen_dir("missing", "/")`"""
    w.WasiConfig().preopen_dir(str(tmp / "missing"), "/")


@case
def a_path_object_names_a_directory(w: Package, tmp: Path) -> object:
    """`config.preopen_dir(pathlib.Path(…), "/")`"""
    return w.WasiConfig().preopen_dir(tmp, "/")


@case
def a_guest_path_must_be_a_str(w: Package, tmp: Path) -> object:
    """`config.preopen_dir(path, 5)`"""
    return w.WasiConfig().preopen_dir(str(tmp), 5)


@case
def settings_can_be_read(w: Package) -> object:
    """`config.argv = ["a"]; config.argv`"""
    return _config(w, argv=["a"]).argv


@case
def a_configuration_serves_one_store_after_another(w: Package) -> object:
    """`store.set_wasi(config)` for two stores with the same `WasiConfig`"""
    config = _config(w, argv=["a"])
    return [_strings(w, "args", config), _strings(w, "args", config)]


@case
def a_closed_configuration_is_refused(w: Package) -> None:
    config = w.WasiConfig()
    config.close()
    w.Store().set_wasi(config)


@case
def with_closes_it(w: Package) -> None:
    with w.WasiConfig() as config:
        config.inherit_env()
    config.argv = ["a"]


@case
def a_store_without_wasi_is_an_error(w: Package) -> object:
    """A WASI function in a store that `set_wasi` was not called for"""
    store, exports = _start(w, STREAMS, None)
    error = raised_by(lambda: exports["say"](store, 1))
    return isinstance(error, w.WasmtimeError)


@case
def a_directory_that_is_not_preopened_is_out_of_reach(w: Package) -> object:
    store, exports = _start(w, FILES, w.WasiConfig())
    return exports["open"](store, 0, READ)


@case
def a_path_cannot_escape_its_directory(w: Package, tmp: Path) -> object:
    (tmp / "inside").mkdir()
    (tmp / "file").write_bytes(b"secret")
    (tmp / "inside" / "file").symlink_to("../file")
    store, exports = _preopened(w, str(tmp / "inside"), "/")
    return exports["open"](store, 0, READ) != 0
