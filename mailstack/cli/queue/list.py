"""Command `mailstack queue list`: waiting letters, or counts of them by group."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Literal

import click
from msgspec import Struct, field

from mailstack.cli.output import due_text, last_word, print_json, print_table
from mailstack.cli.queue.context import reason_of
from mailstack.cli.queue.selection import MAX_SCANNED, narrowed, select, with_selection
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter.delivery import Delivery, DeliveryState
from mailstack.letter.times import iso8601, local_text, size_text, span_text
from mailstack.queue.hold_rules import DeliverySelection
from mailstack.queue.route import LOCAL
from mailstack.store import Record
from mailstack.store.journey import record_json, sender_text

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


@click.command("list")
@click.option("--by", type=click.Choice([*NAMES]), help="Count waiting deliveries by group and age.")
@click.option(
    "--limit", type=click.IntRange(1, MAX_SCANNED), default=1000, show_default=True, help="Maximum number of letters."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_target
@with_selection()
def list_(target: TargetServer, selection: DeliverySelection, by: By | None, limit: int, as_json: bool) -> None:
    """List the waiting letters, newest first, with recipient, reason and next attempt.

    A pattern may have * and ?. With --by, the columns count deliveries by their age in minutes.

    \b
    Example:
      mailstack queue list --domain elsewhere.test --older 2h --reason "4.2.1"
      mailstack queue list --by destination
      mailstack queue list --json | jq -r 'select(.sender == "alice@home.test") | .id'
    """
    with OpenStore(target, only_reads=True) as server:
        records = select(server, selection, MAX_SCANNED if by else limit)
        conditions = server.run(server.store.delay_reasons.current(target.now())) if by else []
        rules = server.run(server.store.hold_rules.load()).rules if by else ()
    now = target.now()
    if by:
        groups = grouped(narrowed(records, selection), by, now)
        for group in groups if by == "destination" else ():
            if group.name != LOCAL:
                group.why = reason_of(group.name, group.hosts, conditions, rules, target)
        if as_json:
            for group in groups[:limit]:
                print_json(group.json(by))
        else:
            print_table(columns(by), [group.row(now) for group in groups[:limit]], empty="the queue is empty")
    elif as_json:
        for record in records:
            print_json(record_json(record))
    else:
        _print(narrowed(records, selection), now)


def _print(records: Sequence[Record], now: float) -> None:
    rows = [
        (
            record.letter.id,
            local_text(record.letter.arrival.at),
            sender_text(record.letter.envelope) or "<>",
            str(delivery.recipient.address),
            size_text(record.letter.content.size),
            str(delivery.attempts),
            due_text(delivery, now),
            last_word(delivery),
        )
        for record in records
        for delivery in record.deliveries
    ]
    print_table(
        ("id", "arrived", "from", "to", "size", "tries", "next", "last heard"), rows, empty="the queue is empty"
    )
