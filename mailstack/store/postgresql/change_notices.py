"""Change notices between nodes on one PostgreSQL database: names of changed mailboxes, coalesced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from mailstack.store.mailbox_changes import MailboxChanges
from mailstack.store.writer import CallsFromThreads

MAILBOXES = "mailboxes"
"""Start of a notification payload: the sender follows, and the names of changed mailboxes if there is space for them."""
_MAX_PAYLOAD = 7900
"""Octets of a payload; PostgreSQL takes fewer than 8,000."""
INTERVAL_S = 0.1
"""Seconds for which changes are gathered: each notice costs a transaction, and all commits with notices wait in line."""


def payload_of(sender: str, names: Iterable[str]) -> str:
    first = f"{MAILBOXES} {sender}"
    payload = "\n".join([first, *sorted(names)])
    return payload if len(payload.encode()) <= _MAX_PAYLOAD else first


def names_in(payload: str, receiver: str) -> list[str | None] | None:
    """Names of changed mailboxes, none if the receiver is the sender, or one None for unknown ones.

    None for another kind of notification.
    """
    first, *names = payload.split("\n")
    kind, _, sender = first.partition(" ")
    if kind != MAILBOXES:
        return None
    return [] if sender == receiver else [*names] or [None]


class AnnouncedChanges(MailboxChanges):
    """Subscribers, and other nodes, which are notified of each change."""

    def __init__(self, reactor: CallsFromThreads, sender: str, notify: Callable[[str], Awaitable[None]]) -> None:
        """`sender` names this process. `notify` sends a payload to all processes, and never raises."""
        super().__init__()
        self._sender = sender
        self._reactor = reactor
        self._notify = notify
        self._gathered: set[str] = set()

    def __bool__(self) -> bool:
        """True: other nodes may have subscribers."""
        return True

    def publish(self, names: Iterable[str]) -> None:
        gathered = set(names)
        self.call(gathered)
        is_waiting = bool(self._gathered)
        self._gathered |= gathered
        if is_waiting:
            return
        if IReactorTime.providedBy(self._reactor):
            self._reactor.callLater(INTERVAL_S, self._announce)
        else:
            self._announce()

    def _announce(self) -> None:
        gathered, self._gathered = self._gathered, set()
        if gathered:
            Deferred.fromCoroutine(self._sent(payload_of(self._sender, gathered)))

    async def _sent(self, payload: str) -> None:
        await self._notify(payload)
