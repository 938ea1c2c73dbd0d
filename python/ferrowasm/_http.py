"""HTTP requests of WASI programs and the responses to them, as `WasiConfig.http_handler` sees and makes them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import cast

__all__ = ["HttpRequest", "HttpResponse"]

Headers = Mapping[str, str] | Iterable[tuple[str, str]]


def pairs(headers: Headers) -> tuple[tuple[str, str], ...]:
    if isinstance(headers, Mapping):
        return tuple(cast("Mapping[str, str]", headers).items())
    return tuple((name, value) for name, value in headers)


class Message:
    """What requests and responses have in common."""

    headers: tuple[tuple[str, str], ...]

    def header(self, name: str) -> str | None:
        """The value of the first header of this name, in whatever case it is written; `None` if there is none."""
        return next((value for known, value in self.headers if known.lower() == name.lower()), None)


@dataclass(frozen=True, init=False)
class HttpRequest(Message):
    """A request. `headers` is given as a mapping or as pairs of name and value, and kept as pairs; in a value, each character stands for a byte.

    The host is part of `url` and no header. `dataclasses.replace` makes a changed request.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __init__(self, method: str, url: str, headers: Headers = (), body: bytes = b"") -> None:
        for name, value in (("method", method), ("url", url), ("headers", pairs(headers)), ("body", body)):
            object.__setattr__(self, name, value)


@dataclass(frozen=True, init=False)
class HttpResponse(Message):
    """A response. `status` is from 100 to 999; for `headers` and `body` see `HttpRequest`."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def __init__(self, status: int = 200, headers: Headers = (), body: bytes = b"") -> None:
        for name, value in (("status", status), ("headers", pairs(headers)), ("body", body)):
            object.__setattr__(self, name, value)
