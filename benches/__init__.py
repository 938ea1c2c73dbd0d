"""The benchmarks: `make bench`, or `python -m benches` where ferrowasm is installed.

Each row of the table is an operation, measured in ferrowasm, in the PyPI package `wasmtime`, in Rust with the same engine (`crates/engine-bench`),
and in plain Python where that is the limit. A round measures every subject of every row once, so that what disturbs the machine disturbs all of them;
the figures are medians over the rounds.

To add a row, yield another `Row` from a module in `benches/table`; a new module is listed in `benches/table/__init__.py`.
"""
