"""Adjustable clock, and accounts and aliases in memory that count reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from msgspec.structs import replace
from twisted.internet.defer import Deferred

from mailstack.protocols.sasl import ScramKeys
from mailstack.store import StoreError
from mailstack.store.accounts import Account, AppPassword


class HandClock:
    """Time stands still until `turn`."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = now
        self._ahead = 0.0
        self._calls: list[tuple[float, Callable[[], None]]] = []

    def now(self) -> float:
        return self._now + self._ahead

    def steady(self) -> float:
        return self._now

    def set_by(self, seconds: float) -> None:
        """Set the time of day, ahead or back; what waits does not notice."""
        self._ahead += seconds

    def call_later(self, seconds: float, do: Callable[[], None]) -> Callable[[], None]:
        call = (self._now + seconds, do)
        self._calls.append(call)
        return lambda: self._calls.remove(call) if call in self._calls else None

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        Deferred.fromCoroutine(work)

    def turn(self, seconds: float) -> None:
        """Let time pass, and do what was due in it."""
        end = self._now + seconds
        while due := [call for call in self._calls if call[0] <= end]:
            call = min(due, key=lambda call: call[0])
            self._calls.remove(call)
            self._now = max(self._now, call[0])
            call[1]()
        self._now = end


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
