"""A published component for JavaScript runs here as it is: the one of the npm package `@arcjet/redact-wasm`.

It finds personal data in a text, and asks the host about words and replacements. `data/arcjet-redact-wasm-1.4.0` has
the component as published, with its license (Apache 2.0). What both packages can do is tested on wasmtime-py as well.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import wasmtime
import wasmtime.component

import ferrowasm
import ferrowasm.component

WASM = Path(__file__).parent / "data" / "arcjet-redact-wasm-1.4.0" / "arcjet_analyze_bindings_redact.component.wasm"

TEXT = "ask someone@example.com or 555-123-4567 from 10.1.2.3, card 4111 1111 1111 1111, the secret is ünknown"

EMAIL = ("someone@example.com", "<Redacted email #0>", 4, 23, "email", None)

#: Text, replacement, start, end, kind, and the name of a custom kind.
Found = tuple[str, str, int, int, str, object]


class Redactor:
    """An instance of the component, on one of the two packages."""

    def __init__(
        self,
        package: ModuleType,
        detect: Callable[[list[str]], list[Any]] | None = None,
        replace: Callable[[Any, str], str | None] | None = None,
    ) -> None:
        self.component: Any = getattr(package, "component")
        self.custom = (detect is not None, replace is not None)
        engine = package.Engine()
        self.store = package.Store(engine)
        linker = self.component.Linker(engine)
        with linker.root() as root, root.add_instance("arcjet:redact/custom-redact") as host:
            host.add_func("detect-sensitive-info", lambda _, *args: (detect or unexpected)(*args))
            host.add_func("redact-sensitive-info", lambda _, *args: (replace or unexpected)(*args))
        self.instance = linker.instantiate(self.store, self.component.Component.from_file(engine, str(WASM)))

    def redact(self, text: str, entities: list[Any] | None = None, window: int | None = None) -> list[Found]:
        options = self.component.Record()
        fields = {
            "entities": entities,
            "context-window-size": window,
            "skip-custom-detect": not self.custom[0],
            "skip-custom-redact": not self.custom[1],
        }
        for name, value in fields.items():
            setattr(options, name, value)
        redact = self.instance.get_func(self.store, "redact")
        found = redact(self.store, text, options)
        redact.post_return(self.store)
        return [plain(entity) for entity in found]


def unexpected(*_args: object) -> Any:
    raise AssertionError("the component was told not to ask")


def plain(entity: Any) -> Found:
    kind = getattr(entity, "identified-type")
    return entity.original, entity.redacted, entity.start, entity.end, kind.tag, kind.payload


packages = pytest.mark.parametrize("package", [ferrowasm, wasmtime], ids=["ferrowasm", "wasmtime"])


@packages
def test_personal_data_is_found_and_replaced(package: ModuleType) -> None:
    assert Redactor(package).redact(TEXT) == [
        EMAIL,
        ("555-123-4567", "<Redacted phone number #1>", 27, 39, "phone-number", None),
        ("10.1.2.3", "<Redacted IP address #2>", 45, 53, "ip-address", None),
        ("4111 1111 1111 1111", "<Redacted credit card number #3>", 60, 79, "credit-card-number", None),
    ]


@packages
def test_only_the_wanted_kinds_are_found(package: ModuleType) -> None:
    redactor = Redactor(package)
    assert redactor.redact(TEXT, [redactor.component.Variant("email")]) == [EMAIL]
    assert redactor.redact(TEXT, []) == []


@packages
def test_the_host_is_asked_about_words_and_replacements(package: ModuleType) -> None:
    variant = getattr(package, "component").Variant
    windows: list[list[str]] = []

    def detect(tokens: list[str]) -> list[Any]:
        windows.append(tokens)
        return [variant("custom", "wörd") if token == "secret" else None for token in tokens]

    def replace(kind: Any, text: str) -> str | None:
        return None if kind.tag == "email" else f"[{kind.tag} {kind.payload} {text[::-1]}]"

    found = Redactor(package, detect, replace).redact(TEXT, window=3)
    assert windows[:2] == [["ask", "someone@example.com", "or"], ["someone@example.com", "or", "555-123-4567"]]
    assert {len(window) for window in windows} == {3}
    assert found == [
        EMAIL,
        ("555-123-4567", "[phone-number None 7654-321-555]", 27, 39, "phone-number", None),
        ("10.1.2.3", "[ip-address None 3.2.1.01]", 45, 53, "ip-address", None),
        ("4111 1111 1111 1111", "[credit-card-number None 1111 1111 1111 1114]", 60, 79, "credit-card-number", None),
        ("secret", "[custom wörd terces]", 85, 91, "custom", "wörd"),
    ]


@packages
def test_an_exception_of_the_host_comes_out(package: ModuleType) -> None:
    error = LookupError("from the host")

    def fail(_tokens: list[str]) -> list[Any]:
        raise error

    with pytest.raises(LookupError) as caught:
        Redactor(package, fail).redact(TEXT)
    assert caught.value is error


def test_a_replacement_of_another_type_is_refused_by_what_it_should_be() -> None:
    wrong: Any = b"bytes"
    with pytest.raises(TypeError, match="^result: expected a str for string, got bytes$"):
        Redactor(ferrowasm, None, lambda _kind, _text: wrong).redact(TEXT)
