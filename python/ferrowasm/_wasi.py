"""Permissions for preopened directories, and the errors of files that a `WasiConfig` names."""

from __future__ import annotations

import enum
import os
from typing import Any

from ._errors import WasmtimeError

__all__ = ["DirPerms", "FilePerms", "WasiFileError"]


class DirPerms(enum.Enum):
    """What a program may do with a preopened directory, its subdirectories and their entries."""

    #: List, look up and open what is there.
    READ_ONLY = 1
    #: Make, rename and remove entries. Only files that are opened with the wish to create them can be opened.
    WRITE_ONLY = 2
    #: All of it.
    READ_WRITE = 3


class FilePerms(enum.Enum):
    """What a program may do with the contents of the files in a preopened directory."""

    #: Read.
    READ_ONLY = 1
    #: Write, and change the size.
    WRITE_ONLY = 2
    #: Both.
    READ_WRITE = 3


class WasiFileError(WasmtimeError, OSError):
    """A file or directory that a `WasiConfig` names cannot be opened.

    It is an instance of the `OSError` subclass for its reason too (`FileNotFoundError`, `PermissionError`,
    `IsADirectoryError`, `NotADirectoryError`), with `errno`, `strerror` and `filename` set.
    """

    def __init__(self, *args: Any) -> None:
        OSError.__init__(self, *args)

    def __str__(self) -> str:
        return OSError.__str__(self)


class WasiFileNotFoundError(WasiFileError, FileNotFoundError):
    """There is no such file or directory."""


class WasiPermissionError(WasiFileError, PermissionError):
    """The operating system does not permit it."""


class WasiIsADirectoryError(WasiFileError, IsADirectoryError):
    """A directory where a file is needed."""


class WasiNotADirectoryError(WasiFileError, NotADirectoryError):
    """A file where a directory is needed."""


def file_error(errno: int, path: Any) -> WasiFileError:
    """Make the exception for an error number of the operating system."""
    strerror = os.strerror(errno)
    reason = type(OSError(errno, strerror))
    for cls in (WasiFileNotFoundError, WasiPermissionError, WasiIsADirectoryError, WasiNotADirectoryError):
        if issubclass(cls, reason) and reason is not OSError:
            return cls(errno, strerror, path)
    return WasiFileError(errno, strerror, path)
