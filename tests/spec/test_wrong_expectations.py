"""Scripts whose expectations were made wrong, one bit or one kind at a time: not a single assertion may pass."""

from __future__ import annotations

import copy

import pytest

from .package import Package
from .runner import ScriptRunner, Status, Verdict
from .suite import Script
from .values import Value

NOT_A_RESULT: Value = {"type": "i32", "value": 0}

SCRIPTS = (
    "gc/array.wast",
    "gc/extern.wast",
    "gc/i31.wast",
    "gc/struct.wast",
    "relaxed-simd/relaxed_min_max.wast",
    "simd/simd_conversions.wast",
    "simd/simd_f32x4_arith.wast",
    "simd/simd_lane.wast",
    "wasm-v3/conversions.wast",
    "wasm-v3/float_misc.wast",
    "wasm-v3/i64.wast",
    "wasm-v3/table.wast",
    "wasm-v3/ref_null.wast",
)


def falsified(pattern: Value) -> Value:
    """A pattern as near to the given one as can be that a right result does not match."""
    wrong = copy.deepcopy(pattern)
    match wrong["type"]:
        case "v128":
            wrong["lanes"][-1] = falsified(wrong["lanes"][-1])
        case "either":
            wrong["values"] = [falsified(choice) for choice in wrong["values"]]
        case "f32" | "f64" if "nan" in wrong:
            # A signalling NaN, which is neither canonical nor arithmetic.
            return {"type": wrong["type"], "bits": 0x7F80_0001 if wrong["type"] == "f32" else 0x7FF0_0000_0000_0001}
        case "f32" | "f64":
            wrong["bits"] ^= 1
        case "i8" | "i16" | "i32" | "i64":
            wrong["value"] ^= 1
        case "ref.extern" | "ref.host" if wrong["value"] is not None:
            wrong["value"] += 1
        case "ref.null":
            return {"type": "ref.func"}
        case _:
            return {"type": "ref.null", "heap": None}
    return wrong


def wrongly_expected(script: Script, package: Package) -> list[Verdict]:
    runner = ScriptRunner(package)
    verdicts: list[Verdict] = []
    for command in script.commands():
        is_result = command["type"] == "assert_return"
        if is_result:
            *right, last = command["expected"] or [None]
            command["expected"] = [*right, falsified(last) if last else NOT_A_RESULT]
        verdict = runner.run(command)
        if is_result:
            verdicts.append(verdict)
    return verdicts


def result_types(scripts: list[Script]) -> set[str]:
    commands = (command for script in scripts for command in script.commands())
    return {pattern["type"] for command in commands for pattern in command.get("expected", [])}


def test_the_chosen_scripts_expect_every_type_of_result(all_scripts: list[Script]) -> None:
    assert result_types([script for script in all_scripts if script.id in SCRIPTS]) == result_types(all_scripts)


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_assertion_passes_when_its_expectation_is_wrong(
    name: str, all_scripts: list[Script], package: Package
) -> None:
    (script,) = (script for script in all_scripts if script.id == name)
    verdicts = wrongly_expected(script, package)
    assert verdicts
    assert [verdict for verdict in verdicts if verdict.status is not Status.FAILED] == []
