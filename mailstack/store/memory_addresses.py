"""Accounts and aliases in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from mailstack.protocols.sasl import ScramKeys
from mailstack.store import Account, AppPassword, Conflict, StoreError
from mailstack.store.rows import target_key


class MemoryAddresses:
    """The part of `mailstack.store.Store` that says who may come in, and which names lead to whom."""

    def __init__(self) -> None:
        self._accounts: dict[str, Account] = {}
        self._app_passwords: dict[str, dict[str, AppPassword]] = {}
        self._aliases: dict[str, tuple[str, ...]] = {}
        self._logouts: dict[str, float] = {}
        self._version = 0

    async def account(self, address: str) -> Account | None:
        return self._accounts.get(address)

    async def reread_account(self, address: str) -> Account | None:
        return await self.account(address)

    async def accounts(self) -> list[Account]:
        return [self._accounts[address] for address in sorted(self._accounts)]

    async def credentials(self, addresses: Sequence[str]) -> dict[str, str]:
        return {each: self._accounts[each].credentials for each in addresses if each in self._accounts}

    def accounts_version(self) -> object:
        return self._version

    async def scram_iterations(self) -> dict[int, int]:
        return dict(Counter(ScramKeys.iterations_of(each.scram) or 0 for each in self._accounts.values()))

    async def end_sessions(self, address: str) -> None:
        self._replace_account(address, epoch=self._accounts[address].epoch + 1)

    def _replace_account(self, address: str, **values: Any) -> None:
        self._accounts[address] = replace(self._accounts[address], **values)
        self._version += 1

    async def log_out(self, session: str, until: float, now: float) -> None:
        self._logouts = {each: end for each, end in self._logouts.items() if end >= now} | {session: until}
        self._version += 1

    async def logged_out(self, sessions: Sequence[str]) -> set[str]:
        return {each for each in sessions if each in self._logouts}

    async def add_accounts(self, accounts: Sequence[Account]) -> None:
        new: dict[str, Account] = {}
        for account in accounts:
            if account.address in new:
                raise Conflict(f"{account.address} is given twice")
            if account.address in self._accounts or account.address in self._aliases:
                raise Conflict(f"{account.address} is there already")
            new[account.address] = account
        self._accounts.update(new)
        self._version += 1

    async def set_password(self, address: str, password_hash: bytes, scram: str = "") -> None:
        self._replace_account(address, password_hash=password_hash, scram=scram)

    async def keep_scram(self, address: str, password_hash: bytes, scram: str) -> None:
        account = self._accounts.get(address)
        if account is not None and account.password_hash == password_hash:
            self._accounts[address] = replace(account, scram=scram)

    async def app_passwords(self, address: str) -> list[AppPassword]:
        return sorted(self._app_passwords.get(address, {}).values(), key=lambda each: (each.created, each.name))

    async def add_app_password(self, password: AppPassword) -> None:
        if password.address not in self._accounts:
            raise KeyError(password.address)
        there = self._app_passwords.setdefault(password.address, {})
        if password.name in there:
            raise Conflict(f"{password.address} has an app password {password.name!r} already")
        there[password.name] = password

    async def remove_app_password(self, address: str, name: str) -> None:
        del self._app_passwords.get(address, {})[name]
        await self.end_sessions(address)

    async def set_quota(self, address: str, quota: int | None) -> None:
        self._accounts[address] = replace(self._accounts[address], quota=quota)

    async def remove_account(self, address: str) -> None:
        """Without its mailbox, which is not known here."""
        del self._accounts[address]
        self._version += 1
        self._app_passwords.pop(address, None)

    async def alias(self, address: str) -> tuple[str, ...] | None:
        return self._aliases.get(address)

    async def aliases(self) -> list[tuple[str, tuple[str, ...]]]:
        return sorted(self._aliases.items())

    async def aliases_to(self, target: str) -> list[str]:
        return sorted(
            address
            for address, targets in self._aliases.items()
            if any(target_key(written) == target for written in targets)
        )

    async def set_alias(self, address: str, targets: Sequence[str]) -> None:
        if address in self._accounts:
            raise Conflict(f"{address} is an account")
        if not targets:
            raise StoreError(f"the alias {address} leads nowhere")
        self._aliases[address] = tuple(targets)

    async def remove_alias(self, address: str) -> None:
        del self._aliases[address]
