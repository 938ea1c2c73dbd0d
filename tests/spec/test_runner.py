"""The runner itself: it passes what is right, and what is wrong does not slip through."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import pytest

from . import bits, known, traps
from .package import Package
from .report import Report, pass_ratio
from .runner import ScriptRunner, Status, Verdict
from .suite import Command, Group, Script
from .values import Value, describe, float_matches, v128_matches

QUIET_F32, SIGNALLING_F32 = 0x7FC0_0000, 0x7FA0_0000


@pytest.fixture
def runner(package: Package) -> ScriptRunner:
    return ScriptRunner(package)


def module(package: Package, text: str) -> dict[str, str]:
    return {"binary": base64.b64encode(package.api.wat2wasm(text)).decode()}


def quoted(text: str) -> dict[str, str]:
    return {"text": base64.b64encode(text.encode()).decode()}


def invoke(name: str, *args: Value) -> Command:
    return {"type": "invoke", "id": None, "name": name, "args": list(args)}


def i32(value: int) -> Value:
    return {"type": "i32", "value": value}


def run(runner: ScriptRunner, type_: str, **members: Any) -> Verdict:
    return runner.run({"type": type_, "line": 7, **members})


@pytest.fixture
def loaded(runner: ScriptRunner, package: Package) -> ScriptRunner:
    text = """
    (module
      (tag $tag)
      (func (export "inc") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
      (func (export "div") (param i32) (result i32) (i32.div_s (i32.const 1) (local.get 0)))
      (func (export "pair") (result i32 i32) (i32.const 1) (i32.const 2))
      (func $forever (export "forever") (call $forever))
      (func (export "throw") (throw $tag)))
    """
    assert run(runner, "module", id=None, module=module(package, text)).status is Status.PASSED
    return runner


def test_a_right_result_passes(loaded: ScriptRunner) -> None:
    verdict = run(loaded, "assert_return", action=invoke("inc", i32(41)), expected=[i32(42)])
    assert verdict == Verdict(7, "assert_return", Status.PASSED)


def test_a_wrong_result_fails_and_says_what_came(loaded: ScriptRunner) -> None:
    verdict = run(loaded, "assert_return", action=invoke("inc", i32(41)), expected=[i32(43)])
    assert verdict == Verdict(7, "assert_return", Status.FAILED, "expected (i32.const 43), got 42")


@pytest.mark.parametrize("expected", [[], [i32(1)], [i32(1), i32(2), i32(3)], [i32(2), i32(1)]])
def test_results_that_differ_in_number_or_order_fail(loaded: ScriptRunner, expected: list[Value]) -> None:
    assert run(loaded, "assert_return", action=invoke("pair"), expected=expected).status is Status.FAILED


def test_a_trap_passes_only_for_its_own_reason(loaded: ScriptRunner) -> None:
    action = invoke("div", i32(0))
    assert run(loaded, "assert_trap", action=action, text="integer divide by zero").status is Status.PASSED
    verdict = run(loaded, "assert_trap", action=action, text="integer overflow")
    assert verdict.status is Status.FAILED
    assert verdict.detail.startswith("expected the trap INTEGER_OVERFLOW, got Trap INTEGER_DIVISION_BY_ZERO")


def test_a_call_that_returns_is_not_a_trap(loaded: ScriptRunner) -> None:
    verdict = run(loaded, "assert_trap", action=invoke("div", i32(1)), text="integer divide by zero")
    assert (verdict.status, verdict.detail) == (Status.FAILED, "expected the trap INTEGER_DIVISION_BY_ZERO, got 1")


def test_a_trap_text_without_a_code_fails(loaded: ScriptRunner) -> None:
    verdict = run(loaded, "assert_trap", action=invoke("div", i32(0)), text="anything")
    assert (verdict.status, verdict.detail) == (Status.FAILED, "no trap code is known for the text 'anything'")


def test_exhaustion_is_a_stack_overflow(loaded: ScriptRunner) -> None:
    text = "call stack exhausted"
    assert run(loaded, "assert_exhaustion", action=invoke("forever"), text=text).status is Status.PASSED
    assert run(loaded, "assert_exhaustion", action=invoke("div", i32(0)), text=text).status is Status.FAILED


def test_an_uncaught_exception_is_told_apart_from_a_trap(loaded: ScriptRunner) -> None:
    assert run(loaded, "assert_exception", action=invoke("throw")).status is Status.PASSED
    assert run(loaded, "assert_exception", action=invoke("div", i32(0))).status is Status.FAILED
    assert run(loaded, "assert_exception", action=invoke("pair")).status is Status.FAILED


def test_a_valid_module_is_neither_invalid_nor_malformed_nor_unlinkable(runner: ScriptRunner) -> None:
    for assertion in ("assert_invalid", "assert_malformed", "assert_unlinkable"):
        assert run(runner, assertion, module=quoted("(module)"), text="any").status is Status.FAILED


def test_broken_modules_are_refused(runner: ScriptRunner) -> None:
    invalid = quoted("(module (func (result i32)))")
    assert run(runner, "assert_invalid", module=invalid, text="type mismatch").status is Status.PASSED
    assert run(runner, "assert_malformed", module=quoted("(modul)"), text="unexpected token").status is Status.PASSED
    unlinkable = quoted('(module (import "nowhere" "f" (func)))')
    assert run(runner, "assert_unlinkable", module=unlinkable, text="unknown import").status is Status.PASSED
    assert run(runner, "assert_unlinkable", module=unlinkable, text="incompatible import").status is Status.FAILED


def test_a_module_refused_for_want_of_a_feature_does_not_count_as_invalid(package: Package) -> None:
    runner = ScriptRunner(package, without=frozenset({"wasm_tail_call"}))
    command = {"module": quoted("(module (func $f (return_call $f)))"), "text": "type mismatch"}
    verdict = run(runner, "assert_invalid", **command)
    assert verdict.status is Status.FAILED
    assert verdict.detail.startswith("refused for want of a feature, not for 'type mismatch': WasmtimeError")


def test_an_unsupported_command_is_skipped_with_its_reason(runner: ScriptRunner) -> None:
    verdict = run(runner, "unsupported", directive="assert_suspension", reason="not here")
    assert verdict == Verdict(7, "assert_suspension", Status.SKIPPED, "not here")


def test_a_command_after_a_failed_module_fails(loaded: ScriptRunner) -> None:
    assert run(loaded, "module", id=None, module=quoted("(module (func (result i32)))")).status is Status.FAILED
    verdict = run(loaded, "assert_return", action=invoke("inc", i32(41)), expected=[i32(42)])
    assert (verdict.status, verdict.detail) == (Status.FAILED, "there is no instance so far")


@pytest.mark.parametrize(
    "pattern", [0, 1, 0x8000_0000, 0x3F80_0000, 0x7F80_0000, QUIET_F32, SIGNALLING_F32, 0xFF80_0001]
)
def test_an_f32_keeps_its_bits_as_a_float(pattern: int) -> None:
    assert bits.f32_to_bits(bits.f32_from_bits(pattern)) == pattern


@pytest.mark.parametrize("value", [0.1, 1e300, bits.f64_from_bits(0x7FF8_0000_0000_0001)])
def test_a_float_that_no_f32_has_is_not_taken_for_one(value: float) -> None:
    assert bits.f32_to_bits(value) is None


@pytest.mark.parametrize(
    ("pattern", "actual", "match"),
    [
        ({"type": "f32", "nan": "canonical"}, QUIET_F32, True),
        ({"type": "f32", "nan": "canonical"}, QUIET_F32 | 1 << 31, True),
        ({"type": "f32", "nan": "canonical"}, QUIET_F32 | 1, False),
        ({"type": "f32", "nan": "arithmetic"}, QUIET_F32 | 1, True),
        ({"type": "f32", "nan": "arithmetic"}, SIGNALLING_F32, False),
        ({"type": "f32", "nan": "arithmetic"}, 0x7F80_0000, False),
        ({"type": "f32", "bits": SIGNALLING_F32}, SIGNALLING_F32, True),
        ({"type": "f32", "bits": SIGNALLING_F32}, SIGNALLING_F32 | 1 << 22, False),
        ({"type": "f32", "bits": 0}, 1 << 31, False),
        ({"type": "f64", "nan": "canonical"}, 0x7FF8_0000_0000_0000, True),
        ({"type": "f64", "nan": "canonical"}, 0x7FF8_0000_0000_0001, False),
        ({"type": "f64", "nan": "arithmetic"}, 0x7FF4_0000_0000_0000, False),
        ({"type": "f64", "bits": 0}, None, False),
    ],
)
def test_floats_are_compared_by_their_bits(pattern: Value, actual: int | None, match: bool) -> None:
    assert float_matches(pattern, actual) is match


def test_v128_is_compared_lane_by_lane() -> None:
    lanes = [{"type": "f32", "nan": "canonical"}, *({"type": "f32", "bits": lane} for lane in (1, 2, 3))]
    pattern = {"type": "v128", "shape": "f32x4", "lanes": lanes}
    assert v128_matches(pattern, struct.pack("<4I", QUIET_F32, 1, 2, 3))
    assert not v128_matches(pattern, struct.pack("<4I", QUIET_F32, 1, 2, 4))
    assert not v128_matches(pattern, struct.pack("<4I", QUIET_F32 | 1, 1, 2, 3))
    assert describe(pattern) == "(v128.const f32x4 nan:canonical 0x1 0x2 0x3)"


def test_v128_puts_lane_0_first_and_wraps_negative_lanes() -> None:
    lanes = [{"type": "i16", "value": value} for value in (-1, 1, 2, 3, 4, 5, 6, 7)]
    assert bits.v128_from_lanes("i16x8", lanes) == bytes.fromhex("ffff0100020003000400050006000700")


def test_every_trap_code_that_a_text_stands_for_exists(package: Package) -> None:
    names = {code.name for code in package.api.TrapCode}
    assert set().union(*traps.CODES.values()) <= names


def test_only_assertions_count_and_explained_failures_are_kept_apart() -> None:
    report = Report()
    script = Script(suite="simd", name="made_up.wast", path=Path("made_up.json"))
    verdicts = [
        Verdict(1, "module", Status.PASSED),
        Verdict(2, "assert_return", Status.PASSED),
        Verdict(3, "assert_return", Status.FAILED, "wrong"),
        Verdict(4, "assert_trap", Status.EXPLAINED, "as it should"),
        Verdict(5, "assert_suspension", Status.SKIPPED, "not here"),
    ]
    report.add(script, verdicts)
    total = report.group(Group.STANDARD)
    assert total == dict.fromkeys(Status, 1)
    assert pass_ratio(total) == 0.25
    assert dict(report.reasons) == {"skipped: not here": 1, "explained: as it should": 1}


def test_an_explanation_covers_a_failure_and_goes_stale_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "FAILURES", (known.Known("simd/made_up.wast", frozenset({2, 3}), "as it should"),))
    failed = [Verdict(line, "assert_return", Status.FAILED, "wrong") for line in (1, 2)]
    passed = Verdict(3, "assert_return", Status.PASSED)
    assert list(known.explain("simd/made_up.wast", [*failed, passed])) == [
        failed[0],
        Verdict(2, "assert_return", Status.EXPLAINED, "as it should"),
        Verdict(3, "assert_return", Status.FAILED, "passed, but listed in known.py"),
    ]
    assert list(known.explain("simd/other.wast", failed)) == failed
