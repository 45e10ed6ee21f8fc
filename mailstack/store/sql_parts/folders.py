"""Folders in the database: names, special uses and subscriptions."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from mailstack.letter import LetterId, new_letter_id
from mailstack.store import rows
from mailstack.store.batch import ReaderPool, Transaction, WriterPool
from mailstack.store.connection import Connection
from mailstack.store.folders import (
    INBOX,
    SEPARATOR,
    Folder,
    FolderExists,
    FolderHasChildren,
    FolderRefused,
    NoSuchFolder,
    ascii_lower,
    names_below,
)
from mailstack.store.sql_parts import imap_copies, removals

FOLDER = ("path", "mailbox", "use", "subscribed")
_NAMES = 20
"""Folders with names that differ in case alone, of which an address may name one."""
_LIST = f"SELECT {', '.join(FOLDER)} FROM folders WHERE account = ? ORDER BY path"  # noqa: S608  # our own names
_NAMED = f"""SELECT {", ".join(FOLDER)} FROM folders WHERE account = ? AND (path = ? OR LOWER(path) = ?)
    AND mailbox <> '' AND use = '' ORDER BY path <> ?, path LIMIT {_NAMES}"""  # noqa: S608  # our own names
_WITH_USE = f"""SELECT {", ".join(FOLDER)} FROM folders WHERE account = ? AND use = ? AND mailbox <> ''
    ORDER BY path LIMIT 1"""  # noqa: S608  # our own names
_INSERT = "INSERT INTO folders (account, path, mailbox, use, subscribed) VALUES (?, ?, ?, ?, ?)"
_PUT = f"""{_INSERT} ON CONFLICT (account, path)
    DO UPDATE SET mailbox = excluded.mailbox, use = excluded.use"""
_SUBSCRIBE = f"{_INSERT} ON CONFLICT (account, path) DO UPDATE SET subscribed = excluded.subscribed"
_DELETE = "DELETE FROM folders WHERE account = ? AND path = ?"
_DELETE_ALL = "DELETE FROM folders WHERE account = ?"
_DELETE_UNSUBSCRIBED = "DELETE FROM folders WHERE account = ? AND path = ? AND mailbox = '' AND subscribed = 0"
_NEW_MAILBOX = "INSERT INTO mailboxes (name, validity, next_uid) VALUES (?, ?, 1) ON CONFLICT (name) DO NOTHING"
_LAST_VALIDITY = "SELECT MAX(validity) FROM mailboxes WHERE name > ? AND name < ?"
_REMOVED = "SELECT name FROM mailboxes WHERE name > ? AND name < ? ORDER BY name LIMIT 1"
_RENAME_MAILBOX = "UPDATE mailboxes SET name = ?, validity = ? WHERE id = ?"
_LETTERS = """SELECT DISTINCT letter FROM (SELECT e.letter AS letter FROM {source}
    JOIN entries AS e ON e.mailbox = m.id WHERE {condition} ORDER BY COALESCE(e.saved, e.at) DESC LIMIT ?) AS found"""
_FOLDER_MAILBOXES = "folders AS f JOIN mailboxes AS m ON m.name = f.mailbox"
_HAS_NAME = "f.mailbox <> '' AND (f.path = ? OR LOWER(f.path) = ? OR LOWER(f.use) = ?)"
# INBOX has no row before the first login over IMAP.
_IS_INBOX = "m.name LIKE '%@%' AND m.name NOT LIKE '%@%/%'"


class SqlFolders:
    """See `mailstack.store.folders.FolderStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool) -> None:
        self._readers = readers
        self._writer = writer

    async def list(self, account: str) -> list[Folder]:
        return await self._readers.do(lambda connection: _listed(account, _folders(connection, account)))

    async def named(self, account: str, name: str) -> Folder | None:
        wanted = unicodedata.normalize("NFC", name)
        return await self._readers.do(lambda connection: _named(connection, account, wanted)) if wanted else None

    async def with_use(self, account: str, use: str) -> Folder | None:
        return await self._readers.do(lambda connection: _with_use(connection, account, use))

    async def prepare(self, account: str, folders: Sequence[Folder], now: float) -> None:
        found = await self._readers.do(lambda connection: _folders(connection, account))
        if not any(folder.path == INBOX for folder in found):
            await self._change(partial(_prepare, folders=tuple(folders)), account, now)

    async def create(self, account: str, path: str, now: float, use: str = "") -> Folder:
        created: Folder = await self._change(partial(_create, path=path, use=use), account, now)
        return created

    async def remove(self, account: str, path: str) -> None:
        await self._change(partial(_remove, path=path), account, 0.0)

    async def rename(self, account: str, path: str, to: str, now: float) -> None:
        await self._change(partial(_rename, path=path, to=to), account, now)

    async def letters_in(self, name: str, account: str | None, limit: int) -> Sequence[LetterId]:
        return await self._readers.do(lambda connection: _letters_in(connection, name, account, limit))

    async def subscribe(self, account: str, path: str, *, on: bool) -> None:
        await self._change(partial(_subscribe, path=path, on=on), account, 0.0)

    async def _change(self, change: Callable[[_Account], Any], account: str, now: float) -> Any:
        def perform(transaction: Transaction) -> Any:
            result = change(_Account(transaction, account, now))
            # The mailbox of INBOX stands for the names: sessions with NOTIFY list them again.
            transaction.changed.add(account)
            return result

        return await self._writer.do(perform)


def _letters_in(connection: Connection, name: str, account: str | None, limit: int) -> list[LetterId]:
    lower = name.lower()
    owner = () if account is None else (account,)
    if lower == INBOX.lower():
        condition = _IS_INBOX if account is None else "m.name = ?"
        statement, values = _LETTERS.format(source="mailboxes AS m", condition=condition), owner
    else:
        condition = _HAS_NAME if account is None else f"{_HAS_NAME} AND f.account = ?"
        statement = _LETTERS.format(source=_FOLDER_MAILBOXES, condition=condition)
        values = (name, lower, f"\\{lower}", *owner)
    found = connection.execute(statement, (*values, limit)).fetchall()
    return rows.checked("entries", "letter", lambda: [LetterId(rows.text(letter)) for (letter,) in found])


def _folders(connection: Connection, account: str) -> list[Folder]:
    found = connection.fetch(_LIST, FOLDER, (account,))
    return rows.checked("folders", account, lambda: [_folder(row) for row in found])


def _named(connection: Connection, account: str, name: str) -> Folder | None:
    """The first folder of a name. LOWER of other letters than those of ASCII is not the same in all databases."""
    lower = ascii_lower(name)
    found = connection.fetch(_NAMED, FOLDER, (account, name, lower, name))
    folders = rows.checked("folders", account, lambda: [_folder(row) for row in found])
    return next((folder for folder in folders if ascii_lower(folder.path) == lower), None)


def _with_use(connection: Connection, account: str, use: str) -> Folder | None:
    found = connection.fetch(_WITH_USE, FOLDER, (account, use))
    return rows.checked("folders", account, lambda: _folder(found[0])) if found else None


def _folder(row: Sequence[object]) -> Folder:
    path, mailbox, use, subscribed = row
    return Folder(rows.text(path), rows.text(mailbox), rows.text(use), bool(subscribed))


def _listed(account: str, folders: Sequence[Folder]) -> list[Folder]:
    """INBOX first, with the account as its mailbox."""
    inbox = next((folder for folder in folders if folder.path == INBOX), Folder(INBOX, account, is_subscribed=True))
    return [inbox, *(folder for folder in folders if folder.path != INBOX)]


class _Account:
    """Folders of one account in a transaction, which locks the mailbox of INBOX against concurrent changes."""

    def __init__(self, transaction: Transaction, account: str, now: float) -> None:
        self.transaction = transaction
        self.account = account
        self.now = now
        held = removals.hold(transaction, account)
        if held is None and now:
            transaction.execute(_NEW_MAILBOX, (account, max(1, int(now))))
            held = removals.hold_existing(transaction, account)
        self._inbox_validity = 0 if held is None else held.validity
        self.folders = {folder.path: folder for folder in _folders(transaction.connection, account)}

    def mailbox_of(self, path: str) -> str:
        """Mailbox of an existing folder. Raises NoSuchFolder."""
        folder = self.folders.get(path)
        mailbox = self.account if path == INBOX else folder.mailbox if folder is not None else ""
        if not mailbox:
            raise NoSuchFolder(path)
        return mailbox

    def exists(self, path: str) -> bool:
        return path == INBOX or (path in self.folders and bool(self.folders[path].mailbox))

    def below(self, path: str) -> list[Folder]:
        """Existing folders below a path."""
        start = path + SEPARATOR
        return [folder for folder in self.folders.values() if folder.mailbox and folder.path.startswith(start)]

    def put(self, path: str, mailbox: str, use: str = "", *, subscribed: bool = False) -> Folder:
        """Add a folder, or give a subscribed name its mailbox."""
        folder = self.folders.get(path)
        subscribed = subscribed or (folder is not None and folder.is_subscribed)
        self.transaction.execute(_PUT, (self.account, path, mailbox, use, int(subscribed)))
        self.folders[path] = Folder(path, mailbox, use, subscribed)
        return self.folders[path]

    def create(self, path: str, use: str = "", *, subscribed: bool = False) -> Folder:
        """Add a folder with a new mailbox, and its missing parents."""
        self.create_parents(path)
        return self.put(path, self.new_mailbox(), use, subscribed=subscribed)

    def create_parents(self, path: str) -> None:
        parent = path.rpartition(SEPARATOR)[0]
        if parent and not self.exists(parent):
            self.create(parent)

    def vacate(self, path: str) -> None:
        """Take the mailbox from a name; the name stays while it is subscribed."""
        self.transaction.execute(_PUT, (self.account, path, "", "", 0))
        self.transaction.execute(_DELETE_UNSUBSCRIBED, (self.account, path))

    def new_mailbox(self) -> str:
        """Name of a new mailbox with a greater validity than any before of the account.

        The row of a removed mailbox is used again, so that their number is bounded; its uids go on.
        """
        name = f"{self.account}{SEPARATOR}{new_letter_id(self.now)}"
        ((last,),) = self.transaction.execute(_LAST_VALIDITY, names_below(self.account)).fetchall()
        validity = max(int(self.now), (last or 0) + 1, self._inbox_validity + 1)
        removed = self.transaction.execute(_REMOVED, names_below(f"{self.account}{SEPARATOR}")).fetchall()
        if removed:
            held = removals.hold_existing(self.transaction, removed[0][0])
            self.transaction.execute(_RENAME_MAILBOX, (name, validity, held.id))
        else:
            self.transaction.execute(_NEW_MAILBOX, (name, validity))
        return name

    def discard(self, mailbox: str) -> None:
        """Remove a mailbox with its messages."""
        held = removals.hold(self.transaction, mailbox)
        if held is None:
            return
        self.transaction.drop_contents(removals.empty(self.transaction, held))
        name = f"{self.account}{SEPARATOR}{SEPARATOR}{held.id}"
        self.transaction.execute(_RENAME_MAILBOX, (name, held.validity, held.id))


def remove_all(transaction: Transaction, account: str) -> None:
    """Remove the folders of an account with their messages, but for INBOX."""
    if not _folders(transaction.connection, account):
        return
    found = _Account(transaction, account, 0.0)
    for folder in found.folders.values():
        if folder.mailbox and folder.path != INBOX:
            found.discard(folder.mailbox)
    transaction.execute(_DELETE_ALL, (account,))


def _prepare(account: _Account, folders: Sequence[Folder]) -> None:
    if INBOX in account.folders:
        return
    account.put(INBOX, account.account, subscribed=True)
    for folder in folders:
        if not account.exists(folder.path):
            account.create(folder.path, folder.use, subscribed=folder.is_subscribed)


def _create(account: _Account, path: str, use: str) -> Folder:
    if account.exists(path):
        raise FolderExists(path)
    return account.create(path, use)


def _remove(account: _Account, path: str) -> None:
    mailbox = account.mailbox_of(path)
    if path == INBOX:
        raise FolderRefused("INBOX can't be removed")
    if account.below(path):
        raise FolderHasChildren(path)
    account.vacate(path)
    account.discard(mailbox)


def _rename(account: _Account, path: str, to: str) -> None:
    mailbox = account.mailbox_of(path)
    moves = [(folder, to + folder.path[len(path) :]) for folder in account.below(path)] if path != INBOX else []
    for target in (to, *(target for _, target in moves)):
        if account.exists(target):
            raise FolderExists(target)
    if path == INBOX:
        target = account.create(to).mailbox
        imap_copies.move_all(account.transaction, account.account, target, account.now)
        return
    account.create_parents(to)
    for folder, target in [(account.folders[path], to), *moves]:
        account.vacate(folder.path)
        account.put(target, folder.mailbox, folder.use)
    account.transaction.changed.add(mailbox)


def _subscribe(account: _Account, path: str, *, on: bool) -> None:
    if path == INBOX and INBOX not in account.folders:
        account.put(INBOX, account.account, subscribed=True)
    mailbox = account.folders[path].mailbox if path in account.folders else ""
    account.transaction.execute(_SUBSCRIBE, (account.account, path, mailbox, "", int(on)))
    account.transaction.execute(_DELETE_UNSUBSCRIBED, (account.account, path))
