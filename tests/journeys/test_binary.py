"""Binary letters and letters of 8 bits between servers: by BDAT where they can, in other octets where they can't."""

from __future__ import annotations

import email
from pathlib import Path

import pytest

from mailstack.config import ExchangeSettings
from mailstack.letter import Address, Envelope, Recipient
from mailstack.letter.letter import Octets
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
def internet(tmp_path: Path) -> Internet:
    return Internet(tmp_path)


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
    internet.stop()


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
    internet.stop()


def test_a_binary_letter_that_cannot_be_read_here_is_refused(internet: Internet, home: SimulatedServer) -> None:
    """BDAT-09, 8BIT-02."""
    signed = BINARY.replace(b"image/png", b"multipart/signed; boundary=b").replace(b"binary", b"7bit")
    signed = signed.replace(PICTURE, b"--b\r\n\r\n\0\r\n--b--\r\n")
    (reply,) = send(internet, home, signed, "BINARYMIME", "bob@home.test")
    assert (reply.code, str(reply.status)) == (554, "5.6.3")
    assert internet.fetch(home, "bob@home.test") == []
    internet.stop()


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
    internet.stop()
