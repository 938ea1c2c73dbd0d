"""The network of WASI 0.2 programs: off by default, then as `WasiConfig` says. All of it on this machine."""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import threading
import time
import weakref
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from ferrowasm import Engine, ExitTrap, SocketAddr, SocketAddrUse, Store, StoreBusyError, WasiConfig
from ferrowasm.component import Component, Linker
from toolchain import c_guest

SOURCE = Path(__file__).parent / "guests" / "c" / "sockets.c"
LOOPBACK = "127.0.0.1"


class Guest:
    def __init__(self) -> None:
        self.engine = Engine()
        linker = Linker(self.engine)
        linker.add_wasip2()
        self.pre = linker.instantiate_pre(Component.from_file(self.engine, c_guest(SOURCE)))

    def run(self, config: WasiConfig, *words: str, store: Store | None = None) -> str:
        """What the program prints."""
        config.argv = ["sockets", *words]
        output = config.capture_stdout()
        self.start(config, store or Store(self.engine))
        return output.text().strip()

    def start(self, config: WasiConfig, store: Store) -> None:
        store.set_wasi(config)
        exports: Any = self.pre.instantiate(store).exports(store)
        # The program calls exit() where it reports an error.
        with contextlib.suppress(ExitTrap):
            exports["wasi:cli/run@0.2.12"].run(store)


@pytest.fixture(scope="module")
def guest() -> Guest:
    return Guest()


@pytest.fixture
def server() -> Generator[str]:
    """The port of a server that sends back what it gets, in capitals."""
    with socket.create_server((LOOPBACK, 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(connection.recv(100).upper())

        thread = threading.Thread(target=serve)
        thread.start()
        yield str(listener.getsockname()[1])
        listener.shutdown(socket.SHUT_RDWR)
    thread.join()


def inherited() -> WasiConfig:
    config = WasiConfig()
    config.inherit_network()
    return config


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (("connect", LOOPBACK, "1"), "create: access-denied"),
        (("listen", LOOPBACK, "0"), "create: access-denied"),
        (("datagram", LOOPBACK, "1"), "create: access-denied"),
        (("lookup", "localhost"), "resolve: permanent-resolver-failure"),
    ],
)
def test_the_network_is_off_by_default(guest: Guest, words: tuple[str, ...], answer: str) -> None:
    assert guest.run(WasiConfig(), *words) == answer


@pytest.mark.parametrize("how", ["connect", "connect-busily"])
def test_a_program_connects_when_it_inherits_the_network(guest: Guest, server: str, how: str) -> None:
    assert guest.run(inherited(), how, LOOPBACK, server) == "PING"


def test_a_refused_connection_is_an_error_for_the_program(guest: Guest) -> None:
    with socket.create_server((LOOPBACK, 0)) as listener:
        port = str(listener.getsockname()[1])
    assert guest.run(inherited(), "connect", LOOPBACK, port) == "connect: connection-refused"


@pytest.mark.parametrize("how", ["connect", "connect-busily"])
def test_a_callable_decides_about_addresses(guest: Guest, server: str, how: str) -> None:
    asked: list[tuple[SocketAddr, SocketAddrUse]] = []

    def check(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        asked.append((address, purpose))
        return address.ip.is_loopback and address.port == int(server)

    config = WasiConfig()
    config.socket_addr_check = check
    assert config.socket_addr_check is check
    assert guest.run(config, how, LOOPBACK, server) == "PING"
    assert asked == [((LOOPBACK, int(server)), SocketAddrUse.TCP_CONNECT)]
    assert guest.run(config, how, "192.0.2.1", server) == "connect: access-denied"
    assert guest.run(config, how, LOOPBACK, "1") == "connect: access-denied"


def test_a_program_listens_where_it_may(guest: Guest) -> None:
    config = WasiConfig(argv=["sockets", "listen", LOOPBACK, "0"])
    asked: list[tuple[str, SocketAddrUse]] = []
    written: list[bytes] = []
    answers: list[bytes] = []

    def check(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        asked.append((address.host, purpose))
        return True

    def write(data: bytes) -> None:
        written.append(data)
        if len(written) == 1:
            threads.append(threading.Thread(target=connect, args=(int(data),)))
            threads[0].start()

    def connect(port: int) -> None:
        with socket.create_connection((LOOPBACK, port)) as connection:
            answers.append(connection.recv(100))
            connection.sendall(b"thanks")

    threads: list[threading.Thread] = []
    config.socket_addr_check = check
    config.stdout_custom = write
    guest.start(config, Store(guest.engine))
    threads[0].join()
    assert (answers, b"".join(written[1:]).strip()) == ([b"welcome"], b"thanks")
    assert asked == [(LOOPBACK, use) for use in (SocketAddrUse.TCP_BIND, SocketAddrUse.TCP_LISTEN, SocketAddrUse.TCP_ACCEPT)]


def test_datagrams_come_and_go(guest: Guest) -> None:
    purposes: list[SocketAddrUse] = []

    def check(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        purposes.append(purpose)
        return address.port == port

    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind((LOOPBACK, 0))
        port: int = peer.getsockname()[1]

        def answer() -> None:
            data, address = peer.recvfrom(100)
            peer.sendto(data.upper(), address)

        thread = threading.Thread(target=answer)
        thread.start()
        config = WasiConfig()
        config.socket_addr_check = check
        assert guest.run(config, "datagram", LOOPBACK, str(port)) == "PING"
        thread.join()
    assert purposes == [SocketAddrUse.UDP_SEND, SocketAddrUse.UDP_RECEIVE]


@pytest.mark.parametrize(("switch", "word"), [("allow_tcp", "connect"), ("allow_udp", "datagram")])
def test_a_protocol_can_be_switched_off(guest: Guest, switch: str, word: str) -> None:
    config = inherited()
    assert getattr(config, switch) is True
    setattr(config, switch, False)
    assert guest.run(config, word, LOOPBACK, "1") == "create: access-denied"


def test_names_are_looked_up_only_if_that_is_allowed(guest: Guest) -> None:
    config = WasiConfig()
    assert config.allow_ip_name_lookup is False
    config.allow_ip_name_lookup = True
    assert LOOPBACK in guest.run(config, "lookup", "localhost").splitlines()
    assert LOOPBACK in guest.run(inherited(), "lookup", "localhost").splitlines()
    assert guest.run(config, "connect", LOOPBACK, "1") == "create: access-denied"


class Stop(BaseException):
    pass


@pytest.mark.parametrize("words", [("connect",), ("connect-busily",), ("listen",), ("datagram",)])
def test_an_exception_of_the_callable_comes_out_unchanged(guest: Guest, server: str, words: tuple[str, ...]) -> None:
    stop = Stop()

    def check(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        raise stop

    config = WasiConfig()
    config.socket_addr_check = check
    with pytest.raises(Stop) as raised:
        guest.run(config, *words, LOOPBACK, server)
    assert raised.value is stop


def test_the_store_is_busy_while_the_callable_decides(guest: Guest, server: str) -> None:
    store = Store(guest.engine)
    config = WasiConfig()
    config.socket_addr_check = lambda address, purpose: store.gc()
    with pytest.raises(StoreBusyError, match="the store is busy"):
        guest.run(config, "connect", LOOPBACK, server, store=store)


def test_the_callable_may_run_another_guest(guest: Guest, server: str) -> None:
    inner: list[str] = []

    def check(address: SocketAddr, purpose: SocketAddrUse) -> bool:
        inner.append(guest.run(inherited(), "connect", LOOPBACK, server))
        return True

    config = WasiConfig()
    config.socket_addr_check = check
    assert guest.run(config, "connect", LOOPBACK, server) == "PING"
    assert inner == ["PING"]


def test_control_c_ends_a_wait_for_the_network(guest: Guest) -> None:
    with socket.create_server((LOOPBACK, 0)) as silent:
        begin = time.monotonic()
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            guest.run(inherited(), "connect", LOOPBACK, str(silent.getsockname()[1]))
        timer.join()
        assert time.monotonic() - begin < 30


def test_a_store_with_a_network_is_collected(guest: Guest) -> None:
    store = Store(guest.engine)
    config = WasiConfig()
    # A cycle from the store through the callable to the store.
    config.socket_addr_check = lambda address, purpose: store is None
    store.set_wasi(config)
    gone = weakref.ref(store)
    del store, config
    gc.collect()
    assert gone() is None


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_the_network_works_in_a_forked_child(guest: Guest, server: str) -> None:
    assert guest.run(inherited(), "connect", LOOPBACK, server) == "PING"
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        os._exit(0 if guest.run(inherited(), "connect", LOOPBACK, server) == "PING" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert guest.run(inherited(), "connect", LOOPBACK, server) == "PING"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("socket_addr_check", 1, "expected a callable or None for socket_addr_check, got int"),
        ("allow_tcp", 1, "expected a bool for allow_tcp, got int"),
        ("allow_udp", None, "expected a bool for allow_udp, got NoneType"),
        ("allow_ip_name_lookup", "yes", "expected a bool for allow_ip_name_lookup, got str"),
    ],
)
def test_settings_have_their_types(name: str, value: object, message: str) -> None:
    with pytest.raises(TypeError, match=f"^{message}$"):
        setattr(WasiConfig(), name, value)
