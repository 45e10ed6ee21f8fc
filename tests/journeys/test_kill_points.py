"""One outbound letter, broken off at every octet: it arrives at least once, and once only unless the answer was lost.

The table of docs/explanation/queue.md, walked through: the connection is cut, or our process killed, after each octet
that is said or heard, and around the write of the outcome. The store survives, as one on disk does.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Literal

import pytest
from twisted.internet.defer import Deferred

from mailstack.accounts.directory import StoreDirectory
from mailstack.config import RelaySettings
from mailstack.letter import Address, Arrival, Envelope, Letter, Recipient, new_letter_id
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets, read_all
from mailstack.mailbox.delivery import DeliveryAgent
from mailstack.net.clock import ReactorClock
from mailstack.net.connector import TwistedConnector
from mailstack.net.dns import DnsNames
from mailstack.protocols.connection import Engine
from mailstack.queue.attempt import Agents
from mailstack.queue.bounce import Bouncer
from mailstack.queue.hold_rules import HoldRules
from mailstack.queue.queue import Queue
from mailstack.queue.recipient_routes import Router
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.queue.settings import QueueLimits, QueueSettings
from mailstack.relay.agent import RelayAgent
from mailstack.relay.routing import OwnHost, Routing
from mailstack.relay.tls_policy import TlsLevel, TlsPolicy
from mailstack.store import Filter, QueueStore, Record, Settlement
from mailstack.store.sqlite.in_memory import InMemoryStore
from tests.journeys.internet import Internet, RecordingJournal, SimulatedServer

HOME, CAROL = "mx.home.test", "carol@elsewhere.test"
LEASE = 600.0
Fault = Literal["cut", "kill"]


class Wire:
    """Everything that is said on one host's first connection, until it breaks after so many octets."""

    def __init__(self, octets: int, broken: Callable[[], None]) -> None:
        self.left = octets
        self.told: list[tuple[str, bytes]] = []
        self._broken = broken

    def passes(self, who: str, octets: bytes) -> bytes:
        """What still gets through."""
        part = octets[: self.left]
        if part:
            self.told.append((who, part))
        self.left -= len(part)
        if not self.left:
            self.left = -1
            self._broken()
        return part

    def said(self, who: str) -> bytes:
        return b"".join(octets for name, octets in self.told if name == who)


class _WireEngine:
    """The client's engine, of which only that is heard which gets through."""

    def __init__(self, engine: Engine[Any], wire: Wire) -> None:
        self._engine = engine
        self._wire = wire

    def receive(self, octets: bytes) -> None:
        if self._wire.left > 0:
            self._engine.receive(self._wire.passes("S", octets))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)


class _WirePeer:
    def __init__(self, peer: Any, wire: Wire) -> None:
        self._peer = peer
        self._wire = wire

    def send(self, octets: bytes) -> None:
        if self._wire.left > 0 and (part := octets[: self._wire.left]):
            self._peer.send(part)
            self._wire.passes("C", octets)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._peer, name)


class Life:
    """One process of the sending server: when it is killed, nothing of it ever goes on."""

    def __init__(
        self,
        internet: Internet,
        store: InMemoryStore,
        fault: Fault = "cut",
        octets: int = -1,
        *,
        dies_at: str = "",
        owner: str = HOME,
        poll: float = 3600.0,
        connections: int = 5,
    ) -> None:
        """Without a fault: an heir, to whom nothing happens. `connections`: how many the other host gets at a time."""
        self.alive = True
        self.wire = Wire(octets, self.kill if fault == "kill" else self._cut)
        self._internet = internet
        self._peers: list[Any] = []
        self._clock = ReactorClock(internet.reactor.host("192.0.2.1"))
        self._caller = TwistedConnector(internet.reactor.host("192.0.2.1"))
        self.now = self._clock.now
        self.steady = self._clock.steady
        directory = StoreDirectory(store.accounts, ["home.test"], self)
        self._relay = RelayAgent(
            DnsNames(internet.zone, internet.reactor.host("192.0.2.1")),
            self,
            self,
            OwnHost(HOME),
            Routing(security=TlsPolicy(TlsLevel.NEVER)),
        )
        local = DeliveryAgent(directory, HOME, self)
        router = Router(directory)
        bouncer = Bouncer(router, HOME)
        mortal: Any = _MortalStore(store, self, dies_at)
        limits = QueueLimits(lease=LEASE, poll=poll, first_per_destination=connections, per_destination=connections)
        settings = QueueSettings(HOME, owner, RetrySchedule(first=60), limits, jitter=lambda: 0.5)
        agents = Agents(local, self._relay)
        self.queue = Queue(mortal, router, bouncer, agents, HoldRules(mortal), self, RecordingJournal(), settings)
        internet.reactor.result_of(self.queue.start())

    def kill(self) -> None:
        """As SIGKILL does: the kernel closes our sockets, and that is all."""
        self.alive = False
        for peer in self._peers:
            peer.abort()

    def _cut(self) -> None:
        for peer in self._peers:
            peer.abort()

    # --- wire.Caller

    async def connect(self, address: HostPort, engine: Engine[Any], **settings: Any) -> Any:
        if not self.alive:
            await Deferred()
        if self.wire.left < 0:
            return await self._caller.connect(address, engine, **settings)
        engine_on_wire: Any = _WireEngine(engine, self.wire)
        peer = await self._caller.connect(address, engine_on_wire, **settings)
        self._peers.append(peer)
        return _WirePeer(peer, self.wire)

    # --- wire.Clock

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        return self._clock.call_later(seconds, lambda: do() if self.alive else None)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        if self.alive:
            self._clock.spawn(work)
        else:
            work.close()


class _MortalStore:
    """The store as a process sees it, which may die while it settles."""

    def __init__(self, store: InMemoryStore, life: Life, dies_at: str) -> None:
        self._store = store
        self.queue: Any = _MortalQueue(store.queue, life, dies_at)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


class _MortalQueue:
    def __init__(self, queue: QueueStore, life: Life, dies_at: str) -> None:
        self._queue = queue
        self._life = life
        self._dies_at = dies_at

    async def settle(self, settlement: Settlement) -> None:
        if self._dies_at == "before the outcome is stored":
            self._life.kill()
        if not self._life.alive:
            await Deferred()
        await self._queue.settle(settlement)
        if self._dies_at == "after the outcome is stored":
            self._life.kill()
            await Deferred()

    async def settle_together(self, settlements: Sequence[Settlement]) -> list[Exception | None]:
        for settlement in settlements:
            await self.settle(settlement)
        return [None] * len(settlements)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._queue, name)


class Walk:
    """The same letter again and again, each time with another fault."""

    def __init__(self) -> None:
        self.internet = Internet()
        self.elsewhere: SimulatedServer = self.internet.elsewhere(CAROL, relay=RelaySettings(tls="never"))

    def copies(self, fault: Fault, octets: int, *, count: int = 1, **settings: Any) -> tuple[list[int], Wire]:
        """How many of each letter reach carol, and what was said on the wire until the fault; all are relayed."""
        store = InMemoryStore()
        life = Life(self.internet, store, fault, octets, **settings)
        reactor = self.internet.reactor
        begin = reactor.seconds()
        letters = [self.letter(f"letter {number}") for number in range(count)]
        for letter in letters:
            reactor.result_of(life.queue.accept(letter, "submitted"))
        reactor.advance(5)
        if not life.alive:
            Life(self.internet, store)
        reactor.advance(LEASE)
        records = reactor.result_of(store.history.records(Filter(ids=tuple(letter.id for letter in letters))))
        assert {record.deliveries[0].state.value for record in records} == {"relayed"}, (fault, octets)
        texts = [reactor.result_of(read_all(record.letter.content)) for record in self.arrived(begin)]
        copies = [sum(f"<{letter.id}>".encode() in text for text in texts) for letter in letters]
        return copies, life.wire

    def letter(self, subject: str) -> Letter:
        """One that the home server owes."""
        now = self.internet.reactor.seconds()
        envelope = Envelope(Address.parse("alice@home.test"), (Recipient(Address.parse(CAROL)),))
        letter_id = new_letter_id(now)
        content = Octets(f"Message-ID: <{letter_id}>\r\nSubject: {subject}\r\n\r\n.dot\r\n".encode())
        return Letter(letter_id, envelope, content, Arrival(now, HOME, "ESMTP"))

    def arrived(self, since: float) -> list[Record]:
        """Letters that the other server accepted since a time, also of an earlier fault."""
        return self.internet.reactor.result_of(self.elsewhere.store.history.records(Filter(since=since)))


@pytest.fixture
def walk() -> Walk:
    return Walk()


def answer_was_lost(wire: Wire) -> bool:
    """Whether the final dot was sent, so that the host may have taken the letter, and its answer not acted on."""
    return wire.said("C").endswith(b"\r\n.\r\n")


@pytest.mark.parametrize("fault", ["cut", "kill"])
@pytest.mark.parametrize("part", range(4))
def test_a_letter_broken_off_arrives_twice_only_if_the_answer_was_lost(walk: Walk, fault: Fault, part: int) -> None:
    """RLY-10, RLY-14: every octet of the dialogue, ours and theirs."""
    _, whole = walk.copies("cut", 10_000)
    octets = sum(len(said) for _, said in whole.told)
    assert octets > 500
    doubled = set()
    for point in range(1 + part, octets + 1, 4):
        (copies,), wire = walk.copies(fault, point)
        if answer_was_lost(wire):
            assert copies in {1, 2}, point
            doubled.add(copies)
        else:
            assert copies == 1, point
    assert 2 in doubled


@pytest.mark.parametrize("fault", ["cut", "kill"])
@pytest.mark.parametrize("part", range(8))
def test_only_the_letter_without_an_answer_arrives_twice(walk: Walk, fault: Fault, part: int) -> None:
    """RLY-10, RLY-14."""
    _, whole = walk.copies("cut", 10_000, count=3, connections=1)
    octets = sum(len(said) for _, said in whole.told)
    assert whole.said("C").count(b"\r\n.\r\nMAIL FROM:") == 2
    assert octets > 1000
    doubled = set()
    for point in range(1 + part, octets + 1, 8):
        copies, wire = walk.copies(fault, point, count=3, connections=1)
        dots, answers = wire.said("C").count(b"\r\n.\r\n"), wire.said("S").count(b" queued as ")
        assert min(copies) == 1, point
        assert sum(copies) <= 4, point
        if max(copies) == 2:
            doubled.add(copies.index(2))
            # Its dot was sent, and its answer was not acted on: it is the last one that was begun, or before it.
            assert copies.index(2) == dots - 1, point
            assert answers <= dots, point
    assert doubled == {0, 1, 2} or part


@pytest.mark.parametrize(
    ("dies_at", "copies"), [("before the outcome is stored", 2), ("after the outcome is stored", 1)]
)
def test_the_outcome_is_what_a_crash_must_not_lose(walk: Walk, dies_at: str, copies: int) -> None:
    """RLY-10: what the host has answered counts from the moment that it is stored."""
    assert walk.copies("kill", 10_000, dies_at=dies_at)[0] == [copies]


def test_another_process_takes_over_when_the_lease_of_a_dead_one_ends(walk: Walk) -> None:
    """RLY-14: not before, for the first may be alive."""
    store, reactor = InMemoryStore(), walk.internet.reactor
    life = Life(walk.internet, store, "kill", 200)
    reactor.result_of(life.queue.accept(walk.letter("once"), "submitted"))
    reactor.advance(5)
    assert not life.alive
    Life(walk.internet, store, owner="another process", poll=10.0)
    begin = reactor.seconds()
    reactor.advance(LEASE - 30)
    assert walk.arrived(begin) == []
    reactor.advance(60)
    assert len(walk.arrived(begin)) == 1
