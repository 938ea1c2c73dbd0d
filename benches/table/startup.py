"""What a program pays before it does anything."""

from __future__ import annotations

from collections.abc import Iterator

from ..measuring import process
from ..row import Row, of_theirs

IMPORT = "import time; begin = time.perf_counter(); import {package}; print(time.perf_counter() - begin)"


def rows() -> Iterator[Row]:
    yield Row(
        "import the package",
        ours=process(IMPORT.format(package="ferrowasm")),
        theirs=process(IMPORT.format(package="wasmtime")),
        targets=(of_theirs(0.25),),
    )
