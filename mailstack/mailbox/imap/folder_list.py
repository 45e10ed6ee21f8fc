"""LIST with its extensions, and LSUB (RFC 3501 §6.3.8, RFC 5258)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from msgspec import Struct

from mailstack.mailbox.imap.dialogue import CommandRefused, ImapDialogue
from mailstack.mailbox.imap.folders import FolderCommands
from mailstack.protocols.imap import responses
from mailstack.protocols.imap.commands import ListFolders, Lsub
from mailstack.protocols.imap.list_options import ListOptions
from mailstack.protocols.imap.list_patterns import ListPattern
from mailstack.store import MailboxStore
from mailstack.store.folders import SEPARATOR, Folder

SLICE = 200
"""Names that are matched in one turn of the reactor."""


class ListEntry(Struct):
    """Line of LIST."""

    folder: Folder
    attributes: list[str]
    child_info: tuple[str, ...] = ()
    is_parent_only: bool = False
    """Whether it is there for names below it alone (RECURSIVEMATCH)."""


class FolderList:
    """LIST and LSUB of one session."""

    def __init__(self, dialogue: ImapDialogue, folders: FolderCommands, mailboxes: MailboxStore) -> None:
        self._dialogue = dialogue
        self._folders = folders
        self._mailboxes = mailboxes

    async def list(self, command: ListFolders) -> None:
        """LIST. Raises CommandRefused, StoreError."""
        if command.patterns == ("",) and not command.options.is_extended:
            self._dialogue.send(responses.list_separator())
            return
        patterns = _patterns(command.reference, command.patterns)
        folders = await self._folders.all()
        entries = _entries(folders, command.options)
        listed: list[Folder] = []
        parents: list[ListEntry] = []
        while batch := list(islice(entries, SLICE)):
            for entry in batch:
                if any(pattern.matches(entry.folder.path) for pattern in patterns):
                    if entry.is_parent_only:
                        parents.append(entry)
                        continue
                    listed.append(entry.folder)
                    self._send(entry.attributes, entry.folder.path, child_info=entry.child_info)
            await self._let_others_run(len(batch) == SLICE)
        for entry in _needed(parents, folders, {folder.path for folder in listed}):
            listed.append(entry.folder)
            self._send(entry.attributes, entry.folder.path, child_info=entry.child_info)
        if command.options.status:
            await self._send_statuses([folder for folder in listed if folder.mailbox], command.options.status)

    async def lsub(self, command: Lsub) -> None:
        r"""LSUB: subscribed names, and with % \Noselect parents of subscribed names (RFC 3501 §6.3.9)."""
        if not command.pattern:
            self._dialogue.send(responses.list_separator("LSUB"))
            return
        (pattern,) = _patterns(command.reference, (command.pattern,))
        subscribed = [folder.path for folder in await self._folders.all() if folder.is_subscribed]
        names = set(subscribed)
        parents: set[str] = set()
        for start, path in enumerate(subscribed):
            if start % SLICE == 0:
                await self._let_others_run(start)
            if pattern.matches(path):
                self._send([], path, command="LSUB")
            elif command.pattern.endswith("%"):
                for parent in _parents(path):
                    if parent not in names and parent not in parents and pattern.matches(parent):
                        parents.add(parent)
                        self._send(["\\Noselect"], parent, command="LSUB")

    async def _let_others_run(self, is_long: int) -> None:
        if is_long:
            await self._dialogue.pause(0)
        await self._dialogue.drain()

    def _send(
        self, attributes: Sequence[str], path: str, *, command: str = "LIST", child_info: Sequence[str] = ()
    ) -> None:
        utf8 = self._dialogue.engine.utf8
        self._dialogue.send(responses.list_line(attributes, path, utf8=utf8, command=command, child_info=child_info))

    async def _send_statuses(self, folders: Sequence[Folder], items: Sequence[str]) -> None:
        """STATUS of all listed folders, by one query (RFC 5819 §2)."""
        found = await self._mailboxes.statuses([folder.mailbox for folder in folders])
        recent = await self._folders.recent_counts(folders, items)
        for at, folder in enumerate(folders):
            if at % SLICE == 0:
                await self._let_others_run(at)
            self._folders.send_status(folder, found.get(folder.mailbox), items, recent.get(folder.mailbox, 0))


def _patterns(reference: str, patterns: Sequence[str]) -> list[ListPattern]:
    """Raises CommandRefused for a pattern that is too long."""
    try:
        return [ListPattern(reference, pattern) for pattern in patterns]
    except ValueError as error:
        raise CommandRefused(str(error), "LIMIT") from None


def _entries(folders: Sequence[Folder], options: ListOptions) -> Iterator[ListEntry]:
    """Entries that meet the selection options, before patterns are matched."""
    parents = {parent for folder in folders if folder.mailbox for parent in _parents(folder.path)}
    with_subscribed = {parent for folder in folders if folder.is_subscribed for parent in _parents(folder.path)}
    is_recursive = "RECURSIVEMATCH" in options.select
    shows_subscribed = bool({"SUBSCRIBED"} & (options.select | options.returns))
    names = set()
    for folder in folders:
        names.add(folder.path)
        has_child = is_recursive and folder.path in with_subscribed
        is_selected = _is_selected(folder, options)
        if is_selected or (has_child and folder.mailbox):
            attributes = _attributes(folder, has_children=folder.path in parents, shows_subscribed=shows_subscribed)
            yield ListEntry(folder, attributes, ("SUBSCRIBED",) if has_child else (), not is_selected)
    if is_recursive:
        for path in sorted(with_subscribed - names):
            yield ListEntry(Folder(path), ["\\NonExistent", "\\HasChildren"], ("SUBSCRIBED",), True)


def _needed(parents: Sequence[ListEntry], folders: Sequence[Folder], listed: set[str]) -> Iterator[ListEntry]:
    """Parents of subscribed names that are not listed themselves (RFC 5258 §3.5)."""
    hidden = {
        parent
        for folder in folders
        if folder.is_subscribed and folder.path not in listed
        for parent in _parents(folder.path)
    }
    return (entry for entry in parents if entry.folder.path in hidden)


def _is_selected(folder: Folder, options: ListOptions) -> bool:
    if "SPECIAL-USE" in options.select and not folder.use:
        return False
    return folder.is_subscribed if "SUBSCRIBED" in options.select else bool(folder.mailbox)


def _attributes(folder: Folder, *, has_children: bool, shows_subscribed: bool) -> list[str]:
    attributes = [] if folder.mailbox else ["\\NonExistent"]
    attributes.append("\\HasChildren" if has_children else "\\HasNoChildren")
    if shows_subscribed and folder.is_subscribed:
        attributes.append("\\Subscribed")
    if folder.use and folder.mailbox:
        attributes.append(folder.use)
    return attributes


def _parents(path: str) -> Iterator[str]:
    """Names above a name, the nearest first."""
    while SEPARATOR in path:
        path = path.rpartition(SEPARATOR)[0]
        yield path
