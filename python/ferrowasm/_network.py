"""What `WasiConfig.socket_addr_check` is asked about."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

__all__ = ["SocketAddr", "SocketAddrUse"]


class SocketAddr(NamedTuple):
    """An IP address and a port, as the pair that Python's sockets use."""

    #: The IP address as text, like `"127.0.0.1"` or `"::1"`.
    host: str
    port: int

    @property
    def ip(self) -> IPv4Address | IPv6Address:
        """The IP address as an object of `ipaddress`, which knows about networks: `addr.ip.is_loopback`."""
        from ipaddress import ip_address

        return ip_address(self.host)


class SocketAddrUse(enum.Enum):
    """What a program wants an address for."""

    #: Give a TCP socket the address.
    TCP_BIND = "tcp-bind"
    #: Wait for connections on the address.
    TCP_LISTEN = "tcp-listen"
    #: Accept a connection that comes from the address.
    TCP_ACCEPT = "tcp-accept"
    #: Connect to the address.
    TCP_CONNECT = "tcp-connect"
    #: Give a UDP socket the address.
    UDP_BIND = "udp-bind"
    #: Send a datagram to the address.
    UDP_SEND = "udp-send"
    #: Receive a datagram that comes from the address. A datagram that is refused is dropped.
    UDP_RECEIVE = "udp-receive"
