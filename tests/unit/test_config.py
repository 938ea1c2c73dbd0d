"""`Config`: every switch, its validation, and what an engine makes of it."""

from __future__ import annotations

import copy
import json
import pickle
import re
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import ferrowasm
from ferrowasm import ClosedError, Config, Engine, Instance, Module, Store, Trap, TrapCode, WasmtimeError

ROOT = Path(__file__).resolve().parents[2]
KNOWN = json.loads((Path(__file__).parent / "data" / "config_switches.json").read_text())
SWITCHES: dict[str, property] = {
    name: member for name, member in vars(Config).items() if isinstance(member, property)
}
NUMBER = re.compile(r"Accepts: int from (\d+) to (\d+)(.*?)\. Default: (.*)\.$")

#: Switches whose name here is not that of the engine's method: wasmtime-py's name, or one that fits a property.
RENAMED = {"relaxed_simd_deterministic": "wasm_relaxed_simd_deterministic"}

#: Switches that are ours, not the engine's.
OWN = {"gil", "interruptible", "max_function_complexity", "max_functions", "max_loop_nesting"}

#: Methods of the engine's `Config` that are not here, with the reason.
LEFT_OUT = {
    "async_support": "without effect in the engine",
    "cranelift_flag_enable": "a method here, too",
    "cranelift_flag_set": "a method here, too",
    "detect_host_feature": "takes a native function, and a wrong answer executes instructions that the CPU lacks",
    "emit_clif": "the engine panics when it cannot write a file",
    "enable_incremental_compilation": "takes a native object",
    "gc_zeal_alloc_counter": "for tests of the engine, not built in",
    "guest_debug": "not built in",
    "metadata_for_gc_heap_corruption": "on; without it a corrupt heap ends the process",
    "module_version": "would disable the check that serialized code comes from this version of the engine",
    "rr": "not built in",
    "wasm_features": "every proposal has a switch of its own",
    "wasm_legacy_exceptions": "the engine refuses it",
    "wasm_shared_everything_threads": "the engine fails assertions on modules that use it",
    "with_custom_code_memory": "takes a native object",
    "with_host_memory": "takes a native object",
    "with_host_stack": "takes a native object",
    "wmemcheck": "not built in",
    "x86_float_abi_ok": "for a target without an operating system",
}

#: The same for the engine's `PoolingAllocationConfig`.
POOLING_LEFT_OUT = {
    "max_memory_protection_keys": "as memory_protection_keys",
    "memory_protection_keys": "host code that reads another store's memory within a call would fault",
}


def module_runs(config: Config) -> bool:
    """Whether a small module, with a memory that grows, runs on an engine with this configuration."""
    engine = Engine(config)
    store = Store(engine)
    wat = '(module (memory 1 4) (func (export "f") (result i32) (memory.grow (i32.const 1))))'
    instance = Instance(store, Module(engine, wat), [])
    return bool(instance.exports(store)["f"](store) == 1)  # type: ignore[operator]


# The table of switches


def test_every_property_of_wasmtime_py_is_a_switch() -> None:
    assert len(KNOWN["wasmtime_py"]) == 40
    assert set(KNOWN["wasmtime_py"]) - set(SWITCHES) == set()


def test_every_method_of_the_engine_is_a_switch_or_left_out_with_a_reason() -> None:
    switches = set(SWITCHES) - {name for name in SWITCHES if name.startswith("pooling_")}
    engine = {RENAMED.get(name, name) for name in KNOWN["engine_config"]}
    assert len(engine) == 97
    assert engine - switches == set(LEFT_OUT)
    assert switches - engine == OWN


def test_every_setting_of_the_engines_pool_is_a_switch_or_left_out_with_a_reason() -> None:
    pooling = {name.removeprefix("pooling_") for name in SWITCHES if name.startswith("pooling_")}
    assert len(KNOWN["engine_pooling"]) == 23
    assert set(KNOWN["engine_pooling"]) - pooling == set(POOLING_LEFT_OUT)
    assert pooling - set(KNOWN["engine_pooling"]) == set()


def test_the_list_of_the_engines_methods_is_that_of_its_source() -> None:
    sources = list(Path.home().glob(f".cargo/registry/src/*/wasmtime-{ferrowasm.engine_version}/src/config.rs"))
    if not sources:
        pytest.skip("the source of the engine is not on this machine")
    source = sources[0].read_text()
    for kind, key in (("Config", "engine_config"), ("PoolingAllocationConfig", "engine_pooling")):
        start = source.index(f"\nimpl {kind} {{")
        body = source[start : source.index("\n}\n", start)]
        assert sorted(set(re.findall(r"\n    pub (?:unsafe )?fn (\w+)\(\s*&mut self", body))) == KNOWN[key]


def documented_rows() -> list[str]:
    """The rows of docs/switches.md as they have to be."""
    rows = []
    for name, member in SWITCHES.items():
        text, _, facts = (member.__doc__ or "").partition("\n\n")
        accepts, _, default = facts.removeprefix("Accepts: ").removesuffix(".").partition(". Default: ")
        rows.append(f"| `{name}` | {accepts} | `{default}` | {text} |")
    return rows


def test_the_documentation_lists_every_switch_as_it_is() -> None:
    page = (ROOT / "docs" / "switches.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| `")]
    assert rows == documented_rows()


# Reading, assigning, deleting


@pytest.mark.parametrize("name", SWITCHES)
def test_a_switch_has_the_default_that_its_docstring_tells(name: str) -> None:
    doc = SWITCHES[name].__doc__ or ""
    assert doc.endswith(f"Default: {getattr(Config(), name)!r}.")


BOOLEANS = [name for name in SWITCHES if isinstance(getattr(Config(), name), bool) and name != "cache"]


@pytest.mark.parametrize("name", BOOLEANS)
def test_a_bool_reads_back_and_returns_to_its_default(name: str) -> None:
    config = Config()
    default = getattr(config, name)
    setattr(config, name, not default)
    assert getattr(config, name) is (not default)
    delattr(config, name)
    assert getattr(config, name) is default


@pytest.mark.parametrize("value", [1, 0, "yes", None, 1.0])
@pytest.mark.parametrize("name", BOOLEANS)
def test_a_bool_takes_nothing_else(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"^expected a bool for {name}, got {type(value).__name__}$"):
        setattr(Config(), name, value)


@pytest.mark.parametrize("name", BOOLEANS)
def test_the_other_side_of_a_bool_makes_an_engine_or_a_specific_error(name: str) -> None:
    config = Config()
    setattr(config, name, not getattr(config, name))
    if name == "wasm_simd":
        message = "cannot disable the simd proposal but enable the relaxed simd proposal"
        with pytest.raises(WasmtimeError, match=f"^{message}$"):
            Engine(config)
    else:
        Engine(config)


NUMBERS = {name: match for name in SWITCHES if (match := NUMBER.search(SWITCHES[name].__doc__ or ""))}


def test_there_are_numbers_of_every_kind() -> None:
    assert len(NUMBERS) > 30
    assert {match[3] for match in NUMBERS.values()} == {"", ", or None", ", or None for off"}


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_takes_exactly_its_range(name: str) -> None:
    low, high = int(NUMBERS[name][1]), int(NUMBERS[name][2])
    config = Config()
    for value in (low, high):
        setattr(config, name, value)
        assert getattr(config, name) == value
    for value in {low - 1, high + 1} - {-1}:
        message = f"^{name} is out of range: expected an int from {low} to {high}, got {value}$"
        with pytest.raises(ValueError, match=message):
            setattr(config, name, value)
    assert getattr(config, name) == high


@pytest.mark.parametrize("value", [-1, 1 << 64])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_beyond_64_bits_does_not_wrap(name: str, value: int) -> None:
    with pytest.raises(OverflowError, match=f"^{name} is out of range: expected an int from 0 to {2**64 - 1}$"):
        setattr(Config(), name, value)


@pytest.mark.parametrize("value", ["1", 1.0, [1]])
@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_takes_ints_only(name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"^expected an int for {name}, got {type(value).__name__}$"):
        setattr(Config(), name, value)


@pytest.mark.parametrize("name", NUMBERS)
def test_none_is_taken_where_the_docstring_says_so(name: str) -> None:
    config = Config()
    if "None" in NUMBERS[name][3]:
        setattr(config, name, None)
        assert getattr(config, name) is None
    else:
        with pytest.raises(TypeError, match=f"^expected an int for {name}, got NoneType$"):
            setattr(config, name, None)


CHOICES = {
    name: re.findall(r'"(\w+)"', (member.__doc__ or "").rpartition("Accepts: ")[2])
    for name, member in SWITCHES.items()
    if "Accepts: \"" in (member.__doc__ or "")
}


def test_the_choices_are_those_of_the_engine() -> None:
    assert CHOICES == {
        "strategy": ["auto", "cranelift", "winch"],
        "cranelift_opt_level": ["speed", "speed_and_size", "none"],
        "cranelift_regalloc_algorithm": ["backtracking", "single_pass"],
        "compiler_inlining": ["no", "intrinsics", "inter_module", "inter_module_and_intra_gc", "yes"],
        "gil": ["auto", "release", "hold"],
        "profiler": ["none", "jitdump", "vtune", "perfmap"],
        "wasm_backtrace_details": ["environment", "enable", "disable"],
        "collector": ["auto", "deferred_reference_counting", "null", "copying"],
        "allocation_strategy": ["on_demand", "pooling"],
        "pooling_pagemap_scan": ["no", "auto", "yes"],
    }


@pytest.mark.parametrize(
    ("name", "value"),
    # The profilers write files, and the kernel may be too old for `pagemap_scan`.
    [(name, value) for name in CHOICES for value in CHOICES[name] if name not in ("profiler", "pooling_pagemap_scan")],
)
def test_a_module_runs_with_every_choice(name: str, value: str) -> None:
    config = Config()
    setattr(config, name, value)
    assert getattr(config, name) == value
    assert module_runs(config)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("strategy", "unknown strategy: nonsense (expected one of auto, cranelift, winch)"),
        ("profiler", "unknown profiler: nonsense (expected one of none, jitdump, vtune, perfmap)"),
        ("cranelift_opt_level", "unknown opt level: nonsense (expected one of speed, speed_and_size, none)"),
        ("target", 'unknown target triple "nonsense": Unrecognized architecture: nonsense'),
    ],
)
def test_an_unknown_name_is_refused_at_once(name: str, message: str) -> None:
    config = Config()
    with pytest.raises(WasmtimeError, match=f"^{re.escape(message)}$"):
        setattr(config, name, "nonsense")
    assert repr(config) == "Config()"


@pytest.mark.parametrize("name", [*CHOICES, "target"])
def test_a_name_is_a_str(name: str) -> None:
    with pytest.raises(TypeError, match=f"^expected a str for {name}, got int$"):
        setattr(Config(), name, 3)


def test_an_unknown_switch_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'wasm_smid'"):
        setattr(Config(), "wasm_smid", True)  # noqa: B010 (a typo that a type checker would find)


def test_keywords_are_switches() -> None:
    config = Config(consume_fuel=True, max_wasm_stack=1 << 20)
    assert (config.consume_fuel, config.max_wasm_stack) == (True, 1 << 20)
    with pytest.raises(TypeError, match=r"^Config\(\) got an unexpected keyword argument 'wasm_smid'$"):
        Config(wasm_smid=True)  # type: ignore[call-arg]
    with pytest.raises(TypeError, match="^expected a bool for consume_fuel, got int$"):
        Config(consume_fuel=1)  # type: ignore[arg-type]


# Files


def test_the_cache_is_read_when_it_is_assigned(tmp_path: Path) -> None:
    config = Config()
    with pytest.raises(WasmtimeError, match="^failed to read config file"):
        config.cache = str(tmp_path / "missing.toml")
    assert config.cache is False
    file = tmp_path / "cache.toml"
    file.write_text(f'[cache]\ndirectory = "{tmp_path / "cached"}"\n')
    config.cache = file
    assert config.cache == str(file)
    assert module_runs(config)
    assert any(path.is_file() for path in (tmp_path / "cached").rglob("*"))
    del config.cache
    assert repr(config.cache) == "False"


@pytest.mark.parametrize(
    ("value", "error", "message"),
    [
        (
            False,
            WasmtimeError,
            "caching cannot be explicitly disabled: it is off by default, and `del config.cache` turns it off again",
        ),
        (None, TypeError, "expected True or the path of a TOML file for cache, got NoneType"),
        (5, TypeError, "expected True or the path of a TOML file for cache, got int"),
    ],
)
def test_the_cache_takes_true_or_a_path(value: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        Config().cache = value  # type: ignore[assignment]


# Effects


def fuel_of(config: Config, wat: str) -> int:
    store = Store(Engine(config))
    store.set_fuel(1000)
    run = Instance(store, Module(store.engine, wat), []).exports(store)["f"]
    run(store)  # type: ignore[operator]
    return 1000 - store.get_fuel()


def test_operators_cost_what_was_set() -> None:
    wat = '(module (func (export "f") (drop (i32.mul (i32.const 2) (i32.const 3)))))'
    before = fuel_of(Config(consume_fuel=True), wat)
    costs = {"i32.mul": 100, "i32.const": 10}
    config = Config(consume_fuel=True, operator_cost=costs)
    assert config.operator_cost == costs
    assert fuel_of(config, wat) - before == 99 + 9 + 9


@pytest.mark.parametrize(
    ("costs", "error", "message"),
    [
        (
            {"i32.mull": 1},
            ValueError,
            'unknown operator "i32.mull" in operator_cost: expected a name of the text format, such as "i32.add"',
        ),
        ({"i32.add": 256}, OverflowError, "the cost of i32.add is out of range: expected an int from 0 to 255"),
        ({"i32.add": 1.0}, TypeError, "expected an int for the cost of i32.add, got float"),
        ({3: 1}, TypeError, "expected the names of operators as str in operator_cost, got int"),
        ([], TypeError, "expected a dict for operator_cost, got list"),
    ],
)
def test_operator_costs_are_checked(costs: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        Config().operator_cost = costs


@pytest.mark.parametrize(
    ("name", "wat"),
    [
        ("wasm_bulk_memory", "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))"),
        ("wasm_custom_page_sizes", "(module (memory 1 (pagesize 1)))"),
        ("wasm_exceptions", "(module (tag))"),
        ("wasm_extended_const", "(module (global i32 (i32.add (i32.const 1) (i32.const 2))))"),
        ("wasm_function_references", "(module (func (param (ref func))))"),
        ("wasm_gc", "(module (type (struct)))"),
        ("gc_support", "(module (func (param externref)))"),
        ("wasm_memory64", "(module (memory i64 1))"),
        ("wasm_multi_memory", "(module (memory 1) (memory 1))"),
        ("wasm_multi_value", "(module (func (result i32 i32) unreachable))"),
        ("wasm_reference_types", "(module (table 1 funcref) (table 1 funcref))"),
        ("wasm_relaxed_simd", "(module (func (param v128) (drop (i32x4.relaxed_trunc_f32x4_s (local.get 0)))))"),
        ("wasm_stack_switching", "(module (type $f (func)) (type (cont $f)))"),
        ("wasm_tail_call", "(module (func $f (return_call $f)))"),
        ("wasm_threads", "(module (memory 1 1 shared))"),
        ("wasm_wide_arithmetic", "(module (func (result i64 i64) (i64.mul_wide_u (i64.const 1) (i64.const 2))))"),
    ],
)
def test_a_proposal_is_as_its_switch_says_by_default_and_when_set(name: str, wat: str) -> None:
    def accepted(config: Config) -> bool:
        try:
            Module.validate(Engine(config), ferrowasm.wat2wasm(wat))
        except WasmtimeError:
            return False
        return True

    config = Config()
    assert accepted(config) is getattr(config, name)
    for value in (True, False):
        setattr(config, name, value)
        if name == "wasm_function_references" and not value:
            config.wasm_gc = False  # which contains the other proposal
        assert accepted(config) is value


def test_backtraces_are_as_long_as_allowed() -> None:
    wat = """(module (func $f (export "f") (param i32)
      (if (local.get 0) (then (call $f (i32.sub (local.get 0) (i32.const 1)))))
      unreachable))"""

    def frames(config: Config) -> int:
        store = Store(Engine(config))
        run = Instance(store, Module(store.engine, wat), []).exports(store)["f"]
        with pytest.raises(Trap) as caught:
            run(store, 50)  # type: ignore[operator]
        assert caught.value.trap_code is TrapCode.UNREACHABLE
        return len(caught.value.frames)

    assert frames(Config()) == 20
    assert frames(Config(wasm_backtrace_max_frames=3)) == 3
    assert frames(Config(wasm_backtrace_max_frames=None)) == 0
    assert frames(Config(wasm_backtrace=False)) == 0


def test_a_pool_holds_as_many_instances_as_it_was_made_for() -> None:
    config = Config(allocation_strategy="pooling", pooling_total_core_instances=2, pooling_total_memories=2)
    engine = Engine(config)
    module = Module(engine, "(module (memory 1))")
    store = Store(engine)
    instances = [Instance(store, module, []) for _ in range(2)]
    assert len(instances) == 2
    with pytest.raises(WasmtimeError, match="maximum concurrent limit of 2"):
        Instance(store, module, [])


@pytest.mark.parametrize("stack", [1 << 12, 1 << 20, 1 << 26])
def test_recursion_traps_at_the_stack_limit(stack: int) -> None:
    store = Store(Engine(Config(max_wasm_stack=stack)))
    wat = '(module (func $f (export "f") (call $f)))'
    run = Instance(store, Module(store.engine, wat), []).exports(store)["f"]
    with pytest.raises(Trap) as caught:
        run(store)  # type: ignore[operator]
    assert caught.value.trap_code is TrapCode.STACK_OVERFLOW


# Contradictions


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"async_stack_size": 1 << 20, "max_wasm_stack": 1 << 20},
            "async_stack_size (1048576) is too small for max_wasm_stack (1048576): expected at least 1572864, "
            "which leaves 524288 bytes for host functions",
        ),
        (
            {"wasm_simd": False, "wasm_relaxed_simd": True},
            "cannot disable the simd proposal but enable the relaxed simd proposal",
        ),
        (
            {"debug_info": True, "debug_symbols": False},
            "cannot enable native debug info while debug symbols are disabled",
        ),
        ({"strategy": "winch", "wasm_gc": True}, "the wasm_gc feature is not supported on this compiler configuration"),
        ({"concurrency_support": False, "wasm_component_model_async": True},
         "concurrency support must be enabled to use the component model async or threading features"),
        (
            {"pooling_total_memories": 5},
            'pooling_total_memories has no effect: it needs allocation_strategy = "pooling"',
        ),
        ({"allocation_strategy": "pooling", "memory_reservation": 1 << 20},
         "maximum memory size of 0x100000000 bytes exceeds the configured memory reservation of 0x100000 bytes"),
        ({"target": "sparc-unknown-linux"}, "Support for this target has not been implemented yet"),
        ({"target": "unknown-unknown"}, "failed to retrieve target pointer width"),
    ],
)
def test_a_contradiction_is_an_error_of_the_engine_and_can_be_repaired(settings: dict[str, Any], message: str) -> None:
    config = Config(**settings)
    with pytest.raises(WasmtimeError, match=f"^{re.escape(message)}"):
        Engine(config)
    for name in settings:
        delattr(config, name)
    assert module_runs(config)


def test_memory_that_no_address_space_holds_is_an_error_of_the_instance() -> None:
    with pytest.raises(WasmtimeError, match="mmap failed to reserve"):
        module_runs(Config(memory_reservation=1 << 47, memory_guard_size=1 << 47))


def test_an_engine_without_a_compiler_says_so() -> None:
    engine = Engine(Config(enable_compiler=False, strategy="winch", cranelift_opt_level="none"))
    with pytest.raises(WasmtimeError, match="^Engine was not configured with a compiler$"):
        Module(engine, "(module)")


# Flags of Cranelift


def test_flags_reach_the_compiler() -> None:
    config = Config()
    config.cranelift_flag_set("opt_level", "none")
    config.cranelift_flag_enable("enable_verifier")
    assert config.cranelift_flags == {"opt_level": "none", "enable_verifier": None}
    assert module_runs(config)
    config.cranelift_flag_set("opt_level", "banana")
    with pytest.raises(WasmtimeError, match="expected any among none, speed, speed_and_size$"):
        Engine(config)


def test_an_unknown_cpu_feature_is_an_error_of_the_engine() -> None:
    config = Config()
    config.cranelift_flag_enable("has_banana")
    with pytest.raises(WasmtimeError, match="^No existing setting named 'has_banana'$"):
        Engine(config)


@pytest.mark.parametrize("flag", ["probestack_size_log2", "enable_pinned_reg", "bb_padding_log2_minus_one", "nonsense"])
def test_flags_on_which_memory_safety_rests_are_refused(flag: str) -> None:
    config = Config()
    message = f'^Cranelift flag "{flag}" is unknown or not safe to set: '
    with pytest.raises(WasmtimeError, match=message):
        config.cranelift_flag_set(flag, "1")
    with pytest.raises(WasmtimeError, match=message):
        config.cranelift_flag_enable(flag)
    assert config.cranelift_flags == {}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda config: config.cranelift_flag_enable(3), "expected a str for flag, got int"),
        (lambda config: config.cranelift_flag_set(3, "x"), "expected a str for key, got int"),
        (lambda config: config.cranelift_flag_set("x", 3), "expected a str for value, got int"),
    ],
)
def test_flags_are_strings(call: Callable[[Any], None], message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        call(Config())


# The object


def test_a_config_stays_usable_after_an_engine_was_made_from_it() -> None:
    config = Config(consume_fuel=True)
    first = Store(Engine(config))
    config.consume_fuel = False
    second = Store(Engine(config))
    first.set_fuel(1)
    with pytest.raises(WasmtimeError, match="fuel is not configured"):
        second.set_fuel(1)


def test_repr_shows_what_was_set() -> None:
    assert repr(Config()) == "Config()"
    config = Config(consume_fuel=True, strategy="winch", gc_heap_reservation=None)
    config.cranelift_flag_enable("has_sse3")
    assert repr(config) == (
        "Config(strategy='winch', consume_fuel=True, gc_heap_reservation=None, cranelift_flags={'has_sse3': None})"
    )


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda config: pickle.loads(pickle.dumps(config))])
def test_copies_and_pickles_hold_what_was_set_and_are_independent(duplicate: Callable[[Config], Config]) -> None:
    config = Config(consume_fuel=True, operator_cost={"i32.add": 2}, target="x86_64-unknown-linux-gnu")
    config.cranelift_flag_set("opt_level", "none")
    other = duplicate(config)
    assert repr(other) == repr(config)
    other.consume_fuel = False
    config.close()
    assert other.consume_fuel is False


class Named(Config):
    def __init__(self, name: str) -> None:
        super().__init__(consume_fuel=True)
        self.name = name


def test_a_subclass_keeps_its_class_and_attributes_when_copied() -> None:
    other = copy.copy(Named("a"))
    assert (type(other), other.name, other.consume_fuel) == (Named, "a", True)


def test_a_closed_config_is_refused_everywhere() -> None:
    with Config() as config:
        engine = Engine(config)
    config.close()
    assert repr(config) == "<Config (closed)>"
    assert module_runs(Config()) and not engine.is_pulley()
    for use in (
        lambda: config.consume_fuel,
        lambda: setattr(config, "consume_fuel", True),
        lambda: delattr(config, "consume_fuel"),
        lambda: config.cranelift_flag_enable("has_sse3"),
        lambda: config.cranelift_flags,
        lambda: copy.copy(config),
        lambda: Engine(config),
    ):
        with pytest.raises(ClosedError, match="^this Config is already closed$"):
            use()


def test_a_config_without_init_is_refused() -> None:
    config = Config.__new__(Config)
    with pytest.raises(ClosedError, match="^this Config was never initialised: its __init__ has not run$"):
        Engine(config)


def test_a_second_init_is_refused() -> None:
    config = Config(consume_fuel=True)
    with pytest.raises(RuntimeError, match="^this Config is initialised already$"):
        config.__init__()  # type: ignore[misc]
    assert config.consume_fuel is True


def test_a_property_refuses_other_objects() -> None:
    getter = SWITCHES["consume_fuel"].fget
    assert getter is not None
    with pytest.raises(TypeError, match="^expected a Config, got int$"):
        getter(3)


def test_configs_can_be_weakly_referenced() -> None:
    config = Config()
    reference = weakref.ref(config)
    assert reference() is config
    del config
    assert reference() is None
