"""Client that sends raw octets to a simulated server, and ports that take passwords in clear for it."""

from __future__ import annotations

from msgspec.structs import replace
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.internet.protocol import Factory, Protocol

from mailstack.config.model import AccountsSettings
from tests.journeys.internet import Internet, SimulatedServer

SUBMISSION, POP3 = 2587, 2110


class RawClient(Protocol):
    """Says what it is told to, and hears everything."""

    def __init__(self) -> None:
        self.heard = b""
        self.is_gone = False

    def dataReceived(self, data: bytes) -> None:  # noqa: N802
        self.heard += data

    def connectionLost(self, reason: object = None) -> None:  # noqa: N802
        self.is_gone = True

    def codes(self) -> list[bytes]:
        return [line[:3] for line in self.heard.split(b"\r\n") if line[3:4] == b" "]

    def replies(self) -> list[str]:
        """Code and status, or code and first word, of each reply."""
        lines = [line for line in self.heard.decode().split("\r\n") if line[3:4] == " "]
        return [" ".join(line.split(" ")[:2]) for line in lines]


def connect(
    internet: Internet, site: SimulatedServer, octets: bytes = b"", *, port: int = 25, source: str = "203.0.113.66",
    wait: float = 1,
) -> RawClient:  # fmt: skip
    """A client that has sent these octets, so many seconds later."""
    endpoint = TCP4ClientEndpoint(internet.reactor.host(source), site.address, port)
    client: RawClient = internet.reactor.result_of(endpoint.connect(Factory.forProtocol(RawClient)))
    if octets:
        client.transport.write(octets)
    internet.reactor.advance(wait)
    return client


def say(internet: Internet, client: RawClient, octets: bytes, wait: float = 1) -> list[bytes]:
    """The codes of the replies to more octets, so many seconds later."""
    before = len(client.codes())
    client.transport.write(octets)
    internet.reactor.advance(wait)
    return client.codes()[before:]


def listen_in_clear(internet: Internet, site: SimulatedServer) -> None:
    """Takes passwords without TLS at the ports `SUBMISSION` and `POP3`."""
    listeners = site.server.listeners
    listeners.kit.config = replace(site.server.config, accounts=AccountsSettings(require_tls=False))
    for port, listener in ((SUBMISSION, listeners.smtp.submission()), (POP3, listeners.pop3.listener())):
        internet.reactor.result_of(listeners.bind(str(port), listener, [f"tcp:{port}"]))
