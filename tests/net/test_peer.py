"""The one Protocol: waiting, back-pressure, timeouts, TLS and endings, between two simulated hosts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailstack.letter.envelope import HostPort
from mailstack.net.certificates import private_ca
from mailstack.net.connector import TwistedConnector
from mailstack.net.listening import Ports, ServiceListener
from mailstack.net.peer import FULL_READ, LARGE_READ, NetPeer
from mailstack.net.peer_state import HIGH_WATER, LINGER
from mailstack.net.scheduler import BURST
from mailstack.net.server_tls import server_context
from mailstack.policy.limits import ConnectionLimiter
from mailstack.protocols.connection import (
    NEED_DATA,
    ConnectFailed,
    Disconnected,
    LoggedOut,
    ShuttingDown,
    Signal,
    TimedOut,
)
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


def door_of(
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
        door = door_of(self.host, self.context, conversation, limits=limits, **options)
        self.reactor.result_of(door.listen(["tcp:25"]))
        return door

    def call(self, **options: Any) -> NetPeer[bytes]:
        return self.reactor.result_of(self.caller.connect(HostPort(SERVER, 25), Lines(), timeout=10, **options))

    def hear(self, peer: NetPeer[bytes], timeout: float = 1000) -> Any:
        return self.reactor.result_of(peer.next_event(timeout))


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def echo(peer: NetPeer[bytes], engine: Lines) -> None:
    while isinstance(event := await peer.next_event(60), bytes):
        peer.send(event + b"\n")


def test_a_conversation_hears_and_answers(rig: Rig) -> None:
    rig.listen(echo)
    peer = rig.call()
    peer.send(b"one\ntwo\n")
    assert [rig.hear(peer), rig.hear(peer)] == [b"one", b"two"]
    assert (peer.remote.host, peer.local.host) == (SERVER, "203.0.113.7")


def test_octets_that_dribble_in_do_not_extend_the_time(rig: Rig) -> None:
    """SMTP-28, TLS or not: a slow loris is cut after the time for one whole event."""
    heard: list[object] = []

    async def wait(peer: NetPeer[bytes], engine: Lines) -> None:
        heard.append((await peer.next_event(60), rig.reactor.seconds()))

    rig.listen(wait)
    peer = rig.call()
    begun = rig.reactor.seconds()
    for _ in range(13):
        peer.send(b"x")
        rig.reactor.advance(5)
    ((event, at),) = heard
    assert event == TimedOut(60)
    assert at - begun == pytest.approx(60, abs=0.1)


@pytest.mark.parametrize(
    ("line", "most"), [(b"x" * 8191 + b"\n", LARGE_READ), (b"\n", FULL_READ)], ids=["large", "many"]
)
def test_who_fills_a_read_is_read_in_larger_pieces_unless_it_piles_up(rig: Rig, line: bytes, most: int) -> None:
    """Served at once are BURST lines: all that a read of large ones brings, and next to nothing of small ones."""
    peers: list[NetPeer[bytes]] = []

    async def hear(peer: NetPeer[bytes], engine: Lines) -> None:
        peers.append(peer)
        while isinstance(await peer.next_event(60), bytes):
            pass

    rig.listen(hear)
    client = rig.call()
    rig.reactor.advance(1)
    (peer,) = peers
    transport: Any = peer.transport
    assert transport.bufferSize == FULL_READ
    peer.dataReceived(line * (FULL_READ // len(line)))
    assert transport.bufferSize == most
    client.abort()


def test_client_that_is_logged_out_hears_a_last_word_and_no_answer_to_what_it_sent_ahead(rig: Rig) -> None:
    peers: list[NetPeer[bytes]] = []
    ended: list[object] = []

    async def talk(peer: NetPeer[bytes], engine: Lines) -> None:
        peers.append(peer)
        await peer.next_event(60)
        peer.log_out()
        ended.append(await peer.next_event(60))
        peer.send(b"logged out\n")

    rig.listen(talk)
    client = rig.call()
    client.send(b"one\ntwo\nthree\n")
    assert rig.hear(client) == b"logged out"
    assert ended == [LoggedOut()]
    assert isinstance(rig.hear(client), Disconnected)


def test_client_that_takes_nothing_is_dropped_when_it_is_logged_out(rig: Rig) -> None:
    """Within a second, whatever the conversation waits for."""
    peers: list[NetPeer[bytes]] = []
    drained: list[bool] = []

    async def talk(peer: NetPeer[bytes], engine: Lines) -> None:
        peers.append(peer)
        peer.pauseProducing()
        drained.append(await peer.drain(600))
        await Deferred()

    rig.listen(talk)
    client = rig.call()
    rig.reactor.advance(1)
    peers[0].log_out()
    assert drained == [False]
    begun = rig.reactor.seconds()
    assert isinstance(rig.hear(client), Disconnected)
    assert rig.reactor.seconds() - begun < 1


@pytest.mark.parametrize(
    ("line", "most"), [(b"x" * 8191 + b"\n", LARGE_READ), (b"\n", FULL_READ)], ids=["large", "many"]
)
def test_a_busy_connection_is_read_in_larger_pieces_as_well(rig: Rig, line: bytes, most: int) -> None:
    peers: list[NetPeer[bytes]] = []

    async def hear(peer: NetPeer[bytes], engine: Lines) -> None:
        peers.append(peer)
        while isinstance(await peer.next_event(60), bytes):
            pass

    rig.listen(hear)
    client = rig.call()
    client.send(b"busy\n" * 100)
    rig.reactor.advance(0.1)
    (peer,) = peers
    transport: Any = peer.transport
    peer.dataReceived(line * (FULL_READ // len(line)))
    rig.reactor.advance(0)
    assert transport.bufferSize == most
    client.abort()


def test_a_connection_has_a_lifetime(rig: Rig) -> None:
    ended: list[object] = []

    async def talk(peer: NetPeer[bytes], engine: Lines) -> None:
        while isinstance(event := await peer.next_event(60), bytes):
            peer.send(event + b"\n")
        ended.append((event, rig.reactor.seconds()))

    rig.listen(talk, lifetime=300.0)
    peer = rig.call()
    begun = rig.reactor.seconds()
    for _ in range(20):
        peer.send(b"again\n")
        rig.reactor.advance(20)
    ((event, at),) = ended
    assert isinstance(event, TimedOut)
    assert at - begun == pytest.approx(300, abs=0.1)


def test_reading_stops_while_the_conversation_is_busy(rig: Rig) -> None:
    """Memory stays flat, however much a client sends ahead."""
    engines: list[Lines] = []

    async def busy(peer: NetPeer[bytes], engine: Lines) -> None:
        engines.append(engine)
        await peer.next_event(60)
        await rig.reactor_pause(1000)

    async def pause(seconds: float) -> None:
        from mailstack.net.clock import ReactorClock

        await ReactorClock(rig.host).pause(seconds)

    rig.reactor_pause = pause  # type: ignore[attr-defined]
    rig.listen(busy)
    peer = rig.call()
    peer.send(b"go\n" + b"x" * 10_000_000)
    rig.reactor.advance(100)
    assert HIGH_WATER < engines[0].buffered < 4 * HIGH_WATER


def test_drain_waits_for_a_slow_reader_and_gives_up_in_time(rig: Rig) -> None:
    drained: list[object] = []

    async def pour(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        for _ in range(1000):
            peer.send(b"y" * 65536)
            if not await peer.drain(30):
                drained.append(rig.reactor.seconds())
                peer.abort()
                return

    rig.listen(pour)
    peer = rig.call()
    peer.transport.pauseProducing()
    begun = rig.reactor.seconds()
    peer.send(b"go\n")
    rig.reactor.advance(100)
    assert drained == [pytest.approx(begun + 30, abs=1)]


def test_starttls_shakes_hands_and_both_sides_know_the_cipher(rig: Rig) -> None:
    async def upgrade(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        peer.send(b"go ahead\n")
        await peer.start_tls()
        await peer.next_event(60)
        assert peer.tls is not None
        peer.send(peer.tls.version.encode() + b"\n")
        bound.append(peer.channel_binding("tls-exporter"))
        await peer.next_event(60)

    bound: list[bytes | None] = []
    rig.listen(upgrade)
    peer = rig.call()
    peer.send(b"starttls\n")
    assert rig.hear(peer) == b"go ahead"
    assert peer.tls is None
    assert peer.channel_binding("tls-exporter") is None
    assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    peer.send(b"hello\n")
    assert rig.hear(peer) == b"TLSv1.3"
    assert peer.tls is not None
    assert peer.tls.cipher.startswith("TLS_")
    assert peer.channel_binding("tls-exporter") == bound[0] is not None


def test_what_was_sent_with_starttls_in_clear_is_thrown_away(rig: Rig) -> None:
    """TLS-04"""
    heard: list[object] = []

    async def upgrade(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        await peer.start_tls()
        heard.append(await peer.next_event(60))

    rig.listen(upgrade)
    peer = rig.call()
    peer.send(b"starttls\ninjected\n")
    rig.reactor.advance(0.01)
    rig.reactor.result_of(peer.start_tls("mx.home.test"))
    peer.send(b"protected\n")
    rig.reactor.advance(1)
    assert heard == [b"protected"]


def test_a_failed_handshake_ends_the_connection(rig: Rig) -> None:
    """TLS-05"""
    heard: list[object] = []

    async def upgrade(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        await peer.start_tls()
        heard.append(await peer.next_event(60))

    rig.listen(upgrade)
    peer = rig.call()
    peer.send(b"starttls\n")
    rig.reactor.advance(1)
    peer.send(b"MAIL FROM:<a@b.test>\n")
    rig.reactor.advance(1)
    assert isinstance(heard[0], Disconnected)


def test_implicit_tls_and_a_certificate_that_is_not_believed(rig: Rig) -> None:
    rig.listen(echo, implicit_tls=True)
    peer = rig.call(tls=True, server_name="mx.home.test")
    peer.send(b"hello\n")
    assert rig.hear(peer) == b"hello"
    with pytest.raises(ConnectFailed):
        rig.call(tls=True, server_name="mx.home.test", verify=True)


def test_nobody_listens(rig: Rig) -> None:
    with pytest.raises(ConnectFailed, match="refused"):
        rig.call()


def test_too_many_connections_are_turned_away(rig: Rig) -> None:
    """SMTP-26"""
    rig.listen(echo, limits=ConnectionLimiter(10, 2))
    first, second, third = rig.call(), rig.call(), rig.call()
    assert rig.hear(third) == b"421"
    assert isinstance(rig.hear(third), Disconnected)
    first.close()
    rig.reactor.advance(1)
    fourth = rig.call()
    for peer in (second, fourth):
        peer.send(b"still here\n")
        assert rig.hear(peer) == b"still here"


def test_stopping_lets_conversations_say_goodbye(rig: Rig) -> None:
    async def polite(peer: NetPeer[bytes], engine: Lines) -> None:
        while isinstance(event := await peer.next_event(60), bytes):
            peer.send(event + b"\n")
        if isinstance(event, ShuttingDown):
            peer.send(b"goodbye\n")

    door = rig.listen(polite)
    peer = rig.call()
    peer.send(b"hello\n")
    assert rig.hear(peer) == b"hello"
    rig.reactor.result_of(door.stop_listening())
    assert rig.hear(peer) == b"goodbye"
    rig.reactor.result_of(door.wait_until_empty(10))
    with pytest.raises(ConnectFailed):
        rig.call()


def test_a_client_that_never_takes_the_rest_does_not_hold_the_connection(rig: Rig) -> None:
    async def pour(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        peer.send(b"z" * 10_000_000)

    door = rig.listen(pour)
    peer = rig.call()
    peer.transport.pauseProducing()
    peer.send(b"go\n")
    rig.reactor.advance(LINGER + 5)
    begun = rig.reactor.seconds()
    rig.reactor.result_of(door.wait_until_empty(60))
    assert rig.reactor.seconds() == begun


def test_thousands_of_commands_in_one_read_leave_the_others_their_turn(rig: Rig) -> None:
    """SMTP-26"""
    heard: list[bytes] = []

    async def note(peer: NetPeer[bytes], engine: Lines) -> None:
        while isinstance(line := await peer.next_event(60), bytes):
            heard.append(line)

    rig.listen(note)
    greedy, modest = rig.call(), rig.call()
    greedy.send(b"noop\n" * 3000)
    modest.send(b"a word\n")
    rig.reactor.advance(1)
    assert len(heard) == 3001
    # Both came in the same instant: whoever was first, the other waited for one turn at most.
    assert heard.index(b"a word") <= BURST + 1


def test_a_connection_that_is_lost_amid_its_turns_ends(rig: Rig) -> None:
    ended: list[object] = []

    async def note(peer: NetPeer[bytes], engine: Lines) -> None:
        while isinstance(line := await peer.next_event(60), bytes):
            if line == b"hang up":
                peer.abort()
        ended.append(line)

    rig.listen(note)
    peer = rig.call()
    peer.send(b"noop\n" * (BURST - 1) + b"hang up\n" + b"noop\n" * 300)
    rig.reactor.advance(1)
    assert len(ended) == 1
    assert isinstance(ended[0], Disconnected)


def test_a_bug_in_a_conversation_is_logged_and_closes_only_that_connection(rig: Rig) -> None:
    async def faulty(peer: NetPeer[bytes], engine: Lines) -> None:
        if await peer.next_event(60) == b"crash":
            raise ZeroDivisionError
        peer.send(b"fine\n")

    rig.listen(faulty)
    peer, other = rig.call(), rig.call()
    peer.send(b"crash\n")
    with pytest.raises(ZeroDivisionError):
        rig.reactor.advance(1)
    assert isinstance(rig.hear(peer), Disconnected)
    other.send(b"hello\n")
    assert rig.hear(other) == b"fine"


def test_a_closed_connection_has_its_whole_time_to_send_the_rest(rig: Rig) -> None:
    """A deadline of the conversation that falls into it cuts nothing."""

    async def pour(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        peer.send(b"z" * 1_000_000 + b"\n")

    rig.listen(pour)
    peer = rig.call()
    rig.reactor.advance(59)
    peer.transport.pauseProducing()
    peer.send(b"go\n")
    rig.reactor.advance(LINGER / 2)
    peer.transport.resumeProducing()
    assert len(rig.hear(peer)) == 1_000_000


def test_a_conversation_waits_until_its_answers_are_taken(rig: Rig) -> None:
    ended: list[object] = []

    async def talk(peer: NetPeer[bytes], engine: Lines) -> None:
        answered = 0
        while isinstance(event := await peer.next_event(60), bytes):
            peer.send(b"y" * 10_000 + b"\n")
            answered += 1
        ended.append((event, answered < 100))

    rig.listen(talk)
    peer = rig.call()
    peer.transport.pauseProducing()
    peer.send(b"again\n" * 1000)
    rig.reactor.advance(70)
    assert ended == [(TimedOut(60), True)]


@pytest.mark.parametrize("implicit", [True, False], ids=["from-the-first-octet", "starttls"])
def test_under_tls_what_is_sent_at_once_and_what_had_to_wait_come_in_order(rig: Rig, *, implicit: bool) -> None:
    """Short lines go at once, unless something waits: long ones do, and all that a slow reader has not taken."""
    lines = [b"%d " % number + b"x" * (number * 9973 % 40_000 if number % 3 == 0 else 10) for number in range(200)]

    async def tell(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        if not implicit:
            await peer.start_tls()
            await peer.next_event(60)
        for line in lines:
            peer.send(line + b"\n")
        await peer.drain(60)
        peer.send(b"goodbye\n")

    rig.listen(tell, implicit_tls=implicit)
    peer = rig.call(tls=True, server_name="mx.home.test") if implicit else rig.call()
    if not implicit:
        peer.send(b"starttls\n")
        assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    peer.send(b"go\n")
    rig.reactor.advance(5)
    assert [rig.hear(peer) for _ in lines] == lines
    assert rig.hear(peer) == b"goodbye"
    assert isinstance(rig.hear(peer), Disconnected)


@pytest.mark.parametrize("octets", [b"", b"\x16\x03\x01"])
@pytest.mark.parametrize("implicit", [True, False], ids=["from-the-first-octet", "starttls"])
def test_a_handshake_has_a_time_of_its_own(rig: Rig, *, implicit: bool, octets: bytes) -> None:
    """However long the conversation would wait, and also for octets that dribble in."""
    ended: list[tuple[object, float]] = []

    async def wait(peer: NetPeer[bytes], engine: Lines) -> None:
        if not implicit:
            await peer.next_event(600)
            await peer.start_tls()
        ended.append((await peer.next_event(600), rig.reactor.seconds()))

    rig.listen(wait, implicit_tls=implicit, handshake_timeout=30.0)
    client = rig.call()
    if not implicit:
        rig.reactor.advance(100)
        client.send(b"starttls\n")
        rig.reactor.advance(1)
    begun = rig.reactor.seconds()
    for octet in octets:
        rig.reactor.advance(9)
        client.send(bytes([octet]))
    rig.reactor.advance(100)
    ((event, at),) = ended
    assert isinstance(event, Disconnected)
    assert 28 < at - begun < 31


@pytest.mark.parametrize("implicit", [True, False], ids=["from-the-first-octet", "starttls"])
def test_a_handshake_that_is_over_ends_nothing(rig: Rig, *, implicit: bool) -> None:
    async def upgrade(peer: NetPeer[bytes], engine: Lines) -> None:
        if not implicit:
            await peer.start_tls()
        await echo(peer, engine)

    rig.listen(upgrade, implicit_tls=implicit, handshake_timeout=1.0)
    peer = rig.call(tls=True, server_name="mx.home.test") if implicit else rig.call()
    if not implicit:
        assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    rig.reactor.advance(30)
    peer.send(b"hello\n")
    assert rig.hear(peer) == b"hello"
