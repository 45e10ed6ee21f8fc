"""Letters in UTF-8, from their submission to readers who ask for that and readers who don't (RFC 6856)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from mailstack.letter.envelope import HostPort
from mailstack.net.connector import TwistedConnector
from mailstack.protocols.pop3.client import Pop3ClientEngine, Pop3ClientSession
from tests.journeys.internet import Internet, SimulatedServer

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


@pytest.fixture
def internet(tmp_path: Path) -> Internet:
    return Internet(tmp_path)


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
    internet.stop()


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
    internet.stop()
