"""WASI preview 1: arguments and environment."""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest
from wasi_support import Guest

from ferrowasm import WasiConfig


def test_argv_arrives_in_order() -> None:
    assert Guest(WasiConfig(argv=["prog", "", "ü", "a b"])).strings("args") == ["prog", "", "ü", "a b"]


def test_argv_takes_any_iterable_and_gives_a_list() -> None:
    config = WasiConfig()
    assert config.argv == []
    config.argv = (word for word in ("a", "b"))
    assert config.argv == ["a", "b"]
    config.argv = ("c",)
    assert config.argv == ["c"]


@pytest.mark.parametrize(
    ("argv", "error", "message"),
    [
        ("abc", TypeError, "expected an iterable of str for argv, got str"),
        (b"abc", TypeError, "expected an iterable of str for argv, got bytes"),
        ([1], TypeError, "expected a str for an item of argv, got int"),
        (["a\0b"], ValueError, 'an item of argv contains a NUL character: "a\\0b"'),
        (5, TypeError, "'int' object is not iterable"),
    ],
)
def test_bad_argv_is_refused_and_changes_nothing(argv: Any, error: type[Exception], message: str) -> None:
    config = WasiConfig(argv=["kept"])
    with pytest.raises(error) as info:
        config.argv = argv
    assert str(info.value) == message
    assert config.argv == ["kept"]


def test_argv_with_surrogates_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        WasiConfig(argv=["\ud800"])


def test_inherited_argv_is_the_whole_command_line() -> None:
    config = WasiConfig(argv=["x"])
    config.inherit_argv()
    assert config.argv == sys.orig_argv


def test_env_takes_a_mapping_or_pairs() -> None:
    config = WasiConfig(env={"A": "1", "B": "x=y"})
    assert config.env == {"A": "1", "B": "x=y"}
    assert Guest(config).strings("environ") == ["A=1", "B=x=y"]
    config.env = [("C", "2"), ["D", ""]]
    assert Guest(config).strings("environ") == ["C=2", "D="]


def test_of_two_values_for_a_name_the_last_counts() -> None:
    assert Guest(WasiConfig(env=[("A", "1"), ("B", "2"), ("A", "3")])).strings("environ") == ["A=3", "B=2"]


@pytest.mark.parametrize(
    ("env", "error", "message"),
    [
        (["ab"], TypeError, "expected a pair of name and value in env, got str"),
        ("ab", TypeError, "expected a mapping or an iterable of pairs for env, got str"),
        ([("a", "b", "c")], ValueError, "expected pairs of name and value in env, got 3 items"),
        ({"a": 1}, TypeError, "expected a str for a value in env, got int"),
        ({1: "a"}, TypeError, "expected a str for a name in env, got int"),
        ({"a=": "b"}, ValueError, 'a name in env must not be empty and must not contain "=": "a="'),
        ({"": "b"}, ValueError, 'a name in env must not be empty and must not contain "=": ""'),
        ({"a": "b\0"}, ValueError, 'a value in env contains a NUL character: "b\\0"'),
    ],
)
def test_bad_env_is_refused(env: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as info:
        WasiConfig(env=env)
    assert str(info.value) == message


def test_inherited_env_is_there_and_explicit_values_take_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FERROWASM_A", "process")
    monkeypatch.setenv("FERROWASM_B", "process")
    config = WasiConfig(env={"FERROWASM_B": "explicit", "FERROWASM_C": "explicit"})
    config.inherit_env()
    seen = dict(pair.split("=", 1) for pair in Guest(config).strings("environ"))
    assert seen == {**os.environ, "FERROWASM_B": "explicit", "FERROWASM_C": "explicit"} == config.env


def test_inherited_env_that_is_not_utf8_arrives_with_replacement_characters() -> None:
    assert os.environb is not None
    os.environb[b"FERROWASM_BYTES"] = b"a\xff"
    try:
        config = WasiConfig()
        config.inherit_env()
        assert config.env["FERROWASM_BYTES"] == "a\ufffd"
    finally:
        del os.environb[b"FERROWASM_BYTES"]
