"""`Func.map`: functions applied to whole arrays."""

from __future__ import annotations

import _thread
import array
import math
import threading
import time
from typing import Any

import numpy
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import engine_with, func_type, host, instantiate, raises

from ferrowasm import ClosedError, Engine, Func, InstanceExports, Store, Trap, TrapCode, WasmtimeError, WrongStoreError

WAT = """(module
  (func (export "scale") (param f64) (result f64) (f64.add (f64.mul (local.get 0) (f64.const 1.5)) (f64.const 0.25)))
  (func (export "add32") (param i32 i32) (result i32) (i32.add (local.get 0) (local.get 1)))
  (func (export "add64") (param i64 i64) (result i64) (i64.add (local.get 0) (local.get 1)))
  (func (export "half") (param f32) (result f32) (f32.mul (local.get 0) (f32.const 0.5)))
  (func (export "mixed") (param i32 f64 i64 f32) (result f64)
    (f64.add (f64.add (f64.convert_i32_s (local.get 0)) (local.get 1)) (f64.add (f64.convert_i64_s (local.get 2)) (f64.promote_f32 (local.get 3)))))
  (func (export "divide") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))
  (func (export "positive") (param f64) (result i32) (f64.gt (local.get 0) (f64.const 0)))
  (global $sum (export "sum") (mut i64) (i64.const 0))
  (func (export "count") (param i64) (global.set $sum (i64.add (global.get $sum) (local.get 0))))
  (func (export "spin") (param i32) (result i32) (loop $l (br $l)) (unreachable))
  (func (export "pair") (param i32) (result i32 i32) (local.get 0) (local.get 0))
  (func (export "none") (result i32) (i32.const 1))
  (func (export "vector") (param v128) (result v128) (local.get 0))
  (func (export "reference") (param externref)))"""


def make(engine: Engine | None = None) -> tuple[Store, InstanceExports]:
    return instantiate(WAT, (), Store(engine))


STORE, EXPORTS = make()


def function(name: str) -> Func:
    return EXPORTS.func(name)


# --- results ----------------------------------------------------------------------------------------------------------------


# Around the size of a chunk: 64 KiB for all columns.
@pytest.mark.parametrize("count", [0, 1, 2, 4094, 4095, 4096, 4097, 8190, 100_000])
def test_every_element_is_mapped(count: int) -> None:
    values = numpy.linspace(-5, 5, count)
    result = function("scale").map(STORE, values)
    assert isinstance(result, numpy.ndarray)
    assert result.dtype == numpy.float64
    assert numpy.array_equal(result, values * 1.5 + 0.25)


@pytest.mark.parametrize(("name", "dtype", "code"), [("add32", "int32", "i"), ("add64", "int64", "q")])
def test_integers_wrap_as_in_webassembly(name: str, dtype: str, code: str) -> None:
    info = numpy.iinfo(dtype)
    left = numpy.array([1, info.max, info.min, -1], dtype)
    right = numpy.array([2, 1, -1, -1], dtype)
    result = function(name).map(STORE, left, right)
    assert result.dtype == dtype
    assert result.tolist() == [3, info.min, info.max, -2]
    assert function(name).map(STORE, array.array(code, left), array.array(code, right)) == array.array(code, result)
    unsigned = left.view(dtype.replace("int", "uint"))
    assert numpy.array_equal(function(name).map(STORE, unsigned, right), result)


def test_single_precision_stays_single() -> None:
    values = numpy.array([1.1, -3.0, math.inf], numpy.float32)
    result = function("half").map(STORE, values)
    assert result.dtype == numpy.float32
    assert numpy.array_equal(result, values * numpy.float32(0.5))


def test_columns_of_different_types_and_sizes_are_kept_apart() -> None:
    count = 10_000
    columns = [numpy.arange(count, dtype=dtype) for dtype in ("int32", "float64", "int64", "float32")]
    assert numpy.array_equal(function("mixed").map(STORE, *columns), 4.0 * numpy.arange(count))


def test_numbers_are_used_for_every_element() -> None:
    values = numpy.arange(10_000, dtype=numpy.int32)
    assert numpy.array_equal(function("add32").map(STORE, values, 7), values + 7)
    assert numpy.array_equal(function("add32").map(STORE, numpy.int32(-1), values), values - 1)
    assert numpy.array_equal(function("add32").map(STORE, values, numpy.array(5)), values + 5)
    ones = numpy.ones(3)
    assert function("mixed").map(STORE, 1, ones, 2**40, 0.5).tolist() == [2**40 + 2.5] * 3


def test_without_numpy_arrays_the_result_is_an_array() -> None:
    result = function("positive").map(STORE, array.array("d", [1.0, -1.0, math.nan]))
    assert isinstance(result, array.array)
    assert (result.typecode, result.tolist()) == ("i", [1, 0, 0])


def test_a_function_without_a_result_gives_none() -> None:
    store, exports = make()
    assert exports.func("count").map(store, numpy.arange(1000, dtype=numpy.int64)) is None
    assert exports.global_("sum").value(store) == 499_500


def test_shapes_are_kept_and_layouts_do_not_matter() -> None:
    values = numpy.arange(24, dtype=numpy.float64).reshape(2, 3, 4)
    expected = values * 1.5 + 0.25
    assert numpy.array_equal(function("scale").map(STORE, values), expected)
    assert numpy.array_equal(function("scale").map(STORE, values.T), expected.T)
    assert numpy.array_equal(function("scale").map(STORE, values[:, ::-2, 1:3]), expected[:, ::-2, 1:3])
    assert numpy.array_equal(function("scale").map(STORE, numpy.asfortranarray(values)), expected)


def test_arrays_that_are_not_aligned_are_read() -> None:
    packed = numpy.zeros(5, dtype=[("tag", "u1"), ("value", "f8")])
    packed["value"] = range(5)
    assert function("scale").map(STORE, packed["value"]).tolist() == [0.25, 1.75, 3.25, 4.75, 6.25]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(-(2**31), 2**31 - 1), st.integers(-(2**31), 2**31 - 1)), max_size=50))
def test_map_gives_what_single_calls_give(pairs: list[tuple[int, int]]) -> None:
    left, right = array.array("i", [a for a, _ in pairs]), array.array("i", [b for _, b in pairs])
    assert function("add32").map(STORE, left, right).tolist() == [function("add32")(STORE, a, b) for a, b in pairs]


# --- out --------------------------------------------------------------------------------------------------------------------


def test_results_go_into_out() -> None:
    values = numpy.arange(5000.0)
    out = numpy.zeros(5000)
    assert function("scale").map(STORE, values, out=out) is out
    assert numpy.array_equal(out, values * 1.5 + 0.25)
    target = bytearray(16)
    view = memoryview(target).cast("d")
    assert function("scale").map(STORE, array.array("d", [1, 2]), out=view) is view
    assert view.tolist() == [1.75, 3.25]


def test_out_may_be_strided() -> None:
    grid = numpy.zeros((4, 6))
    out = grid[::2, ::-3]
    function("scale").map(STORE, numpy.ones((2, 2)), out=out)
    assert numpy.array_equal(out, numpy.full((2, 2), 1.75))
    assert grid.sum() == 4 * 1.75


def test_out_may_be_an_argument() -> None:
    values = numpy.arange(10_000.0)
    expected = values * 1.5 + 0.25
    function("scale").map(STORE, values, out=values)
    assert numpy.array_equal(values, expected)


@pytest.mark.parametrize("shift", [-4500, -3, 3, 4500])
def test_out_may_overlap_an_argument(shift: int) -> None:
    # Both directions, within a chunk and across chunks.
    content = numpy.arange(20_000.0)
    source, out = content[5000:15_000], content[5000 + shift : 15_000 + shift]
    expected = source * 1.5 + 0.25
    function("scale").map(STORE, source, out=out)
    assert numpy.array_equal(out, expected)


def test_the_memory_of_a_guest_may_be_argument_and_result() -> None:
    store, exports = instantiate("""(module (memory (export "m") 1)
      (func (export "twice") (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1))))""")
    memory = exports.memory("m")
    with memory.buffer(store, format="i", shape=100) as values, memory.buffer(store, format="i", shape=100, offset=4096) as out:
        values[:] = array.array("i", range(100))
        exports.func("twice").map(store, values, out=out)
        assert out.tolist() == list(range(0, 200, 2))
        assert values.tolist() == list(range(100))


def test_out_has_to_fit() -> None:
    values = numpy.arange(4.0)
    with raises(TypeError, "expected an array of f64 (format \"d\", NumPy's float64) for out, got one of format \"f\""):
        function("scale").map(STORE, values, out=numpy.zeros(4, numpy.float32))
    with raises(ValueError, "expected an array of shape (4,) for out, got (5,)"):
        function("scale").map(STORE, values, out=numpy.zeros(5))
    with raises(ValueError, "expected an array of shape (4,) for out, got (2, 2)"):
        function("scale").map(STORE, values, out=numpy.zeros((2, 2)))
    frozen = numpy.zeros(4)
    frozen.flags.writeable = False
    with pytest.raises((BufferError, ValueError), match="read-only"):
        function("scale").map(STORE, values, out=frozen)
    with raises(TypeError, "out was given, but the function has no result"):
        function("count").map(STORE, array.array("q", [1]), out=array.array("q", [1]))


# --- misuse -----------------------------------------------------------------------------------------------------------------


def test_an_array_of_another_type_is_a_type_error() -> None:
    message = 'expected an array of i32 (format "i", NumPy\'s int32) for argument 2 of map, got one of format "d"'
    with raises(TypeError, message):
        function("add32").map(STORE, numpy.arange(3, dtype=numpy.int32), numpy.arange(3.0))
    message = 'expected an array of f64 (format "d", NumPy\'s float64) for argument 1 of map, got one of format ">d"'
    with raises(TypeError, message):
        function("scale").map(STORE, numpy.arange(3, dtype=">f8"))
    with raises(TypeError, 'expected an array of i32 (format "i", NumPy\'s int32) for argument 1 of map, got one of format "B"'):
        function("add32").map(STORE, b"1234", 1)


def test_arrays_of_different_shapes_are_a_value_error() -> None:
    with raises(ValueError, "map needs arrays of the same shape, got (3,) and (4,)"):
        function("add32").map(STORE, numpy.arange(3, dtype="i4"), numpy.arange(4, dtype="i4"))
    with raises(ValueError, "map needs arrays of the same shape, got (4,) and (2, 2)"):
        function("add32").map(STORE, numpy.arange(4, dtype="i4"), numpy.arange(4, dtype="i4").reshape(2, 2))


def test_what_is_neither_array_nor_number_is_a_type_error() -> None:
    with pytest.raises(TypeError) as caught:
        function("add32").map(STORE, array.array("i", [1]), [1])
    assert caught.value.__notes__ == ["in argument 2 of map"]
    with raises(TypeError, "map needs at least one array among its arguments, got numbers only"):
        function("add32").map(STORE, 1, 2)


@pytest.mark.parametrize("name", ["pair", "none", "vector", "reference"])
def test_functions_of_other_signatures_are_a_type_error(name: str) -> None:
    with pytest.raises(TypeError, match="map needs a function of one or more numbers"):
        function(name).map(STORE, array.array("i", [1]))


def test_the_number_of_arguments_is_checked() -> None:
    with pytest.raises(TypeError, match=r"map needs 2 arguments for \(func \(param i32 i32\) \(result i32\)\), got 1"):
        function("add32").map(STORE, array.array("i", [1]))


def test_the_store_is_checked() -> None:
    store, exports = make()
    values = array.array("d", [1.0])
    with pytest.raises(WrongStoreError):
        exports.func("scale").map(STORE, values)
    store.close()
    with raises(ClosedError, "this Store is already closed"):
        exports.func("scale").map(store, values)


def test_a_function_of_a_type_with_a_supertype_is_a_type_error() -> None:
    store, exports = instantiate("""(module
      (type $base (sub (func (param i32) (result i32)))) (type $special (sub $base (func (param i32) (result i32))))
      (func (export "f") (type $special) (local.get 0)))""")
    with pytest.raises(TypeError, match="its type is part of a recursion group or has a supertype"):
        exports.func("f").map(store, array.array("i", [1]))


# --- errors and interruption ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("index", [0, 1, 4999, 5460, 5461, 9999])
def test_a_trap_tells_the_index_and_keeps_what_was_done(index: int) -> None:
    divisors = numpy.full(10_000, 2, numpy.int32)
    divisors[index] = 0
    out = numpy.full(10_000, -1, numpy.int32)
    with pytest.raises(Trap) as caught:
        function("divide").map(STORE, 10, divisors, out=out)
    assert caught.value.trap_code is TrapCode.INTEGER_DIVISION_BY_ZERO
    assert caught.value.map_index == index
    assert caught.value.__notes__ == [f"at element {index} of 10000 in map"]
    assert out[:index].tolist() == [5] * index
    assert out[index:].tolist() == [-1] * (10_000 - index)


def test_what_was_done_before_a_trap_is_kept_in_a_strided_out() -> None:
    out = numpy.full(8, -1, numpy.int32)
    with pytest.raises(Trap):
        function("divide").map(STORE, 6, numpy.array([1, 2, 0, 3], numpy.int32), out=out[::2])
    assert out.tolist() == [6, -1, 3, -1, -1, -1, -1, -1]


def test_a_single_call_that_traps_has_no_index() -> None:
    with pytest.raises(Trap) as caught:
        function("divide")(STORE, 1, 0)
    assert caught.value.map_index is None


def test_a_host_function_can_be_mapped_and_its_exception_comes_out() -> None:
    store = Store()
    stop = LookupError("seven")

    def callback(value: int) -> int:
        if value == 7:
            raise stop
        return value * 2

    function = host(store, callback, "i", "i")
    assert function.map(store, array.array("i", range(5))).tolist() == [0, 2, 4, 6, 8]
    out = array.array("i", [0] * 10)
    with pytest.raises(LookupError) as caught:
        function.map(store, array.array("i", range(10)), out=out)
    assert caught.value is stop
    assert caught.value.__notes__ == ["at element 7 of 10 in map"]
    assert out.tolist() == [0, 2, 4, 6, 8, 10, 12, 0, 0, 0]


def test_a_map_works_inside_a_map() -> None:
    store, exports = make()
    add = exports.func("add32")

    def nested(value: int, other: int) -> int:
        inner = add.map(store, array.array("i", range(3)), value)
        return int(sum(inner)) + other

    outer = Func(store, func_type("ii", "i"), nested)
    assert outer.map(store, array.array("i", range(2000)), 1).tolist() == [3 + 3 * value + 1 for value in range(2000)]


def test_control_c_stops_a_map() -> None:
    store, exports = make()
    before = threading.Timer(0.2, _thread.interrupt_main)
    before.start()
    begin = time.monotonic()
    with pytest.raises(KeyboardInterrupt) as caught:
        exports.func("spin").map(store, numpy.arange(10, dtype=numpy.int32))
    before.join()
    assert time.monotonic() - begin < 20
    assert caught.value.__notes__ == ["at element 0 of 10 in map"]
    assert exports.func("add32").map(store, array.array("i", [1]), 1).tolist() == [2]


def test_control_c_stops_a_map_in_an_engine_without_epoch_checks() -> None:
    store, exports = make(engine_with(interruptible=False))
    values = numpy.zeros(300_000_000 // 8)
    timer = threading.Timer(0.05, _thread.interrupt_main)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        for _ in range(1000):
            exports.func("scale").map(store, values, out=values)
    timer.join()


def test_other_threads_run_during_a_map() -> None:
    store, exports = make()
    values = numpy.zeros(2_000_000)
    ticks = 0
    done = threading.Event()

    def count() -> None:
        nonlocal ticks
        while not done.wait(0.001):
            ticks += 1

    thread = threading.Thread(target=count)
    thread.start()
    begin = time.monotonic()
    while time.monotonic() - begin < 0.3:
        exports.func("scale").map(store, values, out=values)
    done.set()
    thread.join()
    assert ticks >= 10


# --- the helper -------------------------------------------------------------------------------------------------------------


def test_fuel_runs_out_inside_a_map() -> None:
    store = Store(engine_with(consume_fuel=True))
    store.set_fuel(10_000)
    _, exports = instantiate(WAT, (), store)
    out = numpy.full(100_000, -1.0)
    with pytest.raises(Trap) as caught:
        exports.func("scale").map(store, numpy.zeros(100_000), out=out)
    assert caught.value.trap_code is TrapCode.OUT_OF_FUEL
    index = caught.value.map_index
    assert index is not None
    assert 0 < index < 10_000
    assert out[:index].tolist() == [0.25] * index


def test_one_helper_serves_all_functions_of_a_signature() -> None:
    store = Store()
    store.set_limits(instances=2, memories=1, tables=1)
    _, exports = instantiate(WAT, (), store)
    values = array.array("i", [8, 9])
    for _ in range(3):
        assert exports.func("add32").map(store, values, 2).tolist() == [10, 11]
        assert exports.func("divide").map(store, values, 2).tolist() == [4, 4]
    with pytest.raises(WasmtimeError, match="resource limit exceeded"):
        exports.func("scale").map(store, array.array("d", [1.0]))


@pytest.mark.parametrize(
    "settings",
    [{"wasm_reference_types": False, "wasm_gc": False, "wasm_function_references": False}, {"strategy": "winch"}, {"consume_fuel": True}],
    ids=repr,
)
def test_map_needs_no_proposals(settings: dict[str, Any]) -> None:
    engine = engine_with(**settings)
    store = Store(engine)
    if "consume_fuel" in settings:
        store.set_fuel(10**9)
    _, exports = instantiate('(module (func (export "f") (param i64) (result i64) (local.get 0)))', (), store)
    assert exports.func("f").map(store, array.array("q", [5, -6])).tolist() == [5, -6]
