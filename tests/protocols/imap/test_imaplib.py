"""The standard library's client with our engine: what it writes is understood, what we write is read."""

from __future__ import annotations

import imaplib
from typing import Any

import pytest

from mailstack.protocols.connection import NEED_DATA
from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap import search_keys as k
from mailstack.protocols.imap.sequence_set import SequenceSet
from tests.protocols.imap.small_server import SmallServer


class Client(imaplib.IMAP4):
    """imaplib whose network is our engine in the same thread."""

    def __init__(self, server: SmallServer) -> None:
        self.server = server
        super().__init__("localhost")

    def open(self, host: str = "", port: int = 0, timeout: float | None = None) -> None:
        self._octets = bytearray(self.server.engine.greeting("ready"))

    def send(self, octets: bytes) -> None:
        engine = self.server.engine
        engine.receive(octets)
        while (event := engine.next_event()) is not NEED_DATA:
            self.server.events.append(event)
            self._octets += self.server.answer(event)

    def readline(self) -> bytes:
        return self.read(self._octets.index(b"\n") + 1 if b"\n" in self._octets else len(self._octets))

    def read(self, size: int) -> bytes:
        octets = bytes(self._octets[:size])
        del self._octets[:size]
        return octets

    def shutdown(self) -> None:
        self._octets.clear()


def logged_in() -> Client:
    client = Client(SmallServer())
    assert client.login("bob", 'se"c\\ret')[0] == "OK"
    return client


def last(client: Client) -> Any:
    return client.server.events[-1]


def test_login() -> None:
    """IMAP-03, IMAP-24"""
    assert last(logged_in()).password == 'se"c\\ret'
    with pytest.raises(imaplib.IMAP4.error, match="wrong user name"):
        Client(SmallServer()).login("bob", "wrong")


def test_authenticate() -> None:
    """IMAP-23"""
    client = Client(SmallServer())
    assert client.authenticate("PLAIN", lambda _challenge: b"\0bob\0secret")[0] == "OK"
    assert last(client) == c.ImapAuthResponse(b"\0bob\0secret")


def test_select_list_and_status() -> None:
    """IMAP-41, IMAP-49, IMAP-50"""
    client = logged_in()
    assert client.select("INBOX", readonly=True) == ("OK", [b"3"])
    assert client.response("UIDVALIDITY") == ("UIDVALIDITY", [b"7"])
    assert client.response("PERMANENTFLAGS") == ("PERMANENTFLAGS", [b"(\\Seen \\*)"])
    assert client.list()[1][:2] == [b'(\\HasNoChildren) "/" INBOX', b'() "/" "&ZeVnLA-/x y"']
    assert client.status("x", "(MESSAGES UIDNEXT)") == ("OK", [b"x (MESSAGES 3 UIDNEXT 12)"])
    client.create('"a b"')
    assert last(client).folder == "a b"
    assert client.lsub("~/Mail", "%")[0] == "OK"


def test_messages() -> None:
    """IMAP-10, IMAP-80, IMAP-100"""
    client = logged_in()
    client.select()
    _, data = client.uid("FETCH", "5", "(UID BODY.PEEK[])")
    assert data[0] == (b"1 (UID 5 BODY[] {6}", b"a\r\n)\r\n")
    client.literal = "é".encode()  # type: ignore[assignment]
    assert client.search("UTF-8", "SUBJECT") == ("OK", [b"4 7"])
    assert last(client).key == k.HeaderKey("subject", "é")
    client.store("1:3,5", "+FLAGS", r"(\Deleted work)")
    assert last(client).messages == SequenceSet(((1, 3), (5, 5)))
    assert last(client).flags == ("\\Deleted", "work")
    client.sort("(REVERSE DATE)", "UTF-8", "ALL")
    assert last(client).order == (k.SortKey("DATE", is_reverse=True),)
    client.thread("REFERENCES", "UTF-8", "UNSEEN")
    client.copy("1", "x")
    assert client.expunge()[0] == "OK"
    assert client.unselect()[0] == "OK"


def test_append() -> None:
    """IMAP-60"""
    client = logged_in()
    message = b"Subject: x\r\n\r\n" + b"{3}\r\n" * 10
    date = imaplib.Time2Internaldate(837596665.0)
    assert client.append('"a b"', r"(\Seen)", date, message) == ("OK", [b"[APPENDUID 7 12] done"])
    assert client.server.message == message
    [append] = [event for event in client.server.events if isinstance(event, c.Append)]
    assert append.folder == "a b"
    assert append.message == c.AppendedMessage(len(message), ("\\Seen",), 837596665.0)


def test_a_bad_command() -> None:
    """IMAP-02"""
    client = logged_in()
    with pytest.raises(imaplib.IMAP4.error, match="status item is unknown"):
        client.status("x", "(FROB)")
    assert client.noop()[0] == "OK"
    client.logout()
    assert last(client).__class__ is c.Logout
