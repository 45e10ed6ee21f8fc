"""PROXY headers (proxy-protocol.txt), and a service behind a load balancer."""

from __future__ import annotations

import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.net.listening import ServiceListener
from mailstack.net.peer import NetPeer
from mailstack.net.proxy_protocol import MAX_V1_HEADER, MAX_V2_HEADER, SIGNATURE, BadHeader, Passed, read_header
from mailstack.policy.limits import ConnectionLimiter
from mailstack.protocols.connection import Disconnected
from tests.net.peers import Lines, Rig, listener_for

Read = tuple[Passed, int] | None


def version_2(
    client: HostPort, server: HostPort, *, command: int = 0x21, family: int | None = None, more: bytes = b""
) -> bytes:
    """As a load balancer writes it."""
    kind = socket.AF_INET6 if ":" in client.host else socket.AF_INET
    body = b"".join(socket.inet_pton(kind, end.host) for end in (client, server))
    body += b"".join(end.port.to_bytes(2) for end in (client, server)) + more
    family = family or (0x21 if kind == socket.AF_INET6 else 0x11)
    return SIGNATURE + bytes([command, family]) + len(body).to_bytes(2) + body


CLIENT, SERVER = HostPort("192.0.2.5", 40000), HostPort("198.51.100.1", 25)
CLIENT_6, SERVER_6 = HostPort("2001:db8::5", 40000), HostPort("2001:db8::1", 25)
TLVS = b"\x20\x00\x0a\x07\x00\x00\x00\x00\x21\x00\x02v1"

GOOD = [
    (b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 25\r\n", Passed(CLIENT, SERVER)),
    (b"PROXY TCP6 2001:db8::5 2001:0DB8:0::1 40000 25\r\n", Passed(CLIENT_6, SERVER_6)),
    (b"PROXY UNKNOWN\r\n", Passed(None, None)),
    (b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n", Passed(None, None)),
    (version_2(CLIENT, SERVER), Passed(CLIENT, SERVER)),
    (version_2(CLIENT_6, SERVER_6), Passed(CLIENT_6, SERVER_6)),
    (version_2(CLIENT, SERVER, more=TLVS), Passed(CLIENT, SERVER)),
    (version_2(CLIENT, SERVER, command=0x20), Passed(None, None)),
    (SIGNATURE + b"\x20\x00\x00\x00", Passed(None, None)),
    (version_2(CLIENT, SERVER, family=0x12), Passed(None, None)),
    (SIGNATURE + b"\x21\x31\x00\xd8" + bytes(216), Passed(None, None)),
]


@pytest.mark.parametrize(("header", "passed"), GOOD)
def test_a_header_is_read_however_it_comes(header: bytes, passed: Passed) -> None:
    """PRXY-01."""
    for end in range(len(header)):
        assert read_header(header[:end]) is None
    assert read_header(header) == (passed, len(header))
    assert read_header(header + b"EHLO client.test\r\n") == (passed, len(header))


@pytest.mark.parametrize(
    "octets",
    [
        b"EHLO client.test\r\n", b"\x16\x03\x01\x02\x00", b"PROXY\r\n",
        b"PROXY TCP5 192.0.2.5 198.51.100.1 40000 25\r\n", b"proxy TCP4 192.0.2.5 198.51.100.1 40000 25\r\n",
        b"PROXY TCP4 2001:db8::5 2001:db8::1 40000 25\r\n", b"PROXY TCP6 192.0.2.5 198.51.100.1 40000 25\r\n",
        b"PROXY TCP4 192.0.2.500 198.51.100.1 40000 25\r\n", b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 70000\r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 040000 25\r\n", b"PROXY TCP4 192.0.2.5 198.51.100.1 +4000 25\r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 40000\r\n", b"PROXY TCP4 192.0.2.5  198.51.100.1 40000 25\r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 25 \r\n", b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 25\n\r\n",
        b"PROXY UNKNOWN" + b" " * MAX_V1_HEADER, SIGNATURE + b"\x11\x11\x00\x0c", SIGNATURE + b"\x22\x11\x00\x0c",
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11), SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11" + (MAX_V2_HEADER + 1).to_bytes(2),
    ],
)  # fmt: skip
def test_anything_else_is_refused(octets: bytes) -> None:
    """PRXY-01."""
    with pytest.raises(BadHeader):
        read_header(octets)


def attempt(octets: bytes) -> Read | str:
    try:
        return read_header(octets)
    except BadHeader as why:
        return str(why)


NEARLY = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=300).map(lambda rest: b"PROXY " + rest),
    st.binary(max_size=300).map(lambda rest: SIGNATURE + rest),
    st.tuples(st.sampled_from([header for header, _ in GOOD]), st.integers(0, 200), st.binary(max_size=3)).map(
        lambda parts: parts[0][: parts[1]] + parts[2] + parts[0][parts[1] + len(parts[2]) :]
    ),
)


@given(NEARLY)
def test_any_octets_are_a_header_or_are_refused(octets: bytes) -> None:
    """PRXY-01: and what is once refused, or once whole, stays so with more octets."""
    whole = attempt(octets)
    for end in range(len(octets)):
        part = attempt(octets[:end])
        if part is not None:
            assert (part == whole) if isinstance(part, tuple) else isinstance(whole, str)
    if isinstance(whole, tuple):
        assert 0 < whole[1] <= len(octets)


@pytest.mark.parametrize("begin", [b"", b"PROXY ", SIGNATURE, SIGNATURE + b"\x21\x11\xff\xff"])
@given(octets=st.binary(max_size=40))
def test_waiting_has_an_end(begin: bytes, octets: bytes) -> None:
    assert attempt(begin + octets + b"x" * (MAX_V2_HEADER + 16)) is not None


PROXY = "203.0.113.7"
HEADER = b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 25\r\n"


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
    listener = listener_for(rig.host, rig.context, tell_ends, **{"proxies": [PROXY], "proxy_timeout": 5, **options})
    rig.reactor.result_of(listener.listen(["haproxy:tcp:25"]))
    return listener


@pytest.mark.parametrize("header", [HEADER, version_2(CLIENT, SERVER), version_2(CLIENT, SERVER, more=TLVS)])
def test_client_address_is_that_of_the_proxy_header(rig: Rig, header: bytes) -> None:
    """PRXY-01."""
    behind(rig)
    peer = rig.call()
    peer.send(header + b"who\n")
    assert rig.receive(peer) == b"welcome"
    assert rig.receive(peer) == b"who 192.0.2.5 40000 198.51.100.1"


def test_a_header_may_come_in_pieces_and_nothing_is_said_before_it(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig)
    peer = rig.call()
    for place in range(len(HEADER)):
        peer.send(HEADER[place : place + 1])
        rig.reactor.advance(0.05)
        assert peer.engine.buffered == (0 if place < len(HEADER) - 1 else len(b"welcome\n"))
    assert rig.receive(peer) == b"welcome"


def test_a_connection_of_the_proxy_itself_is_its_own(rig: Rig) -> None:
    """PRXY-01: a health check."""
    behind(rig)
    peer = rig.call()
    peer.send(version_2(CLIENT, SERVER, command=0x20) + b"who\n")
    assert rig.receive(peer) == b"welcome"
    assert rig.receive(peer).startswith(b"who 203.0.113.7 ")


def test_proxy_header_of_other_addresses_is_refused(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig, proxies=["203.0.113.8", "2001:db8::/32"])
    peer = rig.call()
    peer.send(HEADER)
    assert isinstance(rig.receive(peer), Disconnected)


@pytest.mark.parametrize("octets", [b"EHLO client.test\r\n", b"PROXY TCP4 what?\r\n", b"\x16\x03\x01"])
def test_what_is_no_header_ends_the_connection(rig: Rig, octets: bytes) -> None:
    """PRXY-01."""
    behind(rig)
    peer = rig.call()
    peer.send(octets)
    assert isinstance(rig.receive(peer), Disconnected)
    assert peer.engine.buffered == 0


def test_a_header_that_does_not_come_ends_the_connection(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig)
    begun = rig.reactor.seconds()
    peer = rig.call()
    peer.send(HEADER[:20])
    assert isinstance(rig.receive(peer), Disconnected)
    assert 4.9 < rig.reactor.seconds() - begun < 5.5


def test_starttls_works_behind_a_proxy(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig)
    peer = rig.call()
    peer.send(HEADER + b"starttls\n")
    assert rig.receive(peer) == b"welcome"
    assert rig.receive(peer) == b"go ahead"
    assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    peer.send(b"who\n")
    assert rig.receive(peer) == b"who 192.0.2.5 40000 198.51.100.1"


def test_implicit_tls_begins_after_the_header(rig: Rig) -> None:
    """PRXY-01."""
    behind(rig, implicit_tls=True)
    peer = rig.call()
    peer.send(HEADER)
    assert rig.reactor.result_of(peer.start_tls("mx.home.test"))
    assert rig.receive(peer) == b"welcome"
    peer.send(b"who\n")
    assert rig.receive(peer) == b"who 192.0.2.5 40000 198.51.100.1"


def test_limits_are_for_clients_and_not_for_their_proxy(rig: Rig) -> None:
    """PRXY-01, SMTP-26."""
    limits = ConnectionLimiter(per_address=1)
    behind(rig, limits=limits)
    peers = [rig.call() for _ in range(3)]
    for peer, client in zip(peers, ("192.0.2.5", "192.0.2.6", "192.0.2.6"), strict=True):
        peer.send(version_2(HostPort(client, 40000), SERVER))
    assert [rig.receive(peer) for peer in peers] == [b"welcome", b"welcome", b"421"]
    for peer in peers:
        peer.close()
    rig.reactor.advance(5)
    assert limits.open == 0


def test_stopping_drops_connections_without_a_header(rig: Rig) -> None:
    """SMTP-41."""
    listener = behind(rig)
    peer = rig.call()
    peer.send(HEADER[:20])
    rig.reactor.advance(1)
    rig.reactor.result_of(listener.stop_listening())
    assert isinstance(rig.receive(peer, 1), Disconnected)
