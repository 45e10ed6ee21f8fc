"""Session transcript: lines of one connection, without secrets and content."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mailstack.letter.durations import moment
from mailstack.protocols.connection import Dane, Disconnected, Ending, Engine, Peer
from mailstack.protocols.peer_wrapper import PeerWrapper, TappedEngine

_DOT = b"\r\n.\r\n"
_LONGEST = 16384
"""Octets of a line that are kept until it ends: AUTH has the longest, of 12288 (RFC 4954 §4), and some have no end."""
_LEFT_OUT = "(…)"
"""Stands for what proves who somebody is: nobody wants to read it, and SCRAM's chance is not the seed's."""


class Line:
    """One line of a dialogue: when it was said (virtual seconds since the start), by whom, and what."""

    __slots__ = ("at", "text", "who")

    def __init__(self, at: float, who: str, text: str) -> None:
        self.at = at
        self.who = who
        """ "C" for the client, "S" for the server, "-" for what happened to the connection."""
        self.text = text

    def __str__(self) -> str:
        return f"{moment(self.at)}  {self.who}: {self.text}"


class SessionTranscript:
    """One connection. Content is not quoted: its place has its length."""

    def __init__(self, number: int, client: str, server: str, now: Callable[[], float]) -> None:
        self.number = number
        """Connections are numbered in the order in which they were made."""
        self.client = client
        self.server = server
        self.lines: list[Line] = []
        self.over = False
        self._now = now
        self._waiting = {"C": b"", "S": b""}
        self._content = ""
        """Who is sending content: "C" after 354 and BDAT, "S" after the first line of the answer to RETR and TOP."""
        self._left: int | None = None
        """Octets of the chunk that are still to come; None: content ends with its final dot."""
        self._size = 0
        self._challenged = False

    def __str__(self) -> str:
        return "\n".join((f"#{self.number} {self.client} -> {self.server}", *(f"  {line}" for line in self.lines)))

    def note(self, text: str) -> None:
        """Say what happened to the connection."""
        self._flush()
        self._tell(Line(self._now(), "-", text))

    def hear(self, who: str, octets: bytes) -> None:
        """Be told of octets that one side sent ("S"), or that arrived from the other ("C")."""
        octets = self._waiting[who] + octets
        while octets:
            if self._content == who:
                octets, whole = self._skip(octets)
                if not whole:
                    break
                continue
            line, ended, rest = octets.partition(b"\n")
            if not ended:
                octets = octets[:_LONGEST]
                break
            octets = rest
            self._say(who, line.rstrip(b"\r").decode("utf-8", "backslashreplace"))
        self._waiting[who] = octets

    def _tell(self, line: Line) -> None:
        self.lines.append(line)

    def _say(self, who: str, text: str) -> None:
        verb = text[:4].upper()
        self._tell(Line(self._now(), who, self._discreet(who, verb, text)))
        if who == "S" and verb == "354 ":
            self._begin("C", None)
        elif who == "C" and verb == "BDAT":
            size = text[4:].partition("LAST")[0].strip()
            if size.isdecimal() and len(size) < 16:
                self._begin("C", int(size))
        elif who == "S" and verb.startswith("+OK") and self._asked() in {"RETR", "TOP "}:
            self._begin("S", None)

    def _discreet(self, who: str, verb: str, text: str) -> str:
        """Without passwords, challenges and the responses to them."""
        if who == "S":
            self._challenged = verb in {"334 ", "334"} or text.startswith("+ ")
            return f"{text.partition(' ')[0]} {_LEFT_OUT}" if self._challenged else text
        if self._challenged:
            self._challenged = False
            return _LEFT_OUT
        words = text.split(" ", 2)
        if (verb == "AUTH" and len(words) > 2) or verb == "APOP":
            return " ".join((*words[:2], _LEFT_OUT))
        return f"{words[0]} {_LEFT_OUT}" if verb == "PASS" else text

    def _asked(self) -> str:
        """The command that the last words of the client began with."""
        return next((line.text[:4].upper() for line in reversed(self.lines) if line.who == "C"), "")

    def _begin(self, who: str, size: int | None) -> None:
        self._content, self._left, self._size = who, size, 0

    def _skip(self, octets: bytes) -> tuple[bytes, bool]:
        """The octets behind a content, and whether it is whole; what may be a part of its end is kept."""
        if self._left is not None:
            taken = min(self._left, len(octets))
            self._left -= taken
            self._size += taken
            octets, whole = octets[taken:], not self._left
        elif self._size == 0 and octets.startswith(_DOT[2:]):
            octets, whole = octets[3:], True
        elif (end := octets.find(_DOT)) >= 0:
            self._size += end + 2
            octets, whole = octets[end + len(_DOT) :], True
        else:
            kept = max(0, len(octets) - len(_DOT) + 1)
            self._size += kept
            octets, whole = octets[kept:], False
        if whole:
            self._tell(Line(self._now(), self._content, f"({self._size} octets)"))
            self._content = ""
        return octets, whole

    def _flush(self) -> None:
        """Tell of what was begun and will not come to its end."""
        for who, octets in self._waiting.items():
            size = len(octets) + (self._size if self._content == who else 0)
            if size:
                self._tell(Line(self._now(), who, f"({size} octets, and no end)"))
        self._waiting = {"C": b"", "S": b""}
        self._content = ""


class RecordingPeer(PeerWrapper[Any]):
    """A peer of which a dialogue hears all."""

    def __init__(self, peer: Peer[Any], dialogue: SessionTranscript, *, we: str) -> None:
        """`we` are "S" or "C"."""
        super().__init__(peer)
        self._dialogue = dialogue
        self._we = we
        self._closed = False

    async def next_event(self, timeout: float) -> Any | Ending:
        event = await self._peer.next_event(timeout)
        if isinstance(event, Disconnected) and not self._dialogue.over:
            self._end("the connection is gone")
        return event

    def send(self, octets: bytes) -> None:
        if not self._dialogue.over:
            self._dialogue.hear(self._we, octets)
        self._peer.send(octets)

    async def start_tls(
        self, server_name: str | None = None, *, verify: bool = False, dane: Dane | None = None
    ) -> bool:
        self._dialogue.note("TLS begins")
        done = await self._peer.start_tls(server_name, verify=verify, dane=dane)
        if not done:
            self._end(f"no TLS: {self._peer.tls_failure}")
        return done

    def close(self) -> None:
        if not self._dialogue.over:
            self._end("closed")
        self._peer.close()

    def abort(self) -> None:
        if not self._dialogue.over:
            self._end("dropped")
        self._peer.abort()

    def _end(self, how: str) -> None:
        self._dialogue.note(how)
        self._dialogue.over = True


def record_server_session(peer: Any, engine: Engine[Any], dialogue: SessionTranscript) -> RecordingPeer:
    """Have a dialogue hear the conversation of a server, from before its greeting."""
    peer.engine = TappedEngine(engine, lambda octets: dialogue.hear("C", octets))
    return RecordingPeer(peer, dialogue, we="S")
