"""The scripts of the official test suite, and the share of them that has to pass."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from . import known, runner
from .package import Package
from .report import Report, pass_ratio
from .runner import Status, Verdict
from .suite import SUITES, Group, Script

REQUIRED_RATIO = 0.995


def test_every_command_does_what_the_script_says(script: Script, package: Package, report: Report) -> None:
    verdicts = list(known.explain(script.id, run(script, package)))
    report.add(script, verdicts)
    failures = [
        f"line {verdict.line}: {verdict.directive}: {verdict.detail}"
        for verdict in verdicts
        if verdict.status is Status.FAILED
    ]
    assert not failures, f"{len(failures)} commands failed:\n" + "\n".join(failures)


def run(script: Script, package: Package) -> Iterable[Verdict]:
    reason = known.SKIPPED_SUITES.get(script.suite)
    if reason is None:
        return runner.run(script, package)
    skipped = (Verdict(command["line"], command["type"], Status.SKIPPED, reason) for command in script.commands())
    return [verdict for verdict in skipped if verdict.is_assertion]


def test_the_explained_list_names_only_commands_that_exist(all_scripts: list[Script]) -> None:
    assert known.SKIPPED_SUITES.keys() <= SUITES.keys()
    lines = {script.id: {command["line"] for command in script.commands()} for script in all_scripts}
    assert all(entry.lines <= lines[entry.script] for entry in known.FAILURES)


def test_the_suite_is_as_large_as_the_published_one(all_scripts: list[Script]) -> None:
    standard = [script for script in all_scripts if script.group is Group.STANDARD]
    assertions = sum(command["type"].startswith("assert_") for script in standard for command in script.commands())
    assert len(all_scripts) == 351
    assert (len(standard), assertions) == (247, 55_749)


def test_nearly_all_assertions_of_3_0_pass(all_scripts: list[Script], report: Report) -> None:
    if report.done() != {script.id for script in all_scripts}:
        pytest.skip("only part of the suite was run, so its share says nothing")
    assert pass_ratio(report.group(Group.STANDARD)) >= REQUIRED_RATIO
