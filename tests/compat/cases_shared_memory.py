"""`SharedMemory`."""

from __future__ import annotations

from typing import Any

from .harness import Package, case
from .programs import engine_with, instantiate


def _engine(w: Package) -> Any:
    return engine_with(w, shared_memory=True, wasm_threads=True)


def _shared(w: Package, minimum: int = 1, maximum: int = 3) -> Any:
    return w.SharedMemory(_engine(w), w.MemoryType(w.Limits(minimum, maximum), shared=True))


@case
def it_is_made_from_an_engine(w: Package) -> object:
    return w.SharedMemory(engine=_engine(w), ty=w.MemoryType(w.Limits(1, 2), shared=True))


@case
def its_type_is_shared(w: Package) -> object:
    return _shared(w).type()


@case
def its_length_is_in_bytes(w: Package) -> object:
    """`shared_memory.data_len()`"""
    return _shared(w, 2).data_len()


@case
def its_size_is_in_pages(w: Package) -> object:
    """`shared_memory.size()`"""
    return _shared(w, 2).size()


@case
def growth_gives_the_previous_size(w: Package) -> object:
    return _shared(w).grow(delta=1)


@case
def growth_beyond_the_maximum_is_refused(w: Package) -> object:
    return _shared(w).grow(5)


@case
def negative_growth_is_refused(w: Package) -> object:
    """`shared_memory.grow(-1)`"""
    return _shared(w).grow(-1)


@case
def its_bytes_can_be_pointed_at(w: Package) -> object:
    """`shared_memory.data_ptr()`"""
    memory = _shared(w)
    pointer = memory.data_ptr()
    pointer[3] = 9
    return [pointer, pointer[3]]


@case
def a_type_that_is_not_shared_is_refused(w: Package) -> object:
    return w.SharedMemory(_engine(w), w.MemoryType(w.Limits(1, 2)))


@case
def it_needs_a_maximum(w: Package) -> object:
    return w.MemoryType(w.Limits(1, None), shared=True)


@case
def an_engine_without_shared_memory_is_refused(w: Package) -> object:
    """`SharedMemory(Engine(), ty)` without `config.shared_memory`"""
    return w.SharedMemory(w.Engine(), w.MemoryType(w.Limits(1, 2), shared=True))


@case
def another_type_is_no_engine(w: Package) -> object:
    """`SharedMemory("engine", ty)`"""
    return w.SharedMemory("engine", w.MemoryType(w.Limits(1, 2), shared=True))


@case
def an_export_is_a_shared_memory(w: Package) -> object:
    store = w.Store(_engine(w))
    return instantiate(w, store, '(module (memory (export "m") 1 2 shared))')["m"]


@case
def an_exported_one_has_a_type(w: Package) -> object:
    store = w.Store(_engine(w))
    return instantiate(w, store, '(module (memory (export "m") 1 2 shared))')["m"].type()


@case
def it_can_be_imported(w: Package) -> object:
    """An instance that imports a `SharedMemory`"""
    engine = _engine(w)
    memory = w.SharedMemory(engine, w.MemoryType(w.Limits(1, 2), shared=True))
    wat = """
        (module (import "" "m" (memory 1 2 shared))
          (func (export "f") (result i32)
            (i32.atomic.rmw.add (i32.const 0) (i32.const 5)) (i32.load (i32.const 0)) i32.add))"""
    results = []
    for _ in range(2):
        store = w.Store(engine)
        results.append(instantiate(w, store, wat, [memory])["f"](store))
    return results


@case
def close_may_be_repeated(w: Package) -> object:
    memory = _shared(w)
    return [memory.close(), memory.close()]


@case
def a_closed_one_is_refused(w: Package) -> object:
    with _shared(w) as memory:
        memory.type()
    return memory.grow(1)
