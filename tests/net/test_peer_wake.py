"""Peer woken by its server while the session waits for the client, bare and under the wrappers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mailstack.net.peer import NetPeer
from mailstack.protocols.connection import WOKEN, Disconnected, PeerWrapper, TimedOut
from mailstack.protocols.pop3.server import Pop3ServerEngine
from mailstack.sandbox.faults import Fault
from mailstack.sandbox.faults.faults import Faults
from mailstack.sandbox.faults.faulty_peer import InjectionPoint
from mailstack.sandbox.faults.sessions import FaultyPop3
from mailstack.sandbox.recording import RecordingPeer, SessionTranscript
from tests.net.peers import Lines, Rig


class Woken:
    """A server whose session records its events."""

    def __init__(self, rig: Rig, wrap: Callable[[Any], Any] = lambda peer: peer) -> None:
        self.events: list[tuple[object, float]] = []
        self.peers: list[Any] = []
        self._rig = rig
        self._wrap = wrap
        self.client = rig.connect(self._converse)
        rig.reactor.advance(0.1)

    async def _converse(self, peer: NetPeer[bytes], engine: Lines) -> None:
        wrapped = self._wrap(peer)
        self.peers.append(wrapped)
        while not isinstance(event := await wrapped.next_event(60), Disconnected | TimedOut):
            self.events.append((event, self._rig.reactor.seconds()))
        self.events.append((event, self._rig.reactor.seconds()))

    def wake(self) -> None:
        self.peers[0].wake()

    @property
    def seen(self) -> list[object]:
        return [event for event, _ in self.events]


def faulty(peer: Any) -> FaultyPop3:
    """Under rules that match no event."""
    faults = Faults(lambda: 0.0)
    faults.add(Fault(at="pop3.stat", reply="-ERR no"))
    return FaultyPop3(peer, Pop3ServerEngine(), InjectionPoint(faults, "mx.home.test", "pop3", Any))


WRAPPERS: dict[str, Callable[[Any], Any]] = {
    "bare": lambda peer: peer,
    "wrapper": PeerWrapper,
    "faulty": faulty,
    "recorded": lambda peer: RecordingPeer(peer, SessionTranscript(1, "client", "server", lambda: 0.0), side="S"),
}


@pytest.mark.parametrize("name", WRAPPERS)
def test_a_waiting_session_is_woken_at_once(rig: Rig, name: str) -> None:
    server = Woken(rig, WRAPPERS[name])
    server.wake()
    assert server.seen == [WOKEN]
    server.client.send(b"one\n")
    rig.reactor.advance(0.1)
    assert server.seen == [WOKEN, b"one"]


def test_calls_before_the_wait_count_once_and_come_after_complete_events(rig: Rig) -> None:
    """A command is answered first: its response has the same news."""
    events: list[object] = []

    async def converse(peer: NetPeer[bytes], engine: Lines) -> None:
        assert await peer.next_event(60) == b"one"
        peer.wake()
        peer.wake()
        events.extend([await peer.next_event(60) for _ in range(3)])

    client = rig.connect(converse)
    client.send(b"one\ntwo\n")
    rig.reactor.advance(0.1)
    client.send(b"three\n")
    rig.reactor.advance(0.1)
    assert events == [b"two", WOKEN, b"three"]


def test_a_session_that_is_woken_again_and_again_still_ends_with_its_client(rig: Rig) -> None:
    server = Woken(rig)
    for _ in range(100):
        server.wake()
    server.client.abort()
    rig.reactor.advance(1)
    assert server.seen[:-1] == [WOKEN] * 100
    assert isinstance(server.seen[-1], Disconnected)
    server.wake()


def test_each_wait_after_a_wake_has_its_own_timeout(rig: Rig) -> None:
    server = Woken(rig)
    rig.reactor.advance(50)
    server.wake()
    woken_at = server.events[0][1]
    rig.reactor.advance(61)
    event, at = server.events[1]
    assert event == TimedOut(60)
    assert at - woken_at == pytest.approx(60, abs=0.1)
