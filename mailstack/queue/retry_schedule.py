"""Retry schedule: times of retries, delay warning and giving up (RFC 5321 §4.5.4.1)."""

from __future__ import annotations

from msgspec import Struct

_MAX_DOUBLINGS = 32


class RetrySchedule(Struct, frozen=True):
    """Times of retries, of the delay warning and of giving up (RFC 5321 §4.5.4.1)."""

    first: float = 300
    """Seconds to wait after the first attempt; the wait doubles with each attempt."""
    longest: float = 14_400
    """Maximum number of seconds between two attempts."""
    warn_after: float = 14_400
    """Age in seconds at which the sender gets a delay warning; 0: never."""
    give_up_after: float = 432_000
    """Age in seconds at which the letter is bounced."""
    spread: float = 0.1
    """Fraction by which a wait varies, so that letters that arrived together are not retried together."""

    def next_due(self, born: float, attempts: int, now: float, jitter: float) -> float:
        """Time of the next attempt after `attempts` attempts (1 or more), the last of which ended `now`.

        `born` is the time of arrival. `jitter` is in [0, 1), and 0.5 gives the configured wait. The last attempt is
        made at the age at which the letter expires, not later.
        """
        wait = min(self.first * 2.0 ** min(max(attempts, 1) - 1, _MAX_DOUBLINGS), self.longest)
        due = now + wait * (1 + self.spread * (2 * jitter - 1))
        end = born + self.give_up_after
        return min(due, end) if now < end else due

    def is_late(self, born: float, now: float) -> bool:
        """Whether the delay warning is due."""
        return self.warn_after > 0 and now - born >= self.warn_after

    def is_expired(self, born: float, now: float) -> bool:
        return now - born >= self.give_up_after
