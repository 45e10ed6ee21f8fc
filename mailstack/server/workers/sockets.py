"""Shared listening sockets of all workers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from mailstack.config import Config
from mailstack.config.checks import SERVED
from mailstack.letter.connection import HostPort
from mailstack.net.proxy_header import PROXIED
from mailstack.net.service_ports import with_backlog
from mailstack.server.privileged_setup import CannotStart
from mailstack.server.service import cannot_listen


class _Nobody(Factory):
    """Stands where a service does once a worker has taken a socket over."""

    noisy = False


class Bound(Struct, frozen=True):
    """One description of the configuration, and what is bound for it."""

    service: str
    description: str
    port: Any
    """A twisted.internet.tcp.Port, or unix.Port, that does not read in this process."""


class Sockets:
    """Bound by `bind`, until `close`."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._bound: list[Bound] = []

    def bind(self, config: Config) -> None:
        """Every port of the configuration. Raises CannotStart."""
        for service in SERVED:
            for description in getattr(config.listen, service):
                self._bound.append(Bound(service, description, self._bind(with_backlog(_inner(description)))))

    def _bind(self, description: str) -> Any:
        bound: list[Any] = []
        serverFromString(self._reactor, description).listen(_Nobody()).addBoth(bound.append)
        if not bound or isinstance(bound[0], Failure):
            raise CannotStart(cannot_listen(bound[0]) if bound else f"[listen]: {description} does not listen at once")
        # Connections are the workers' to take.
        bound[0].stopReading()
        return bound[0]

    def addresses(self) -> Iterator[tuple[str, list[HostPort]]]:
        """Each service, and where it can be reached."""
        for each in self._bound:
            host = each.port.getHost()
            yield each.service, [HostPort(host.host, host.port)] if isinstance(host, IPv4Address | IPv6Address) else []

    def taken_over(self) -> dict[str, list[socket.socket]]:
        """In a worker: its own hold on them, by description, in the order in which they were bound."""
        found: dict[str, list[socket.socket]] = {}
        for each in self._bound:
            found.setdefault(with_backlog(_inner(each.description)), []).append(each.port.socket)
        return found

    async def close(self) -> None:
        """In the process that bound them, when no worker is left."""
        bound, self._bound = self._bound, []
        for each in bound:
            closed: Deferred[None] | None = each.port.stopListening()
            if closed is not None:
                await closed


def _inner(description: str) -> str:
    """Description without the PROXY prefix: workers read that header."""
    return description.removeprefix(PROXIED)
