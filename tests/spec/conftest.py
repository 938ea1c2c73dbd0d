"""One test for each script; a table of what they found at the end of the run."""

from __future__ import annotations

import pytest

from .package import Package
from .report import Report
from .suite import Script, scripts

REPORT = pytest.StashKey[Report]()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "script" in metafunc.fixturenames:
        metafunc.parametrize("script", scripts(), ids=lambda script: script.id)


@pytest.fixture(scope="session")
def package() -> Package:
    return Package()


@pytest.fixture(scope="session")
def report(pytestconfig: pytest.Config) -> Report:
    return pytestconfig.stash.setdefault(REPORT, Report())


@pytest.fixture(scope="session")
def all_scripts() -> list[Script]:
    return scripts()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    report = config.stash.get(REPORT, None)
    if report is not None and report.scripts:
        terminalreporter.section("WebAssembly test suite")
        for line in report.lines():
            terminalreporter.write_line(line)
