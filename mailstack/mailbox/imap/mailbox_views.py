"""Mailbox views of a process, refreshed after changes of the store."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from mailstack.mailbox.imap.mailbox_view import MailboxGone, MailboxView
from mailstack.protocols.connection import Clock
from mailstack.store import MailboxStore, StoreError
from mailstack.store.folders import account_of

_log = logging.getLogger(__name__)

WOKEN_AT_ONCE = 50
"""Sessions that are woken in one turn of the reactor."""

MAX_UNUSED = 64
"""Maximum views that are kept without a session, for clients that select their folders in turn."""

MAX_UNUSED_MESSAGES = 200_000
"""Maximum messages of these views together."""


class MailboxViews:
    """Views by mailbox."""

    def __init__(
        self,
        mailboxes: MailboxStore,
        clock: Clock,
        pause: Callable[[float], Awaitable[object]],
        *,
        keeps_removed: float = 3600.0,
    ) -> None:
        """`pause` returns after a number of seconds; 0 lets other sessions run.

        `keeps_removed`: seconds for which the store keeps removed messages after a session was active: twice the time
        of its autologout, since half of them may be over when the next session is active. 0: none are kept.
        """
        self._mailboxes = mailboxes
        self._keeps_removed = keeps_removed
        self._clock = clock
        self._pause = pause
        self._views: dict[str, MailboxView] = {}
        self._unused: dict[str, MailboxView] = {}
        """Views without a session, in the order of their last use."""
        self._waking: set[str] = set()
        self._watchers: dict[str, set[Callable[[], None]]] = {}
        """Callbacks of sessions with NOTIFY, by account."""
        self._is_unknown = False
        """Whether another process has changed something since the last query for it."""
        self._is_searching = False
        """Whether a query for changed mailboxes is under way: there is one at a time."""
        self.close = mailboxes.on_change(self.on_change)

    async def open(self, mailbox: str) -> MailboxView:
        """Returns the view of a mailbox, up to date, for one more session. Raises MailboxGone, StoreError."""
        if (view := self._usable(mailbox)) is None:
            status = await self._mailboxes.status(mailbox)
            if status is None:
                raise MailboxGone
            # Another session may have opened it meanwhile.
            view = self._usable(mailbox) or MailboxView(self._mailboxes, mailbox, status, self._pause)
        self._views[mailbox] = view
        self._unused.pop(mailbox, None)
        view.users += 1
        try:
            # Before the messages are read: what is removed afterwards is kept.
            await self.keep_removed(view)
            await view.refresh()
        except (MailboxGone, StoreError):
            self.release(view)
            raise
        return view

    async def keep_removed(self, view: MailboxView) -> None:
        """Makes the store keep messages that are removed while a session has the mailbox selected."""
        now = self._clock.steady()
        if not self._keeps_removed or now < view.kept_until:
            return
        view.kept_until = now + self._keeps_removed / 2
        try:
            await self._mailboxes.keep_removed(view.mailbox, self._keeps_removed)
        except StoreError as error:
            view.kept_until = now
            _log.error("can't keep the removed messages of %s: %s", view.mailbox, error)

    def release(self, view: MailboxView) -> None:
        """Ends the use of a view by one session."""
        view.users -= 1
        if view.is_gone:
            if self._views.get(view.mailbox) is view:
                del self._views[view.mailbox]
        elif not view.users:
            self._unused[view.mailbox] = view
            self._evict()

    def _usable(self, mailbox: str) -> MailboxView | None:
        view = self._views.get(mailbox)
        return None if view is None or view.is_gone else view

    def _evict(self) -> None:
        messages = sum([len(view.columns) for view in self._unused.values()])
        while len(self._unused) > MAX_UNUSED or messages > MAX_UNUSED_MESSAGES:
            mailbox = next(iter(self._unused))
            messages -= len(self._unused.pop(mailbox).columns)
            del self._views[mailbox]

    # --- changes

    def watch(self, account: str, callback: Callable[[], None]) -> None:
        """Calls `callback` after each change of a mailbox of an account, or of its folders."""
        self._watchers.setdefault(account, set()).add(callback)

    def unwatch(self, account: str, callback: Callable[[], None]) -> None:
        """Ends `watch`; does nothing without it."""
        callbacks = self._watchers.get(account, set())
        callbacks.discard(callback)
        if not callbacks:
            self._watchers.pop(account, None)

    def _call_watchers(self, mailbox: str | None) -> None:
        if not self._watchers:
            return
        accounts = list(self._watchers) if mailbox is None else [account_of(mailbox)]
        for callback in [each for account in accounts for each in self._watchers.get(account, ())]:
            callback()

    def on_change(self, mailbox: str | None) -> None:
        self._call_watchers(mailbox)
        if mailbox is None:
            for view in self._views.values():
                view.is_stale = True
            self._is_unknown = True
            if not self._is_searching:
                self._is_searching = True
                self._clock.spawn(self._find_changed())
        elif (changed := self._views.get(mailbox)) is not None:
            changed.is_stale = True
            self._wake_soon(changed)

    def _wake_soon(self, view: MailboxView) -> None:
        if view.wakers and view.mailbox not in self._waking:
            self._waking.add(view.mailbox)
            self._clock.spawn(self._wake(view))

    async def _wake(self, view: MailboxView) -> None:
        """Refreshes a view until no change is left, and wakes its waiting sessions."""
        try:
            while view.is_stale and not view.is_gone:
                await view.refresh()
        except MailboxGone:
            pass
        except StoreError as error:
            _log.error("can't read the changes of %s: %s", view.mailbox, error)
        finally:
            self._waking.discard(view.mailbox)
        # A session may have read the change, before the store published it.
        state = view.serial, view.columns.top
        if view.is_gone or state != view.announced:
            view.announced = state
            for at, wake in enumerate(list(view.wakers)):
                if at and at % WOKEN_AT_ONCE == 0:
                    await self._pause(0)
                if wake in view.wakers:
                    wake()

    async def _find_changed(self) -> None:
        """Wakes the sessions of those mailboxes that another process has changed: one query for all of them."""
        try:
            while self._is_unknown:
                self._is_unknown = False
                waiting = [view for view in self._views.values() if view.wakers]
                if not waiting:
                    return
                found = await self._mailboxes.statuses([view.mailbox for view in waiting])
                for view in waiting:
                    status = found.get(view.mailbox)
                    if status is None or (status.validity, status.modseq) != (view.validity, view.modseq):
                        self._wake_soon(view)
                await self._pause(0)
        except StoreError as error:
            _log.error("can't read the changes of mailboxes: %s", error)
        finally:
            self._is_searching = False
