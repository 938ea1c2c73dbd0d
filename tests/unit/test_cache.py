"""The cache of compiled code: hits, misses, damage, limits and rights."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import engine_with

from ferrowasm import Engine, Instance, Module, Store, WasmtimeError, wat2wasm
from ferrowasm._cache import ABANDONED, LIMIT, CodeCache, default_cache, default_directory, default_limit
from ferrowasm.component import Component

WASM = bytes(wat2wasm('(module (func (export "f") (result i32) (i32.const 7)))'))
COMPONENT = bytes(wat2wasm("(component)"))


def other(number: int) -> bytes:
    return bytes(wat2wasm(f'(module (func (export "f") (result i32) (i32.const {number})))'))


def result(module: Module, engine: Engine) -> int:
    store = Store(engine)
    return int(Instance(store, module, []).exports(store).func("f")(store))


def files(cache: CodeCache) -> list[Path]:
    return sorted(Path(cache.directory).iterdir())


@pytest.fixture
def cache(tmp_path: Path) -> CodeCache:
    return CodeCache(str(tmp_path / "deep" / "cache"))


def test_code_is_compiled_once(cache: CodeCache) -> None:
    engine = Engine()
    assert result(cache.module(engine, WASM), engine) == 7
    assert (cache.hits, cache.misses, len(files(cache))) == (0, 1, 1)
    again = CodeCache(cache.directory)
    fresh = Engine()
    assert result(again.module(fresh, WASM), fresh) == 7
    assert (again.hits, again.misses, again.problem) == (1, 0, None)


def test_components_are_kept_too(cache: CodeCache) -> None:
    engine = Engine()
    assert isinstance(cache.component(engine, COMPONENT), Component)
    assert isinstance(cache.component(engine, COMPONENT), Component)
    assert (cache.hits, cache.misses) == (1, 1)


def test_other_contents_settings_and_kinds_have_other_files(cache: CodeCache) -> None:
    engine = Engine()
    cache.module(engine, WASM)
    cache.module(engine, other(8))
    cache.module(engine_with(consume_fuel=True), WASM)
    cache.module(engine_with(cranelift_opt_level="none"), WASM)
    cache.component(engine, COMPONENT)
    assert (cache.hits, cache.misses, len(files(cache))) == (0, 5, 5)
    # What matters for running only makes no difference.
    cache.module(engine_with(max_wasm_stack=256 << 10), WASM)
    assert cache.hits == 1


def test_invalid_code_raises_and_leaves_nothing(cache: CodeCache) -> None:
    with pytest.raises(WasmtimeError):
        cache.module(Engine(), b"\0asm\x01\0\0\0nonsense")
    with pytest.raises(WasmtimeError):
        cache.component(Engine(), WASM)
    assert files(cache) == []


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "foreign", "old engine"])
def test_damaged_files_are_compiled_anew(cache: CodeCache, damage: str) -> None:
    engine = Engine()
    cache.module(engine, WASM)
    [path] = files(cache)
    content = bytearray(path.read_bytes())
    match damage:
        case "truncated":
            del content[-100:]
        case "flipped":
            content[len(content) // 2] ^= 1
        case "empty":
            content.clear()
        case "foreign":
            content[:] = b"something else" * 1000
        case "old engine":
            # A right checksum over code that this engine does not take.
            content[:] = Module(engine_with(consume_fuel=True), WASM).serialize()
    path.write_bytes(content)
    assert result(cache.module(engine, WASM), engine) == 7
    assert (cache.hits, cache.misses) == (0, 2)
    assert cache.problem is not None
    assert cache.problem.startswith(f"{path}: ")
    assert result(cache.module(engine, WASM), engine) == 7
    assert cache.hits == 1


def test_code_in_use_outlives_its_file(cache: CodeCache) -> None:
    engine = Engine()
    cache.module(engine, WASM)
    module = cache.module(engine, WASM)
    assert cache.hits == 1
    assert cache.clean().files == 1
    assert files(cache) == []
    assert result(module, engine) == 7


def test_what_was_not_used_for_longest_goes_first(cache: CodeCache) -> None:
    engine = Engine()
    for number in range(4):
        cache.module(engine, other(number))
    size = cache.usage().bytes // 4
    for age, path in enumerate(files(cache)):
        os.utime(path, (1000 + age, 1000 + age))
    cache.module(engine, other(2))
    used = max(files(cache), key=lambda path: path.stat().st_mtime)
    cache.limit = 4 * size + size // 2
    cache.module(engine, other(9))
    assert cache.usage().files == 3
    assert used in files(cache)
    cache.module(engine, other(9))
    assert cache.problem is None
    assert (cache.hits, cache.misses) == (2, 5)


def test_what_is_larger_than_the_limit_is_not_kept(cache: CodeCache) -> None:
    cache.limit = 100
    engine = Engine()
    assert result(cache.module(engine, WASM), engine) == 7
    assert files(cache) == []
    assert cache.problem is not None
    assert cache.problem.endswith("bytes are more than the limit of 100")


def test_files_that_a_dead_process_left_behind_go_away(cache: CodeCache) -> None:
    os.makedirs(cache.directory, mode=0o700)
    old, new = (Path(cache.directory) / f"{name}.cwasm.1-00.partial" for name in ("old", "new"))
    old.write_bytes(b"x")
    new.write_bytes(b"x")
    os.utime(old, (1, 1))
    assert ABANDONED == 3600.0
    cache.module(Engine(), WASM)
    assert not old.exists()
    assert new.exists()


@pytest.mark.parametrize("mode", [0o770, 0o777, 0o722])
def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path, mode: int) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(mode)
    cache = CodeCache(str(folder))
    engine = Engine()
    assert result(cache.module(engine, WASM), engine) == 7
    assert list(folder.iterdir()) == []
    assert cache.problem == f"{folder}: the folder has to belong to this user, and be writable for nobody else"


def test_a_folder_that_cannot_be_made_is_no_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    cache = CodeCache(str(tmp_path / "file" / "cache"))
    engine = Engine()
    assert result(cache.module(engine, WASM), engine) == 7
    assert cache.problem is not None
    assert "Not a directory" in cache.problem
    assert cache.usage() == (0, 0)
    assert cache.clean() == (0, 0)


def test_the_folder_is_made_for_its_owner_only(cache: CodeCache) -> None:
    cache.module(Engine(), WASM)
    assert os.stat(cache.directory).st_mode & 0o777 == 0o700


def test_threads_may_use_a_cache_at_once(cache: CodeCache) -> None:
    engine = Engine()
    failures: list[BaseException] = []

    def work() -> None:
        try:
            for number in range(20):
                assert result(cache.module(engine, other(number % 5)), engine) == number % 5
                if number == 10:
                    cache.clean()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert all(path.suffix == ".cwasm" for path in files(cache))


PROCESS = """
import sys
from ferrowasm import Engine, wat2wasm
from ferrowasm._cache import CodeCache
cache = CodeCache(sys.argv[1], limit=60_000)
for round in range(30):
    cache.module(Engine(), bytes(wat2wasm(f"(module (func (result i32) (i32.const {round % 6})))")))
assert cache.hits + cache.misses == 30
assert cache.problem is None, cache.problem
"""


def test_processes_may_use_a_cache_at_once(tmp_path: Path) -> None:
    folder = str(tmp_path / "cache")
    processes = [subprocess.Popen([sys.executable, "-c", PROCESS, folder], stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in processes] == [("", 0)] * 4
    assert CodeCache(folder).usage().bytes <= 60_000 + 40_000


# --- the user's cache -------------------------------------------------------------------------------------------------------


def test_the_folder_follows_the_conventions_of_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("FERROWASM_CACHE_DIR", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert default_directory() == "/home/someone/.cache/ferrowasm"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert default_directory() == "/home/someone/.cache/ferrowasm"
    monkeypatch.setenv("XDG_CACHE_HOME", "/var/caches")
    assert default_directory() == "/var/caches/ferrowasm"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert default_directory() == "/home/someone/Library/Caches/ferrowasm"
    monkeypatch.setenv("FERROWASM_CACHE_DIR", "/elsewhere")
    assert default_directory() == "/elsewhere"


@pytest.mark.parametrize("value", ["0", "off", "OFF", "no", "false"])
def test_a_variable_turns_the_cache_off(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("FERROWASM_CACHE", value)
    assert default_cache() is None
    monkeypatch.setenv("FERROWASM_CACHE", "1")
    assert default_cache() is not None


@pytest.mark.parametrize(("value", "limit"), [("1000", 1000), ("0", 0), ("-5", 0), ("many", LIMIT), ("", LIMIT)])
def test_a_variable_sets_the_limit(monkeypatch: pytest.MonkeyPatch, value: str, limit: int) -> None:
    monkeypatch.setenv("FERROWASM_CACHE_SIZE", value)
    assert default_limit() == limit
