"""`Config`: every switch with good and bad values, and what the switches do."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from .harness import Package, attempt, case, register
from .programs import ADD, engine_with, load, raised_by

#: Switches that take a `bool`; each is set to both values, and to values of other types.
BOOLS = (
    "cranelift_debug_verifier",
    "cranelift_nan_canonicalization",
    "consume_fuel",
    "debug_info",
    "gc_support",
    "macos_use_mach_ports",
    "memory_init_cow",
    "memory_may_move",
    "native_unwind_info",
    "parallel_compilation",
    "shared_memory",
    "signals_based_traps",
    "wasm_bulk_memory",
    "wasm_component_model",
    "wasm_component_model_map",
    "wasm_custom_page_sizes",
    "wasm_exceptions",
    "wasm_function_references",
    "wasm_gc",
    "wasm_memory64",
    "wasm_multi_memory",
    "wasm_multi_value",
    "wasm_reference_types",
    "wasm_relaxed_simd",
    "wasm_relaxed_simd_deterministic",
    "wasm_simd",
    "wasm_stack_switching",
    "wasm_tail_call",
    "wasm_threads",
    "wasm_wide_arithmetic",
)

#: Switches that take a number of bytes, with a sensible one.
SIZES = {
    "max_wasm_stack": 256 * 1024,
    "memory_guard_size": 1 << 20,
    "memory_reservation": 1 << 20,
    "memory_reservation_for_growth": 1 << 20,
}

#: For each proposal, a module that needs it.
PROPOSALS = {
    "wasm_bulk_memory": "(module (memory 1) (func (memory.fill (i32.const 0) (i32.const 0) (i32.const 0))))",
    "wasm_custom_page_sizes": "(module (memory 1 (pagesize 1)))",
    "wasm_exceptions": "(module (tag $e) (func (throw $e)))",
    "wasm_function_references": "(module (type $t (func)) (func (param (ref $t)) (call_ref $t (local.get 0))))",
    "wasm_gc": "(module (type $s (struct (field i32))) (func (result (ref $s)) (struct.new_default $s)))",
    "wasm_memory64": "(module (memory i64 1))",
    "wasm_multi_memory": "(module (memory 1) (memory 1))",
    "wasm_multi_value": "(module (func (result i32 i32) i32.const 1 i32.const 2))",
    "wasm_reference_types": "(module (func (result externref) (ref.null extern)))",
    "wasm_relaxed_simd": """
        (module (func (param v128 v128) (result v128) (i8x16.relaxed_swizzle (local.get 0) (local.get 1))))""",
    "wasm_simd": "(module (func (result v128) (v128.const i64x2 0 0)))",
    "wasm_tail_call": "(module (func $f (return_call $f)))",
    "wasm_threads": "(module (memory 1 1 shared))",
    "wasm_wide_arithmetic": """
        (module (func (param i64 i64 i64 i64) (result i64 i64)
          (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))""",
}

#: `f(n)` calls itself `n` times, and returns `n`.
RECURSES = """
(module (func $f (export "f") (param i32) (result i32)
  (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 0))
    (else (i32.add (i32.const 1) (call $f (i32.sub (local.get 0) (i32.const 1))))))))
"""

#: What a proposal that is switched off takes with it: these have to be off too.
DEPENDENTS = {
    "wasm_bulk_memory": ("wasm_reference_types", "wasm_function_references", "wasm_gc", "wasm_threads"),
    "wasm_simd": ("wasm_relaxed_simd",),
    "wasm_reference_types": ("wasm_function_references", "wasm_gc"),
    "wasm_function_references": ("wasm_gc",),
}


def _register_switches() -> None:
    for switch in BOOLS:
        register(f"{switch}_takes_both_bools", _sets(switch, True, False))
        register(f"{switch}_refuses_other_types", _sets(switch, 1, "yes", None))
    for switch, size in SIZES.items():
        register(f"{switch}_takes_an_int", _sets(switch, size))
        register(f"{switch}_refuses_other_types", _sets(switch, 1.5, "1", None))
        register(f"{switch}_refuses_a_negative_number", _sets_one(switch, -1, "-1"))
        register(f"{switch}_refuses_more_than_64_bits", _sets_one(switch, 1 << 64, "1 << 64"))
    for switch, wat in PROPOSALS.items():
        register(f"{switch}_decides_which_modules_are_valid", _decides(switch, wat))


def _sets(switch: str, *values: object) -> Callable[[Package], object]:
    def set_each(w: Package) -> object:
        return [attempt(partial(setattr, w.Config(), switch, value)) for value in values]

    return set_each


def _sets_one(switch: str, value: int, text: str) -> Callable[[Package], object]:
    def set_it(w: Package) -> object:
        return setattr(w.Config(), switch, value)  # type: ignore[func-returns-value]

    set_it.__doc__ = f"`config.{switch} = {text}`"
    return set_it


def _decides(switch: str, wat: str) -> Callable[[Package], object]:
    def validate_with_and_without(w: Package) -> object:
        binary = w.wat2wasm(wat)
        off = {switch: False} | dict.fromkeys(DEPENDENTS.get(switch, ()), False)
        engines = (engine_with(w, **{switch: True}), engine_with(w, **off))
        return [attempt(partial(w.Module.validate, engine, binary)) for engine in engines]

    return validate_with_and_without


_register_switches()


@case
def a_bool_is_a_size(w: Package) -> None:
    w.Config().memory_guard_size = True


@case
def a_zero_stack_is_refused(w: Package) -> object:
    """An engine with `config.max_wasm_stack = 0`"""
    return engine_with(w, max_wasm_stack=0)


@case
def epoch_interruption_takes_both_bools(w: Package) -> None:
    for value in (True, False):
        w.Config().epoch_interruption = value


@case
def epoch_interruption_refuses_a_str(w: Package) -> None:
    """`config.epoch_interruption = "yes"`"""
    w.Config().epoch_interruption = "yes"


@case
def strategy_takes_the_documented_names(w: Package) -> None:
    for value in ("auto", "cranelift"):
        w.Config().strategy = value


@case
def strategy_refuses_unknown_names(w: Package) -> None:
    w.Config().strategy = "magic"


@case
def strategy_refuses_other_types(w: Package) -> None:
    """`config.strategy = 5`"""
    w.Config().strategy = 5


@case
def opt_level_takes_the_documented_names(w: Package) -> None:
    for value in ("none", "speed", "speed_and_size"):
        w.Config().cranelift_opt_level = value


@case
def opt_level_refuses_unknown_names(w: Package) -> None:
    w.Config().cranelift_opt_level = "fastest"


@case
def opt_level_refuses_other_types(w: Package) -> None:
    """`config.cranelift_opt_level = 2`"""
    w.Config().cranelift_opt_level = 2


@case
def profiler_takes_the_documented_names(w: Package) -> None:
    for value in ("none", "jitdump", "vtune", "perfmap"):
        w.Config().profiler = value


@case
def profiler_refuses_unknown_names(w: Package) -> None:
    w.Config().profiler = "gprof"


@case
def cache_true_loads_the_default_configuration(w: Package) -> None:
    w.Config().cache = True


@case
def cache_false_is_refused(w: Package) -> None:
    w.Config().cache = False


@case
def cache_refuses_a_missing_file(w: Package, tmp: Path) -> None:
    w.Config().cache = str(tmp / "missing.toml")


@case
def cache_reads_the_given_file(w: Package, tmp: Path) -> object:
    file = tmp / "cache.toml"
    file.write_text(f'[cache]\ndirectory = "{tmp / "entries"}"\n')
    engine = engine_with(w, cache=str(file))
    w.Module(engine, ADD)
    return (tmp / "entries").is_dir()


@case
def cache_refuses_a_malformed_file(w: Package, tmp: Path) -> None:
    file = tmp / "cache.toml"
    file.write_text("[cache\n")
    w.Config().cache = str(file)


@case
def cache_refuses_other_types(w: Package) -> None:
    w.Config().cache = 5


@case
def target_takes_a_triple(w: Package) -> None:
    w.Config().target = "x86_64-unknown-linux-gnu"


@case
def target_refuses_nonsense(w: Package) -> None:
    w.Config().target = "not-a-triple"


@case
def target_refuses_other_types(w: Package) -> None:
    w.Config().target = 64


@case
def a_cross_target_engine_compiles(w: Package) -> object:
    engine = engine_with(w, target="pulley64")
    return [type(w.Module(engine, ADD).serialize()).__name__, engine.is_pulley()]


@case
def flags_can_be_set_and_enabled(w: Package) -> object:
    config = w.Config()
    config.cranelift_flag_set("regalloc_checker", "true")
    config.cranelift_flag_enable("enable_verifier")
    return w.Engine(config).is_pulley()


@case
def an_unknown_flag_is_refused(w: Package) -> object:
    """An engine with `config.cranelift_flag_enable("no_such_flag")`"""
    config = w.Config()
    config.cranelift_flag_enable("no_such_flag")
    return w.Engine(config)


@case
def a_bad_value_of_a_flag_is_refused(w: Package) -> object:
    """An engine with `config.cranelift_flag_set("opt_level", "fastest")`"""
    config = w.Config()
    config.cranelift_flag_set("opt_level", "fastest")
    return w.Engine(config)


@case
def a_flag_that_is_no_str_is_refused(w: Package) -> None:
    w.Config().cranelift_flag_enable(1)


@case
def a_flag_value_that_is_no_str_is_refused(w: Package) -> None:
    w.Config().cranelift_flag_set("opt_level", 2)


@case
def a_flag_key_that_is_no_str_is_refused(w: Package) -> None:
    w.Config().cranelift_flag_set(b"opt_level", "speed")


@case
def contradictory_proposals_are_refused(w: Package) -> object:
    """An engine with `wasm_relaxed_simd` but without `wasm_simd`"""
    return engine_with(w, wasm_simd=False, wasm_relaxed_simd=True)


@case
def gc_without_reference_types_makes_an_engine(w: Package) -> object:
    return engine_with(w, wasm_gc=True, wasm_reference_types=False, wasm_function_references=True)


@case
def switches_can_be_read(w: Package) -> object:
    """`config.consume_fuel = True; config.consume_fuel`"""
    config = w.Config()
    config.consume_fuel = True
    return config.consume_fuel


@case
def a_config_serves_one_engine_after_another(w: Package) -> object:
    """`Engine(config)` twice with the same `Config`"""
    config = w.Config()
    return [w.Engine(config).is_pulley(), w.Engine(config).is_pulley()]


@case
def an_unknown_attribute_is_refused(w: Package) -> None:
    """`config.no_such_switch = True`"""
    w.Config().no_such_switch = True


@case
def a_config_takes_no_arguments(w: Package) -> object:
    return w.Config(1)


@case
def nan_canonicalization_canonicalizes(w: Package) -> object:
    store = w.Store(engine_with(w, cranelift_nan_canonicalization=True))
    wat = """
        (module (func (export "f") (result i32)
          (i32.reinterpret_f32 (f32.add (f32.const nan:0x200001) (f32.const 1)))))"""
    exports = w.Instance(store, w.Module(store.engine, wat), []).exports(store)
    return exports["f"](store)


@case
def an_unoptimized_build_runs(w: Package) -> object:
    store = w.Store(engine_with(w, cranelift_opt_level="none", parallel_compilation=False))
    exports = w.Instance(store, w.Module(store.engine, ADD), []).exports(store)
    return exports["add"](store, 1, 2)


@case
def traps_work_without_signals(w: Package) -> object:
    store = w.Store(engine_with(w, signals_based_traps=False))
    wat = '(module (memory 1) (func (export "f") (result i32) (i32.load (i32.const 0x10000))))'
    exports = w.Instance(store, w.Module(store.engine, wat), []).exports(store)
    error: Any = raised_by(lambda: exports["f"](store))
    return [error.__class__, error.trap_code]


@case
def a_small_stack_overflows_sooner(w: Package) -> object:
    results = []
    for size in (16 * 1024, 512 * 1024):
        store = w.Store(engine_with(w, max_wasm_stack=size))
        f = w.Instance(store, w.Module(store.engine, RECURSES), []).exports(store)["f"]
        results.append(attempt(partial(f, store, 5000)))
    return results


@case
def the_default_engine_validates_the_standard_proposals(w: Package) -> object:
    engine = w.Engine()
    verdicts = {}
    for switch, wat in PROPOSALS.items():
        verdicts[switch] = attempt(partial(w.Module.validate, engine, w.wat2wasm(wat)))
    return verdicts


@case
def a_closed_config_is_refused(w: Package) -> object:
    config = w.Config()
    config.close()
    return w.Engine(config)


@case
def setting_a_closed_config_is_refused(w: Package) -> None:
    config = w.Config()
    config.close()
    config.consume_fuel = True


@case
def with_closes_it(w: Package) -> None:
    with w.Config() as config:
        config.consume_fuel = True
    config.consume_fuel = False


@case
def it_can_be_pickled(w: Package) -> object:
    """`pickle.loads(pickle.dumps(config))`"""
    return type(pickle.loads(pickle.dumps(w.Config()))).__name__


@case
def the_default_stack_holds_a_thousand_frames(w: Package) -> object:
    store, exports = load(w, RECURSES)
    return exports["f"](store, 1000)
