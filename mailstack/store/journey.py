"""Journeys through all servers of one store: search, and JSON objects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import Struct

from mailstack.letter import Envelope, LetterId
from mailstack.letter.delivery import OWED, Delivery
from mailstack.letter.step import Step
from mailstack.letter.times import iso8601
from mailstack.store import Filter, Record, Store

MOST_OFFICES = 100
"""Letters that one journey may lead through; `Received:` is limited to as many hops (RFC 5321 §6.3)."""
MOST_CANDIDATES = 100
"""Letters between the same two people that are looked at for the source of one."""


class Journey(Struct, frozen=True):
    """The letter that was asked for, and what happened to it in every server of the store."""

    asked: LetterId
    records: tuple[Record, ...]
    """The source first, then its copies, and each server that one of them was relayed to."""
    steps: tuple[Step, ...]
    """The oldest first."""

    @property
    def source(self) -> Record:
        return self.records[0]

    @property
    def ended(self) -> bool:
        """Whether no server in this store has a pending delivery of it."""
        return not any(delivery.state in OWED for record in self.records for delivery in record.deliveries)


async def journey_of(store: Store, asked: LetterId) -> Journey | None:
    """The journey of a letter that any server of this store has seen; None when none has."""
    record = await _record(store, asked)
    if record is None:
        return None
    for _ in range(MOST_OFFICES):
        source = await _source_of(store, record)
        if source is None:
            break
        record = source
    records = [record]
    steps = await store.steps(record.letter.id)
    known = {record.letter.id}
    waiting = _led_to(steps)
    while waiting and len(records) < MOST_OFFICES:
        following = LetterId(waiting.pop(0))
        if following in known:
            continue
        known.add(following)
        further = await store.steps(following)
        there = await _record(store, following)
        if there is None or not any(step.step == "exchanged" or _source_in([step]) in known for step in further):
            continue
        records.append(there)
        steps += further
        waiting += _led_to(further)
    return Journey(asked, tuple(records), tuple(sorted(steps, key=lambda step: step.at)))


def _led_to(steps: Sequence[Step]) -> list[str]:
    """Its copies, and the ids under which other hosts said they had queued it: hostile text, so each must be looked up."""
    named = [step.facts.get("copy") if step.step == "copied" else step.facts.get("remote_id") for step in steps]
    return [str(each) for each in named if each]


def _source_in(steps: Sequence[Step]) -> LetterId | None:
    """The letter that this one is a copy of, as this server wrote it down itself when it made the copy."""
    return next((LetterId(str(step.facts["copy_of"])) for step in steps if step.facts.get("copy_of")), None)


async def _record(store: Store, letter: LetterId) -> Record | None:
    found = await store.records(Filter(ids=(letter,), limit=1))
    return found[0] if found else None


async def _source_of(store: Store, record: Record) -> Record | None:
    """The letter of this store that was copied, or in another server relayed, and became this one."""
    steps = await store.steps(record.letter.id)
    if (source := _source_in(steps)) is not None:
        return await _record(store, source)
    if not any(step.step == "exchanged" for step in steps):
        return None
    envelope = record.letter.envelope
    for recipient in envelope.recipients:
        which = Filter(
            sender=envelope.sender.key if envelope.sender else "",
            recipient=(recipient.original or recipient.address).key,
            limit=MOST_CANDIDATES,
        )
        for candidate in await store.records(which):
            if candidate.letter.id != record.letter.id and record.letter.id in _led_to(
                await store.steps(candidate.letter.id)
            ):
                return candidate
    return None


def sender_text(envelope: Envelope) -> str:
    """The reverse-path; "" is the null one, as in SMTP's `<>`."""
    return str(envelope.sender) if envelope.sender else ""


def recipient_texts(record: Record) -> list[str]:
    """The recipients as the sender wrote them."""
    return list(dict.fromkeys(str(r.original or r.address) for r in record.letter.envelope.recipients))


def state_of(record: Record) -> str | dict[str, str]:
    """One word when all recipients agree, else one for each of them."""
    states = {str(delivery.recipient.address): str(delivery.state) for delivery in record.deliveries}
    words = set(states.values())
    return words.pop() if len(words) == 1 else states


def record_json(record: Record) -> dict[str, Any]:
    """What `letters --json`, `queue list --json` and `queue show --json` print of a letter."""
    letter = record.letter
    return {
        "id": letter.id,
        "server": letter.arrival.server,
        "sender": sender_text(letter.envelope),
        "recipients": recipient_texts(record),
        "size": letter.content.size,
        "arrived": iso8601(letter.arrival.at),
        "state": state_of(record),
        "deliveries": [delivery_json(delivery) for delivery in record.deliveries],
    }


def delivery_json(delivery: Delivery) -> dict[str, Any]:
    """One recipient's progress."""
    return {
        "recipient": str(delivery.recipient.address),
        "state": str(delivery.state),
        "destination": delivery.destination,
        "attempts": delivery.attempts,
        "next_attempt": iso8601(delivery.due) if delivery.state in OWED else None,
        "status": str(delivery.status) if delivery.status else None,
        "text": delivery.text,
        "host": delivery.host,
    }


def journey_json(told: Journey) -> dict[str, Any]:
    """One letter's life."""
    return {
        "id": told.asked,
        "sender": sender_text(told.source.letter.envelope),
        "recipients": recipient_texts(told.source),
        "steps": [step_json(step) for step in told.steps],
    }


def step_json(step: Step) -> dict[str, Any]:
    """One step; its facts stand beside what every step has."""
    always = {"at": iso8601(step.at), "server": step.server, "step": step.step, "letter": step.letter}
    return always | {name: fact for name, fact in step.facts.items() if name not in always}
