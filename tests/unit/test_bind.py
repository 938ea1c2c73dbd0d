"""`Func.bind`: a function without its store argument."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import time
import weakref
from typing import Any

import pytest
from support import engine_with, host, instantiate, raises

from ferrowasm import (
    BoundFunc,
    Caller,
    ClosedError,
    DeadlineExceeded,
    Func,
    SignatureError,
    Store,
    StoreBusyError,
    Trap,
    TrapCode,
    WasmtimeError,
    WrongStoreError,
)

WAT = """(module
  (func (export "nop"))
  (func (export "add") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "two") (param i64 f64) (result f64 i64) (local.get 1) (local.get 0))
  (func (export "same") (param externref) (result externref) (local.get 0))
  (func (export "many") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32) (local.get 9))
  (func (export "trap") unreachable)
  (func (export "spin") (loop $again (br $again))))"""


def bound(name: str) -> BoundFunc:
    store, exports = instantiate(WAT)
    return exports.func(name).bind(store)


def test_a_bound_function_takes_the_arguments_alone() -> None:
    assert bound("nop")() is None
    assert bound("add")(1, 2) == 3
    assert bound("two")(5, 2.5) == [2.5, 5]
    thing = object()
    assert bound("same")(thing) is thing
    assert bound("many")(*range(10)) == 9


def test_each_call_of_a_function_that_is_bound_with_a_timeout_has_that_time() -> None:
    store, exports = instantiate(WAT)
    spin = exports.func("spin").bind(store, timeout=0.05)
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(DeadlineExceeded) as caught:
            spin()
        assert caught.value.seconds == 0.05
        assert time.monotonic() - start >= 0.05
    # Others go on without.
    assert exports.func("add").bind(store)(1, 2) == 3
    assert exports.func("add").bind(store, timeout=60)(1, 2) == 3
    assert exports.func("add").bind(store, timeout=float("inf"))(1, 2) == 3


def test_an_earlier_deadline_counts_for_a_function_that_is_bound_with_a_timeout() -> None:
    store, exports = instantiate(WAT)
    spin = exports.func("spin").bind(store, timeout=60)
    with store.deadline(0.02), pytest.raises(DeadlineExceeded) as caught:
        spin()
    assert caught.value.seconds == 0.02


def test_a_timeout_that_is_no_time_is_refused() -> None:
    store, exports = instantiate(WAT)
    with raises(ValueError, "timeout is out of range: expected 0 seconds or more, got -1"):
        exports.func("nop").bind(store, timeout=-1)
    with raises(TypeError, "expected a number of seconds for timeout, got str"):
        exports.func("nop").bind(store, timeout="soon")  # type: ignore[arg-type]


def test_a_call_that_another_thread_refuses_leaves_the_one_that_runs_its_time() -> None:
    started = threading.Event()

    def wait() -> None:
        started.set()
        time.sleep(0.1)

    store = Store()
    store, exports = instantiate('(module (import "" "h" (func $h)) (func (export "f") (call $h)) (func (export "nop")))', [host(store, wait)], store)
    refused: list[BaseException] = []

    nop = exports.func("nop").bind(store, timeout=0)

    def call() -> None:
        started.wait()
        refused.append(pytest.raises(StoreBusyError, nop).value)

    thread = threading.Thread(target=call)
    thread.start()
    exports.func("f")(store)
    thread.join()
    assert len(refused) == 1


def test_a_bound_function_is_callable_in_every_way() -> None:
    add = bound("add")
    assert callable(add)
    args = (3, 4)
    assert add(*args) == add.__call__(3, 4) == 7
    assert list(map(add, [1, 2], [10, 20])) == [11, 22]
    assert sorted([3, 1, 2], key=bound("same")) == [1, 2, 3]


def test_errors_are_those_of_the_function() -> None:
    store, exports = instantiate(WAT)
    add = exports.func("add")
    for args in [(), (1,), (1, 2, 3), ("1", 2), (1, None), (2**32, 1), (1, 2.5)]:
        with pytest.raises(Exception) as plain:
            add(store, *args)
        with pytest.raises(Exception) as through:
            add.bind(store)(*args)
        assert type(through.value) is type(plain.value)
        assert str(through.value) == str(plain.value)
        assert getattr(through.value, "__notes__", []) == getattr(plain.value, "__notes__", [])
    with raises(SignatureError, "too few parameters provided: given 0, expected 2"):
        add.bind(store)()
    with pytest.raises(Trap) as trapped:
        exports.func("trap").bind(store)()
    assert trapped.value.trap_code == TrapCode.UNREACHABLE


def test_keyword_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument"):
        bound("add")(1, b=2)  # type: ignore[call-arg]


def test_binding_to_another_store_is_refused() -> None:
    _, exports = instantiate(WAT)
    with raises(WrongStoreError, "this Func belongs to another store; pass the store that it was made in"):
        exports.func("add").bind(Store())


def test_binding_to_something_else_is_refused() -> None:
    _, exports = instantiate(WAT)
    with raises(TypeError, "expected a Store, Caller or StoreContext, got int"):
        exports.func("add").bind(1)  # type: ignore[arg-type]


def test_a_bound_function_keeps_its_store_alive() -> None:
    store, exports = instantiate(WAT)
    add = exports.func("add").bind(store)
    reference = weakref.ref(store)
    del store, exports
    gc.collect()
    assert add(1, 2) == 3
    assert reference() is add.store
    del add
    gc.collect()
    assert reference() is None


def test_a_cycle_through_a_bound_function_is_collected() -> None:
    class Holder:
        pass

    store = Store()
    holder: Any = Holder()
    func = host(store, lambda: holder)
    holder.bound = func.bind(store)
    references = [weakref.ref(store), weakref.ref(holder), weakref.ref(holder.bound)]
    del store, holder, func
    gc.collect()
    assert [reference() for reference in references] == [None] * 3


def test_a_bound_function_of_a_closed_store_says_so() -> None:
    add = bound("add")
    add.store.close()
    with raises(ClosedError, "this Store is already closed"):
        add(1, 2)


def test_a_bound_function_can_be_called_in_a_callback_of_its_store() -> None:
    store = Store()
    wat = '(module (import "" "h" (func $h (result i32))) (func (export "f") (result i32) (call $h)))'
    _, exports = instantiate(WAT, (), store)
    add = exports.func("add").bind(store)
    _, outer = instantiate(wat, [host(store, lambda: add(20, 22), "", "i")], store)
    assert outer.func("f").bind(store)() == 42


def test_a_function_bound_to_a_caller_outlives_the_callback() -> None:
    store = Store()
    made: list[BoundFunc] = []

    def callback(caller: Caller) -> int:
        g = caller["g"]
        assert isinstance(g, Func)
        made.append(g.bind(caller))
        return int(made[0]())

    wat = """(module (import "" "h" (func $h (result i32)))
      (func (export "f") (result i32) (call $h)) (func (export "g") (result i32) (i32.const 6)))"""
    _, exports = instantiate(wat, [host(store, callback, "", "i", access_caller=True)], store)
    assert exports.func("f")(store) == 6
    assert made[0]() == 6
    assert made[0].store is store


def test_a_bound_function_of_a_store_that_runs_on_another_thread_is_busy() -> None:
    store, exports = instantiate(WAT)
    inside, over = threading.Event(), threading.Event()

    def callback() -> None:
        inside.set()
        over.wait(20)

    func = host(store, callback).bind(store)
    thread = threading.Thread(target=func)
    thread.start()
    assert inside.wait(20)
    with pytest.raises(StoreBusyError):
        exports.func("add").bind(store)
    over.set()
    thread.join()
    assert exports.func("add").bind(store)(1, 2) == 3


def test_a_bound_function_tells_what_it_is() -> None:
    store, exports = instantiate(WAT)
    func = exports.func("add")
    add = func.bind(store)
    assert repr(add) == "<BoundFunc (func (param i32 i32) (result i32))>"
    assert add.func is func
    assert add.store is store


@pytest.mark.parametrize("copying", [pickle.dumps, copy.copy, copy.deepcopy])
def test_a_bound_function_cannot_be_copied(copying: Any) -> None:
    with pytest.raises(TypeError, match=r"cannot pickle 'ferrowasm.BoundFunc' object"):
        copying(bound("add"))


def test_a_bound_function_is_made_by_bind_only() -> None:
    with pytest.raises(TypeError):
        BoundFunc()


@pytest.mark.parametrize("gil", [None, "auto", "release", "hold"])
def test_a_policy_for_the_interpreter_lock_can_be_given(gil: Any) -> None:
    store, exports = instantiate(WAT)
    add = exports.func("add").bind(store, gil=gil)
    assert [add(n, n) for n in range(200)] == [2 * n for n in range(200)]


def test_an_unknown_policy_is_refused() -> None:
    store, exports = instantiate(WAT)
    with raises(ValueError, "unknown gil policy \"never\": expected 'auto', 'release' or 'hold'"):
        exports.func("add").bind(store, gil="never")  # type: ignore[arg-type]


def test_a_policy_that_could_deadlock_is_refused() -> None:
    store = Store(engine_with(shared_memory=True))
    _, exports = instantiate(WAT, (), store)
    with pytest.raises(WasmtimeError, match='gil = "hold" does not go with shared_memory'):
        exports.func("add").bind(store, gil="hold")
    assert exports.func("add").bind(store, gil="release")(1, 2) == 3
