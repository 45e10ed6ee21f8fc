"""POP3 client of this package against its server, with octets split in every way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailstack.protocols.pop3.client import Pop3ClientSession, Pop3ConnectionLost, Refused
from tests.aid import examples
from tests.mailbox.pop3.sessions import Server, log_in
from tests.protocols.cuts import in_pieces_of, one_at_a_time, whole

LETTER = b"Subject: one\r\n\r\n.\r\n..\r\n.first\r\nlast\r\n"
CUTS = [whole, one_at_a_time, in_pieces_of(3, 1, 7, 2)]


async def everything(session: Pop3ClientSession) -> Any:
    """Each command once."""
    await session.open()
    capabilities = await session.capabilities()
    await session.login("bob", "secret word")
    await session.noop()
    seen = (await session.stat(), await session.list(), await session.uidl())
    letters = [await session.retr(1), await session.retr(2), await session.top(1, 2)]
    await session.dele(1)
    await session.rset()
    await session.dele(2)
    await session.quit()
    return capabilities, seen, letters


@pytest.mark.parametrize("cut", CUTS)
def test_a_whole_session_octet_for_octet(cut: Any) -> None:
    """POP-28"""
    server = Server(LETTER, b"B: c\r\n\r\n")
    capabilities, seen, letters = server.fetch(everything, cut=cut)
    assert "PIPELINING" in capabilities
    assert seen == ((2, len(LETTER) + 8), {1: len(LETTER), 2: 8}, {1: "a1-1", 2: "a1-2"})
    assert letters == [LETTER, b"B: c\r\n\r\n", LETTER[:23]]
    assert list(server.shelf.letters) == [1]
    assert not server.shelf.holders


@given(st.lists(st.sampled_from([b".", b"..", b"a", b"", b".\r", b"\n."]), max_size=12).map(b"\r\n".join))
@settings(max_examples=examples(50))
def test_any_letter_comes_as_it_rests(body: bytes) -> None:
    """POP-28"""
    letter = b"A: b\r\n\r\n" + body + b"\r\n"

    async def fetch(session: Pop3ClientSession) -> bytes:
        await log_in(session)
        return await session.retr(1)

    assert Server(letter).fetch(fetch, cut=in_pieces_of(2, 5, 1)) == letter


@pytest.mark.parametrize("cut", CUTS)
@pytest.mark.parametrize("mechanism", [None, "PLAIN", "LOGIN"])
def test_stls_and_login(cut: Any, mechanism: str | None) -> None:
    """POP-23, POP-24"""

    async def fetch(session: Pop3ClientSession) -> Any:
        await session.open()
        await session.start_tls("mx.home.test")
        await session.login("bob", "pässword", mechanism)
        return await session.stat()

    assert Server(LETTER).fetch(fetch, cut=cut, tls=None) == (1, len(LETTER))


def test_a_long_password_goes_behind_the_prompt() -> None:
    """POP-24: the initial response would make the command longer than 255 octets."""

    async def fetch(session: Pop3ClientSession) -> None:
        await session.open()
        await session.login("bob", "x" * 300, "PLAIN")

    with pytest.raises(Refused, match="wrong user name or password") as refused:
        Server().fetch(fetch)
    assert refused.value.code == "AUTH"


def test_a_letter_too_long_for_the_reader_ends_the_session() -> None:
    async def fetch(session: Pop3ClientSession) -> bytes:
        await log_in(session)
        return await session.retr(1)

    server = Server(b"x" * 998 + b"\r\n")
    with pytest.raises(Pop3ConnectionLost, match="more than 500 octets"):
        server.fetch(fetch, max_size=500)
    assert not server.shelf.holders


def test_a_server_that_stops_is_heard() -> None:
    server = Server(LETTER)

    async def fetch(session: Pop3ClientSession) -> None:
        await log_in(session)
        server.peers[-1].stop()
        await session.stat()

    with pytest.raises(Refused, match="shutting down") as refused:
        server.fetch(fetch)
    assert refused.value.code == "SYS/TEMP"
