"""How letters and their deliveries look in lists: the same objects and words in `letters` and `queue`."""

from __future__ import annotations

from typing import Any

from mailstack.cli.when import span_text, utc_text
from mailstack.letter import Envelope
from mailstack.queue.delivery import OWED, Delivery
from mailstack.store import Record


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
        "office": letter.arrival.office,
        "sender": sender_text(letter.envelope),
        "recipients": recipient_texts(record),
        "size": letter.content.size,
        "arrived": utc_text(letter.arrival.at),
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
        "next_attempt": utc_text(delivery.due) if delivery.state in OWED else None,
        "status": str(delivery.status) if delivery.status else None,
        "text": delivery.text,
        "host": delivery.host,
    }


def whereabouts(record: Record) -> str:
    """Where a letter is now, for a table: one word, or a count for each state."""
    states = [str(delivery.state) for delivery in record.deliveries]
    counts = {state: states.count(state) for state in dict.fromkeys(states)}
    if len(counts) == 1:
        return states[0]
    return ", ".join(f"{count} {state}" for state, count in counts.items())


def due_text(delivery: Delivery, now: float) -> str:
    """When a delivery is tried again, for people."""
    if delivery.state == "held":
        return "held"
    if delivery.claimed_by is not None and delivery.lease > now:
        return "under way"
    return f"in {span_text(delivery.due - now)}" if delivery.due > now else "now"


def last_word(delivery: Delivery) -> str:
    """Why a delivery waits: what the last attempt heard."""
    if delivery.status is None and not delivery.text:
        return "no attempt yet" if delivery.attempts == 0 else "first attempt under way"
    status = str(delivery.status) if delivery.status else ""
    return delivery.text if status in delivery.text else f"{status} {delivery.text}".strip()
