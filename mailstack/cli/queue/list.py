"""Commands `mailstack queue list` and `show`: waiting letters, counts by group, and single letters."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import click
from msgspec import Struct, field

from mailstack.cli.argument_types import letter_id, unknown_letter
from mailstack.cli.output import due_text, last_word, print_json, print_table
from mailstack.cli.queue.context import DelayContext, Reason, explain, load_context, reason_of
from mailstack.cli.queue.selection import MAX_SCANNED, narrowed, select, with_selection
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter import Envelope
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.times import clean, iso8601, local_text, size_text, span_text
from mailstack.queue.hold_rules import DeliverySelection
from mailstack.queue.recipient_routes import LOCAL
from mailstack.queue.retry_schedule import RetrySchedule
from mailstack.store import Filter, Record
from mailstack.store.journey import journey_lines, record_json, sender_text, step_json

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
    "--limit", type=click.IntRange(1, MAX_SCANNED), default=1000, show_default=True, help="Maximum number of messages."
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@with_target
@with_selection()
def list_(target: TargetServer, selection: DeliverySelection, by: By | None, limit: int, as_json: bool) -> None:
    """List the waiting messages, newest first, with recipient, reason and next attempt.

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
            print_table(columns(by), [group.row(now) for group in groups[:limit]], empty=_empty(selection))
    elif as_json:
        for record in records:
            print_json(record_json(record))
    else:
        _print(narrowed(records, selection), now, _empty(selection))


def _empty(selection: DeliverySelection) -> str:
    return "no waiting message matches" if selection.narrows else "the queue is empty"


def _print(records: Sequence[Record], now: float, empty: str) -> None:
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
    print_table(("id", "arrived", "from", "to", "size", "tries", "next", "last heard"), rows, empty=empty)


ATTEMPTS = frozenset({"routed", "attempted", "deferred", "relayed", "delivered", "bounced"})
"""Steps of an attempt."""
WIDTH = 110


@click.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@with_target
def show(target: TargetServer, id: str, as_json: bool) -> None:  # noqa: A002 - the name in the help text
    """Explain one message: envelope, every attempt with its dialogue, and the next one with its reason.

    `mailstack journey ID` shows all steps of the message, across servers.

    \b
    Example:
      mailstack queue show 1kq2v7m4e80c3xz
      mailstack queue show 1kq2v7m4e80c3xz --json | jq '.deliveries[].explanation'
    """
    letter = letter_id(id)
    with OpenStore(target, only_reads=True) as server:
        records = server.run(server.store.history.records(Filter(ids=(letter,), limit=1)))
        if not records:
            raise unknown_letter(letter)
        details = _LetterDetails(
            records[0],
            server.run(server.store.history.steps(letter)),
            schedule_of(target),
            load_context(target, server, records[0]),
        )
    now = target.now()
    if as_json:
        print_json(_document(details, now))
        return
    for line in _lines(details, now):
        click.echo(clean(line))


class _LetterDetails(Struct, frozen=True):
    """A letter with its steps, schedule and delay reasons."""

    record: Record
    steps: list[Step]
    schedule: RetrySchedule
    context: DelayContext

    def reasons(self, delivery: Delivery) -> list[Reason]:
        return self.context.reasons(self.record.letter, delivery, self.steps)


def schedule_of(target: TargetServer) -> RetrySchedule:
    if target.settings is None:
        return RetrySchedule()
    waits = target.settings.relay.schedule
    return RetrySchedule(waits.first, waits.longest, waits.warn_after, waits.give_up_after)


def _document(details: _LetterDetails, now: float) -> dict[str, Any]:
    record, schedule = details.record, details.schedule
    document = record_json(record)
    for entry, delivery in zip(document["deliveries"], record.deliveries, strict=True):
        reasons = details.reasons(delivery)
        explanation = explain(record.letter, delivery, schedule, now, reasons)
        because = [each.json(None if each.until is None else iso8601(each.until)) for each in reasons]
        entry["explanation"] = {"now": explanation.now, "then": explanation.then, "because": because}
    envelope = record.letter.envelope
    document["envelope"] = {
        "body": envelope.body,
        "parameters": dict(envelope.parameters),
        "recipients": [
            {"address": str(each.address), "parameters": dict(each.parameters)} for each in envelope.recipients
        ],
    }
    document["gives_up"] = iso8601(record.letter.arrival.at + schedule.give_up_after)
    document["attempts"] = [step_json(step) for step in details.steps if step.step in ATTEMPTS]
    return document


def _lines(details: _LetterDetails, now: float) -> Iterator[str]:
    record, letter = details.record, details.record.letter
    arrival = letter.arrival
    by = f" from {arrival.remote.host}" if arrival.remote else ""
    yield f"Message {letter.id}, {size_text(letter.content.size)}, at {arrival.server}"
    yield f"  arrived {local_text(arrival.at)} by {arrival.protocol}{by}{f' ({arrival.account})' if arrival.account else ''}"
    yield f"  MAIL FROM:<{sender_text(letter.envelope)}>{_parameters(letter.envelope)}"
    for recipient in letter.envelope.recipients:
        yield f"  RCPT TO:<{recipient.address}>{''.join(f' {_pair(*each)}' for each in recipient.parameters)}"
    for delivery in record.deliveries:
        yield ""
        original = f" (for {delivery.recipient.original})" if delivery.recipient.original else ""
        yield f"{delivery.recipient.address}{original}: {delivery.state}; attempts: {delivery.attempts}"
        reasons = details.reasons(delivery)
        explanation = explain(letter, delivery, details.schedule, now, reasons)
        if delivery.text and not (delivery.state is DeliveryState.HELD and delivery.status is None):
            yield from _wrapped("last heard", last_word(delivery))
        yield from _wrapped("now", explanation.now)
        for reason in reasons:
            yield from _wrapped("because", reason.text)
        if explanation.then:
            yield from _wrapped("then", explanation.then)
    attempts = [step for step in details.steps if step.step in ATTEMPTS]
    yield ""
    yield "Attempts:" if attempts else "No attempt has been made yet."
    yield from (f"  {line}" for line in journey_lines(attempts, dialogue=True))


def _wrapped(title: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        clean(text), WIDTH, initial_indent=f"  {title + ':':<12}", subsequent_indent=" " * 14, break_long_words=False
    )


def _parameters(envelope: Envelope) -> str:
    body = [] if envelope.body == "7BIT" else [("BODY", envelope.body)]
    return "".join(f" {_pair(*each)}" for each in (*body, *envelope.parameters))


def _pair(keyword: str, value: str) -> str:
    return f"{keyword}={value}" if value else keyword
