"""Accounts and aliases in memory that count reads."""

from __future__ import annotations

from collections import Counter

from msgspec.structs import replace

from mailstack.protocols.sasl import ScramKeys
from mailstack.store import StoreError
from mailstack.store.accounts import Account, AppPassword


class MemoryAccounts:
    """The part of the accounts that logins and the directory use."""

    def __init__(self, *addresses: str) -> None:
        self.rows = {key: Account(key, b"!", float(age)) for age, key in enumerate(addresses)}
        self.alias_rows: dict[str, tuple[str, ...]] = {}
        self.app_rows: list[AppPassword] = []
        self.reads = 0
        self.rereads = 0
        self.broken = False

    async def get(self, address: str) -> Account | None:
        self._read()
        return self.rows.get(address)

    async def reread(self, address: str) -> Account | None:
        self.rereads += 1
        return await self.get(address)

    async def app_passwords(self, address: str) -> list[AppPassword]:
        return [each for each in self.app_rows if each.address == address]

    async def set_scram(self, address: str, password_hash: bytes, scram: str) -> None:
        if self.rows[address].password_hash == password_hash:
            self.rows[address] = replace(self.rows[address], scram=scram)

    async def all(self) -> list[Account]:
        self._read()
        return list(self.rows.values())

    async def scram_iterations(self) -> dict[int, int]:
        self._read()
        return dict(Counter(ScramKeys.iterations_of(each.scram) or 0 for each in self.rows.values()))

    async def alias(self, address: str) -> tuple[str, ...] | None:
        self._read()
        return self.alias_rows.get(address)

    def _read(self) -> None:
        self.reads += 1
        if self.broken:
            raise StoreError("the disk is gone")
