"""Hold rules and suppressions of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Protocol

from msgspec import Struct


class HoldRule(Struct, frozen=True):
    """Hold rule of an operator: deliveries that match it are held (`mailstack.queue.hold_rules`)."""

    name: str
    kind: Literal["hold", "pause"]
    """Kind of the rule. A pause stops only deliveries to other hosts, until the rule is removed."""
    sender: str = ""
    """Pattern of sender addresses (`mailstack.letter.patterns`); empty: any."""
    recipient: str = ""
    """Pattern of recipient addresses; empty: any."""
    domain: str = ""
    """Pattern of recipient domains; empty: any."""
    created: float = 0.0
    """Time of creation, seconds since 1970."""


class HoldRuleSet(Struct, frozen=True):
    """All hold rules, which a running server keeps in memory."""

    rules: tuple[HoldRule, ...] = ()
    """Rules, the oldest first."""
    suppressing: bool = False
    """Whether any address is suppressed, so that a lookup is worth its time."""


class Suppression(Struct, frozen=True):
    """Suppressed address: nothing is sent to it any more."""

    address: str
    """`Address.key` of the address."""
    reason: str
    created: float
    """Time of creation, seconds since 1970."""


class HoldRuleStore(Protocol):
    """Part `hold_rules` of `mailstack.store.Store`."""

    async def load(self) -> HoldRuleSet:
        """All rules."""

    async def add(self, rule: HoldRule) -> None:
        """Raises Conflict when a rule of this name exists."""

    async def remove(self, name: str) -> None:
        """Raises KeyError."""


class SuppressionStore(Protocol):
    """Part `suppressions` of `mailstack.store.Store`."""

    async def lookup(self, addresses: Sequence[str]) -> dict[str, Suppression]:
        """Suppressions of these addresses (each an `Address.key`), by address."""

    async def newest(self, limit: int) -> list[Suppression]:
        """Suppressions, the newest first."""

    async def add(self, suppressions: Sequence[Suppression]) -> int:
        """Suppress addresses; those that are suppressed stay as they are. Returns the number of new ones."""

    async def remove(self, address: str) -> None:
        """Raises KeyError."""
