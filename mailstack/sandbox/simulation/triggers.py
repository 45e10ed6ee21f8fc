"""System event triggers of a reactor (IReactorCore.addSystemEventTrigger)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, field
from twisted.internet.defer import Deferred, DeferredList

PHASES = ("before", "during", "after")


class Trigger(Struct, eq=False):
    """One call that was asked for; what `removeSystemEventTrigger` is given."""

    phase: str
    """One of PHASES."""
    event: str
    func: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kw: dict[str, Any] = field(default_factory=dict)


class SystemEvents:
    """The triggers of every event, such as "startup" and "shutdown"; each is called once."""

    def __init__(self, bug: Callable[[str, Exception], None]) -> None:
        """`bug` is told what a trigger raises; the others are called all the same."""
        self._bug = bug
        self._triggers: list[Trigger] = []

    def add(self, trigger: Trigger) -> Trigger:
        """Raises KeyError for a phase that doesn't exist, as Twisted's reactors do."""
        if trigger.phase not in PHASES:
            raise KeyError("invalid phase")
        self._triggers.append(trigger)
        return trigger

    def remove(self, trigger: Trigger) -> None:
        """Raises ValueError when it was called, removed, or never there."""
        self._triggers.remove(trigger)

    def fire(self, event: str) -> None:
        """Call "before"; once every Deferred of those has a result, call "during" and "after"."""
        waits = [result for result in self._call(event, "before") if isinstance(result, Deferred)]
        DeferredList(waits, consumeErrors=True).addCallback(self._go_on, event)

    def _go_on(self, results: list[tuple[bool, Any]], event: str) -> None:
        for success, failure in results:
            if not success:
                self._bug(f"before {event}", failure.value)
        self._call(event, "during")
        self._call(event, "after")

    def _call(self, event: str, phase: str) -> list[Any]:
        results = []
        # One at a time: a trigger may add and remove others.
        while (trigger := self._next(event, phase)) is not None:
            self._triggers.remove(trigger)
            try:
                results.append(trigger.func(*trigger.args, **trigger.kw))
            except Exception as error:  # noqa: BLE001 - whatever a trigger raises
                self._bug(f"{phase} {event}", error)
        return results

    def _next(self, event: str, phase: str) -> Trigger | None:
        return next((t for t in self._triggers if (t.event, t.phase) == (event, phase)), None)
