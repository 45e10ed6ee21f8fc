"""JSON objects for letters, deliveries and journeys, the same in CLI, API and webhooks."""

from __future__ import annotations

from typing import Any

from mailstack.letter import Envelope
from mailstack.letter.delivery import OWED, Delivery
from mailstack.letter.step import Step
from mailstack.letter.timestamps import iso8601
from mailstack.store import Record
from mailstack.store.journey import Journey


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
