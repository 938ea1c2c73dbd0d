"""The wanted differences between wasmtime-py and ferrowasm: the table that the cases are compared with.

`python -m tests.compat.differences` writes `docs/differences.md` from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from .harness import all_cases

DOCUMENT = Path(__file__).parents[2] / "docs" / "differences.md"


@dataclass(frozen=True)
class Difference:
    """The outcomes of one case."""

    theirs: str
    ours: str


@dataclass(frozen=True)
class Group:
    """Differences that have one reason, by the name of the case."""

    title: str
    reason: str
    rows: dict[str, Difference]


GROUPS = (
    Group(
        "Nothing kills the process",
        "Misuse that makes the engine panic takes the whole process down in wasmtime-py. Here each is an exception"
        " that says what was wrong. A store without a WASI configuration has an empty one: no arguments, no files, no output.",
        {
            "config.a_zero_stack_is_refused": Difference("kills the process (SIGABRT)", "raises ValueError"),
            "config.an_unknown_flag_is_refused": Difference("kills the process (SIGABRT)", "raises WasmtimeError"),
            "config.a_bad_value_of_a_flag_is_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WasmtimeError",
            ),
            "config.contradictory_proposals_are_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WasmtimeError",
            ),
            "instance.exports_with_another_store_are_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WrongStoreError",
            ),
            "func.another_store_is_refused": Difference("kills the process (SIGABRT)", "raises WrongStoreError"),
            "func.the_type_needs_the_right_store": Difference("kills the process (SIGABRT)", "raises WrongStoreError"),
            "global.another_store_is_refused": Difference("kills the process (SIGABRT)", "raises WrongStoreError"),
            "memory.another_store_is_refused": Difference("kills the process (SIGABRT)", "raises WrongStoreError"),
            "memory.reading_with_another_store_is_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WrongStoreError",
            ),
            "table.another_store_is_refused": Difference("kills the process (SIGABRT)", "raises WrongStoreError"),
            "tag.another_store_is_refused": Difference("kills the process (SIGABRT)", "raises WrongStoreError"),
            "linker.define_refuses_an_item_of_another_store": Difference(
                "kills the process (SIGABRT)",
                "raises WrongStoreError",
            ),
            "linker.define_instance_refuses_another_store": Difference(
                "kills the process (SIGABRT)",
                "raises WrongStoreError",
            ),
            "linker.a_defined_function_with_a_store_of_another_engine_is_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WrongEngineError",
            ),
            "wasi.a_store_without_wasi_is_an_error": Difference("kills the process (SIGABRT)", "returns True"),
            "package.types_can_be_copied": Difference("kills the process (SIGABRT)", "returns True"),
            "component.get_func_of_another_store_is_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WrongStoreError",
            ),
            "component.get_export_index_of_another_store_is_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WrongStoreError",
            ),
            "component.calls_with_another_store_are_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WrongStoreError",
            ),
            "component.the_type_with_another_store_is_refused": Difference(
                "kills the process (SIGABRT)",
                "raises WrongStoreError",
            ),
            "component.a_keyboard_interrupt_of_the_host_comes_out": Difference(
                "kills the process (SIGSEGV)",
                "returns class KeyboardInterrupt",
            ),
            "component.a_system_exit_of_the_host_comes_out": Difference(
                "kills the process (SIGSEGV)",
                "returns class SystemExit",
            ),
            "component_linker.wasi_without_a_configuration": Difference("kills the process (SIGABRT)", "returns True"),
            "component_type.the_imports_of_modules_are_reflected": Difference(
                "kills the process (SIGABRT)",
                "returns [('a', 'f', class FuncType), ('a', 'm', class MemoryType)]",
            ),
            "component_type.the_exports_of_modules_are_reflected": Difference(
                "kills the process (SIGABRT)",
                "returns [('f', class FuncType), ('g', class GlobalType), ('m', class MemoryType)]",
            ),
        },
    ),
    Group(
        "Numbers are never cut short",
        "A number that does not fit its WebAssembly type, or the range of a setting, is an `OverflowError`. "
        "wasmtime-py passes on its lowest bits.",
        {
            "func.i32_refuses_more_than_32_bits": Difference("returns 0", "raises OverflowError"),
            "func.i32_refuses_less_than_its_smallest_value": Difference("returns 2147483647", "raises OverflowError"),
            "func.i64_refuses_more_than_64_bits": Difference("returns 0", "raises OverflowError"),
            "callback.a_result_out_of_range_is_refused": Difference("returns 0", "raises OverflowError"),
            "global.a_value_out_of_range_is_refused": Difference("returns 0", "raises OverflowError"),
            "val.i32_refuses_more_than_32_bits": Difference("returns 0", "raises OverflowError"),
            "val.i64_refuses_more_than_64_bits": Difference("returns 0", "raises OverflowError"),
            "store.negative_fuel_is_refused": Difference("returns 18446744073709551615", "raises OverflowError"),
            "store.fuel_of_more_than_64_bits_is_refused": Difference("returns 0", "raises OverflowError"),
            "store.a_negative_deadline_is_refused": Difference("returns None", "raises OverflowError"),
            "store.a_limit_of_more_than_64_bits_is_refused": Difference("raises WasmtimeError", "raises OverflowError"),
            "memory.growth_of_more_than_64_bits_is_refused": Difference("returns 1", "raises OverflowError"),
            "table.growth_of_more_than_64_bits_is_refused": Difference("returns [2, 2]", "raises OverflowError"),
            "table.get_at_an_index_of_more_than_64_bits": Difference("returns 'element 0'", "raises OverflowError"),
            "table.set_at_an_index_of_more_than_64_bits_is_refused": Difference(
                "returns 'element 0'",
                "raises OverflowError",
            ),
            "config.max_wasm_stack_refuses_a_negative_number": Difference("returns None", "raises OverflowError"),
            "config.max_wasm_stack_refuses_more_than_64_bits": Difference("returns None", "raises OverflowError"),
            "config.memory_guard_size_refuses_a_negative_number": Difference("returns None", "raises OverflowError"),
            "config.memory_guard_size_refuses_more_than_64_bits": Difference("returns None", "raises OverflowError"),
            "config.memory_reservation_refuses_a_negative_number": Difference("returns None", "raises OverflowError"),
            "config.memory_reservation_refuses_more_than_64_bits": Difference("returns None", "raises OverflowError"),
            "config.memory_reservation_for_growth_refuses_a_negative_number": Difference(
                "returns None",
                "raises OverflowError",
            ),
            "config.memory_reservation_for_growth_refuses_more_than_64_bits": Difference(
                "returns None",
                "raises OverflowError",
            ),
            "types.table_types_refuse_limits_out_of_range": Difference(
                "returns TableType(funcref, Limits(0, None))",
                "raises OverflowError",
            ),
            "types.table_types_refuse_negative_limits": Difference(
                "returns TableType(funcref, Limits(4294967295, None))",
                "raises OverflowError",
            ),
            "types.memory_types_refuse_a_negative_minimum": Difference("raises WasmtimeError", "raises OverflowError"),
            "types.a_maximum_of_32_bits_is_a_maximum": Difference(
                "returns Limits(0, None)",
                "returns Limits(0, 4294967295)",
            ),
            "memory.negative_growth_is_refused": Difference("raises WasmtimeError", "raises OverflowError"),
            "table.negative_growth_is_refused": Difference("raises WasmtimeError", "raises OverflowError"),
            "shared_memory.negative_growth_is_refused": Difference("raises WasmtimeError", "raises OverflowError"),
            "table.get_at_a_negative_index": Difference("returns None", "raises OverflowError"),
            "table.set_at_a_negative_index_is_refused": Difference("raises WasmtimeError", "raises OverflowError"),
            "component_resource.a_host_type_out_of_range_is_refused": Difference(
                "returns True",
                "raises OverflowError",
            ),
            "component_resource.a_host_resource_out_of_range_is_refused": Difference(
                "returns 5",
                "raises OverflowError",
            ),
            "component_resource.a_negative_host_resource_is_refused": Difference(
                "returns 4294967295",
                "raises OverflowError",
            ),
            "component_value.s8_out_of_range_as_an_argument": Difference("returns [44]", "raises OverflowError"),
            "component_value.s8_out_of_range_as_a_result_of_the_host": Difference(
                "returns [44]",
                "raises OverflowError",
            ),
            "component_value.u16_out_of_range_as_an_argument": Difference("returns [65535]", "raises OverflowError"),
            "component_value.u16_out_of_range_as_a_result_of_the_host": Difference(
                "returns [65535]",
                "raises OverflowError",
            ),
            "component_value.s16_out_of_range_as_an_argument": Difference("returns [-32768]", "raises OverflowError"),
            "component_value.s16_out_of_range_as_a_result_of_the_host": Difference(
                "returns [-32768]",
                "raises OverflowError",
            ),
            "component_value.u32_out_of_range_as_an_argument": Difference("returns [5]", "raises OverflowError"),
            "component_value.u32_out_of_range_as_a_result_of_the_host": Difference(
                "returns [5]",
                "raises OverflowError",
            ),
            "component_value.s32_out_of_range_as_an_argument": Difference(
                "returns [-2147483648]",
                "raises OverflowError",
            ),
            "component_value.s32_out_of_range_as_a_result_of_the_host": Difference(
                "returns [-2147483648]",
                "raises OverflowError",
            ),
            "component_value.u64_out_of_range_as_an_argument": Difference("returns [1]", "raises OverflowError"),
            "component_value.u64_out_of_range_as_a_result_of_the_host": Difference(
                "returns [1]",
                "raises OverflowError",
            ),
            "component_value.s64_out_of_range_as_an_argument": Difference(
                "returns [-9223372036854775808]",
                "raises OverflowError",
            ),
            "component_value.s64_out_of_range_as_a_result_of_the_host": Difference(
                "returns [-9223372036854775808]",
                "raises OverflowError",
            ),
            "component_value.option_out_of_range_as_an_argument": Difference(
                "returns [4294967295]",
                "raises OverflowError",
            ),
            "component_value.option_out_of_range_as_a_result_of_the_host": Difference(
                "returns [4294967295]",
                "raises OverflowError",
            ),
        },
    ),
    Group(
        "A wrong type is a `TypeError`",
        "wasmtime-py lets the first thing that fails inside it show through: an `AttributeError` about a private "
        "attribute, a `ctypes.ArgumentError`, or nothing at all.",
        {
            "store.fuel_that_is_a_float_is_refused": Difference("raises ArgumentError", "raises TypeError"),
            "store.a_deadline_that_is_a_str_is_refused": Difference("raises ArgumentError", "raises TypeError"),
            "store.a_limit_that_is_a_float_is_refused": Difference("raises ArgumentError", "raises TypeError"),
            "store.set_wasi_refuses_other_types": Difference("raises AttributeError", "raises TypeError"),
            "func.the_store_must_come_first": Difference("raises AttributeError", "raises TypeError"),
            "func.the_store_cannot_be_none": Difference("raises AttributeError", "raises TypeError"),
            "func.i32_refuses_a_func": Difference("raises WasmtimeError", "raises TypeError"),
            "instance.a_module_that_is_none_is_refused": Difference("raises AttributeError", "raises TypeError"),
            "instance.a_store_that_is_none_is_refused": Difference("raises AttributeError", "raises TypeError"),
            "linker.another_type_is_no_engine": Difference("raises AttributeError", "raises TypeError"),
            "linker.define_refuses_names_that_are_no_str": Difference("raises AttributeError", "raises TypeError"),
            "linker.instantiate_needs_a_module": Difference("raises AttributeError", "raises TypeError"),
            "linker.instantiate_needs_a_store": Difference("raises AttributeError", "raises TypeError"),
            "callback.a_key_that_is_no_str_is_refused": Difference("raises AttributeError", "raises TypeError"),
            "callback.making_a_func_of_what_cannot_be_called_is_refused": Difference(
                "returns None",
                "raises TypeError",
            ),
            "memory.a_memory_type_is_needed": Difference("raises AttributeError", "raises TypeError"),
            "memory.growth_by_a_float_is_refused": Difference("raises ArgumentError", "raises TypeError"),
            "memory.something_that_is_no_store_is_refused": Difference("raises AttributeError", "raises TypeError"),
            "memory.write_of_an_int_is_refused": Difference(
                "returns [3, bytearray(b'\\x00\\x00\\x00lo')]",
                "raises TypeError",
            ),
            "shared_memory.another_type_is_no_engine": Difference("raises AttributeError", "raises TypeError"),
            "global.something_that_is_no_store_is_refused": Difference("raises AttributeError", "raises TypeError"),
            "table.get_at_a_float_is_refused": Difference("raises ArgumentError", "raises TypeError"),
            "table.a_table_type_is_needed": Difference("raises AttributeError", "raises TypeError"),
            "table.something_that_is_no_store_is_refused": Difference("raises AttributeError", "raises TypeError"),
            "tag.a_tag_compares_only_with_tags": Difference("raises AttributeError", "raises TypeError"),
            "types.memory_types_refuse_a_float": Difference("raises ArgumentError", "raises TypeError"),
            "val.ref_null_refuses_other_objects": Difference("raises WasmtimeError", "raises TypeError"),
            "val.funcref_refuses_a_python_function": Difference("returns Val(funcref, <function>)", "raises TypeError"),
            "trap.the_message_of_a_trap_must_be_a_str": Difference("raises AttributeError", "raises TypeError"),
            "errors.its_message_must_be_a_str": Difference("raises AttributeError", "raises TypeError"),
            "wasi.argv_refuses_what_is_no_str": Difference("raises AttributeError", "raises TypeError"),
            "wasi.env_refuses_values_that_are_no_str": Difference("raises AttributeError", "raises TypeError"),
            "wasi.stdin_refuses_other_types": Difference("raises AttributeError", "raises TypeError"),
            "wasi.a_guest_path_must_be_a_str": Difference("raises AttributeError", "raises TypeError"),
            "config.epoch_interruption_refuses_a_str": Difference("returns None", "raises TypeError"),
            "config.strategy_refuses_other_types": Difference("raises WasmtimeError", "raises TypeError"),
            "config.opt_level_refuses_other_types": Difference("raises WasmtimeError", "raises TypeError"),
            "module.an_import_type_is_not_made_by_hand": Difference("returns 'ImportType'", "raises TypeError"),
            "module.an_export_type_is_not_made_by_hand": Difference("returns 'ExportType'", "raises TypeError"),
            "linker.instance_pre_is_not_made_by_hand": Difference("returns 'InstancePre'", "raises TypeError"),
            "trap.a_frame_is_not_made_by_hand": Difference("returns 'Frame'", "raises TypeError"),
            "types.global_types_take_truthy_mutability": Difference("returns True", "raises TypeError"),
            "component.an_export_index_cannot_be_constructed": Difference("raises WasmtimeError", "raises TypeError"),
            "component.a_name_that_is_no_str_is_refused": Difference("raises AttributeError", "raises TypeError"),
            "component.an_index_that_is_none_of_ours_is_refused": Difference(
                "raises AttributeError",
                "raises TypeError",
            ),
            "component.get_func_refuses_other_types": Difference("raises AttributeError", "raises TypeError"),
            "component.instances_and_functions_cannot_be_constructed": Difference(
                "returns ['raises WasmtimeError', 'raises WasmtimeError']",
                "returns ['raises TypeError', 'raises TypeError']",
            ),
            "component.a_store_is_needed": Difference("raises AttributeError", "raises TypeError"),
            "component.a_callback_without_result_must_return_none": Difference(
                "raises AssertionError",
                "raises TypeError",
            ),
            "component_linker.an_engine_is_needed": Difference("raises AttributeError", "raises TypeError"),
            "component_linker.a_store_is_needed": Difference("raises AttributeError", "raises TypeError"),
            "component_linker.a_component_is_needed": Difference("raises ArgumentError", "raises TypeError"),
            "component_linker.names_must_be_str": Difference(
                "returns ['raises AttributeError', 'raises AttributeError']",
                "returns ['raises TypeError', 'raises TypeError']",
            ),
            "component_linker.a_module_must_be_one": Difference("raises ArgumentError", "raises TypeError"),
            "component_linker.a_resource_type_must_be_one": Difference("raises AttributeError", "raises TypeError"),
            "component_linker.a_linker_instance_cannot_be_constructed": Difference(
                "raises WasmtimeError",
                "raises TypeError",
            ),
            "component_resource.a_guest_resource_is_no_resource_of_another_type": Difference(
                "raises WasmtimeError",
                "raises TypeError",
            ),
            "component_resource.resources_cannot_be_constructed": Difference(
                "returns ['raises WasmtimeError', 'raises WasmtimeError', 'raises WasmtimeError']",
                "returns ['raises TypeError', 'raises TypeError', 'raises TypeError']",
            ),
            "component_resource.a_host_type_of_a_str_is_refused": Difference(
                "raises ArgumentError",
                "raises TypeError",
            ),
            "component_resource.a_borrowed_host_resource_is_given_to_the_guest": Difference(
                "raises WasmtimeError",
                "raises TypeError",
            ),
            "component_resource.a_host_resource_of_another_type_is_refused": Difference(
                "raises WasmtimeError",
                "raises TypeError",
            ),
            "component_type.types_with_parts_cannot_be_made_without": Difference(
                "returns set(['raises WasmtimeError'])",
                "returns set(['raises TypeError'])",
            ),
            "component_value.ambiguous_variant_with_a_needless_payload_as_an_argument": Difference(
                "returns [Variant('none', None)]",
                "raises TypeError",
            ),
            "component_value.ambiguous_variant_with_a_needless_payload_as_a_result_of_the_host": Difference(
                "returns [Variant('none', None)]",
                "raises TypeError",
            ),
            "component_value.option_of_a_wrong_class_as_an_argument": Difference(
                "raises ValueError",
                "raises TypeError",
            ),
            "component_value.option_of_a_wrong_class_as_a_result_of_the_host": Difference(
                "raises ValueError",
                "raises TypeError",
            ),
        },
    ),
    Group(
        "More values are accepted",
        "Where a value has one meaning, it is taken: numbers that Python itself would convert, paths as path "
        "objects, mappings.",
        {
            "func.an_object_with_index_is_an_int": Difference("raises TypeError", "returns 3"),
            "func.f64_takes_an_int": Difference("raises TypeError", "returns 1.0"),
            "func.f32_takes_an_int": Difference("raises TypeError", "returns 1.0"),
            "func.an_object_with_float_is_a_float": Difference("raises TypeError", "returns 0.5"),
            "val.floats_take_ints": Difference("raises TypeError", "returns 1.0"),
            "wat.a_bytearray_is_accepted": Difference(
                "raises TypeError",
                "returns bytearray(b'\\x00asm\\x01\\x00\\x00\\x00')",
            ),
            "module.a_bytearray_of_text_is_accepted": Difference("raises WasmtimeError", "returns <Module>"),
            "module.a_memoryview_is_accepted": Difference("raises TypeError", "returns <Module>"),
            "module.a_path_object_names_a_serialized_file": Difference(
                "raises AttributeError",
                "returns [ExportType('add', FuncType([i32, i32], [i32]))]",
            ),
            "callback.several_values_may_come_from_a_generator": Difference("raises TypeError", "returns [1, 2]"),
            "types.func_types_take_generators": Difference("raises TypeError", "returns FuncType([i32], [])"),
            "instance.an_index_gives_the_export_at_that_place": Difference("raises KeyError", "returns <Func>"),
            "wasi.env_may_be_a_dict": Difference("returns ['A=1']", "returns ['A1=x']"),
            "wasi.a_path_object_names_a_directory": Difference("raises AttributeError", "returns None"),
            "types.limits_need_both": Difference("raises TypeError", "returns Limits(1, None)"),
            "package.signature_of_Limits": Difference("returns 'min, max'", "returns 'min, max=None'"),
            "wat.a_binary_stays_as_it_is": Difference(
                "raises WasmtimeError",
                "returns bytearray(b'\\x00asm\\x01\\x00\\x00\\x00')",
            ),
            "component.a_pathlib_path_to_serialized_code_is_accepted": Difference(
                "raises AttributeError",
                "returns <Component>",
            ),
            "component_value.u8_of_an_int_in_a_list_as_an_argument": Difference(
                "raises TypeError",
                "returns b'\\x01\\x02'",
            ),
            "component_value.u8_of_an_int_in_a_list_as_a_result_of_the_host": Difference(
                "raises TypeError",
                "returns b'\\x01\\x02'",
            ),
            "component_value.u8_of_a_bytearray_as_an_argument": Difference("raises TypeError", "returns b'ab'"),
            "component_value.u8_of_a_bytearray_as_a_result_of_the_host": Difference(
                "raises TypeError",
                "returns b'ab'",
            ),
            "component_value.u8_of_a_memoryview_as_an_argument": Difference("raises TypeError", "returns b'ab'"),
            "component_value.u8_of_a_memoryview_as_a_result_of_the_host": Difference(
                "raises TypeError",
                "returns b'ab'",
            ),
            "component_value.f64_of_an_int_as_an_argument": Difference("raises TypeError", "returns [1.0]"),
            "component_value.f64_of_an_int_as_a_result_of_the_host": Difference("raises TypeError", "returns [1.0]"),
            "component_value.list_of_a_tuple_as_an_argument": Difference("raises TypeError", "returns [[1, 2]]"),
            "component_value.list_of_a_tuple_as_a_result_of_the_host": Difference(
                "raises TypeError",
                "returns [[1, 2]]",
            ),
            "component_value.tuple_of_a_list_as_an_argument": Difference("raises TypeError", "returns [(1, 'a')]"),
            "component_value.tuple_of_a_list_as_a_result_of_the_host": Difference(
                "raises TypeError",
                "returns [(1, 'a')]",
            ),
            "component_value.record_of_a_dict_as_an_argument": Difference(
                "raises AttributeError",
                "returns [Record({'x': 1, 'y-axis': 2.0, 'label': 'l'})]",
            ),
            "component_value.record_of_a_dict_as_a_result_of_the_host": Difference(
                "raises AttributeError",
                "returns [Record({'x': 1, 'y-axis': 2.0, 'label': 'l'})]",
            ),
            "component_value.record_of_snake_case_as_an_argument": Difference(
                "raises AttributeError",
                "returns [Record({'x': 1, 'y-axis': 2.0, 'label': 'l'})]",
            ),
            "component_value.record_of_snake_case_as_a_result_of_the_host": Difference(
                "raises AttributeError",
                "returns [Record({'x': 1, 'y-axis': 2.0, 'label': 'l'})]",
            ),
            "component_value.variant_tagged_without_need_as_an_argument": Difference(
                "raises ValueError",
                "returns [1.0]",
            ),
            "component_value.variant_tagged_without_need_as_a_result_of_the_host": Difference(
                "raises ValueError",
                "returns [1.0]",
            ),
            "component_value.flags_of_a_list_as_an_argument": Difference("raises TypeError", "returns [set(['read'])]"),
            "component_value.flags_of_a_list_as_a_result_of_the_host": Difference(
                "raises TypeError",
                "returns [set(['read'])]",
            ),
            "component_value.flags_of_a_frozenset_as_an_argument": Difference(
                "raises TypeError",
                "returns [set(['read'])]",
            ),
            "component_value.flags_of_a_frozenset_as_a_result_of_the_host": Difference(
                "raises TypeError",
                "returns [set(['read'])]",
            ),
            "component_value.option_tagged_without_need_as_an_argument": Difference("raises ValueError", "returns [5]"),
            "component_value.option_tagged_without_need_as_a_result_of_the_host": Difference(
                "raises ValueError",
                "returns [5]",
            ),
            "component_value.a_range_is_accepted_or_not": Difference("raises TypeError", "returns [0, 1, 2]"),
        },
    ),
    Group(
        "What wasmtime-py leaves out is there",
        "128-bit vectors, references of the GC proposal, shared memories as imports, permissions of directories: "
        "names that wasmtime-py documents or WebAssembly has, and that fail or are missing there.",
        {
            "func.v128_is_sixteen_bytes": Difference(
                "raises WasmtimeError",
                "returns b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "global.v128_is_sixteen_bytes": Difference(
                "raises WasmtimeError",
                "returns b'\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x00\\x02\\x00\\x00\\x00\\x00\\x00\\x00\\x00'",
            ),
            "func.v128_takes_sixteen_bytes": Difference("kills the process (SIGABRT)", "returns 117835012"),
            "types.v128_prints_as_in_the_text_format": Difference("kills the process (SIGABRT)", "returns 'v128'"),
            "func.anyref_passes_through": Difference("raises WasmtimeError", "returns 'I31Ref'"),
            "shared_memory.it_can_be_imported": Difference("raises TypeError", "returns [5, 15]"),
            "shared_memory.its_size_is_in_pages": Difference("raises ArgumentError", "returns 2"),
            "callback.a_caller_makes_funcs": Difference("raises TypeError", "returns <Func>"),
            "wasi.permissions_have_enums": Difference(
                "raises AttributeError",
                "returns [['READ_ONLY', 'WRITE_ONLY', 'READ_WRITE'], ['READ_ONLY', 'WRITE_ONLY', 'READ_WRITE']]",
            ),
            "wasi.read_only_permissions_hold": Difference("raises AttributeError", "returns [0, True, True]"),
            "wasi.the_documented_keywords_of_permissions": Difference("raises AttributeError", "returns True"),
            "package.every_documented_name_is_there": Difference("returns ['DirPerms', 'FilePerms']", "returns []"),
            "package.a_star_import_gives_the_documented_names": Difference(
                "returns ['DirPerms', 'FilePerms']",
                "returns []",
            ),
            "package.it_has_a_version": Difference("raises AttributeError", "returns 'str'"),
            "package.signature_of_WasiConfig.preopen_dir": Difference(
                "returns 'path, guest_path, fs_mutable=True'",
                "returns 'path, guest_path, dir_perms=None, file_perms=None, fs_mutable=None, quota=None'",
            ),
            "package.signature_of_Store.set_limits": Difference(
                "returns 'memory_size=-1, table_elements=-1, instances=-1, tables=-1, memories=-1'",
                "returns 'memory_size=-1, table_elements=-1, instances=-1, tables=-1, memories=-1, hostcall_data=-1, "
                "component_handles=-1'",
            ),
            "package.signature_of_TableType": Difference(
                "returns 'valtype, limits'",
                "returns 'valtype, limits, is_64=False'",
            ),
            "package.signature_of_Module.deserialize_file": Difference(
                "returns 'engine, path'",
                "returns 'engine, path, trusted=False'",
            ),
            "component_linker.instantiating_while_a_root_is_open": Difference("raises WasmtimeError", "returns 42"),
            "component_resource.a_host_resource_is_lent_to_the_guest": Difference(
                "raises WasmtimeError",
                "returns [4, []]",
            ),
            "component_resource.a_callback_sees_a_borrow": Difference(
                "raises WasmtimeError",
                "returns [1, [<ResourceAny>, False]]",
            ),
            "component_type.maps_are_reflected": Difference("raises TypeError", "returns <MapType>"),
            "package.signature_of_component.ResourceHost.own": Difference(
                "returns 'rep, ty'",
                "returns 'rep, ty, keep=None'",
            ),
            "package.signature_of_component.Component.deserialize_file": Difference(
                "returns 'engine, path'",
                "returns 'engine, path, trusted=False'",
            ),
        },
    ),
    Group(
        "Running code can be interrupted",
        "Compiled code looks at a clock when a function starts and in every loop (`Config.interruptible`). The engine takes a "
        "trap of a function's first instruction for one of that look, and gives the place where the function starts.",
        {
            "trap.frames_have_offsets": Difference("returns [[1, 31], [1, 35]]", "returns [[0, 30], [1, 35]]"),
            "trap.the_message_shows_the_backtrace": Difference(
                "returns ['error while executing at wasm backtrace:', '    0:     0x1f - <unknown>!inner', "
                "'    1:     0x23 - <unknown>!outer', '', 'Caused by:', '    wasm trap: wasm `unreachable` instruction executed']",
                "returns ['error while executing at wasm backtrace:', '    0:     0x1e - <unknown>!inner', "
                "'    1:     0x23 - <unknown>!outer', '', 'Caused by:', '    wasm trap: wasm `unreachable` instruction executed']",
            ),
        },
    ),
    Group(
        "Objects stay usable",
        "An object that was handed to another one can be used again, and settings can be read and pickled.",
        {
            "config.a_config_serves_one_engine_after_another": Difference(
                "raises ValueError",
                "returns [False, False]",
            ),
            "config.switches_can_be_read": Difference("raises AttributeError", "returns True"),
            "linker.allow_shadowing_can_be_read": Difference("raises AttributeError", "returns False"),
            "types.tag_types_leave_the_func_type_usable": Difference("raises ValueError", "returns [i32]"),
            "wasi.a_configuration_serves_one_store_after_another": Difference(
                "raises ValueError",
                "returns [['a'], ['a']]",
            ),
            "wasi.settings_can_be_read": Difference("raises AttributeError", "returns ['a']"),
            "config.an_unknown_attribute_is_refused": Difference("returns None", "raises AttributeError"),
            "config.it_can_be_pickled": Difference("raises ValueError", "returns 'Config'"),
            "component_linker.allow_shadowing_can_be_read": Difference("raises AttributeError", "returns False"),
            "component_linker.a_linker_in_use_is_locked": Difference("raises WasmtimeError", "returns True"),
            "component_linker.a_linker_instance_in_use_is_locked": Difference("raises WasmtimeError", "returns None"),
            "component_resource.a_closed_host_resource_keeps_its_number": Difference("raises ValueError", "returns 5"),
            "component_resource.a_closed_resource_still_knows_whether_it_was_owned": Difference(
                "raises ValueError",
                "returns True",
            ),
        },
    ),
    Group(
        "A store runs on one thread at a time",
        "A store may be used by several threads, one after the other. While one is inside, others get a `StoreBusyError`, which is a `RuntimeError`, at"
        " once; wasmtime-py lets them in, which the engine forbids.",
        {
            "package.a_second_thread_is_refused_during_a_call": Difference(
                "returns [3]",
                "returns ['raises StoreBusyError']",
            ),
        },
    ),
    Group(
        "Falsy and null values are themselves",
        "wasmtime-py confuses `None`, `0` and empty containers with null in some places, and returns a wrapper "
        "that belongs inside in others.",
        {
            "store.falsy_data_comes_back": Difference("returns None", "returns 0"),
            "store.an_empty_list_comes_back_as_the_same_object": Difference("returns None", "returns []"),
            "table.null_elements_are_none": Difference("returns Val(unknown type, None)", "returns None"),
            "table.set_changes_an_element": Difference(
                "returns [None, 4, Val(unknown type, None)]",
                "returns [None, 4, None]",
            ),
            "table.set_to_none_is_null": Difference("returns [Val(unknown type, None), 'x']", "returns [None, 'x']"),
            "table.falsy_elements_come_back": Difference(
                "returns [Val(unknown type, 0), Val(unknown type, ''), "
                "Val(unknown type, False), Val(unknown type, [])]",
                "returns [0, '', False, []]",
            ),
            "table.growth_gives_the_previous_size": Difference(
                "returns [2, 4, 'new', Val(unknown type, None)]",
                "returns [2, 4, 'new', None]",
            ),
            "global.it_keeps_its_value": Difference(
                "returns [-1, 4611686018427387904, 0.5, 0.1, 'x', Val(unknown type, None)]",
                "returns [-1, 4611686018427387904, 0.5, 0.1, 'x', None]",
            ),
            "val.as_funcref_of_null_is_none": Difference("raises AssertionError", "returns None"),
        },
    ),
    Group(
        "Types are values",
        "Types compare by structure, can be keys of a `dict`, and print as in the text format.",
        {
            "types.FuncType_equality_is_by_structure": Difference(
                "returns [False, True, False, True]",
                "returns [True, False, False, True]",
            ),
            "types.GlobalType_equality_is_by_structure": Difference(
                "returns [False, True, False, True]",
                "returns [True, False, False, True]",
            ),
            "types.TableType_equality_is_by_structure": Difference(
                "returns [False, True, False, True]",
                "returns [True, False, False, True]",
            ),
            "types.MemoryType_equality_is_by_structure": Difference(
                "returns [False, True, False, True]",
                "returns [True, False, False, True]",
            ),
            "types.TagType_equality_is_by_structure": Difference(
                "returns [False, True, False, True]",
                "returns [True, False, False, True]",
            ),
            "types.ValType_is_hashable": Difference("raises TypeError", "returns True"),
            "types.FuncType_is_hashable": Difference("returns False", "returns True"),
            "types.GlobalType_is_hashable": Difference("returns False", "returns True"),
            "types.TableType_is_hashable": Difference("returns False", "returns True"),
            "types.MemoryType_is_hashable": Difference("returns False", "returns True"),
            "types.TagType_is_hashable": Difference("returns False", "returns True"),
            "types.Limits_is_hashable": Difference("raises TypeError", "returns True"),
            "types.externref_prints_as_in_the_text_format": Difference("returns 'anyref'", "returns 'externref'"),
            "types.types_print_in_text_format": Difference("returns False", "returns True"),
            "val.it_is_hashable": Difference("raises TypeError", "returns True"),
            "val.it_prints_its_value": Difference("returns False", "returns True"),
            "component_type.the_element_of_a_closed_ListType": Difference(
                "raises ValueError",
                "returns [None, ListType(<String>)]",
            ),
            "component_type.the_elements_of_a_closed_TupleType": Difference(
                "raises ValueError",
                "returns [None, [<U8>, TupleType([<Bool>])]]",
            ),
            "component_type.the_fields_of_a_closed_RecordType": Difference(
                "raises ValueError",
                "returns [None, [('a', <U8>), ('b-c', <String>)]]",
            ),
            "component_type.the_cases_of_a_closed_VariantType": Difference(
                "raises ValueError",
                "returns [None, [('a', None), ('b', <U8>)]]",
            ),
            "component_type.the_names_of_a_closed_EnumType": Difference(
                "raises ValueError",
                "returns [None, ['a', 'b-c']]",
            ),
            "component_type.the_payload_of_a_closed_OptionType": Difference(
                "raises ValueError",
                "returns [None, OptionType(<U8>)]",
            ),
            "component_type.the_ok_of_a_closed_ResultType": Difference("raises ValueError", "returns [None, <U8>]"),
            "component_type.the_names_of_a_closed_FlagsType": Difference(
                "raises ValueError",
                "returns [None, ['a', 'b-c']]",
            ),
            "component_type.types_without_parts_have_a_repr": Difference("returns 'Bool()'", "returns 'bool'"),
            "component_type.a_type_without_parts_cannot_be_hashed": Difference("raises TypeError", "returns True"),
            "component_type.another_engine_is_refused": Difference(
                "returns ['answer', 'add', 'trap', 'a:b/inner', 'core']",
                "raises WrongEngineError",
            ),
            "component_type.something_that_is_no_engine_is_refused": Difference(
                "raises AttributeError",
                "raises TypeError",
            ),
            "component_value.a_record_equals_another_object_with_its_fields": Difference(
                "returns True",
                "returns False",
            ),
            "component_value.a_record_equals_one_with_more_fields": Difference("returns True", "returns False"),
        },
    ),
    Group(
        "Exceptions are Python's",
        "What a callback raises comes out of WebAssembly as the same object; traps and errors are ordinary exceptions.",
        {
            "linker.an_exception_of_a_callback_leaves_define_module": Difference(
                "raises WasmtimeError",
                "raises LookupError",
            ),
            "linker.an_exception_does_not_appear_in_a_later_call": Difference("raises LookupError", "raises Trap"),
            "callback.stop_iteration_comes_out": Difference("raises RuntimeError", "raises StopIteration"),
            "wasi.an_exception_of_an_output_callback_comes_out": Difference("returns 29", "raises LookupError"),
            "trap.arguments_of_an_engine_trap": Difference("returns 0", "returns 1"),
            "errors.an_engine_error_has_arguments": Difference("returns 0", "returns 1"),
            "errors.arguments_of_an_exit": Difference("returns 0", "returns 1"),
            "errors.the_text_of_an_exit": Difference(
                "returns 'error while executing at wasm backtrace:'", "returns 'Exited with i32 exit status 3'"
            ),
            "errors.exit_codes_that_are_too_large": Difference("returns 'WasmtimeError'", "returns 'ExitTrap'"),
            "trap.a_trap_can_be_pickled": Difference("raises ValueError", "returns ['Trap', TrapCode.UNREACHABLE]"),
            "errors.it_can_be_pickled": Difference("raises ValueError", "returns 'WasmtimeError'"),
            "errors.an_exit_can_be_pickled": Difference("raises ValueError", "returns 3"),
            "trap.a_closed_trap_keeps_its_message": Difference("raises ValueError", "returns 'x'"),
            "errors.a_closed_error_keeps_its_text": Difference("raises ValueError", "returns 'str'"),
            "errors.an_exit_made_by_hand_has_a_code": Difference("raises AttributeError", "returns 0"),
        },
    ),
    Group(
        "Memory cannot be reached out of bounds",
        "Addresses are checked when a pointer or an array is made, and serialized modules carry a checksum.",
        {
            "memory.a_buffer_beyond_the_end_is_refused": Difference("returns ctypes c_ubyte[10]", "raises IndexError"),
            "memory.a_buffer_before_the_start_is_refused": Difference("returns ctypes c_ubyte[1]", "raises IndexError"),
            "memory.a_buffer_with_an_offset_and_no_size": Difference(
                "returns ctypes c_ubyte[65536]",
                "returns ctypes c_ubyte[65530]",
            ),
            "module.deserialize_refuses_a_flipped_byte": Difference("returns <Module>", "raises WasmtimeError"),
            "memory.a_buffer_of_negative_size_is_refused": Difference("raises ValueError", "raises IndexError"),
            "memory.write_at_a_start_before_the_memory_is_refused": Difference(
                "returns [1, bytearray(b'ael')]",
                "raises IndexError",
            ),
        },
    ),
    Group(
        "Errors say what is wrong",
        "The exception is the one that fits the mistake, also where wasmtime-py has a more general one, or one for"
        " another reason.",
        {
            "module.an_empty_str_is_refused": Difference("raises TypeError", "raises WasmtimeError"),
            "wasi.argv_with_a_nul_is_refused": Difference("returns ['a']", "raises ValueError"),
            "table.a_number_table_is_refused": Difference("raises WasmtimeError", "raises ValueError"),
            "module.a_missing_serialized_file_is_reported": Difference(
                "raises WasmtimeError",
                "raises FileNotFoundError",
            ),
            "callback.an_expired_caller_raises_key_errors": Difference("raises KeyError", "raises ExpiredError"),
            "component.a_missing_serialized_file_is_reported": Difference(
                "raises WasmtimeError",
                "raises FileNotFoundError",
            ),
            "component.deserialize_refuses_a_flipped_byte": Difference("returns <Component>", "raises WasmtimeError"),
            "component_linker.a_module_of_another_engine_is_refused": Difference(
                "returns None",
                "raises WrongEngineError",
            ),
            "component_value.enum_of_an_unknown_name_as_an_argument": Difference(
                "raises WasmtimeError",
                "raises ValueError",
            ),
            "component_value.enum_of_an_unknown_name_as_a_result_of_the_host": Difference(
                "raises WasmtimeError",
                "raises ValueError",
            ),
            "component_value.flags_of_an_unknown_name_as_an_argument": Difference(
                "raises WasmtimeError",
                "raises ValueError",
            ),
            "component_value.flags_of_an_unknown_name_as_a_result_of_the_host": Difference(
                "raises WasmtimeError",
                "raises ValueError",
            ),
        },
    ),
    Group(
        "What is owned is owned once",
        "An owned resource is given away once, so that its destructor runs once. wasmtime-py passes a `ResourceHost` on"
        " any number of times.",
        {
            "component_resource.an_owned_host_resource_becomes_an_any_twice": Difference(
                "returns [<ResourceAny>, <ResourceAny>]",
                "raises ClosedError",
            ),
            "component_resource.a_host_resource_is_given_away_twice": Difference(
                "returns [4, 4]",
                "raises ClosedError",
            ),
        },
    ),
    Group(
        "There is no C library",
        "ferrowasm is the engine's Rust API, not its C API: there are no pointers to C objects.",
        {
            "types.tag_types_have_a_pointer": Difference("returns 'LP_wasm_tagtype_t'", "raises NotImplementedError"),
        },
    ),
)

DIFFERENCES = {name: difference for group in GROUPS for name, difference in group.rows.items()}

_INTRODUCTION = """\
# Differences from wasmtime-py

A program that uses the PyPI package `wasmtime` runs on ferrowasm after `import ferrowasm as wasmtime`. This page lists
where the two behave differently, on purpose: each row is a case that the tests run on wasmtime-py 48.0.0 and on
ferrowasm. Everything else that the tests compare is the same: results, their Python types, and exceptions, where
ferrowasm may raise a subclass of what wasmtime-py raises (`ClosedError`, which is a `ValueError`, for a closed object).

This page is written by `python -m tests.compat.differences`; do not edit it by hand.
"""


def render() -> str:
    """The text of the document."""
    return "\n".join([_INTRODUCTION, *(_render_group(group) for group in GROUPS)])


def _render_group(group: Group) -> str:
    cases = all_cases()
    rows = [
        f"| {_cell(cases[name].summary)} | {_outcome(difference.theirs)} | {_outcome(difference.ours)} |"
        for name, difference in group.rows.items()
    ]
    table = ["| What | wasmtime-py 48.0.0 | ferrowasm |", "|---|---|---|", *rows]
    return "\n".join([f"## {group.title}", "", group.reason, "", *table, ""])


def _outcome(text: str) -> str:
    """`returns 5` with what was returned as code; sentences like `kills the process (SIGABRT)` stay as they are."""
    verb, _, rest = text.partition(" ")
    if verb not in ("returns", "raises"):
        return _cell(text)
    return f"{verb} `{_cell(rest)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


if __name__ == "__main__":
    DOCUMENT.write_text(render())
