"""PostgreSQL accounts, hold rules and suppressions: other processes are notified of each change."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from mailstack.store.batch import ReaderPool, WriterPool
from mailstack.store.hold_rules import HoldRule, Suppression
from mailstack.store.sql_parts.accounts import Change, SqlAccounts
from mailstack.store.sql_parts.hold_rules import SqlHoldRules, SqlSuppressions

Notify = Callable[[], Awaitable[None]]
"""Notifies other processes of a change."""


class PostgresAccounts(SqlAccounts):
    """See `mailstack.store.accounts.AccountStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool, cache_seconds: float, notify: Notify) -> None:
        super().__init__(readers, writer, cache_seconds)
        self._notify = notify

    async def _change(self, change: Change) -> None:
        await super()._change(change)
        await self._notify()


class PostgresHoldRules(SqlHoldRules):
    """See `mailstack.store.hold_rules.HoldRuleStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool, notify: Notify) -> None:
        super().__init__(readers, writer)
        self._notify = notify

    async def add(self, rule: HoldRule) -> None:
        await super().add(rule)
        await self._notify()

    async def remove(self, name: str) -> None:
        await super().remove(name)
        await self._notify()


class PostgresSuppressions(SqlSuppressions):
    """See `mailstack.store.hold_rules.SuppressionStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool, notify: Notify) -> None:
        super().__init__(readers, writer)
        self._notify = notify

    async def add(self, suppressions: Sequence[Suppression]) -> int:
        new = await super().add(suppressions)
        await self._notify()
        return new
