"""IMAP client session with our server engine, and with servers that break the rules."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from twisted.internet.defer import Deferred

from mailstack.letter.envelope import HostPort
from mailstack.protocols.connection import Disconnected
from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap.client import CommandString, ImapClientEngine, ImapData
from mailstack.protocols.imap.client_results import FetchedMessage, ListedFolder, SelectedFolder
from mailstack.protocols.imap.client_session import ImapClientSession, ImapConnectionLost, ImapRefused
from tests.clock import HandClock
from tests.protocols.cuts import CUTS, Cut, whole
from tests.protocols.imap.small_server import SmallServer
from tests.protocols.pop3.pair import Cable, MemoryPeer

ADDRESS = HostPort("192.0.2.1", 143)


async def serve(server: SmallServer, peer: MemoryPeer[Any]) -> None:
    peer.send(server.engine.greeting("hello"))
    while not isinstance(event := await peer.next_event(600.0), Disconnected):
        server.events.append(event)
        peer.send(server.answer(event))


def run(
    errand: Callable[[ImapClientSession], Awaitable[Any]], *, cut: Cut = whole, **settings: Any
) -> tuple[Any, SmallServer]:
    """The result of an errand at a SmallServer, which is logged in to."""
    cable = Cable(cut)
    engine = ImapClientEngine()
    server = SmallServer(**settings)
    clock = HandClock()
    peer: MemoryPeer[Any] = MemoryPeer(server.engine, clock, cable.towards(lambda: client), remote=ADDRESS)
    client: MemoryPeer[Any] = MemoryPeer(engine, clock, cable.towards(lambda: peer), remote=ADDRESS)
    session = ImapClientSession(client, engine)
    results: list[Any] = []

    async def visit() -> None:
        await session.open()
        await session.login("bob", "secret")
        results.append(await errand(session))
        client.close()

    async def both() -> None:
        Deferred.fromCoroutine(visit()).addErrback(lambda failure: (results.append(failure.value), client.close()))
        await serve(server, peer)

    cable.run(both(), clock)
    if isinstance(results[0], BaseException):
        raise results[0]
    return results[0], server


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("literal_plus", [False, True])
def test_a_session(cut: Cut, literal_plus: bool) -> None:
    """IMAP-06: all commands, with our server engine at the other end."""

    async def errand(session: ImapClientSession) -> dict[str, Any]:
        return {
            "select": await session.select("Entwürfe", read_only=True),
            "list": await session.list_folders(),
            "status": await session.status("x", "MESSAGES", "UIDNEXT"),
            "fetch": await session.fetch("4:*", "(BODY.PEEK[])"),
            "search": await session.search(b"SUBJECT", CommandString("é\r\n".encode())),
            "append": await session.append("日本", b"A: b\r\n\r\n", ["\\Seen"], 0.0),
            "news": await session.idle(lambda news: news()),
            "store": (await session.store("4", "+FLAGS", ["\\Seen"])).data,
            "copy": await session.copy("4", "x"),
        }

    results, server = run(errand, cut=cut, literal_plus=literal_plus)
    assert results["select"] == SelectedFolder(3, 7, 12, 9, ("\\Seen", "$x"), ("\\Seen", "\\*"), True)
    assert results["list"] == [
        ListedFolder(("\\HasNoChildren",), "/", "INBOX"),
        ListedFolder((), "/", "日本/x y"),
        ListedFolder((), "", "&&"),
    ]
    assert results["status"] == {"MESSAGES": 3, "UIDNEXT": 12}
    assert results["fetch"] == [FetchedMessage(1, {"UID": "5", "BODY[]": b"a\r\n)\r\n"})]
    assert results["search"] == [4, 7]
    assert results["append"] == "APPENDUID 7 12"
    assert results["news"] == ImapData("EXISTS", 5, (), 12)
    assert results["store"] == []
    assert server.message == b"A: b\r\n\r\n"
    [append] = [event for event in server.events if isinstance(event, c.Append)]
    assert (append.folder, append.message.flags, append.message.internal_date) == ("日本", ("\\Seen",), 0.0)
    assert any(isinstance(event, c.LiteralWanted) for event in server.events) != literal_plus
    [search] = [event for event in server.events if isinstance(event, c.Search)]
    assert search.charset == "UTF-8"


def test_folders_and_messages_are_changed() -> None:
    async def errand(session: ImapClientSession) -> None:
        await session.login("bob", "secret", "PLAIN")

    async def changes(session: ImapClientSession) -> None:
        await session.create("a&b")
        await session.rename("a&b", "c")
        await session.subscribe("c")
        await session.subscribe("c", on=False)
        await session.delete("c")
        await session.enable("CONDSTORE")
        await session.select("INBOX")
        await session.move("1", "x")
        await session.expunge("2:3")
        await session.expunge()
        await session.noop()
        await session.logout()

    with pytest.raises(ImapRefused, match="not allowed"):
        run(errand)
    _, server = run(changes)
    assert [type(event).__name__ for event in server.events[2:]] == [
        "Capability", "Create", "Rename", "Subscribe", "Subscribe", "Delete", "Enable", "Select", "ImapCopy", "Expunge",
        "Expunge", "ImapNoop", "Logout",
    ]  # fmt: skip
    assert server.events[3].folder == "a&b"


def test_a_refusal_has_status_code_and_text() -> None:
    """IMAP-14"""

    async def errand(session: ImapClientSession) -> None:
        await session.status("none", "MESSAGES")

    with pytest.raises(ImapRefused, match="no such folder") as refused:
        run(errand)
    assert (refused.value.status, refused.value.code) == ("NO", "NONEXISTENT")


# --- servers that break the rules


def visit(octets: bytes, errand: Callable[[ImapClientSession], Awaitable[Any]], **settings: Any) -> Any:
    """The result of an errand at a server that sends these octets, and is gone then."""
    cable, clock, engine = Cable(), HandClock(), ImapClientEngine()
    client: MemoryPeer[Any] = MemoryPeer(engine, clock, lambda _: None, remote=ADDRESS)
    engine.receive(octets)
    client.lose()
    return cable.run(errand(ImapClientSession(client, engine, **settings)), clock)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "octets",
    [
        b"", b"+ hi\r\n", b"220 smtp\r\n", b"* OK hi\r\n", b"* OK [CAPABILITY X] hi\r\nA1 OK\r\n* 1 FETCH (\r\n",
        b"* OK [CAPABILITY X] hi\r\n+ \r\n", b"* OK [CAPABILITY X] hi\r\n" + b"* OK x\r\n" * 1000,
        b"* OK [CAPABILITY X] hi\r\n" + b"* SEARCH 1 2 3\r\n" * 1000, b"* OK [CAPABILITY X] hi\r\n* BYE\r\n",
    ],
)  # fmt: skip
def test_a_session_with_a_server_that_breaks_the_rules_ends(octets: bytes) -> None:
    async def errand(session: ImapClientSession) -> None:
        await session.open()
        await session.noop()
        await session.fetch("1", "FLAGS")

    with pytest.raises(ImapConnectionLost):
        visit(octets, errand, max_size=1000)


def test_a_server_that_says_bye_refuses() -> None:
    """IMAP-01"""
    with pytest.raises(ImapRefused, match="full"):
        visit(b"* BYE [UNAVAILABLE] full\r\n", lambda session: session.open())


@pytest.mark.parametrize("answer", [b"A1 NO not now\r\n", b"+ idling\r\n* BYE bye\r\n", b"+ idling\r\nA1 BAD x\r\n"])
def test_idle_that_is_refused(answer: bytes) -> None:
    async def errand(session: ImapClientSession) -> None:
        await session.open()
        await session.idle(lambda news: news())

    with pytest.raises((ImapRefused, ImapConnectionLost)):
        visit(b"* OK [CAPABILITY X] hi\r\n" + answer, errand)


@pytest.mark.parametrize("answer", [b"A1 NO not now\r\n", b"+ idling\r\n* BYE not now\r\n"])
def test_idle_until_woken_gives_the_reason_of_its_end(answer: bytes) -> None:
    async def errand(session: ImapClientSession) -> None:
        await session.open()
        await session.idle_until_woken(print)

    with pytest.raises(ImapRefused, match="not now"):
        visit(b"* OK [CAPABILITY X] hi\r\n" + answer, errand)


def test_a_wake_outside_idle_has_no_effect() -> None:
    async def errand(session: ImapClientSession) -> None:
        session.wake()
        await session.noop()

    run(errand)
