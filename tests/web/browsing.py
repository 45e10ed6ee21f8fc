"""Web listener on a simulated host, and HTTP clients."""

from __future__ import annotations

from http.client import HTTPResponse
from io import BytesIO
from typing import Any

from msgspec import Struct
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory

from mailstack.net.listening import Ports
from mailstack.policy.limits import ConnectionLimiter
from mailstack.sandbox.simulation import SimulatedReactor
from mailstack.web.app import http_factory
from mailstack.web.flow_control import HttpLimits
from mailstack.web.listener import ProtocolFactory, WebListener
from mailstack.web.site import Site
from tests.sandbox.simulation.protocols import Recorder

SERVER = "192.0.2.1"


class Response(Struct, frozen=True):
    status: int
    headers: dict[str, str]
    body: bytes


class Reading:
    """What http.client reads from in place of a socket."""

    def __init__(self, octets: bytes) -> None:
        self.octets = BytesIO(octets)

    def makefile(self, *_: object, **__: object) -> BytesIO:
        return self.octets


def responses(octets: bytes, method: str = "GET") -> list[Response]:
    """All that were received, one after the other."""
    source, found = Reading(octets), []
    while source.octets.tell() < len(octets):
        # It closes what it has read from.
        rest = Reading(octets[source.octets.tell() :])
        response = HTTPResponse(rest, method=method)  # type: ignore[arg-type]
        response.begin()
        headers, begun = dict(response.headers), rest.octets.tell()
        body = response.read()
        found.append(Response(response.status, headers, body))
        source.octets.seek(source.octets.tell() + begun + len(body))
    return found


class Web:
    """The door, and who knocks."""

    def __init__(
        self,
        site: Site,
        *,
        bounds: HttpLimits | None = None,
        limits: ConnectionLimiter | None = None,
        reactor: SimulatedReactor | None = None,
    ) -> None:
        self.reactor = reactor or SimulatedReactor(seed=3)
        self.limits = limits or ConnectionLimiter()
        self.server = self.reactor.host(SERVER)
        speak = http_factory(self.server, site, bounds or HttpLimits(1000, 30.0, 600.0))

        async def load() -> ProtocolFactory:
            return speak

        self.door = WebListener(self.server, Ports(self.server), limits=self.limits, load=load)
        self.load = load
        self.reactor.result_of(self.door.listen(["tcp:80"]))

    def knock(self, address: str = "192.0.2.7") -> Recorder:
        """A connection."""
        endpoint = TCP4ClientEndpoint(self.reactor.host(address), SERVER, 80)
        client: Any = self.reactor.result_of(endpoint.connect(Factory.forProtocol(Recorder)))
        self.reactor.advance(0.1)
        return client  # type: ignore[no-any-return]

    def say(self, client: Recorder, *pieces: bytes, wait: float = 1.0) -> None:
        """Octets, piece by piece."""
        for piece in pieces:
            client.transport.write(piece)  # type: ignore[attr-defined]
            self.reactor.advance(0.01)
        self.reactor.advance(wait)

    def abort(self, client: Recorder) -> None:
        """The client disconnects."""
        client.transport.abortConnection()  # type: ignore[attr-defined]
        self.reactor.advance(1)

    def stop(self, timeout: float = 5) -> None:
        """The server stops."""
        self.reactor.result_of(self.door.stop_listening())
        self.reactor.result_of(self.door.wait_until_empty(timeout))
        self.reactor.advance(1)

    def listen(self, description: str = "tcp:80", **options: Any) -> None:
        """Listens again, with other options of Ports."""
        self.reactor.result_of(self.door.stop_listening())
        self.door = WebListener(self.server, Ports(self.server, **options), limits=self.limits, load=self.load)
        self.reactor.result_of(self.door.listen([description]))

    def request(self, *pieces: bytes) -> list[Response]:
        """What is answered to these octets in a connection of their own."""
        client = self.knock()
        self.say(client, *pieces)
        return responses(client.received)
