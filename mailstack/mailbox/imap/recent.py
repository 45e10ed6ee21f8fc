r"""Recent messages of a session: \\Recent and RECENT (RFC 3501 §2.3.2, §7.3.2)."""

from __future__ import annotations

import logging
from array import array
from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence

from mailstack.mailbox.imap.capabilities import REV2, EnabledExtensions
from mailstack.mailbox.imap.mailbox_view import MailboxView
from mailstack.protocols.imap import responses
from mailstack.store import MailboxStore, StoreError
from mailstack.store.folders import NoSuchFolder

_log = logging.getLogger(__name__)


class RecentMessages:
    r"""Uids of the messages that are \Recent in one session, in ascending order.

    A message is so in the first session that reports it. The store decides between processes, the view within one.
    IMAP4rev2 has no \Recent (RFC 9051, appendix E).
    """

    def __init__(self, view: MailboxView, enabled: EnabledExtensions, *, read_only: bool) -> None:
        self.uids: array[int] = array("I")
        self._view = view
        self._enabled = enabled
        self._read_only = read_only
        self._below = 0
        """Uid below which the session knows which messages are recent."""
        self._reported = -1

    def __contains__(self, uid: int) -> bool:
        uids = self.uids
        at = bisect_left(uids, uid)
        return at < len(uids) and uids[at] == uid

    async def claim(self, mailboxes: MailboxStore, known: Sequence[int]) -> None:
        """Claims new ones among the uids that the client knows; EXAMINE claims none (RFC 3501 §6.3.2)."""
        below = known[-1] + 1 if known else 1
        start, self._below = self._below, max(self._below, below)
        if below <= start or REV2 in self._enabled:
            return
        view = self._view
        # One claim of the process at a time: a later one would take the messages that an earlier one is about to get.
        await view.recent_lock.acquire()
        try:
            first = max(start, view.recent_from)
            if first < below and not self._read_only:
                first = max(start, await self._first_of(mailboxes, below))
                view.recent_from = max(view.recent_from, below)
        finally:
            view.recent_lock.release()
        # `known` may be the view's own array, which has grown meanwhile.
        self.uids.extend(known[bisect_left(known, first) : bisect_left(known, below)])

    async def _first_of(self, mailboxes: MailboxStore, below: int) -> int:
        """Lowest uid that the store gives; without the store, all that this process has not given yet."""
        try:
            return await mailboxes.claim_recent(self._view.mailbox, below)
        except (StoreError, NoSuchFolder) as error:
            _log.error("can't claim recent messages of %s: %s", self._view.mailbox, error)
            return self._view.recent_from

    def remove(self, uids: Collection[int]) -> None:
        """Drops removed messages."""
        if self.uids and not self._are_apart(uids):
            removed = set(uids)
            self.uids = array("I", [uid for uid in self.uids if uid not in removed])

    def _are_apart(self, uids: Iterable[int]) -> bool:
        return not any(self.uids[0] <= uid <= self.uids[-1] for uid in uids)

    def report(self) -> bytes:
        """RECENT, if the client does not know the number yet."""
        count = len(self.uids)
        if count == self._reported or REV2 in self._enabled:
            return b""
        self._reported = count
        return responses.recent(count)
