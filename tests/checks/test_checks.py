"""The formatting, lints and types of the repository, by the targets of the Makefile; `make lint` and `make types` run them alone."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

# Those of a `make` that runs this.
OUTER_MAKE = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "MAKEOVERRIDES"}


def check(target: str) -> None:
    """Run a target of the Makefile as if the package were built: what is tested is what is installed."""
    environment = {name: value for name, value in os.environ.items() if name not in OUTER_MAKE}
    finished = subprocess.run(
        ["make", "--no-print-directory", "--assume-old=build", target],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert finished.returncode == 0, f"make {target}:\n{finished.stdout}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("checker", ["mypy", "pyright"])
def test_the_package_the_tests_and_the_examples_have_right_types(checker: str) -> None:
    check(checker)


def test_the_files_that_may_be_unsafe_are_those_that_the_documentation_names() -> None:
    sources = ROOT / "crates/ferrowasm/src"
    design = (ROOT / "docs/design.md").read_text(encoding="utf-8")
    fenced = [path for path in sources.rglob("*.rs") if "allow(unsafe_code)" in path.read_text(encoding="utf-8")]
    assert fenced
    named = [str(path.relative_to(sources)) for path in fenced]
    assert [name for name in named if f"`{name}`" not in design] == []


def test_files_that_the_documentation_names_are_there() -> None:
    files = {str(path.relative_to(ROOT)) for folder in ("crates", "tests") for path in (ROOT / folder).rglob("*")}
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        named = re.findall(r"`([a-z0-9_/]+\.rs|(?:[a-z0-9_]+/)*test_[a-z0-9_]+\.py)`", page.read_text(encoding="utf-8"))
        missing = [name for name in named if not any(f"/{file}".endswith(f"/{name}") for file in files)]
        assert missing == [], page.name


@pytest.mark.skipif(shutil.which("cargo-fmt") is None, reason="rustfmt is not installed (rustup component add rustfmt)")
def test_the_rust_code_is_formatted() -> None:
    check("rustfmt")


# The first run checks all dependencies, which takes minutes.
@pytest.mark.timeout(1800)
@pytest.mark.skipif(shutil.which("cargo-clippy") is None, reason="clippy is not installed (rustup component add clippy)")
def test_clippy_has_nothing_to_say() -> None:
    check("clippy")
