"""HTTPS hosts of a simulated internet, for MTA-STS policies."""

from __future__ import annotations

from typing import Any

from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import Resource
from twisted.web.server import Site as WebSite

from mailstack.sandbox.simulation.host import Host
from mailstack.sandbox.simulation.world import Kind, authority

MAX_REQUESTS = 1000


class Page:
    """HTTPS server with one page for every path; its fields may be changed at any time."""

    def __init__(
        self, octets: bytes, *, kind: str = "text/plain", code: int = 200, certificate: Kind = "good", name: str = ""
    ) -> None:
        """`kind` is the media type, `code` the status. `name` is the DNS name of the certificate; "": that of the host."""
        self.octets = octets
        self.kind = kind
        self.code = code
        self.certificate: Kind = certificate
        self.name = name
        self.requests: list[bytes] = []
        """Requested paths, at most MAX_REQUESTS."""

    def listen(self, host: Host, name: str) -> None:
        """Serves the page on a host under a name."""
        site = WebSite(_Page(self), reactor=host)
        context = authority().context(self.name or name, self.certificate)
        factory: Any = TLSMemoryBIOFactory(context.for_web(), False, site, clock=host)
        self._port = host.listenTCP(443, factory)

    def close(self) -> None:
        """Stops the server."""
        self._port.stopListening()


class _Page(Resource):
    isLeaf = True  # noqa: N815 (Twisted's name)

    def __init__(self, page: Page) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._page = page

    def render_GET(self, request: Any) -> bytes:  # noqa: N802 (Twisted's name)
        page = self._page
        page.requests = [*page.requests[1 - MAX_REQUESTS :], request.uri]
        request.setResponseCode(page.code)
        request.setHeader(b"content-type", page.kind.encode())
        request.setHeader(b"location", b"/elsewhere")
        return page.octets
