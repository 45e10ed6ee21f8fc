"""IMAP sessions and pages over one store, with the event stream of the API, on a simulated network."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from mailstack.mailbox.index.expunge import IndexedMailboxes
from mailstack.store.folders import INBOX
from tests.mailbox.imap.sessions import ImapServer, ImapTelnet
from tests.mailbox.index.shelf import BOB
from tests.sandbox.simulation.protocols import Recorder
from tests.web.api.test_live import Live, events
from tests.web.browsing import responses


class Doors(Live):
    """An IMAP port beside the pages."""

    def __init__(self) -> None:
        super().__init__(shares_flags=True)
        mailboxes = IndexedMailboxes(self.shelf.store.mailboxes, self.shelf.index)
        self.imap = ImapServer(store=self.shelf.store, mailboxes=mailboxes, clock=SimulationClock(self))

    def open_inbox(self) -> ImapTelnet:
        return self.imap.selected(INBOX)

    def idle(self) -> ImapTelnet:
        client = self.open_inbox()
        assert client.ask("IDLE").startswith("+ ")
        return client

    def patch(self, **change: Any) -> None:
        self.change("PATCH", **change)

    def change(self, method: str, **change: Any) -> None:
        octets = json.dumps({"all": True, **change}).encode()
        head = f"{method} /v1/letters HTTP/1.1\r\nHost: x.test\r\nContent-Type: application/json\r\nContent-Length: {len(octets)}"
        client = self.web.knock("192.0.2.8")
        self.web.say(client, f"{head}\r\n\r\n".encode() + octets, wait=0.5)
        assert client.received.startswith(b"HTTP/1.1 200"), client.received


class SimulationClock:
    """The clock of the simulation, with the interface of the test's own one."""

    bugs: tuple[()] = ()

    def __init__(self, live: Live) -> None:
        self._live = live

    def __getattr__(self, name: str) -> Any:
        return getattr(self._live.clock, name)

    def advance(self, seconds: float) -> None:
        self._live.reactor.advance(seconds + 0.01)


@pytest.fixture
def doors() -> Iterator[Doors]:
    found = Doors()
    yield found
    found.close()


def changed(stream: Recorder) -> list[tuple[bool, bool]]:
    """Marks in the events of a stream."""
    return [
        (letter["unread"], letter["flagged"])
        for _, name, data in events(stream)
        if name == "changed"
        for letter in data["letters"]
    ]


def test_what_a_client_reads_is_read_on_the_page_within_a_second(doors: Doors) -> None:
    doors.shelf.put(mailbox=BOB.key)
    stream = doors.request("/v1/events")
    client = doors.open_inbox()
    client.ask("FETCH 1 BODY[]")
    doors.reactor.advance(0.5)
    assert changed(stream) == [(False, False)]
    client.ask("STORE 1 FLAGS (\\Flagged)")
    doors.reactor.advance(0.5)
    assert changed(stream) == [(False, False), (True, True)]
    assert [(item.unread, item.flagged) for item in doors.shelf.items()] == [(True, True)]


def test_a_mark_of_the_page_is_heard_in_idle(doors: Doors) -> None:
    doors.shelf.put(mailbox=BOB.key)
    client = doors.idle()
    doors.patch(unread=False)
    assert client.read() == "* 1 FETCH (UID 1 FLAGS (\\Seen))\r\n"
    doors.patch(flagged=True)
    assert client.read() == "* 1 FETCH (UID 1 FLAGS (\\Seen \\Flagged))\r\n"
    doors.patch(unread=True)
    assert client.read() == "* 1 FETCH (UID 1 FLAGS (\\Flagged))\r\n"


def test_a_client_that_comes_later_sees_the_marks(doors: Doors) -> None:
    doors.shelf.put(mailbox=BOB.key)
    doors.patch(unread=False, flagged=True)
    assert "* 1 FETCH (FLAGS (\\Seen \\Flagged))" in doors.open_inbox().lines("FETCH 1 FLAGS")


def test_what_a_client_expunges_leaves_the_page_within_a_second(doors: Doors) -> None:
    doors.shelf.put(mailbox=BOB.key)
    kept = doors.shelf.put(mailbox=BOB.key)
    stream = doors.request("/v1/events")
    client = doors.open_inbox()
    client.ask("STORE 1 +FLAGS (\\Deleted)")
    assert client.lines("EXPUNGE")[0] == "* 1 EXPUNGE"
    doors.reactor.advance(0.5)
    assert [data["count"] for _, name, data in events(stream) if name == "deleted"] == [1]
    assert doors.shelf.find() == [kept]


def test_a_deletion_of_the_page_is_heard_in_idle(doors: Doors) -> None:
    """IMAP-113"""
    for _ in range(3):
        doors.shelf.put(mailbox=BOB.key)
    client = doors.idle()
    doors.change("DELETE", undo=False)
    doors.reactor.advance(1.5)
    assert client.read().count("EXPUNGE\r\n") == 3


def folders(doors: Doors, letter: str) -> list[tuple[str, str]]:
    answer = responses(doors.request(f"/v1/letters/{letter}").received)[0]
    return [(each["mailbox"], each["folder"]) for each in json.loads(answer.body)["folders"]]


def test_a_move_is_shown_with_the_message_within_a_second(doors: Doors) -> None:
    letter = doors.shelf.put(mailbox=BOB.key)
    client = doors.open_inbox()
    assert folders(doors, letter) == [(BOB.key, "INBOX")]
    client.ask("COPY 1 Archive")
    doors.reactor.advance(0.5)
    stream = doors.request("/v1/events")
    client.ask("MOVE 1 Archive")
    doors.reactor.advance(0.5)
    assert folders(doors, letter) == [(BOB.key, "Archive")]
    assert [data["ids"] for _, name, data in events(stream) if name == "changed"] == [[letter]]
