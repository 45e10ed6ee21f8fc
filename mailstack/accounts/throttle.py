"""Login throttle: delays after failed logins (RFC 4954 §9)."""

from __future__ import annotations

from mailstack.policy.counters import CounterTable, LocalCounterTable
from mailstack.policy.networks import client_network
from mailstack.protocols.connection import Clock
from mailstack.protocols.sasl import Unavailable

_UNTIL, _COUNT, _FREE_AT = 0, 1, 2
"""Columns of failures, each row under a client and an account, "" for any: expiry, number, and time of the next attempt,
in seconds since 1970."""


class Throttle:
    """Delays that grow with failures, for a client (an IPv4 address, an IPv6 site), an account, and both together.

    | failures of | delay | at most | hold up |
    | --- | --- | --- | --- |
    | this account from this client | doubles, one attempt after the other | refused behind 2 x `longest` | this account from there |
    | this account, wherever from | doubles | `longest` | its user at places that are new |
    | this client, whatever account, beyond `shared` | grows by a tenth of `first` each, one attempt after the other | 2 x `longest`, never refused | accounts that are new there |

    So a guesser of one password is as slow on many connections as on one. A client that tries one password on many
    accounts (spraying) is slowed too, while a right login from an address that many people share waits for half a
    minute at most. Where a user has logged in before, only the first row counts: failures of
    strangers do not slow that user down. fail2ban, beside this, may read the log and close the port to a client.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        first: float = 1.0,
        longest: float = 15.0,
        free: int = 3,
        shared: int = 10,
        forget: float = 600.0,
        welcome: float = 2592000.0,
        tables: tuple[CounterTable, CounterTable] | None = None,
    ) -> None:
        """Times in seconds. `free` failures cost nothing; the next delay is `first`, and doubles up to `longest`.

        `shared` failures of one client, for any accounts, cost other accounts nothing.

        Failures are forgotten `forget` seconds after the last one, a place that a user came from after `welcome`.
        `tables`: for failures and for places, which other processes may share.
        """
        self._clock = clock
        self._first = first
        self._longest = longest
        self._free = free
        self._shared = shared
        self._forget = forget
        self._welcome = welcome
        self._failures, self._places = tables or (
            LocalCounterTable(clock.steady, 10_000),
            LocalCounterTable(clock.steady, 10_000),
        )

    def delay(self, host: str, account: str) -> float:
        """Seconds that an attempt has to wait, which takes its turn. Raises Unavailable when too many wait."""
        client = client_network(host)
        with self._places.entry(_name(client, account)) as place:
            known = bool(place[0])
        own = self._turn(client, account)
        if known:
            return own
        with self._failures.entry(_name("", account)) as everywhere:
            slowed = self._growth(everywhere[_COUNT])
        return max(own, slowed, self._share(client))

    def failed(self, host: str, account: str) -> None:
        """A wrong user name or password."""
        client = client_network(host)
        for name in (_name(client, ""), _name("", account), _name(client, account)):
            with self._failures.entry(name) as failures:
                failures[_UNTIL] = self._clock.steady() + self._forget
                failures[_COUNT] += 1

    def succeeded(self, host: str, account: str) -> None:
        """Count a login: earlier failures for this account from here were typing errors, and are forgiven."""
        client = client_network(host)
        with self._places.entry(_name(client, account)) as place:
            place[_UNTIL] = self._clock.steady() + self._welcome
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
            if turn - now > 2 * self._longest:
                raise Unavailable(f"too many logins from {client} wait after failures")
            failures[_FREE_AT] = turn
            return turn - now

    def _share(self, client: str) -> float:
        """The wait of an account that is new at a client with many failures."""
        with self._failures.entry(_name(client, "")) as failures:
            beyond = failures[_COUNT] - self._shared
            if beyond <= 0:
                return 0.0
            now = self._clock.steady()
            # With a full queue a login waits as long as the last one in it, so that guesses refuse no login.
            turn = max(now, failures[_FREE_AT]) + min(self._longest, self._first * beyond / 10)
            failures[_FREE_AT] = turn = min(turn, now + 2 * self._longest)
            return turn - now

    def _growth(self, count: float) -> float:
        beyond = count - self._free - 1
        return 0.0 if beyond < 0 else min(self._longest, self._first * 2.0 ** min(beyond, 60))


def _name(client: str, account: str) -> str:
    # No client has a blank in it.
    return f"{client} {account}"
