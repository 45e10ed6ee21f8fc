"""Counts of waiting deliveries by destination, sender or reason, and age."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

from msgspec import Struct, field

from mailstack.cli.output import last_word
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.display_text import span_text
from mailstack.letter.timestamps import iso8601
from mailstack.store import Record
from mailstack.store.journey_json import sender_text

By = Literal["destination", "sender", "reason"]
AGES = (5, 10, 20, 40, 80, 160, 320, 640, 1280)
"""Upper bounds of the age columns in minutes; one more column has everything older."""
LABELS = (*(f"{minutes}m" for minutes in AGES), f"{AGES[-1]}m+")

NAMES: dict[By, Callable[[Record, Delivery], str]] = {
    "destination": lambda _, delivery: delivery.destination,
    "sender": lambda record, _: sender_text(record.letter.envelope) or "<>",
    "reason": lambda _, delivery: last_word(delivery),
}


class Group(Struct):
    """Deliveries with one name in common."""

    name: str
    count: int = 0
    held: int = 0
    ages: list[int] = field(default_factory=lambda: [0] * len(LABELS))
    """Number of deliveries by age, in the order of LABELS."""
    next_attempt: float | None = None
    """Earliest next attempt, in seconds since 1970; None if all are held."""
    reasons: Counter[str] = field(default_factory=Counter)
    hosts: set[str] = field(default_factory=set)
    """Hosts of the last attempts."""
    why: str = ""
    """Delay reason of the destination, from the running server."""

    def add(self, record: Record, delivery: Delivery, now: float) -> None:
        self.count += 1
        minutes = (now - record.letter.arrival.at) / 60
        self.ages[sum(minutes > age for age in AGES)] += 1
        self.reasons[last_word(delivery)] += 1
        self.hosts.add(delivery.host)
        if delivery.state is DeliveryState.HELD:
            self.held += 1
        elif self.next_attempt is None or delivery.due < self.next_attempt:
            self.next_attempt = delivery.due

    @property
    def reason(self) -> str:
        """Current delay reason, else the most frequent reply."""
        return self.why or self.reasons.most_common(1)[0][0] if self.reasons else ""

    def row(self, now: float) -> tuple[str, ...]:
        """Table row, in the order of `columns`."""
        counts = [str(count) if count else "." for count in self.ages]
        if self.next_attempt is None:
            soon = "held"
        else:
            soon = f"in {span_text(self.next_attempt - now)}" if self.next_attempt > now else "now"
        return (self.name, str(self.count), *counts, str(self.held), soon, self.reason)

    def json(self, by: By) -> dict[str, Any]:
        return {
            by: self.name,
            "count": self.count,
            "held": self.held,
            "ages": dict(zip(LABELS, self.ages, strict=True)),
            "next_attempt": None if self.next_attempt is None else iso8601(self.next_attempt),
            "reason": self.reason,
        }


def columns(by: By) -> tuple[str, ...]:
    return (by, "all", *LABELS, "held", "next", "why" if by == "destination" else "most often heard")


def grouped(records: Sequence[Record], by: By, now: float) -> list[Group]:
    """Groups of deliveries, the largest first."""
    groups: dict[str, Group] = {}
    for record in records:
        for delivery in record.deliveries:
            name = NAMES[by](record, delivery)
            groups.setdefault(name, Group(name)).add(record, delivery, now)
    return sorted(groups.values(), key=lambda group: (-group.count, group.name))
