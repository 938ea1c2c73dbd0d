"""Random calls of the API, over several stores and threads, do what a model says.

The model is plain Python data: for each store what its memories, globals and tables hold. Whatever the order of calls,
closings, collections and threads, the package has to agree with it, and misuse has to be the exception that says so.
`FUZZ_EXAMPLES` in the environment makes the test longer than it is by default.
"""

from __future__ import annotations

import gc
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, rule

from ferrowasm import (
    ClosedError,
    Engine,
    Func,
    FuncType,
    Global,
    GlobalType,
    Instance,
    Linker,
    Module,
    OutOfBoundsError,
    Store,
    StoreBusyError,
    Trap,
    TrapCode,
    ValType,
    WrongStoreError,
)

R = TypeVar("R")

ENGINE = Engine()
I32 = ValType.i32()
#: Pages that a memory may have, and elements that a table may have.
MOST_PAGES, MOST_ELEMENTS = 4, 6

MODULE = Module(
    ENGINE,
    f"""(module
      (import "host" "f" (func $host (param i32) (result i32)))
      (memory (export "memory") 1 {MOST_PAGES})
      (global $g (export "global") (mut i32) (i32.const 0))
      (table $t (export "table") 2 {MOST_ELEMENTS} externref)
      (func (export "store") (param i32 i32) (i32.store8 (local.get 0) (local.get 1)))
      (func (export "load") (param i32) (result i32) (i32.load8_u (local.get 0)))
      (func (export "add") (param i32) (result i32)
        (global.set $g (i32.add (global.get $g) (local.get 0))) (global.get $g))
      (func (export "call") (param i32) (result i32) (call $host (local.get 0)))
      (func (export "put") (param i32 externref) (table.set $t (local.get 0) (local.get 1)))
      (func (export "get") (param i32) (result externref) (table.get $t (local.get 0)))
      (func (export "trap") unreachable))""",
)


def signed(number: int) -> int:
    """The number as an i32."""
    return (number + 2**31) % 2**32 - 2**31


@dataclass(eq=False)
class InstanceModel:
    """An instance, and what it should hold."""

    owner: StoreModel
    exports: dict[str, Any]
    memory: dict[int, int] = field(default_factory=dict)
    pages: int = 1
    number: int = 0
    table: list[object] = field(default_factory=lambda: [None, None])

    def __getitem__(self, name: str) -> Any:
        return self.exports[name]


@dataclass(eq=False)
class StoreModel:
    """A store, what a call of its host function does next, and whether it was closed."""

    store: Store
    action: Callable[[int], int] = signed
    closed: bool = False


def on_another_thread(work: Callable[[], R]) -> R:
    """Does the work on a thread of its own; what it raises is raised here."""
    results: list[R] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


class Api(RuleBasedStateMachine):
    """The rules: each is one use of the API."""

    stores = Bundle("stores")
    instances = Bundle("instances")
    threads = st.booleans()

    def run(self, thread: bool, work: Callable[[], R]) -> R:
        return on_another_thread(work) if thread else work()

    def use(self, model: StoreModel, thread: bool, work: Callable[[], R]) -> R | None:
        """Does the work; it has to be refused if the store was closed."""
        if model.closed:
            with pytest.raises(ClosedError):
                self.run(thread, work)
            return None
        return self.run(thread, work)

    @rule(target=stores)
    def make_a_store(self) -> StoreModel:
        return StoreModel(Store(ENGINE))

    @rule(target=instances, model=stores, thread=threads, linked=st.booleans())
    def instantiate(self, model: StoreModel, thread: bool, linked: bool) -> InstanceModel:
        def work() -> dict[str, Any]:
            host = Func(model.store, FuncType([I32], [I32]), lambda x: model.action(x))
            if not linked:
                return dict(Instance(model.store, MODULE, [host]).exports(model.store))
            linker = Linker(ENGINE)
            linker.define(model.store, "host", "f", host)
            return dict(linker.instantiate(model.store, MODULE).exports(model.store))

        exports = self.use(model, thread, work)
        return InstanceModel(model, exports or {})

    # --- memory ---

    @rule(it=instances, thread=threads, at=st.integers(0, 5 * 65536), byte=st.integers(0, 255), guest=st.booleans())
    def write_memory(self, it: InstanceModel, thread: bool, at: int, byte: int, guest: bool) -> None:
        if not it.exports:
            return
        store, memory = it.owner.store, it["memory"]

        def work() -> None:
            if guest:
                it["store"](store, at, byte)
            else:
                memory.write(store, bytes([byte]), at)

        if it.owner.closed or at < it.pages * 65536:
            self.use(it.owner, thread, work)
            it.memory[at] = byte
        elif guest:
            with pytest.raises(Trap) as caught:
                self.run(thread, work)
            assert caught.value.trap_code is TrapCode.MEMORY_OUT_OF_BOUNDS
        else:
            with pytest.raises((OutOfBoundsError, IndexError)):
                self.run(thread, work)

    @rule(it=instances, thread=threads, guest=st.booleans(), data=st.data())
    def read_memory(self, it: InstanceModel, thread: bool, guest: bool, data: st.DataObject) -> None:
        if not it.exports:
            return
        at = data.draw(st.sampled_from([*it.memory, 0, 65535]))
        store, memory = it.owner.store, it["memory"]

        def work() -> int:
            return it["load"](store, at) if guest else memory.read(store, at, at + 1)[0]  # type: ignore[no-any-return]

        read = self.use(it.owner, thread, work)
        assert read in (None, it.memory.get(at, 0))

    @rule(it=instances, thread=threads, delta=st.integers(0, 5))
    def grow_memory(self, it: InstanceModel, thread: bool, delta: int) -> None:
        if not it.exports:
            return
        store, memory = it.owner.store, it["memory"]
        if it.owner.closed or it.pages + delta <= MOST_PAGES:
            before = self.use(it.owner, thread, lambda: memory.grow(store, delta))
            assert before in (None, it.pages)
            it.pages += delta if before is not None else 0
        else:
            with pytest.raises(Exception, match="grow"):
                self.run(thread, lambda: memory.grow(store, delta))
        if not it.owner.closed:
            assert memory.size(store) == it.pages

    # --- globals and tables ---

    @rule(it=instances, thread=threads, number=st.integers(-(2**31), 2**31 - 1), guest=st.booleans())
    def change_the_global(self, it: InstanceModel, thread: bool, number: int, guest: bool) -> None:
        if not it.exports:
            return
        store = it.owner.store
        if guest:
            result = self.use(it.owner, thread, lambda: it["add"](store, number))
            it.number = signed(it.number + number)
            assert result in (None, it.number)
        else:
            self.use(it.owner, thread, lambda: it["global"].set_value(store, number))
            it.number = number
        if not it.owner.closed:
            assert it["global"].value(store) == it.number

    @rule(it=instances, thread=threads, at=st.integers(0, 6), guest=st.booleans(), null=st.booleans())
    def change_the_table(self, it: InstanceModel, thread: bool, at: int, guest: bool, null: bool) -> None:
        if not it.exports:
            return
        store, value = it.owner.store, None if null else object()
        work = (lambda: it["put"](store, at, value)) if guest else (lambda: it["table"].set(store, at, value))
        if it.owner.closed or at < len(it.table):
            self.use(it.owner, thread, work)
            if not it.owner.closed:
                it.table[at] = value
        else:
            with pytest.raises(Exception, match="out of bounds"):
                self.run(thread, work)
        if not it.owner.closed:
            read = [it["get"](store, index) for index in range(len(it.table))]
            assert all(left is right for left, right in zip(read, it.table, strict=True))

    @rule(it=instances, thread=threads, delta=st.integers(0, 3))
    def grow_the_table(self, it: InstanceModel, thread: bool, delta: int) -> None:
        if not it.exports or it.owner.closed or len(it.table) + delta > MOST_ELEMENTS:
            return
        store, value = it.owner.store, object()
        assert self.run(thread, lambda: it["table"].grow(store, delta, value)) == len(it.table)
        it.table += [value] * delta

    # --- calls, callbacks, exceptions ---

    @rule(it=instances, thread=threads, depth=st.integers(0, 6))
    def callbacks_call_again(self, it: InstanceModel, thread: bool, depth: int) -> None:
        if not it.exports:
            return
        store = it.owner.store

        def action(x: int) -> int:
            if x == 0:
                gc.collect()
                return int(it["global"].value(store))
            result: int = it["call"](store, x - 1)
            return result

        it.owner.action = action
        result = self.use(it.owner, thread, lambda: it["call"](store, depth))
        assert result in (None, it.number)

    @rule(it=instances, thread=threads, depth=st.integers(0, 3), error=st.sampled_from([KeyError, KeyboardInterrupt, GeneratorExit]))
    def exceptions_come_out(self, it: InstanceModel, thread: bool, depth: int, error: type[BaseException]) -> None:
        if not it.exports or it.owner.closed:
            return
        store, raised = it.owner.store, error("mine")

        def action(x: int) -> int:
            if x == 0:
                raise raised
            result: int = it["call"](store, x - 1)
            return result

        it.owner.action = action
        with pytest.raises(error) as caught:
            self.run(thread, lambda: it["call"](store, depth))
        assert caught.value is raised

    @rule(it=instances, thread=threads)
    def traps_leave_the_store_usable(self, it: InstanceModel, thread: bool) -> None:
        if not it.exports or it.owner.closed:
            return
        with pytest.raises(Trap) as caught:
            self.run(thread, lambda: it["trap"](it.owner.store))
        assert caught.value.trap_code is TrapCode.UNREACHABLE
        assert it["global"].value(it.owner.store) == it.number

    @rule(it=instances)
    def a_store_that_runs_is_busy_elsewhere(self, it: InstanceModel) -> None:
        if not it.exports or it.owner.closed:
            return
        store = it.owner.store
        seen: list[object] = []

        def action(_x: int) -> int:
            for use in (lambda: it["add"](store, 1), lambda: it["memory"].size(store), store.gc, store.close):
                try:
                    on_another_thread(use)
                except BaseException as error:
                    seen.append(type(error))
            return 5

        it.owner.action = action
        assert it["call"](store, 1) == 5
        assert seen == [StoreBusyError] * 4
        assert it["global"].value(store) == it.number

    # --- misuse, and the end of things ---

    @rule(it=instances, model=stores, thread=threads)
    def another_store_is_refused(self, it: InstanceModel, model: StoreModel, thread: bool) -> None:
        if not it.exports or it.owner is model or model.closed:
            return
        other = model.store
        uses: list[Callable[[], object]] = [
            lambda: it["add"](other, 1),
            lambda: it["memory"].read(other),
            lambda: it["global"].value(other),
            lambda: it["table"].get(other, 0),
            lambda: Instance(other, MODULE, [it["add"]]),
        ]
        for use in uses:
            with pytest.raises(WrongStoreError):
                self.run(thread, use)

    @rule(model=stores, thread=threads)
    def close(self, model: StoreModel, thread: bool) -> None:
        self.run(thread, model.store.close)
        model.closed = True

    @rule(model=stores, thread=threads)
    def collect_in_the_engine(self, model: StoreModel, thread: bool) -> None:
        self.use(model, thread, model.store.gc)

    @rule(thread=threads)
    def collect_in_python(self, thread: bool) -> None:
        self.run(thread, gc.collect)

    @rule(it=instances)
    def let_go_of_a_store_that_its_exports_still_need(self, it: InstanceModel) -> None:
        # Only exports are left of this one; the store has to live as long as they do.
        if it.exports and not it.owner.closed:
            store = Store(ENGINE)
            memory: Any = dict(Instance(store, MODULE, [Func(store, FuncType([I32], [I32]), lambda x: x)]).exports(store))["memory"]
            view = memory.get_buffer_ptr(store, 4, 0)
            del store
            gc.collect()
            assert bytes(view) == b"\0\0\0\0"

    @rule(model=stores)
    def objects_are_made_without_instances(self, model: StoreModel) -> None:
        if model.closed:
            return
        item = Global(model.store, GlobalType(I32, True), 3)
        assert item.value(model.store) == 3


Api.TestCase.settings = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "25")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)
TestRandomCalls = pytest.mark.timeout(100_000)(Api.TestCase)
