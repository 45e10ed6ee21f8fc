"""Journey steps of an attempt, and facts of its outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mailstack.letter import Delivered, Letter, Outcome
from mailstack.letter.delivery import Delivery
from mailstack.letter.step import Step
from mailstack.queue.attempt import Attempt

MAX_TEXT = 1000
"""Maximum number of characters of a reply that are kept."""


def steps_of_attempt(letter: Letter, deliveries: Sequence[Delivery], attempt: Attempt, began: float) -> list[Step]:
    """Steps "routed" and "attempted", if there is anything to say."""
    steps: list[Step] = []
    recipients = [str(delivery.recipient.address) for delivery in deliveries]
    if attempt.route:
        facts = {"recipients": recipients, **attempt.route}
        steps.append(Step(letter.id, began, letter.arrival.server, "routed", facts))
    if attempt.dialogue or attempt.facts:
        facts = {"recipients": recipients, **attempt.facts, "dialogue": list(attempt.dialogue)}
        steps.append(Step(letter.id, began, letter.arrival.server, "attempted", facts))
    return steps


def relayed_facts(delivery: Delivery, outcome: Delivered, attempt: Attempt) -> dict[str, Any]:
    """Facts of the step "relayed"."""
    facts = outcome_facts(delivery, outcome)
    if "remote_id" in attempt.facts:
        facts["remote_id"] = attempt.facts["remote_id"]
    return facts


def outcome_facts(delivery: Delivery, outcome: Outcome) -> dict[str, Any]:
    """Facts that each step about an outcome has."""
    return {
        "recipient": str(delivery.recipient.address),
        "status": str(outcome.status),
        "reply": outcome.text[:MAX_TEXT],
        "host": outcome.host,
    }


def span_text(seconds: float) -> str:
    """Time for people: "5 days", "4 hours", "90 seconds"."""
    for unit, name in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.4g} {name}"
    return f"{seconds:.4g} seconds"
