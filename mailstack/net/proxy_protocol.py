"""PROXY protocol, versions 1 and 2: header parser, and start of the service behind."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct
from twisted.internet.interfaces import IAddress, IDelayedCall, IProtocol, IProtocolFactory, IReactorTime
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from mailstack.letter.envelope import HostPort

PROXIED = "haproxy:"
"""Prefix of endpoint descriptions with PROXY headers, the same as Twisted's."""

MAX_V1_HEADER = 107
"""Maximum octets of a version 1 header with its CRLF (§2.1)."""
MAX_V2_HEADER = 4096
"""Maximum octets after the fixed part of a version 2 header; the format allows 65535, but few are in use."""

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
_FIXED = 16
_LOCAL, _PROXY = 0x20, 0x21
_SIZES = {0x11: 4, 0x21: 16}
"""Number of octets of an address, by family and transport: TCP over IPv4, TCP over IPv6."""

_LINE = re.compile(
    rb"PROXY (?:UNKNOWN(?: [^\r\n]*)?|(TCP[46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (0|[1-9][0-9]{0,4}) (0|[1-9][0-9]{0,4}))"
)


class BadHeader(Exception):
    """Invalid PROXY header; str() has the reason."""


class Passed(Struct, frozen=True):
    """Addresses of the client's connection. None: a connection of the proxy itself, such as a health check."""

    client: HostPort | None
    server: HostPort | None


def read_header(octets: bytes) -> tuple[Passed, int] | None:
    """The header's addresses, and its length in octets; None: incomplete. Raises BadHeader as early as possible."""
    if octets[: len(SIGNATURE)] == SIGNATURE[: len(octets)]:
        return _version_2(octets)
    signature = b"PROXY "
    if octets[: len(signature)] == signature[: len(octets)]:
        return _version_1(octets)
    raise BadHeader("not a PROXY header")


def _version_1(octets: bytes) -> tuple[Passed, int] | None:
    end = octets.find(b"\r\n", 0, MAX_V1_HEADER)
    if end < 0:
        if len(octets) >= MAX_V1_HEADER:
            raise BadHeader(f"a version 1 header has at most {MAX_V1_HEADER} octets")
        return None
    found = _LINE.fullmatch(octets, 0, end)
    if found is None:
        raise BadHeader("malformed version 1 header")
    if found[1] is None:
        return Passed(None, None), end + 2
    version = int(found[1][3:])
    ends = [_endpoint(found[index].decode(), int(found[index + 2]), version) for index in (2, 3)]
    return Passed(*ends), end + 2


def _endpoint(host: str, port: int, version: int) -> HostPort:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise BadHeader("invalid IP address") from None
    if address.version != version or port > 65535:
        raise BadHeader("invalid address family or port")
    return HostPort(str(address), port)


def _version_2(octets: bytes) -> tuple[Passed, int] | None:
    if len(octets) < _FIXED:
        return None
    command, family, size = octets[12], octets[13], int.from_bytes(octets[14:16])
    if command not in (_LOCAL, _PROXY):
        raise BadHeader("unknown version or command")
    if size > MAX_V2_HEADER:
        raise BadHeader(f"version 2 header of {size} octets, more than {MAX_V2_HEADER}")
    length = _SIZES.get(family)
    if command == _PROXY and length is not None and size < 2 * length + 4:
        raise BadHeader("version 2 header too short for its addresses")
    if len(octets) < _FIXED + size:
        return None
    if command == _LOCAL or length is None:
        # §2.2: addresses of the proxy's own connections, and of protocols other than TCP, are ignored.
        return Passed(None, None), _FIXED + size
    ports = _FIXED + 2 * length
    hosts = (octets[_FIXED : _FIXED + length], octets[_FIXED + length : ports])
    client, server = (
        HostPort(str(ipaddress.ip_address(host)), int.from_bytes(octets[index : index + 2]))
        for host, index in zip(hosts, (ports, ports + 2), strict=True)
    )
    return Passed(client, server), _FIXED + size


_log = Logger()


@implementer(IAddress)
class PassedAddress(Struct, frozen=True):
    """Address of a client from a PROXY header, and the address that the client connected to."""

    host: str
    port: int
    local: HostPort | None


class ProxiedFactory(Factory):
    """Factory for connections of trusted proxies; another factory builds the protocols of their clients."""

    noisy = False

    def __init__(
        self, reactor: IReactorTime, inner: IProtocolFactory, *, trusted: Callable[[str], bool], timeout: float
    ) -> None:
        """`trusted` returns whether an IP address is a trusted proxy. `timeout` is the seconds for its header."""
        self.reactor = reactor
        self.inner = inner
        self.trusted = trusted
        self.timeout = timeout
        self.hearing: set[HeaderReader] = set()
        """Connections with incomplete headers."""

    def buildProtocol(self, addr: IAddress | None) -> HeaderReader | None:  # noqa: N802
        host = getattr(addr, "host", "")
        if not self.trusted(host):
            _log.info("closed a connection from {host}, which is not in proxy.networks", host=host)
            return None
        return HeaderReader(self, addr)

    def stop(self) -> None:
        """Abort the connections with incomplete headers."""
        for reader in list(self.hearing):
            reader.drop()


class HeaderReader(Protocol):
    """Protocol of one connection until its header is complete; the service's protocol replaces it."""

    def __init__(self, factory: ProxiedFactory, proxy: IAddress | None) -> None:
        self._made_by = factory
        self._proxy = proxy
        self._heard = b""
        self._timer: IDelayedCall | None = None

    def connectionMade(self) -> None:  # noqa: N802
        self._made_by.hearing.add(self)
        self._timer = self._made_by.reactor.callLater(self._made_by.timeout, self._late)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        if self._timer is None:
            return
        self._heard += data
        try:
            found = read_header(self._heard)
        except BadHeader as error:
            self._refuse(str(error))
            return
        if found is not None:
            passed, end = found
            self._hand_over(passed, self._heard[end:])

    def connectionLost(self, reason: Failure = connectionDone) -> None:  # noqa: ARG002, N802
        self._done()

    def drop(self) -> None:
        """Abort the connection; nothing is sent, because the client is unknown."""
        self._done()
        transport: Any = self.transport
        transport.abortConnection()

    def _hand_over(self, passed: Passed, remaining: bytes) -> None:
        self._done()
        address = self._proxy
        if passed.client is not None:
            address = PassedAddress(passed.client.host, passed.client.port, passed.server)
        protocol: IProtocol | None = self._made_by.inner.buildProtocol(address)  # type: ignore[arg-type]
        transport: Any = self.transport
        if protocol is None:
            transport.abortConnection()
            return
        # As in Twisted's startTLS, the transport calls the new protocol from here on.
        transport.protocol = protocol
        protocol.makeConnection(transport)
        if remaining:
            # The new protocol may have closed the connection, or started TLS.
            transport.protocol.dataReceived(remaining)

    def _late(self) -> None:
        self._timer = None
        self._refuse(f"incomplete after {self._made_by.timeout:.4g} s")

    def _refuse(self, reason: str) -> None:
        _log.warn("invalid PROXY header from {host}: {why}", host=getattr(self._proxy, "host", ""), why=reason)
        self.drop()

    def _done(self) -> None:
        self._made_by.hearing.discard(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
