"""Two simulated hosts, with an engine for lines, for tests of the peer."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from mailstack.letter.envelope import HostPort
from mailstack.net.certificates import private_ca
from mailstack.net.connector import TwistedConnector
from mailstack.net.listening import Ports, ServiceListener
from mailstack.net.peer import NetPeer
from mailstack.net.server_tls import server_context
from mailstack.policy.limits import ConnectionLimiter
from mailstack.protocols.connection import NEED_DATA, Signal
from mailstack.protocols.smtp.replies import Reply
from mailstack.sandbox.simulation import SimulatedReactor

SERVER = "192.0.2.1"


class Lines:
    """The least of an engine: events are whole lines."""

    def __init__(self) -> None:
        self.octets = b""
        self.tls = 0

    def receive(self, octets: bytes) -> None:
        self.octets += octets

    def next_event(self) -> bytes | Signal:
        line, newline, rest = self.octets.partition(b"\n")
        if not newline:
            return NEED_DATA
        self.octets = rest
        return line

    def tls_started(self) -> None:
        self.octets = b""
        self.tls += 1

    @property
    def buffered(self) -> int:
        return len(self.octets)


Conversation = Callable[[NetPeer[bytes], Lines], Coroutine[Any, Any, None]]


async def turned_away(peer: NetPeer[bytes], engine: Lines, reply: Reply) -> None:
    peer.send(f"{reply.code}\n".encode())


def listener_for(
    host: Any,
    context: Any,
    conversation: Conversation,
    *,
    implicit_tls: bool = False,
    limits: ConnectionLimiter | None = None,
    lifetime: float = 86400.0,
    **options: Any,
) -> ServiceListener[bytes]:
    """A listener for lines; `options` are those of its ports."""
    return ServiceListener(
        host,
        Ports(host, implicit_tls=context if implicit_tls else None, **options),
        engine=Lines,
        converse=conversation,
        turn_away=turned_away,
        limits=limits or ConnectionLimiter(),
        context=context,
        lifetime=lifetime,
    )


class Rig:
    def __init__(self, directory: Path) -> None:
        self.reactor = SimulatedReactor(seed=3)
        self.host = self.reactor.host(SERVER)
        self.caller = TwistedConnector(self.reactor.host("203.0.113.7"))
        files = private_ca(directory, "mx.home.test", 1_780_000_000.0)
        self.context = server_context(files.certificate, files.key)
        self.ca_file = files.ca

    def listen(
        self, conversation: Conversation, *, limits: ConnectionLimiter | None = None, **options: Any
    ) -> ServiceListener[bytes]:
        listener = listener_for(self.host, self.context, conversation, limits=limits, **options)
        self.reactor.result_of(listener.listen(["tcp:25"]))
        return listener

    def connect(self, conversation: Conversation, **options: Any) -> NetPeer[bytes]:
        """A client of a new listener with these options."""
        self.listen(conversation, **options)
        return self.call()

    def call(self, **options: Any) -> NetPeer[bytes]:
        return self.reactor.result_of(self.caller.connect(HostPort(SERVER, 25), Lines(), timeout=10, **options))

    def call_under_tls(self, *, implicit: bool, command: bytes = b"") -> NetPeer[bytes]:
        """TLS from the first octet, or behind a command."""
        if implicit:
            return self.call(tls=True, server_name="mx.home.test")
        peer = self.call()
        peer.send(command)
        assert self.reactor.result_of(peer.start_tls("mx.home.test"))
        return peer

    def receive(self, peer: NetPeer[bytes], timeout: float = 1000) -> Any:
        return self.reactor.result_of(peer.next_event(timeout))


async def echo(peer: NetPeer[bytes], engine: Lines) -> None:
    while isinstance(event := await peer.next_event(60), bytes):
        peer.send(event + b"\n")
