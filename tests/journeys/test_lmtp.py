"""LMTP between servers, with a reply for each recipient (RFC 2033)."""

from __future__ import annotations

import re

import pytest
from msgspec import Struct

from mailstack.config import DeliverySettings, ExchangeSettings, ListenSettings, LmtpSettings, RelaySettings
from mailstack.config.syntax import Size
from mailstack.config.values import read_network
from mailstack.protocols.smtp.client_session import SmtpSessionError
from mailstack.relay.routes import StaticRoutes
from mailstack.store.folders import Folder
from tests.journeys.internet import ONE_LETTER, Internet, SimulatedServer


@pytest.fixture
def inner(internet: Internet) -> SimulatedServer:
    return lmtp_server(internet, "192.0.2.0/28")


def lmtp_server(internet: Internet, network: str, **settings: Struct) -> SimulatedServer:
    """The server of inner.test, which takes letters of this network by LMTP."""
    people, lmtp = ("bob@inner.test", "carol@inner.test"), LmtpSettings(lmtp_from=(read_network(network),))
    listen = ListenSettings(lmtp=("tcp:24",), pop3=("tcp:110",))
    return internet.mail_server("mx.inner.test", "192.0.2.2", *people, listen=listen, lmtp=lmtp, **settings)


@pytest.fixture
def outer(internet: Internet) -> SimulatedServer:
    routes = StaticRoutes.parse({"inner.test": "lmtp://192.0.2.2:24"})
    return internet.mail_server("mx.outer.test", "192.0.2.1", "alice@outer.test", relay=RelaySettings(routes=routes))


def test_each_recipient_has_an_outcome(internet: Internet, outer: SimulatedServer, inner: SimulatedServer) -> None:
    """LMTP-01, CODE-05, RCVD-01: RFC 2033 §4.2."""
    to = ("bob@inner.test", "nobody@inner.test", "carol@inner.test")
    assert [reply.code for reply in internet.submit(outer, "alice@outer.test", *to)] == [250, 250, 250]
    internet.reactor.advance(5)
    states = outer.states()
    assert [states[each] for each in to] == ["relayed", "bounced", "relayed"]
    for user in ("bob@inner.test", "carol@inner.test"):
        (letter,) = internet.fetch(inner, user)
        assert letter.endswith(ONE_LETTER)
        assert re.search(rb"by mx\.inner\.test\s+with LMTPS\s+id", letter)


@pytest.mark.parametrize(("flag", "folder"), [(b"YES", "Spam"), (b" yes ", "Spam"), (b"NO", None), (b"", None)])
def test_a_spam_filter_chooses_the_folder(
    internet: Internet, outer: SimulatedServer, inner: SimulatedServer, flag: bytes, folder: str | None
) -> None:
    """IMAP-125."""
    internet.result_of(inner.store.folders.prepare("bob@inner.test", [Folder("Spam", use="\\Junk")], 1000.0))
    content = b"X-Spam-Flag:" + flag + b"\r\n" + ONE_LETTER
    internet.submit(outer, "alice@outer.test", "bob@inner.test", "carol@inner.test", content=content)
    internet.reactor.advance(5)
    delivered = {
        step.facts["mailbox"]: step.facts.get("folder") for step in inner.journal.steps if step.step == "delivered"
    }
    assert delivered == {"bob@inner.test": folder, "carol@inner.test": None}


def test_trace_of_a_letter_in_utf8(internet: Internet, outer: SimulatedServer, inner: SimulatedServer) -> None:
    """RCVD-01: RFC 6531 §4.3."""
    internet.submit(outer, "alice@outer.test", "bob@inner.test", SMTPUTF8="")
    internet.reactor.advance(5)
    (letter,) = internet.fetch(inner, "bob@inner.test")
    assert re.search(rb"by mx\.inner\.test\s+with UTF8LMTPS\s+id", letter)
    assert re.search(rb"by mx\.outer\.test\s+with UTF8SMTPSA\s+id", letter)


def test_a_full_mailbox_does_not_keep_the_letter_from_the_others(internet: Internet, outer: SimulatedServer) -> None:
    """CODE-05: LMTP says it behind the content, for this recipient alone."""
    exchange, delivery = ExchangeSettings(withhold=("SIZE",)), DeliverySettings(quota=Size(2500))
    inner = lmtp_server(internet, "192.0.2.1/32", exchange=exchange, delivery=delivery)
    large = ONE_LETTER + b"x\r\n" * 300
    internet.submit(outer, "alice@outer.test", "bob@inner.test", content=large)
    internet.submit(outer, "alice@outer.test", "bob@inner.test", "carol@inner.test", content=large)
    internet.reactor.advance(5)
    attempts = [step.facts for step in outer.journal.steps if step.step == "attempted"]
    (second,) = [facts for facts in attempts if len(facts["recipients"]) == 2]
    assert [line for line in second["dialogue"] if "452 4.2.2" in line]
    assert len(internet.fetch(inner, "bob@inner.test")) == 1
    assert len(internet.fetch(inner, "carol@inner.test")) == 1
    internet.reactor.advance(3600)
    assert len(internet.fetch(inner, "bob@inner.test")) == 1
    assert internet.fetch(inner, "carol@inner.test") == []


def test_strangers_are_turned_away(internet: Internet, inner: SimulatedServer) -> None:
    """LMTP-01: RFC 2033 §5: it is for programs of ours only."""
    with pytest.raises(SmtpSessionError) as refused:
        internet.reactor.result_of(internet.session(inner, 24))
    assert refused.value.reply is not None
    assert refused.value.reply.code == 554
