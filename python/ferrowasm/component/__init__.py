"""The component model: components, their types, and how they are linked and called.

The names are those of `wasmtime.component`.
"""

from __future__ import annotations

from collections.abc import Mapping as _Mapping
from typing import TypeAlias as _TypeAlias

from ._native import (
    Component,
    ComponentInstanceType,
    ComponentType,
    Err,
    ExportIndex,
    Func,
    Instance,
    InstanceExports,
    InstancePre,
    Linker,
    LinkerInstance,
    ModuleType,
    Ok,
    ResourceAny,
    ResourceHost,
    ResourceType,
    Variant,
)
from ._guest import GuestResource, guest_class
from ._host import HostResources
from ._types import (
    F32,
    F64,
    S8,
    S16,
    S32,
    S64,
    U8,
    U16,
    U32,
    U64,
    Bool,
    BorrowType,
    Char,
    EnumType,
    ErrorContext,
    FixedLengthListType,
    FlagsType,
    FuncType,
    FutureType,
    ListType,
    MapType,
    OptionType,
    OwnType,
    RecordType,
    ResultType,
    StreamType,
    String,
    TupleType,
    ValType,
    VariantLikeType,
    VariantType,
)
from ._values import Record

# Every abstract base class has `register`; the standard stubs do not say so for this one.
_Mapping.register(InstanceExports)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]

#: What a component or instance type imports and exports.
ComponentItem: _TypeAlias = ComponentType | ModuleType | ComponentInstanceType | ResourceType | ValType | FuncType

__all__ = [
    "F32",
    "F64",
    "S8",
    "S16",
    "S32",
    "S64",
    "U8",
    "U16",
    "U32",
    "U64",
    "Bool",
    "BorrowType",
    "Char",
    "Component",
    "ComponentInstanceType",
    "ComponentItem",
    "ComponentType",
    "EnumType",
    "Err",
    "ErrorContext",
    "ExportIndex",
    "FixedLengthListType",
    "FlagsType",
    "Func",
    "FuncType",
    "FutureType",
    "GuestResource",
    "HostResources",
    "Instance",
    "InstanceExports",
    "InstancePre",
    "Linker",
    "LinkerInstance",
    "ListType",
    "MapType",
    "ModuleType",
    "Ok",
    "OptionType",
    "OwnType",
    "Record",
    "RecordType",
    "ResourceAny",
    "ResourceHost",
    "ResourceType",
    "ResultType",
    "StreamType",
    "String",
    "TupleType",
    "ValType",
    "Variant",
    "VariantLikeType",
    "VariantType",
    "guest_class",
]
