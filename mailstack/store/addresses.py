"""Changes to accounts and aliases. Each refuses before it has changed anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mailstack.store import Account, AppPassword, Conflict, StoreError, maildrops, rows, sql
from mailstack.store.batch import Transaction

Change = Callable[[Transaction], None]

_AT_ONCE = sql.MAX_PARAMETERS // 2


def add_accounts(transaction: Transaction, accounts: Sequence[Account]) -> None:
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
        for value in (account.address, account.password_hash, account.created, account.quota, account.scram)
    ]
    transaction.insert("accounts", sql.ACCOUNT, flat)


def _refuse_taken(transaction: Transaction, names: Sequence[str]) -> None:
    there = {name for (name,) in transaction.execute(sql.taken(len(names)), (*names, *names))}
    for name in names:
        if name in there:
            raise Conflict(f"{name} is there already")


def set_password(transaction: Transaction, address: str, password_hash: bytes, scram: str) -> None:
    if not transaction.execute(sql.SET_PASSWORD, (password_hash, scram, address)).rowcount:
        raise KeyError(address)


def set_quota(transaction: Transaction, address: str, quota: int | None) -> None:
    if not transaction.execute(sql.SET_QUOTA, (quota, address)).rowcount:
        raise KeyError(address)


def keep_scram(transaction: Transaction, address: str, password_hash: bytes, scram: str) -> None:
    """Unless the password has changed meanwhile."""
    transaction.execute(sql.KEEP_SCRAM, (scram, address, password_hash))


def add_app_password(transaction: Transaction, password: AppPassword) -> None:
    """For an account that is there."""
    if not transaction.execute(sql.ACCOUNT_OF, (password.address,)).fetchall():
        raise KeyError(password.address)
    if transaction.execute(sql.APP_PASSWORD_OF, (password.address, password.name)).fetchall():
        raise Conflict(f"{password.address} has an app password {password.name!r} already")
    flat = [password.address, password.name, password.digest, password.created]
    transaction.insert("app_passwords", sql.APP_PASSWORD, flat)


def remove_app_password(transaction: Transaction, address: str, name: str) -> None:
    if not transaction.execute(sql.REMOVE_APP_PASSWORD, (address, name)).rowcount:
        raise KeyError(name)


def remove_account(transaction: Transaction, address: str) -> None:
    """With its mailbox."""
    if not transaction.execute(sql.REMOVE_ACCOUNT, (address,)).rowcount:
        raise KeyError(address)
    transaction.execute(sql.REMOVE_APP_PASSWORDS, (address,))
    maildrops.empty(transaction, address)


def set_alias(transaction: Transaction, address: str, targets: Sequence[str]) -> None:
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


def remove_alias(transaction: Transaction, address: str) -> None:
    if not transaction.execute(sql.REMOVE_ALIAS, (address,)).rowcount:
        raise KeyError(address)
