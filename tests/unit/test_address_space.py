"""Processes that may have few addresses (`ulimit -v`)."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Begins with the limit, in bytes, as the process has it when it starts.
HEAD = """
import resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]), int(sys.argv[1])))
from ferrowasm import Config, Engine, Instance, Limits, Memory, MemoryType, Module, Store, WasmtimeError

def memory(engine, text='(module (memory (export "m") 1))'):
    store = Store(engine)
    return store, Instance(store, Module(engine, text), []).exports(store).memory("m")
"""


def run(code: str, limit: int) -> str:
    finished = subprocess.run([sys.executable, "-c", HEAD + code, str(limit)], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.mark.parametrize("limit", [1 << 30, 2 << 30, 8 << 30], ids=["1 GiB", "2 GiB", "8 GiB"])
def test_memories_fit_into_a_small_address_space_and_grow(limit: int) -> None:
    code = """
engine = Engine()
pairs = [memory(engine) for _ in range(20)]
pairs.append(memory(engine, '(module (memory (export "m") 1 65536))'))
for store, memory in pairs:
    memory.write(store, b"kept", 65532)
    assert memory.grow(store, 15) == 1
    assert memory.read(store, 65532, 65537) == b"kept\\0"
print(len(pairs))
"""
    assert run(code, limit) == "21\n"


def test_views_hold_their_memory_in_place_in_a_small_address_space() -> None:
    code = """
engine = Engine()
for store, memory in (memory(engine), (lambda store: (store, Memory(store, MemoryType(Limits(1)))))(Store(engine))):
    with memory.buffer(store) as view:
        view[0] = 7
        try:
            memory.grow(store, 100)
        except BufferError as error:
            print(error)
        assert view[0] == 7
    memory.grow(store, 100)
    assert memory.read_u8(store, 0) == 7
"""
    assert run(code, 2 << 30) == "the memory would have to move, but a view of it is in use; release the view first\n" * 2


def test_growth_beyond_the_address_space_is_refused() -> None:
    code = """
store, memory = memory(Engine())
try:
    memory.grow(store, 60000)
except WasmtimeError as error:
    print(str(error).splitlines()[0])
memory.write(store, b"alive")
"""
    assert run(code, 1 << 30) == "failed to grow memory by `60000`\n"


@pytest.mark.parametrize(
    "settings",
    ["memory_reservation=4 << 30", 'allocation_strategy="pooling"'],
)
def test_what_was_asked_for_and_cannot_be_had_is_an_error_that_says_what_to_change(settings: str) -> None:
    code = f"""
try:
    memory(Engine(Config({settings})))
except WasmtimeError as error:
    print(error)
"""
    message = run(code, 2 << 30)
    assert "There are not enough addresses or memory left for this process (see `ulimit -v`)." in message
    assert "Config.memory_reservation" in message
    assert "Config.pooling_total_memories" in message


def test_without_a_limit_memories_reserve_as_usual() -> None:
    code = """
before = int(open("/proc/self/statm").read().split()[0])
store, _ = memory(Engine())
print(int(open("/proc/self/statm").read().split()[0]) - before > (4 << 30) // resource.getpagesize())
"""
    finished = subprocess.run(
        [sys.executable, "-c", HEAD.replace("resource.setrlimit", "lambda *limits: None #") + code, "0"], capture_output=True, text=True, check=True
    )
    assert finished.stdout == "True\n"
