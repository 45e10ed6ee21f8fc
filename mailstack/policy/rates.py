"""Rate limits of letters, recipients and connections per name (RFC 6409 §6.2)."""

from __future__ import annotations

from collections.abc import Callable

from mailstack.policy import PASS, Defer, Verdict
from mailstack.policy.counters import CounterTable, LocalCounterTable
from mailstack.policy.networks import client_of
from mailstack.protocols.smtp.commands import Mail, Rcpt
from mailstack.protocols.smtp.receiving_rules import Client
from mailstack.protocols.smtp.replies import reply

TOO_MANY_LETTERS = reply(450, "4.7.1", "too many letters at present, try again later")
TOO_MANY_RECIPIENTS = reply(450, "4.7.1", "too many recipients at present, try again later")
TOO_FAST = reply(421, "4.7.0", "too many connections from you at present, try again later", closes=True)

HOUR = 3600.0
MINUTE = 60.0


class Rate:
    """Leaky bucket for each name: `most` at once, refilled evenly over `period`.

    A bucket is one number: the time at which it is full again. A name without use for a period is dropped.
    """

    def __init__(
        self,
        now: Callable[[], float],
        most: int,
        period: float = HOUR,
        *,
        ledger: CounterTable | None = None,
        kind: str = "",
    ) -> None:
        """`period` in seconds. Rates that share a `ledger` differ in `kind`."""
        self._now = now
        self._each = period / most
        self._period = period
        self._ledger = ledger or LocalCounterTable(now)
        self._kind = kind

    def take(self, name: str) -> bool:
        """Whether there was one left for `name`; it is used up then."""
        now = self._now()
        with self._ledger.row(f"{self._kind} {name}") as row:
            before = max(now, row[0])
            allowed = before + self._each - now <= self._period + self._each / 1000
            row[0] = before + self._each if allowed else before
        return allowed


class Rates:
    """Letters and recipients in an hour, of an account that logged in, or else of a client address; 0 is no limit."""

    def __init__(
        self,
        now: Callable[[], float],
        letters: int,
        recipients: int,
        *,
        ledger: CounterTable | None = None,
        station: str = "",
    ) -> None:
        """`station`: by what its letters are told from those of others in the same `ledger`."""
        self._letters = Rate(now, letters, ledger=ledger, kind=f"{station} letters") if letters else None
        self._recipients = Rate(now, recipients, ledger=ledger, kind=f"{station} recipients") if recipients else None

    async def at_sender(self, client: Client, mail: Mail) -> Verdict:  # noqa: ARG002
        name = _name(client)
        if self._letters is None or self._letters.take(name):
            return PASS
        return Defer(TOO_MANY_LETTERS, f"{name} sent all the letters of an hour")

    async def at_recipient(self, client: Client, rcpt: Rcpt) -> Verdict:  # noqa: ARG002
        name = _name(client)
        if self._recipients is None or self._recipients.take(name):
            return PASS
        return Defer(TOO_MANY_RECIPIENTS, f"{name} named all the recipients of an hour")


def _name(client: Client) -> str:
    return client.account or client_of(client.remote.host)
