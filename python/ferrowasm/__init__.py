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
    BoundFunc,
    Caller,
    Capture,
    Config,
    Deadline,
    DiskQuota,
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
    from ._completed import CompletedRun, RunError, RunTimeout, StopReason
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
    from ._mounts import Folder, MemoryFolder
    from ._network import SocketAddr, SocketAddrUse
    from ._run import run
    from ._run_async import run_async
    from ._snapshot import snapshot
    from ._types import Limits
    from ._wasi import DirPerms, FilePerms, WasiFileError

#: What may be passed as `store`.
Storelike = Store | Caller | StoreContext

# Every abstract base class has `register`; the standard stubs do not say so for this one.
_Mapping.register(InstanceExports)  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue]

#: Modules that are imported when one of their names is asked for.
_LATER = {
    "_completed": ("CompletedRun", "RunError", "RunTimeout", "StopReason"),
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
    "_mounts": ("Folder", "MemoryFolder"),
    "_network": ("SocketAddr", "SocketAddrUse"),
    "_run": ("run",),
    "_run_async": ("run_async",),
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
    "BoundFunc",
    "Caller",
    "Capture",
    "ClosedError",
    "CompletedRun",
    "ComponentTrap",
    "Config",
    "Deadline",
    "DeadlineExceeded",
    "DirPerms",
    "DiskQuota",
    "Engine",
    "EqRef",
    "ExitTrap",
    "ExnRef",
    "ExpiredError",
    "ExportType",
    "ExternRef",
    "FilePerms",
    "Folder",
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
    "MemoryFolder",
    "MemoryType",
    "Module",
    "OutOfBoundsError",
    "OutputLimitError",
    "ResourceLimitError",
    "ResourceLimiter",
    "RunError",
    "RunTimeout",
    "SharedMemory",
    "SignatureError",
    "SocketAddr",
    "SocketAddrUse",
    "StopReason",
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
    "run",
    "run_async",
    "snapshot",
    "wat2wasm",
]
