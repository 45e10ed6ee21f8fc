"""A server of fixed answers around our engine, for clients."""

from __future__ import annotations

from typing import Any

from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.server import ImapServerEngine

SELECTED = responses.flags(["\\Seen", "$x"]) + responses.exists(3) + responses.recent(0)
for _code in ("UIDVALIDITY 7", "UIDNEXT 12", "HIGHESTMODSEQ 9", "PERMANENTFLAGS (\\Seen \\*)"):
    SELECTED += responses.untagged_ok("x", _code)


DATA = {
    c.Select: SELECTED,
    c.ListFolders: (
        responses.list_line(["\\HasNoChildren"], "INBOX")
        + responses.list_line([], "日本/x y")
        + b'* LIST () NIL "&&"\r\n'
    ),
    c.ImapStatus: responses.status("x", [("MESSAGES", 3), ("UIDNEXT", 12)]),
    c.Fetch: responses.exists(4) + b"* 1 FETCH (UID 5 BODY[] %b)\r\n" % responses.string(b"a\r\n)\r\n"),
    c.Search: responses.numbers("SEARCH", [4, 7]),
}
"""Untagged responses by the type of the command."""


class SmallServer:
    """A server of fixed answers, and what it was given."""

    def __init__(self, *, literal_plus: bool = False) -> None:
        self.engine = ImapServerEngine()
        self.capabilities = "CAPABILITY IMAP4rev1 LITERAL+" if literal_plus else "CAPABILITY IMAP4rev1"
        self.events: list[Any] = []
        self.message = b""

    def answer(self, event: Any) -> bytes:
        """Octets for one event: what DATA has, then the tagged OK."""
        engine = self.engine
        match event:
            case c.LiteralWanted() | c.Append():
                return engine.accept_literal()
            case c.Authenticate() | c.Idle():
                return self.challenge(event)
            case c.MessageOctets():
                self.message += event.octets
                return b""
            case c.ImapRejected():
                return engine.tagged(event.tag, event.status, event.text, event.code)
            case c.ImapLogin(tag=tag, password="wrong"):
                return engine.tagged(tag, "NO", "wrong user name or password", "AUTHENTICATIONFAILED")
        return self.reply(event)

    def reply(self, event: Any) -> bytes:
        if isinstance(event, c.ImapStatus) and event.folder == "none":
            return self.engine.tagged(event.tag, "NO", "no such folder", "NONEXISTENT")
        return self.data(event) + self.engine.tagged(self.tag, "OK", "done", self.code(event))

    def challenge(self, event: Any) -> bytes:
        if isinstance(event, c.Authenticate):
            return self.engine.challenge(b"")
        return self.engine.idling() + responses.untagged_ok("still here") + responses.exists(5)

    @property
    def tag(self) -> str:
        return next(each.tag for each in reversed(self.events) if hasattr(each, "tag"))

    def code(self, event: Any) -> str:
        if isinstance(event, c.Select):
            return "READ-ONLY" if event.read_only else "READ-WRITE"
        return "APPENDUID 7 12" if isinstance(event, c.AppendEnd) else ""

    def data(self, event: Any) -> bytes:
        """Untagged responses to a command."""
        if isinstance(event, c.ImapLogin | c.ImapAuthResponse):
            self.engine.logged_in()
        elif isinstance(event, c.Select):
            self.engine.selected()
        elif isinstance(event, c.Capability):
            return responses.words(self.capabilities)
        return DATA.get(type(event), b"")
