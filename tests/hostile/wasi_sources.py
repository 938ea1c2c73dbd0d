"""Python code that WASI calls, and that raises: streams, HTTP handlers, what decides about addresses, settings. Of guests in C, in components."""

from __future__ import annotations

import asyncio
import functools
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from toolchain import c_command, c_guest

from ferrowasm import Engine, HttpRequest, HttpResponse, SocketAddr, SocketAddrUse, Store, WasiConfig
from ferrowasm.component import Component, InstancePre, Linker
from tests.hostile.raising import Entry, Index, Items, Raiser

GUESTS = Path(__file__).parents[1] / "component" / "guests" / "c"
LOOPBACK = "127.0.0.1"

#: Sets what raises in the configuration of a program.
Setting = Callable[[WasiConfig, Raiser], None]


@functools.cache
def program(name: str) -> tuple[Engine, InstancePre]:
    """The program, compiled once."""
    engine = Engine()
    linker = Linker(engine)
    linker.add_wasip2()
    linker.add_wasi_http()
    source = GUESTS / f"{name}.c"
    path = c_command(name, source.read_text(encoding="utf-8")) if name == "command" else c_guest(source)
    return engine, linker.instantiate_pre(Component.from_file(engine, path))


def complete(call: Callable[[], Awaitable[Any]]) -> None:
    """Awaits the call in an event loop, and raises what it raises; the loop itself treats some exceptions in ways of its own."""

    async def main() -> BaseException | None:
        try:
            await call()
        except BaseException as error:  # noqa: BLE001
            return error
        return None

    error = asyncio.run(main())
    if error is not None:
        raise error


def running(name: str, words: list[str], setting: Setting, *, awaited: bool = False) -> Entry:
    """Runs the program with the words in a component, by a synchronous call or by one that is awaited."""

    def make(raiser: Raiser) -> Callable[[], Any]:
        engine, pre = program(name)
        config = WasiConfig(argv=[name, *words])
        setting(config, raiser)
        store = Store(engine)
        store.set_wasi(config)
        exports: Any = pre.instantiate(store).exports(store)
        run = next(exports[export].run for export in exports if export.startswith("wasi:cli/run@"))
        return (lambda: complete(lambda: run.call_async(store))) if awaited else (lambda: run(store))

    return make


# ---- standard streams ----


class File:
    """A binary file object of which one method raises, or what one returns."""

    def __init__(self, **methods: Any) -> None:
        self.__dict__.update(methods)


def stream(which: str, value: Callable[[Raiser], Any]) -> Setting:
    def setting(config: WasiConfig, raiser: Raiser) -> None:
        setattr(config, which, value(raiser))

    return setting


def accept(data: bytes) -> int:
    return len(data)


OUTPUTS: dict[str, Callable[[Raiser], Any]] = {
    "write": lambda raiser: File(write=raiser),
    "flush": lambda raiser: File(write=accept, flush=raiser),
    "count": lambda raiser: File(write=lambda data: Index(raiser)),
}

STREAMS: dict[str, tuple[list[str], Setting]] = {
    "stdin-read": (["copy"], stream("stdin", lambda raiser: File(read=raiser))),
    "stdin-read1": (["copy"], stream("stdin", lambda raiser: File(read1=raiser, read=raiser))),
    "stdout-custom": (["show"], stream("stdout_custom", lambda raiser: raiser)),
    "stderr-custom": (["complain", "oh"], stream("stderr_custom", lambda raiser: raiser)),
    **{f"stdout-{what}": (["show"], stream("stdout", value)) for what, value in OUTPUTS.items()},
    **{f"stderr-{what}": (["complain", "oh"], stream("stderr", value)) for what, value in OUTPUTS.items()},
}


# ---- HTTP ----


def raising_at(part: str, message: HttpRequest | HttpResponse) -> Callable[[Raiser], Any]:
    """A message of which one part raises when it is looked at."""

    def make(raiser: Raiser) -> Any:
        kind = type("Raising", (type(message),), {part: property(lambda _: raiser())})
        object.__setattr__(message, "__class__", kind)
        return message

    return make


def request() -> HttpRequest:
    return HttpRequest("GET", "http://example.com/")


ANSWERS: dict[str, Callable[[Raiser], Any]] = {
    "status": lambda raiser: raising_at("status", HttpResponse())(raiser),
    "status-index": lambda raiser: HttpResponse(Index(raiser)),  # type: ignore[arg-type]
    "headers": lambda raiser: raising_at("headers", HttpResponse())(raiser),
    "headers-items": lambda raiser: HttpResponse(headers=Items(raiser)),  # type: ignore[arg-type]
    "body": lambda raiser: raising_at("body", HttpResponse())(raiser),
    "request-url": lambda raiser: raising_at("url", request())(raiser),
    "request-method": lambda raiser: raising_at("method", request())(raiser),
    "request-headers": lambda raiser: raising_at("headers", request())(raiser),
    "request-body": lambda raiser: raising_at("body", request())(raiser),
}


def handler(make: Callable[[Raiser], Any]) -> Setting:
    def setting(config: WasiConfig, raiser: Raiser) -> None:
        config.http_handler = lambda request: make(raiser)

    return setting


def coroutine_handler(config: WasiConfig, raiser: Raiser) -> None:
    async def handle(request: HttpRequest) -> None:
        raiser()

    config.http_handler = handle


# ---- addresses ----


class Truth:
    """Raises when it is asked whether it is true."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __bool__(self) -> bool:
        result: bool = self.raiser()
        return result


def address(make: Callable[[Raiser], Any]) -> Setting:
    def setting(config: WasiConfig, raiser: Raiser) -> None:
        config.socket_addr_check = lambda address, purpose: make(raiser)

    return setting


def coroutine_address(config: WasiConfig, raiser: Raiser) -> None:
    async def check(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        raiser()
        return False

    config.socket_addr_check = check


def accepting(config: WasiConfig, raiser: Raiser) -> None:
    """Raises about the address of the one who connects to the program."""
    clients: list[socket.socket] = []
    written = bytearray()

    def write(data: bytes) -> None:
        # A line, the port, may come in parts.
        written.extend(data)
        if written.endswith(b"\n"):
            clients.append(socket.create_connection((LOOPBACK, int(written))))

    def check(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        if purpose is SocketAddrUse.TCP_ACCEPT:
            clients.pop().close()
            raiser()
        return True

    config.stdout_custom = write
    config.socket_addr_check = check


GET = ["GET", "http", "example.com", "/"]


# ---- settings ----


class Place:
    """A path that raises when it is asked where it leads."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __fspath__(self) -> str:
        result: str = self.raiser()
        return result


class Variables(Mapping[str, str]):
    """Variables that raise when they are listed."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __getitem__(self, name: str) -> str:
        return name

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[str]:
        result: Iterator[str] = self.raiser()
        return result


class Attributes:
    """Raises for any attribute that it does not have."""

    def __init__(self, raiser: Raiser) -> None:
        self.raiser = raiser

    def __getattr__(self, name: str) -> Any:
        return self.raiser()


SETTINGS: dict[str, Callable[[Raiser], Any]] = {
    "argv": Items,
    "env": Variables,
    "http_hosts": Items,
    "http_max_request_body": Index,
    "stdin": Attributes,
    "stdin_file": Place,
    "stdout": Attributes,
    "stdout_file": Place,
    "stderr_file": Place,
}


def setting_of(name: str) -> Entry:
    def make(raiser: Raiser) -> Callable[[], Any]:
        config = WasiConfig()
        return lambda: setattr(config, name, SETTINGS[name](raiser))

    return make


def preopen(raiser: Raiser) -> Callable[[], Any]:
    config = WasiConfig()
    return lambda: config.preopen_dir(Place(raiser), "/")


#: What raises in the middle of the program `name` with these words.
PROGRAMS: dict[str, tuple[str, list[str], Setting]] = {
    **{name: ("command", words, setting) for name, (words, setting) in STREAMS.items()},
    "http-handler": ("http", GET, handler(lambda raiser: raiser())),
    **{f"http-{what}": ("http", GET, handler(value)) for what, value in ANSWERS.items()},
    **{f"address-{how}": ("sockets", [how, LOOPBACK, "1"], address(lambda raiser: raiser())) for how in ("connect", "connect-busily", "listen", "datagram")},
    "address-truth": ("sockets", ["connect", LOOPBACK, "1"], address(Truth)),
    "address-accept": ("sockets", ["listen", LOOPBACK, "0"], accepting),
}

COROUTINES: dict[str, tuple[str, list[str], Setting]] = {
    "http-coroutine": ("http", GET, coroutine_handler),
    "address-coroutine": ("sockets", ["connect", LOOPBACK, "1"], coroutine_address),
}

WASI_SOURCES: dict[str, Entry] = {
    **{f"wasip2-{name}": running(*source) for name, source in PROGRAMS.items()},
    **{f"awaited-{name}": running(*source, awaited=True) for name, source in {**PROGRAMS, **COROUTINES}.items()},
    **{f"setting-{name}": setting_of(name) for name in SETTINGS},
    "setting-preopen": preopen,
}
