"""Our IMAP client against our server: two engines, joined by a cable."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from mailstack.letter.envelope import HostPort
from mailstack.mailbox.imap.session import serve
from mailstack.protocols.imap.client import CommandString, ImapClientEngine
from mailstack.protocols.imap.client_session import ImapClientSession, ImapRefused
from mailstack.protocols.imap.server import ImapServerEngine
from tests.mailbox.imap.sessions import HELLO, ImapServer
from tests.protocols.cuts import Cut, at_random, in_pieces_of, one_at_a_time, whole
from tests.protocols.pop3.pair import Cable, MemoryPeer

CUTS = {"whole": whole, "octets": one_at_a_time, "random": at_random(7), "pieces": in_pieces_of(3, 17, 1)}


def talk(server: ImapServer, errand: Any, cut: Cut = whole) -> Any:
    """The result of `await errand(session)` for a client of our own, in the clear at first."""
    cable = Cable(cut)
    engine, client_engine = ImapServerEngine(), ImapClientEngine()
    peer: MemoryPeer[Any] = MemoryPeer(
        engine, server.clock, cable.towards(lambda: client), remote=HostPort("192.0.2.9", 40000)
    )
    client: MemoryPeer[Any] = MemoryPeer(
        client_engine, server.clock, cable.towards(lambda: peer), remote=HostPort("192.0.2.1", 143)
    )
    server.clock.spawn(serve(peer, engine, server.service))
    try:
        return cable.run(errand(ImapClientSession(client, client_engine)), server.clock)
    finally:
        client.close()
        cable.carry()
        assert not server.clock.bugs


@pytest.mark.parametrize("cut", CUTS.values(), ids=list(CUTS))
def test_a_compressed_session(cut: Cut) -> None:
    """IMAP-29"""
    server = ImapServer(HELLO)
    server.service.limits = replace(server.service.limits, compression=True)

    async def errand(session: ImapClientSession) -> None:
        await logged_in(session)
        assert "COMPRESS=DEFLATE" in session.capabilities
        with pytest.raises(ImapRefused):
            await session.command(b"COMPRESS LZ4")
        await session.compress()
        await session.select("INBOX")
        assert [message.items["BODY[]"] for message in await session.fetch("1", "BODY.PEEK[]")] == [HELLO]
        await session.append("Sent", HELLO * 100)
        with pytest.raises(ImapRefused) as refused:
            await session.compress()
        assert refused.value.code == "COMPRESSIONACTIVE"
        await session.logout()

    talk(server, errand, cut)


def test_compression_is_refused_where_it_is_not_offered() -> None:
    """IMAP-29"""

    async def errand(session: ImapClientSession) -> None:
        await logged_in(session)
        assert "COMPRESS=DEFLATE" not in session.capabilities
        with pytest.raises(ImapRefused):
            await session.compress()
        await session.noop()

    talk(ImapServer(HELLO), errand)


async def logged_in(session: ImapClientSession) -> None:
    await session.open()
    await session.start_tls()
    await session.login("bob", "secret word", "PLAIN")


@pytest.mark.parametrize("cut", CUTS.values(), ids=list(CUTS))
def test_a_day_of_a_mail_client(cut: Cut) -> None:
    """IMAP-06, IMAP-10, IMAP-21, IMAP-60, IMAP-65, IMAP-69, IMAP-80"""
    server = ImapServer(HELLO, b"Subject: two\r\n\r\nsecond\r\n")

    async def errand(session: ImapClientSession) -> None:
        await logged_in(session)
        assert {folder.name for folder in await session.list_folders()} >= {"INBOX", "Sent", "Trash"}
        selected = await session.select("INBOX")
        assert (selected.messages, selected.next_uid) == (2, 3)
        messages = await session.fetch("1:*", "(FLAGS BODY.PEEK[])")
        assert [message.items["BODY[]"] for message in messages] == [HELLO, b"Subject: two\r\n\r\nsecond\r\n"]
        await session.store("2", "+FLAGS", ["\\Seen", "$Work"])
        assert await session.search(b"KEYWORD $work") == [2]
        assert await session.search(b"SUBJECT", CommandString("twö".encode())) == []
        code = await session.append("INBOX", b"Subject: three\r\n\r\n\xff\r\n" * 50, ["\\Draft"], 1e9)
        assert code.startswith("APPENDUID ")
        await session.create("Über/uns")
        assert (await session.copy("1,3", "Über/uns")).startswith("COPYUID ")
        await session.move("1", "Trash")
        assert await session.status("Über/uns", "MESSAGES", "UNSEEN") == {"MESSAGES": 2, "UNSEEN": 2}
        await session.store("3", "+FLAGS.SILENT", ["\\Deleted"])
        await session.expunge("3")
        assert await session.search(b"ALL") == [2]
        with pytest.raises(ImapRefused):
            await session.select("nothing")
        await session.logout()

    talk(server, errand, cut)


def test_idle_of_our_client_sees_a_delivery() -> None:
    """IMAP-111"""
    server = ImapServer(HELLO)

    async def errand(session: ImapClientSession) -> Any:
        await logged_in(session)
        await session.select("INBOX")
        server.clock.call_later(5, lambda: server.deliver(HELLO))

        async def wait(news: Any) -> Any:
            return await news()

        return await session.idle(wait)

    data = talk(server, errand)
    assert (data.name, data.number) == ("EXISTS", 2)
