"""Journey of a letter across the simulated servers, as objects."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from mailstack.letter import LetterId
from mailstack.letter.durations import moment
from mailstack.letter.step import Step
from mailstack.store import Store

_TOLD = ("recipient", "mailbox", "host", "reply", "why")
"""The facts that a line tells, as far as a later one does not say the same."""
MOST_HOPS = 100
"""Letters that one journey may lead through (RFC 5321 §6.3)."""


class Stage(Struct, frozen=True):
    """One step of a journey."""

    at: float
    """Virtual seconds since the simulation began."""
    server: str
    step: str
    """ "submitted", "routed", "attempted", "deferred", "relayed", "delivered", "bounced", "collected" …"""
    facts: Mapping[str, Any]
    """What explains it: `recipient`, `reply`, `host`, `dialogue` …"""
    letter: LetterId
    """Its id in that server."""

    def __str__(self) -> str:
        words = [str(self.facts[name]) for name in _TOLD if self.facts.get(name)]
        told = [word for at, word in enumerate(words) if not any(word in other for other in words[at + 1 :])]
        return f"{moment(self.at)}  {self.server:<16}  {self.step:<9}  {', '.join(told)}".rstrip()


class Journey(Struct, frozen=True):
    """What became of a letter, the oldest step first, in every server that it came to."""

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
        """Their names alone."""
        return [stage.step for stage in self.stages]

    @property
    def reports(self) -> tuple[LetterId, ...]:
        """The ids of the reports that its sender was sent; each has a journey of its own."""
        told = [LetterId(stage.facts["report"]) for stage in self.stages if stage.facts.get("report")]
        return tuple(dict.fromkeys(told))

    def only(self, *steps: str) -> tuple[Stage, ...]:
        """The stages with these names: `journey.only("deferred")`."""
        return tuple(stage for stage in self.stages if stage.step in steps)


async def follow(letter: LetterId, stores: Iterable[Store], start: float) -> Journey:
    """From a letter's id in the server that took it first, over every server that it was relayed to."""
    stores = list(dict.fromkeys(stores))
    waiting, known = deque([letter]), {letter}
    steps: list[Step] = []
    while waiting:
        following = waiting.popleft()
        for store in stores:
            here = await store.steps(following)
            steps += here
            # What another host said is looked up, and nothing more is believed of it.
            for step in here:
                led = step.facts.get("remote_id")
                if led and led not in known and len(known) < MOST_HOPS:
                    known.add(LetterId(str(led)))
                    waiting.append(LetterId(str(led)))
    steps.sort(key=lambda step: step.at)
    return Journey(tuple(Stage(step.at - start, step.server, step.step, step.facts, step.letter) for step in steps))
