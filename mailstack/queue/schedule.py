"""When a letter is tried again, when its sender is warned, and when it is given up: pure functions of its age."""

from __future__ import annotations

from msgspec import Struct

_MOST_DOUBLINGS = 32


class Schedule(Struct, frozen=True):
    """RFC 5321 §4.5.4.1. All settings are in seconds."""

    first: float = 300
    """The wait after the first attempt; it doubles with each attempt."""
    longest: float = 14_400
    """No wait is longer."""
    warn_after: float = 14_400
    """The age at which the sender is told of a delay; 0 tells nobody."""
    give_up_after: float = 432_000
    """The age at which the letter is bounced."""
    spread: float = 0.1
    """How far a wait may vary, as a part of it, so that letters that came together don't all try together."""

    def next_due(self, born: float, attempts: int, now: float, jitter: float) -> float:
        """When to try again after `attempts` attempts (1 or more), the last of them ending `now`.

        `born` is when the letter arrived; `jitter` is in [0, 1), and 0.5 gives the wait as it is set. The last attempt
        is made at the age at which the letter is given up, not later.
        """
        wait = min(self.first * 2.0 ** min(max(attempts, 1) - 1, _MOST_DOUBLINGS), self.longest)
        due = now + wait * (1 + self.spread * (2 * jitter - 1))
        end = born + self.give_up_after
        return min(due, end) if now < end else due

    def is_late(self, born: float, now: float) -> bool:
        """Whether the sender ought to know by now that it takes long."""
        return self.warn_after > 0 and now - born >= self.warn_after

    def is_expired(self, born: float, now: float) -> bool:
        """Whether we tried long enough."""
        return now - born >= self.give_up_after
