"""A published package that carries a component, and runs it with `wasmtime.component`, runs on this one, unmodified.

`arcjet` analyses requests: bots, e-mail addresses, personal data, filters, fingerprints. Its results on wasmtime-py and
here are compared.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wasmtime
import wasmtime.component

import ferrowasm
import ferrowasm.component

REQUEST = json.dumps(
    {
        "ip": "127.0.0.1",
        "method": "GET",
        "protocol": "http:",
        "host": "example.com",
        "path": "/a",
        "headers": {"user-agent": "curl/8.1.2"},
        "cookies": "",
        "query": "",
    }
)


@dataclass(frozen=True)
class Loaded:
    """`arcjet._analyze` on one of the two packages, and its component, which takes a while to compile."""

    analyze: Any
    component: Any


def load(patch: pytest.MonkeyPatch, package: ModuleType) -> Loaded:
    """Loads `arcjet._analyze` with this package under the name `wasmtime`.

    `arcjet` itself is not imported: it wants the client libraries of a service.
    """
    for name in [name for name in sys.modules if name.partition(".")[0] == "arcjet"]:
        patch.delitem(sys.modules, name)
    component: Any = getattr(package, "component")
    patch.setitem(sys.modules, "wasmtime", package)
    patch.setitem(sys.modules, "wasmtime.component", component)
    private = component if package is ferrowasm else wasmtime.component._types
    patch.setitem(sys.modules, "wasmtime.component._types", private)
    spec = find_spec("arcjet")
    assert spec is not None and spec.submodule_search_locations is not None
    parent = ModuleType("arcjet")
    parent.__path__ = list(spec.submodule_search_locations)
    patch.setitem(sys.modules, "arcjet", parent)
    analyze: Any = importlib.import_module("arcjet._analyze")
    [wasm] = Path(analyze.__file__).parent.glob("wasm/*.component.wasm")
    return Loaded(analyze, analyze.AnalyzeComponent(str(wasm)))


def loaded(package: ModuleType) -> Iterator[Loaded]:
    with pytest.MonkeyPatch.context() as patch:
        made = load(patch, package)
    with made.component:
        yield made


@pytest.fixture(scope="module")
def theirs() -> Iterator[Loaded]:
    yield from loaded(wasmtime)


@pytest.fixture(scope="module")
def ours() -> Iterator[Loaded]:
    yield from loaded(ferrowasm)


def bots(analyze: Any, component: Any) -> object:
    return [
        component.detect_bot(REQUEST, analyze.DeniedBotConfig(["CURL"], False)),
        component.detect_bot(REQUEST, analyze.AllowedBotConfig(["CURL"], True)),
        component.detect_bot("not a request", analyze.AllowedBotConfig([], True)),
    ]


def addresses(analyze: Any, component: Any) -> object:
    config = analyze.DenyEmailValidationConfig(True, False, ["INVALID", "FREE", "NO_MX_RECORDS"])
    return [component.is_valid_email(address, config) for address in ("a@example.com", "nobody", "a@b", "ü@gmail.com")]


def personal_data(analyze: Any, component: Any) -> object:
    denied = analyze.SensitiveInfoEntitiesDeny(
        [analyze.SensitiveInfoEntityEmail(), analyze.SensitiveInfoEntityCustom("secret")]
    )
    text = "write to someone@example.com or call 555-123-4567, the secret is 42"

    def detect(tokens: list[str]) -> list[object]:
        return [analyze.SensitiveInfoEntityCustom("secret") if token == "secret" else None for token in tokens]

    return [
        component.detect_sensitive_info(text, analyze.SensitiveInfoConfig(denied, None, True)),
        component.detect_sensitive_info(text, analyze.SensitiveInfoConfig(denied, 1, False), detect),
    ]


def filters(_analyze: Any, component: Any) -> object:
    expressions = ['http.request.method eq "GET"', 'http.host eq "example.org"']
    return [
        component.match_filters(REQUEST, "{}", expressions, True),
        component.match_filters(REQUEST, "{}", ["this is no expression"], False),
    ]


def fingerprints(_analyze: Any, component: Any) -> object:
    return [
        component.generate_fingerprint(REQUEST, ['http.host', 'http.request.headers["user-agent"]']),
        component.validate_characteristics(REQUEST, ["src.ip"]),
        component.validate_characteristics(REQUEST, ["nonsense("]),
    ]


# The first test compiles the component twice.
@pytest.mark.timeout(600)
@pytest.mark.parametrize("use", [bots, addresses, personal_data, filters, fingerprints])
def test_results_are_those_of_wasmtime_py(theirs: Loaded, ours: Loaded, use: Callable[[Any, Any], object]) -> None:
    wanted = repr(use(theirs.analyze, theirs.component))
    assert "(" in wanted, "something was analysed"
    assert repr(use(ours.analyze, ours.component)) == wanted


def test_an_exception_of_a_callback_comes_out(ours: Loaded) -> None:
    error = LookupError("from the callback")

    def fail(_tokens: list[str]) -> list[object]:
        raise error

    denied = ours.analyze.SensitiveInfoEntitiesDeny([ours.analyze.SensitiveInfoEntityEmail()])
    config = ours.analyze.SensitiveInfoConfig(denied, None, False)
    with pytest.raises(LookupError) as caught:
        ours.component.detect_sensitive_info("a b", config, fail)
    assert caught.value is error
