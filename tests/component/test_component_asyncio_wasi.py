"""What a component waits for in WASI 0.2 does not hold up the event loop, and can be cancelled."""

from __future__ import annotations

import asyncio
import contextlib
import http.server
import os
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import pytest
from async_wit_support import turns_during
from toolchain import c_command, c_guest

from ferrowasm import DeadlineExceeded, Engine, ExitTrap, HttpRequest, HttpResponse, SocketAddr, SocketAddrUse, Store, StoreBusyError, Trap, WasiConfig, WasmtimeError
from ferrowasm.component import Component, Linker

GUESTS = Path(__file__).parent / "guests" / "c"
LOOPBACK = "127.0.0.1"
REACHED = "an asynchronous host function was called by a synchronous call"


class Program:
    """A program of WASI 0.2, compiled once."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.engine = engine
        linker = Linker(engine)
        linker.add_wasip2()
        linker.add_wasi_http()
        self.pre = linker.instantiate_pre(Component.from_file(engine, path))

    def start(self, config: WasiConfig, *words: str, store: Store | None = None) -> Coroutine[Any, Any, Any]:
        config.argv = ["program", *words]
        store = store or Store(self.engine)
        store.set_wasi(config)
        return self._run(store)

    async def _run(self, store: Store) -> None:
        exports: Any = (await self.pre.instantiate_async(store)).exports(store)
        name = next(name for name in exports if name.startswith("wasi:cli/run@"))
        with contextlib.suppress(ExitTrap):
            await exports[name].run.call_async(store)

    async def output(self, config: WasiConfig, *words: str) -> str:
        captured = config.capture_stdout()
        await self.start(config, *words)
        return captured.text(errors="replace").strip()


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine()


@pytest.fixture(scope="module")
def command(engine: Engine) -> Program:
    return Program(engine, c_command("command", (GUESTS / "command.c").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def sockets(engine: Engine) -> Program:
    return Program(engine, c_guest(GUESTS / "sockets.c"))


@pytest.fixture(scope="module")
def requests(engine: Engine) -> Program:
    return Program(engine, c_guest(GUESTS / "http.c"))


@pytest.fixture
def pipe() -> Generator[tuple[int, int]]:
    reader, writer = os.pipe()
    yield reader, writer
    os.close(reader)
    os.close(writer)


def inherited() -> WasiConfig:
    config = WasiConfig()
    config.inherit_network()
    return config


def test_a_sleep_lets_other_tasks_run(run: Any, command: Program) -> None:
    output, turns = run(turns_during(command.output(WasiConfig(), "sleep", "200")))
    assert output == "slept"
    assert turns >= 5


def test_programs_sleep_at_the_same_time(run: Any, command: Program) -> None:
    async def main() -> float:
        start = time.monotonic()
        assert await asyncio.gather(*(command.output(WasiConfig(), "sleep", "300") for _ in range(10))) == ["slept"] * 10
        return time.monotonic() - start

    assert 0.3 <= run(main()) < 3


def test_a_read_from_a_pipe_lets_other_tasks_run(run: Any, command: Program, pipe: tuple[int, int]) -> None:
    reader, writer = os.pipe()

    def write() -> None:
        os.write(writer, b"hello")
        os.close(writer)

    timer = threading.Timer(0.2, write)
    timer.start()
    output, turns = run(turns_during(command.output(WasiConfig(stdin_file=f"/dev/fd/{reader}"), "copy")))
    timer.join()
    os.close(reader)
    assert output == "hello"
    assert turns >= 5


def test_writing_to_a_full_pipe_lets_other_tasks_run(command: Program, pipe: tuple[int, int]) -> None:
    reader, writer = pipe
    received: list[bytes] = []

    def drain() -> None:
        time.sleep(0.2)
        while sum(map(len, received)) < 300_000:
            received.append(os.read(reader, 65536))

    thread = threading.Thread(target=drain)
    thread.start()
    _, turns = asyncio.run(turns_during(command.start(WasiConfig(stdin_bytes=b"x" * 300_000, stdout_file=f"/dev/fd/{writer}"), "copy")))
    thread.join()
    assert sum(map(len, received)) == 300_000
    assert turns >= 3


def test_streams_that_are_python_code_run_on_the_thread_of_the_loop_and_may_use_the_store(run: Any, command: Program) -> None:
    seen: list[tuple[int, bytes]] = []
    store = Store(command.engine)

    class Input:
        left = [b"ab", b"cd"]

        def read(self, size: int) -> bytes:
            store.gc()
            seen.append((threading.get_ident(), b"read"))
            return self.left.pop(0) if self.left else b""

    def write(data: bytes) -> None:
        store.gc()
        asyncio.get_running_loop()
        seen.append((threading.get_ident(), data))

    run(command.start(WasiConfig(stdin=Input(), stdout_custom=write), "copy", store=store))
    assert {thread for thread, _ in seen} == {threading.get_ident()}
    assert b"".join(data for _, data in seen if data != b"read") == b"abcd"


def test_a_connection_lets_other_tasks_run(run: Any, sockets: Program) -> None:
    """The server is a task of the same loop."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        data = await reader.read(100)
        await asyncio.sleep(0.1)
        writer.write(data.upper())
        await writer.drain()
        writer.close()

    async def main() -> list[str]:
        server = await asyncio.start_server(serve, LOOPBACK, 0)
        port = str(server.sockets[0].getsockname()[1])
        async with server:
            return list(await asyncio.gather(*(sockets.output(inherited(), how, LOOPBACK, port) for how in ("connect", "connect", "connect-busily"))))

    assert run(main()) == ["PING"] * 3


def test_datagrams_let_other_tasks_run(run: Any, sockets: Program) -> None:
    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def datagram_received(self, data: bytes, addr: Any) -> None:
            self.transport.sendto(data.upper(), addr)

    async def main() -> str:
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(Echo, (LOOPBACK, 0))
        try:
            return await sockets.output(inherited(), "datagram", LOOPBACK, str(transport.get_extra_info("sockname")[1]))
        finally:
            transport.close()

    assert run(main()) == "PING"


def test_names_are_looked_up_in_the_background(sockets: Program) -> None:
    assert LOOPBACK in asyncio.run(sockets.output(inherited(), "lookup", "localhost")).splitlines()


@pytest.mark.parametrize("awaits", [False, True], ids=["plain", "async def"])
def test_a_callable_decides_about_addresses_on_the_loop(run: Any, sockets: Program, awaits: bool) -> None:
    asked: list[tuple[SocketAddr, SocketAddrUse, int]] = []
    store = Store(sockets.engine)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.read(100)).upper())
        await writer.drain()
        writer.close()

    def decide(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        asyncio.get_running_loop()
        if address.ip.is_loopback:
            with pytest.raises(StoreBusyError):
                store.gc()
        asked.append((address, purpose, threading.get_ident()))
        return address.ip.is_loopback

    async def decide_later(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        await asyncio.sleep(0.01)
        return decide(address, purpose)

    config = WasiConfig()
    config.socket_addr_check = decide_later if awaits else decide

    async def main() -> tuple[str, str, int]:
        server = await asyncio.start_server(serve, LOOPBACK, 0)
        port = server.sockets[0].getsockname()[1]
        async with server:
            captured = config.capture_stdout()
            await sockets.start(config, "connect", LOOPBACK, str(port), store=store)
            return captured.text().strip(), await sockets.output(config, "connect", "192.0.2.1", str(port)), port

    allowed, refused, port = run(main())
    assert (allowed, refused) == ("PING", "connect: access-denied")
    assert asked[0] == ((LOOPBACK, port), SocketAddrUse.TCP_CONNECT, threading.get_ident())


def test_a_coroutine_that_decides_is_an_error_in_a_synchronous_call(sockets: Program) -> None:
    """It is not taken for a permission."""

    async def decide(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        return False

    config = WasiConfig(argv=["sockets", "connect", LOOPBACK, "1"])
    config.socket_addr_check = decide
    store = Store(sockets.engine)
    store.set_wasi(config)
    exports: Any = sockets.pre.instantiate(store).exports(store)
    with pytest.raises(WasmtimeError, match=REACHED):
        exports["wasi:cli/run@0.2.12"].run(store)


@pytest.fixture
def server() -> Generator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(0.2 if self.path == "/slow" else 30 if self.path == "/never" and not stopped.wait(30) else 0)
            self.send_response(200)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(b"served\n")

        def log_message(self, format: str, *args: object) -> None:
            pass

    stopped = threading.Event()
    with http.server.ThreadingHTTPServer((LOOPBACK, 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"{LOOPBACK}:{server.server_port}"
        stopped.set()
        server.shutdown()
        thread.join()


def test_an_outgoing_request_lets_other_tasks_run(run: Any, requests: Program, server: str) -> None:
    config = WasiConfig()
    config.http_hosts = [server]
    output, turns = run(turns_during(requests.output(config, "GET", "http", server, "/slow")))
    assert output.splitlines() == ["200 ", "served"]
    assert turns >= 5


@pytest.mark.parametrize("kind", ["plain", "async def"])
def test_a_callable_answers_requests_on_the_loop(run: Any, requests: Program, server: str, kind: str) -> None:
    asked: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse | HttpRequest | None:
        asyncio.get_running_loop()
        asked.append(request)
        if request.url.endswith("/refused"):
            return None
        return request if request.url.endswith("/sent") else HttpResponse(404, {"X-Answer": "yes"}, b"nothing\n")

    async def answer_later(request: HttpRequest) -> HttpResponse | HttpRequest | None:
        await asyncio.sleep(0.05)
        return answer(request)

    config = WasiConfig()
    config.http_handler = answer if kind == "plain" else answer_later

    async def main() -> list[str]:
        return [await requests.output(config, "GET", "http", server, path) for path in ("/", "/refused", "/sent")]

    assert [output.splitlines()[0] for output in run(main())] == ["404 yes", "error 15", "200 "]
    assert len(asked) == 3


def test_a_handler_that_awaits_lets_other_tasks_run(run: Any, requests: Program) -> None:
    async def answer(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0.1)
        return HttpResponse(200)

    config = WasiConfig()
    config.http_handler = answer
    output, turns = run(turns_during(requests.output(config, "GET", "http", "example.com", "/")))
    assert output == "200"
    assert turns >= 3


class Stop(BaseException):
    pass


def test_an_exception_of_a_handler_comes_out_unchanged(requests: Program) -> None:
    stop = Stop()

    async def fail(request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        raise stop

    config = WasiConfig()
    config.http_handler = fail

    async def main() -> None:
        with pytest.raises(Stop) as raised:
            await requests.start(config, "GET", "http", "example.com", "/")
        assert raised.value is stop

    asyncio.run(main())


def test_a_handler_that_is_a_coroutine_is_an_error_in_a_synchronous_call(requests: Program) -> None:
    async def answer(request: HttpRequest) -> HttpResponse:
        return HttpResponse()

    config = WasiConfig(argv=["http", "GET", "http", "example.com", "/"])
    config.http_handler = answer
    store = Store(requests.engine)
    store.set_wasi(config)
    exports: Any = requests.pre.instantiate(store).exports(store)
    with pytest.raises(WasmtimeError, match=REACHED):
        exports["wasi:cli/run@0.2.12"].run(store)


#: What a program waits for.
WAITS = ["sleep", "stdin", "stdout", "spin", "connection", "datagram", "accept", "response", "handler", "check"]


class Wait:
    """A program that waits for something that does not come, and what became of the coroutines in its way."""

    def __init__(self, kind: str, programs: dict[str, Program], server: str, pipe: tuple[int, int], silent: socket.socket) -> None:
        self.seen: list[str] = []
        self.config = WasiConfig()
        program, words = programs["command"], ["copy"]
        if kind == "sleep":
            words = ["sleep", "60000"]
        elif kind == "stdin":
            self.config.stdin_file = f"/dev/fd/{pipe[0]}"
        elif kind == "stdout":
            self.config = WasiConfig(stdin_bytes=b"x" * 300_000, stdout_file=f"/dev/fd/{pipe[1]}")
        elif kind == "spin":
            words = ["spin"]
        elif kind in ("connection", "datagram", "accept", "check"):
            self.config = inherited()
            words = [{"datagram": "datagram", "accept": "listen"}.get(kind, "connect"), LOOPBACK, "0" if kind == "accept" else str(silent.getsockname()[1])]
            program = programs["sockets"]
            if kind == "check":
                self.config.socket_addr_check = self.never
        elif kind == "response":
            self.config.http_hosts = [server]
            program, words = programs["requests"], ["GET", "http", server, "/never"]
        else:
            self.config.http_handler = self.never
            program, words = programs["requests"], ["GET", "http", "example.com", "/"]
        self.store = Store(program.engine)
        self.call = program.start(self.config, *words, store=self.store)

    async def never(self, *_: object) -> Any:
        try:
            await asyncio.sleep(60)
        except BaseException as error:
            self.seen.append(type(error).__name__)
            raise


@pytest.fixture
def wait(command: Program, sockets: Program, requests: Program, server: str, pipe: tuple[int, int]) -> Generator[Callable[[str], Wait]]:
    programs = {"command": command, "sockets": sockets, "requests": requests}
    with socket.create_server((LOOPBACK, 0)) as silent:
        yield lambda kind: Wait(kind, programs, server, pipe, silent)


@pytest.mark.parametrize("kind", WAITS)
def test_a_wait_can_be_cancelled(run: Any, wait: Callable[[str], Wait], kind: str) -> None:
    waiting = wait(kind)

    async def main() -> None:
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.15):
                await waiting.call
        assert time.monotonic() - start < 10

    run(main())
    assert waiting.seen == (["CancelledError"] if kind in ("handler", "check") else [])
    with pytest.raises(Trap, match="instantiate the component in a new Store"):
        from async_wit_support import plain

        plain("add", waiting.store)(waiting.store, 1, 2)
    waiting.store.close()


@pytest.mark.parametrize("kind", [kind for kind in WAITS if kind not in ("handler", "check")])
def test_a_deadline_ends_a_wait(wait: Callable[[str], Wait], kind: str) -> None:
    waiting = wait(kind)

    async def main() -> None:
        start = time.monotonic()
        with waiting.store.deadline(0.15), pytest.raises(DeadlineExceeded):
            await waiting.call
        assert time.monotonic() - start < 10

    asyncio.run(main())
