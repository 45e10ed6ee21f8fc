"""HTTP receiver of webhooks on a simulated host."""

from __future__ import annotations

import json
from typing import Any

from attrs import frozen
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Site

from mailstack.sandbox.simulation import Host
from tests.journeys.internet import page_context


@frozen
class Request:
    """What it was sent."""

    at: float
    path: bytes
    headers: dict[str, str]
    octets: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.octets)


class Receiver:
    """Answers with `code`, or with no more than `begun` while that is 0; keeps what it was sent."""

    def __init__(self, host: Host, *, name: str = "", port: int = 8080) -> None:
        """With a `name` under TLS, with a certificate for it."""
        self.code = 200
        self.begun = b""
        self.retry_after = ""
        self.requests: list[Request] = []
        self._host = host
        self._port_number = port
        self._name = name
        self.connections = 0
        self.listen()

    def listen(self) -> None:
        site: Any = Site(_Page(self), reactor=self._host)
        if self._name:
            site = TLSMemoryBIOFactory(page_context(self._name), False, site, clock=self._host)
        self._port = self._host.listenTCP(self._port_number, site)

    def close(self) -> None:
        """Nobody is there any more."""
        self._port.stopListening()

    def types(self) -> list[str]:
        """What was told, in this order."""
        return [each.json["type"] for each in self.requests]

    def told(self, kind: str) -> Any:
        """The data of the one message of a type."""
        (found,) = [each.json["data"] for each in self.requests if each.json["type"] == kind]
        return found


class _Page(Resource):
    isLeaf = True  # noqa: N815 (Twisted's name)

    def __init__(self, receiver: Receiver) -> None:
        super().__init__()
        self._receiver = receiver

    def render_POST(self, request: Any) -> Any:  # noqa: N802
        receiver = self._receiver
        headers = {
            name.decode().lower(): values[0].decode() for name, values in request.requestHeaders.getAllRawHeaders()
        }
        receiver.requests.append(Request(receiver._host.seconds(), request.uri, headers, request.content.read()))
        if not receiver.code:
            request.channel.transport.write(receiver.begun)
            return NOT_DONE_YET
        request.setResponseCode(receiver.code)
        request.setHeader(b"location", b"http://192.0.2.99:1/elsewhere")
        if receiver.retry_after:
            request.setHeader(b"retry-after", receiver.retry_after.encode())
        return b"thank you"
