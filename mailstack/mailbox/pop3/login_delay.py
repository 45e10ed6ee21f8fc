"""How soon a reader may log in again (RFC 2449 §6.5, §8.1.1)."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.policy.counters import CounterTable, LocalCounterTable


class LoginDelay:
    """Remembers when each account logged in last, for all sessions of a server. Without a delay it remembers nothing."""

    def __init__(self, seconds: int, now: Callable[[], float], table: CounterTable | None = None) -> None:
        """`seconds` from one login to the next; 0 is no delay. `now` gives the time in seconds."""
        self.seconds = seconds
        self._now = now
        self._table = table or LocalCounterTable(now)

    def wait(self, account: str) -> float:
        """Seconds before the account may log in; 0 when it may do so now."""
        if not self.seconds:
            return 0.0
        with self._table.entry(account) as row:
            return max(0.0, row[0] - self._now())

    def logged_in(self, account: str) -> None:
        """The account has a maildrop open now."""
        if self.seconds:
            with self._table.entry(account) as row:
                row[0] = self._now() + self.seconds
