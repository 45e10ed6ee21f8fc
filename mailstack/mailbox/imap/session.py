"""IMAP session, from greeting to logout (RFC 3501 §3, §6)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
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
from mailstack.mailbox.imap.quota_commands import QuotaCommands
from mailstack.mailbox.imap.search import MessageSearch, Searcher
from mailstack.mailbox.imap.selected import may_expunge, send_slices
from mailstack.mailbox.imap.selection import Selection
from mailstack.mailbox.imap.service import ImapLimits, ImapService
from mailstack.mailbox.login import SessionEnded
from mailstack.protocols.connection import Peer, Woken
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import (
    Append,
    Capability,
    Close,
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
    Search,
    Select,
    StoreFlags,
    Subscribe,
)
from mailstack.protocols.imap.server import ImapServerEngine
from mailstack.store import StoreError

__all__ = ["ImapLimits", "ImapService", "serve"]

_log = logging.getLogger(__name__)


Handler = Callable[[Any], Awaitable[str | None]]
"""Performs a command; returns its response code, None without one. Raises those of REFUSED, and SessionEnded."""


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


async def _refuse_unsupported(_: object) -> None:
    raise CommandRefused("the command is not supported", status="BAD")


class ImapSession:
    """Session of a logged-in client."""

    def __init__(self, dialogue: ImapDialogue, service: ImapService, account: str) -> None:
        self._dialogue = dialogue
        self._service = service
        self._enabled = EnabledExtensions()
        self._folders = folders = FolderCommands(dialogue, service, account, self._enabled)
        self._list = FolderList(dialogue, folders, service.mailboxes)
        self._selection = Selection(dialogue, service, folders, self._enabled)
        self._flags = FlagStorage(dialogue, service.mailboxes, self._enabled)
        self._fetcher = Fetcher(dialogue, service.mailboxes, self._flags, self._enabled)
        self._copies = MessageCopies(
            dialogue, folders, service.mailboxes, service.quota, account=account, now=service.clock.now
        )
        self._appender = Appender(dialogue, service, folders, account)
        self._quota = QuotaCommands(dialogue, folders, service.quota, account)
        self._searcher = Searcher(dialogue, MessageSearch(dialogue, service.mailboxes, service.clock), self._enabled)
        self._idler = Idler(dialogue, service.clock, self._send_news)
        self._handlers = {**self._folder_handlers(), **self._message_handlers()}

    def _folder_handlers(self) -> dict[type, Handler]:
        """Handlers of the commands that need no selected mailbox."""
        return {
            Append: self._appender.append,
            Capability: self._send_capabilities,
            Create: self._folders.create,
            Delete: self._folders.delete,
            Enable: self._enable,
            GetQuota: self._quota.get,
            GetQuotaRoot: self._quota.get_root,
            Idle: lambda command: self._idler.idle(command, self._selection.mailbox),
            ImapStatus: self._folders.status,
            ListFolders: self._list.list,
            Lsub: self._list.lsub,
            Namespace: self._folders.namespace,
            Rename: self._folders.rename,
            Select: self._selection.select,
            Subscribe: self._folders.subscribe,
        }

    def _message_handlers(self) -> dict[type, Handler]:
        """Handlers of the commands on the selected mailbox."""
        selection = self._selection
        return {
            Close: selection.leave,
            Expunge: lambda command: self._copies.expunge(command, selection.current),
            Fetch: lambda command: self._fetcher.fetch(command, selection.current),
            ImapCopy: lambda command: self._copies.copy(command, selection.current),
            Search: lambda command: self._searcher.search(command, selection.current),
            StoreFlags: lambda command: self._flags.store(command, selection.current),
        }

    async def run(self) -> None:
        """Answers all commands. Raises SessionEnded."""
        while True:
            event = await self._dialogue.next()
            if isinstance(event, ImapRejected):
                self._dialogue.reject(event)
            elif isinstance(event, ImapNoop | Id | Logout):
                if isinstance(event, ImapNoop):
                    await self._send_news(event)
                answer_anywhere(self._dialogue, self._service, event)
            else:
                await self._perform(event)

    def close(self) -> None:
        """Leaves the selected mailbox."""
        self._selection.close()

    async def _perform(self, command: ImapEvent) -> None:
        """Answers one command with its responses, the news of the mailbox, and the tagged response."""
        tag: str = command.tag  # type: ignore[union-attr]
        name = _name(command)
        handler = self._handlers.get(type(command), _refuse_unsupported)
        try:
            code = await handler(command)
        except REFUSED as error:
            refused = refusal(error, f"perform {name}")
            await self._send_news(command)
            self._dialogue.refuse(tag, refused)
        else:
            await self._send_news(command)
            self._dialogue.ok(tag, f"{name} completed", code or "")

    async def _send_capabilities(self, _: Capability) -> None:
        names = capabilities_after_login(self._dialogue.limits.message_size)
        self._dialogue.send(responses.words("CAPABILITY", names))

    async def _enable(self, command: Enable) -> None:
        """ENABLE; an empty list follows if nothing was newly enabled (RFC 5161 §3.1)."""
        added = self._enabled.enable(command.extensions)
        for name in added:
            self._dialogue.engine.enabled(name)
        self._dialogue.send(responses.words("ENABLED", added))

    async def _send_news(self, command: ImapEvent) -> None:
        """Sends what has changed in the selected mailbox, as far as the command permits it. Raises SessionEnded."""
        selected = self._selection.mailbox
        if selected is None or isinstance(command, Select):
            return
        try:
            if selected.view.is_stale or isinstance(command, ImapNoop):
                await selected.view.refresh()
        except MailboxGone:
            self._dialogue.bye("the selected mailbox was removed", "UNAVAILABLE")
            raise SessionEnded from None
        except StoreError as error:
            _log.error("can't read the changes of %s: %s", selected.view.mailbox, error)
        if selected.has_news:
            await send_slices(self._dialogue, selected.news(expunges=may_expunge(command)))


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
