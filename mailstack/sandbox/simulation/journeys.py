"""Journey of a letter across the simulated servers, as objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.letter.step import Step
from mailstack.letter.times import elapsed_text
from mailstack.store import Store

_SHOWN_FACTS = ("recipient", "mailbox", "host", "reply", "why")
"""Facts in a line of text, unless a later fact contains the same words."""
MAX_HOPS = 100
"""Maximum number of letters in one journey (RFC 5321 §6.3)."""


class Stage(Struct, frozen=True):
    """Step of a journey."""

    at: float
    """Virtual seconds since the start of the simulation."""
    server: str
    step: str
    """Name of the step: "submitted", "routed", "attempted", "deferred", "relayed", "delivered", "bounced", "collected" …"""
    facts: Mapping[str, Any]
    """Details of the step: `recipient`, `reply`, `host`, `dialogue` …"""
    letter: LetterId
    """Id of the letter in that server."""

    def __str__(self) -> str:
        words = [str(self.facts[name]) for name in _SHOWN_FACTS if self.facts.get(name)]
        told = [word for at, word in enumerate(words) if not any(word in other for other in words[at + 1 :])]
        return f"{elapsed_text(self.at)}  {self.server:<16}  {self.step:<9}  {', '.join(told)}".rstrip()


class SimulatedJourney(Struct, frozen=True):
    """Journey of a letter: its steps in all servers, the oldest first."""

    stages: tuple[Stage, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.stages))

    __repr__ = __str__

    def __iter__(self) -> Iterator[Stage]:
        return iter(self.stages)

    def __len__(self) -> int:
        return len(self.stages)

    @property
    def steps(self) -> list[str]:
        """Names of the steps."""
        return [stage.step for stage in self.stages]

    @property
    def reports(self) -> tuple[LetterId, ...]:
        """Ids of the reports to the sender; each has a journey of its own."""
        told = [LetterId(stage.facts["report"]) for stage in self.stages if stage.facts.get("report")]
        return tuple(dict.fromkeys(told))

    def only(self, *steps: str) -> tuple[Stage, ...]:
        """Steps with these names: `journey.only("deferred")`."""
        return tuple(stage for stage in self.stages if stage.step in steps)


async def follow(letter: LetterId, stores: Iterable[Store], start: float) -> SimulatedJourney:
    """Follows a letter from its first server, by its id there, through all servers that it was relayed to."""
    stores = list(dict.fromkeys(stores))
    waiting, known = deque([letter]), {letter}
    steps: list[Step] = []
    while waiting:
        following = waiting.popleft()
        for store in stores:
            here = await store.steps(following)
            steps += here
            # The remote id comes from a reply: it is only looked up, not trusted.
            for step in here:
                led = step.facts.get("remote_id")
                if led and led not in known and len(known) < MAX_HOPS:
                    known.add(LetterId(str(led)))
                    waiting.append(LetterId(str(led)))
    steps.sort(key=lambda step: step.at)
    return SimulatedJourney(
        tuple(Stage(step.at - start, step.server, step.step, step.facts, step.letter) for step in steps)
    )
