"""What was said in a simulated internet: dialogues with their times, to be read, compared, and shown when a test fails."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from mailstack.between import Between, Listening
from mailstack.simulation.spans import moment
from mailstack.wire import Dane, Disconnected, Ending, Engine, Peer

MOST_LINES = 100_000
"""Lines that a transcript keeps, unless it is told otherwise."""

_DOT = b"\r\n.\r\n"
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


class Dialogue:
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
        self.lines.append(Line(self._now(), "-", text))

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
                break
            octets = rest
            self._say(who, line.rstrip(b"\r").decode("utf-8", "backslashreplace"))
        self._waiting[who] = octets

    def _say(self, who: str, text: str) -> None:
        verb = text[:4].upper()
        self.lines.append(Line(self._now(), who, self._discreet(who, verb, text)))
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
            self.lines.append(Line(self._now(), self._content, f"({self._size} octets)"))
            self._content = ""
        return octets, whole

    def _flush(self) -> None:
        """Tell of what was begun and will not come to its end."""
        for who, octets in self._waiting.items():
            size = len(octets) + (self._size if self._content == who else 0)
            if size:
                self.lines.append(Line(self._now(), who, f"({size} octets, and no end)"))
        self._waiting = {"C": b"", "S": b""}
        self._content = ""


class Transcript:
    """All dialogues, in the order in which they began. Two are equal when they read the same.

    At most so many lines are kept: the oldest dialogues are forgotten.
    """

    def __init__(self, now: Callable[[], float], most: int = MOST_LINES) -> None:
        """`now` gives virtual seconds since the start; `most` is in lines, 0 keeps none."""
        self._now = now
        self._most = most
        self._kept: list[Dialogue] = []
        self._count = 0

    @property
    def dialogues(self) -> tuple[Dialogue, ...]:
        """Those that are kept, the oldest first."""
        return tuple(self._kept)

    def __str__(self) -> str:
        forgotten = self._count - len(self._kept)
        head = [f"({forgotten} dialogues before these are forgotten)"] if forgotten else []
        return "\n".join([*head, *map(str, self._kept)])

    __repr__ = __str__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Transcript) and str(self) == str(other)

    __hash__ = None  # type: ignore[assignment]

    def __contains__(self, text: str) -> bool:
        """Whether somebody said it: `"550 5.1.1" in internet.transcript`."""
        return any(text in line.text for dialogue in self._kept for line in dialogue.lines)

    def diff(self, other: Transcript) -> str:
        """How the other one differs, as `diff -u` shows it; empty when it doesn't."""
        return "\n".join(difflib.unified_diff(str(self).splitlines(), str(other).splitlines(), lineterm="", n=3))

    def tail(self, lines: int = 40) -> str:
        """The last lines, as of a log."""
        return "\n".join(str(self).splitlines()[-lines:])

    def of(self, name: str) -> tuple[Dialogue, ...]:
        """The dialogues with, or of, this host or address."""
        return tuple(each for each in self._kept if name in f"{each.client} {each.server}")

    def begin(self, client: str, server: str) -> Dialogue:
        """A new connection."""
        self._count += 1
        dialogue = Dialogue(self._count, client, server, self._now)
        if self._most:
            self._kept.append(dialogue)
            if self._count % 100 == 0:
                self._forget()
        return dialogue

    def _forget(self) -> None:
        surplus = sum(len(each.lines) for each in self._kept) - self._most
        gone = 0
        while surplus > 0:
            surplus -= len(self._kept[gone].lines)
            gone += 1
        del self._kept[:gone]


class Overheard(Between[Any]):
    """A peer of which a dialogue hears all."""

    def __init__(self, peer: Peer[Any], dialogue: Dialogue, *, we: str) -> None:
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


def overhear_server(peer: Any, engine: Engine[Any], dialogue: Dialogue) -> Overheard:
    """Have a dialogue hear the conversation of a server, from before its greeting."""
    peer.engine = Listening(engine, lambda octets: dialogue.hear("C", octets))
    return Overheard(peer, dialogue, we="S")
