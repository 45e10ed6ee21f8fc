"""The operator's standing orders, in memory: rules, and addresses that no letter goes to."""

from __future__ import annotations

from collections.abc import Sequence

from mailstack.store import Conflict, Orders, Rule, Suppression


class MemoryOrders:
    """The part of `mailstack.store.Store` that keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self._rules: dict[str, Rule] = {}
        self._suppressions: dict[str, Suppression] = {}

    async def orders(self) -> Orders:
        rules = sorted(self._rules.values(), key=lambda rule: (rule.created, rule.name))
        return Orders(tuple(rules), bool(self._suppressions))

    async def add_rule(self, rule: Rule) -> None:
        if rule.name in self._rules:
            raise Conflict(f"there is a rule {rule.name} already")
        self._rules[rule.name] = rule

    async def remove_rule(self, name: str) -> None:
        del self._rules[name]

    async def suppressed(self, addresses: Sequence[str]) -> dict[str, Suppression]:
        return {address: self._suppressions[address] for address in addresses if address in self._suppressions}

    async def suppressions(self, limit: int) -> list[Suppression]:
        newest = sorted(self._suppressions.values(), key=lambda each: (-each.created, each.address))
        return newest[:limit]

    async def suppress(self, suppressions: Sequence[Suppression]) -> int:
        before = len(self._suppressions)
        for each in suppressions:
            self._suppressions.setdefault(each.address, each)
        return len(self._suppressions) - before

    async def unsuppress(self, address: str) -> None:
        del self._suppressions[address]
