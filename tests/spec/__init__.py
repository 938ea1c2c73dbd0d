"""The official WebAssembly test suite, run through the public Python API."""
