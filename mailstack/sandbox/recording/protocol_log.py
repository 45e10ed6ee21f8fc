"""Live protocol log: newest lines of all sessions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from mailstack.letter.timestamps import iso8601
from mailstack.mailbox.index.feed import Feed
from mailstack.protocols.connection import Engine, Peer
from mailstack.sandbox.recording.dialogue import Line, SessionTranscript, record_server_session

MAX_LINES = 2000
"""Maximum lines in the log."""
MAX_LINE_LENGTH = 1000
"""Maximum characters of a line; the rest is cut off."""
_TRANSCRIPT_LINES = 10
"""Lines that a live transcript keeps for its own parser."""


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
        said = ProtocolLogEntry("", server, service, client, self._count, "")
        return record_server_session(peer, engine, _Live(said, self._now, self._tell))

    def _tell(self, said: ProtocolLogEntry) -> None:
        self.lines.append(said)
        if self._feed.is_watched:
            self._feed.tell("dialogue", said)


class _Live(SessionTranscript):
    """Transcript that publishes its lines, and keeps only a few."""

    def __init__(
        self, said: ProtocolLogEntry, now: Callable[[], float], tell: Callable[[ProtocolLogEntry], None]
    ) -> None:
        super().__init__(said.connection, said.client, said.server, now)
        self._said = said
        self._heard = tell

    def _tell(self, line: Line) -> None:
        self.lines.append(line)
        del self.lines[:-_TRANSCRIPT_LINES]
        said = self._said
        text = f"{line.side}: {line.text}"[:MAX_LINE_LENGTH]
        self._heard(ProtocolLogEntry(iso8601(line.at), said.server, said.service, said.client, said.connection, text))
