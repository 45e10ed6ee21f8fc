"""Peer between two simulated hosts: STARTTLS, implicit TLS and handshake timeouts."""

from __future__ import annotations

import pytest

from mailstack.net.peer import NetPeer
from mailstack.protocols.connection import ConnectFailed, Disconnected
from tests.net.peers import Lines, Rig, echo

SERVER = "192.0.2.1"


def test_starttls_negotiates_a_cipher_on_both_sides(rig: Rig) -> None:
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
    peer = rig.connect(upgrade)
    peer.send(b"starttls\n")
    assert rig.receive(peer) == b"go ahead"
    assert peer.tls is None
    assert peer.channel_binding("tls-exporter") is None
    assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    peer.send(b"hello\n")
    assert rig.receive(peer) == b"TLSv1.3"
    assert peer.tls is not None
    assert peer.tls.cipher.startswith("TLS_")
    assert peer.channel_binding("tls-exporter") == bound[0] is not None


def listen_with_starttls(rig: Rig) -> list[object]:
    """What is received first behind STARTTLS."""
    received: list[object] = []

    async def upgrade(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        await peer.start_tls()
        received.append(await peer.next_event(60))

    rig.listen(upgrade)
    return received


def test_commands_pipelined_after_starttls_are_discarded(rig: Rig) -> None:
    """TLS-04"""
    received = listen_with_starttls(rig)
    peer = rig.call()
    peer.send(b"starttls\ninjected\n")
    rig.reactor.advance(0.01)
    rig.reactor.result_of(peer.start_tls("mx.home.test"))
    peer.send(b"protected\n")
    rig.reactor.advance(1)
    assert received == [b"protected"]


def test_a_failed_handshake_ends_the_connection(rig: Rig) -> None:
    """TLS-05"""
    received = listen_with_starttls(rig)
    peer = rig.call()
    peer.send(b"starttls\n")
    rig.reactor.advance(1)
    peer.send(b"MAIL FROM:<a@b.test>\n")
    rig.reactor.advance(1)
    assert isinstance(received[0], Disconnected)


def test_implicit_tls_with_an_untrusted_certificate(rig: Rig) -> None:
    rig.listen(echo, implicit_tls=True)
    peer = rig.call(tls=True, server_name="mx.home.test")
    peer.send(b"hello\n")
    assert rig.receive(peer) == b"hello"
    with pytest.raises(ConnectFailed):
        rig.call(tls=True, server_name="mx.home.test", verify=True)


@pytest.mark.parametrize("implicit", [True, False], ids=["from-the-first-octet", "starttls"])
def test_immediate_and_delayed_writes_under_tls_keep_their_order(rig: Rig, *, implicit: bool) -> None:
    """Short lines go at once, unless something waits: long ones do, and all that a slow reader has not taken."""
    lines = [b"%d " % number + b"x" * (number * 9973 % 40_000 if number % 3 == 0 else 10) for number in range(200)]

    async def send(peer: NetPeer[bytes], engine: Lines) -> None:
        await peer.next_event(60)
        if not implicit:
            await peer.start_tls()
            await peer.next_event(60)
        for line in lines:
            peer.send(line + b"\n")
        await peer.drain(60)
        peer.send(b"goodbye\n")

    rig.listen(send, implicit_tls=implicit)
    peer = rig.call_under_tls(implicit=implicit, command=b"starttls\n")
    peer.send(b"go\n")
    rig.reactor.advance(5)
    assert [rig.receive(peer) for _ in lines] == lines
    assert rig.receive(peer) == b"goodbye"
    assert isinstance(rig.receive(peer), Disconnected)


@pytest.mark.parametrize("octets", [b"", b"\x16\x03\x01"])
@pytest.mark.parametrize("implicit", [True, False], ids=["from-the-first-octet", "starttls"])
def test_a_handshake_has_its_own_timeout(rig: Rig, *, implicit: bool, octets: bytes) -> None:
    """However long the conversation would wait, and also for octets that dribble in."""
    ended: list[tuple[object, float]] = []

    async def wait(peer: NetPeer[bytes], engine: Lines) -> None:
        if not implicit:
            await peer.next_event(600)
            await peer.start_tls()
        ended.append((await peer.next_event(600), rig.reactor.seconds()))

    client = rig.connect(wait, implicit_tls=implicit, handshake_timeout=30.0)
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
def test_the_handshake_timeout_ends_with_the_handshake(rig: Rig, *, implicit: bool) -> None:
    async def upgrade(peer: NetPeer[bytes], engine: Lines) -> None:
        if not implicit:
            await peer.start_tls()
        await echo(peer, engine)

    rig.listen(upgrade, implicit_tls=implicit, handshake_timeout=1.0)
    peer = rig.call_under_tls(implicit=implicit)
    rig.reactor.advance(30)
    peer.send(b"hello\n")
    assert rig.receive(peer) == b"hello"
