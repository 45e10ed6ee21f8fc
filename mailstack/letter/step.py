"""Steps of a journey, as the log, the commands and the pages show them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from mailstack.letter import LetterId

StepName = Literal[
    "submitted",
    "exchanged",
    "routed",
    "attempted",
    "deferred",
    "relayed",
    "delivered",
    "bounced",
    "collected",
    "held",
    "released",
    "redirected",
    "copied",
    "removed",
]


class Step(Struct, frozen=True):
    """One thing that happened to a letter, stored in the same transaction as the change it tells of."""

    letter: LetterId
    at: float
    """UTC, as seconds since 1970."""
    server: str
    step: StepName
    facts: Mapping[str, Any] = {}
    """Facts of the step: `by`, `client`, `tls`, `recipient`, `host`, `reply`, `next_attempt`, `dialogue` … JSON values."""


class Journal(Protocol):
    """Where steps are told when they are durable: the log, the live page. `mailstack.net.log` has the one that writes."""

    def record(self, steps: Sequence[Step]) -> None:
        """Never raises, never waits."""


class TappedJournal:
    """Journal that also passes each step to a function, after the journal behind it."""

    def __init__(self, journal: Journal, on_steps: Callable[[Sequence[Step]], None]) -> None:
        self._journal = journal
        self._on_steps = on_steps

    def record(self, steps: Sequence[Step]) -> None:
        self._journal.record(steps)
        self._on_steps(steps)
