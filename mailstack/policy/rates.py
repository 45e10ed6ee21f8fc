"""Rate limits of letters, recipients and connections per name (RFC 6409 §6.2)."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.policy import PASS, Defer, Verdict
from mailstack.policy.counters import CounterTable, LocalCounterTable
from mailstack.policy.networks import client_network
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

TOO_MANY_LETTERS = reply(450, "4.7.1", "too many letters at present, try again later")
TOO_MANY_RECIPIENTS = reply(450, "4.7.1", "too many recipients at present, try again later")
TOO_FAST = reply(421, "4.7.0", "too many connections from you at present, try again later", closes=True)

HOUR = 3600.0
MINUTE = 60.0


class Rate:
    """Leaky bucket for each name: `limit` at once, refilled evenly over `period`.

    A bucket is one number: the time at which it is full again. A name without use for a period is dropped.
    """

    def __init__(
        self,
        now: Callable[[], float],
        limit: int,
        period: float = HOUR,
        *,
        table: CounterTable | None = None,
        kind: str = "",
    ) -> None:
        """`period` is in seconds. Rates that share a `table` differ in `kind`."""
        self._now = now
        self._each = period / limit
        self._period = period
        self._table = table or LocalCounterTable(now)
        self._kind = kind

    def consume(self, name: str) -> bool:
        """Return whether `name` is within its limit, and count the use if so."""
        now = self._now()
        with self._table.entry(f"{self._kind} {name}") as entry:
            before = max(now, entry[0])
            allowed = before + self._each - now <= self._period + self._each / 1000
            entry[0] = before + self._each if allowed else before
        return allowed


class Rates:
    """Limits of letters and recipients per hour, by account or else by client address; 0 is no limit."""

    def __init__(
        self,
        now: Callable[[], float],
        letters: int,
        recipients: int,
        *,
        table: CounterTable | None = None,
        service: str = "",
    ) -> None:
        """`service` distinguishes the counts of several services in one `table`."""
        self._letters = Rate(now, letters, table=table, kind=f"{service} letters") if letters else None
        self._recipients = Rate(now, recipients, table=table, kind=f"{service} recipients") if recipients else None

    async def at_sender(self, client: Client, mail: Mail) -> Verdict:  # noqa: ARG002
        name = _name(client)
        if self._letters is None or self._letters.consume(name):
            return PASS
        return Defer(TOO_MANY_LETTERS, f"{name} sent all the letters of an hour")

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:  # noqa: ARG002
        name = _name(client)
        if self._recipients is None or self._recipients.consume(name):
            return PASS
        return Defer(TOO_MANY_RECIPIENTS, f"{name} named all the recipients of an hour")


def _name(client: Client) -> str:
    return client.account or client_network(client.remote.host)
