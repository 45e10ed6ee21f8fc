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

MOST_KEPT = 2000
"""Lines."""
LONGEST = 1000
"""Characters of a line that are told."""
_REMEMBERED = 10
"""Lines that a dialogue itself looks back at."""


class ProtocolLogEntry(Struct, frozen=True):
    """One line of the log."""

    at: str
    server: str
    service: str
    client: str
    connection: int
    """Counts the connections."""
    line: str
    """ "C: …" of the client, "S: …" of the server, "-: …" of what happened to the connection."""


class ProtocolLog:
    """Passwords, proofs and the contents of letters are not in it. For environments that are nobody's secret."""

    def __init__(self, feed: Feed, now: Callable[[], float], kept: int = MOST_KEPT) -> None:
        self._feed = feed
        self._now = now
        self._count = 0
        self.lines: deque[ProtocolLogEntry] = deque(maxlen=kept)
        """The oldest first."""

    def between(self, peer: Peer[Any], engine: Engine[Any], server: str, service: str) -> Peer[Any]:
        """Record a session (mailstack.server.runtime.PeerHook)."""
        self._count += 1
        client = f"{peer.remote.host}:{peer.remote.port}"
        said = ProtocolLogEntry("", server, service, client, self._count, "")
        return record_server_session(peer, engine, _Live(said, self._now, self._tell))

    def _tell(self, said: ProtocolLogEntry) -> None:
        self.lines.append(said)
        if self._feed.is_watched:
            self._feed.tell("dialogue", said)


class _Live(SessionTranscript):
    """A dialogue that is told, and not kept."""

    def __init__(
        self, said: ProtocolLogEntry, now: Callable[[], float], tell: Callable[[ProtocolLogEntry], None]
    ) -> None:
        super().__init__(said.connection, said.client, said.server, now)
        self._said = said
        self._heard = tell

    def _tell(self, line: Line) -> None:
        self.lines.append(line)
        del self.lines[:-_REMEMBERED]
        said = self._said
        text = f"{line.who}: {line.text}"[:LONGEST]
        self._heard(ProtocolLogEntry(iso8601(line.at), said.server, said.service, said.client, said.connection, text))
