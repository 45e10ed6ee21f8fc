"""How letters and their deliveries look to people, in the lists of `letters` and `queue`."""

from __future__ import annotations

from mailstack.letter.delivery import Delivery
from mailstack.letter.display_text import span_text
from mailstack.store import Record


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
