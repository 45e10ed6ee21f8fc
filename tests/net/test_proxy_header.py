"""PROXY headers: what proxy-protocol.txt says, and whatever else may come."""

from __future__ import annotations

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailstack.letter.envelope import HostPort
from mailstack.net.proxy_protocol import MAX_V1_HEADER, MAX_V2_HEADER, SIGNATURE, BadHeader, Passed, read_header

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
        b"EHLO client.test\r\n",
        b"\x16\x03\x01\x02\x00",
        b"PROXY\r\n",
        b"PROXY TCP5 192.0.2.5 198.51.100.1 40000 25\r\n",
        b"proxy TCP4 192.0.2.5 198.51.100.1 40000 25\r\n",
        b"PROXY TCP4 2001:db8::5 2001:db8::1 40000 25\r\n",
        b"PROXY TCP6 192.0.2.5 198.51.100.1 40000 25\r\n",
        b"PROXY TCP4 192.0.2.500 198.51.100.1 40000 25\r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 70000\r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 040000 25\r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 +4000 25\r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 40000\r\n",
        b"PROXY TCP4 192.0.2.5  198.51.100.1 40000 25\r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 25 \r\n",
        b"PROXY TCP4 192.0.2.5 198.51.100.1 40000 25\n\r\n",
        b"PROXY UNKNOWN" + b" " * MAX_V1_HEADER,
        SIGNATURE + b"\x11\x11\x00\x0c",
        SIGNATURE + b"\x22\x11\x00\x0c",
        SIGNATURE + b"\x21\x11\x00\x0b" + bytes(11),
        SIGNATURE + b"\x21\x21\x00\x0c" + bytes(12),
        SIGNATURE + b"\x21\x11" + (MAX_V2_HEADER + 1).to_bytes(2),
    ],
)
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
