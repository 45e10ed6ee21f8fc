"""Binary, 8-bit and UTF-8 letters: BDAT, conversion for the next host, POP3 with UTF8 (RFC 6856)."""

from __future__ import annotations

import email
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from mailstack.config import ExchangeSettings
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.envelope import HostPort
from mailstack.letter.letter import Octets
from mailstack.net.connector import TwistedConnector
from mailstack.protocols.pop3.client import Pop3ClientEngine, Pop3ClientSession
from mailstack.protocols.smtp.client_session import SmtpClientSession
from mailstack.protocols.smtp.replies import Reply
from tests.journeys.internet import Internet, SimulatedServer

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
    return internet.mail_server("mx.home.test", "192.0.2.1", domains=["home.test"], accounts=["bob@home.test"])


async def _send(
    internet: Internet, site: SimulatedServer, content: bytes, body: str, recipients: tuple[str, ...]
) -> list[Reply]:
    session: SmtpClientSession = await internet.session(site, 587)
    await session.start_tls(site.server.config.hostname, verify=False)
    await session.authenticate("bob@home.test", "bob@home.test")
    envelope = Envelope(
        Address.parse("bob@home.test"), tuple(Recipient(Address.parse(each)) for each in recipients), body
    )
    replies = await session.transact(envelope, envelope.recipients, Octets(content))
    await session.quit()
    return list(replies)


def send(internet: Internet, site: SimulatedServer, content: bytes, body: str, *recipients: str) -> list[Reply]:
    return internet.reactor.result_of(_send(internet, site, content, body, recipients))


def test_a_binary_letter_is_read_by_pop3(internet: Internet, home: SimulatedServer) -> None:
    """BDAT-09, POP-05: it is stored in lines, so that LIST tells what RETR sends."""
    assert [one.code for one in send(internet, home, BINARY, "BINARYMIME", "bob@home.test")] == [250]
    (letter,) = internet.fetch(home, "bob@home.test")
    assert email.message_from_bytes(letter).get_payload(decode=True) == PICTURE


@pytest.mark.parametrize(
    ("withheld", "dialogue"),
    [((), "BODY=BINARYMIME"), (("CHUNKING",), "BODY=8BITMIME"), (("CHUNKING", "8BITMIME"), "")],
)
def test_a_binary_letter_goes_on_as_the_next_host_takes_it(
    internet: Internet, home: SimulatedServer, withheld: tuple[str, ...], dialogue: str
) -> None:
    """BDAT-09."""
    there = internet.mail_server(
        "mx.there.test",
        "192.0.2.2",
        domains=["there.test"],
        accounts=["carol@there.test"],
        exchange=ExchangeSettings(withhold=withheld),
    )
    assert [one.code for one in send(internet, home, BINARY, "BINARYMIME", "carol@there.test")] == [250]
    internet.reactor.advance(5)
    (letter,) = internet.fetch(there, "carol@there.test")
    assert email.message_from_bytes(letter).get_payload(decode=True) == PICTURE
    (said,) = [step.facts["dialogue"] for step in home.journal.steps if step.step == "attempted"]
    (mail,) = [line for line in said if "MAIL FROM" in line]
    assert dialogue in mail
    assert dialogue or "BODY=" not in mail


def test_a_binary_letter_that_cannot_be_read_here_is_refused(internet: Internet, home: SimulatedServer) -> None:
    """BDAT-09, 8BIT-02."""
    signed = BINARY.replace(b"image/png", b"multipart/signed; boundary=b").replace(b"binary", b"7bit")
    signed = signed.replace(PICTURE, b"--b\r\n\r\n\0\r\n--b--\r\n")
    (reply,) = send(internet, home, signed, "BINARYMIME", "bob@home.test")
    assert (reply.code, str(reply.status)) == (554, "5.6.3")
    assert internet.fetch(home, "bob@home.test") == []


def test_a_letter_of_8_bits_is_converted_for_a_host_of_7(internet: Internet, home: SimulatedServer) -> None:
    """8BIT-02, RLY-24."""
    there = internet.mail_server(
        "mx.there.test",
        "192.0.2.2",
        domains=["there.test"],
        accounts=["carol@there.test"],
        exchange=ExchangeSettings(withhold=("8BITMIME",)),
    )
    assert [one.code for one in send(internet, home, GREEN, "8BITMIME", "carol@there.test")] == [250]
    internet.reactor.advance(5)
    (letter,) = internet.fetch(there, "carol@there.test")
    assert letter.isascii()
    assert email.message_from_bytes(letter).get_payload(decode=True) == "grüne Wiese\r\n".encode()


ALICE, BOB, GRETA = "alice@home.test", "bob@home.test", "gréta@home.test"
LETTER = "From: gréta@home.test\r\nSubject: grüße\r\n\r\nbis bald\r\n".encode()


def reading(
    internet: Internet, site: SimulatedServer, user: str, errand: Callable[[Pop3ClientSession], Awaitable[Any]]
) -> Any:
    async def read() -> Any:
        engine = Pop3ClientEngine()
        caller = TwistedConnector(internet.reactor.host("203.0.113.8"))
        session = Pop3ClientSession(await caller.connect(HostPort(site.address, 110), engine, timeout=10), engine)
        await session.open()
        await session.start_tls()
        result = await errand(session)
        await session.quit()
        return result

    return internet.reactor.result_of(read())


def test_a_letter_in_utf_8_comes_as_it_is_to_every_reader(internet: Internet) -> None:
    """POP-25, POP-05: the same octets and sizes, and nothing behind it is kept from the reader."""
    site = internet.mail_server("mx.home.test", "192.0.2.1", domains=["home.test"], accounts=[ALICE, BOB])
    internet.submit(site, ALICE, BOB, content=LETTER, SMTPUTF8="")
    internet.submit(site, ALICE, BOB, content=b"Subject: plain\r\n\r\nHello.\r\n", SMTPUTF8="")

    async def old(session: Pop3ClientSession) -> Any:
        await session.login(BOB, BOB)
        return await session.retr(1), await session.retr(2), await session.list()

    async def new(session: Pop3ClientSession) -> Any:
        await session.utf8()
        await session.login(BOB, BOB)
        return await session.retr(1), await session.list()

    first, plain, sizes = reading(internet, site, BOB, old)
    assert plain.endswith(b"Hello.\r\n")
    letter, again = reading(internet, site, BOB, new)
    assert letter.endswith(LETTER)
    assert first == letter
    assert again == sizes
    assert sizes == {1: len(letter), 2: len(plain)}


def test_a_reader_whose_name_is_in_utf_8(internet: Internet) -> None:
    """POP-25: UTF8 USER."""
    site = internet.mail_server("mx.home.test", "192.0.2.1", domains=["home.test"], accounts=[ALICE, GRETA])
    internet.submit(site, ALICE, GRETA, content=LETTER, SMTPUTF8="")

    async def read(session: Pop3ClientSession) -> Any:
        assert "UTF8 USER" in await session.capabilities()
        await session.utf8()
        await session.login(GRETA, GRETA)
        return await session.retr(1)

    assert reading(internet, site, GRETA, read).endswith(LETTER)
