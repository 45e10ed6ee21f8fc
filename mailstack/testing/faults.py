"""The faults of a server under test: what is to go wrong, said by the test in its own thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mailstack.sandbox.faults import FaultEvent, Faults, Rule

T = TypeVar("T")


class ServerFaults:
    """Rules as `mailstack.sandbox.faults` has them; each holds from the moment at which the call returns."""

    def __init__(self, faults: Callable[[], Faults], there: Callable[[Callable[[], Any]], Any]) -> None:
        """`there` does something in the thread in which the faults are looked at."""
        self._faults = faults
        self._there = there

    def add(self, rule: Rule | Mapping[str, Any] | None = None, /, **words: Any) -> Rule:
        """One more: a Rule, a dict, or the words of one: `add(at="rcpt", reply="451 4.3.0 not now", times=2)`.

        It is given back with its id. Raises ValueError for what can't be meant.
        """
        given = words if rule is None else rule
        if rule is not None and words:
            raise ValueError("give a rule, or the words of one, not both")
        added: Rule = self._there(lambda: self._faults().add(given))
        return added

    def remove(self, rule: Rule | str) -> None:
        """End one, by itself or its id. Raises KeyError."""
        self._there(lambda: self._faults().remove(_id(rule)))

    def clear(self) -> int:
        """End all of them; how many there were."""
        count: int = self._there(lambda: self._faults().clear())
        return count

    def list(self) -> list[tuple[Rule, int]]:
        """Every rule, and how often it happened."""
        rules: list[tuple[Rule, int]] = self._there(lambda: self._faults().list())
        return rules

    def fired(self, rule: Rule | str) -> int:
        """How often one happened. Raises KeyError."""
        count: int = self._there(lambda: self._faults().fired(_id(rule)))
        return count

    @property
    def firings(self) -> tuple[FaultEvent, ...]:
        """What happened last."""
        firings: tuple[FaultEvent, ...] = self._there(lambda: tuple(self._faults().firings))
        return firings


def _id(rule: Rule | str) -> str:
    return rule if isinstance(rule, str) else rule.id
