"""How long a login has to wait, after what failed before (RFC 4954 §9)."""

from __future__ import annotations

from msgspec import Struct

from mailstack.cache import TimedCache
from mailstack.policy.networks import client_of
from mailstack.sasl import Unavailable
from mailstack.wire import Clock

_Name = tuple[str, str]
"""Client and account; "" for any."""


class _Failures(Struct):
    """What went wrong lately under one name."""

    count: int = 0
    free_at: float = 0.0
    """When the next attempt may be made, seconds since 1970."""


class Throttle:
    """Delays that grow with failures, for a client (an IPv4 address, an IPv6 site) and for an account.

    Guesses from one client wait for each other, so that many connections guess no faster than one. Failures for an
    account delay everybody who tries it from a new place, but never refuse: nobody can lock its user out. From where
    the user logged in before, only failures for this account from there count.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        first: float = 1.0,
        longest: float = 15.0,
        free: int = 3,
        forget: float = 600.0,
        welcome: float = 2592000.0,
        capacity: int = 10000,
    ) -> None:
        """Times in seconds. `free` failures cost nothing; the next delay is `first`, and doubles up to `longest`.

        Failures are forgotten `forget` seconds after the last one, a place that a user came from after `welcome`.
        """
        self._clock = clock
        self._first = first
        self._longest = longest
        self._free = free
        self._failures: TimedCache[_Name, _Failures] = TimedCache(clock.now, forget, capacity)
        self._welcome: TimedCache[_Name, bool] = TimedCache(clock.now, welcome, capacity)

    def delay(self, host: str, account: str) -> float:
        """Seconds that an attempt has to wait, which takes its turn. Raises Unavailable when too many wait."""
        client = client_of(host)
        if self._welcome.get((client, account)):
            return self._turn((client, account))
        everywhere = self._failures.get(("", account))
        slowed = 0.0 if everywhere is None else self._growth(everywhere.count)
        return max(self._turn((client, "")), slowed)

    def failed(self, host: str, account: str) -> None:
        """A wrong user name or password."""
        client = client_of(host)
        for name in ((client, ""), ("", account), (client, account)):
            failures = self._failures.get(name) or _Failures()
            failures.count += 1
            self._failures.put(name, failures)

    def succeeded(self, host: str, account: str) -> None:
        """The user is in: what failed for this account from here was his own mistyping, and is forgiven."""
        client = client_of(host)
        self._welcome.put((client, account), value=True)
        own = self._failures.get((client, account))
        from_here = self._failures.get((client, ""))
        if own is not None and from_here is not None:
            from_here.count = max(0, from_here.count - own.count)
        self._failures.forget((client, account))

    def _turn(self, name: _Name) -> float:
        failures = self._failures.get(name)
        delay = 0.0 if failures is None else self._growth(failures.count)
        if failures is None or delay == 0:
            return 0.0
        now = self._clock.now()
        turn = max(now, failures.free_at) + delay
        if turn - now > 2 * self._longest:
            raise Unavailable(f"too many logins from {name[0]} wait after failures")
        failures.free_at = turn
        return turn - now

    def _growth(self, count: int) -> float:
        beyond = count - self._free - 1
        return 0.0 if beyond < 0 else min(self._longest, self._first * 2.0 ** min(beyond, 60))
