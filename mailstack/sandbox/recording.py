"""Recording of protocol sessions: transcripts without secrets, and the live log."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from mailstack.letter.times import elapsed_text, iso8601
from mailstack.mailbox.index.feed import Feed
from mailstack.protocols.connection import Dane, Disconnected, Ending, Engine, Peer, PeerWrapper, TappedEngine
from mailstack.sandbox.imap_recording import LEFT_OUT, ImapScreen

_DOT = b"\r\n.\r\n"
_MAX_LINE = 16384
"""Maximum octets of an incomplete line that are buffered. The longest legal line is AUTH with 12288 (RFC 4954 §4)."""
_LINE_END = 64
"""Octets at the end of a longer line that are buffered, too: they may announce a literal of IMAP."""


class Line:
    """Line of a session transcript: time in virtual seconds since the start, side and text."""

    __slots__ = ("at", "side", "text")

    def __init__(self, at: float, side: str, text: str) -> None:
        self.at = at
        self.side = side
        """Side: "C" for the client, "S" for the server, "-" for an event of the connection."""
        self.text = text

    def __str__(self) -> str:
        return f"{elapsed_text(self.at)}  {self.side}: {self.text}"


class SessionTranscript:
    """Transcript of one connection. Content is replaced by its length."""

    def __init__(
        self, number: int, client: str, server: str, now: Callable[[], float], *, is_imap: bool = False
    ) -> None:
        """`is_imap`: IMAP from the first line; else the greeting reveals it."""
        self.number = number
        """Ordinal number of the connection."""
        self.client = client
        self.server = server
        self.lines: list[Line] = []
        self.over = False
        self._now = now
        self._waiting = {"C": b"", "S": b""}
        self._content = ""
        """Side that sends content: "C" after 354 and BDAT, "S" after the first line of the reply to RETR and TOP."""
        self._remaining: int | None = None
        """Remaining octets of the BDAT chunk; None: the content ends with its final dot."""
        self._size = 0
        self._challenged = False
        self._imap = ImapScreen() if is_imap else None

    def __str__(self) -> str:
        return "\n".join((f"#{self.number} {self.client} -> {self.server}", *(f"  {line}" for line in self.lines)))

    def event(self, text: str) -> None:
        """Records an event of the connection. IMAP returns to its first state: the event is TLS, or the end."""
        self._flush()
        if self._imap is not None:
            self._imap = ImapScreen()
        self._add(Line(self._now(), "-", text))

    def feed(self, side: str, octets: bytes) -> None:
        """Records octets of one side: "S" for the server, "C" for the client."""
        octets = self._waiting[side] + octets
        while octets:
            if self._content == side:
                octets, whole = self._skip(octets)
                if not whole:
                    break
                continue
            if self._imap is not None and self._imap.is_in_literal(side):
                octets, note = self._imap.skip(side, octets)
                if note:
                    self._add(Line(self._now(), side, note))
                continue
            line, ended, remaining = octets.partition(b"\n")
            if not ended:
                octets = _shortened(octets)
                break
            octets = remaining
            self._add_text(side, _shortened(line.rstrip(b"\r")).decode("utf-8", "backslashreplace"))
        self._waiting[side] = octets

    def _add(self, line: Line) -> None:
        self.lines.append(line)

    def _add_text(self, side: str, text: str) -> None:
        if self._imap is None and side == "S" and text.startswith("* ") and not self.lines:
            self._imap = ImapScreen()
        if self._imap is not None:
            for shown in self._imap.shown(side, text):
                self._add(Line(self._now(), side, shown))
            return
        verb = text[:4].upper()
        self._add(Line(self._now(), side, self._discreet(side, verb, text)))
        if side == "S" and verb == "354 ":
            self._start_content("C", None)
        elif side == "C" and verb == "BDAT":
            size = text[4:].partition("LAST")[0].strip()
            if size.isdecimal() and len(size) < 16:
                self._start_content("C", int(size))
        elif side == "S" and verb.startswith("+OK") and self._last_command() in {"RETR", "TOP "}:
            self._start_content("S", None)

    def _discreet(self, side: str, verb: str, text: str) -> str:
        """Text of a line without passwords, challenges and responses."""
        if side == "S":
            self._challenged = verb in {"334 ", "334"} or text.startswith("+ ")
            return f"{text.partition(' ')[0]} {LEFT_OUT}" if self._challenged else text
        if self._challenged:
            self._challenged = False
            return LEFT_OUT
        words = text.split(" ", 2)
        if (verb == "AUTH" and len(words) > 2) or verb == "APOP":
            return " ".join((*words[:2], LEFT_OUT))
        return f"{words[0]} {LEFT_OUT}" if verb == "PASS" else text

    def _last_command(self) -> str:
        """First four characters of the client's latest line."""
        return next((line.text[:4].upper() for line in reversed(self.lines) if line.side == "C"), "")

    def _start_content(self, side: str, size: int | None) -> None:
        self._content, self._remaining, self._size = side, size, 0

    def _skip(self, octets: bytes) -> tuple[bytes, bool]:
        """Octets after the content, and whether the content is complete; a possible part of its end stays buffered."""
        if self._remaining is not None:
            count = min(self._remaining, len(octets))
            self._remaining -= count
            self._size += count
            octets, whole = octets[count:], not self._remaining
        elif self._size == 0 and octets.startswith(_DOT[2:]):
            octets, whole = octets[3:], True
        elif (end := octets.find(_DOT)) >= 0:
            self._size += end + 2
            octets, whole = octets[end + len(_DOT) :], True
        else:
            sent = max(0, len(octets) - len(_DOT) + 1)
            self._size += sent
            octets, whole = octets[sent:], False
        if whole:
            self._add(Line(self._now(), self._content, f"({self._size} octets)"))
            self._content = ""
        return octets, whole

    def _flush(self) -> None:
        """Records incomplete lines and contents."""
        for side, octets in self._waiting.items():
            size = len(octets) + (self._size if self._content == side else 0)
            if self._imap is not None:
                size += self._imap.pending(side)
            if size:
                self._add(Line(self._now(), side, f"({size} octets, incomplete)"))
        self._waiting = {"C": b"", "S": b""}
        self._content = ""


def _shortened(line: bytes) -> bytes:
    """Beginning and end of a line that is too long."""
    return line if len(line) <= _MAX_LINE else line[: _MAX_LINE - _LINE_END] + line[-_LINE_END:]


class RecordingPeer(PeerWrapper[Any]):
    """Peer wrapper that records a session in a transcript."""

    def __init__(self, peer: Peer[Any], dialogue: SessionTranscript, *, side: str) -> None:
        """`side` is the local side: "S" or "C"."""
        super().__init__(peer)
        self._dialogue = dialogue
        self._side = side
        self._closed = False

    async def next_event(self, timeout: float) -> Any | Ending:
        event = await self._peer.next_event(timeout)
        if isinstance(event, Disconnected) and not self._dialogue.over:
            self._end("connection lost")
        return event

    def send(self, octets: bytes) -> None:
        if not self._dialogue.over:
            self._dialogue.feed(self._side, octets)
        self._peer.send(octets)

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        self._dialogue.event("TLS handshake")
        succeeded = await self._peer.start_tls(server_name, verify=verify, dane=dane)
        if not succeeded:
            self._end(f"TLS failed: {self._peer.tls_failure}")
        return succeeded

    def close(self) -> None:
        if not self._dialogue.over:
            self._end("closed")
        self._peer.close()

    def abort(self) -> None:
        if not self._dialogue.over:
            self._end("aborted")
        self._peer.abort()

    def _end(self, ending: str) -> None:
        self._dialogue.event(ending)
        self._dialogue.over = True


def record_server_session(peer: Any, engine: Engine[Any], dialogue: SessionTranscript) -> RecordingPeer:
    peer.engine = TappedEngine(engine, lambda octets: dialogue.feed("C", octets))
    return RecordingPeer(peer, dialogue, side="S")


MAX_LINES = 2000
"""Maximum lines in the log."""
MAX_LINE_LENGTH = 1000
"""Maximum characters of a line, which is truncated."""
_TRANSCRIPT_LINES = 10
"""Lines of a live transcript that its own parser still needs."""


class ProtocolLogEntry(Struct, frozen=True):
    """Line of the protocol log."""

    at: str
    server: str
    service: str
    client: str
    connection: int
    """Ordinal number of the connection."""
    line: str
    """Text with its side: "C: …" for the client, "S: …" for the server, "-: …" for an event of the connection."""


class ProtocolLog:
    """Protocol log of all sessions, without credentials and contents of letters. For test environments only."""

    def __init__(self, feed: Feed, now: Callable[[], float], max_lines: int = MAX_LINES) -> None:
        self._feed = feed
        self._now = now
        self._count = 0
        self.lines: deque[ProtocolLogEntry] = deque(maxlen=max_lines)
        """Newest lines, the oldest first."""

    def record(self, peer: Peer[Any], engine: Engine[Any], server: str, service: str) -> Peer[Any]:
        """Records a session (mailstack.server.runtime.PeerHook)."""
        self._count += 1
        client = f"{peer.remote.host}:{peer.remote.port}"
        entry = ProtocolLogEntry("", server, service, client, self._count, "")
        return record_server_session(peer, engine, _Live(entry, self._now, self._publish))

    def _publish(self, entry: ProtocolLogEntry) -> None:
        self.lines.append(entry)
        if self._feed.has_streams:
            self._feed.publish("dialogue", entry)


class _Live(SessionTranscript):
    """Transcript that publishes its lines, and stores only a few."""

    def __init__(
        self, entry: ProtocolLogEntry, now: Callable[[], float], publish: Callable[[ProtocolLogEntry], None]
    ) -> None:
        is_imap = entry.service.startswith("imap")
        super().__init__(entry.connection, entry.client, entry.server, now, is_imap=is_imap)
        self._entry = entry
        self._publish = publish

    def _add(self, line: Line) -> None:
        self.lines.append(line)
        del self.lines[:-_TRANSCRIPT_LINES]
        entry = self._entry
        text = f"{line.side}: {line.text}"[:MAX_LINE_LENGTH]
        self._publish(
            ProtocolLogEntry(iso8601(line.at), entry.server, entry.service, entry.client, entry.connection, text)
        )
