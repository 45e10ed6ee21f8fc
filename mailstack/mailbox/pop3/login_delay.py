"""Login delay of an account (RFC 2449 §6.5, §8.1.1)."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.policy.counters import CounterTable, LocalCounterTable


class LoginDelay:
    """Time of the last login of each account, for all sessions of a server. Unused without a delay."""

    def __init__(self, seconds: int, now: Callable[[], float], table: CounterTable | None = None) -> None:
        """`seconds` is the minimum from one login to the next; 0 disables it. `now` returns seconds."""
        self.seconds = seconds
        self._now = now
        self._table = table or LocalCounterTable(now)

    def wait(self, account: str) -> float:
        """Return the seconds until the account may log in; 0 for now."""
        if not self.seconds:
            return 0.0
        with self._table.entry(account) as entry:
            return max(0.0, entry[0] - self._now())

    def logged_in(self, account: str) -> None:
        """Record a login of an account."""
        if self.seconds:
            with self._table.entry(account) as entry:
                entry[0] = self._now() + self.seconds
