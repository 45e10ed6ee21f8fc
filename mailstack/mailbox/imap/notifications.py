"""NOTIFY: unasked news of the folders of an account (RFC 5465)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from msgspec import Struct

from mailstack.mailbox.imap.capabilities import EnabledExtensions
from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.mailbox_views import MailboxViews
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.notify_commands import (
    FLAG_CHANGE,
    MAILBOX_NAME,
    MESSAGE_EVENTS,
    SUBSCRIPTION_CHANGE,
    EventGroup,
    Notify,
)
from mailstack.store import FolderStore, MailboxStore, StoreError
from mailstack.store.folders import INBOX, SEPARATOR, Folder
from mailstack.store.mailboxes import MailboxStatus

_log = logging.getLogger(__name__)


class KnownStatus(Struct, frozen=True):
    """State of a folder that the client received last, or would have received."""

    validity: int = 0
    messages: int = 0
    next_uid: int = 1
    modseq: int = 1


class Notifications:
    """NOTIFY of one session. While it is in force, the session is woken after changes of its account's folders."""

    def __init__(
        self,
        dialogue: ImapDialogue,
        folders: FolderStore,
        mailboxes: MailboxStore,
        views: MailboxViews,
        *,
        account: str,
        enabled: EnabledExtensions,
    ) -> None:
        self._dialogue = dialogue
        self._folders = folders
        self._mailboxes = mailboxes
        self._views = views
        self._account = account
        self._enabled = enabled
        self._groups: tuple[EventGroup, ...] = ()
        self.selected: EventGroup | None = None
        """Group of the selected mailbox, with events; None: it is as without NOTIFY."""
        self._is_pending = False
        self._names: dict[str, Folder] = {}
        self._known: dict[str, KnownStatus] = {}
        """Status of folders with message events, by mailbox."""

    async def notify(self, command: Notify, selected: str) -> None:
        """NOTIFY; `selected` is the selected mailbox, or "". Raises CommandRefused, StoreError."""
        groups = tuple([group for group in command.groups if not group.is_selected])
        folders = await self._folders.list(self._account) if groups else []
        watched = _watched(groups, folders)
        if len(watched) > self._dialogue.limits.notify_folders:
            raise CommandRefused("NOTIFY has too many mailboxes", "NOTIFICATIONOVERFLOW")
        self.end()
        statuses = await self._mailboxes.statuses(list(watched))
        self._groups = groups
        self.selected = next((group for group in command.groups if group.is_selected and group.events), None)
        self._names = {folder.path: folder for folder in folders}
        self._known = {mailbox: _known(statuses.get(mailbox)) for mailbox in watched}
        if groups:
            self._views.watch(self._account, self._on_change)
        if command.with_status:
            for mailbox, (folder, group) in watched.items():
                if mailbox != selected:
                    self._send_status(folder, group, self._known[mailbox], is_first=True)

    def end(self) -> None:
        """Reports nothing from now on."""
        self._views.unwatch(self._account, self._on_change)
        self._groups, self.selected, self._is_pending = (), None, False
        self._names, self._known = {}, {}

    def _on_change(self) -> None:
        self._is_pending = True
        self._dialogue.wake()

    # --- news

    async def report(self, selected: str) -> None:
        """Sends what has changed in folders other than the selected one."""
        while self._is_pending:
            self._is_pending = False
            try:
                await self._report(selected)
            except StoreError as error:
                _log.error("can't read the changes of the folders of %s: %s", self._account, error)

    async def _report(self, selected: str) -> None:
        folders = await self._folders.list(self._account)
        watched = _watched(self._groups, folders)
        if len(watched) > self._dialogue.limits.notify_folders:
            self.end()
            self._dialogue.send(responses.untagged_ok("NOTIFY has ended", "NOTIFICATIONOVERFLOW"))
            return
        self._report_names(folders)
        statuses = await self._mailboxes.statuses(list(watched))
        before, self._known = self._known, {}
        for mailbox, (folder, group) in watched.items():
            now = self._known[mailbox] = _known(statuses.get(mailbox))
            # An empty folder that is new is none; UIDs of a removed one go on in it.
            known = before.get(mailbox, KnownStatus(now.validity) if now.messages else now)
            if mailbox != selected and now != known:
                self._send_changes(folder, group, known, now)
        await self._dialogue.drain()

    def _send_changes(self, folder: Folder, group: EventGroup, before: KnownStatus, now: KnownStatus) -> None:
        if (before.validity, before.messages, before.next_uid) != (now.validity, now.messages, now.next_uid):
            self._send_status(folder, group, now, is_first=before.validity != now.validity)
        elif FLAG_CHANGE in group.events:
            self._send_items(folder, [("UIDVALIDITY", now.validity), ("HIGHESTMODSEQ", now.modseq)])

    def _send_status(self, folder: Folder, group: EventGroup, now: KnownStatus, *, is_first: bool) -> None:
        items = [("MESSAGES", now.messages), ("UIDNEXT", now.next_uid)]
        if is_first:
            items.append(("UIDVALIDITY", now.validity))
        if FLAG_CHANGE in group.events or "CONDSTORE" in self._enabled:
            items.append(("HIGHESTMODSEQ", now.modseq))
        self._send_items(folder, items)

    def _send_items(self, folder: Folder, items: Sequence[tuple[str, int]]) -> None:
        self._dialogue.send(responses.status(folder.path, items, utf8=self._dialogue.engine.utf8))

    # --- names

    def _report_names(self, folders: Sequence[Folder]) -> None:
        """LIST of names that were created, removed, renamed or subscribed since (RFC 5465 §5.4, §5.5)."""
        before, self._names = self._names, {folder.path: folder for folder in folders}
        old_paths = {folder.mailbox: path for path, folder in before.items() if folder.mailbox}
        mailboxes = {folder.mailbox for folder in folders}
        for path in sorted(before.keys() | self._names.keys()):
            was, now = before.get(path, Folder(path)), self._names.get(path, Folder(path))
            if was == now:
                continue
            group = _group_of(self._groups, now) or _group_of(self._groups, was)
            events = group.events if group is not None else frozenset()
            # The new name of a folder has the old one with it.
            is_named = was.mailbox != now.mailbox and (bool(now.mailbox) or was.mailbox not in mailboxes)
            if (MAILBOX_NAME in events and is_named) or (
                SUBSCRIPTION_CHANGE in events and was.is_subscribed != now.is_subscribed
            ):
                old = old_paths.get(now.mailbox) if now.mailbox else None
                self._send_name(now, old if old != path else None)

    def _send_name(self, folder: Folder, old_name: str | None) -> None:
        attributes = [] if folder.mailbox else ["\\NonExistent"]
        attributes += ["\\Subscribed"] if folder.is_subscribed else []
        utf8 = self._dialogue.engine.utf8
        self._dialogue.send(responses.list_line(attributes, folder.path, utf8=utf8, old_name=old_name))


def _known(status: MailboxStatus | None) -> KnownStatus:
    if status is None:
        return KnownStatus(1)
    return KnownStatus(status.validity, status.messages, status.next_uid, status.modseq)


def _watched(groups: Sequence[EventGroup], folders: Iterable[Folder]) -> dict[str, tuple[Folder, EventGroup]]:
    """Existing folders with message events, by mailbox."""
    found: dict[str, tuple[Folder, EventGroup]] = {}
    for folder in folders:
        group = _group_of(groups, folder) if folder.mailbox else None
        if group is not None and group.events & MESSAGE_EVENTS:
            found[folder.mailbox] = folder, group
    return found


def _group_of(groups: Sequence[EventGroup], folder: Folder) -> EventGroup | None:
    """The first group that a folder is in (RFC 5465 §3.1)."""
    return next((group for group in groups if _is_in(group, folder)), None)


def _is_in(group: EventGroup, folder: Folder) -> bool:
    match group.which:
        case "INBOXES":
            return folder.path == INBOX
        case "SUBSCRIBED":
            return folder.is_subscribed
        case "MAILBOXES":
            return folder.path in group.folders
        case "SUBTREE":
            return any(folder.path == root or folder.path.startswith(root + SEPARATOR) for root in group.folders)
    return True
