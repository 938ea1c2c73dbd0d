"""The package under test and how the suite configures its engine."""

from __future__ import annotations

import importlib
import os
from typing import Any

VARIABLE = "FERROWASM_SPEC_PACKAGE"
"""Environment variable that names another package of the same API to run."""

FEATURES = (
    "wasm_custom_page_sizes",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_reference_types",
    "wasm_relaxed_simd",
    "wasm_tail_call",
    "wasm_threads",
    "wasm_wide_arithmetic",
    "shared_memory",
)


class Package:
    """The imported package and its engines, which leave every switch but the features of WebAssembly at its default."""

    def __init__(self) -> None:
        self.name = os.environ.get(VARIABLE, "ferrowasm")
        self.api: Any = importlib.import_module(self.name)
        self._engines: dict[frozenset[str], Any] = {}

    def engine(self, without: frozenset[str] = frozenset()) -> Any:
        """An engine with all features on, apart from those named."""
        if without not in self._engines:
            config = self.api.Config()
            for feature in FEATURES:
                setattr(config, feature, feature not in without)
            self._engines[without] = self.api.Engine(config)
        return self._engines[without]

    def reference_classes(self, kind: str) -> tuple[type, ...]:
        """The classes whose instances are references of this kind (`ref.eq`, …)."""
        return tuple(getattr(self.api, name) for name in _REFERENCE_CLASSES[kind])


_REFERENCE_CLASSES = {
    "ref.any": ("AnyRef",),
    "ref.eq": ("EqRef",),
    "ref.i31": ("I31Ref",),
    "ref.i31_shared": ("I31Ref",),
    "ref.struct": ("StructRef",),
    "ref.array": ("ArrayRef",),
    "ref.func": ("Func",),
}
