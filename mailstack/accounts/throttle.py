"""Login throttle: delays after failed logins (RFC 4954 §9)."""

from __future__ import annotations

from mailstack.policy.counters import CounterTable, LocalCounterTable
from mailstack.policy.networks import client_network
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import Unavailable

_UNTIL, _COUNT, _FREE_AT = 0, 1, 2
"""Columns of failures: expiry, number, and time of the next attempt, in seconds of the steady clock. The name of a row is a
client and an account, "" for any."""


class Throttle:
    """Delays that grow with failures, for a client (an IPv4 address, an IPv6 site), an account, and both together.

    | failures of | delay | maximum | delayed logins |
    | --- | --- | --- | --- |
    | this account from this client | doubles, one attempt after the other | refused beyond 2 x `max_delay` | this account from this client |
    | this account, from any client | doubles | `max_delay` | this account from new clients |
    | this client, any account, beyond `shared` | grows by a tenth of `first` each, one attempt after the other | 2 x `max_delay`, never refused | accounts that are new at this client |

    So guessing on many connections is as slow as on one. Password spraying over many accounts is slowed too, while a
    correct login from an address that many users share waits for half a minute at most. At a client where the account has
    logged in before, only the first row applies, so that failures elsewhere do not delay it.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        first: float = 1.0,
        max_delay: float = 15.0,
        free: int = 3,
        shared: int = 10,
        failure_ttl: float = 600.0,
        place_ttl: float = 2592000.0,
        tables: tuple[CounterTable, CounterTable] | None = None,
    ) -> None:
        """Times are in seconds. After `free` failures the delay is `first`, and doubles up to `max_delay`.

        The first `shared` failures of one client do not delay other accounts. Failures expire `failure_ttl` seconds
        after the last one, the client of a successful login after `place_ttl`. `tables` are the tables of failures and
        of clients, which other processes may share.
        """
        self._clock = clock
        self._first = first
        self._max_delay = max_delay
        self._free = free
        self._shared = shared
        self._failure_ttl = failure_ttl
        self._place_ttl = place_ttl
        self._failures, self._places = tables or (
            LocalCounterTable(clock.steady, 10_000),
            LocalCounterTable(clock.steady, 10_000),
        )

    def delay(self, host: str, account: str) -> float:
        """Reserve the next attempt and return its delay in seconds. Raises Unavailable when too many attempts wait."""
        client = client_network(host)
        with self._places.entry(_name(client, account)) as entry:
            is_known = bool(entry[0])
        own = self._turn(client, account)
        if is_known:
            return own
        with self._failures.entry(_name("", account)) as everywhere:
            slowed = self._growth(everywhere[_COUNT])
        return max(own, slowed, self._share(client))

    def failed(self, host: str, account: str) -> None:
        """Count a failed login."""
        client = client_network(host)
        for name in (_name(client, ""), _name("", account), _name(client, account)):
            with self._failures.entry(name) as failures:
                failures[_UNTIL] = self._clock.steady() + self._failure_ttl
                failures[_COUNT] += 1

    def succeeded(self, host: str, account: str) -> None:
        """Count a successful login, and reset the failures of this account from this client."""
        client = client_network(host)
        with self._places.entry(_name(client, account)) as entry:
            entry[_UNTIL] = self._clock.steady() + self._place_ttl
        with self._failures.entry(_name(client, account)) as own:
            forgiven = own[_COUNT]
            own[:] = [0.0, 0.0, 0.0]
        if forgiven:
            with self._failures.entry(_name(client, "")) as from_here:
                from_here[_COUNT] = max(0.0, from_here[_COUNT] - forgiven)

    def _turn(self, client: str, account: str) -> float:
        with self._failures.entry(_name(client, account)) as failures:
            delay = self._growth(failures[_COUNT])
            if not delay:
                return 0.0
            now = self._clock.steady()
            turn = max(now, failures[_FREE_AT]) + delay
            if turn - now > 2 * self._max_delay:
                raise Unavailable(f"too many logins from {client} wait after failures")
            failures[_FREE_AT] = turn
            return turn - now

    def _share(self, client: str) -> float:
        """Delay of an account that is new at a client with many failures."""
        with self._failures.entry(_name(client, "")) as failures:
            beyond = failures[_COUNT] - self._shared
            if beyond <= 0:
                return 0.0
            now = self._clock.steady()
            # With a full queue a login waits as long as the last one in it, so that guesses refuse no login.
            turn = max(now, failures[_FREE_AT]) + min(self._max_delay, self._first * beyond / 10)
            failures[_FREE_AT] = turn = min(turn, now + 2 * self._max_delay)
            return turn - now

    def _growth(self, count: float) -> float:
        beyond = count - self._free - 1
        return 0.0 if beyond < 0 else min(self._max_delay, self._first * 2.0 ** min(beyond, 60))


def _name(client: str, account: str) -> str:
    # A client has no space in it.
    return f"{client} {account}"
