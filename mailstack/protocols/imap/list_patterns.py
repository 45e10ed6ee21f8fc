"""Patterns of LIST and LSUB: `%` and `*` in bounded time (RFC 3501 §6.3.8)."""

from __future__ import annotations

import re

from mailstack.protocols.imap.mailbox_names import INBOX, SEPARATOR

MAX_PATTERN = 2000
"""Maximum characters of a reference and pattern together."""

_WILDCARDS = re.compile(r"[%*]+")


class ListPattern:
    """Pattern joined with its reference. A name of m characters takes m steps, for whatever pattern.

    `%` matches any characters but the separator, `*` any characters. The first level of a name INBOX or INBOX/… is
    matched without regard to case.
    """

    __slots__ = ("_end", "_epsilon", "_is_plain", "_masks", "_prefix", "_rest", "_stay")

    def __init__(self, reference: str, pattern: str) -> None:
        """Both are decoded. Raises ValueError for more than MAX_PATTERN characters."""
        joined = _WILDCARDS.sub(lambda run: "*" if "*" in run[0] else "%", reference + pattern)
        if len(joined) > MAX_PATTERN:
            raise ValueError("the pattern is too long")
        start = _WILDCARDS.search(joined)
        self._prefix = joined[: start.start()] if start else joined
        self._rest = joined[start.start() :] if start else ""
        self._is_plain = self._rest in {"", "%", "*"}
        self._masks: dict[str, int] = {}
        self._stay = self._epsilon = 0
        self._end = 1 << len(joined)
        # Bit n of a set of states: the first n characters of the pattern are matched.
        for at, character in enumerate(joined):
            if character in "%*":
                self._epsilon |= 1 << at
                if character == "*":
                    self._stay |= 1 << at
            else:
                self._masks[character] = self._masks.get(character, 0) | 1 << at

    def matches(self, name: str) -> bool:
        """Whether a decoded name matches."""
        if self._is_plain and not name.startswith(INBOX):
            return self._matches_prefix(name)
        has_inbox = name == INBOX or name.startswith(INBOX + SEPARATOR)
        states = self._closure(1)
        for at, character in enumerate(name):
            matched = self._masks.get(character, 0)
            if has_inbox and at < len(INBOX):
                matched |= self._masks.get(character.lower(), 0)
            held = self._stay if character == SEPARATOR else self._epsilon
            states = self._closure((states & matched) << 1 | states & held)
            if not states:
                return False
        return bool(states & self._end)

    def _matches_prefix(self, name: str) -> bool:
        """A pattern with one wildcard, at its end, or without any."""
        if not self._rest:
            return name == self._prefix
        return name.startswith(self._prefix) and (self._rest == "*" or SEPARATOR not in name[len(self._prefix) :])

    def _closure(self, states: int) -> int:
        """States after the wildcards that match nothing; no two wildcards stand side by side."""
        return states | (states & self._epsilon) << 1
