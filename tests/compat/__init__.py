"""One body of cases, run on `ferrowasm` and on the PyPI package `wasmtime`, and compared."""
