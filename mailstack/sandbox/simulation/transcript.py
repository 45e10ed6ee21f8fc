"""Transcript of all sessions, to read, compare and print."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from mailstack.sandbox.recording.dialogue import SessionTranscript

MOST_LINES = 100_000
"""Lines that a transcript keeps, unless it is told otherwise."""


class Transcript:
    """All dialogues, in the order in which they began. Two are equal when they read the same.

    At most so many lines are kept: the oldest dialogues are forgotten.
    """

    def __init__(self, now: Callable[[], float], most: int = MOST_LINES) -> None:
        """`now` gives virtual seconds since the start; `most` is in lines, 0 keeps none."""
        self._now = now
        self._most = most
        self._kept: list[SessionTranscript] = []
        self._count = 0

    @property
    def is_kept(self) -> bool:
        """Whether anything is."""
        return self._most > 0

    @property
    def dialogues(self) -> tuple[SessionTranscript, ...]:
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

    def of(self, name: str) -> tuple[SessionTranscript, ...]:
        """The dialogues with, or of, this host or address."""
        return tuple(each for each in self._kept if name in f"{each.client} {each.server}")

    def begin(self, client: str, server: str) -> SessionTranscript:
        """A new connection."""
        self._count += 1
        dialogue = SessionTranscript(self._count, client, server, self._now)
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
