"""Fake mail servers in memory: real engines on both sides, and a clock that jumps.

`World` is Clock and Connector; a `FakeServer` is a host with scripted replies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

from msgspec.structs import replace
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.protocols.connection import NEED_DATA, ConnectFailed, Disconnected, Ending, Engine, TimedOut
from mailstack.protocols.smtp.commands import (
    Auth,
    AuthResponse,
    Chunk,
    Data,
    EndOfData,
    Hello,
    Mail,
    Quit,
    Rcpt,
    Rejected,
    Reset,
    StartTls,
)
from mailstack.protocols.smtp.replies import Reply, reply
from mailstack.protocols.smtp.server import Capabilities, ServerEngine

T = TypeVar("T")

HANG_UP = reply(250, None, "never sent")
"""In place of a reply: close the connection without a word."""
SILENCE = reply(250, None, "never said")
"""In place of a reply: say nothing more."""

Answer = Reply | Callable[[Any], Reply] | Callable[[Any], Awaitable[Reply]]


class World:
    """Hosts by address; what is sent arrives in order, one turn later."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.ahead = 0.0
        """Seconds by which the time of day was set, ahead or back."""
        self.servers: dict[HostPort, FakeServer] = {}
        self.black_holes: set[HostPort] = set()
        self.calls: list[HostPort] = []
        self.sources: list[Any] = []
        self.faults: list[Any] = []

    # --- wire.Clock

    def now(self) -> float:
        return self.clock.seconds() + self.ahead

    def steady(self) -> float:
        return self.clock.seconds()

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        call = self.clock.callLater(seconds, do)
        return lambda: call.cancel() if call.active() else None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work).addErrback(self.faults.append)

    # --- wire.Caller

    async def connect(
        self,
        address: HostPort,
        engine: Engine[Any],
        *,
        timeout: float,
        tls: bool = False,
        server_name: str | None = None,
        verify: bool = False,
        dane: Any = None,
        source: Any = None,
    ) -> MemoryPeer:
        self.calls.append(address)
        self.sources.append(source)
        if address in self.black_holes:
            await self.sleep(timeout)
            raise ConnectFailed("no answer")
        mail_server = self.servers.get(address)
        if mail_server is None:
            raise ConnectFailed("connection refused")
        here = HostPort("127.0.0.1", 40000 + len(self.calls))
        client = MemoryPeer(self, engine, address, here)
        server = MemoryPeer(self, mail_server.engine(), here, address)
        client.other, server.other = server, client
        server.server = client.server = mail_server
        if tls:
            if not mail_server.shakes_hands(server_name, verify=verify):
                raise ConnectFailed("the TLS handshake failed: certificate verify failed")
            client.tls = server.tls = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", verify)
            server.engine.tls = True
        mail_server.connections += 1
        self.spawn(mail_server.serve(server))
        return client

    async def sleep(self, seconds: float) -> None:
        waiting: Deferred[None] = Deferred()
        self.clock.callLater(seconds, waiting.callback, None)
        await waiting

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """The result, letting time jump whenever everybody waits."""
        results: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(results.append)
        for _ in range(100_000):
            if results:
                break
            calls = self.clock.getDelayedCalls()
            assert calls, "everybody waits, and no time will come"
            self.clock.advance(max(0.0, min(call.getTime() for call in calls) - self.steady()))
        assert not self.faults, self.faults
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def pass_time(self, seconds: float) -> None:
        """Let this much time go by, and what happens in it happen."""
        self.run(self.sleep(seconds))


class MemoryPeer:
    """A wire.Peer over nothing but calls."""

    other: MemoryPeer
    server: FakeServer

    def __init__(self, world: World, engine: Any, remote: HostPort, local: HostPort) -> None:
        self.engine = engine
        self.remote = remote
        self.local = local
        self.tls: TlsInfo | None = None
        self.can_start_tls = True
        self.tls_failure, self.tls_fault = "certificate verify failed", "certificate-not-trusted"
        self.closed = False
        self.heard: list[bytes] = []
        """What came, as the other side sent it."""
        self._world = world
        self._ending: Ending | None = None
        self._waiter: Deferred[None] | None = None

    def channel_binding(self, kind: str) -> bytes | None:
        return None

    async def next_event(self, timeout: float) -> Any:
        late = self._world.now() + timeout
        while True:
            event = self.engine.next_event()
            if event is not NEED_DATA:
                return event
            if self._ending is not None:
                return self._ending
            if self._world.now() >= late:
                return TimedOut(timeout)
            self._waiter = Deferred()
            stop = self._world.call_later(late - self._world.now(), self._wake)
            await self._waiter
            stop()

    def send(self, octets: bytes) -> None:
        if self._ending is None and not self.closed:
            self._world.call_later(0, lambda: self.other.take(octets))

    async def drain(self, timeout: float) -> bool:
        return not isinstance(self._ending, Disconnected)

    async def start_tls(self, server_name: str | None = None, *, verify: bool = False, dane: Any = None) -> bool:
        self.engine.tls_started()
        if server_name is None:
            return True  # the server's side: the handshake is the client's business here
        if self.server.never_shakes_hands:
            await self.lost()
            return False
        if not self.server.shakes_hands(server_name, verify=verify):
            self.close()
            return False
        self.tls = self.other.tls = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384", verify)
        return True

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._world.call_later(0, self.other.lose)

    async def lost(self) -> None:
        while self._ending is None and not self.closed:
            await self._world.sleep(1)

    def take(self, octets: bytes) -> None:
        if not self.closed and self._ending is None:
            self.heard.append(octets)
            self.engine.receive(octets)
            self._wake()

    def lose(self) -> None:
        self._ending = Disconnected("closed by the other side")
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.callback(None)


class FakeServer:
    """A host that speaks SMTP by the real engine, and answers what a test says."""

    def __init__(self, world: World, address: str = "127.0.0.1", port: int = 25, **capabilities: Any) -> None:
        self.capabilities = Capabilities(**{"hostname": "mx.elsewhere.test", "starttls": True, **capabilities})
        self.certificate_for = "mx.elsewhere.test"
        """The name that a verifying client must have asked for; "" makes every handshake fail."""
        self.never_shakes_hands = False
        self.answers: dict[str, Answer] = {}
        """By "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data", "final"."""
        self.letters: list[tuple[str, list[str], bytes]] = []
        self.logins: list[bytes] = []
        self.connections = 0
        self.goodbyes = 0
        self.peers: list[MemoryPeer] = []
        world.servers[HostPort(address, port)] = self

    def engine(self) -> ServerEngine:
        return ServerEngine(self.capabilities)

    def shakes_hands(self, server_name: str | None, *, verify: bool) -> bool:
        return bool(self.certificate_for) and (not verify or server_name == self.certificate_for)

    async def serve(self, peer: MemoryPeer) -> None:
        self.peers.append(peer)
        await _Serving(self, peer).converse()


class _Over(Exception):
    pass


class _Serving:
    def __init__(self, mail_server: FakeServer, peer: MemoryPeer) -> None:
        self._server = mail_server
        self._peer = peer
        self._engine: ServerEngine = peer.engine
        self._sender = ""
        self._recipients: list[str] = []
        self._octets = b""

    async def converse(self) -> None:
        try:
            greeting = await self._choose("greeting", None, reply(220, None, "mx.elsewhere.test ESMTP"))
            self._peer.send(self._engine.greet(greeting))
            while True:
                await self._answer(await self._peer.next_event(100_000))
        except _Over:
            self._peer.close()

    async def _choose(self, stage: str, event: Any, usual: Reply) -> Reply:
        answer = self._server.answers.get(stage, usual)
        answer = answer(event) if callable(answer) else answer
        answer = await answer if isinstance(answer, Awaitable) else answer
        if answer is HANG_UP:
            raise _Over
        if answer is SILENCE:
            await self._peer.lost()
            raise _Over
        return answer

    async def _answer(self, event: Any) -> None:
        if isinstance(event, Disconnected):
            raise _Over
        if isinstance(event, Chunk):
            self._octets += event.octets
            return
        answer = await self._reply(event)
        self._peer.send(self._engine.answer(answer))
        if answer.closes:
            raise _Over
        if isinstance(event, StartTls) and answer.positive:
            await self._peer.start_tls()
            self._engine.capabilities = replace(self._engine.capabilities, starttls=False)

    async def _reply(self, event: Any) -> Reply:  # noqa: C901, PLR0911 (one case a command)
        match event:
            case Rejected():
                return event.reply
            case Hello():
                return await self._choose("ehlo", event, reply(250, None, "mx.elsewhere.test"))
            case StartTls():
                return await self._choose("starttls", event, reply(220, "2.0.0", "go ahead"))
            case Auth() | AuthResponse():
                self._server.logins.append((event.initial if isinstance(event, Auth) else event.response) or b"")
                return await self._choose("auth", event, reply(235, "2.7.0", "welcome"))
            case Mail():
                answer = await self._choose("mail", event, reply(250, "2.1.0", "OK"))
                self._sender, self._recipients = str(event.sender or ""), []
                return answer
            case Rcpt():
                answer = await self._choose("rcpt", event, reply(250, "2.1.5", "OK"))
                if answer.positive:
                    self._recipients.append(str(event.address))
                return answer
            case Data():
                self._octets = b""
                return await self._choose("data", event, reply(354, None, "go ahead"))
            case EndOfData():
                answer = await self._choose("final", event, reply(250, "2.0.0", "Ok: queued as 4XyZ1"))
                if answer.positive:
                    self._server.letters.append((self._sender, self._recipients, self._octets))
                return answer
            case Reset():
                return reply(250, "2.0.0", "OK")
            case Quit():
                self._server.goodbyes += 1
                return reply(221, "2.0.0", "goodbye", closes=True)
        raise AssertionError(event)
