"""`Caller`: the calling instance and its store, for as long as the callback runs."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support import func_type, host, instantiate, raises

from ferrowasm import Caller, ExpiredError, Func, Global, GlobalType, Linker, Memory, Module, Store, StoreBusyError, ValType

WAT = """(module (import "" "h" (func $h))
  (memory (export "memory") 1) (global (export "g") (mut i32) (i32.const 5)) (data (i32.const 0) "hello")
  (func (export "one") (result i32) (i32.const 1))
  (func (export "f") (call $h)))"""
EXPIRED = "this Caller has expired: it is valid only until the callback that received it returns"


def call_with(callback: Any, wat: str = WAT) -> Any:
    """Runs `callback(caller)` inside a call from WebAssembly."""
    store = Store()
    results: list[Any] = []
    func = host(store, lambda caller: results.append(callback(caller)), access_caller=True)
    instantiate(wat, [func], store)[1].func("f")(store)
    return results[0]


def test_a_caller_comes_first_when_it_is_asked_for() -> None:
    store = Store()
    seen: list[Any] = []
    func = host(store, lambda *args: seen.append(args), "i", access_caller=True)
    func(store, 7)
    assert len(seen[0]) == 2
    assert type(seen[0][0]) is Caller
    assert seen[0][1] == 7


def test_exports_of_the_calling_instance_are_found_by_name() -> None:
    def callback(caller: Caller) -> Any:
        memory = caller["memory"]
        assert type(memory) is Memory
        assert "memory" in caller
        return bytes(memory.read(caller, 0, 5))

    assert call_with(callback) == b"hello"


def test_an_unknown_export_is_a_key_error_and_none_for_get() -> None:
    def callback(caller: Caller) -> Any:
        with pytest.raises(KeyError) as caught:
            caller["nothing"]
        assert caught.value.args == ("nothing",)
        assert "nothing" not in caller
        return caller.get("nothing")

    assert call_with(callback) is None


def test_a_caller_serves_as_a_store() -> None:
    def callback(caller: Caller) -> Any:
        one = caller["one"]
        assert isinstance(one, Func)
        variable = caller["g"]
        assert isinstance(variable, Global)
        variable.set_value(caller, 6)
        made = Global(caller, GlobalType(ValType.i32(), False), 3)
        return one(caller), variable.value(caller), made.value(caller)

    assert call_with(callback) == (1, 6, 3)


def test_a_caller_in_a_call_from_the_host_has_no_exports() -> None:
    store = Store()
    seen: list[Any] = []
    host(store, lambda caller: seen.append((caller.get("memory"), "memory" in caller)), access_caller=True)(store)
    assert seen == [(None, False)]


def test_a_caller_expires_with_its_callback() -> None:
    caller = call_with(lambda caller: caller)
    assert repr(caller) == "<Caller (expired)>"
    assert caller.get("memory") is None
    for use in (
        lambda: caller["memory"],
        lambda: "memory" in caller,
        lambda: Func(caller, func_type(), print),
        lambda: Global(caller, GlobalType(ValType.i32(), False), 1),
    ):
        with raises(ExpiredError, EXPIRED):
            use()


def test_a_caller_expires_when_its_callback_raises() -> None:
    kept: list[Caller] = []

    def callback(caller: Caller) -> None:
        kept.append(caller)
        raise LookupError

    with pytest.raises(LookupError):
        call_with(callback)
    with raises(ExpiredError, EXPIRED):
        kept[0]["memory"]


def test_an_expired_caller_stays_expired_during_a_later_callback() -> None:
    store = Store()
    kept: list[Caller] = []
    errors: list[str] = []

    def callback(caller: Caller) -> None:
        kept.append(caller)
        if len(kept) == 2:
            with pytest.raises(ExpiredError) as caught:
                kept[0]["memory"]
            errors.append(str(caught.value))

    exports = instantiate(WAT, [host(store, callback, access_caller=True)], store)[1]
    exports.func("f")(store)
    exports.func("f")(store)
    assert errors == [EXPIRED]


def test_outer_and_inner_callers_both_work_at_any_depth() -> None:
    store = Store()
    callers: list[Caller] = []
    sizes: list[int] = []

    def callback(caller: Caller) -> None:
        callers.append(caller)
        if len(callers) < 5:
            func = caller["f"]
            assert isinstance(func, Func)
            func(callers[0])
        for one in callers:
            if repr(one) == "<Caller>":
                memory = one["memory"]
                assert isinstance(memory, Memory)
                sizes.append(memory.size(one))

    instantiate(WAT, [host(store, callback, access_caller=True)], store)[1].func("f")(store)
    # The innermost callback sees all five callers, the outermost only itself.
    assert sizes == [1] * (5 + 4 + 3 + 2 + 1)


def test_the_store_object_works_inside_callbacks_beside_the_caller() -> None:
    store = Store()
    seen: list[Any] = []

    def callback(caller: Caller) -> None:
        exports = box[0]
        seen.append((exports.global_("g").value(store), exports.global_("g").value(caller)))
        exports.global_("g").set_value(store, 8)
        seen.append(exports.global_("g").value(caller))

    box = [instantiate(WAT, [host(store, callback, access_caller=True)], store)[1]]
    box[0].func("f")(store)
    assert seen == [(5, 5), 8]


def test_a_caller_used_on_another_thread_is_a_busy_store() -> None:
    errors: list[BaseException] = []

    def callback(caller: Caller) -> None:
        def elsewhere() -> None:
            try:
                caller["memory"]
            except Exception as error:  # noqa: BLE001
                errors.append(error)

        thread = threading.Thread(target=elsewhere)
        thread.start()
        thread.join()

    call_with(callback)
    assert [type(error) for error in errors] == [StoreBusyError]
    assert str(errors[0]).startswith("the store is running on another thread")


def test_a_name_that_is_no_str_is_a_type_error() -> None:
    def callback(caller: Any) -> None:
        with pytest.raises(TypeError):
            caller[1]
        with pytest.raises(TypeError):
            caller.get(b"memory")

    call_with(callback)


def test_a_caller_cannot_be_made_by_hand() -> None:
    with raises(TypeError, "cannot create 'ferrowasm.Caller' instances"):
        Caller()


def test_linker_functions_get_a_caller_too() -> None:
    store = Store()
    linker = Linker(store.engine)
    seen: list[Any] = []

    def callback(caller: Caller) -> None:
        memory = caller["memory"]
        assert isinstance(memory, Memory)
        seen.append(bytes(memory.read(caller, 0, 5)))

    linker.define_func("", "h", func_type(), callback, access_caller=True)
    instance = linker.instantiate(store, Module(store.engine, WAT))
    instance.exports(store).func("f")(store)
    assert seen == [b"hello"]
