"""A service behind a load balancer, between simulated hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.net.listening import ServiceListener
from mailstack.net.peer import NetPeer
from mailstack.policy.limits import ConnectionLimiter
from mailstack.protocols.connection import Disconnected
from tests.net.test_peer import Lines, Rig, door_of
from tests.net.test_proxy_header import CLIENT, SERVER, TLVS, version_2

PROXY = "203.0.113.7"
HEADER = b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 25\r\n"


@pytest.fixture
def rig(tmp_path: Path) -> Rig:
    return Rig(tmp_path)


async def tell_ends(peer: NetPeer[bytes], engine: Lines) -> None:
    """A greeting, and at each line who is connected."""
    peer.send(b"welcome\n")
    while isinstance(line := await peer.next_event(60), bytes):
        if line == b"starttls":
            peer.send(b"go ahead\n")
            await peer.start_tls()
        else:
            peer.send(f"{line.decode()} {peer.remote.host} {peer.remote.port} {peer.local.host}\n".encode())


def behind(rig: Rig, **options: Any) -> ServiceListener[bytes]:
    door = door_of(rig.host, rig.context, tell_ends, **{"proxies": [PROXY], "proxy_timeout": 5, **options})
    rig.reactor.result_of(door.listen(["haproxy:tcp:25"]))
    return door


async def turned_away(peer: NetPeer[bytes], engine: Lines, reply: Any) -> None:
    peer.send(f"{reply.code}\n".encode())


@pytest.mark.parametrize("header", [HEADER, version_2(CLIENT, SERVER), version_2(CLIENT, SERVER, more=TLVS)])
def test_the_client_is_who_the_proxy_says(rig: Rig, header: bytes) -> None:
    """PRXY-01."""
    behind(rig)
    peer = rig.call()
    peer.send(header + b"who\n")
    assert rig.hear(peer) == b"welcome"
    assert rig.hear(peer) == b"who 192.0.2.5 40000 198.51.100.1"


def test_a_header_may_come_in_pieces_and_nothing_is_said_before_it(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig)
    peer = rig.call()
    for place in range(len(HEADER)):
        peer.send(HEADER[place : place + 1])
        rig.reactor.advance(0.05)
        assert peer.engine.buffered == (0 if place < len(HEADER) - 1 else len(b"welcome\n"))
    assert rig.hear(peer) == b"welcome"


def test_a_connection_of_the_proxy_itself_is_its_own(rig: Rig) -> None:
    """PRXY-01: a health check."""
    behind(rig)
    peer = rig.call()
    peer.send(version_2(CLIENT, SERVER, command=0x20) + b"who\n")
    assert rig.hear(peer) == b"welcome"
    assert rig.hear(peer).startswith(b"who 203.0.113.7 ")


def test_nobody_else_is_heard(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig, proxies=["203.0.113.8", "2001:db8::/32"])
    peer = rig.call()
    peer.send(HEADER)
    assert isinstance(rig.hear(peer), Disconnected)


@pytest.mark.parametrize("octets", [b"EHLO client.test\r\n", b"PROXY TCP4 what?\r\n", b"\x16\x03\x01"])
def test_what_is_no_header_ends_the_connection(rig: Rig, octets: bytes) -> None:
    """PRXY-01."""
    behind(rig)
    peer = rig.call()
    peer.send(octets)
    assert isinstance(rig.hear(peer), Disconnected)
    assert peer.engine.buffered == 0


def test_a_header_that_does_not_come_ends_the_connection(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig)
    begun = rig.reactor.seconds()
    peer = rig.call()
    peer.send(HEADER[:20])
    assert isinstance(rig.hear(peer), Disconnected)
    assert 4.9 < rig.reactor.seconds() - begun < 5.5


def test_starttls_works_behind_a_proxy(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig)
    peer = rig.call()
    peer.send(HEADER + b"starttls\n")
    assert rig.hear(peer) == b"welcome"
    assert rig.hear(peer) == b"go ahead"
    assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    peer.send(b"who\n")
    assert rig.hear(peer) == b"who 192.0.2.5 40000 198.51.100.1"


def test_implicit_tls_begins_after_the_header(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig, implicit_tls=True)
    peer = rig.call()
    peer.send(HEADER)
    assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    assert rig.hear(peer) == b"welcome"
    peer.send(b"who\n")
    assert rig.hear(peer) == b"who 192.0.2.5 40000 198.51.100.1"


def test_limits_are_for_clients_and_not_for_their_proxy(rig: Rig) -> None:
    """PRXY-01, SMTP-26."""
    limits = ConnectionLimiter(per_address=1)
    behind(rig, limits=limits)
    peers = [rig.call() for _ in range(3)]
    for peer, client in zip(peers, ("192.0.2.5", "192.0.2.6", "192.0.2.6"), strict=True):
        peer.send(version_2(HostPort(client, 40000), SERVER))
    assert [rig.hear(peer) for peer in peers] == [b"welcome", b"welcome", b"421"]
    for peer in peers:
        peer.close()
    rig.reactor.advance(5)
    assert limits.open == 0


def test_stopping_drops_those_who_are_not_known_yet(rig: Rig) -> None:
    """SMTP-41."""
    door = behind(rig)
    peer = rig.call()
    peer.send(HEADER[:20])
    rig.reactor.advance(1)
    rig.reactor.result_of(door.stop_listening())
    assert isinstance(rig.hear(peer, 1), Disconnected)
