"""What programs may take up in writable mounts, whichever way they try: modules of WASI 0.1 and components."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from toolchain import c_command, c_module

from ferrowasm import CompletedRun, DiskQuota, Engine, ExitTrap, Folder, Linker, MemoryFolder, Module, RunError, StopReason, Store, WasiConfig, run
from ferrowasm.component import Component
from ferrowasm.component import Linker as ComponentLinker

SOURCE = (Path(__file__).parent / "guests" / "c" / "disk.c").read_text(encoding="utf-8")

ENGINE = Engine()

LIMIT = 1 << 20
NAME = 4096


@pytest.fixture(params=["module", "component"])
def program(request: pytest.FixtureRequest) -> Path:
    return c_module("disk", SOURCE) if request.param == "module" else c_command("disk", SOURCE)


def disk(program: Path, folder: Path, *words: object, limit: int | None = LIMIT) -> CompletedRun:
    return run(program, map(str, words), mounts={"/data": Folder(folder, writable=True)}, disk_limit=limit, timeout=120)


def outcome(result: CompletedRun) -> tuple[int, str]:
    number, _, error = result.stdout.decode().strip().partition(" ")
    return int(number), error


def size_of(folder: Path) -> int:
    """What everything below a folder takes up: the sizes of the files and 4 KiB for each name."""
    return sum(path.lstat().st_size * path.is_file() + NAME for path in folder.rglob("*"))


FULL = "No space left on device"


@pytest.mark.parametrize("how", ["write", "large", "append"])
def test_a_program_writes_until_the_limit_and_no_further(program: Path, tmp_path: Path, how: str) -> None:
    result = disk(program, tmp_path, how, "/data/a", 1 << 30)
    done, error = outcome(result)
    assert error == FULL
    assert (result.returncode, result.reason) == (1, StopReason.DISK_LIMIT)
    assert LIMIT - NAME - 65536 <= done <= LIMIT - NAME
    # A large write of a component goes in parts, of which the last ones may not fit.
    size = (tmp_path / "a").stat().st_size
    assert done <= size <= LIMIT - NAME
    assert result.disk_used == size + NAME


def test_what_fits_is_written(program: Path, tmp_path: Path) -> None:
    result = disk(program, tmp_path, "write", "/data/a", LIMIT - NAME - 1000)
    assert outcome(result) == (1_044_000, "ok")
    assert (result.reason, result.disk_used) == (StopReason.EXITED, 1_044_000 + NAME)


@pytest.mark.parametrize("how", ["seek", "pwrite", "resize"])
def test_holes_count(program: Path, tmp_path: Path, how: str) -> None:
    for number in (1 << 40, LIMIT + 1):
        assert outcome(disk(program, tmp_path, how, "/data/a", number)) == (-1, FULL)
        assert (tmp_path / "a").stat().st_size == 0
    assert outcome(disk(program, tmp_path, how, "/data/a", LIMIT // 2))[1] == "ok"
    assert (tmp_path / "a").stat().st_size == LIMIT // 2 + (how != "resize")


def test_holes_that_were_paid_for_can_be_filled(program: Path, tmp_path: Path) -> None:
    result = disk(program, tmp_path, "sparse", "/data/a", LIMIT - NAME)
    assert outcome(result) == (LIMIT - NAME, "ok")
    assert result.disk_used == LIMIT


@pytest.mark.parametrize("how", ["truncate", "remove"])
def test_what_is_removed_or_made_shorter_gives_nothing_back(program: Path, tmp_path: Path, how: str) -> None:
    result = disk(program, tmp_path, how, "/data/a", 60_000)
    rounds, error = outcome(result)
    assert error == FULL
    assert rounds == (LIMIT // (60_000 + NAME) if how == "remove" else (LIMIT - NAME) // 60_000)


def test_what_is_overwritten_in_place_costs_nothing(program: Path, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"y" * LIMIT)
    result = disk(program, tmp_path, "rewrite", "/data/a", 100_000, limit=0)
    assert outcome(result) == (100, "ok")
    assert result.disk_used == 0
    assert (tmp_path / "a").read_bytes() == b"x" * 100_000 + b"y" * (LIMIT - 100_000)


@pytest.mark.parametrize("how", ["files", "folders", "links", "symlinks"])
def test_each_name_counts(program: Path, tmp_path: Path, how: str) -> None:
    result = disk(program, tmp_path, how, "/data", 100_000)
    made, error = outcome(result)
    assert error == FULL
    assert made == LIMIT // NAME - (how == "links")
    assert len(os.listdir(tmp_path)) == LIMIT // NAME
    assert result.disk_used == LIMIT


def test_names_that_exist_already_cost_nothing(program: Path, tmp_path: Path) -> None:
    result = disk(program, tmp_path, "same", "/data", 10_000)
    assert outcome(result) == (10_000, "ok")
    assert result.disk_used == NAME


def test_the_limit_is_for_all_mounts_together(program: Path, tmp_path: Path) -> None:
    folder = MemoryFolder()
    mounts: dict[str, Any] = {"/data": Folder(tmp_path, writable=True), "/memory": folder}
    result = run(program, ["write", "/memory/a", str(1 << 30)], mounts=mounts, disk_limit=LIMIT)
    assert result.reason is StopReason.DISK_LIMIT
    assert LIMIT - NAME - 1000 < len(folder["a"]) <= LIMIT - NAME


def test_a_folder_in_memory_has_a_limit_of_its_own(program: Path, tmp_path: Path) -> None:
    folder = MemoryFolder(max_bytes=LIMIT, max_files=10)
    result = run(program, ["large", "/data/a", str(1 << 30)], mounts={"/data": folder})
    assert outcome(result)[1] == FULL
    assert (result.reason, result.disk_used) == (StopReason.DISK_LIMIT, None)
    assert LIMIT - 65536 < outcome(result)[0] <= LIMIT + 9 * NAME
    mounts: dict[str, Any] = {"/data": folder, "/host": Folder(tmp_path, writable=True)}
    assert outcome(run(program, ["large", "/host/a", str(4 * LIMIT)], mounts=mounts)) == (4 * LIMIT, "ok")


def test_check_says_that_it_was_the_limit(program: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError) as caught:
        run(program, ["write", "/data/a", "10000"], mounts={"/data": Folder(tmp_path, writable=True)}, disk_limit=5000, check=True)
    assert str(caught.value) == "the program 'a' failed after it had reached its disk limit".replace("'a'", repr(program.name))


def test_there_is_no_limit_unless_it_is_given(program: Path, tmp_path: Path) -> None:
    result = disk(program, tmp_path, "large", "/data/a", 4 * LIMIT, limit=None)
    assert (outcome(result), result.disk_used) == ((4 * LIMIT, "ok"), None)


def test_nothing_takes_up_more_than_its_limit(program: Path, tmp_path: Path) -> None:
    for number, how in enumerate(["write", "append", "sparse", "truncate", "files", "folders", "symlinks"]):
        folder = tmp_path / str(number)
        folder.mkdir()
        target = "/data" if how in ("files", "folders", "symlinks") else "/data/a"
        disk(program, folder, how, target, 1_000_000 if target == "/data" else 50_000, limit=200_000)
        assert size_of(folder) <= 200_000


# What no C library calls

CODES = """access would-block already bad-descriptor busy deadlock quota exist file-too-large illegal-byte-sequence in-progress interrupted invalid io
is-directory loop too-many-links message-size name-too-long no-device no-entry no-lock insufficient-memory insufficient-space not-directory not-empty
not-recoverable unsupported no-tty no-such-device overflow not-permitted pipe read-only invalid-seek text-file-busy cross-device""".split()

#: `attempt(how, number)` opens `a` to write and `b` to read, and gives 0, or 1 + the number of an error code, or 100 for the error of a stream.
DIRECT = f"""
(component
  (import "wasi:io/error@0.2.0" (instance $error (export "error" (type (sub resource)))))
  (alias export $error "error" (type $error))
  (import "wasi:io/poll@0.2.0" (instance $poll
    (export "pollable" (type $pollable (sub resource)))
    (export "[method]pollable.block" (func (param "self" (borrow $pollable))))))
  (alias export $poll "pollable" (type $pollable))
  (import "wasi:io/streams@0.2.0" (instance $streams
    (alias outer 1 $pollable (type $outer-pollable))
    (export "pollable" (type $pollable (eq $outer-pollable)))
    (export "input-stream" (type $in (sub resource)))
    (export "output-stream" (type $out (sub resource)))
    (alias outer 1 $error (type $outer))
    (export "error" (type $error (eq $outer)))
    (type $failed (variant (case "last-operation-failed" (own $error)) (case "closed")))
    (export "stream-error" (type $failure (eq $failed)))
    (export "[method]input-stream.subscribe" (func (param "self" (borrow $in)) (result (own $pollable))))
    (export "[method]output-stream.write" (func (param "self" (borrow $out)) (param "contents" (list u8)) (result (result (error $failure)))))
    (export "[method]output-stream.blocking-flush" (func (param "self" (borrow $out)) (result (result (error $failure)))))
    (export "[method]output-stream.write-zeroes" (func (param "self" (borrow $out)) (param "len" u64) (result (result (error $failure)))))
    (export "[method]output-stream.blocking-write-zeroes-and-flush"
      (func (param "self" (borrow $out)) (param "len" u64) (result (result (error $failure)))))
    (export "[method]output-stream.splice"
      (func (param "self" (borrow $out)) (param "src" (borrow $in)) (param "len" u64) (result (result u64 (error $failure)))))
    (export "[method]output-stream.blocking-splice"
      (func (param "self" (borrow $out)) (param "src" (borrow $in)) (param "len" u64) (result (result u64 (error $failure)))))))
  (alias export $streams "input-stream" (type $in))
  (alias export $streams "output-stream" (type $out))
  (import "wasi:filesystem/types@0.2.0" (instance $types
    (export "descriptor" (type $descriptor (sub resource)))
    (alias outer 1 $in (type $outer-in))
    (export "input-stream" (type $in (eq $outer-in)))
    (alias outer 1 $out (type $outer-out))
    (export "output-stream" (type $out (eq $outer-out)))
    (type $codes (enum {" ".join(f'"{code}"' for code in CODES)}))
    (export "error-code" (type $code (eq $codes)))
    (type $path (flags "symlink-follow"))
    (export "path-flags" (type $path-flags (eq $path)))
    (type $open (flags "create" "directory" "exclusive" "truncate"))
    (export "open-flags" (type $open-flags (eq $open)))
    (type $access (flags "read" "write" "file-integrity-sync" "data-integrity-sync" "requested-write-sync" "mutate-directory"))
    (export "descriptor-flags" (type $descriptor-flags (eq $access)))
    (export "[method]descriptor.open-at" (func (param "self" (borrow $descriptor)) (param "path-flags" $path-flags) (param "path" string)
      (param "open-flags" $open-flags) (param "flags" $descriptor-flags) (result (result (own $descriptor) (error $code)))))
    (export "[method]descriptor.write" (func (param "self" (borrow $descriptor)) (param "buffer" (list u8)) (param "offset" u64)
      (result (result u64 (error $code)))))
    (export "[method]descriptor.read-via-stream"
      (func (param "self" (borrow $descriptor)) (param "offset" u64) (result (result (own $in) (error $code)))))
    (export "[method]descriptor.write-via-stream"
      (func (param "self" (borrow $descriptor)) (param "offset" u64) (result (result (own $out) (error $code)))))))
  (alias export $types "descriptor" (type $descriptor))
  (import "wasi:filesystem/preopens@0.2.0" (instance $preopens
    (alias outer 1 $descriptor (type $outer))
    (export "descriptor" (type $own (eq $outer)))
    (export "get-directories" (func (result (list (tuple (own $own) string)))))))
  (core module $libc
    (memory (export "memory") 4)
    (global $top (mut i32) (i32.const 1024))
    (func (export "realloc") (param i32 i32 i32 i32) (result i32)
      (global.get $top)
      (global.set $top (i32.add (global.get $top) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8))))))
  (core instance $libc (instantiate $libc))
  (alias core export $libc "memory" (core memory $memory))
  (core func $get (canon lower (func $preopens "get-directories") (memory $memory) (realloc (core func $libc "realloc"))))
  (core func $open (canon lower (func $types "[method]descriptor.open-at") (memory $memory)))
  (core func $write (canon lower (func $types "[method]descriptor.write") (memory $memory)))
  (core func $reader (canon lower (func $types "[method]descriptor.read-via-stream") (memory $memory)))
  (core func $writer (canon lower (func $types "[method]descriptor.write-via-stream") (memory $memory)))
  (core func $subscribe (canon lower (func $streams "[method]input-stream.subscribe")))
  (core func $block (canon lower (func $poll "[method]pollable.block")))
  (core func $stream-write (canon lower (func $streams "[method]output-stream.write") (memory $memory)))
  (core func $flush (canon lower (func $streams "[method]output-stream.blocking-flush") (memory $memory)))
  (core func $zeroes (canon lower (func $streams "[method]output-stream.write-zeroes") (memory $memory)))
  (core func $zeroes-now (canon lower (func $streams "[method]output-stream.blocking-write-zeroes-and-flush") (memory $memory)))
  (core func $splice (canon lower (func $streams "[method]output-stream.splice") (memory $memory)))
  (core func $splice-now (canon lower (func $streams "[method]output-stream.blocking-splice") (memory $memory)))
  (core module $main
    (import "" "memory" (memory 4))
    (import "" "get" (func $get (param i32)))
    (import "" "open" (func $open (param i32 i32 i32 i32 i32 i32 i32)))
    (import "" "write" (func $write (param i32 i32 i32 i64 i32)))
    (import "" "reader" (func $reader (param i32 i64 i32)))
    (import "" "writer" (func $writer (param i32 i64 i32)))
    (import "" "subscribe" (func $subscribe (param i32) (result i32)))
    (import "" "block" (func $block (param i32)))
    (import "" "stream-write" (func $stream_write (param i32 i32 i32 i32)))
    (import "" "flush" (func $flush (param i32 i32)))
    (import "" "zeroes" (func $zeroes (param i32 i64 i32)))
    (import "" "zeroes-now" (func $zeroes_now (param i32 i64 i32)))
    (import "" "splice" (func $splice (param i32 i32 i64 i32)))
    (import "" "splice-now" (func $splice_now (param i32 i32 i64 i32)))
    (data (i32.const 0) "ab")
    (func $opened (param $name i32) (param $create i32) (param $access i32) (result i32)
      (call $get (i32.const 16))
      (call $open (i32.load (i32.load (i32.const 16))) (i32.const 0) (local.get $name) (i32.const 1) (local.get $create) (local.get $access)
        (i32.const 32))
      (if (i32.load8_u (i32.const 32)) (then unreachable))
      (i32.load (i32.const 36)))
    (func (export "attempt") (param $how i32) (param $number i32) (result i32) (local $to i32) (local $from i32)
      (local.set $to (call $opened (i32.const 0) (i32.const 1) (i32.const 2)))
      (if (i32.eqz (local.get $how)) (then
        (call $write (local.get $to) (i32.const 4096) (local.get $number) (i64.const 0) (i32.const 32))
        (return (select (i32.add (i32.load8_u (i32.const 40)) (i32.const 1)) (i32.const 0) (i32.load8_u (i32.const 32))))))
      (call $writer (local.get $to) (i64.const 0) (i32.const 32))
      (local.set $to (i32.load (i32.const 36)))
      (if (i32.ge_u (local.get $how) (i32.const 4)) (then
        (call $reader (call $opened (i32.const 1) (i32.const 0) (i32.const 1)) (i64.const 0) (i32.const 32))
        (local.set $from (i32.load (i32.const 36)))))
      (block $done
        (block $6 (block $5 (block $4 (block $3 (block $2 (block $1 (br_table $1 $1 $2 $3 $4 $5 (local.get $how)))
          (call $stream_write (local.get $to) (i32.const 4096) (local.get $number) (i32.const 32)) (br $done))
          (call $zeroes (local.get $to) (i64.extend_i32_u (local.get $number)) (i32.const 32)) (br $done))
          (call $zeroes_now (local.get $to) (i64.extend_i32_u (local.get $number)) (i32.const 32)) (br $done))
          (call $block (call $subscribe (local.get $from)))
          (call $splice (local.get $to) (local.get $from) (i64.extend_i32_u (local.get $number)) (i32.const 32)) (br $done))
          (call $splice_now (local.get $to) (local.get $from) (i64.extend_i32_u (local.get $number)) (i32.const 32)) (br $done)))
      (if (i32.load8_u (i32.const 32)) (then (return (i32.const 100))))
      (call $flush (local.get $to) (i32.const 32))
      (select (i32.const 101) (i32.const 0) (i32.load8_u (i32.const 32)))))
  (core instance $main (instantiate $main (with "" (instance
    (export "memory" (memory $memory)) (export "get" (func $get)) (export "open" (func $open)) (export "write" (func $write))
    (export "reader" (func $reader)) (export "writer" (func $writer))
    (export "subscribe" (func $subscribe)) (export "block" (func $block)) (export "stream-write" (func $stream-write)) (export "flush" (func $flush))
    (export "zeroes" (func $zeroes)) (export "zeroes-now" (func $zeroes-now)) (export "splice" (func $splice))
    (export "splice-now" (func $splice-now))))))
  (func (export "attempt") (param "how" u32) (param "number" u32) (result u32) (canon lift (core func $main "attempt"))))
"""

WAYS = ["descriptor.write", "write", "write-zeroes", "blocking-write-zeroes-and-flush", "splice", "blocking-splice"]


@pytest.mark.parametrize("how", range(len(WAYS)), ids=WAYS)
def test_components_find_no_way_around_a_quota(tmp_path: Path, how: int) -> None:
    component = Component(ENGINE, DIRECT)
    linker = ComponentLinker(ENGINE)
    linker.add_wasip2()
    (tmp_path / "b").write_bytes(b"y" * 4000)

    def attempt(limit: int, number: int) -> tuple[int, DiskQuota]:
        quota = DiskQuota(limit)
        config = WasiConfig()
        config.preopen_dir(tmp_path, "/", quota=quota)
        store = Store(ENGINE)
        store.set_wasi(config)
        function: Any = linker.instantiate(store, component).get_func(store, "attempt")
        return function(store, how, number), quota

    code, quota = attempt(NAME + 2999, 3000)
    assert code == (100 if how else 1 + CODES.index("insufficient-space"))
    assert quota.reached
    assert (tmp_path / "a").stat().st_size == 0
    code, quota = attempt(3000, 3000)
    assert (code, quota.used, quota.reached) == (0, 3000, False)
    assert (tmp_path / "a").stat().st_size == 3000


# Quotas


def store_with(quota: DiskQuota | None, folder: Path, program: Path, *words: str) -> tuple[Store, Any]:
    module = Module.from_file(ENGINE, program)
    linker = Linker(ENGINE)
    linker.define_wasi()
    store = Store(ENGINE)
    config = WasiConfig(argv=["disk", *words])
    config.preopen_dir(folder, "/data", quota=quota)
    store.set_wasi(config)
    return store, linker.instantiate(store, module).exports(store)["_start"]


def test_a_quota_counts_for_all_stores_that_got_it(tmp_path: Path) -> None:
    quota = DiskQuota(50_000)
    codes = []
    for number in range(4):
        store, start = store_with(quota, tmp_path, c_module("disk", SOURCE), "write", f"/data/{number}", "10000")
        try:
            start(store)
            codes.append(0)
        except ExitTrap as ending:
            codes.append(ending.code)
    assert codes == [0, 0, 0, 1]
    assert quota.reached
    assert quota.used == 3 * (10_000 + NAME) + NAME + 3_000
    assert repr(quota) == f"<DiskQuota: {quota.used} of 50000 bytes used>"


def test_a_quota_within_another_takes_from_both(tmp_path: Path) -> None:
    outer = DiskQuota(10_000)
    inner = DiskQuota(1 << 20, within=outer)
    store, start = store_with(inner, tmp_path, c_module("disk", SOURCE), "write", "/data/a", "100000")
    with pytest.raises(ExitTrap):
        start(store)
    assert (inner.used, outer.used) == (NAME + 5_000, NAME + 5_000)
    assert (inner.reached, outer.reached) == (False, True)


def test_quotas_are_made_of_numbers() -> None:
    with pytest.raises(TypeError, match="expected an int for limit, got str"):
        DiskQuota("1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    with pytest.raises(OverflowError, match="limit is out of range"):
        DiskQuota(-1)
    with pytest.raises(TypeError, match="expected a DiskQuota for quota, got int"):
        WasiConfig().preopen_dir("/", "/", quota=5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
