"""Loopback guard: connector for loopback addresses, and at most one port elsewhere."""

from __future__ import annotations

import ipaddress

from mailstack.letter.connection import HostPort, is_unix_socket
from mailstack.protocols.connection import ConnectFailed, Connector, Dane, Engine, EventT, Peer, Source

_LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


class LoopbackOnly:
    """Wraps a Connector; every other address raises ConnectFailed before a call."""

    def __init__(self, caller: Connector, *, elsewhere: int = 0) -> None:
        """`elsewhere` is the port of the external relay, which is allowed at every address; 0: there is none."""
        self._caller = caller
        self._elsewhere = elsewhere

    async def call(
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
        """As `Connector.call`; raises ConnectFailed outside 127.0.0.0/8, ::1 and UNIX sockets, and for all names."""
        is_outlet = self._elsewhere and address.port == self._elsewhere
        if not is_outlet and not is_unix_socket(address.host) and not is_loopback(address.host):
            raise ConnectFailed(f"only loopback addresses are called here, and {address.host[:60]!r} is not one")
        return await self._caller.call(
            address,
            engine,
            timeout=timeout,
            tls=tls,
            server_name=server_name,
            verify=verify,
            dane=dane,
            source=source,
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
