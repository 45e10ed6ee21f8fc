"""Active fault rules: added and removed at any time, with counts."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import ReversePath
from mailstack.letter.durations import read_duration
from mailstack.letter.patterns import fits_address
from mailstack.sandbox.faults.rule import Fault

MOST_RULES = 1000
MOST_FIRINGS = 1000
MOST_TRIPLES = 10_000


class TooManyRules(ValueError):
    """No more rules can be added."""


class FaultContext(Struct, frozen=True):
    """What is known of a step that might go wrong."""

    at: str
    server: str = ""
    service: str = ""
    client: str = ""
    sender: ReversePath = None
    has_sender: bool = False
    recipients: tuple[Any, ...] = ()
    """Addresses."""
    count: int = 0
    """The how-manieth of its kind."""
    name: str = ""


class FaultEvent(Struct, frozen=True):
    """A fault that happened."""

    rule: str
    """Its id."""
    at: str
    server: str
    client: str
    time: float
    """UTC, as seconds since 1970."""


class _Counts:
    """What a rule has seen."""

    __slots__ = ("fired", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.fired = 0


class Faults:
    """The rules of one environment, the oldest first; of several that fit, the first one happens."""

    def __init__(self, now: Callable[[], float], seed: int | str = 0) -> None:
        """`now` gives seconds since 1970. `seed` decides about probabilities."""
        self.firings: deque[FaultEvent] = deque(maxlen=MOST_FIRINGS)
        """What happened last."""
        self.told: Callable[[FaultEvent], object] = lambda _: None
        """Is called with each firing."""
        self.magic = False
        """Whether addresses such as "temperror@a.test" say themselves what goes wrong (`mailstack.sandbox.faults.magic_addresses`)."""
        self._now = now
        self._random = Random(f"faults/{seed}")  # noqa: S311 - chance that can be repeated
        self._rules: dict[str, Fault] = {}
        self._counts: dict[str, _Counts] = {}
        self._last = 0
        self._met: dict[tuple[str, str, str, str], float] = {}
        """When greylisting met a client, a sender and a recipient first."""

    @property
    def any(self) -> bool:
        """Whether anything can go wrong."""
        return bool(self._rules) or self.magic

    def list(self) -> list[tuple[Fault, int]]:
        """Every rule, and how often it happened."""
        return [(rule, self._counts[rule.id].fired) for rule in self._rules.values()]

    def add(self, rule: Fault | Mapping[str, Any]) -> Fault:
        """One more rule; given with its id. One that has the id of another takes its place, and counts anew.

        Raises ValueError for what is no rule, TooManyRules.
        """
        rule = rule if isinstance(rule, Fault) else Fault.from_json(rule)
        if not rule.id:
            self._last += 1
            while f"f{self._last}" in self._rules:
                self._last += 1
            rule = replace(rule, id=f"f{self._last}")
        if len(self._rules) >= MOST_RULES and rule.id not in self._rules:
            raise TooManyRules(f"there are {MOST_RULES} rules already: remove some")
        self._rules[rule.id] = rule
        self._counts[rule.id] = _Counts()
        return rule

    def remove(self, id: str) -> None:  # noqa: A002
        """End a fault. Raises KeyError."""
        del self._rules[id]
        del self._counts[id]

    def clear(self) -> int:
        """End all of them; how many there were."""
        count = len(self._rules)
        self._rules.clear()
        self._counts.clear()
        self._met.clear()
        return count

    def fired(self, id: str) -> int:  # noqa: A002
        """How often a fault happened. Raises KeyError."""
        return self._counts[id].fired

    # --- asked at every step

    def choose(self, moment: FaultContext, fits: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        """What goes wrong at this moment, if anything; it is counted. `fits` is what else must hold."""
        for rule in self._rules.values():
            if _holds(rule, moment) and fits(rule) and self._happens(rule, moment):
                return rule
        return None

    def _happens(self, rule: Fault, moment: FaultContext) -> bool:
        counts = self._counts[rule.id]
        if rule.times is not None and counts.fired >= rule.times:
            return False
        if rule.greylist and not self._is_too_early(rule, moment):
            return False
        counts.seen += 1
        if counts.seen <= rule.after or (counts.seen - rule.after) % rule.every:
            return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        counts.fired += 1
        firing = FaultEvent(rule.id, moment.at, moment.server, moment.client, self._now())
        self.firings.append(firing)
        self.told(firing)
        return True

    def _is_too_early(self, rule: Fault, moment: FaultContext) -> bool:
        (recipient,) = moment.recipients
        sender = moment.sender.key if moment.sender is not None else ""
        triple = (rule.id, moment.client, sender, recipient.key)
        if triple not in self._met and len(self._met) >= MOST_TRIPLES:
            del self._met[next(iter(self._met))]
        first = self._met.setdefault(triple, self._now())
        return self._now() < first + read_duration(rule.greylist)


def _holds(rule: Fault, moment: FaultContext) -> bool:
    """Whether the rule's conditions do."""
    return (
        (rule.at == moment.at or (rule.at == "pop3.any" and moment.at.startswith("pop3.")))
        and _like(moment.server, rule.server)
        and (not rule.service or rule.service == moment.service)
        and _like(moment.client, rule.client)
        and _like(moment.name, rule.name)
        and (not rule.nth or rule.nth == moment.count)
        and (not rule.sender or (moment.has_sender and fits_address(rule.sender, moment.sender)))
        and (not rule.recipient or any(fits_address(rule.recipient, each) for each in moment.recipients))
    )


def _like(text: str, pattern: str) -> bool:
    return not pattern or fnmatchcase(text.lower(), pattern.lower())
