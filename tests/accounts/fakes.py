"""Accounts and aliases in memory, and logins over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import bcrypt
from msgspec.structs import replace
from twisted.cred.portal import Portal

from mailstack.accounts.authenticator import CredAuthenticator
from mailstack.accounts.passwords import Passwords
from mailstack.accounts.realm import Realm
from mailstack.accounts.throttle import Throttle
from mailstack.letter.envelope import HostPort
from mailstack.protocols.sasl import ScramKeys
from mailstack.store import StoreError
from mailstack.store.accounts import Account, AppPassword
from tests.aid import Pump
from tests.clock import HandClock

HERE = HostPort("192.0.2.1", 4000)


class MemoryAccounts:
    """The part of the accounts that logins and the directory use; it counts reads."""

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


class Logins:
    """Accounts in memory with the password "secret", and what logs in to them."""

    def __init__(self, *addresses: str, **settings: Any) -> None:
        self.pump, self.clock, self.store = Pump(), HandClock(), MemoryAccounts(*addresses)
        self.passwords = Passwords(self.pump, self.clock, rounds=4, **settings)
        for address in addresses:
            self.set_password(address, b"secret")

    def set_password(self, address: str, password: bytes) -> None:
        hashed = bcrypt.hashpw(password, bcrypt.gensalt(4))
        self.store.rows[address] = replace(self.store.rows[address], password_hash=hashed)

    def authenticator(
        self, *checkers: Any, domains: Sequence[str] = ("home.test",), throttle: Throttle | None = None, **settings: Any
    ) -> CredAuthenticator:
        portal = Portal(Realm(), checkers)
        return CredAuthenticator(portal, self.clock, throttle or Throttle(self.clock), domains, **settings)

    def close(self) -> None:
        self.passwords.close()
