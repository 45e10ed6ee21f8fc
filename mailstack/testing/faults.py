"""Fault injection for a local mail server, callable from any thread."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mailstack.sandbox.faults import Fault, FaultEvent, Faults

T = TypeVar("T")


class ServerFaults:
    """The fault rules of a server; a change is effective when its call returns."""

    def __init__(self, faults: Callable[[], Faults], run: Callable[[Callable[[], Any]], Any]) -> None:
        """`run` calls a function in the reactor's thread and returns its result."""
        self._faults = faults
        self._run = run

    def add(self, rule: Fault | Mapping[str, Any] | None = None, /, **fields: Any) -> Fault:
        """Add a Fault, a dict, or the fields of one: `add(at="rcpt", reply="451 4.3.0 not now", times=2)`.

        Returns it with its id. Raises ValueError for an invalid rule.
        """
        added_rule = fields if rule is None else rule
        if rule is not None and fields:
            raise ValueError("give a rule or the fields of one, not both")
        added: Fault = self._run(lambda: self._faults().add(added_rule))
        return added

    def remove(self, rule: Fault | str) -> None:
        """Remove a rule, given by itself or its id. Raises KeyError."""
        self._run(lambda: self._faults().remove(_id(rule)))

    def clear(self) -> int:
        """Remove all rules; returns their number."""
        count: int = self._run(lambda: self._faults().clear())
        return count

    def list(self) -> list[tuple[Fault, int]]:
        """All rules, each with the number of times it fired."""
        rules: list[tuple[Fault, int]] = self._run(lambda: self._faults().list())
        return rules

    def fired(self, rule: Fault | str) -> int:
        """Number of times a rule fired. Raises KeyError."""
        count: int = self._run(lambda: self._faults().fired(_id(rule)))
        return count

    @property
    def firings(self) -> tuple[FaultEvent, ...]:
        """The latest events, oldest first."""
        firings: tuple[FaultEvent, ...] = self._run(lambda: tuple(self._faults().firings))
        return firings


def _id(rule: Fault | str) -> str:
    return rule if isinstance(rule, str) else rule.id
