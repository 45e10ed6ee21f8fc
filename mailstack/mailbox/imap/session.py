"""IMAP session, from greeting to logout (RFC 3501 §3, §6)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from mailstack.mailbox.imap.append import Appender
from mailstack.mailbox.imap.authorization import ImapAuthorization, answer_anywhere
from mailstack.mailbox.imap.capabilities import EnabledExtensions, capabilities_after_login
from mailstack.mailbox.imap.copies import MessageCopies
from mailstack.mailbox.imap.dialogue import REFUSED, CommandRefused, ImapDialogue, refusal
from mailstack.mailbox.imap.fetch import Fetcher
from mailstack.mailbox.imap.flags import FlagStorage
from mailstack.mailbox.imap.folder_list import FolderList
from mailstack.mailbox.imap.folders import FolderCommands
from mailstack.mailbox.imap.idle import Idler
from mailstack.mailbox.imap.mailbox_view import MailboxGone
from mailstack.mailbox.imap.message_steps import MessageSteps
from mailstack.mailbox.imap.notifications import Notifications
from mailstack.mailbox.imap.quota_commands import QuotaCommands
from mailstack.mailbox.imap.search import MessageSearch, Searcher
from mailstack.mailbox.imap.search_contexts import SearchContexts
from mailstack.mailbox.imap.selected import SelectedMailbox, may_expunge, send_slices
from mailstack.mailbox.imap.selection import Selection
from mailstack.mailbox.imap.service import ImapLimits, ImapService
from mailstack.mailbox.imap.sort import MessageValues, Sorter
from mailstack.mailbox.login import SessionEnded
from mailstack.protocols.connection import Peer, Woken
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import (
    Append,
    Capability,
    Close,
    Compress,
    Create,
    Delete,
    Enable,
    Expunge,
    Fetch,
    GetQuota,
    GetQuotaRoot,
    Id,
    Idle,
    ImapCopy,
    ImapEvent,
    ImapNoop,
    ImapRejected,
    ImapStatus,
    ListFolders,
    Logout,
    Lsub,
    Namespace,
    Rename,
    Replace,
    Search,
    Select,
    Sort,
    StoreFlags,
    Subscribe,
    Thread,
)
from mailstack.protocols.imap.notify_commands import Notify
from mailstack.protocols.imap.sequence_set import SequenceSet
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.protocols.imap.update_commands import CancelUpdate
from mailstack.store import StoreError

__all__ = ["ImapLimits", "ImapService", "serve"]

_log = logging.getLogger(__name__)


def _name(command: ImapEvent) -> str:
    """Name of a command, for texts."""
    match command:
        case ImapCopy(moves=True):
            return "MOVE"
        case Close(expunges=False):
            return "UNSELECT"
        case Select(read_only=True):
            return "EXAMINE"
        case ListFolders():
            return "LIST"
        case StoreFlags():
            return "STORE"
    return type(command).__name__.removeprefix("Imap").upper()


class ImapSession:
    """Session of a logged-in client."""

    def __init__(self, dialogue: ImapDialogue, service: ImapService, account: str) -> None:
        self._dialogue = dialogue
        self._service = service
        self._enabled = EnabledExtensions()
        self.folders = folders = FolderCommands(dialogue, service, account, self._enabled)
        self.list = FolderList(dialogue, folders, service.mailboxes)
        steps = MessageSteps(dialogue, service, account)
        self.selection = Selection(dialogue, service, folders, self._enabled, steps)
        self.flags = FlagStorage(dialogue, service.mailboxes, self._enabled, steps)
        self.fetcher = Fetcher(dialogue, service.mailboxes, self.flags, self._enabled)
        self.copies = MessageCopies(
            dialogue, folders, service.mailboxes, service.quota, steps, account=account, now=service.clock.now
        )
        self.appender = Appender(dialogue, service, folders, steps, account=account)
        self.quota = QuotaCommands(dialogue, folders, service.quota, account)
        messages = MessageSearch(dialogue, service.mailboxes, service.clock)
        values = MessageValues(dialogue, messages)
        self.contexts = SearchContexts(dialogue, messages.find, values.read)
        self.searcher = Searcher(dialogue, messages, self._enabled, self.contexts)
        self.sorter = Sorter(dialogue, messages, values, self.contexts)
        self.notifications = Notifications(
            dialogue, service.folders, service.mailboxes, service.views, account=account, enabled=self._enabled
        )
        self.idler = Idler(dialogue, service.clock, self._send_news)

    async def run(self) -> None:
        """Answers all commands. Raises SessionEnded."""
        while True:
            event = await self._dialogue.next(self._on_woken)
            if isinstance(event, ImapRejected):
                self._dialogue.reject(event)
            elif isinstance(event, Compress):
                self._dialogue.compress(event)
            elif isinstance(event, ImapNoop | Id | Logout):
                if isinstance(event, ImapNoop):
                    await self._send_news(event)
                answer_anywhere(self._dialogue, self._service, event)
            else:
                await self._perform(event)

    def close(self) -> None:
        """Leaves the selected mailbox."""
        self.notifications.end()
        self.selection.close()

    async def _on_woken(self) -> None:
        """Sends the news that NOTIFY asks for, between commands. Raises SessionEnded."""
        group = self.notifications.selected
        if self.selection.mailbox is not None and group is not None:
            await self._send_news(None, expunges=group.which == "SELECTED")
        else:
            await self._report_folders()

    async def _report_folders(self) -> None:
        selected = self.selection.mailbox
        if selected is not None and self.notifications.selected is not None:
            selected.view.wakers.add(self._dialogue.wake)
        await self.notifications.report("" if selected is None else selected.view.mailbox)

    async def notify(self, command: Notify) -> None:
        selected = self.selection.mailbox
        if selected is not None:
            selected.view.wakers.discard(self._dialogue.wake)
        await self.notifications.notify(command, "" if selected is None else selected.view.mailbox)

    async def _perform(self, command: ImapEvent) -> None:
        """Answers one command with its responses, the news of the mailbox, and the tagged response."""
        tag: str = command.tag  # type: ignore[union-attr]
        name = _name(command)
        try:
            handler = _HANDLERS.get(type(command))
            if handler is None:
                raise CommandRefused("the command is not supported", status="BAD")
            code = await handler(self, command)
        except REFUSED as error:
            refused = refusal(error, f"perform {name}")
            await self._send_news(command)
            self._dialogue.refuse(tag, refused)
        else:
            await self._send_news(command)
            self._dialogue.ok(tag, f"{name} completed", code or "")

    async def send_capabilities(self) -> None:
        names = capabilities_after_login(self._dialogue.limits)
        self._dialogue.send(responses.words("CAPABILITY", names))

    async def cancel_updates(self, command: CancelUpdate) -> None:
        self.contexts.cancel(command)

    async def enable(self, command: Enable) -> None:
        """ENABLE; an empty list follows if nothing was newly enabled (RFC 5161 §3.1)."""
        added = self._enabled.enable(command.extensions)
        for name in added:
            self._dialogue.engine.enabled(name)
        self._dialogue.send(responses.words("ENABLED", added))

    async def _send_news(self, command: ImapEvent | None, *, expunges: bool | None = None) -> None:
        """Sends what has changed in the selected mailbox, as far as the command permits it. Raises SessionEnded.

        None stands between commands; `expunges` is whether removals may be reported, if not by the command.
        """
        await self._report_folders()
        if expunges is None:
            expunges = command is not None and may_expunge(command)
        selected = self.selection.mailbox
        if selected is None or isinstance(command, Select):
            self._enabled.is_condstore_new = False
            self.contexts.clear()
            return
        await self._service.views.keep_removed(selected.view)
        try:
            if isinstance(command, ImapNoop) or not selected.view.is_current:
                await selected.view.refresh()
        except MailboxGone:
            self._dialogue.bye("the selected mailbox was removed", "UNAVAILABLE")
            raise SessionEnded from None
        except StoreError as error:
            _log.error("can't read the changes of %s: %s", selected.view.mailbox, error)
        if self._enabled.is_condstore_new:
            self._enabled.is_condstore_new = False
            code = f"HIGHESTMODSEQ {selected.modseq}"
            self._dialogue.send(responses.untagged_ok("CONDSTORE is enabled", code))
        if self.contexts:
            self.contexts.report_removals(selected)
        first_new = selected.count
        if selected.has_news:
            await send_slices(self._dialogue, selected.news(expunges=expunges))
            await selected.recent.claim(self._service.mailboxes, selected.known)
            self._dialogue.send(selected.recent.report())
            await self._fetch_new(first_new, selected)
        if self.contexts:
            await self.contexts.report_changes(selected)
        self._dialogue.send(selected.reported_modseq())

    async def _fetch_new(self, first: int, selected: SelectedMailbox) -> None:
        """Sends the items of new messages, from a position on, that NOTIFY asks for (RFC 5465 §5.2)."""
        group = self.notifications.selected
        if group is not None and group.items and selected.count > first:
            numbers = SequenceSet(((first + 1, selected.count),))
            with suppress(CommandRefused, StoreError):
                await self.fetcher.fetch(Fetch("*", numbers, group.items), selected)


Handler = Callable[[ImapSession, Any], Awaitable[str | None]]
"""Performs a command; returns its response code, None without one. Raises those of REFUSED, and SessionEnded."""

# For the process, and not for each session: thousands of sessions are idle at a time.
_HANDLERS: dict[type, Handler] = {
    Append: lambda session, command: session.appender.append(command),
    CancelUpdate: lambda session, command: session.cancel_updates(command),
    Capability: lambda session, _: session.send_capabilities(),
    Close: lambda session, command: session.selection.leave(command),
    Create: lambda session, command: session.folders.create(command),
    Delete: lambda session, command: session.folders.delete(command),
    Enable: lambda session, command: session.enable(command),
    Expunge: lambda session, command: session.copies.expunge(command, session.selection.current),
    Fetch: lambda session, command: session.fetcher.fetch(command, session.selection.current),
    GetQuota: lambda session, command: session.quota.get(command),
    GetQuotaRoot: lambda session, command: session.quota.get_root(command),
    Idle: lambda session, command: session.idler.idle(command, session.selection.mailbox),
    ImapCopy: lambda session, command: session.copies.copy(command, session.selection.current),
    ImapStatus: lambda session, command: session.folders.status(command),
    ListFolders: lambda session, command: session.list.list(command),
    Lsub: lambda session, command: session.list.lsub(command),
    Namespace: lambda session, _: session.folders.namespace(),
    Notify: lambda session, command: session.notify(command),
    Rename: lambda session, command: session.folders.rename(command),
    Replace: lambda session, command: session.appender.replace(command, session.selection.current),
    Search: lambda session, command: session.searcher.search(command, session.selection.current),
    Select: lambda session, command: session.selection.select(command),
    Sort: lambda session, command: session.sorter.sort(command, session.selection.current),
    StoreFlags: lambda session, command: session.flags.store(command, session.selection.current),
    Subscribe: lambda session, command: session.folders.subscribe(command),
    Thread: lambda session, command: session.sorter.thread(command, session.selection.current),
}


async def serve(
    peer: Peer[ImapEvent | Woken],
    engine: ImapServerEngine,
    service: ImapService,
    *,
    log_out: Callable[[], None] = lambda: None,
) -> None:
    """Serves one connection until it ends, and closes it. `log_out` is called when the login becomes invalid."""
    dialogue = ImapDialogue(peer, engine, service.limits, service.clock, service.pause)
    authorization = ImapAuthorization(dialogue, service, log_out)
    try:
        authorization.greet()
        session = ImapSession(dialogue, service, await authorization.login())
        try:
            await session.run()
        finally:
            session.close()
    except SessionEnded:
        pass
    finally:
        authorization.close()
        peer.close()
