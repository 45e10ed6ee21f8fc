"""Accounts and aliases, in the database. Each change refuses before it has changed anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from mailstack.store import Account, AppPassword, Conflict, StoreError, maildrop_writes, queries, rows, sql
from mailstack.store.batch import ReaderPool, Transaction, WriterPool
from mailstack.store.connection import ChangeMark, Connection
from mailstack.store.content_cache import ContentCache

T = TypeVar("T")
Change = Callable[[Transaction], None]

_AT_ONCE = sql.MAX_PARAMETERS // 2


class StoredAddresses:
    """The part of `mailstack.store.Store` that keeps them. What was asked lately is not asked again."""

    _readers: ReaderPool
    _writer: WriterPool
    _addresses: ChangeMark | None
    _accounts: ContentCache[Account | None]
    _aliases: ContentCache[tuple[str, ...] | None]

    async def account(self, address: str) -> Account | None:
        return await self._believed(self._accounts, address, queries.account)

    async def reread_account(self, address: str) -> Account | None:
        return await self._read_anew(self._accounts, address, queries.account)

    async def alias(self, address: str) -> tuple[str, ...] | None:
        return await self._believed(self._aliases, address, queries.alias)

    async def _believed(self, recent: ContentCache[T], address: str, look_up: Callable[[Connection, str], T]) -> T:
        if known := recent.get(address):
            return known[0]
        return await self._read_anew(recent, address, look_up)

    async def _read_anew(self, recent: ContentCache[T], address: str, look_up: Callable[[Connection, str], T]) -> T:
        age = recent.age
        answer = await self._readers.do(lambda connection: look_up(connection, address))
        recent.add(address, answer, age)
        return answer

    async def _change_addresses(self, change: Change) -> None:
        mark = self._addresses
        if mark is None:
            await self._writer.do(change)
        else:
            await self._writer.do(partial(_marked, change=change, mark=mark))
            mark.set()
        self._believe_nothing()

    def _believe_nothing(self) -> None:
        """What was read of accounts and aliases may be wrong by now."""
        self._accounts.forget()
        self._aliases.forget()

    async def accounts(self) -> list[Account]:
        return await self._readers.do(queries.accounts)

    async def credentials(self, addresses: Sequence[str]) -> dict[str, str]:
        wanted = tuple(addresses)
        return await self._readers.do(lambda connection: queries.credentials(connection, wanted))

    def accounts_version(self) -> object:
        return None if self._addresses is None else self._addresses.seen()

    async def scram_iterations(self) -> dict[int, int]:
        return await self._readers.do(queries.scram_iterations)

    async def end_sessions(self, address: str) -> None:
        await self._change_addresses(partial(_end_sessions, address=address))

    async def log_out(self, session: str, until: float, now: float) -> None:
        await self._change_addresses(partial(_log_out, session=session, until=until, now=now))

    async def logged_out(self, sessions: Sequence[str]) -> set[str]:
        wanted = tuple(sessions)
        return await self._readers.do(lambda connection: queries.logged_out(connection, wanted))

    async def add_accounts(self, accounts: Sequence[Account]) -> None:
        await self._change_addresses(partial(_add_accounts, accounts=tuple(accounts)))

    async def set_password(self, address: str, password_hash: bytes, scram: str = "") -> None:
        await self._change_addresses(partial(_set_password, address=address, password_hash=password_hash, scram=scram))

    async def keep_scram(self, address: str, password_hash: bytes, scram: str) -> None:
        await self._change_addresses(partial(_keep_scram, address=address, password_hash=password_hash, scram=scram))

    async def app_passwords(self, address: str) -> list[AppPassword]:
        return await self._readers.do(lambda connection: queries.app_passwords(connection, address))

    async def add_app_password(self, password: AppPassword) -> None:
        await self._writer.do(partial(_add_app_password, password=password))

    async def remove_app_password(self, address: str, name: str) -> None:
        await self._change_addresses(partial(_remove_app_password, address=address, name=name))

    async def set_quota(self, address: str, quota: int | None) -> None:
        await self._change_addresses(partial(_set_quota, address=address, quota=quota))

    async def remove_account(self, address: str) -> None:
        await self._change_addresses(partial(_remove_account, address=address))

    async def aliases(self) -> list[tuple[str, tuple[str, ...]]]:
        return await self._readers.do(queries.aliases)

    async def aliases_to(self, target: str) -> list[str]:
        return await self._readers.do(lambda connection: queries.aliases_to(connection, target))

    async def set_alias(self, address: str, targets: Sequence[str]) -> None:
        await self._change_addresses(partial(_set_alias, address=address, targets=tuple(targets)))

    async def remove_alias(self, address: str) -> None:
        await self._change_addresses(partial(_remove_alias, address=address))


def _marked(transaction: Transaction, change: Change, mark: ChangeMark) -> None:
    """The change, and the mark before it is committed."""
    change(transaction)
    mark.set()


def _add_accounts(transaction: Transaction, accounts: Sequence[Account]) -> None:
    """All or none; Conflict names the first that is there."""
    names = [account.address for account in accounts]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Conflict(f"{name} is given twice")
        seen.add(name)
    for start in range(0, len(names), _AT_ONCE):
        _refuse_taken(transaction, names[start : start + _AT_ONCE])
    flat = [
        value
        for account in accounts
        for value in (
            account.address,
            account.password_hash,
            account.created,
            account.quota,
            account.scram,
            account.epoch,
        )
    ]
    transaction.insert("accounts", sql.ACCOUNT, flat)


def _refuse_taken(transaction: Transaction, names: Sequence[str]) -> None:
    there = {name for (name,) in transaction.execute(sql.taken(len(names)), (*names, *names))}
    for name in names:
        if name in there:
            raise Conflict(f"{name} is there already")


def _set_password(transaction: Transaction, address: str, password_hash: bytes, scram: str) -> None:
    if not transaction.execute(sql.SET_PASSWORD, (password_hash, scram, address)).rowcount:
        raise KeyError(address)


def _set_quota(transaction: Transaction, address: str, quota: int | None) -> None:
    if not transaction.execute(sql.SET_QUOTA, (quota, address)).rowcount:
        raise KeyError(address)


def _keep_scram(transaction: Transaction, address: str, password_hash: bytes, scram: str) -> None:
    """Unless the password has changed meanwhile."""
    transaction.execute(sql.KEEP_SCRAM, (scram, address, password_hash))


def _add_app_password(transaction: Transaction, password: AppPassword) -> None:
    """For an account that is there."""
    if not transaction.execute(sql.ACCOUNT_OF, (password.address,)).fetchall():
        raise KeyError(password.address)
    if transaction.execute(sql.APP_PASSWORD_OF, (password.address, password.name)).fetchall():
        raise Conflict(f"{password.address} has an app password {password.name!r} already")
    flat = [password.address, password.name, password.digest, password.created]
    transaction.insert("app_passwords", sql.APP_PASSWORD, flat)


def _remove_app_password(transaction: Transaction, address: str, name: str) -> None:
    if not transaction.execute(sql.REMOVE_APP_PASSWORD, (address, name)).rowcount:
        raise KeyError(name)
    transaction.execute(sql.END_SESSIONS, (address,))


def _end_sessions(transaction: Transaction, address: str) -> None:
    if not transaction.execute(sql.END_SESSIONS, (address,)).rowcount:
        raise KeyError(address)


def _log_out(transaction: Transaction, session: str, until: float, now: float) -> None:
    transaction.execute(sql.FORGET_LOGOUTS, (now,))
    transaction.execute(sql.LOG_OUT, (session, until))


def _remove_account(transaction: Transaction, address: str) -> None:
    """With its mailbox."""
    if not transaction.execute(sql.REMOVE_ACCOUNT, (address,)).rowcount:
        raise KeyError(address)
    transaction.execute(sql.REMOVE_APP_PASSWORDS, (address,))
    maildrop_writes.empty(transaction, address)


def _set_alias(transaction: Transaction, address: str, targets: Sequence[str]) -> None:
    """In place of the alias of before."""
    if transaction.execute(sql.ACCOUNT_OF, (address,)).fetchall():
        raise Conflict(f"{address} is an account")
    if not targets:
        raise StoreError(f"the alias {address} leads nowhere")
    transaction.execute(sql.REMOVE_ALIAS, (address,))
    flat = [
        value
        for position, target in enumerate(targets)
        for value in (address, position, target, rows.target_key(target))
    ]
    transaction.insert("aliases", sql.ALIAS, flat)


def _remove_alias(transaction: Transaction, address: str) -> None:
    if not transaction.execute(sql.REMOVE_ALIAS, (address,)).rowcount:
        raise KeyError(address)
