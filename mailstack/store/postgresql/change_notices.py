"""Change notices between nodes on one PostgreSQL database: names of changed mailboxes, coalesced."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from mailstack.store.mailbox_changes import MailboxChanges, OnChange
from mailstack.store.writer import CallsFromThreads

MAILBOXES = "mailboxes"
"""Start of a notification payload: the sender follows, and the names of changed mailboxes if there is space for them."""
ECHO = "echo"
"""Start of a payload that only comes back to its sender, which follows."""
_MAX_PAYLOAD = 7900
"""Octets of a payload; PostgreSQL takes fewer than 8,000."""
INTERVAL_S = 0.1
"""Seconds for which changes are gathered: each notice costs a transaction, and all commits with notices wait in line."""
POLL_S = 1.0
"""Seconds between two polls while notifications are lost, and to the first echo."""
ECHO_S = 30.0
"""Seconds between two notices that only ask for an echo."""


def payload_of(sender: str, names: Iterable[str]) -> str:
    first = f"{MAILBOXES} {sender}"
    payload = "\n".join([first, *sorted(names)])
    return payload if len(payload.encode()) <= _MAX_PAYLOAD else first


def names_in(payload: str) -> list[str | None]:
    """Names of changed mailboxes; one None for unknown ones."""
    _, *names = payload.split("\n")
    return [*names] or [None]


class AnnouncedChanges(MailboxChanges):
    """Subscribers, and other nodes, which are notified of each change.

    A database or a pooler may lose notifications. So this process waits for the echo of its own ones. While that does not
    come, its subscribers are called each second.
    """

    def __init__(self, reactor: CallsFromThreads, sender: str, notify: Callable[[str], Awaitable[None]]) -> None:
        """`sender` names this process. `notify` sends a payload to all processes, and never raises."""
        super().__init__()
        self._sender = sender
        self._reactor = reactor
        self._notify = notify
        self._gathered: set[str] = set()
        self._is_deaf = True
        """Whether no echo has come since the last notice."""
        self._next: IDelayedCall | None = None
        self._is_closed = False

    def __bool__(self) -> bool:
        """True: other nodes may have subscribers."""
        return True

    def subscribe(self, callback: OnChange) -> Callable[[], None]:
        end = super().subscribe(callback)
        if self._next is None and not self._is_closed and IReactorTime.providedBy(self._reactor):
            self._next = self._reactor.callLater(POLL_S, self._poll)
        return end

    def close(self) -> None:
        """Stop polling, and send what was gathered."""
        self._is_closed = True
        self._announce()
        if self._next is not None:
            self._next.cancel()
            self._next = None

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

    def on_payload(self, payload: str) -> bool:
        """Handles a notification; returns whether it is one of mailboxes."""
        kind, _, sender = payload.partition("\n")[0].partition(" ")
        if kind not in {MAILBOXES, ECHO}:
            return False
        if sender == self._sender:
            self._is_deaf = False
        elif kind == MAILBOXES:
            self.call(names_in(payload))
        return True

    def _announce(self) -> None:
        gathered, self._gathered = self._gathered, set()
        if gathered:
            Deferred.fromCoroutine(self._send(payload_of(self._sender, gathered)))

    async def _send(self, payload: str) -> None:
        await self._notify(payload)

    def _poll(self) -> None:
        """Calls the subscribers if no echo came, and asks for another one."""
        self._next = None
        if not self._subscribers or self._is_closed:
            return
        interval = ECHO_S
        if self._is_deaf:
            interval = POLL_S
            self.call((None,))
        self._is_deaf = True
        Deferred.fromCoroutine(self._send(f"{ECHO} {self._sender}"))
        self._next = self._reactor.callLater(interval, self._poll)  # type: ignore[attr-defined]
