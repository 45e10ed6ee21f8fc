"""POP3 mailbox with all letters, for the logins of a password file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailstack.letter.connection import HostPort
from mailstack.letter.step import Step
from mailstack.mailbox.index.items import ItemFilter
from mailstack.mailbox.index.letter_index import LetterIndex
from mailstack.protocols.sasl import AccountLogin, Authenticator, Credentials, Proof, ScramKeys
from mailstack.store import Entry, Maildrop, Store
from mailstack.store.archive import ARCHIVE

AT_ONCE = 1000
"""Letters that are listed by one question to the store."""


class SharedReaders:
    """A sasl.Authenticator: `named` decides about its own, whose mailbox is then the archive, and `others` about all others."""

    def __init__(self, names: Sequence[str], named: Authenticator, others: Authenticator) -> None:
        self._names = frozenset(names)
        self._named = named
        self._others = others

    @property
    def kinds(self) -> frozenset[type[Proof]]:
        """Those of all others; `named` knows passwords alone."""
        return self._others.kinds

    async def login(self, proof: Proof, remote: HostPort) -> AccountLogin:
        if isinstance(proof, Credentials) and proof.username in self._names:
            await self._named.login(proof, remote)
            return AccountLogin(ARCHIVE)
        return await self._others.login(proof, remote)

    async def scram_keys(self, username: str) -> ScramKeys:
        """Those that are named have none."""
        return await self._others.scram_keys(username)


class SharedInbox:
    """The store as sessions of POP3 see it: the archive is what the index shows of it, and nobody holds it for himself."""

    def __init__(self, store: Store, index: LetterIndex) -> None:
        self._store = store
        self._index = index

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def open_maildrop(self, mailbox: str, owner: str) -> Maildrop:
        if mailbox != ARCHIVE:
            return await self._store.open_maildrop(mailbox, owner)
        await self._index.up_to_date()
        entries: list[Entry] = []
        last = 0
        while some := await self._store.entries(ARCHIVE, last, AT_ONCE):
            last = some[-1].uid
            shown = await self._index.listed(ItemFilter(numbers=tuple(entry.uid for entry in some)), AT_ONCE)
            numbers = {item.number for item in shown.items}
            entries += [entry for entry in some if entry.uid in numbers]
        return Maildrop(ARCHIVE, 1, entries)

    async def release_maildrop(self, mailbox: str, owner: str) -> None:
        if mailbox != ARCHIVE:
            await self._store.release_maildrop(mailbox, owner)

    async def update_maildrop(
        self, mailbox: str, *, collected: Sequence[int], deleted: Sequence[int], steps: Sequence[Step]
    ) -> list[Step]:
        """What is deleted here is deleted for the pages too, and can be brought back there for a while."""
        if mailbox != ARCHIVE:
            return await self._store.update_maildrop(mailbox, collected=collected, deleted=deleted, steps=steps)
        if deleted:
            await self._index.soft_delete(ItemFilter(numbers=tuple(deleted)))
        return await self._store.update_maildrop(ARCHIVE, collected=collected, deleted=(), steps=steps)
