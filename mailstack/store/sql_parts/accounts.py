"""Accounts and aliases in the database. A refused change has changed nothing."""

from __future__ import annotations

# ruff: noqa: S608  # statements contain only constants and question marks
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from mailstack.letter import Address, AddressError
from mailstack.protocols.sasl import ScramKeys
from mailstack.store import Conflict, StoreError, rows, sql
from mailstack.store.accounts import Account, AppPassword
from mailstack.store.batch import ReaderPool, Transaction, WriterPool, pieces
from mailstack.store.connection import ChangeMark, Connection
from mailstack.store.content_cache import ContentCache
from mailstack.store.sql_parts import folders, removals

T = TypeVar("T")
Change = Callable[[Transaction], None]

_AT_ONCE = sql.MAX_PARAMETERS // 2


_ACCOUNT = ("address", "password_hash", "created", "quota", "scram", "epoch")
_APP_PASSWORD = ("address", "name", "digest", "created")
_ALIAS = ("address", "position", "target", "leads_to")
_ACCOUNT_OF = "SELECT address, password_hash, created, quota, scram, epoch FROM accounts WHERE address = ?"
_ACCOUNTS = "SELECT address, password_hash, created, quota, scram, epoch FROM accounts ORDER BY address"
_SCRAM_KEYS = "SELECT scram FROM accounts"
_END_SESSIONS = "UPDATE accounts SET epoch = epoch + 1 WHERE address = ?"
_LOG_OUT = "INSERT INTO logouts (session, until) VALUES (?, ?) ON CONFLICT (session) DO NOTHING"
_DELETE_LOGOUTS = "DELETE FROM logouts WHERE until < ?"
_SET_QUOTA = "UPDATE accounts SET quota = ? WHERE address = ?"
_SET_PASSWORD = "UPDATE accounts SET password_hash = ?, scram = ? WHERE address = ?"  # noqa: S105
_SET_SCRAM = "UPDATE accounts SET scram = ? WHERE address = ? AND password_hash = ?"
_APP_PASSWORDS = "SELECT address, name, digest, created FROM app_passwords WHERE address = ? ORDER BY created, name"
_APP_PASSWORD_OF = "SELECT 1 FROM app_passwords WHERE address = ? AND name = ?"  # noqa: S105
_REMOVE_APP_PASSWORD = "DELETE FROM app_passwords WHERE address = ? AND name = ?"  # noqa: S105
_REMOVE_APP_PASSWORDS = "DELETE FROM app_passwords WHERE address = ?"
_REMOVE_ACCOUNT = "DELETE FROM accounts WHERE address = ?"
_ALIAS_OF = "SELECT target FROM aliases WHERE address = ? ORDER BY position"
_ALIASES = "SELECT address, target FROM aliases ORDER BY address, position"
ALIASES_TO = "SELECT DISTINCT address FROM aliases WHERE leads_to = ? ORDER BY address"
_REMOVE_ALIAS = "DELETE FROM aliases WHERE address = ?"


def _accounts_of(count: int) -> str:
    return f"SELECT address, password_hash, created, quota, scram, epoch FROM accounts WHERE address IN {sql.placeholders(count)}"


def _taken(count: int) -> str:
    """Addresses among these with an account or alias; the list is passed twice."""
    return f"""SELECT address FROM accounts WHERE address IN {sql.placeholders(count)}
        UNION SELECT address FROM aliases WHERE address IN {sql.placeholders(count)}"""


class SqlAccounts:
    """See `mailstack.store.accounts.AccountStore`. Recent answers are cached."""

    def __init__(
        self, readers: ReaderPool, writer: WriterPool, cache_seconds: float, mark: ChangeMark | None = None
    ) -> None:
        """`cache_seconds`: lifetime of a cached answer; a change by another process is seen after that.

        `mark`: mark of such changes, so that what did not change is not read again; None: no mark.
        """
        self._readers = readers
        self._writer = writer
        self._mark = mark
        read_mark = None if mark is None else mark.seen
        self._accounts: ContentCache[Account | None] = ContentCache(cache_seconds, 10_000, mark=read_mark)
        self._aliases: ContentCache[tuple[str, ...] | None] = ContentCache(cache_seconds, 10_000, mark=read_mark)

    async def get(self, address: str) -> Account | None:
        return await self._cached(self._accounts, address, _account)

    async def reread(self, address: str) -> Account | None:
        return await self._reread(self._accounts, address, _account)

    async def alias(self, address: str) -> tuple[str, ...] | None:
        return await self._cached(self._aliases, address, _alias)

    async def _cached(self, recent: ContentCache[T], address: str, query: Callable[[Connection, str], T]) -> T:
        if known := recent.get(address):
            return known[0]
        return await self._reread(recent, address, query)

    async def _reread(self, recent: ContentCache[T], address: str, query: Callable[[Connection, str], T]) -> T:
        age = recent.age
        answer = await self._readers.do(lambda connection: query(connection, address))
        recent.add(address, answer, age)
        return answer

    async def _change(self, change: Change) -> None:
        mark = self._mark
        if mark is None:
            await self._writer.do(change)
        else:
            await self._writer.do(partial(_marked, change=change, mark=mark))
            mark.set()
        self.invalidate()

    def invalidate(self) -> None:
        """Drop all cached accounts and aliases."""
        self._accounts.invalidate()
        self._aliases.invalidate()

    async def all(self) -> list[Account]:
        return await self._readers.do(_accounts)

    async def credentials(self, addresses: Sequence[str]) -> dict[str, str]:
        wanted = tuple(addresses)
        return await self._readers.do(lambda connection: _credentials(connection, wanted))

    def version(self) -> object:
        return None if self._mark is None else self._mark.seen()

    async def scram_iterations(self) -> dict[int, int]:
        return await self._readers.do(_scram_iterations)

    async def end_sessions(self, address: str) -> None:
        await self._change(partial(_end_sessions, address=address))

    async def log_out(self, session: str, until: float, now: float) -> None:
        await self._change(partial(_log_out, session=session, until=until, now=now))

    async def logged_out(self, sessions: Sequence[str]) -> set[str]:
        wanted = tuple(sessions)
        return await self._readers.do(lambda connection: _logged_out(connection, wanted))

    async def add(self, accounts: Sequence[Account]) -> None:
        await self._change(partial(_add_accounts, accounts=tuple(accounts)))

    async def set_password(self, address: str, password_hash: bytes, scram: str = "") -> None:
        await self._change(partial(_set_password, address=address, password_hash=password_hash, scram=scram))

    async def set_scram(self, address: str, password_hash: bytes, scram: str) -> None:
        await self._change(partial(_set_scram, address=address, password_hash=password_hash, scram=scram))

    async def app_passwords(self, address: str) -> list[AppPassword]:
        return await self._readers.do(
            lambda connection: [app_password_from(row) for row in connection.execute(_APP_PASSWORDS, (address,))]
        )

    async def add_app_password(self, password: AppPassword) -> None:
        await self._writer.do(partial(_add_app_password, password=password))

    async def remove_app_password(self, address: str, name: str) -> None:
        await self._change(partial(_remove_app_password, address=address, name=name))

    async def set_quota(self, address: str, quota: int | None) -> None:
        await self._change(partial(_set_quota, address=address, quota=quota))

    async def remove(self, address: str) -> None:
        await self._change(partial(_remove_account, address=address))

    async def aliases(self) -> list[tuple[str, tuple[str, ...]]]:
        return await self._readers.do(_aliases)

    async def aliases_to(self, target: str) -> list[str]:
        return await self._readers.do(
            lambda connection: [str(address) for (address,) in connection.execute(ALIASES_TO, (target,))]
        )

    async def set_alias(self, address: str, targets: Sequence[str]) -> None:
        await self._change(partial(_set_alias, address=address, targets=tuple(targets)))

    async def remove_alias(self, address: str) -> None:
        await self._change(partial(_remove_alias, address=address))


def _marked(transaction: Transaction, change: Change, mark: ChangeMark) -> None:
    """Make the change, and set the mark before the commit."""
    change(transaction)
    mark.set()


def _add_accounts(transaction: Transaction, accounts: Sequence[Account]) -> None:
    """Adds all or none; Conflict has the first existing address."""
    names = [account.address for account in accounts]
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Conflict(f"{name} is given twice")
        seen.add(name)
    for start in range(0, len(names), _AT_ONCE):
        _refuse_taken(transaction, names[start : start + _AT_ONCE])
    flat = [getattr(account, column) for account in accounts for column in _ACCOUNT]
    transaction.insert("accounts", _ACCOUNT, flat)


def _refuse_taken(transaction: Transaction, names: Sequence[str]) -> None:
    there = {name for (name,) in transaction.execute(_taken(len(names)), (*names, *names))}
    for name in names:
        if name in there:
            raise Conflict(f"{name} is there already")


def _set_password(transaction: Transaction, address: str, password_hash: bytes, scram: str) -> None:
    if not transaction.execute(_SET_PASSWORD, (password_hash, scram, address)).rowcount:
        raise KeyError(address)


def _set_quota(transaction: Transaction, address: str, quota: int | None) -> None:
    if not transaction.execute(_SET_QUOTA, (quota, address)).rowcount:
        raise KeyError(address)


def _set_scram(transaction: Transaction, address: str, password_hash: bytes, scram: str) -> None:
    """Unless the password has changed meanwhile."""
    transaction.execute(_SET_SCRAM, (scram, address, password_hash))


def _add_app_password(transaction: Transaction, password: AppPassword) -> None:
    """Adds an app password to an existing account."""
    if not transaction.execute(_ACCOUNT_OF, (password.address,)).fetchall():
        raise KeyError(password.address)
    if transaction.execute(_APP_PASSWORD_OF, (password.address, password.name)).fetchall():
        raise Conflict(f"{password.address} has an app password {password.name!r} already")
    flat = [password.address, password.name, password.digest, password.created]
    transaction.insert("app_passwords", _APP_PASSWORD, flat)


def _remove_app_password(transaction: Transaction, address: str, name: str) -> None:
    if not transaction.execute(_REMOVE_APP_PASSWORD, (address, name)).rowcount:
        raise KeyError(name)
    transaction.execute(_END_SESSIONS, (address,))


def _end_sessions(transaction: Transaction, address: str) -> None:
    if not transaction.execute(_END_SESSIONS, (address,)).rowcount:
        raise KeyError(address)


def _log_out(transaction: Transaction, session: str, until: float, now: float) -> None:
    transaction.execute(_DELETE_LOGOUTS, (now,))
    transaction.execute(_LOG_OUT, (session, until))


def _remove_account(transaction: Transaction, address: str) -> None:
    """Removes an account with its mailbox."""
    if not transaction.execute(_REMOVE_ACCOUNT, (address,)).rowcount:
        raise KeyError(address)
    transaction.execute(_REMOVE_APP_PASSWORDS, (address,))
    folders.remove_all(transaction, address)
    if (held := removals.hold(transaction, address)) is not None:
        transaction.drop_contents(removals.empty(transaction, held))


def _set_alias(transaction: Transaction, address: str, targets: Sequence[str]) -> None:
    """Replaces an alias."""
    if transaction.execute(_ACCOUNT_OF, (address,)).fetchall():
        raise Conflict(f"{address} is an account")
    if not targets:
        raise StoreError(f"the alias {address} leads nowhere")
    transaction.execute(_REMOVE_ALIAS, (address,))
    flat = [
        value for position, target in enumerate(targets) for value in (address, position, target, target_key(target))
    ]
    transaction.insert("aliases", _ALIAS, flat)


def _remove_alias(transaction: Transaction, address: str) -> None:
    if not transaction.execute(_REMOVE_ALIAS, (address,)).rowcount:
        raise KeyError(address)


def _account(connection: Connection, address: str) -> Account | None:
    found = connection.execute(_ACCOUNT_OF, (address,)).fetchall()
    return account_from(found[0]) if found else None


def _credentials(connection: Connection, addresses: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in pieces(list(addresses), 1):
        for row in connection.execute(_accounts_of(len(part)), tuple(part)):
            account = account_from(row)
            found[account.address] = account.credentials
    return found


def _scram_iterations(connection: Connection) -> dict[int, int]:
    keys = (str(text) for (text,) in connection.execute(_SCRAM_KEYS))
    return dict(Counter(ScramKeys.iterations_of(text) or 0 for text in keys))


def _logged_out(connection: Connection, sessions: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for part in pieces(list(sessions), 1):
        statement = f"SELECT session FROM logouts WHERE session IN {sql.placeholders(len(part))}"
        found |= {str(session) for (session,) in connection.execute(statement, tuple(part))}
    return found


def _accounts(connection: Connection) -> list[Account]:
    return [account_from(row) for row in connection.execute(_ACCOUNTS)]


def _alias(connection: Connection, address: str) -> tuple[str, ...] | None:
    return tuple(str(target) for (target,) in connection.execute(_ALIAS_OF, (address,))) or None


def _aliases(connection: Connection) -> list[tuple[str, tuple[str, ...]]]:
    found: dict[str, list[str]] = {}
    for address, target in connection.execute(_ALIASES):
        found.setdefault(str(address), []).append(str(target))
    return [(address, tuple(targets)) for address, targets in found.items()]


def account_from(row: Sequence[Any]) -> Account:
    """Account from address, password_hash, created, quota, scram, epoch."""

    def decode() -> Account:
        if not isinstance(row[1], bytes):
            raise TypeError("the password hash is not octets")
        quota = None if row[3] is None else rows.number(row[3])
        return Account(rows.text(row[0]), row[1], float(row[2]), quota, rows.text(row[4]), rows.number(row[5]))

    return rows.checked("accounts", row[0], decode)


def app_password_from(row: Sequence[Any]) -> AppPassword:
    """App password from address, name, digest, created."""

    def decode() -> AppPassword:
        if not isinstance(row[2], bytes):
            raise TypeError("the digest is not octets")
        return AppPassword(rows.text(row[0]), rows.text(row[1]), row[2], float(row[3]))

    return rows.checked("app_passwords", row[0], decode)


def target_key(target: str) -> str:
    """Lookup key of an alias target."""
    try:
        return Address.parse(target).key
    except AddressError:
        return target.lower()
