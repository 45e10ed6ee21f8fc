"""A server engine, and its events with the replies that a session would give."""

from __future__ import annotations

from typing import Any

from mailstack.protocols.connection import NEED_DATA, PAUSED
from mailstack.protocols.imap import commands as c
from mailstack.protocols.imap.input_limits import InputLimits
from mailstack.protocols.imap.server import ImapServerEngine

NOOP = b"n NOOP\r\n"


def greeted(*, tls: bool = True, **limits: int) -> ImapServerEngine:
    engine = ImapServerEngine(tls=tls, limits=InputLimits(**limits))
    engine.greeting("ready")
    return engine


def logged_in(**settings: Any) -> ImapServerEngine:
    engine = greeted(**settings)
    engine.logged_in()
    return engine


def selected(**settings: Any) -> ImapServerEngine:
    engine = logged_in(**settings)
    engine.selected()
    return engine


class Session:
    """Replies to each event: it accepts all literals, and answers OK."""

    def __init__(self, engine: ImapServerEngine) -> None:
        self.engine = engine
        self.events: list[Any] = []
        self.sent = b""

    def feed(self, *pieces: bytes) -> list[Any]:
        """Events so far; successive MessageOctets are joined."""
        for piece in pieces:
            self.engine.receive(piece)
            while (event := self.engine.next_event()) is not NEED_DATA:
                assert event is not PAUSED
                before = self.events[-1] if self.events else None
                if isinstance(event, c.MessageOctets) and isinstance(before, c.MessageOctets):
                    self.events[-1] = c.MessageOctets(before.octets + event.octets)
                else:
                    self.events.append(event)
                if not isinstance(event, c.MessageOctets):
                    assert self.engine.next_event() is PAUSED
                    self.sent += self.reply(event)
        return self.events

    def reply(self, event: Any) -> bytes:
        engine = self.engine
        match event:
            case c.LiteralWanted() | c.Append() | c.Replace() | c.AppendNext():
                return engine.accept_literal()
            case c.Idle():
                return engine.idling()
            case c.Authenticate(initial=None):
                return engine.challenge(b"")
            case c.ImapRejected():
                return engine.tagged(event.tag, event.status, event.text, event.code)
            case _:
                return engine.tagged(getattr(event, "tag", "t"), "OK", "done")


def events(engine: ImapServerEngine, *pieces: bytes) -> list[Any]:
    return Session(engine).feed(*pieces)


def command(engine: ImapServerEngine, line: bytes) -> Any:
    """The one event of a command without its tag and line end."""
    [event] = events(engine, b"a " + line + b"\r\n")
    return event


def only_noop_after(engine: ImapServerEngine) -> None:
    assert events(engine, NOOP) == [c.ImapNoop("n")]
