"""Outgoing HTTP requests of WASI 0.2 programs: refused by default, then as `WasiConfig` says. All of it on this machine."""

from __future__ import annotations

import dataclasses
import http.server
import os
import re
import signal
import threading
import time
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import pytest

from ferrowasm import Engine, HttpRequest, HttpResponse, Store, StoreBusyError, WasiConfig
from ferrowasm.component import Component, Linker
from toolchain import c_guest

SOURCE = Path(__file__).parent / "guests" / "c" / "http.c"

# The number of an error among the cases of `wasi:http/types.error-code`.
REQUEST_DENIED = 15
BODY_SIZE = 17
CONNECTION_REFUSED = 6


class Guest:
    def __init__(self) -> None:
        self.engine = Engine()
        linker = Linker(self.engine)
        linker.add_wasip2()
        linker.add_wasi_http()
        self.pre = linker.instantiate_pre(Component.from_file(self.engine, c_guest(SOURCE)))

    def run(self, config: WasiConfig, *words: str, store: Store | None = None) -> list[str]:
        """What the program prints: status and header, then the body; or the number of an error."""
        config.argv = ["http", *words]
        output = config.capture_stdout()
        store = store or Store(self.engine)
        store.set_wasi(config)
        exports: Any = self.pre.instantiate(store).exports(store)
        exports["wasi:cli/run@0.2.12"].run(store)
        return output.text(errors="replace").splitlines()


@pytest.fixture(scope="module")
def guest() -> Guest:
    return Guest()


class Handler(http.server.BaseHTTPRequestHandler):
    seen: list[tuple[str, str, str | None, str | None, bytes]]

    def answer(self) -> None:
        if self.headers["Transfer-Encoding"] == "chunked":
            body = b""
            while size := int(self.rfile.readline(), 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        self.seen.append((self.command, self.path, self.headers["Host"], self.headers["X-Question"], body))
        self.send_response(200)
        self.send_header("X-Answer", "yes")
        self.end_headers()
        self.wfile.write(b"served\n")

    do_GET = do_POST = do_PATCH = answer

    def log_message(self, format: str, *args: object) -> None:
        pass


@dataclasses.dataclass
class Server:
    host: str
    seen: list[tuple[str, str, str | None, str | None, bytes]]


@pytest.fixture
def server() -> Generator[Server]:
    seen: list[tuple[str, str, str | None, str | None, bytes]] = []
    handler = type("Recording", (Handler,), {"seen": seen})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield Server(f"127.0.0.1:{server.server_port}", seen)
        server.shutdown()
        thread.join()


def test_requests_are_refused_by_default(guest: Guest, server: Server) -> None:
    assert guest.run(WasiConfig(), "GET", "http", server.host, "/") == [f"error {REQUEST_DENIED}"]
    assert server.seen == []


def test_requests_to_allowed_hosts_are_sent(guest: Guest, server: Server) -> None:
    config = WasiConfig()
    config.http_hosts = [server.host]
    assert guest.run(config, "POST", "http", server.host, "/path?q=1", "question") == ["200 yes", "served"]
    assert server.seen == [("POST", "/path?q=1", server.host, "caf\xe9", b"question")]


def test_a_body_is_not_kept_on_its_way_to_an_allowed_host(guest: Guest, server: Server) -> None:
    config = WasiConfig()
    config.http_hosts = [server.host]
    config.http_max_request_body = 0
    assert guest.run(config, "POST", "http", server.host, "/", "much", "256") == ["200 yes", "served"]
    assert len(server.seen[0][4]) == 1 << 20


def test_the_network_of_sockets_stays_off(guest: Guest) -> None:
    config = WasiConfig()
    config.http_hosts = ["example.com"]
    assert config.socket_addr_check is None
    assert config.allow_ip_name_lookup is False


@pytest.mark.parametrize(
    ("hosts", "scheme", "authority", "permitted"),
    [
        (["example.com"], "http", "example.com", True),
        (["Example.COM"], "https", "eXample.com", True),
        (["example.com"], "http", "example.com:80", True),
        (["example.com"], "https", "example.com:443", True),
        (["example.com"], "http", "example.com:8080", False),
        (["example.com:8080"], "http", "example.com:8080", True),
        (["example.com:8080"], "http", "example.com", False),
        (["example.com"], "http", "www.example.com", False),
        (["example.com"], "http", "example.com.", False),
        (["example.com"], "http", "badexample.com", False),
        (["*.example.com"], "http", "a.b.example.com", True),
        (["*.example.com"], "http", "example.com", False),
        (["*.example.com"], "http", "badexample.com", False),
        (["example.com"], "http", "example.com@127.0.0.1", False),
        (["https://example.com"], "http", "example.com", False),
        (["https://example.com"], "https", "example.com", True),
        (["http://127.0.0.1:1"], "http", "127.0.0.1:1", True),
        (["[::1]:8080"], "http", "[::1]:8080", True),
        (["a.example", "b.example"], "http", "b.example", True),
        ([], "http", "example.com", False),
    ],
)
def test_hosts_are_matched_exactly(guest: Guest, hosts: list[str], scheme: str, authority: str, permitted: bool) -> None:
    asked: list[HttpRequest] = []
    config = WasiConfig()
    config.http_hosts = hosts
    # Asked about what is not permitted, and the only one that may answer here.
    config.http_handler = asked.append
    outcome = guest.run(config, "GET", scheme, authority, "/")
    assert (outcome != [f"error {REQUEST_DENIED}"], len(asked)) == ((True, 0) if permitted else (False, 1))


@pytest.mark.parametrize("host", ["", "a b", "example.com/path", "*", "a.*.com", "ftp://example.com", "example.com:x", "user@example.com", "example.com:99999"])
def test_a_host_that_is_none_is_refused(host: str) -> None:
    with pytest.raises(ValueError, match=re.escape(f"in http_hosts, got {host!r}".replace("'", '"'))):
        WasiConfig().http_hosts = [host]


def test_hosts_are_given_as_strings() -> None:
    config = WasiConfig()
    hosts: Any
    for hosts, message in [("example.com", "expected an iterable of str for http_hosts, got str"), ([1], "expected a str as an item of http_hosts, got int")]:
        with pytest.raises(TypeError, match=f"^{message}$"):
            config.http_hosts = hosts
    config.http_hosts = ("Example.com", "*.example.com:80", "https://[::1]")
    assert config.http_hosts == ["example.com", "*.example.com:80", "https://[::1]"]


def with_handler(handler: Callable[[HttpRequest], Any]) -> WasiConfig:
    config = WasiConfig()
    config.http_handler = handler
    return config


def test_a_callable_answers(guest: Guest) -> None:
    asked: list[HttpRequest] = []

    def answer(request: HttpRequest) -> HttpResponse:
        asked.append(request)
        return HttpResponse(404, {"X-Answer": "n\xf6", "Other": "x"}, b"nothing\n" * 10000)

    outcome = guest.run(with_handler(answer), "POST", "https", "example.com", "/path?q=1", "question")
    assert (outcome[0], len(outcome)) == ("404 n\ufffd", 10001)
    assert asked == [HttpRequest("POST", "https://example.com/path?q=1", [("x-question", "caf\xe9")], b"question")]
    assert (asked[0].header("X-Question"), asked[0].header("Host")) == ("caf\xe9", None)


def test_a_callable_lets_a_request_pass(guest: Guest, server: Server) -> None:
    assert guest.run(with_handler(lambda request: request), "PATCH", "http", server.host, "/path", "body") == ["200 yes", "served"]
    assert server.seen == [("PATCH", "/path", server.host, "caf\xe9", b"body")]


def test_a_callable_rewrites_a_request(guest: Guest, server: Server) -> None:
    def rewrite(request: HttpRequest) -> HttpRequest:
        return dataclasses.replace(request, method="GET", url=f"http://{server.host}/other", headers=(("X-Question", "another"),), body=b"")

    assert guest.run(with_handler(rewrite), "POST", "https", "example.com", "/path", "body") == ["200 yes", "served"]
    assert server.seen == [("GET", "/other", server.host, "another", b"")]


def test_a_callable_refuses_a_request(guest: Guest) -> None:
    assert guest.run(with_handler(lambda request: None), "GET", "http", "example.com", "/") == [f"error {REQUEST_DENIED}"]


def test_a_server_that_is_not_there_is_an_error_for_the_program(guest: Guest, server: Server) -> None:
    assert guest.run(with_handler(lambda request: request), "GET", "http", "127.0.0.1:1", "/") == [f"error {CONNECTION_REFUSED}"]


class Stop(BaseException):
    pass


def test_an_exception_of_the_callable_comes_out_unchanged(guest: Guest) -> None:
    stop = Stop()

    def fail(request: HttpRequest) -> HttpResponse:
        raise stop

    with pytest.raises(Stop) as raised:
        guest.run(with_handler(fail), "GET", "http", "example.com", "/")
    assert raised.value is stop


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (b"body", TypeError, "expected an HttpResponse, an HttpRequest or None from http_handler, got bytes"),
        (HttpResponse(99), ValueError, "expected a status from 100 to 999 in an HttpResponse, got 99"),
        (HttpResponse(headers=[("a b", "c")]), ValueError, 'expected the name and value of an HTTP header, got "a b": "c"'),
        (HttpResponse(headers=[("a", "\n")]), ValueError, r'expected the name and value of an HTTP header, got "a": "\n"'),
        (HttpResponse(headers=[("a", "\u20ac")]), ValueError, 'expected the name and value of an HTTP header, got "a": "\u20ac"'),
        (HttpResponse(body="text"), TypeError, "expected a bytes-like object as the body of an HttpResponse, got str"),  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        (HttpRequest("GET", "ftp://example.com/"), ValueError, 'expected an http or https URL in an HttpRequest, got "ftp://example.com/"'),
        (HttpRequest("GET", "/path"), ValueError, 'expected an http or https URL in an HttpRequest, got "/path"'),
        (HttpRequest("G T", "http://example.com/"), ValueError, 'expected an HTTP method in an HttpRequest, got "G T"'),
    ],
)
def test_an_answer_that_is_none_is_an_error(guest: Guest, answer: object, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=f"^{re.escape(message)}$"):
        guest.run(with_handler(lambda request: answer), "GET", "http", "example.com", "/")


def test_a_large_body_is_an_error_for_the_program(guest: Guest) -> None:
    config = with_handler(lambda request: HttpResponse())
    assert config.http_max_request_body == 16 << 20
    assert guest.run(config, "POST", "http", "example.com", "/", "much") == [f"error {BODY_SIZE}"]
    config.http_max_request_body = 32 << 20
    assert guest.run(config, "POST", "http", "example.com", "/", "much") == ["200 "]


def test_the_store_is_busy_while_the_callable_answers(guest: Guest) -> None:
    store = Store(guest.engine)
    with pytest.raises(StoreBusyError, match="the store is busy"):
        guest.run(with_handler(lambda request: store.gc()), "GET", "http", "example.com", "/", store=store)


def test_the_callable_may_run_another_guest(guest: Guest) -> None:
    inner = with_handler(lambda request: HttpResponse(201))
    outer = with_handler(lambda request: HttpResponse(202, body="\n".join(guest.run(inner, "GET", "http", "example.com", "/")).encode()))
    assert guest.run(outer, "GET", "http", "example.com", "/") == ["202 ", "201 "]


def test_control_c_ends_a_wait_for_a_response(guest: Guest) -> None:
    begin = time.monotonic()

    def slow(request: HttpRequest) -> HttpResponse:
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(60)
        return HttpResponse()

    with pytest.raises(KeyboardInterrupt):
        guest.run(with_handler(slow), "GET", "http", "example.com", "/")
    assert time.monotonic() - begin < 30


def test_requests_are_values() -> None:
    request = HttpRequest("GET", "http://example.com/", {"A": "b"})
    assert request == HttpRequest("GET", "http://example.com/", [("A", "b")], b"")
    assert hash(request) == hash(dataclasses.replace(request))
    assert repr(request) == "HttpRequest(method='GET', url='http://example.com/', headers=(('A', 'b'),), body=b'')"
    assert HttpResponse().header("a") is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        request.method = "PUT"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
