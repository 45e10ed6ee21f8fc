"""Command `mailstack queue show`: one letter with its attempts."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

import click
from msgspec import Struct

from mailstack.cli.argument_types import letter_id, unknown_letter
from mailstack.cli.output import last_word, print_json
from mailstack.cli.queue.context import DelayContext, Reason, explain, load_context
from mailstack.cli.runner import OpenStore
from mailstack.cli.target import TargetServer, with_target
from mailstack.letter import Envelope
from mailstack.letter.delivery import Delivery, DeliveryState, Step
from mailstack.letter.times import clean, iso8601, local_text, size_text
from mailstack.queue.schedule import RetrySchedule
from mailstack.store import Filter, Record
from mailstack.store.journey import journey_lines, record_json, sender_text, step_json

ATTEMPTS = frozenset({"routed", "attempted", "deferred", "relayed", "delivered", "bounced"})
"""Steps of an attempt."""
WIDTH = 110


@click.command()
@click.argument("id")
@click.option("--json", "as_json", is_flag=True, help="One JSON document.")
@with_target
def show(target: TargetServer, id: str, as_json: bool) -> None:  # noqa: A002 - the name in the help text
    """Explain one letter: envelope, every attempt with its dialogue, and the next one with its reason.

    `mailstack journey ID` shows all steps of the letter, across servers.

    \b
    Example:
      mailstack queue show 1kq2v7m4e80c3xz
      mailstack queue show 1kq2v7m4e80c3xz --json | jq '.deliveries[].explanation'
    """
    wanted = letter_id(id)
    with OpenStore(target, only_reads=True) as server:
        records = server.run(server.store.records(Filter(ids=(wanted,), limit=1)))
        if not records:
            raise unknown_letter(wanted)
        details = _LetterDetails(
            records[0],
            server.run(server.store.steps(wanted)),
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
    """Retry schedule of the server."""
    if target.settings is None:
        return RetrySchedule()
    waits = target.settings.relay.schedule
    return RetrySchedule(waits.first, waits.longest, waits.warn_after, waits.give_up_after)


def _document(details: _LetterDetails, now: float) -> dict[str, Any]:
    record, schedule = details.record, details.schedule
    document = record_json(record)
    for shown, delivery in zip(document["deliveries"], record.deliveries, strict=True):
        reasons = details.reasons(delivery)
        told = explain(record.letter, delivery, schedule, now, reasons)
        because = [each.json(None if each.until is None else iso8601(each.until)) for each in reasons]
        shown["explanation"] = {"now": told.now, "then": told.then, "because": because}
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
    yield f"Letter {letter.id}, {size_text(letter.content.size)}, at {arrival.server}"
    yield f"  arrived {local_text(arrival.at)} by {arrival.protocol}{by}{f' ({arrival.account})' if arrival.account else ''}"
    yield f"  MAIL FROM:<{sender_text(letter.envelope)}>{_parameters(letter.envelope)}"
    for recipient in letter.envelope.recipients:
        yield f"  RCPT TO:<{recipient.address}>{''.join(f' {_pair(*each)}' for each in recipient.parameters)}"
    for delivery in record.deliveries:
        yield ""
        original = f" (for {delivery.recipient.original})" if delivery.recipient.original else ""
        yield f"{delivery.recipient.address}{original}: {delivery.state}; attempts: {delivery.attempts}"
        reasons = details.reasons(delivery)
        told = explain(letter, delivery, details.schedule, now, reasons)
        if delivery.text and not (delivery.state is DeliveryState.HELD and delivery.status is None):
            yield from _wrapped("last heard", last_word(delivery))
        yield from _wrapped("now", told.now)
        for reason in reasons:
            yield from _wrapped("because", reason.text)
        if told.then:
            yield from _wrapped("then", told.then)
    attempts = [step for step in details.steps if step.step in ATTEMPTS]
    yield ""
    yield "Attempts:" if attempts else "No attempt has been made yet."
    yield from (f"  {line}" for line in journey_lines(attempts, dialogue=True))


def _wrapped(title: str, text: str) -> Iterator[str]:
    """Wrapped paragraph with a title."""
    yield from textwrap.wrap(
        clean(text), WIDTH, initial_indent=f"  {title + ':':<12}", subsequent_indent=" " * 14, break_long_words=False
    )


def _parameters(envelope: Envelope) -> str:
    body = [] if envelope.body == "7BIT" else [("BODY", envelope.body)]
    return "".join(f" {_pair(*each)}" for each in (*body, *envelope.parameters))


def _pair(keyword: str, value: str) -> str:
    return f"{keyword}={value}" if value else keyword
