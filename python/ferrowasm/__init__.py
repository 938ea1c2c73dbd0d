"""WebAssembly for Python, at native speed.

The names are those of the `wasmtime` package: a program written for it runs after `import ferrowasm as wasmtime`. See the documentation for
what is better here, and for the few differences.
"""

from __future__ import annotations

# Not from `collections.abc` and `typing`, which cost more than everything else here.
from _collections_abc import Mapping as _Mapping

from ._managed import Managed
from ._native import (
    AnyRef,
    ArrayRef,
    Caller,
    Capture,
    Config,
    Deadline,
    Engine,
    EqRef,
    ExnRef,
    ExportType,
    ExternRef,
    Func,
    FuncType,
    Global,
    GlobalType,
    I31Ref,
    ImportType,
    Instance,
    InstanceExports,
    InstancePre,
    Linker,
    Memory,
    MemoryType,
    Module,
    SharedMemory,
    Store,
    StoreContext,
    StructRef,
    Table,
    TableType,
    Tag,
    TagType,
    Val,
    ValType,
    WasiConfig,
    __version__,
    engine_version,
    wat2wasm,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._errors import (
        ClosedError,
        ComponentTrap,
        DeadlineExceeded,
        ExitTrap,
        ExpiredError,
        Frame,
        OutOfBoundsError,
        OutputLimitError,
        ResourceLimitError,
        SignatureError,
        StoreBusyError,
        Trap,
        TrapCode,
        WasmtimeError,
        WrongEngineError,
        WrongStoreError,
    )
    from ._http import HttpRequest, HttpResponse
    from ._limits import ResourceLimiter
    from ._network import SocketAddr, SocketAddrUse
    from ._snapshot import snapshot
    from ._types import Limits
    from ._wasi import DirPerms, FilePerms, WasiFileError

#: What may be passed as `store`.
Storelike = Store | Caller | StoreContext

# Every abstract base class has `register`; the standard stubs do not say so for this one.
_Mapping.register(InstanceExports)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]

#: Modules that are imported when one of their names is asked for.
_LATER = {
    "_errors": (
        "ClosedError",
        "ComponentTrap",
        "DeadlineExceeded",
        "ExitTrap",
        "ExpiredError",
        "Frame",
        "OutOfBoundsError",
        "OutputLimitError",
        "ResourceLimitError",
        "SignatureError",
        "StoreBusyError",
        "Trap",
        "TrapCode",
        "WasmtimeError",
        "WrongEngineError",
        "WrongStoreError",
    ),
    "_http": ("HttpRequest", "HttpResponse"),
    "_limits": ("ResourceLimiter",),
    "_network": ("SocketAddr", "SocketAddrUse"),
    "_snapshot": ("snapshot",),
    "_types": ("Limits",),
    "_wasi": ("DirPerms", "FilePerms", "WasiFileError"),
}


def __getattr__(name: str) -> object:
    for module, names in _LATER.items():
        if name in names:
            value: object = getattr(__import__(f"{__name__}.{module}", fromlist=(name,)), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


__all__ = [
    "AnyRef",
    "ArrayRef",
    "Caller",
    "Capture",
    "ClosedError",
    "ComponentTrap",
    "Config",
    "Deadline",
    "DeadlineExceeded",
    "DirPerms",
    "Engine",
    "EqRef",
    "ExitTrap",
    "ExnRef",
    "ExpiredError",
    "ExportType",
    "ExternRef",
    "FilePerms",
    "Frame",
    "Func",
    "FuncType",
    "Global",
    "GlobalType",
    "HttpRequest",
    "HttpResponse",
    "I31Ref",
    "ImportType",
    "Instance",
    "InstanceExports",
    "InstancePre",
    "Limits",
    "Linker",
    "Managed",
    "Memory",
    "MemoryType",
    "Module",
    "OutOfBoundsError",
    "OutputLimitError",
    "ResourceLimitError",
    "ResourceLimiter",
    "SharedMemory",
    "SignatureError",
    "SocketAddr",
    "SocketAddrUse",
    "Store",
    "StoreBusyError",
    "StoreContext",
    "Storelike",
    "StructRef",
    "Table",
    "TableType",
    "Tag",
    "TagType",
    "Trap",
    "TrapCode",
    "Val",
    "ValType",
    "WasiConfig",
    "WasiFileError",
    "WasmtimeError",
    "WrongEngineError",
    "WrongStoreError",
    "__version__",
    "engine_version",
    "snapshot",
    "wat2wasm",
]
