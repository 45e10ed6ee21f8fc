"""External relay of a dev environment, and loopback guard for other connections."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import ClassVar, Literal

from mailstack.letter.envelope import HostPort, is_unix_socket
from mailstack.letter.header import fields, split
from mailstack.protocols.connection import ConnectFailed, Connector, Dane, Engine, EventT, Peer, Source
from mailstack.protocols.log import Redacted
from mailstack.relay.routes import RouteTarget, SmartHost, SmartHostCredentials

_RETURN_PATH, _FROM = b"Return-Path", b"From"


class ExternalRelay(Redacted, frozen=True):
    """Address of the relay, and the changes that it makes to letters. Addresses have no display names."""

    SECRETS: ClassVar[tuple[str, ...]] = ("password",)

    host: str
    port: int = 25
    tls: Literal["", "starttls", "implicit"] = ""
    allow_insecure: bool = False
    """Whether any certificate is accepted, and a password may be sent without TLS."""
    username: str = ""
    password: str = ""
    return_path: str = ""
    """Reverse-path of released letters; empty: the author."""
    override_from: str = ""
    """Author and reverse-path of all relayed letters; empty: they stay."""
    allowed: str = ""
    """Regular expression that must match the address of each recipient; empty: all are allowed."""
    blocked: str = ""
    """Regular expression of forbidden recipients; empty: none is forbidden."""
    keep_message_id: bool = False
    """Whether released letters have the original Message-ID."""

    @property
    def smart_host(self) -> SmartHost:
        credentials = SmartHostCredentials(self.username, self.password) if self.username else None
        secured = self.tls and not self.allow_insecure
        level: Literal["", "required", "verified", "opportunistic"] = (
            "verified" if secured else "required" if self.tls else "opportunistic"
        )
        return SmartHost(RouteTarget(self.host, self.port), self.tls == "implicit", credentials, level)

    def allows(self, address: str) -> bool:
        return not self.is_blocked(address) and (not self.allowed or re.search(self.allowed, address) is not None)

    def is_blocked(self, address: str) -> bool:
        return bool(self.blocked) and re.search(self.blocked, address) is not None

    def relayed(self, sender: str, octets: bytes) -> tuple[str, bytes]:
        """The reverse-path and the letter as they are relayed."""
        if not self.override_from:
            return sender, octets
        return self.override_from, _with_fields(octets, [(_FROM, self.override_from.encode())])

    def released(self, author: str, octets: bytes, date: bytes, message_id: bytes) -> tuple[str, bytes]:
        """The reverse-path and the letter for a release, with new values of the fields Date and Message-ID."""
        changed = [(b"Date", date), *([] if self.keep_message_id else [(b"Message-ID", message_id)])]
        if self.return_path:
            changed.append((_RETURN_PATH, b"<" + self.return_path.encode() + b">"))
        return self.relayed(self.return_path or author, _with_fields(octets, changed))


def _with_fields(octets: bytes, values: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Replaces the first field of each name, or adds it on top."""
    end = split(octets)
    found = list(fields(octets[:end]))
    for name, value in values:
        index = next((at for at, (each, _) in enumerate(found) if each == name.lower()), None)
        field = (name.lower(), name + b": " + value + b"\r\n")
        if index is None:
            found.insert(0, field)
        else:
            found[index] = field
    return b"".join(field for _, field in found) + octets[end:]


_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class LoopbackOnly:
    """Wraps a Connector; every other address raises ConnectFailed before a call."""

    def __init__(self, connector: Connector, *, relay_port: int = 0) -> None:
        """`relay_port` is the port of the external relay, which is allowed at every address; 0: there is none."""
        self._connector = connector
        self._relay_port = relay_port

    async def connect(
        self,
        address: HostPort,
        engine: Engine[EventT],
        *,
        timeout: float,
        tls: bool = False,
        server_name: str | None = None,
        verify: bool = False,
        dane: Dane | None = None,
        source: Source | None = None,
    ) -> Peer[EventT]:
        """Like `Connector.call`; raises ConnectFailed outside 127.0.0.0/8, ::1 and UNIX sockets, and for all names."""
        is_external_relay = self._relay_port and address.port == self._relay_port
        if not is_external_relay and not is_unix_socket(address.host) and not is_loopback(address.host):
            raise ConnectFailed(f"only loopback addresses are called here, and {address.host[:60]!r} is not one")
        return await self._connector.connect(
            address, engine, timeout=timeout, tls=tls, server_name=server_name, verify=verify, dane=dane, source=source
        )


def is_loopback(host: str) -> bool:
    """Whether the text is an IP address of 127.0.0.0/8, or ::1.

    Other forms of these addresses (::ffff:127.0.0.1, 0.0.0.0, a name, a zone index) are refused, for safety.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    if isinstance(address, ipaddress.IPv6Address) and address.scope_id is not None:
        return False
    return any(address in network for network in _LOOPBACK)
