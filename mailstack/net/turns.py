"""Keeps the reactor's turns short: a few events are dealt with in each, and then timers and threads have theirs.

Twisted deals with all that epoll has to tell before it looks at its timers. When a thousand clients hang up, or speak,
at the same moment, nothing else would happen for a second.
"""

from __future__ import annotations

import select
from typing import Any

EVENTS = 64
"""So many letters' commands, some ten milliseconds' work."""


class ShortTurns:
    """An epoll that tells of few descriptors at a time. Those that it did not tell come first the next time."""

    __slots__ = ("_poll", "close", "fileno", "modify", "register", "unregister")

    def __init__(self, poller: select.epoll) -> None:
        self._poll = poller.poll
        self.close = poller.close
        self.fileno = poller.fileno
        self.register = poller.register
        self.modify = poller.modify
        self.unregister = poller.unregister

    def poll(self, timeout: float, most: int) -> list[tuple[int, int]]:
        """See select.epoll.poll; `most` is Twisted's idea of how many."""
        return self._poll(timeout, min(most, EVENTS))


def keep_turns_short(reactor: Any) -> None:
    """Where the reactor is Twisted's with epoll; others are as they are."""
    if isinstance(getattr(reactor, "_poller", None), select.epoll):
        reactor._poller = ShortTurns(reactor._poller)  # noqa: SLF001 - nothing else of it can be told this
