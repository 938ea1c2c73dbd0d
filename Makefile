# The two commands that matter are `make run` and `make test`. Both need only Rust and CPython >= 3.11: they create .venv, install the pinned
# tools, build the package as a wheel in release mode and install that wheel, so what runs is what users get, not the source tree.

PYTHON ?= python3

VENV := .venv
BIN := $(VENV)/bin
WHEELS := build/wheels
# Inside .venv, so that they are gone when it is.
STAMPS := $(VENV)/stamps

# How often each function of the library and of the engine ran in `benches/training.py` and in tests. The compiler optimises what ran much, and makes
# what never ran small. Where it does not fit (other versions than those of Cargo.lock and Rust 1.95, other platforms than x86-64 Linux),
# it changes nothing. cargo alone, without the variable below, builds without it, and everything anew.
RECORDED := crates/ferrowasm/ferrowasm.profdata.gz
PROFILE := target/ferrowasm.profdata

RUST_SOURCES := $(shell find crates -name '*.rs' -o -name 'Cargo.toml' 2>/dev/null)
PYTHON_SOURCES := $(shell find python -name '*.py' -o -name '*.pyi' -o -name 'py.typed' 2>/dev/null)
PACKAGE_SOURCES := $(PROFILE) Cargo.toml Cargo.lock pyproject.toml README.md LICENSE $(RUST_SOURCES) $(PYTHON_SOURCES)
TYPED_PATHS := python tests examples benches

# What maturin tells PyO3: without it, cargo alone would rebuild for itself what depends on PyO3, and maturin again after that.
export PYO3_PYTHON := $(CURDIR)/$(BIN)/python
export PYO3_BUILD_EXTENSION_MODULE := 1
export PYO3_ENVIRONMENT_SIGNATURE := $(shell $(PYTHON) -c \
    'import struct, sys; print("%s-%d.%d-%dbit" % (sys.implementation.name, *sys.version_info[:2], 8 * struct.calcsize("P")))')
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export CARGO_BUILD_RUSTFLAGS := -Cprofile-use=$(CURDIR)/$(PROFILE)
# Where rustup puts cargo; a shell that is not a login shell may not look there.
export PATH := $(PATH):$(HOME)/.cargo/bin

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test bench profile build venv lint rustfmt clippy types mypy pyright stubtest fuzz soak memcheck asan fuzz-coverage clean distclean

help:
	@echo 'make run    build, then run a WASI program compiled from C and call functions of a module from Python'
	@echo 'make test   build, then run every test, lint and type check; ARGS="-k name" passes options to pytest'
	@echo 'make bench  build, then measure against wasmtime-py, Rust and plain Python; ARGS="--no-large" leaves out what takes minutes'
	@echo 'make profile  record anew what the library is optimised for, after a change of the versions of the engine or of Rust'
	@echo 'make build  build the wheel and install it into $(VENV)'
	@echo 'make fuzz   fuzz every target for SECONDS (60), then random calls of the API; `make soak DURATION=600` mixed work, flat memory'
	@echo 'make asan   tests under AddressSanitizer, after a build of its own; `make fuzz-coverage` fuzzes with that build, led by coverage'
	@echo 'make lint   cargo fmt --check and cargo clippy'
	@echo 'make types  mypy --strict, pyright and stubtest'
	@echo 'make clean  remove what was built; `make distclean` removes $(VENV) and the Rust artefacts too'

run: build
	$(BIN)/python examples/run.py

# Formatting, lints and types are tests too (tests/checks), so that one summary says everything.
# The programs that tests use are built first: that takes longer than a test may.
test: build
	cargo build --release --locked -p component-new
	cargo build --release --locked -p wast-json
	$(BIN)/pytest $(ARGS)

# The figures go to build/bench.json and build/bench.svg.
# The binding and the bench of the engine are optimised at the link, each on one processor: so both at once.
bench: $(STAMPS)/bench $(PROFILE)
	cargo build --release --locked -p ferrowasm -p engine-bench --lib --bins
	$(MAKE) build
	$(BIN)/python -m benches --json build/bench.json --plot build/bench.svg $(ARGS)

$(PROFILE): $(RECORDED)
	mkdir -p $(@D)
	gzip --decompress --stdout $< > $@

# From a build of its own, whose functions count how often they run. `rustup component add llvm-tools` brings llvm-profdata.
HOST = $(shell rustc -vV | sed -n 's/^host: //p')
LLVM_PROFDATA = $(shell rustc --print sysroot)/lib/rustlib/$(HOST)/bin/llvm-profdata
COUNTING := target/profile
# Processes share files, and the tests, whose outcome does not matter here, start many.
COUNTED = PYTHONPATH=$(CURDIR)/$(COUNTING)/package LLVM_PROFILE_FILE=$(CURDIR)/$(COUNTING)/raw/%4m.profraw
# Not those that measure memory.
COUNTED_TESTS := tests/unit tests/component tests/spec tests/compat --ignore tests/unit/test_address_space.py --ignore tests/unit/test_compile_bombs.py

profile: $(STAMPS)/bench $(PROFILE)
	RUSTFLAGS=-Cprofile-generate=$(CURDIR)/$(COUNTING)/raw cargo build --release --locked -p ferrowasm --lib --target-dir $(COUNTING)
# Build scripts have counted as well.
	rm -rf $(COUNTING)/raw $(COUNTING)/package && mkdir -p $(COUNTING)/package
	cp -R python/ferrowasm $(COUNTING)/package/
	cp $(COUNTING)/release/lib_native.so $(COUNTING)/package/ferrowasm/_native.so
	$(COUNTED) $(BIN)/python -m benches.training
	-$(COUNTED) $(BIN)/pytest -q -p no:cacheprovider --timeout 1200 $(COUNTED_TESTS)
	$(LLVM_PROFDATA) merge -o $(COUNTING)/merged.profdata $(COUNTING)/raw
	gzip -9 --no-name --stdout $(COUNTING)/merged.profdata > $(RECORDED)
	rustc -vV | grep -E '^(release|host):' > $(RECORDED).txt
	sed -n '/^name = "wasmtime"$$/{n;s/version = "\(.*\)"/wasmtime: \1/p}' Cargo.lock >> $(RECORDED).txt

build: $(STAMPS)/installed

venv: $(STAMPS)/venv

$(STAMPS)/venv: requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	    echo 'ferrowasm needs CPython 3.11 or newer; name one with `make PYTHON=/path/to/python3.12 ...`' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-dev.txt
	@mkdir -p $(STAMPS)
	@touch $@

$(STAMPS)/bench: requirements-bench.txt $(STAMPS)/venv
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-bench.txt
	@touch $@

# `--locked`: what is built is what Cargo.lock pins.
$(STAMPS)/installed: $(STAMPS)/venv $(PACKAGE_SOURCES)
	rm -rf $(WHEELS)
	$(BIN)/maturin build --release --locked --interpreter $(PYO3_PYTHON) --out $(WHEELS)
	$(BIN)/python -m pip install --quiet --no-deps --no-index --force-reinstall $(WHEELS)/*.whl
	@touch $@

lint: rustfmt clippy

rustfmt:
	cargo fmt --all --check

# In the release profile, because build scripts and procedural macros are then shared with the build of the wheel.
clippy: | build
	cargo clippy --release --locked --workspace --all-targets -- --deny warnings

types: mypy pyright stubtest

mypy: | build
	$(BIN)/mypy $(TYPED_PATHS)

pyright: | build
	$(BIN)/basedpyright

stubtest: | build
	$(BIN)/python -m mypy.stubtest ferrowasm --mypy-config-file pyproject.toml --allowlist tests/typing/stubtest-allow.txt

# How long each target of `make fuzz` runs, in seconds, and how many random programs the stateful test tries.
SECONDS := 60
EXAMPLES := 500
# How long `make soak` works, in seconds.
DURATION := 600

fuzz: | build
	$(BIN)/python -m tests.fuzz.run --seconds $(SECONDS)
# As many programs as are asked for take as long as they take, on a busy machine more than a test may.
	FUZZ_EXAMPLES=$(EXAMPLES) $(BIN)/pytest -q -o faulthandler_timeout=0 tests/fuzz/test_stateful.py

soak: | build
	$(BIN)/python -m tests.soak.run --duration $(DURATION)

# The debugging allocators of Python and of the GNU C library, which fill and check what is around each allocation.
memcheck: | build
	PYTHONMALLOC=debug MALLOC_PERTURB_=165 GLIBC_TUNABLES=glibc.malloc.check=3 LD_PRELOAD=libc_malloc_debug.so.0 \
	    $(BIN)/python -X dev tests/fuzz/memcheck.py

# A build with AddressSanitizer, and with counters of coverage for the fuzzer, beside the usual one: some ten minutes on two processors that are idle.
# The stable compiler can do that, if it is told that it may. Linux only.
RUNTIME = $(shell rustc --print sysroot)/lib/rustlib/$(HOST)/lib/librustc-stable_rt.asan.a
SANITIZED := build/sanitized
SANITIZE := -Zsanitizer=address -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares
# Signals are how the engine traps; nothing that Python keeps until its end is a leak.
ASAN_OPTIONS := detect_leaks=0:handle_segv=0:handle_sigill=0:handle_sigfpe=0:allocator_may_return_null=1:detect_stack_use_after_return=0
# Not those that need less address space than the sanitizer has, or measure memory.
ASAN_TESTS := tests/unit tests/component --ignore tests/unit/test_address_space.py --ignore tests/unit/test_compile_bombs.py
ASAN_ENVIRONMENT = LD_PRELOAD=$(CURDIR)/$(SANITIZED)/preload.so ASAN_OPTIONS=$(ASAN_OPTIONS) PYTHONMALLOC=malloc PYTHONPATH=$(CURDIR)/$(SANITIZED)

$(SANITIZED)/done: $(STAMPS)/venv $(PACKAGE_SOURCES)
	RUSTC_BOOTSTRAP=1 RUSTFLAGS='$(SANITIZE)' CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
	    CARGO_PROFILE_RELEASE_OPT_LEVEL=1 CARGO_PROFILE_RELEASE_STRIP=none CARGO_PROFILE_RELEASE_DEBUG=line-tables-only \
	    cargo build --release --locked -p ferrowasm --target $(HOST) --target-dir target/sanitized
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)
	cp -R python/ferrowasm $(SANITIZED)/
	cp target/sanitized/$(HOST)/release/lib_native.so $(SANITIZED)/ferrowasm/_native.so
# The runtime as a library to be loaded first, without the part that only a program can have. It takes exception to the name libasan.so.
	cp $(RUNTIME) $(SANITIZED)/runtime.a
	ar d $(SANITIZED)/runtime.a $$(ar t $(SANITIZED)/runtime.a | grep preinit)
	$(CC) -shared -o $(SANITIZED)/preload.so -Wl,--whole-archive $(SANITIZED)/runtime.a -Wl,--no-whole-archive -lpthread -ldl -lm -lrt -lstdc++
	touch $@

asan: $(SANITIZED)/done | build
	$(ASAN_ENVIRONMENT) $(BIN)/python tests/fuzz/memcheck.py
	$(ASAN_ENVIRONMENT) $(BIN)/pytest -q -p no:cacheprovider --timeout 1200 $(ASAN_TESTS) $(ARGS)

# atheris is libFuzzer for Python.
$(STAMPS)/fuzz: requirements-fuzz.txt $(STAMPS)/venv
	$(BIN)/python -m pip install --quiet --no-deps --requirement requirements-fuzz.txt
	@touch $@

fuzz-coverage: $(SANITIZED)/done $(STAMPS)/fuzz | build
	PYTHONPATH=$(CURDIR)/$(SANITIZED) $(BIN)/python -m tests.fuzz.coverage --seconds $(SECONDS)

clean:
	rm -rf build .pytest_cache .mypy_cache .hypothesis

distclean: clean
	rm -rf $(VENV) target
