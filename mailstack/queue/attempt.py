"""Interface of delivery agents: one attempt, with an outcome for each recipient."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct, field

from mailstack.letter import Letter, Outcome
from mailstack.letter.delivery import Delivery
from mailstack.queue.progress_watch import ProgressWatch
from mailstack.store.delay_reasons import DelayReason


class Attempt(Struct, frozen=True):
    """Attempt of an agent, as history keeps it."""

    outcomes: tuple[Outcome, ...]
    """One for each delivery that was given, in that order."""
    route: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the `routed` step: `via`, `why`, `candidates` …; empty if there is no such step."""
    dialogue: tuple[str, ...] = ()
    """Lines of the dialogue, "C: …" and "S: …", without content and secrets."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Facts of the `attempted` step: `host`, `tls` …"""
    reached: bool | None = None
    """Whether the destination served us to the end of a session's business; False when none of its hosts let us begin,
    or hung up. It decides how many attempts at a time the destination gets; None says nothing about that."""


class Agent(Protocol):
    """Attempts deliveries: to mailboxes here, or to other hosts."""

    async def deliver(
        self, letter: Letter, deliveries: tuple[Delivery, ...], watch: ProgressWatch | None = None, /
    ) -> Attempt:
        """Attempts once; all deliveries have the same destination. An error is an Outcome, never an exception.

        `watch` receives the signs of progress. Raises Interrupted if it interrupts the attempt before anything came of it.
        """


class Destinations(Protocol):
    """Limits of destinations: which deliveries share an attempt, connections and a place in the queue."""

    def key(self, letter: Letter, destination: str) -> str:
        """Key that deliveries share which go to the same hosts."""

    def key_of(self, destination: str) -> str | None:
        """The same key for a destination alone; None if it depends on the letter. Called in any thread."""

    def conditions(self, most: int) -> Sequence[DelayReason]:
        """At most `most` delay reasons of hosts."""


class SeparateDomains:
    """Destinations that are keyed by their domain."""

    def key(self, _letter: Letter, destination: str) -> str:
        return destination

    def key_of(self, destination: str) -> str | None:
        return destination

    def conditions(self, _most: int) -> Sequence[DelayReason]:
        return ()


class Agents(Struct, frozen=True):
    """Agents of one queue."""

    local: Agent
    """Agent of the mailboxes here."""
    relay: Agent
    """Agent of all other destinations."""
    destinations: Destinations = SeparateDomains()
    """Keys of the destinations of the relay."""
