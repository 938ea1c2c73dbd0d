"""What many of the tests need: short ways to types and instances."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from ferrowasm import Config, Engine, Func, FuncType, Instance, InstanceExports, Module, Store, ValType

TYPES = {
    "i": ValType.i32(),
    "I": ValType.i64(),
    "f": ValType.f32(),
    "F": ValType.f64(),
    "v": ValType.v128(),
    "e": ValType.externref(),
    "r": ValType.funcref(),
    "a": ValType.anyref(),
    "x": ValType.exnref(),
}


def func_type(params: str = "", results: str = "") -> FuncType:
    """`func_type("iI", "f")` takes an i32 and an i64 and gives an f32."""
    return FuncType([TYPES[letter] for letter in params], [TYPES[letter] for letter in results])


def instantiate(wat: str, imports: Iterable[Any] = (), store: Store | None = None) -> tuple[Store, InstanceExports]:
    """A store and the exports of a new instance in it."""
    store = store if store is not None else Store()
    instance = Instance(store, Module(store.engine, wat), list(imports))
    return store, instance.exports(store)


def engine_with(**settings: Any) -> Engine:
    """An engine whose configuration has these attributes."""
    config = Config()
    for name, value in settings.items():
        setattr(config, name, value)
    return Engine(config)


def host(store: Store, callback: Any, params: str = "", results: str = "", *, access_caller: bool = False) -> Func:
    return Func(store, func_type(params, results), callback, access_caller)


@contextlib.contextmanager
def raises(error: type[BaseException], message: str) -> Iterator[pytest.ExceptionInfo[BaseException]]:
    """The block has to raise exactly this class with exactly this message; notes of the exception may say more."""
    with pytest.raises(error) as caught:
        yield caught
    assert type(caught.value) is error
    assert str(caught.value) == message


#: How late an interruption may come on a loaded machine, in seconds.
LATE = 2.0


class Stop(BaseException):
    """What handlers of signals raise."""


def stop() -> None:
    raise Stop


#: Sets a handler of SIGALRM, and in how many seconds the signal comes.
Arrange = Callable[[Callable[[], Any], float], None]


def check_that_a_signal_ends(call: Callable[[], Any], on_alarm: Arrange) -> None:
    """What a handler of a signal raises has to come out of the call, soon and as the same object."""
    error = Stop()

    def handler() -> None:
        raise error

    on_alarm(handler, 0.05)
    start = time.monotonic()
    with pytest.raises(Stop) as caught:
        call()
    assert caught.value is error
    assert time.monotonic() - start < LATE
