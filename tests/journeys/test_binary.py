"""Binary, 8-bit and UTF-8 letters: BDAT, conversion for the next host, POP3 with UTF8 (RFC 6856)."""

from __future__ import annotations

import email
from typing import Any

import pytest

from mailstack.config import ExchangeSettings
from mailstack.protocols.pop3.client import Pop3ClientSession
from tests.journeys.internet import Internet, SimulatedServer, facts

ALICE, BOB, GRETA = "alice@home.test", "bob@home.test", "gréta@home.test"
PICTURE = b"\x89PNG\r\n\x1a\n\0\r\0\n" + bytes(range(256)) * 40
BINARY = (
    b"From: alice@home.test\r\nMIME-Version: 1.0\r\nContent-Type: image/png\r\nContent-Transfer-Encoding: binary\r\n\r\n"
    + PICTURE
)
GREEN = (
    b"From: a@home.test\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngr\xc3\xbcne Wiese\r\n"
)


@pytest.fixture
def home(internet: Internet) -> SimulatedServer:
    return internet.home("bob@home.test")


def send(internet: Internet, site: SimulatedServer, content: bytes, body: str, recipient: str) -> str:
    """Code and status of the reply to a letter of bob."""
    (reply,) = internet.submit(site, BOB, recipient, content=content, body=body)
    return f"{reply.code} {reply.status}"


def test_a_binary_letter_is_read_by_pop3(internet: Internet, home: SimulatedServer) -> None:
    """BDAT-09, POP-05: it is stored in lines, so that LIST tells what RETR sends."""
    assert send(internet, home, BINARY, "BINARYMIME", BOB) == "250 2.0.0"
    (letter,) = internet.fetch(home, "bob@home.test")
    assert email.message_from_bytes(letter).get_payload(decode=True) == PICTURE


@pytest.mark.parametrize(
    ("withheld", "dialogue"),
    [((), "BODY=BINARYMIME"), (("CHUNKING",), "BODY=8BITMIME"), (("CHUNKING", "8BITMIME"), "")],
)
def test_a_binary_letter_is_relayed_as_the_host_accepts_it(
    internet: Internet, home: SimulatedServer, withheld: tuple[str, ...], dialogue: str
) -> None:
    """BDAT-09."""
    there = internet.mail_server(
        "mx.there.test", "192.0.2.2", "carol@there.test", exchange=ExchangeSettings(withhold=withheld)
    )
    assert send(internet, home, BINARY, "BINARYMIME", "carol@there.test") == "250 2.0.0"
    internet.reactor.advance(5)
    (letter,) = internet.fetch(there, "carol@there.test")
    assert email.message_from_bytes(letter).get_payload(decode=True) == PICTURE
    (mail,) = [line for line in facts(home, "attempted")["dialogue"] if "MAIL FROM" in line]
    assert dialogue in mail
    assert dialogue or "BODY=" not in mail


def test_a_binary_letter_that_cannot_be_read_here_is_refused(internet: Internet, home: SimulatedServer) -> None:
    """BDAT-09, 8BIT-02."""
    signed = BINARY.replace(b"image/png", b"multipart/signed; boundary=b").replace(b"binary", b"7bit")
    signed = signed.replace(PICTURE, b"--b\r\n\r\n\0\r\n--b--\r\n")
    assert send(internet, home, signed, "BINARYMIME", BOB) == "554 5.6.3"
    assert internet.fetch(home, BOB) == []


def test_a_letter_of_8_bits_is_converted_for_a_host_of_7(internet: Internet, home: SimulatedServer) -> None:
    """8BIT-02, RLY-24."""
    there = internet.mail_server(
        "mx.there.test", "192.0.2.2", "carol@there.test", exchange=ExchangeSettings(withhold=("8BITMIME",))
    )
    assert send(internet, home, GREEN, "8BITMIME", "carol@there.test") == "250 2.0.0"
    internet.reactor.advance(5)
    (letter,) = internet.fetch(there, "carol@there.test")
    assert letter.isascii()
    assert email.message_from_bytes(letter).get_payload(decode=True) == "grüne Wiese\r\n".encode()


LETTER = "From: gréta@home.test\r\nSubject: grüße\r\n\r\nbis bald\r\n".encode()


def test_a_letter_in_utf_8_comes_as_it_is_to_every_reader(internet: Internet) -> None:
    """POP-25, POP-05: the same octets and sizes, and nothing behind it is kept from the reader."""
    site = internet.home(ALICE, BOB)
    internet.submit(site, ALICE, BOB, content=LETTER, SMTPUTF8="")
    internet.submit(site, ALICE, BOB, content=b"Subject: plain\r\n\r\nHello.\r\n", SMTPUTF8="")

    async def old(session: Pop3ClientSession) -> Any:
        await session.login(BOB, BOB)
        return await session.retr(1), await session.retr(2), await session.list()

    async def new(session: Pop3ClientSession) -> Any:
        await session.utf8()
        await session.login(BOB, BOB)
        return await session.retr(1), await session.list()

    first, plain, sizes = internet.read(site, old)
    assert plain.endswith(b"Hello.\r\n")
    letter, again = internet.read(site, new)
    assert letter.endswith(LETTER)
    assert first == letter
    assert again == sizes
    assert sizes == {1: len(letter), 2: len(plain)}


def test_a_reader_whose_name_is_in_utf_8(internet: Internet) -> None:
    """POP-25: UTF8 USER."""
    site = internet.home(ALICE, GRETA)
    internet.submit(site, ALICE, GRETA, content=LETTER, SMTPUTF8="")

    async def read(session: Pop3ClientSession) -> Any:
        assert "UTF8 USER" in await session.capabilities()
        await session.utf8()
        await session.login(GRETA, GRETA)
        return await session.retr(1)

    assert internet.read(site, read).endswith(LETTER)
