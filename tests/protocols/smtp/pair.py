"""Two engines on one imaginary wire: what one side sends reaches the other in any cut, with no network and no time."""

from __future__ import annotations

from collections import deque
from collections.abc import Coroutine
from typing import Any

from attrs import define, field
from twisted.internet.defer import Deferred

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.protocols.connection import NEED_DATA, Disconnected, Ending, Engine, Signal, TimedOut
from tests.protocols.cuts import Cut, whole

TLS = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384")


@define(eq=False)
class MemoryPeer:
    """One end of the wire; a `Peer` in every respect but that time passes only when nobody has anything to say."""

    engine: Engine[Any]
    wire: Wire
    remote: HostPort
    local: HostPort
    tls: TlsInfo | None = None
    can_start_tls: bool = True
    closed: bool = False
    full: bool = False
    tls_works: bool = True
    tls_failure: str = "certificate verify failed: it has expired"
    tls_fault: str = "certificate-expired"
    other: MemoryPeer = field(init=False)
    said: bytearray = field(factory=bytearray)
    ending: Ending | None = None
    waiter: Deferred[None] | None = None
    bindings: dict[str, bytes] = field(factory=dict)

    def channel_binding(self, kind: str) -> bytes | None:
        return self.bindings.get(kind) if self.tls else None

    async def next_event(self, timeout: float) -> Any:
        while True:
            event = self.engine.next_event()
            if event is not NEED_DATA:
                assert not isinstance(event, Signal), "an answer is owed"
                return event
            if self.ending is not None:
                ending = self.ending
                if isinstance(ending, TimedOut):
                    self.ending = None
                    return TimedOut(timeout)
                return ending
            self.waiter = Deferred()
            await self.waiter

    def send(self, octets: bytes) -> None:
        if not self.closed and not isinstance(self.ending, Disconnected):
            self.said += octets
            self.wire.carry(self.other, octets)

    async def drain(self, timeout: float) -> bool:
        return not self.full and not isinstance(self.ending, Disconnected)

    async def start_tls(self, server_name: str | None = None, *, verify: bool = False, dane: Any = None) -> bool:
        self.engine.tls_started()
        self.tls = TLS if self.tls_works else None
        return self.tls_works

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.wire.carry(self.other, None)

    def take(self, octets: bytes | None) -> None:
        """Octets of the wire; None is the end."""
        if self.closed:
            return
        if octets is None:
            self.ending = Disconnected("closed by the other side")
        else:
            self.engine.receive(octets)
        self.wake()

    def wake(self) -> None:
        if self.waiter is not None:
            waiter, self.waiter = self.waiter, None
            waiter.callback(None)


class Wire:
    """Carries pieces in order, one side's and the other's in turn as they were sent."""

    def __init__(self, client: Engine[Any], server: Engine[Any], cut: Cut = whole) -> None:
        ends = HostPort("192.0.2.7", 40000), HostPort("192.0.2.25", 25)
        self.client = MemoryPeer(client, self, ends[1], ends[0])
        self.server = MemoryPeer(server, self, ends[0], ends[1])
        self.client.other, self.server.other = self.server, self.client
        self._cut = cut
        self._pieces: deque[tuple[MemoryPeer, bytes | None]] = deque()

    def carry(self, to: MemoryPeer, octets: bytes | None) -> None:
        self._pieces.extend([(to, None)] if octets is None else ((to, piece) for piece in self._cut(octets)))

    def converse(self, *conversations: Coroutine[Any, Any, Any]) -> list[Any]:
        """Results of the conversations, run to their ends. A wait for input that never arrives times out."""
        results: list[Any] = [None] * len(conversations)
        running = set(range(len(conversations)))

        def finished(result: Any, number: int) -> None:
            results[number] = result
            running.discard(number)

        for number, conversation in enumerate(conversations):
            Deferred.fromCoroutine(conversation).addBoth(finished, number)
        for _ in range(1_000_000):
            if self._pieces:
                to, octets = self._pieces.popleft()
                to.take(octets)
            elif running:
                waiting = next(peer for peer in (self.client, self.server) if peer.waiter is not None)
                waiting.ending = waiting.ending or TimedOut(0)
                waiting.wake()
            else:
                break
        for result in results:
            if hasattr(result, "raiseException"):
                result.raiseException()
        return results
