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
    """One event in the life of a letter, stored in the transaction of the change it describes."""

    letter: LetterId
    at: float
    """UTC, as seconds since 1970."""
    server: str
    step: StepName
    facts: Mapping[str, Any] = {}
    """Facts of the step: `by`, `client`, `tls`, `recipient`, `host`, `reply`, `next_attempt`, `dialogue` … JSON values."""


class Journal(Protocol):
    """Receives durable steps, for the log and the live page; `mailstack.net.log` implements it."""

    def record(self, steps: Sequence[Step]) -> None:
        """Records steps that are stored. Never raises, never waits."""


class TappedJournal:
    """Journal that also passes each step to a function, after the journal behind it."""

    def __init__(self, journal: Journal, on_steps: Callable[[Sequence[Step]], None]) -> None:
        self._journal = journal
        self._on_steps = on_steps

    def record(self, steps: Sequence[Step]) -> None:
        self._journal.record(steps)
        self._on_steps(steps)
