"""Active fault rules: added and removed at any time, with counts."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from random import Random
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from mailstack.letter import ReversePath
from mailstack.letter.patterns import fits_address
from mailstack.letter.times import read_duration
from mailstack.sandbox.faults.rule import Fault

MAX_RULES = 1000
MAX_FIRINGS = 1000
MAX_TRIPLES = 10_000


class TooManyRules(ValueError):
    """Limit of active rules reached."""


class FaultContext(Struct, frozen=True):
    """Context of one protocol step that rules match against."""

    at: str
    server: str = ""
    service: str = ""
    client: str = ""
    sender: ReversePath = None
    has_sender: bool = False
    recipients: tuple[Any, ...] = ()
    """Recipient addresses of the transaction."""
    count: int = 0
    """Ordinal number of the step in its connection or transaction, from 1."""
    name: str = ""
    account: str = ""
    folder: str = ""


class FaultEvent(Struct, frozen=True):
    """Fault that was injected."""

    rule: str
    """Id of the rule."""
    at: str
    server: str
    client: str
    time: float
    """Time of the fault, in seconds since 1970."""


class _Counts:
    """Counters of one rule."""

    __slots__ = ("fired", "seen")

    def __init__(self) -> None:
        self.seen = 0
        self.fired = 0


class Faults:
    """Active rules of one environment. The oldest rule that matches applies."""

    def __init__(self, now: Callable[[], float], seed: int | str = 0) -> None:
        """`now` gives seconds since 1970. `seed` makes probabilities repeatable."""
        self.firings: deque[FaultEvent] = deque(maxlen=MAX_FIRINGS)
        """Latest faults, the oldest first."""
        self.on_fault: Callable[[FaultEvent], object] = lambda _: None
        """Callback for each injected fault."""
        self.magic = False
        """Whether addresses such as "temperror@a.test" inject faults (`mailstack.sandbox.faults.rule`)."""
        self._now = now
        self._random = Random(f"faults/{seed}")  # noqa: S311 - repeatable randomness
        self._rules: dict[str, Fault] = {}
        self._counts: dict[str, _Counts] = {}
        self._last = 0
        self._met: dict[tuple[str, str, str, str], float] = {}
        """Time of the first attempt by rule id, client, sender and recipient, for `greylist` rules."""
        self.validities: Counter[tuple[str, str, str]] = Counter()
        """Number of new UIDVALIDITYs by server, account and folder; it outlives the rules."""

    @property
    def any(self) -> bool:
        """Whether any fault can be injected."""
        return bool(self._rules) or self.magic

    def list(self) -> list[tuple[Fault, int]]:
        """Active rules, each with the number of its faults."""
        return [(rule, self._counts[rule.id].fired) for rule in self._rules.values()]

    def add(self, rule: Fault | Mapping[str, Any]) -> Fault:
        """Adds a rule and returns it with its id. A rule with a known id replaces the old one and its counters.

        Raises ValueError for an invalid rule, TooManyRules.
        """
        rule = rule if isinstance(rule, Fault) else Fault.from_json(rule)
        if not rule.id:
            self._last += 1
            while f"f{self._last}" in self._rules:
                self._last += 1
            rule = replace(rule, id=f"f{self._last}")
        if len(self._rules) >= MAX_RULES and rule.id not in self._rules:
            raise TooManyRules(f"{MAX_RULES} rules are active, which is the limit: remove some first")
        self._rules[rule.id] = rule
        self._counts[rule.id] = _Counts()
        return rule

    def remove(self, id: str) -> None:  # noqa: A002
        """Removes a rule. Raises KeyError."""
        del self._rules[id]
        del self._counts[id]

    def clear(self) -> int:
        """Removes all rules; returns their number."""
        count = len(self._rules)
        self._rules.clear()
        self._counts.clear()
        self._met.clear()
        return count

    def fired(self, id: str) -> int:  # noqa: A002
        """Number of faults that a rule injected. Raises KeyError."""
        return self._counts[id].fired

    # --- called at every step

    def choose(self, context: FaultContext, fits: Callable[[Fault], bool] = lambda _: True) -> Fault | None:
        """Chooses the rule that applies to a step, and counts it. `fits` is an additional condition."""
        for rule in self._rules.values():
            if _holds(rule, context) and fits(rule) and self._applies(rule, context):
                return rule
        return None

    def _applies(self, rule: Fault, context: FaultContext) -> bool:
        counts = self._counts[rule.id]
        if rule.times is not None and counts.fired >= rule.times:
            return False
        if rule.greylist and not self._is_too_early(rule, context):
            return False
        counts.seen += 1
        if counts.seen <= rule.after or (counts.seen - rule.after) % rule.every:
            return False
        if rule.probability < 1 and self._random.random() >= rule.probability:
            return False
        counts.fired += 1
        firing = FaultEvent(rule.id, context.at, context.server, context.client, self._now())
        self.firings.append(firing)
        self.on_fault(firing)
        return True

    def _is_too_early(self, rule: Fault, context: FaultContext) -> bool:
        (recipient,) = context.recipients
        sender = context.sender.key if context.sender is not None else ""
        triple = (rule.id, context.client, sender, recipient.key)
        if triple not in self._met and len(self._met) >= MAX_TRIPLES:
            del self._met[next(iter(self._met))]
        first = self._met.setdefault(triple, self._now())
        return self._now() < first + read_duration(rule.greylist)


def _holds(rule: Fault, context: FaultContext) -> bool:
    """Whether the rule's conditions match."""
    return (
        (rule.at == context.at or (rule.at.endswith(".any") and context.at.startswith(rule.at[:-3])))
        and _like(context.server, rule.server)
        and (not rule.service or rule.service == context.service)
        and _like(context.client, rule.client)
        and _like(context.name, rule.name)
        and _like(context.account, rule.account)
        and _like(context.folder, rule.folder)
        and (not rule.nth or rule.nth == context.count)
        and (not rule.sender or (context.has_sender and fits_address(rule.sender, context.sender)))
        and (not rule.recipient or any(fits_address(rule.recipient, each) for each in context.recipients))
    )


def _like(text: str, pattern: str) -> bool:
    return not pattern or fnmatchcase(text.lower(), pattern.lower())
