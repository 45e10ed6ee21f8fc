"""How soon a reader may log in again (RFC 2449 §6.5, §8.1.1)."""

from __future__ import annotations

from collections.abc import Callable

MOST_READERS = 100_000
"""Remembered at a time; beyond them the longest ago is forgotten."""


class LoginDelay:
    """Remembers when each account logged in last, for all sessions of an office. Without a delay it remembers nothing."""

    def __init__(self, seconds: int, now: Callable[[], float]) -> None:
        """`seconds` from one login to the next; 0 is no delay. `now` gives the time in seconds."""
        self.seconds = seconds
        self._now = now
        self._last: dict[str, float] = {}
        """In the order of the logins."""

    def wait(self, account: str) -> float:
        """Seconds before the account may log in; 0 when it may do so now."""
        last = self._last.get(account)
        return 0.0 if last is None else max(0.0, last + self.seconds - self._now())

    def logged_in(self, account: str) -> None:
        """The account has a maildrop open now."""
        if not self.seconds:
            return
        now = self._now()
        self._last.pop(account, None)
        self._last[account] = now
        for oldest in list(self._last):
            if self._last[oldest] + self.seconds > now and len(self._last) <= MOST_READERS:
                break
            del self._last[oldest]
