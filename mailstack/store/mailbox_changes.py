"""Mailbox changes: notification of subscribers in this process."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from twisted.logger import Logger

OnChange = Callable[[str | None], None]
"""Gets the name of a changed mailbox; None for an unknown one."""

_log = Logger()


class MailboxChanges:
    """Subscribers to changes of mailboxes, in the reactor's thread."""

    def __init__(self) -> None:
        self._subscribers: list[OnChange] = []

    def __bool__(self) -> bool:
        """Whether `publish` has an effect; may be called in any thread."""
        return bool(self._subscribers)

    def subscribe(self, callback: OnChange) -> Callable[[], None]:
        """Returns a function that ends the subscription."""
        self._subscribers.append(callback)
        return partial(self._unsubscribe, callback)

    def publish(self, names: Iterable[str]) -> None:
        """Notify of changes by this process, after their commit."""
        self.call(names)

    def call(self, names: Iterable[str | None]) -> None:
        """Call each subscriber with each name."""
        for name in names:
            for callback in tuple(self._subscribers):
                try:
                    callback(name)
                except Exception:  # noqa: BLE001  # the others are called all the same
                    _log.failure("a subscriber to changes of mailboxes failed")

    def _unsubscribe(self, callback: OnChange) -> None:
        if callback in self._subscribers:
            self._subscribers.remove(callback)
