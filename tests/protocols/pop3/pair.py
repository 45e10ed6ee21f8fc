"""Two engines and their conversations, joined in memory: octets in order, cut as a test likes, and a clock to turn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar, cast

from twisted.internet.defer import Deferred

from mailstack.letter.envelope import HostPort, TlsInfo
from mailstack.protocols.connection import (
    NEED_DATA,
    WOKEN,
    Disconnected,
    Ending,
    Engine,
    EventT,
    LoggedOut,
    ShuttingDown,
    Signal,
    TimedOut,
)
from tests.clock import HandClock
from tests.protocols.cuts import Cut, whole

T = TypeVar("T")


class MemoryPeer(Generic[EventT]):
    """A wire.Peer whose network is a function: it is given octets, and None at the close."""

    def __init__(
        self,
        engine: Engine[EventT],
        clock: HandClock,
        outward: Callable[[bytes | None], None],
        *,
        remote: HostPort,
        can_start_tls: bool = True,
        tls: TlsInfo | None = None,
    ) -> None:
        self.engine = engine
        self.remote = remote
        self.local = HostPort("192.0.2.1", 110)
        self.tls = tls
        self._certificate = can_start_tls
        self._clock = clock
        self._outward = outward
        self._ending: Ending | None = None
        self._woken = False
        self._waiter: Deferred[None] | None = None
        self._taken: Deferred[None] | None = None
        self.slow = False
        """Whether the other side receives octets only by `take`."""
        self.closed = False
        self.bindings: dict[str, bytes] = {}

    # --- what the network does

    def receive(self, octets: bytes | None) -> None:
        if octets is None:
            self.lose()
        else:
            self.engine.receive(octets)
            self._wake()

    def lose(self) -> None:
        self._ending = Disconnected("gone")
        self.take()
        self._wake()

    def stop(self) -> None:
        self._ending = ShuttingDown()
        self._wake()

    def log_out(self) -> None:
        """As NetPeer: input sent before TLS gets no reply."""
        self._ending = LoggedOut()
        self.take()
        self._wake()

    def take(self) -> None:
        """The other side takes what waits."""
        if self._taken is not None:
            taken, self._taken = self._taken, None
            taken.callback(None)

    # --- wire.Peer

    @property
    def can_start_tls(self) -> bool:
        return self._certificate and self.tls is None

    def channel_binding(self, kind: str) -> bytes | None:
        return self.bindings.get(kind) if self.tls else None

    def wake(self) -> None:
        self._woken = True
        self._wake()

    async def next_event(self, timeout: float) -> EventT | Ending:
        late: list[bool] = []
        if isinstance(self._ending, LoggedOut):
            return self._ending

        def tick() -> None:
            late.append(True)
            self._wake()

        cancel = self._clock.call_later(timeout, tick)
        try:
            while True:
                event = self.engine.next_event()
                if event is not NEED_DATA:
                    assert not isinstance(event, Signal), "the conversation owes an answer"
                    return event
                if self._ending is not None:
                    return self._ending
                if late:
                    return TimedOut(timeout)
                if self._woken:
                    self._woken = False
                    return cast(EventT, WOKEN)
                self._waiter = Deferred()
                await self._waiter
        finally:
            cancel()

    def send(self, octets: bytes) -> None:
        if not self.closed and not isinstance(self._ending, Disconnected):
            self._outward(octets)

    async def drain(self, timeout: float) -> bool:
        late: list[bool] = []

        def tick() -> None:
            late.append(True)
            self.take()

        if self.slow and not isinstance(self._ending, Disconnected):
            self._taken = Deferred()
            cancel = self._clock.call_later(timeout, tick)
            await self._taken
            cancel()
        return not late and not isinstance(self._ending, Disconnected | LoggedOut)

    async def start_tls(self, server_name: str | None = None, *, verify: bool = False) -> bool:
        self.engine.tls_started()
        self.tls = TlsInfo("TLSv1.3", "TLS_AES_256_GCM_SHA384")
        return True

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._outward(None)

    def _wake(self) -> None:
        if self._waiter is not None:
            waiter, self._waiter = self._waiter, None
            waiter.callback(None)


class Cable:
    """Carries octets between two peers, only while `run` is under way, so that nothing calls itself."""

    def __init__(self, cut: Cut = whole) -> None:
        self._cut = cut
        self._way: deque[tuple[Callable[[], Any], bytes | None]] = deque()

    def towards(self, peer: Callable[[], Any]) -> Callable[[bytes | None], None]:
        return lambda octets: self._way.append((peer, octets))

    def run(self, work: Coroutine[Any, Any, T], clock: HandClock, most: float = 60.0) -> T:
        """The result of a coroutine; the clock is turned, up to `most` seconds, when everybody waits."""
        results: list[Any] = []
        Deferred.fromCoroutine(work).addBoth(results.append)
        for _ in range(int(most) + 1):
            self.carry()
            if results:
                break
            clock.advance(1.0)
        assert results, "everybody waits, and nothing is on its way"
        if hasattr(results[0], "raiseException"):
            results[0].raiseException()
        return results[0]

    def carry(self) -> None:
        while self._way:
            peer, octets = self._way.popleft()
            for piece in [None] if octets is None else self._cut(octets):
                peer().receive(piece)
