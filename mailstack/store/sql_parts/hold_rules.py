"""Hold rules and suppressions in the database."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from mailstack.store import Conflict, rows, sql
from mailstack.store.batch import ReaderPool, Transaction, WriterPool, pieces
from mailstack.store.connection import Connection
from mailstack.store.hold_rules import HoldRule, HoldRuleSet, Suppression

_RULE = ("name", "kind", "sender", "recipient", "domain", "created")
_RULES = "SELECT name, kind, sender, recipient, domain, created FROM hold_rules ORDER BY created, name"
_RULE_OF = "SELECT 1 FROM hold_rules WHERE name = ?"
_REMOVE_RULE = "DELETE FROM hold_rules WHERE name = ?"
_ANY = "SELECT 1 FROM suppressions LIMIT 1"
_SUPPRESSIONS = "SELECT address, reason, created FROM suppressions ORDER BY created DESC, address LIMIT ?"
_SUPPRESS = "INSERT INTO suppressions (address, reason, created) VALUES (?, ?, ?) ON CONFLICT (address) DO NOTHING"
_REMOVE_SUPPRESSION = "DELETE FROM suppressions WHERE address = ?"


class SqlHoldRules:
    """See `mailstack.store.hold_rules.HoldRuleStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool) -> None:
        self._readers = readers
        self._writer = writer

    async def load(self) -> HoldRuleSet:
        return await self._readers.do(_load)

    async def add(self, rule: HoldRule) -> None:
        await self._writer.do(partial(_add_rule, rule=rule))

    async def remove(self, name: str) -> None:
        await self._writer.do(partial(_remove, statement=_REMOVE_RULE, name=name))


class SqlSuppressions:
    """See `mailstack.store.hold_rules.SuppressionStore`."""

    def __init__(self, readers: ReaderPool, writer: WriterPool) -> None:
        self._readers = readers
        self._writer = writer

    async def lookup(self, addresses: Sequence[str]) -> dict[str, Suppression]:
        return await self._readers.do(lambda connection: _lookup(connection, addresses))

    async def newest(self, limit: int) -> list[Suppression]:
        return await self._readers.do(
            lambda connection: [_suppression_from(row) for row in connection.execute(_SUPPRESSIONS, (limit,))]
        )

    async def add(self, suppressions: Sequence[Suppression]) -> int:
        new: int = await self._writer.do(partial(_suppress, suppressions=tuple(suppressions)))
        return new

    async def remove(self, address: str) -> None:
        await self._writer.do(partial(_remove, statement=_REMOVE_SUPPRESSION, name=address))


def _load(connection: Connection) -> HoldRuleSet:
    """Rules, the oldest first, and whether any address is suppressed."""
    found = connection.execute(_RULES).fetchall()
    return HoldRuleSet(tuple(map(_rule_from, found)), bool(connection.execute(_ANY).fetchall()))


def _add_rule(transaction: Transaction, rule: HoldRule) -> None:
    if transaction.execute(_RULE_OF, (rule.name,)).fetchall():
        raise Conflict(f"there is a rule {rule.name} already")
    row = [rule.name, rule.kind, rule.sender, rule.recipient, rule.domain, rule.created]
    transaction.insert("hold_rules", _RULE, row)


def _lookup(connection: Connection, addresses: Sequence[str]) -> dict[str, Suppression]:
    found: list[Any] = []
    for part in pieces(list(addresses), 1):
        statement = f"SELECT address, reason, created FROM suppressions WHERE address IN {sql.placeholders(len(part))}"  # noqa: S608  # question marks
        found += connection.execute(statement, part).fetchall()
    return {each.address: each for each in map(_suppression_from, found)}


def _suppress(transaction: Transaction, suppressions: Sequence[Suppression]) -> int:
    return sum(
        transaction.execute(_SUPPRESS, (each.address, each.reason, each.created)).rowcount for each in suppressions
    )


def _remove(transaction: Transaction, statement: str, name: str) -> None:
    if transaction.execute(statement, (name,)).rowcount == 0:
        raise KeyError(name)


def _rule_from(row: Sequence[Any]) -> HoldRule:
    def decode() -> HoldRule:
        if row[1] not in {"hold", "pause"}:
            raise ValueError(f"no kind of rule: {row[1]!r:.40}")
        name, _, sender, recipient, domain = map(rows.text, row[:5])
        return HoldRule(name, row[1], sender, recipient, domain, float(row[5]))

    return rows.checked("hold_rules", row[0], decode)


def _suppression_from(row: Sequence[Any]) -> Suppression:
    return rows.checked(
        "suppressions", row[0], lambda: Suppression(rows.text(row[0]), rows.text(row[1]), float(row[2]))
    )
